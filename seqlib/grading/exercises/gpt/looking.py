"""Looking back only: scores (T, T) to weights."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 18-1 --------------------------------------------------------------------------------


def look_back(scores: Array) -> Array:
    """Return the weights (T, T): row t is a softmax over the columns s <= t."""
    return _look(scores)


def _look(
    scores: Array,
    offset: int = 0,
    when: str = "before",
    axis: int = 1,
    highest: str = "seen",
    future: bool = False,
) -> Array:
    """Weigh; the options are the mistakes that one can make."""
    past = np.tri(len(scores), len(scores), offset, dtype=bool)
    past = past.T if future else past
    e = np.where(past, scores, -np.inf) if when == "before" else scores
    e = np.where(past, scores, 0) if when == "zero" else e
    with np.errstate(all="ignore"):
        if highest == "seen":
            e = e - e.max(axis=axis, keepdims=True)
        elif highest == "all":
            e = e - scores.max(axis=axis, keepdims=True)
        weights = np.exp(e)
        weights = weights / weights.sum(axis=axis, keepdims=True)
    return weights * past if when == "after" else weights


def _look_cases(rng: Rng) -> Iterator[Case]:
    (T,) = sizes(rng, 4)
    yield Case("values", (rng.normal(size=(T, T)),))
    yield Case("values", (2 * rng.normal(size=(T + 1, T + 1)),))
    loud = rng.normal(size=(4, 4)) + np.linspace(0, 3000, 4)[:, None]
    yield Case("large scores", (loud,), "scores up to 3000")
    loud = rng.normal(size=(4, 4))
    loud[0, 3] = 2000
    yield Case("large scores", (loud,), "a score of 2000 in the future")
    yield Case("sizes of 1", (rng.normal(size=(1, 1)),), "one token")


def _row_by_row(scores: Array) -> list:
    rows = []
    for t, row in enumerate(scores):
        e = [np.exp(a - max(row[: t + 1])) for a in row[: t + 1]]
        rows.append([a / sum(e) for a in e] + [0.0] * (len(row) - t - 1))
    return rows


def _in_place(scores: Array) -> Array:
    found = look_back(scores)
    scores -= scores.max()
    return found


LOOK = Exercise(
    id="18-1",
    title="Look back only",
    marks={"values": 2, "large scores": 1, "sizes of 1": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("weights",),
    reference=look_back,
    cases=_look_cases,
    mistakes={
        "The future gets weight: the mask is missing.": partial(_look, when="never"),
        "The mask comes after the softmax, so the rows add up to less than 1: hide the "
        "future's scores before.": partial(_look, when="after"),
        "A score of 0 is a score like any other: what must have no weight needs the "
        "score minus infinity.": partial(_look, when="zero"),
        "A place may look at itself, too: s = t belongs to the past.": (
            partial(_look, offset=-1)
        ),
        "This sees one place too far: the column t + 1 is the answer that is to be "
        "guessed.": partial(_look, offset=1),
        "This looks ahead, not back: the zeros belong above the diagonal.": (
            partial(_look, future=True)
        ),
        "Each *row* adds up to 1, not each column: the softmax goes along axis 1.": (
            partial(_look, axis=0)
        ),
        "exp of a large score overflows: subtract the largest score of each row "
        "first.": partial(_look, highest="none"),
        "The largest score of the row lies in the future, and then the past vanishes: "
        "hide the future before you look for the largest.": (
            partial(_look, highest="all")
        ),
        "`scores -= …` writes into the caller's array; `scores = scores - …` makes a "
        "new one.": _in_place,
    },
    also_right=(_row_by_row,),
)
