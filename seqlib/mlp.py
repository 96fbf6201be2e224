"""Perceptrons, hard and soft, and the networks made of layers of them.

A unit computes f(w'x + b). With f the threshold it is a perceptron: it fires, with the
value 1, where w'x reaches the threshold T = -b. A smooth f makes it soft, and lets a
gradient through.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from seqlib._arrays import Array
from seqlib._check import flags, generator, gradient, one_of, shapes, whole
from seqlib._layers import ACTIVATIONS, SLOPES, Activations, Layers, check
from seqlib.functional import linear, linear_backward


def perceptron(
    x: Array, W: Array, b: Array | None = None, activation: str = "threshold"
) -> tuple[Array, tuple]:
    """One layer of units, y = f(W x + b).

    f is "threshold" (1 where its argument is at least 0, else 0), "logistic", "tanh",
    "relu" or "linear". Shapes: x (..., D), W (H, D), a row for each unit, b (H,) or
    None; result (..., H). Errors: a shape, a float type or the activation does not fit.
    Equation (2.2) of the book. Sources: McCulloch & Pitts (1943); Rosenblatt (1958).
    """
    one_of("activation", activation, ACTIVATIONS)
    shapes(W=(W, "H D"), b=(b, "H?"), x=(x, "... D"))
    z, kept = linear(x, W, b)
    y = ACTIVATIONS[activation](z)
    return y, (y, kept, activation)


def perceptron_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """Gradients of `perceptron`: dx (..., D), dW (H, D), db (H,) or None.

    dz = dy f'(z), dx = W' dz, dW = sum dz x', db = sum dz; through a threshold, which
    is flat on both sides, all are zero. Shapes: dy (..., H). Errors: dy does not fit.
    """
    y, kept, activation = cache
    gradient("dy", dy, y, y.shape)
    return linear_backward(dy * SLOPES[activation](y), kept)


def mlp(
    x: Array, layers: Layers, activations: Activations = "logistic"
) -> tuple[Array, list]:
    """Multilayer perceptron: y_0 = x, y_l = f_l(W_l y_{l-1} + b_l), result y_L.

    Parameters
    ----------
    x : (..., D) input
    layers : a list of pairs (W, b), the first layer first: W (H_l, H_{l-1}) with
        H_0 = D, b (H_l,) or None
    activations : the name of f_l, as in `perceptron`, for each layer, or one for all

    Returns
    -------
    y : (..., H_L) what the last layer says, and the cache for `mlp_backward`

    Raises
    ------
    ValueError, TypeError
        The layers do not fit one another or x, or an activation is unknown.

    Notes
    -----
    Equation (2.7) of the book. Source: Rumelhart, Hinton & Williams (1986).
    """
    chosen, _ = check(layers, activations, x=(x, "... D"))
    cache = []
    for (W, b), f in zip(layers, chosen, strict=True):
        x, kept = perceptron(x, W, b, f)
        cache.append(kept)
    return x, cache


def mlp_backward(dy: Array, cache: list) -> tuple[Array, list]:
    """Backpropagation: the gradients of `mlp`, from the last layer to the first.

    Returns dx (..., D) and a list of pairs (dW, db), one for each layer, db None where
    b was. Shapes: dy (..., H_L). Errors: dy does not fit the result. Equations (2.18)
    and (2.19) of the book. Source: Rumelhart, Hinton & Williams (1986).
    """
    grads = []
    for kept in reversed(cache):
        dy, dW, db = perceptron_backward(dy, kept)
        grads.append((dW, db))
    return dy, grads[::-1]


def init_params(
    sizes: Sequence[int], rng: np.random.Generator | None = None, bias: bool = True
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Draw layers for `mlp`, float64, uniform in ±1/sqrt(inputs) as torch does.

    sizes: [D, H_1, ..., H_L], the number of inputs and then of each layer's units; the
    result is a list of L pairs, W (H_l, H_{l-1}) and b (H_l,), or None without biases.
    Without rng, a numpy generator, each call draws anew. Errors: fewer than two sizes,
    one that is no whole number above 0, an rng that is no generator.
    """
    if not isinstance(sizes, list | tuple) or len(sizes) < 2:
        raise ValueError(f"sizes must be a list of at least two sizes, got {sizes!r}")
    for n in sizes:
        whole("sizes", n, 1)
    flags(bias=bias)
    rng = np.random.default_rng() if rng is None else rng
    generator("rng", rng)
    layers = []
    for D, H in pairwise(sizes):
        W, b = (rng.uniform(-(D**-0.5), D**-0.5, shape) for shape in ((H, D), (H,)))
        layers.append((W, b if bias else None))
    return layers
