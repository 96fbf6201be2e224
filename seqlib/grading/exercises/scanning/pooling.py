"""The winner takes the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 3-7 ---------------------------------------------------------------------------------


def pool_back(dy: Array, z: Array, K: int, S: int) -> Array:
    """Return dz (T,) from dy (T',), where y[t] = max of z[t S : t S + K]."""
    return _pool_back()(dy, z, K, S)


def _first(window: Array) -> list[int]:
    return [int(np.argmax(window))]


def _pool_back(
    winners: Callable[[Array], list[int]] = _first,
    adds: bool = True,
    absolute: bool = True,
    stride: Callable[[int, int], int] = lambda K, S: S,
    share: float = 1.0,
) -> Callable:
    """Return a backward pass; the options are the mistakes that one can make."""

    def back(dy: Array, z: Array, K: int, S: int) -> Array:
        dz = np.zeros_like(z)
        for t, blame in enumerate(dy):
            start = min(t * stride(K, S), len(z) - 1)
            for k in winners(z[start : start + K]):
                u = start + k if absolute else k
                dz[u] = (dz[u] if adds else 0) + share * blame
        return dz

    return back


def _pool_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, z: Array, K: int, S: int, note: str = "") -> Case:
        places = (len(z) - K) // S + 1
        dy = rng.choice([-1, 1], places) * rng.uniform(0.4, 1.4, places)
        return Case(aspect, (dy, z, K, S), note)

    def peak(T: int) -> Array:
        """Draw a map whose largest value wins several windows."""
        z = rng.uniform(-1, 1, T)
        z[T // 2] = 3
        return z

    yield case("values", rng.normal(size=12), 3, 3, "windows side by side")
    yield case("values", rng.normal(size=13), 2, 3, "windows with gaps")
    yield case("windows that overlap", peak(11), 3, 1, "stride 1")
    yield case("windows that overlap", peak(14), 4, 2, "stride 2")
    yield case("negative and equal", -1 - rng.uniform(size=9), 3, 2, "all negative")
    z = np.array([1.0, 2, 2, 0, 2, 2, 1, 1])
    yield case("negative and equal", z, 2, 2, "equal values")
    yield case("negative and equal", z, 4, 4, "equal values")


def _pool_with_zero(window: Array) -> list[int]:
    """Only positive numbers win, as if 0 stood in the window."""
    return _first(window) if window.max() > 0 else []


def _pool_by_matrix(dy: Array, z: Array, K: int, S: int) -> Array:
    starts = np.arange(len(dy)) * S
    windows = z[starts[:, None] + np.arange(K)]
    dz = np.zeros(len(z))
    np.add.at(dz, starts + windows.argmax(axis=1), dy)
    return dz


def _pool_by_hand(dy: Array, z: Array, K: int, S: int) -> Array:
    dz = [0.0] * len(z)
    for t in range(len(dy)):
        best = t * S
        for u in range(t * S, t * S + K):
            if z[u] > z[best]:
                best = u
        dz[best] += dy[t]
    return np.array(dz)


def _pool_written_into(dy: Array, z: Array, K: int, S: int) -> Array:
    dz = pool_back(dy, z, K, S)
    z[:] = dz
    return z


POOL_BACK = Exercise(
    id="3-7",
    title="The winner takes the blame",
    marks={
        "values": 1,
        "windows that overlap": 2,
        "negative and equal": 1,
        INPUTS: 1,
    },
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("dz",),
    reference=pool_back,
    cases=_pool_cases,
    mistakes={
        "A place that wins several windows keeps only the last one's blame: add, dz[u] "
        "+= dy[t]. With an array of winners, np.add.at does; "
        "dz[winners] += dy adds once.": (_pool_back(adds=False)),
        "Every place of a window gets its blame; only the winner made the output.": (
            _pool_back(lambda window: list(range(len(window))))
        ),
        "All of the largest values get the blame; of equal values the first wins.": (
            _pool_back(lambda w: [int(k) for k in np.flatnonzero(w == w.max())])
        ),
        "Of equal values the last one won; it should be the first.": (
            _pool_back(lambda w: [len(w) - 1 - int(np.argmax(w[::-1]))])
        ),
        "The smallest value won.": _pool_back(lambda w: [int(np.argmin(w))]),
        "The largest size won, whatever its sign; the maximum of -5 and 1 is 1.": (
            _pool_back(lambda w: [int(np.argmax(abs(w)))])
        ),
        "Where all of a window is negative nobody got the blame, but the largest "
        "number wins there, too.": _pool_back(_pool_with_zero),
        "argmax counts from the window's start: the place in z is t * S + argmax.": (
            _pool_back(absolute=False)
        ),
        "Windows begin at t * S, not at t.": _pool_back(stride=lambda K, S: 1),
        "Windows begin at t * S, not at t * K.": _pool_back(stride=lambda K, S: K),
        "The blame was divided by the width, as for a mean; a maximum hands all of it "
        "to the winner.": (lambda dy, z, K, S: pool_back(dy / K, z, K, S)),
        "The derivative of a maximum is 1 or 0; here the blame is multiplied by z.": (
            lambda dy, z, K, S: pool_back(dy, z, K, S) * z
        ),
        "The result was written into z, which belongs to the caller.": (
            _pool_written_into
        ),
    },
    also_right=(_pool_by_matrix, _pool_by_hand),
)
