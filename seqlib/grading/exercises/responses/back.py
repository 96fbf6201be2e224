"""The gradient that goes back along outputs that were fed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 4-7 ---------------------------------------------------------------------------------


def back_through_outputs(
    dy: Array, x: Array, y: Array, b: float, a: Array
) -> tuple[Array, float, Array]:
    """Return dx (T,), db and da (L,) of y_t = tanh(b x_t + sum_l a_l y_{t-l})."""
    return _back(dy, x, y, b, a)


def _back(
    dy: Array,
    x: Array,
    y: Array,
    b: float,
    a: Array,
    closed: bool = True,
    slope: Callable[[Array], Array] = lambda y: 1 - y * y,
    only_first: bool = False,
    early: int = 0,
    shift: int = 1,
) -> tuple[Array, float, Array]:
    """Go back day by day; the options are the mistakes that one can make."""
    T, L = len(y), len(a)
    delta, s = dy.copy(), slope(y)
    for t in range(T)[::-1]:
        for i in range(1 if only_first else L):
            later = t + i + 1
            if closed and later < T:
                at = max(later - 1, 0) if early else later
                delta[t] += a[i] * s[at] * delta[later]
    g = s * delta  # at what goes into the tanh
    heard = np.concatenate([np.zeros(L + shift), y])
    start = L + shift
    da = [g @ heard[start - i - shift : start - i - shift + T] for i in range(L)]
    return b * g, float(g @ x), np.array(da)


def _run(x: Array, b: float, a: Array) -> Array:
    y = np.zeros(len(a) + len(x))
    for t in range(len(x)):
        before = y[t : t + len(a)][::-1]
        y[len(a) + t] = np.tanh(b * x[t] + before @ a)
    return y[len(a) :]


def _back_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, L: int, last: bool = False, note: str = "") -> Case:
        x = rng.normal(size=T)
        a = rng.uniform(0.3, 0.9, L) * rng.choice([-1, 1], L)
        b = float(rng.uniform(0.5, 1.2))
        dy = rng.normal(size=T)
        if last:
            dy[:-1] = 0
        return Case(aspect, (dy, x, _run(x, b, a), b, a), note)

    yield case("values", 6, 2)
    yield case("values", 8, 3)
    yield case("last output", 6, 2, True, "dy is zero but on the last day")
    yield case("one output", 5, 1, note="L = 1")
    yield case("one output", 1, 1, note="L = 1, one day")
    yield case("more than days", 2, 4, note="L = 4, two days")


Gradients = tuple[Array, float, Array]


def _back_in_place(dy: Array, x: Array, y: Array, b: float, a: Array) -> Gradients:
    for t in range(len(y))[::-1]:
        for i in range(len(a)):
            if t + i + 1 < len(y):
                later = t + i + 1
                dy[t] += a[i] * (1 - y[later] ** 2) * dy[later]
    g = (1 - y * y) * dy
    heard = [np.concatenate([np.zeros(i + 1), y])[: len(y)] for i in range(len(a))]
    return b * g, float(g @ x), np.array([g @ h for h in heard])


def _back_no_tanh_on_the_way(
    dy: Array, x: Array, y: Array, b: float, a: Array
) -> Gradients:
    """Let delta skip the tanh between two days, but not at the weights."""
    T, L = len(y), len(a)
    delta = dy.copy()
    for t in range(T)[::-1]:
        for i in range(L):
            if t + i + 1 < T:
                delta[t] += a[i] * delta[t + i + 1]
    g = (1 - y * y) * delta
    heard = [np.concatenate([np.zeros(i + 1), y])[:T] for i in range(L)]
    return b * g, float(g @ x), np.array([g @ h for h in heard])


def _back_forwards(dy: Array, x: Array, y: Array, b: float, a: Array) -> Gradients:
    """Go from the first day to the last."""
    T, L = len(y), len(a)
    delta = dy.copy()
    for t in range(T):
        for i in range(L):
            if t + i + 1 < T:
                later = t + i + 1
                delta[t] += a[i] * (1 - y[later] ** 2) * delta[later]
    g = (1 - y * y) * delta
    heard = [np.concatenate([np.zeros(i + 1), y])[:T] for i in range(L)]
    return b * g, float(g @ x), np.array([g @ h for h in heard])


def _back_da_now(dy: Array, x: Array, y: Array, b: float, a: Array) -> Gradients:
    dx, db, _ = back_through_outputs(dy, x, y, b, a)
    g = dx / b
    heard = [np.concatenate([np.zeros(i), y])[: len(y)] for i in range(len(a))]
    return dx, db, np.array([g @ h for h in heard])


def _back_dx_without_b(dy: Array, x: Array, y: Array, b: float, a: Array) -> Gradients:
    dx, db, da = back_through_outputs(dy, x, y, b, a)
    return dx / b, db, da


def _back_by_solving(dy: Array, x: Array, y: Array, b: float, a: Array) -> Gradients:
    """Solve (I - A S)' for all days at once: A holds the ways from day to day."""
    T, s = len(y), 1 - y * y
    ways = sum((a[i] * np.eye(T, k=-i - 1) for i in range(len(a))), np.zeros((T, T)))
    delta = np.linalg.solve(np.eye(T) - (s[:, None] * ways).T, dy)
    g = s * delta
    da = [g @ (np.eye(T, k=-i - 1) @ y) for i in range(len(a))]
    return b * g, g @ x, np.array(da)


