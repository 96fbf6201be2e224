"""The one large matrix that a scan is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

from .maps import away

# 3-6 ---------------------------------------------------------------------------------


def giant(w: Array, T: int) -> Array:
    """Return G (S T', C T) with G x = z, both flattened, from kernels w (S, C, K)."""
    return _giant(w, T)


def _giant(
    w: Array,
    T: int,
    step: int = 1,
    rows_by_place: bool = False,
    columns_by_place: bool = False,
) -> Array:
    """Write each kernel once for every place; the options are mistakes."""
    S, C, K = w.shape
    places = T - K + 1
    G = np.zeros((S, places, C, T))
    for t in range(places):
        at = min(t * step, T - K)
        G[:, t, :, at : at + K] = w
    if rows_by_place:
        G = G.swapaxes(0, 1)
    if columns_by_place:
        G = G.swapaxes(2, 3)
    return G.reshape(S * places, C * T)


def _giant_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, S: int, C: int, K: int, T: int, note: str = "") -> Case:
        return Case(aspect, (away(rng, S, C, K), T), note)

    S, C, K = sizes(rng, 2, 2, 2)
    yield case("one unit, one channel", 1, 1, 3, 6, "one unit, one channel")
    yield case("one unit, one channel", 1, 1, 2, 7, "one unit, one channel")
    yield case("units and channels", S, 1, K, K + 4, "one channel")
    yield case("units and channels", 1, C, K, K + 3, "one unit")
    yield case("units and channels", S, C, K, K + 2)
    yield case("edges", S, C, 4, 4, "one window")
    yield case("edges", 2, 3, 1, 4, "windows of one place")


def _giant_by_columns(w: Array, T: int) -> Array:
    """Ask what each single 1 in the input does."""
    C, K = w.shape[1:]
    columns = []
    for one in np.eye(C * T):
        x = one.reshape(C, T)
        windows = np.lib.stride_tricks.sliding_window_view(x, K, axis=1)
        columns.append(np.einsum("ctk,sck->st", windows, w).reshape(-1))
    return np.array(columns).T


def _giant_by_index(w: Array, T: int) -> Array:
    S, C, K = w.shape
    n = T - K + 1
    G = np.zeros((S * n, C * T))
    for s, t, p, k in np.ndindex(S, n, C, K):
        G[s * n + t, p * T + t + k] = w[s, p, k]
    return G


GIANT = Exercise(
    id="3-6",
    title="Write the giant network out",
    marks={"one unit, one channel": 1, "units and channels": 2, "edges": 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("G",),
    reference=giant,
    cases=_giant_cases,
    mistakes={
        "Rows go unit by unit, all places of unit 0 first; here they go place by "
        "place.": lambda w, T: _giant(w, T, rows_by_place=True),
        "Columns go channel by channel, all places of channel 0 first; here they go "
        "place by place.": lambda w, T: _giant(w, T, columns_by_place=True),
        "Rows and columns both go place by place; x and z are flattened with "
        "reshape(-1), channel by channel and unit by unit.": (
            lambda w, T: _giant(w, T, rows_by_place=True, columns_by_place=True)
        ),
        "The kernels are flipped: the first weight meets the first place.": (
            lambda w, T: _giant(w[:, :, ::-1], T)
        ),
        "All rows of a unit are the same; from row to row the kernel moves on by one "
        "place.": lambda w, T: _giant(w, T, step=0),
        "The kernel moves on by its own width; windows overlap, so by one place.": (
            lambda w, T: _giant(w, T, step=w.shape[2])
        ),
        "This is the matrix for the way back, G.T: outputs are rows.": (
            lambda w, T: giant(w, T).T
        ),
        "Every channel has weights of its own, w[s, p]; here all use those of channel "
        "0.": lambda w, T: giant(np.repeat(w[:, :1], w.shape[1], axis=1), T),
        "Every unit has weights of its own, w[s]; here all use those of unit 0.": (
            lambda w, T: giant(np.repeat(w[:1], len(w), axis=0), T)
        ),
    },
    also_right=(_giant_by_columns, _giant_by_index),
)
