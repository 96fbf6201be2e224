"""The LSTM whose state is a map, of Shi et al. (2015): products become convolutions.

The six equations are the LSTM's, in `seqlib.lstm.update`; only the gates' arguments
are made otherwise, with `conv2d` for each product, zeros beyond the edge, so that the
state keeps the frame's height and width, and without peepholes::

    z = conv2d(x, W_ih) + b_ih + conv2d(h, W_hh) + b_hh
    c' = σ(z_f) * c + σ(z_i) * tanh(z_g)
    h' = σ(z_o) * tanh(c')

The channels of z are the blocks i, f, g, o, in torch's order for the LSTM.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from array_api_compat import device

from seqlib._arrays import Array, State, array_namespace
from seqlib._check import flags, generator, gradient, shapes, whole
from seqlib._params import check_state, layers_of, names_of
from seqlib._scan import choose
from seqlib.cnn import conv2d, conv2d_backward
from seqlib.lstm import update, update_backward

Weights = tuple[Array | None, ...]


def convlstm_cell(
    x: Array,
    h: Array,
    c: Array,
    W_ih: Array,
    W_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
) -> tuple[tuple[Array, Array], tuple]:
    """One step of a ConvLSTM: the LSTM's equations, with convolutions.

    Parameters
    ----------
    x : (B, C, H, W) input of this step, a batch of frames
    h, c : (B, F, H, W) output and memory after the step before, F maps a frame
    W_ih : (4F, C, KH, KW) kernels over the input, blocks i, f, g, o
    W_hh : (4F, F, KH, KW) kernels over the state; of another size if you like
    b_ih, b_hh : (4F,) biases, or None

    Returns
    -------
    (h_new, c_new) : (B, F, H, W) each, and the cache for `convlstm_cell_backward`

    Raises
    ------
    ValueError, TypeError
        A shape, a float type or a library does not fit.

    Notes
    -----
    Equations (10.4) and (10.5) of the book. Source: Shi et al. (2015), equation (3),
    without the peepholes.
    """
    F = shapes(x=(x, "B C H W"), h=(h, "B F H W"), c=(c, "B F H W"))["F"]
    shapes(
        x=(x, "B C H W"),
        W_ih=(W_ih, f"{4 * F} C KH KW"),
        b_ih=(b_ih, f"{4 * F}?"),
        b_hh=(b_hh, f"{4 * F}?"),
    )
    shapes(x=(x, "..."), W_hh=(W_hh, f"{4 * F} {F} KH KW"))
    return _step(x, (h, c), (W_ih, W_hh, b_ih, b_hh))


def convlstm_cell_backward(
    dstate: tuple[Array, Array], cache: tuple
) -> tuple[Array | None, ...]:
    """Gradients of `convlstm_cell` for dstate, (dh, dc) at the new state.

    Shapes: dh, dc (B, F, H, W). Returns dx (B, C, H, W), dh_prev, dc_prev
    (B, F, H, W), dW_ih, dW_hh, db_ih, db_hh in the shapes of what they belong to; None
    for a bias that was None. Errors: dstate is no pair or does not fit the state.
    """
    h = cache[1][0]
    check_state("dstate", dstate, 2, ("the forward pass", h), tuple(h.shape))
    dx, (dh, dc), weights = _step_backward(dstate, cache)
    return dx, dh, dc, *weights


def convlstm(
    x: Array,
    state: State | None,
    params: dict[str, Array],
    mask: Array | None = None,
) -> tuple[Array, State, tuple]:
    """Run a ConvLSTM, deep if you like, over a batch of clips.

    Parameters
    ----------
    x : (B, T, C, H, W) frames
    state : the first state (h, c), each (L, B, F, H, W); None starts from zeros
    params : flat dict, `weight_ih_l0` (4F, C, KH, KW), `weight_hh_l0`
        (4F, F, KH, KW), `bias_ih_l0`, `bias_hh_l0` (4F,), then `_l1` and so on, where C
        is F. The depth and whether there are biases are read off the names
    mask : (B, T) booleans, True where the frame is real. On padding the state is held
        and the output is zero

    Returns
    -------
    y : (B, T, F, H, W) outputs of the last layer
    state : the last state, as the first
    cache : for `convlstm_backward`; it holds x and params, not copies of them

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equations (10.4) and (10.5) of the book. Source: Shi et al. (2015).
    """
    layers, sizes = _check(x, state, params, mask)
    xp = array_namespace(x)
    if state is None:
        state = (xp.zeros(sizes, dtype=x.dtype, device=device(x)),) * 2
    real = None if mask is None else mask[:, :, None, None, None]
    y = x if real is None else xp.where(real, x, xp.zeros_like(x))
    last: list[State] = []
    caches: list[list[tuple]] = []
    for k, suffix in enumerate(layers):
        weights = tuple(params.get(name) for name in names_of(suffix))
        now = tuple(s[k, ...] for s in state)
        outs, steps = [], []
        for t in range(x.shape[1]):
            new, kept = _step(y[:, t, ...], now, weights)
            now = new if real is None else choose(real[:, t, ...], new, now)
            outs.append(now[0])
            steps.append(kept)
        y = xp.stack(outs, axis=1)
        y = y if real is None else xp.where(real, y, xp.zeros_like(y))
        last.append(now)
        caches.append(steps)
    final = tuple(xp.stack(list(s)) for s in zip(*last, strict=True))
    return y, final, (params, layers, caches, real, sizes)


def convlstm_backward(
    dy: Array | None, dstate: State | None, cache: tuple, input_gradient: bool = True
) -> tuple[Array | None, State, dict[str, Array]]:
    """Backpropagation through time, the backward pass of `convlstm`.

    Shapes: dy (B, T, F, H, W) or None for zeros; dstate a pair of (L, B, F, H, W), or
    None, or None inside, for zeros. Returns dx (B, T, C, H, W), None where
    `input_gradient` is False; the gradient at the first state, a pair; those of all
    parameters under their names. Errors: dy or dstate does not fit. Equations (10.10)
    and (10.11) of the book. Source: Werbos (1990).
    """
    params, layers, caches, real, sizes = cache
    W, T = params["weight_hh_l0"], len(caches[0])
    xp = array_namespace(W)
    zeros = partial(xp.zeros, dtype=W.dtype, device=device(W))
    shape = (sizes[1], T, *sizes[2:])
    dy = zeros(shape) if dy is None else dy
    dstate = (None, None) if dstate is None else dstate
    if isinstance(dstate, tuple):
        dstate = tuple(zeros(sizes) if d is None else d for d in dstate)
    gradient("dy", dy, W, shape)
    check_state("dstate", dstate, 2, ("the forward pass", W), sizes)
    grads: dict[str, Array] = {}
    first: list[State] = []
    for k in range(len(layers))[::-1]:
        dy = dy if real is None else xp.where(real, dy, xp.zeros_like(dy))
        now = tuple(ds[k, ...] for ds in dstate)
        dxs: list[Array] = []
        sums: list[Array | None] = [None] * 4
        for t in range(T)[::-1]:
            now = (now[0] + dy[:, t, ...], now[1])
            here = None if real is None else real[:, t, ...]
            held = tuple(xp.zeros_like(d) for d in now)
            given = now if here is None else choose(here, now, held)
            dx, back, dweights = _step_backward(given, caches[k][t])
            now = back if here is None else choose(here, back, now)
            dxs.append(dx)
            pairs = zip(sums, dweights, strict=True)
            sums = [d if s is None else s + d for s, d in pairs]
        dy = xp.stack(dxs[::-1], axis=1)
        first.append(now)
        grads |= dict(zip(names_of(layers[k]), sums, strict=True))
    state = tuple(xp.stack(list(s)) for s in zip(*first[::-1], strict=True))
    return dy if input_gradient else None, state, {name: grads[name] for name in params}


def init_convlstm(
    in_channels: int,
    hidden_channels: int,
    kernel_size: int,
    num_layers: int = 1,
    rng: np.random.Generator | None = None,
    bias: bool = True,
) -> dict[str, np.ndarray]:
    """Draw parameters for `convlstm`, float64, uniform in ±1/sqrt(F K K).

    F = hidden_channels, K = kernel_size for both axes and both kernels; shapes as
    `convlstm` says. Without rng, a numpy generator, each call draws anew. Errors: a
    size that is no whole number above 0, an rng that is no generator.
    """
    for name, size in (
        ("in_channels", in_channels),
        ("hidden_channels", hidden_channels),
        ("kernel_size", kernel_size),
        ("num_layers", num_layers),
    ):
        whole(name, size, 1)
    flags(bias=bias)
    rng = np.random.default_rng() if rng is None else rng
    generator("rng", rng)
    F, K = hidden_channels, kernel_size
    bound, params = (F * K * K) ** -0.5, {}
    for layer in range(num_layers):
        C = F if layer else in_channels
        wanted = ((4 * F, C, K, K), (4 * F, F, K, K), (4 * F,), (4 * F,))
        for name, shape in zip(names_of(f"l{layer}"), wanted, strict=True):
            if bias or not name.startswith("bias"):
                params[name] = rng.uniform(-bound, bound, shape)
    return params


def _step(x: Array, state: State, weights: Weights) -> tuple[State, tuple]:
    """Advance the state (h, c) by one step."""
    h, c = state
    W_ih, W_hh, b_ih, b_hh = weights
    a, from_input = conv2d(x, W_ih, b_ih, padding="same")
    g, from_state = conv2d(h, W_hh, b_hh, padding="same")
    new, kept = update(a + g, c, axis=1)
    return new, (from_input, from_state, kept)


def _step_backward(dstate: State, cache: tuple) -> tuple[Array, State, Weights]:
    """Gradients of `_step` at x, at the state and at the weights."""
    from_input, from_state, kept = cache
    dz, dc = update_backward(dstate, kept, axis=1)
    dx, dW_ih, db_ih = conv2d_backward(dz, from_input)
    dh, dW_hh, db_hh = conv2d_backward(dz, from_state)
    return dx, (dh, dc), (dW_ih, dW_hh, db_ih, db_hh)


def _check(
    x: Array, state: State | None, params: dict[str, Array], mask: Array | None
) -> tuple[list[str], tuple[int, ...]]:
    """Check all of `convlstm`'s input; return the layers and the state's shape."""
    layers = layers_of(params)
    if len(layers[0]) > 1:
        raise ValueError("params must not hold weight_ih_l0_reverse, unused here")
    suffixes = [suffix for (suffix,) in layers]
    F = shapes(weight_hh_l0=(params["weight_hh_l0"], "G F KH KW"))["F"]
    n = shapes(x=(x, "B T C H W"), mask=(mask, "B T?", "bool"))
    for k, suffix in enumerate(suffixes):
        G, C = 4 * F, F if k else n["C"]
        axes = (f"{G} {C} KH KW", f"{G} {F} KH KW", f"{G}", f"{G}")
        for name, wanted in zip(names_of(suffix), axes, strict=True):
            if name in params:
                shapes(x=(x, "..."), **{name: (params[name], wanted)})
    sizes = (len(suffixes), n["B"], F, n["H"], n["W"])
    if state is not None:
        check_state("state", state, 2, ("x", x), sizes)
    return suffixes, sizes
