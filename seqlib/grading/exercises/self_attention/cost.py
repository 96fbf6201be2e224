"""What self-attention costs, turned round: how long a text fits a budget."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import isqrt

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Rng

# 16-7 --------------------------------------------------------------------------------


def longest_text(E: int, budget: int) -> int:
    """Return the largest T with 8 T E² + 4 T² E <= budget."""
    return _longest(E, budget)


def _longest(
    E: int,
    budget: int,
    linear: int = 8,
    square: int = 4,
    up: bool = False,
    strict: bool = False,
) -> int:
    """Find the length; the options are the mistakes that one can make."""
    # square E T² + linear E² T = budget
    b, c = linear * E * E, budget - strict
    if not square:
        return c // b
    T = (isqrt(b * b + 4 * square * E * c) - b) // (2 * square * E)
    spent = linear * T * E * E + square * T * T * E
    return T + (up and spent < budget)


def _cases(rng: Rng) -> Iterator[Case]:
    def cost(E: int, T: int) -> int:
        return 8 * T * E * E + 4 * T * T * E

    for T in (int(rng.integers(200, 400)), int(rng.integers(900, 1500))):
        E = int(rng.integers(50, 120))
        yield Case("values", (E, cost(E, T) + E * int(rng.integers(3, 3 * E))))
    E, T = int(rng.integers(300, 600)), int(rng.integers(40, 90))
    yield Case("short texts", (E, cost(E, T) + E * E), "a text shorter than E")
    E, T = int(rng.integers(30, 60)), int(rng.integers(100, 200))
    yield Case("to the last operation", (E, cost(E, T)), "a budget spent exactly")


def _by_trying(E: int, budget: int) -> int:
    T = 0
    while budget >= 8 * (T + 1) * E**2 + 4 * (T + 1) ** 2 * E:
        T += 1
    return T


LONGEST = Exercise(
    id="16-7",
    title="Predict, then compute: where the square takes over",
    marks={"values": 2, "short texts": 1, "to the last operation": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("T",),
    reference=longest_text,
    cases=_cases,
    mistakes={
        "The square is missing: scores and averages cost 4 T² E.": (
            partial(_longest, square=0)
        ),
        "The projections are missing: they cost 8 T E².": partial(_longest, linear=0),
        "Three projections are counted; with the output's there are four.": (
            partial(_longest, linear=6)
        ),
        "A product and a sum count as two operations; here they count as one.": (
            partial(_longest, linear=4, square=2)
        ),
        "Only the scores are counted, or only the averages: both cost 2 T² E.": (
            partial(_longest, square=2)
        ),
        "This text is one word too long: round down, not up.": (
            partial(_longest, up=True)
        ),
        "A budget that is spent to the last operation is not exceeded: <=, not <.": (
            partial(_longest, strict=True)
        ),
    },
    also_right=(_by_trying,),
)