def _back_by_sending(dy: Array, x: Array, y: Array, b: float, a: Array) -> Gradients:
    """Let each day send its share to the days that it heard."""
    delta, dx, db, da = dy.copy(), np.zeros_like(x), 0.0, np.zeros_like(a)
    for t in range(len(y) - 1, -1, -1):
        g = delta[t] * (1 - y[t] ** 2)
        dx[t] = b * g
        db += g * x[t]
        for i in range(min(len(a), t)):
            delta[t - i - 1] += a[i] * g
            da[i] += g * y[t - i - 1]
    return dx, db, da


BACK = Exercise(
    id="4-7",
    title="Backward through an output that was fed in",
    marks={
        "values": 2,
        "last output": 1,
        "one output": 1,
        "more than days": 1,
        INPUTS: 1,
    },
    difficulty=3,
    importance=3,
    minutes=35,
    returns=("dx", "db", "da"),
    reference=back_through_outputs,
    cases=_back_cases,
    mistakes={
        "Nothing comes back from later days: y_t also went into y_{t+1}, …, y_{t+L}, "
        "and each of them sends its share.": partial(_back, closed=False),
        "Only y_{t+1} sends something back; y_t went into L later outputs.": (
            partial(_back, only_first=True)
        ),
        "On the way from y_{t+l} back to y_t there is a tanh: multiply by "
        "1 - y_{t+l}^2.": _back_no_tanh_on_the_way,
        "The slope on the way back is that of the later day, 1 - y_{t+l}^2.": (
            partial(_back, early=1)
        ),
        "The slope of tanh is 1 - y^2, in terms of its result y.": (
            partial(_back, slope=lambda y: 1 - np.tanh(y) ** 2)
        ),
        "The slope of the tanh is missing everywhere.": (
            partial(_back, slope=np.ones_like)
        ),
        "The days run forwards: what day t needs from later days is not yet whole. "
        "Begin with the last day.": _back_forwards,
        "a_l was multiplied by y_{t-l}, so da_l sums over products with that, not with "
        "the output of a later day.": _back_da_now,
        "x_t went in with weight b: dx_t is b times the gradient inside the tanh.": (
            _back_dx_without_b
        ),
        "`dy[t] += …` writes into the caller's array: work on a copy.": _back_in_place,
        "The order of the results is dx, db, da.": lambda *args: (
            back_through_outputs(*args)[0],
            *back_through_outputs(*args)[:0:-1],
        ),
    },
    also_right=(_back_by_solving, _back_by_sending),
)
