"""The additive score: T states that ask, S annotations, H and M numbers each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 15-2 --------------------------------------------------------------------------------


def additive_scores(s: Array, h: Array, W_q: Array, W_k: Array, w: Array) -> Array:
    """Return the scores (T, S) of annotations h (S, M) for states s (T, H)."""
    return _score(s, h, W_q, W_k, w)


def _score(
    s: Array,
    h: Array,
    W_q: Array,
    W_k: Array,
    w: Array,
    squash: Callable[[Array], Array] = np.tanh,
    after: Callable[[Array], Array] = lambda e: e,
    asks: float = 1.0,
    product: bool = False,
    turned: bool = False,
) -> Array:
    """Score; the options are the mistakes that one can make."""
    from_s, from_h = asks * s @ W_q.T, h @ W_k.T
    pairs = from_s[:, None], from_h[None]
    e = after(squash(pairs[0] * pairs[1] if product else sum(pairs)) @ w)
    return e.T if turned else e


def _score_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, S: int, H: int, A: int) -> Case:
        s, h = rng.normal(size=(T, H)), rng.normal(size=(S, H))
        W_q, W_k = rng.normal(size=(2, A, H))
        w = rng.choice([-1, 1], A) * rng.uniform(0.5, 1.5, A)
        return Case(aspect, (s, h, W_q, W_k, w))

    yield case("values", *sizes(rng, 2, 3, 2, 3))
    yield case("values", *sizes(rng, 3, 2, 3, 2))
    yield case("sizes of 1", 1, 4, 3, 2)
    yield case("sizes of 1", 3, 1, 2, 1)


def _score_pair_by_pair(s: Array, h: Array, W_q: Array, W_k: Array, w: Array) -> list:
    return [[w @ np.tanh(W_q @ s_t + W_k @ h_j) for h_j in h] for s_t in s]


def _score_as_one_layer(s: Array, h: Array, W_q: Array, W_k: Array, w: Array) -> Array:
    T, S = len(s), len(h)
    pairs = np.hstack([np.repeat(s, S, axis=0), np.tile(h, (T, 1))])
    return (np.tanh(pairs @ np.hstack([W_q, W_k]).T) @ w).reshape(T, S)


def _score_exchanged(s: Array, h: Array, W_q: Array, W_k: Array, w: Array) -> Array:
    return additive_scores(s, h, W_k, W_q, w)


def _score_unweighted(s: Array, h: Array, W_q: Array, W_k: Array, w: Array) -> Array:
    return additive_scores(s, h, W_q, W_k, np.ones_like(w))


def _score_softmax(*args: Array) -> Array:
    e = np.exp(additive_scores(*args))
    return e / e.sum(axis=1, keepdims=True)


SCORE = Exercise(
    id="15-2",
    title="The additive score of every pair",
    marks={"values": 2, "sizes of 1": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("scores",),
    reference=additive_scores,
    cases=_score_cases,
    mistakes={
        "The tanh is missing: without it the question adds the same number to all "
        "scores of a row, which a softmax does not notice.": (
            partial(_score, squash=lambda z: z)
        ),
        "The tanh stands around the whole score; it belongs around the sum of the two "
        "projections, before w.": partial(_score, squash=lambda z: z, after=np.tanh),
        "W_q and W_k have changed places: W_q reads the state that asks, W_k the "
        "annotations.": _score_exchanged,
        "The state that asks is left out, so every output word gets the same scores.": (
            partial(_score, asks=0.0)
        ),
        "The two projections are added, not multiplied.": partial(_score, product=True),
        "The vector w is left out: it weighs the hidden units.": _score_unweighted,
        "The result is (T, S): a row for each state that asks, a column for each "
        "annotation.": partial(_score, turned=True),
        "These are the weights; asked are the scores, before the softmax.": (
            _score_softmax
        ),
    },
    also_right=(_score_pair_by_pair, _score_as_one_layer),
)
