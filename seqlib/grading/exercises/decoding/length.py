"""Sentences of unequal length, compared."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 13-6 --------------------------------------------------------------------------------


def rerank(log_p: Array, lengths: Array, alpha: float) -> tuple[Array, Array]:
    """Return the order (N,), best first, by log P / lp, and these scores, (N,)."""
    return _rerank(log_p, lengths, alpha)


def _rerank(log_p: Array, lengths: Array, alpha: float, form: str = "") -> tuple:
    lp = ((5 + lengths) / 6) ** alpha
    if form == "plain":
        lp = lengths.astype(float) ** alpha
    elif form == "inside":
        lp = (5 + lengths) / 6**alpha
    elif form == "factor":
        lp = alpha * (5 + lengths) / 6
    elif form == "undivided":
        lp = (5.0 + lengths) ** alpha
    scores = log_p * lp if form == "times" else log_p / lp
    if form == "minus":
        scores = log_p - lp
    order = np.argsort(scores if form == "rising" else -scores, kind="stable")
    return order, scores[order] if form == "sorted" else scores


def _rerank_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, N: int, alpha: float, note: str = "") -> Case:
        lengths = rng.permutation(np.arange(1, N + 9))[:N]
        log_p = -lengths * rng.uniform(0.3, 1.2, N)
        return Case(aspect, (log_p, lengths, alpha), note)

    yield case("values", 6, float(rng.uniform(0.4, 0.9)))
    yield case("values", 8, 1.5)
    yield case("alpha is 0", 5, 0.0, "nothing is divided")
    yield case("sizes of 1", 1, 0.7)


def _rerank_in_logs(log_p: Array, lengths: Array, alpha: float) -> tuple:
    scores = -np.exp(np.log(-log_p) - alpha * (np.log(5 + lengths) - np.log(6)))
    return np.argsort(scores)[::-1], scores


RERANK = Exercise(
    id="13-6",
    title="Long and short",
    marks={"values": 2, "alpha is 0": 1, "sizes of 1": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("order", "scores"),
    reference=rerank,
    cases=_rerank_cases,
    mistakes={
        "The scores are divided by the length itself; here it is Wu's lp, which is "
        "gentler.": partial(_rerank, form="plain"),
        "The power belongs to the whole fraction, (5 + length) / 6.": (
            partial(_rerank, form="inside")
        ),
        "alpha is an exponent, not a factor.": (
            lambda log_p, lengths, alpha: _rerank(
                log_p, lengths, alpha or 1e-3, "factor"
            )
        ),
        "The 6 is missing: lp is 1 for a single token.": (
            partial(_rerank, form="undivided")
        ),
        "Multiplied in place of divided: that punishes long sentences twice.": (
            partial(_rerank, form="times")
        ),
        "Subtracted in place of divided.": partial(_rerank, form="minus"),
        "The order rises: the best, the largest score, comes first.": (
            partial(_rerank, form="rising")
        ),
        "The scores stay in the order of the arguments; here they are sorted.": (
            partial(_rerank, form="sorted")
        ),
    },
    also_right=(_rerank_in_logs,),
)
