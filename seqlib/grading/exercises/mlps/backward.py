"""A layer's gradients, and a backward pass with two faults.

Batches are rows: B inputs, D entries each, H units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Three = tuple[Array, Array, Array]

# 2-7 ---------------------------------------------------------------------------------


def layer_backward(dy: Array, y: Array, x: Array, W: Array) -> Three:
    """Return dx (B, D), dW (H, D), db (H,) of a layer of logistic units."""
    dz = dy * y * (1 - y)
    return dz @ W, dz.T @ x, dz.sum(axis=0)


def _logistic(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _layer_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, D: int, H: int, *, note: str = "") -> Case:
        x, W, b = rng.normal(size=(B, D)), rng.normal(size=(H, D)), rng.normal(size=H)
        args = rng.normal(size=(B, H)), _logistic(x @ W.T + b), x, W
        dtype = "float32" if aspect == FLOAT32 else "float64"
        return Case(aspect, tuple(a.astype(dtype) for a in args), note)

    yield case("values", *sizes(rng, 2, 2, 2))
    yield case("values", 4, 3, 3, note="as many inputs as units")
    yield case("sizes of 1", 1, 3, 2, note="a batch of one")
    yield case("sizes of 1", 2, 1, 1)
    yield case(FLOAT32, *sizes(rng, 2, 2, 2))


def _layer_with(slope: Callable[[Array], Array]) -> Callable[..., Three]:
    """Return the backward pass with another slope, a function of y."""

    def backward(dy: Array, y: Array, x: Array, W: Array) -> Three:
        dz = dy * slope(y)
        return dz @ W, dz.T @ x, dz.sum(axis=0)

    return backward


def _layer_in_place(dy: Array, y: Array, x: Array, W: Array) -> Three:
    dy *= y * (1 - y)
    return dy @ W, dy.T @ x, dy.sum(axis=0)


def _layer_by_entries(dy: Array, y: Array, x: Array, W: Array) -> Three:
    dx, dW, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(W[:, 0])
    for b, i in np.ndindex(*y.shape):
        dz = dy[b, i] * y[b, i] * (1 - y[b, i])
        db[i] += dz
        dW[i] += dz * x[b]
        dx[b] += dz * W[i]
    return dx, dW, db


def _changed(at: int, change: Callable[..., Array]) -> Callable[..., Three]:
    """Return the right results, one of them changed."""

    def backward(dy: Array, y: Array, x: Array, W: Array) -> Three:
        results = list(layer_backward(dy, y, x, W))
        results[at] = change(dy, dy * y * (1 - y), x, W)
        return results[0], results[1], results[2]

    return backward


LAYER_BACK = Exercise(
    id="2-7",
    title="Back through a layer",
    marks={"values": 2, "sizes of 1": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("dx", "dW", "db"),
    reference=layer_backward,
    cases=_layer_cases,
    mistakes={
        "The slope of the logistic function is missing: dz is dy times y (1 - y).": (
            _layer_with(np.ones_like)
        ),
        "The slope of the logistic function is y (1 - y); here 1 - y stands alone.": (
            _layer_with(lambda y: 1 - y)
        ),
        "1 - y² is the slope of tanh; these units are logistic, with y (1 - y).": (
            _layer_with(lambda y: 1 - y**2)
        ),
        "y is the output already: its slope is y (1 - y), no second squashing.": (
            _layer_with(lambda y: _logistic(y) * (1 - _logistic(y)))
        ),
        "In dx, the gradient goes through the slope first and then back through W: "
        "dz @ W, not dy @ W.": _changed(0, lambda dy, dz, x, W: dy @ W),
        "In dW, use dz, not dy: the weights act before the squashing.": (
            _changed(1, lambda dy, dz, x, W: dy.T @ x)
        ),
        "In db, use dz, not dy: the bias acts before the squashing.": (
            _changed(2, lambda dy, dz, x, W: dy.sum(axis=0))
        ),
        "dW must have the shape of W, (H, D): it is dz.T @ x; here it is transposed.": (
            _changed(1, lambda dy, dz, x, W: x.T @ dz)
        ),
        "All rows of the batch share one bias: db adds them up, (H,).": (
            _changed(2, lambda dy, dz, x, W: dz)
        ),
        "The gradients of W and b are sums over the batch, not means.": (
            lambda dy, y, x, W: (
                layer_backward(dy, y, x, W)[0],
                *(g / len(x) for g in layer_backward(dy, y, x, W)[1:]),
            )
        ),
        "The results are in another order: dx, dW, db.": (
            lambda *args: layer_backward(*args)[1:] + layer_backward(*args)[:1]
        ),
        "`dy *= …` writes into the caller's array; `dz = dy * …` makes a new one.": (
            _layer_in_place
        ),
    },
    also_right=(
        _layer_by_entries,
        lambda dy, y, x, W: (
            np.einsum("bh,hd->bd", dy * (y - y * y), W),
            np.einsum("bh,bd->hd", dy * (y - y * y), x),
            np.einsum("bh->h", dy * (y - y * y)),
        ),
    ),
)

# 2-8 ---------------------------------------------------------------------------------


def two_layers_back(
    x: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> Three:
    """Return dW1 (H, D), dW2 (1, H), dx (B, D) of the mean cross-entropy."""
    return _two_layers()(x, t, W1, b1, W2, b2)


def _two_layers(
    slope: Callable[[Array, Array], Array] = lambda h, z: 1 - h**2,
    mean: bool = True,
    gift: bool = True,
    through: bool = True,
    sign: int = 1,
    mean_units: bool = False,
) -> Callable[..., Three]:
    """Return the backward pass; the options are the mistakes that one can make."""

    def back(x: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Three:
        z1 = x @ W1.T + b1
        h = np.tanh(z1)
        y = _logistic(h @ W2.T + b2)
        dz2 = sign * (y - t) / (len(x) if mean else 1)
        dz2 = dz2 if gift else dz2 * y * (1 - y)
        dz1 = dz2 @ W2 * (slope(h, z1) if through else 1)
        dz1 = dz1 / W1.shape[0] if mean_units else dz1
        return dz1.T @ x, dz2.T @ h, dz1 @ W1

    return back


def _mend_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, D: int, H: int, *, note: str = "") -> Case:
        x, t = rng.normal(size=(B, D)), rng.integers(0, 2, (B, 1)).astype(float)
        first = rng.normal(size=(H, D)), rng.uniform(0.3, 0.9, H)
        second = rng.normal(size=(1, H)), rng.uniform(0.3, 0.9, 1)
        return Case(aspect, (x, t, *first, *second), note)

    yield case("values", *sizes(rng, 2, 2, 2))
    yield case("values", *sizes(rng, 3, 3, 2))
    yield case("batch of one", 1, 3, 2, note="a batch of one")
    yield case("one hidden unit", 3, 2, 1, note="one hidden unit")


def _mend_by_nudging(
    x: Array, t: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> Three:
    """Differentiate with complex nudges, exact to rounding."""

    def loss(x: Array, W1: Array, W2: Array) -> Array:
        z = np.tanh(x @ W1.T + b1) @ W2.T + b2
        return np.mean(np.log(1 + np.exp(z)) - t * z)

    inputs, grads = [x, W1, W2], []
    for i, a in enumerate(inputs):
        grad = np.zeros(a.shape)
        for at in np.ndindex(*a.shape):
            moved = [each.astype(complex) for each in inputs]
            moved[i][at] += 1e-20j
            grad[at] = loss(*moved).imag / 1e-20
        grads.append(grad)
    return grads[1], grads[2], grads[0]


MEND = Exercise(
    id="2-8",
    title="Mend it: two faults on the way back",
    marks={"values": 2, "batch of one": 1, "one hidden unit": 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=25,
    returns=("dW1", "dW2", "dx"),
    reference=two_layers_back,
    cases=_mend_cases,
    mistakes={
        "Both faults are still there: compare each line with the derivative of the "
        "line that it goes back through.": (
            _two_layers(slope=lambda h, z: 1 - z**2, gift=False)
        ),
        "One fault is left: the slope of tanh is 1 - h², with the output h and not "
        "with z1.": _two_layers(slope=lambda h, z: 1 - z**2),
        "One fault is left: for a logistic output and cross-entropy the slope "
        "y (1 - y) has cancelled already, and dz2 is y - t over B.": _two_layers(
            gift=False
        ),
        "The loss is a mean over the batch, so dz2 carries a 1/B.": (
            _two_layers(mean=False)
        ),
        "The gradient does not go through the tanh: dz1 is dh times 1 - h².": (
            _two_layers(through=False)
        ),
        "h (1 - h) is the slope of the logistic function; the hidden units are tanh.": (
            _two_layers(slope=lambda h, z: h * (1 - h))
        ),
        "The sign is turned round: the gradient at z2 is y - t, prediction minus "
        "target.": _two_layers(sign=-1),
        "The results are in another order: dW1, dW2, dx.": (
            lambda *args: two_layers_back(*args)[::-1]
        ),
        "The slope of tanh has a square: 1 - h², not 1 - h.": (
            _two_layers(slope=lambda h, z: 1 - h)
        ),
    },
    also_right=(_mend_by_nudging,),
)
