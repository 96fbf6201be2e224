"""The step, used again and again; and a loop in which one array does everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, states, weights

# 5-3 ---------------------------------------------------------------------------------


def unroll(x: Array, h0: Array, W_ih: Array, W_hh: Array, b: Array) -> Array:
    """Return the states h_1 to h_T (B, T, H) for x (B, T, D), from h0 (B, H)."""
    h, hs = h0, np.empty((*x.shape[:2], len(b)), h0.dtype)
    for t in range(x.shape[1]):
        hs[:, t] = h = np.tanh(x[:, t] @ W_ih.T + h @ W_hh.T + b)
    return hs


def _unroll_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, D: int, H: int) -> Case:
        args = rng.normal(size=(B, T, D)), states(rng, B, H), *weights(rng, D, H)
        dtype = "float32" if aspect == FLOAT32 else "float64"
        return Case(aspect, tuple(a.astype(dtype) for a in args))

    yield case("values", *sizes(rng, 2, 3, 2, 2))
    yield case("values", *sizes(rng, 2, 4, 3, 3))
    yield case("sizes of 1", 3, 1, 2, 4)
    yield case("sizes of 1", 1, 4, 1, 1)
    yield case(FLOAT32, *sizes(rng, 2, 3, 2, 2))


def _and_before(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
    """Return the states h_0 to h_T."""
    return np.concatenate([h0[:, None], unroll(x, h0, W, U, b)], axis=1)


def _unroll_from_start(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
    return np.tanh(x @ W.T + (h0 @ U.T)[:, None] + b)


def _unroll_linear(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
    h, hs = h0, []
    for t in range(x.shape[1]):
        h = x[:, t] @ W.T + h @ U.T + b
        hs.append(h)
    return np.stack(hs, axis=1)


def _unroll_over_batch(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
    h, hs = h0, []
    for x_t in x:
        h = np.tanh(x_t @ W.T + h @ U.T + b)
        hs.append(h)
    return np.stack(hs)


def _unroll_reshaped(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
    hs = unroll(x, h0, W, U, b)
    return hs.swapaxes(0, 1).reshape(hs.shape)


def _unroll_in_float64(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
    return unroll(x, h0.astype(float), W, U, b)


def _unroll_in_place(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
    hs = unroll(x, h0, W, U, b)
    h0[:] = hs[:, -1]
    return hs


def _unroll_by_columns(x: Array, h0: Array, W: Array, U: Array, b: Array) -> list:
    """Take each sequence alone, with column vectors as in the equation."""
    answer = []
    for x_b, h in zip(x, h0, strict=True):
        row = []
        for x_t in x_b:
            h = np.tanh(W @ x_t + U @ h + b)
            row.append(h)
        answer.append(row)
    return answer


def _unroll_shares_first(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
    hs = x @ W.T + b
    for t in range(x.shape[1]):
        hs[:, t] = np.tanh(hs[:, t] + (hs[:, t - 1] if t else h0) @ U.T)
    return hs


UNROLL = Exercise(
    id="5-3",
    title="Step after step",
    marks={"values": 2, "sizes of 1": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("h",),
    reference=unroll,
    cases=_unroll_cases,
    mistakes={
        "Every step starts from h0: the new state must be the old state of the next "
        "step.": _unroll_from_start,
        "The first step must start from h0; here it starts from zeros.": (
            lambda x, h0, W, U, b: unroll(x, 0 * h0, W, U, b)
        ),
        "h0 itself is not asked for, only the T states that the steps make.": (
            _and_before
        ),
        "These are the states before each step, h_0 to h_{T-1}: store the new state, "
        "not the old one.": lambda *args: _and_before(*args)[:, :-1],
        "Time stands in front: np.stack(states) makes (T, B, H), "
        "np.stack(states, axis=1) makes (B, T, H).": (
            lambda *args: unroll(*args).swapaxes(0, 1)
        ),
        "reshape does not exchange time and batch, it only cuts the numbers anew: use "
        "np.stack(states, axis=1).": _unroll_reshaped,
        "`for x_t in x` runs over the batch, which stands first; step t is x[:, t].": (
            _unroll_over_batch
        ),
        "Only the last state is returned: keep the state of every step.": (
            lambda *args: unroll(*args)[:, -1]
        ),
        "The tanh is missing: it stands around the sum, at every step.": (
            _unroll_linear
        ),
        "W_hh is turned round: a batch has its states as rows, so W_hh h becomes "
        "h @ W_hh.T.": lambda x, h0, W, U, b: unroll(x, h0, W, U.T, b),
        "The bias b is left out.": lambda x, h0, W, U, b: unroll(x, h0, W, U, 0 * b),
        "`np.zeros(…)` and `np.empty(…)` make float64 unless told: give them "
        "dtype=x.dtype, or stack the states.": _unroll_in_float64,
        "`h = h0` gives the same array a second name, and `h[:] = …` or `h += …` then "
        "writes into the caller's h0.": _unroll_in_place,
    },
    also_right=(_unroll_by_columns, _unroll_shares_first),
)

# 5-4 ---------------------------------------------------------------------------------


def unroll_by_units(x: Array, h0: Array, W_ih: Array, W_hh: Array, b: Array) -> Array:
    """Return the states (T, H) of one sequence x (T, D), from h0 (H,)."""
    return _by_units()(x, h0, W_ih, W_hh, b)


def _by_units(
    copies_h0: bool = True,
    copies_old: bool = True,
    copies_new: bool = True,
    row: Callable[[Array, Array, int], float] = lambda U, h, i: U[i] @ h,
    bias: float = 1.0,
) -> Callable:
    """Return a loop over units; where it does not copy, an array has two names."""

    def unrolled(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
        h, states = h0.copy() if copies_h0 else h0, []
        for x_t in x:
            old = h.copy() if copies_old else h
            for i in range(len(h)):
                h[i] = np.tanh(W[i] @ x_t + row(U, old, i) + bias * b[i])
            states.append(h.copy() if copies_new else h)
        return np.array(states)

    return unrolled


def _mend_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, D: int, H: int, *, note: str = "") -> Case:
        args = rng.normal(size=(T, D)), states(rng, H), *weights(rng, D, H)
        return Case(aspect, args, note)

    yield case("values", *sizes(rng, 3, 2, 3))
    yield case("values", *sizes(rng, 4, 3, 2))
    yield case("one unit", 4, 2, 1, note="one unit")
    yield case("one step", 1, 2, 4, note="one step")


def _mend_never_carried(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
    return _unroll_from_start(x[None], h0[None], W, U, b)[0]


def _mend_with_start(x: Array, h0: Array, W: Array, U: Array, b: Array) -> Array:
    return np.vstack([h0, unroll_by_units(x, h0, W, U, b)])


MEND = Exercise(
    id="5-4",
    title="Mend it: one array for everything",
    marks={"values": 1, "one unit": 1, "one step": 1, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("h",),
    reference=unroll_by_units,
    cases=_mend_cases,
    mistakes={
        "One array is still everything: the old state, the new state and every entry "
        "of the list. Make a new array at each step.": _by_units(False, False, False),
        "One fault is left: unit 1 hears what unit 0 has only just become. All units "
        "of a step must hear the old state.": _by_units(copies_old=False),
        "One fault is left: the list holds one array T times, and all entries show "
        "what it became last.": _by_units(copies_new=False),
        "One fault is left: `h = h0` copies nothing, so h[i] = … writes into the "
        "caller's h0.": _by_units(copies_h0=False),
        "Every step starts from h0: take the copy of the old state inside the loop "
        "over time.": _mend_never_carried,
        "h0 itself is not asked for, only the T states that the steps make.": (
            _mend_with_start
        ),
        "The first step must start from h0; here it starts from zeros.": (
            lambda x, h0, W, U, b: unroll_by_units(x, 0 * h0, W, U, b)
        ),
        "Unit i hears with row i of W_hh, not with column i.": (
            _by_units(row=lambda U, h, i: U[:, i] @ h)
        ),
        "Each unit hears only itself: W_hh[i] @ h sums over all units.": (
            _by_units(row=lambda U, h, i: U[i, i] * h[i])
        ),
        "The bias b got lost.": _by_units(bias=0.0),
    },
    also_right=(
        lambda x, h0, W, U, b: unroll(x[None], h0[None], W, U, b)[0],
        _by_units(copies_old=True, row=lambda U, h, i: sum(U[i] * h)),
    ),
)
