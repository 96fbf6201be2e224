"""Back through all steps and to the weights.

Batches are rows, so W_hh h is `h @ W_hh.T`: B sequences, T steps, D inputs, H units.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states

# 6-3 ---------------------------------------------------------------------------------


def states_backward(dy: Array, h: Array, W_hh: Array) -> Array:
    """Return dz (B, T, H) for dy (B, T, H), the gradient of each step's own loss."""
    return _through_time(dy, h, W_hh)


def _through_time(
    dy: Array,
    h: Array,
    W_hh: Array,
    slope: Array | None = None,
    carry: float = 1.0,
    later: bool = True,
) -> Array:
    """Go back through all steps; the options are the mistakes that one can make."""
    slope = 1 - h**2 if slope is None else slope
    dz, dh = np.zeros_like(h), np.zeros_like(h[:, 0])
    for t in reversed(range(h.shape[1])):
        dh = carry * dh + (dy[:, t] if later or t == h.shape[1] - 1 else 0)
        dz[:, t] = dh * slope[:, t]
        dh = dz[:, t] @ W_hh
    return dz


def _states_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, H: int) -> Case:
        dy, h, W = rng.normal(size=(B, T, H)), states(rng, B, T, H), matrix(rng, H)
        dtype = "float32" if aspect == FLOAT32 else "float64"
        return Case(aspect, tuple(a.astype(dtype) for a in (dy, h, W)))

    yield case("values", *sizes(rng, 2, 3, 2))
    yield case("values", *sizes(rng, 2, 4, 3))
    yield case("sizes of 1", 3, 1, 2)
    yield case("sizes of 1", 1, 4, 1)
    yield case(FLOAT32, *sizes(rng, 2, 4, 3))


def _states_in_float64(dy: Array, h: Array, W_hh: Array) -> Array:
    return _through_time(dy, h.astype(float), W_hh)


def _states_in_place(dy: Array, h: Array, W_hh: Array) -> Array:
    dz = _through_time(dy, h, W_hh)
    dy[:, :-1] += dz[:, 1:] @ W_hh
    return dz


def _states_without_slope_inside(dy: Array, h: Array, W_hh: Array) -> Array:
    return _through_time(dy, h, W_hh, slope=np.ones_like(h)) * (1 - h**2)


def _states_slope_of_own_loss(dy: Array, h: Array, W_hh: Array) -> Array:
    dz = dy * (1 - h**2)
    for t in reversed(range(h.shape[1] - 1)):
        dz[:, t] += dz[:, t + 1] @ W_hh
    return dz


def _states_forward(dy: Array, h: Array, W_hh: Array) -> Array:
    return _through_time(dy[:, ::-1], h[:, ::-1], W_hh)[:, ::-1]


def _states_by_paths(dy: Array, h: Array, W_hh: Array) -> Array:
    """Follow every pair of steps by itself, the long way round."""
    dz = np.zeros_like(h)
    for t in range(h.shape[1]):
        path = dy[:, t] * (1 - h[:, t] ** 2)
        dz[:, t] += path
        for k in reversed(range(t)):
            path = np.einsum("bi,ij->bj", path, W_hh) * (1 - h[:, k] ** 2)
            dz[:, k] += path
    return dz


THROUGH_TIME = Exercise(
    id="6-3",
    title="Back through time",
    marks={"values": 2, "sizes of 1": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("dz",),
    reference=states_backward,
    cases=_states_cases,
    mistakes={
        "Nothing flows back from step t + 1: h_t feeds the next step as well as its "
        "own loss.": lambda dy, h, W: dy * (1 - h**2),
        "Only the last step's loss is counted: dy[:, t] joins at every step.": (
            lambda dy, h, W: _through_time(dy, h, W, later=False)
        ),
        "What comes back from step t + 1 goes through the tanh of step t too: add "
        "first, then multiply the sum by 1 - h².": _states_slope_of_own_loss,
        "Step 0 is left out: range(T - 1, 0, -1) ends at 1.": (
            lambda dy, h, W: (
                states_backward(dy, h, W) * (np.arange(h.shape[1]) > 0)[:, None]
            )
        ),
        "The slope of tanh, 1 - h², is missing.": (
            lambda dy, h, W: _through_time(dy, h, W, slope=np.ones_like(h))
        ),
        "What goes back to step t - 1 is dz @ W_hh, with the slope in it, not "
        "dh @ W_hh.": _states_without_slope_inside,
        "The slope is that of a neighbouring step: dz_t needs 1 - h_t².": (
            lambda dy, h, W: _through_time(dy, h, W, slope=1 - np.roll(h, 1, 1) ** 2)
        ),
        "W_hh is turned round: forward was h @ W_hh.T, so the way back is dz @ W_hh.": (
            lambda dy, h, W: _through_time(dy, h, W.T)
        ),
        "The loop runs forward in time; the gradient comes from the future, so begin "
        "at the last step.": _states_forward,
        "The steps are averaged: divide by T in the loss, if at all, not here.": (
            lambda dy, h, W: _through_time(dy, h, W) / h.shape[1]
        ),
        "`np.zeros(…)` makes float64; `np.zeros_like(h)` keeps h's type.": (
            _states_in_float64
        ),
        "`dy[:, t] += …` writes into the caller's array; keep the sum in a variable of "
        "its own.": _states_in_place,
    },
    also_right=(
        _states_by_paths,
        lambda dy, h, W: np.moveaxis(
            _through_time(dy.copy(order="F"), np.asfortranarray(h), W), 0, 0
        ),
    ),
)

# 6-4 ---------------------------------------------------------------------------------


def weights_backward(dz: Array, x: Array, h: Array) -> tuple[Array, Array, Array]:
    """Return dW_ih (H, D), dW_hh (H, H), db (H,); h (B, T + 1, H) starts with h_0."""
    rows = dz.reshape(-1, dz.shape[-1])
    dW_ih = rows.T @ x.reshape(-1, x.shape[-1])
    dW_hh = rows.T @ h[:, :-1].reshape(rows.shape)
    return dW_ih, dW_hh, rows.sum(axis=0)


def _weights_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, D: int, H: int) -> Case:
        x, h = rng.normal(size=(B, T, D)), states(rng, B, T + 1, H)
        return Case(aspect, (rng.normal(size=(B, T, H)), x, h), "h starts with h_0")

    yield case("values", *sizes(rng, 2, 2, 2, 2))
    yield case("values", *sizes(rng, 3, 3, 2, 3))
    yield case("sizes of 1", 1, 1, 1, 1)
    yield case("sizes of 1", 3, 1, 4, 2)


