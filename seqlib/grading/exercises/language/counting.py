"""Interpolated Kneser-Ney for pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 11-3 --------------------------------------------------------------------------------


def smooth_pairs(C: Array, d: float) -> Array:
    """Return P (V, V), each row a distribution, from counts of pairs C (V, V)."""
    return _smooth(C, d)


def _shorter(
    C: Array, d: float, *, plain: bool = False, discount: bool = True
) -> Array:
    before = C.sum(axis=0) if plain else (C > 0).sum(axis=0)
    if not discount:
        return before / before.sum()
    given_up = d * (before > 0).sum() / len(C)
    return (np.maximum(before - d, 0) + given_up) / before.sum()


def _smooth(
    C: Array,
    d: float,
    *,
    shorter: Array | None = None,
    kinds: bool = True,
    floor: bool = True,
    unseen: str = "shorter",
    followers: int = 1,
) -> Array:
    lower = _shorter(C, d) if shorter is None else shorter
    total = C.sum(axis=1, keepdims=True)
    N = (C > 0).sum(axis=followers)[:, None] if kinds else 1
    kept = np.maximum(C - d, 0) if floor else C - d
    P = (kept + d * N * lower) / np.where(total > 0, total, 1)
    none = np.zeros(len(C))
    instead = {"shorter": lower, "even": none + 1 / len(C), "zero": none}[unseen]
    return np.where(total > 0, P, instead)


def _cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, V: int, d: float, unseen: int = 0, note: str = "") -> Case:
        C = rng.integers(1, 9, (V, V)) * (rng.random((V, V)) < 0.5)
        C[np.arange(V), np.roll(np.arange(V), 1)] += 2  # each word follows another
        C[0, 1:] += 1
        C[1, 0], C[2, 2] = 0, 0
        if unseen:
            C[-unseen:] = 0
            C[0, 0] += 1
        return Case(aspect, (C, d), note)

    yield case("values", 5, 0.5)
    yield case("values", 7, 0.8)
    yield case("unseen words", 6, 0.7, 2, "two words that nothing follows")
    C = np.array([[0, 3, 1], [2, 0, 0], [1, 0, 0]])
    C = np.pad(C, (0, 1))  # a fourth word that occurs nowhere
    yield Case("unseen words", (C, 0.75), "a word that occurs nowhere")


def _by_loops(C: Array, d: float) -> Array:
    V = len(C)
    pairs = {(u, w): C[u, w] for u in range(V) for w in range(V) if C[u, w]}
    before = [sum(1 for _, b in pairs if b == w) for w in range(V)]
    here = sum(1 for n in before if n)
    P = np.zeros((V, V))
    for w in range(V):
        lower = (max(before[w] - d, 0) + d * here / V) / len(pairs)
        for u in range(V):
            after = [n for (a, _), n in pairs.items() if a == u]
            if not after:
                P[u, w] = lower
                continue
            own = max(pairs.get((u, w), 0) - d, 0)
            P[u, w] = (own + d * len(after) * lower) / sum(after)
    return P


SMOOTH = Exercise(
    id="11-3",
    title="Smooth the pairs",
    marks={"values": 3, "unseen words": 2},
    difficulty=2,
    importance=3,
    minutes=25,
    returns=("P",),
    reference=smooth_pairs,
    cases=_cases,
    mistakes={
        "The shorter memory has plain counts. Kneser and Ney ask after how many "
        "different words each one comes: count the entries of a column that are not "
        "0.": lambda C, d: _smooth(C, d, shorter=_shorter(C, d, plain=True)),
        "P_0 is smoothed as well: it gives up d for each word that occurs, and deals "
        "that out evenly.": (
            lambda C, d: _smooth(C, d, shorter=_shorter(C, d, discount=False))
        ),
        "What is dealt out is d for each different word that follows, so d times N(u); "
        "here it is d once.": lambda C, d: _smooth(C, d, kinds=False),
        "N(u) counts the different words after u, in its row; here the column is "
        "counted.": lambda C, d: _smooth(C, d, followers=0),
        "A pair that was never seen cannot give up anything: max(C - d, 0).": (
            lambda C, d: _smooth(C, d, floor=False)
        ),
        "After a word that nothing follows the shorter memory decides: the row is "
        "P_0.": lambda C, d: _smooth(C, d, unseen="even"),
        "After a word that nothing follows the row must be P_0, not 0: it is a "
        "distribution too.": lambda C, d: _smooth(C, d, unseen="zero"),
        "Below P_0 everything is equally likely, 1 / V. Here that is left out, and the "
        "shorter memory lets every word share alike.": (
            lambda C, d: _smooth(C, d, shorter=np.full(len(C), 1 / len(C)))
        ),
        "Rows and columns are exchanged: C[u, w] counts w after u.": (
            lambda C, d: _smooth(C.T, d)
        ),
    },
    also_right=(_by_loops,),
)
