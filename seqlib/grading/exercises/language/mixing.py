"""The best mixture of two models."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 11-7 --------------------------------------------------------------------------------


def mix_weight(p: Array, q: Array, rounds: int) -> float:
    """Return the weight of p after so many rounds of w = mean(w p / (w p + (1 - w) q)).

    The first w is 1/2.
    """
    return _mix(p, q, rounds, lambda w, r: r.mean())


def _mix(
    p: Array,
    q: Array,
    rounds: int,
    update: Callable[[float, Array], float],
    start: float = 0.5,
) -> float:
    w = start
    for _ in range(rounds):
        w = float(update(w, w * p / (w * p + (1 - w) * q)))
    return w


def _cases(rng: Rng) -> Iterator[Case]:
    for N, rounds in ((8, 1), (12, 5), (20, 60)):
        p, q = rng.uniform(0.05, 0.9, (2, N))
        yield Case("values", (p, q, rounds), f"{rounds} rounds")
    p, q = rng.uniform(0.05, 0.9, (2, 6))
    yield Case("edges", (p, q, 0), "no round at all")
    yield Case("edges", (p, p / 2, 4), "one model is always better")
    yield Case("edges", (p, p + 0, 9), "two equal models")


def _by_gradient(p: Array, q: Array, rounds: int) -> float:
    """Take the same step, as w times the slope of the mean logarithm."""
    w = 0.5
    for _ in range(rounds):
        w = w * float(np.mean(p / (q + w * (p - q))))
    return w


MIX = Exercise(
    id="11-7",
    title="Derive, then implement: two models are better than one",
    marks={"values": 3, "edges": 1},
    difficulty=2,
    importance=2,
    minutes=25,
    returns=("w",),
    reference=mix_weight,
    cases=_cases,
    mistakes={
        "This is the weight of q; asked is that of p.": (
            lambda p, q, rounds: 1 - mix_weight(p, q, rounds)
        ),
        "Each character is given wholly to one model; give it out in shares.": (
            lambda p, q, rounds: _mix(p, q, rounds, lambda w, r: (r > 0.5).mean())
        ),
        "The shares are multiplied by the old weight once more.": (
            lambda p, q, rounds: _mix(p, q, rounds, lambda w, r: w * r.mean())
        ),
        "This sums over the text; the new weight is the mean share.": (
            lambda p, q, rounds: _mix(p, q, min(rounds, 1), lambda w, r: r.sum())
        ),
        "The ratio of sums is not the mean of ratios: take the share at each character "
        "and then the mean.": lambda p, q, rounds: _mix(
            p.mean(), q.mean(), rounds, lambda w, r: float(r)
        ),
        "It stays where the first round left it: repeat it `rounds` times, each with "
        "the new weight in the shares.": lambda p, q, rounds: mix_weight(
            p, q, min(rounds, 1)
        ),
        "There is one round too many.": (
            lambda p, q, rounds: mix_weight(p, q, rounds + 1)
        ),
        "There is one round too few.": (
            lambda p, q, rounds: mix_weight(p, q, max(rounds - 1, 0))
        ),
    },
    also_right=(_by_gradient,),
)