def _weights_new_state(dz: Array, x: Array, h: Array) -> tuple[Array, ...]:
    return weights_backward(dz, x, np.roll(h, -1, axis=1))


def _weights_scaled(dz: Array, x: Array, h: Array, n: int) -> tuple[Array, ...]:
    return tuple(g / n for g in weights_backward(dz, x, h))


def _weights_transposed(dz: Array, x: Array, h: Array) -> tuple[Array, ...]:
    dW_ih, dW_hh, db = weights_backward(dz, x, h)
    return dW_ih.T, dW_hh.T, db


def _weights_without_start(dz: Array, x: Array, h: Array) -> tuple[Array, ...]:
    start = np.arange(h.shape[1])[:, None] == 0
    return weights_backward(dz, x, np.where(start, 0, h))


def _weights_bias_by_sequence(dz: Array, x: Array, h: Array) -> tuple[Array, ...]:
    return *weights_backward(dz, x, h)[:2], dz.sum(axis=1)


def _weights_by_steps(dz: Array, x: Array, h: Array) -> list[Array]:
    grads = [np.zeros((dz.shape[2], n)) for n in (x.shape[2], h.shape[2])]
    db = np.zeros(dz.shape[2])
    for b in range(len(dz)):
        for t in range(dz.shape[1]):
            grads[0] += np.outer(dz[b, t], x[b, t])
            grads[1] += np.outer(dz[b, t], h[b, t])
            db += dz[b, t]
    return [*grads, db]


WEIGHTS = Exercise(
    id="6-4",
    title="All steps in one product",
    marks={"values": 2, "sizes of 1": 1},
    difficulty=2,
    importance=3,
    minutes=15,
    returns=("dW_ih", "dW_hh", "db"),
    reference=weights_backward,
    cases=_weights_cases,
    mistakes={
        "dW_hh pairs dz_t with h_{t-1}, the state that W_hh met, not with h_t.": (
            _weights_new_state
        ),
        "The gradients are averaged over the batch: the sum is asked for, since every "
        "sequence uses the same weights.": (
            lambda dz, x, h: _weights_scaled(dz, x, h, len(dz))
        ),
        "The gradients are averaged over time: each of the T uses adds its own term.": (
            lambda dz, x, h: _weights_scaled(dz, x, h, dz.shape[1])
        ),
        "The gradients are transposed: dW has the shape of W, rows for the units.": (
            _weights_transposed
        ),
        "Only the last step is counted; the weights are used at every step.": (
            lambda dz, x, h: weights_backward(dz[:, -1:], x[:, -1:], h[:, -2:])
        ),
        "The first step's state h_0 is left out; it need not be zero.": (
            _weights_without_start
        ),
        "Make one long axis of batch and time first, with reshape: `.T` on three axes "
        "turns all of them round.": lambda dz, x, h: (dz.T @ x, dz.T @ h, dz.sum()),
        "db is summed over time but not over the batch.": _weights_bias_by_sequence,
    },
    also_right=(
        _weights_by_steps,
        lambda dz, x, h: (
            np.einsum("bth,btd->hd", dz, x),
            np.einsum("bth,btk->hk", dz, h[:, :-1]),
            np.einsum("bth->h", dz),
        ),
    ),
)
