"""First weights and what they do to the sums."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 7-6 ---------------------------------------------------------------------------------


def first_bound(h: Array, target: float) -> float:
    """Return a, such that weights from -a to a give W h this variance."""
    return float(np.sqrt(3 * target / np.sum(h**2)))


def _bound_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, H: int, target: float) -> Case:
        return Case(aspect, (np.tanh(rng.normal(0.3, 1, size=H)), target))

    yield case("values", int(rng.integers(4, 9)), float(rng.uniform(0.2, 0.9)))
    yield case("values", int(rng.integers(10, 20)), float(rng.uniform(1.2, 3)))
    yield case("one unit", 1, 0.5)
    yield case("large layers", 400, 1.0)


FIRST = Exercise(
    id="7-6",
    title="Derive, then measure: how large?",
    marks={"values": 2, "one unit": 1, "large layers": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("a",),
    reference=first_bound,
    cases=_bound_cases,
    mistakes={
        "A number drawn evenly from -a to a has the variance a² / 3, not a².": (
            lambda h, target: float(np.sqrt(target / np.sum(h**2)))
        ),
        "a² / 12 is the variance on an interval of length a; from -a to a the length "
        "is 2a.": lambda h, target: float(np.sqrt(12 * target / np.sum(h**2))),
        "This takes each h_j² to be 1. The states are given: add up their squares.": (
            lambda h, target: float(np.sqrt(3 * target / len(h)))
        ),
        "H products are added, so their variances add: the sum of the squares, not "
        "their mean.": lambda h, target: float(np.sqrt(3 * target / np.mean(h**2))),
        "The root is missing: this is a².": (
            lambda h, target: float(3 * target / np.sum(h**2))
        ),
        "The squares are added, not the states: the weights are independent, so "
        "nothing "
        "cancels.": lambda h, target: float(np.sqrt(3 * target) / np.abs(np.sum(h))),
        "‖h‖ stands where its square belongs.": (
            lambda h, target: float(np.sqrt(3 * target / np.linalg.norm(h)))
        ),
        "np.var subtracts the mean of h first; here h is fixed, and the weights are "
        "what varies.": lambda h, target: float(
            np.sqrt(3 * target / (len(h) * np.var(h))) if len(h) > 1 else 0.0
        ),
        "The fraction is upside down: larger states need smaller weights.": (
            lambda h, target: float(np.sqrt(3 * np.sum(h**2) / target))
        ),
        "The target is a variance already; it is not to be squared.": (
            lambda h, target: float(np.sqrt(3 * target**2 / np.sum(h**2)))
        ),
        "This is torch's rule, 1 / √H, which knows neither h nor the target.": (
            lambda h, target: float(1 / np.sqrt(len(h)))
        ),
    },
    also_right=(
        lambda h, target: math.sqrt(3 * target) / np.linalg.norm(h),
        lambda h, target: np.array((3 * target / (h @ h)) ** 0.5),
    ),
)
