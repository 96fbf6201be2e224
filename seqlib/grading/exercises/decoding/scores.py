"""The score of a sequence, and how many sequences there are.

A model is a table, log_p (V, V): log_p[a, b] = log P(b | a). Token `eos` ends.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 13-1 --------------------------------------------------------------------------------


def table(rng: Rng, V: int, *more: int, alpha: float = 0.7) -> Array:
    """Draw log-probabilities (..., V, V), every row those of a distribution.

    The smaller alpha is, the surer are the rows.
    """
    drawn = rng.dirichlet(np.full(V, alpha), size=(*more, V))
    return np.log(drawn + 1e-4) - np.log1p(V * 1e-4)


def score(log_p: Array, first: int, tokens: Array, eos: int) -> Array:
    """Return log P of each row of tokens (B, T), up to its first eos, (B,)."""
    return _score(log_p, first, tokens, eos)


def _score(
    log_p: Array,
    first: int,
    tokens: Array,
    eos: int,
    *,
    end: bool = True,
    padding: bool = False,
    start: bool = True,
    mean: bool = False,
) -> Array:
    scores = np.zeros(len(tokens))
    for i, row in enumerate(tokens):
        before, terms = first, []
        for token in row:
            if token != eos or end:
                terms.append(log_p[before, token])
            before = token
            if token == eos and not padding:
                break
        terms = terms if start else terms[1:]
        scores[i] = np.mean(terms) if mean else np.sum(terms)
    return scores


def _score_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, V: int, note: str = "") -> Case:
        eos = int(rng.integers(V))
        words = [v for v in range(V) if v != eos]
        tokens = rng.choice(words, (B, T))
        if aspect == "padding":
            for row, end in zip(tokens, rng.integers(1, T - 1, B), strict=True):
                row[end:] = eos
        else:
            tokens[:, -1] = eos
        first = int(rng.choice(words))
        return Case(aspect, (table(rng, V), first, tokens, eos), note)

    yield case("values", 3, 5, 4)
    yield case("values", 2, 4, 6)
    yield case("padding", 4, 6, 5, "eos fills up the rows")
    yield case("sizes of 1", 1, 2, 3)
    yield case("sizes of 1", 1, 1, 2, "the end at once")


def _score_by_mask(log_p: Array, first: int, tokens: Array, eos: int) -> Array:
    before = np.column_stack([np.full(len(tokens), first), tokens[:, :-1]])
    ended = np.cumsum(tokens == eos, axis=1) - (tokens == eos)
    return np.where(ended > 0, 0, log_p[before, tokens]).sum(axis=1)


SCORE = Exercise(
    id="13-1",
    title="The score of a sentence",
    marks={"values": 2, "padding": 1, "sizes of 1": 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("scores",),
    reference=score,
    cases=_score_cases,
    mistakes={
        "The end is free: eos is a token like all others and its log P counts.": (
            lambda *a: _score(*a, end=False)
        ),
        "The padding is counted: after the first eos a row is over.": (
            lambda *a: _score(*a, padding=True)
        ),
        "The first token's own log P is missing: it follows `first`.": (
            lambda *a: _score(*a, start=False)
        ),
        "This is the mean of the logarithms; the score is their sum.": (
            lambda *a: _score(*a, mean=True)
        ),
        "These are probabilities; the score is their logarithm, a sum.": (
            lambda *a: np.exp(_score(*a))
        ),
        "Rows and columns are exchanged: log_p[a, b] is for b after a.": (
            lambda log_p, *a: _score(log_p.T, *a)
        ),
        "The sign is turned round: that is a cost; a score is at most 0.": (
            lambda *a: -_score(*a)
        ),
    },
    also_right=(_score_by_mask,),
)

# 13-2 --------------------------------------------------------------------------------


def how_many(V: int, T: int) -> int:
    """Return how many sequences there are of V tokens, eos among them, T at most."""
    return sum((V - 1) ** (t - 1) for t in range(1, T)) + (V - 1) ** (T - 1) * V


def _count_cases(rng: Rng) -> Iterator[Case]:
    for V, T in zip(rng.permutation(range(3, 9))[:3], (3, 4, 5), strict=True):
        yield Case("values", (int(V), T))
    yield Case("one step", (int(rng.integers(3, 30)), 1))
    yield Case("two tokens", (2, int(rng.integers(4, 9))), "eos and one word")


def _count_by_growing(V: int, T: int) -> int:
    running, ended = 1, 0
    for _ in range(T):
        ended, running = ended + running, running * (V - 1)
    return ended + running


COUNT = Exercise(
    id="13-2",
    title="Predict, then measure: how many sentences?",
    marks={"values": 2, "one step": 1, "two tokens": 1},
    difficulty=1,
    importance=2,
    minutes=10,
    returns=("count",),
    reference=how_many,
    cases=_count_cases,
    mistakes={
        "V ** T also counts what goes on after its end.": lambda V, T: V**T,
        "These are only the sequences of all T tokens; those that end sooner count, "
        "too.": lambda V, T: (V - 1) ** (T - 1) * V,
        "At step T the sequence stops whatever its last token is, so there are V "
        "choices and not only eos.": lambda V, T: sum(
            (V - 1) ** (t - 1) for t in range(1, T + 1)
        ),
        "Before the end there are V - 1 choices at each step, for eos would end it.": (
            lambda V, T: sum(V ** (t - 1) for t in range(1, T)) + V**T
        ),
        "A sequence that ends at step t has t - 1 words before its end, not t.": (
            lambda V, T: sum((V - 1) ** t for t in range(1, T)) + (V - 1) ** (T - 1) * V
        ),
    },
    also_right=(_count_by_growing,),
)
