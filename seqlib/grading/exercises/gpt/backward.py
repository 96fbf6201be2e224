"""Back to a tied table: T places, V tokens of E numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 18-6 --------------------------------------------------------------------------------


def tied_backward(o: Array, right: Array, h: Array, ids: Array, dx: Array) -> Array:
    """Return the gradient (V, E) of the mean loss at the tied table."""
    return _tied(o, right, h, ids, dx)


def _tied(
    o: Array,
    right: Array,
    h: Array,
    ids: Array,
    dx: Array,
    output: bool = True,
    inputs: str = "sum",
    mean: bool = True,
    softmax: bool = True,
    aim: str = "right",
    half: float = 1.0,
    sign: float = 1.0,
) -> Array:
    """Go back; the options are the mistakes that one can make."""
    p = np.exp(o - o.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    do = p if softmax else np.zeros_like(p)
    wanted = {"right": right, "ids": ids}.get(aim)
    if wanted is not None:
        do = do - np.eye(o.shape[1])[wanted]
    do = sign * do / (len(o) if mean else 1)
    dW = do.T @ h if output else np.zeros((o.shape[1], h.shape[1]))
    if inputs == "sum":
        np.add.at(dW, ids, dx)
    elif inputs == "last":
        dW[ids] += dx
    elif inputs == "right":
        np.add.at(dW, right, dx)
    return half * dW


def _tied_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, V: int, E: int, *, note: str = "") -> Case:
        ids, right = rng.integers(0, V - 1, T), rng.integers(0, V, T)
        if T > 2:
            ids[T // 2] = ids[0]  # at least one is read twice
            right[0] = (ids[0] + 1) % V
        o, h, dx = (rng.normal(size=(T, n)) for n in (V, E, E))
        return Case(aspect, (o, right, h, ids, dx), note)

    yield case("values", *sizes(rng, 4, 5, 2))
    yield case("values", *sizes(rng, 6, 4, 3))
    yield case("sizes of 1", 1, 4, 3, note="one place")
    yield case("sizes of 1", 5, 3, 1, note="vectors of one number")


def _tied_place_by_place(
    o: Array, right: Array, h: Array, ids: Array, dx: Array
) -> Array:
    T, V = o.shape
    dW = np.zeros((V, h.shape[1]))
    for t in range(T):
        p = np.exp(o[t]) / np.exp(o[t]).sum()
        for w in range(V):
            dW[w] += (p[w] - (w == right[t])) / T * h[t] + (w == ids[t]) * dx[t]
    return dW


TIED = Exercise(
    id="18-6",
    title="Back to a table that is used twice",
    marks={"values": 3, "sizes of 1": 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=25,
    returns=("dW",),
    reference=tied_backward,
    cases=_tied_cases,
    mistakes={
        "Only the use as output is here; the table was read, too: add dx to the rows "
        "of the tokens.": partial(_tied, inputs="none"),
        "Only the use as input is here; the logits were made with the table, too.": (
            partial(_tied, output=False)
        ),
        "`dW[ids] += dx` keeps one place for each token: a token that was read twice "
        "gets the sum of both. `np.add.at` adds all.": partial(_tied, inputs="last"),
        "dx belongs to the tokens that were *read*, not to those to be guessed.": (
            partial(_tied, inputs="right")
        ),
        "The loss is a mean over the places: divide the gradient at the logits by "
        "their number.": partial(_tied, mean=False),
        "The one-hot of the right token is missing: the gradient at the logits is "
        "softmax minus one-hot.": partial(_tied, aim="none"),
        "The softmax is missing: tokens that were not wanted are pushed away, too.": (
            partial(_tied, softmax=False)
        ),
        "The one-hot is that of the token to be guessed, not of the one just read.": (
            partial(_tied, aim="ids")
        ),
        "Two uses are added up, not averaged.": partial(_tied, half=0.5),
        "The gradient at the logits has the wrong sign: softmax minus one-hot.": (
            partial(_tied, sign=-1.0)
        ),
    },
    also_right=(_tied_place_by_place,),
)
