"""How long an answer may be before it is more often wrong than right."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, log

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Rng

# 12-6 --------------------------------------------------------------------------------


def longest(rate: float, share: float) -> int:
    """Return the largest T with rate ** T >= share, 0 < rate < 1, 0 < share < 1."""
    T = 0
    while rate ** (T + 1) >= share:
        T += 1
    return T


def _cases(rng: Rng) -> Iterator[Case]:
    for power in (3, 9, 20):
        rate = float(rng.uniform(0.9, 0.97))
        share = rate ** (power + float(rng.uniform(0.3, 0.7)))
        yield Case("values", (rate, share))
    yield Case("edges", (0.5, 0.25), "it is just reached")
    yield Case("edges", (0.25, 0.0625), "it is just reached")
    rate = float(rng.uniform(0.5, 0.8))
    yield Case("edges", (rate, rate + 0.1), "not even one word")
    yield Case("sure words", (0.9999, float(rng.uniform(0.4, 0.6))))


def _by_logarithms(rate: float, share: float) -> int:
    T = floor(log(share) / log(rate)) + 1
    while rate**T < share:
        T -= 1
    return T


def _strict(rate: float, share: float) -> int:
    T = 0
    while rate ** (T + 1) > share:
        T += 1
    return T


LONGEST = Exercise(
    id="12-6",
    title="Predict, then measure: how long?",
    marks={"values": 2, "edges": 1, "sure words": 1},
    difficulty=1,
    importance=2,
    minutes=10,
    returns=("T",),
    reference=longest,
    cases=_cases,
    mistakes={
        "This is the first length that is too long: return the one before.": (
            lambda rate, share: longest(rate, share) + 1
        ),
        "Shares of mistakes do not add up: T words are all right with rate ** T, not "
        "with 1 - T (1 - rate).": lambda rate, share: floor(
            (1 - share) / (1 - rate) + 1e-9
        ),
        "If the share is just reached, it is reached: the comparison is >=.": _strict,
        "The quotient is turned round: log(share) / log(rate).": (
            lambda rate, share: floor(log(rate) / log(share))
        ),
        "A whole number of words is asked for.": (
            lambda rate, share: log(share) / log(rate)
        ),
        "If even one word is too many, the answer is 0.": (
            lambda rate, share: max(1, longest(rate, share))
        ),
        "Roles exchanged: this asks how often share ** T stays above the rate.": (
            lambda rate, share: ceil(rate / share)
        ),
    },
    also_right=(_by_logarithms,),
)
