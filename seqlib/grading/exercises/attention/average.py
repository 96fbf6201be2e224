"""Scores to weights to an average: T output words, S source words, M numbers each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[Array, Array]

# 15-1 --------------------------------------------------------------------------------


def attend(scores: Array, values: Array, mask: Array) -> Pair:
    """Return contexts (T, M) and weights (T, S); mask (S,) is True for real words."""
    return _attend(scores, values, mask)


def _attend(
    scores: Array,
    values: Array,
    mask: Array,
    axis: int = 1,
    when: str = "before",
    highest: bool = True,
    share: Callable[[Array], Array] = lambda weights: weights,
    divide: bool = False,
) -> Pair:
    """Attend; the options are the mistakes that one can make."""
    e = np.where(mask, scores, -np.inf) if when == "before" else scores
    e = e * mask if when == "zero" else e
    with np.errstate(all="ignore"):
        e = e - (e[:, mask].max(axis=1, keepdims=True) if highest else 0)
        weights = np.exp(e) / np.exp(e).sum(axis=axis, keepdims=True)
    weights = share(weights) * (mask if when == "after" else 1)
    return weights @ values / (len(values) if divide else 1), weights


def _attend_cases(rng: Rng) -> Iterator[Case]:
    def case(
        aspect: str, T: int, S: int, hidden: int, size: float, note: str, loud: int = 0
    ) -> Case:
        scores = size * rng.normal(size=(T, S)) + (size > 10) * 900
        mask = np.ones(S, bool)
        mask[rng.permutation(S)[:hidden]] = False
        scores[:, ~mask] += loud
        return Case(aspect, (scores, rng.normal(size=(S, 3)) + 1, mask), note)

    T, S = sizes(rng, 3, 4)
    yield case("values", T, S, 0, 1.0, "no padding")
    yield case("values", S, T, 0, 1.0, "no padding")
    yield case("padding", T, S, 2, 1.0, "padding")
    yield case("padding", 1, 5, 3, 1.0, "padding, one output word")
    yield case("large scores", 4, 5, 1, 60.0, "scores near 1000")
    yield case("large scores", 3, 4, 1, 1.0, "padding scores near 1000", loud=1000)


def _attend_row_by_row(scores: Array, values: Array, mask: Array) -> Pair:
    contexts, weights = [], []
    for row in scores:
        w = np.zeros(len(row))
        w[mask] = np.exp(row[mask] - row[mask].max())
        weights.append(w / w.sum())
        contexts.append(sum(a * v for a, v in zip(weights[-1], values, strict=True)))
    return np.array(contexts), np.array(weights)


def _loudest_of_all(scores: Array, values: Array, mask: Array) -> Pair:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True)) * mask
    with np.errstate(all="ignore"):
        weights = weights / weights.sum(axis=1, keepdims=True)
    return weights @ values, weights


def _other_way(scores: Array, values: Array, mask: Array) -> Pair:
    return _attend(scores, values, ~mask if not mask.all() else mask)


def _in_place(scores: Array, values: Array, mask: Array) -> Pair:
    found = attend(scores, values, mask)
    scores -= scores.max()
    return found


ATTEND = Exercise(
    id="15-1",
    title="Look, and do not look at padding",
    marks={"values": 2, "padding": 1, "large scores": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("contexts", "weights"),
    reference=attend,
    cases=_attend_cases,
    mistakes={
        "The weights of an output word add up to 1 over the source words: the softmax "
        "goes along axis 1, not along axis 0.": partial(_attend, axis=0),
        "Padding gets a share of the weight: the mask is not used.": (
            partial(_attend, when="never")
        ),
        "The mask comes after the softmax, so the weights of the real words add up to "
        "less than 1: hide the padding's scores before.": partial(
            _attend, when="after"
        ),
        "A score of 0 is a score like any other, exp(0) = 1: what is to have no weight "
        "needs the score minus infinity.": partial(_attend, when="zero"),
        "exp of a large score overflows: subtract the largest score of each row "
        "first, which changes nothing else.": partial(_attend, highest=False),
        "The largest score is that of a padding word, and then the real ones vanish: "
        "hide the padding before you look for the largest.": _loudest_of_all,
        "Normalised twice: the weights add up to 1 already, so do not divide by the "
        "number of words.": partial(_attend, divide=True),
        "All words weigh the same here: the scores are not used.": (
            partial(_attend, share=lambda w: np.full_like(w, 1 / w.shape[1]))
        ),
        "Only the best word counts here; a softmax gives every word a share.": (
            partial(_attend, share=lambda w: 1.0 * (w == w.max(axis=1, keepdims=True)))
        ),
        "The mask is read the wrong way round: here True means a real word.": (
            _other_way
        ),
        "`scores -= …` writes into the caller's array; `scores = scores - …` makes a "
        "new one.": _in_place,
    },
    also_right=(_attend_row_by_row,),
)
