"""The probability of a text, and two scores made of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 11-1 --------------------------------------------------------------------------------


def text_log_prob(ids: Array, P: Array) -> float:
    """Return log P of a text under a table of pairs; token 0 begins and ends it."""
    return float(np.log(_chances(ids, P)).sum())


def _chances(ids: Array, P: Array, start: bool = True, end: bool = True) -> Array:
    whole = np.concatenate([[0] * start, ids, [0] * end]).astype(int)
    return P[whole[:-1], whole[1:]]


def rows(rng: Rng, V: int) -> Array:
    """Draw a table of pairs: each row sums to 1, none of its entries is small."""
    P = rng.uniform(0.2, 1, (V, V))
    return P / P.sum(axis=1, keepdims=True)


def _text_cases(rng: Rng) -> Iterator[Case]:
    for T, V in ((5, 4), (8, 6)):
        yield Case("values", (rng.integers(1, V, T), rows(rng, V)))
    yield Case("values", (np.array([2]), rows(rng, 3)), "a text of one word")
    yield Case("empty text", (np.array([], int), rows(rng, 4)), "no word at all")
    long = rng.integers(1, 9, 1500)
    yield Case("long texts", (long, rows(rng, 9)), "1,500 words")


def _text_product(ids: Array, P: Array) -> float:
    """Multiply first; a long text comes to 0, whose logarithm is taken for a floor."""
    return math.log(max(float(np.prod(_chances(ids, P))), 1e-323))


def _text_by_loop(ids: Array, P: Array) -> float:
    return sum(math.log(P[a, b]) for a, b in pairwise([0, *map(int, ids), 0]))


TEXT = Exercise(
    id="11-1",
    title="How likely is a text?",
    marks={"values": 2, "empty text": 1, "long texts": 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("log_prob",),
    reference=text_log_prob,
    cases=_text_cases,
    mistakes={
        "The end is missing: that the text stops here is predicted too, as token 0.": (
            lambda ids, P: float(np.log(_chances(ids, P, end=False)).sum())
        ),
        "The first word is missing: it is predicted after token 0.": (
            lambda ids, P: float(np.log(_chances(ids, P, start=False)).sum())
        ),
        "Start and end are missing: token 0 stands before the text and after it.": (
            lambda ids, P: float(np.log(_chances(ids, P, False, False)).sum())
        ),
        "Rows and columns are exchanged: the row is the word before.": (
            lambda ids, P: text_log_prob(ids, P.T)
        ),
        "This is the probability; take its logarithm.": (
            lambda ids, P: float(np.prod(_chances(ids, P)))
        ),
        "The product of many probabilities is too small for a float and becomes 0: add "
        "logarithms instead.": _text_product,
        "These are bits, logarithms to base 2; asked is the natural one.": (
            lambda ids, P: float(np.log2(_chances(ids, P)).sum())
        ),
        "This is the mean a word; asked is the whole text: the sum.": (
            lambda ids, P: float(np.log(_chances(ids, P)).mean())
        ),
        "The sign is turned: a probability below 1 has a negative logarithm.": (
            lambda ids, P: -text_log_prob(ids, P)
        ),
    },
    also_right=(_text_by_loop,),
)

# 11-2 --------------------------------------------------------------------------------


def scores(log_p: Array, lengths: Array) -> tuple[float, float]:
    """Return perplexity a token, and bits a character."""
    bits = -log_p.sum() / np.log(2) / lengths.sum()
    return float(np.exp(-log_p.mean())), float(bits)


def _scores_cases(rng: Rng) -> Iterator[Case]:
    for N in (6, 9):
        log_p, lengths = -rng.uniform(0.2, 6, N), rng.integers(2, 12, N)
        yield Case("values", (log_p, lengths))
    yield Case("one token", (-rng.uniform(1, 3, 1), np.array([5])))
    sure = np.log(np.full(7, 1 / 8))
    yield Case("even choice", (sure, rng.integers(2, 9, 7)), "always 1 of 8")


def _scores_by_loop(log_p: Array, lengths: Array) -> tuple[float, float]:
    inverse, bits = 1.0, 0.0
    for x in log_p:
        inverse *= math.exp(-x) ** (1 / len(log_p))
        bits += math.log2(math.exp(-x))
    return inverse, bits / sum(int(n) for n in lengths)


SCORES = Exercise(
    id="11-2",
    title="Two scores of one model",
    marks={"values": 2, "one token": 1, "even choice": 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("perplexity", "bits"),
    reference=scores,
    cases=_scores_cases,
    mistakes={
        "This averages 1 / P; average the logarithms first, then take exp: a geometric "
        "mean.": lambda log_p, lengths: (
            float(np.exp(-log_p).mean()),
            scores(log_p, lengths)[1],
        ),
        "The bits are nats: divide by log 2.": lambda log_p, lengths: (
            scores(log_p, lengths)[0],
            scores(log_p, lengths)[1] * np.log(2),
        ),
        "These are bits a token: charge all bits to the characters.": (
            lambda log_p, lengths: (
                scores(log_p, lengths)[0],
                float(-log_p.mean() / np.log(2)),
            )
        ),
        "Each token's bits are divided by its own length and then averaged: a short "
        "token then counts too much. Divide the sum by the sum.": (
            lambda log_p, lengths: (
                scores(log_p, lengths)[0],
                float((-log_p / np.log(2) / lengths).mean()),
            )
        ),
        "The perplexity is that of a character; asked is a token's.": (
            lambda log_p, lengths: (
                float(np.exp(-log_p.sum() / lengths.sum())),
                scores(log_p, lengths)[1],
            )
        ),
        "The logarithms are natural, so exp undoes them, not 2 to the power.": (
            lambda log_p, lengths: (
                float(2 ** -log_p.mean()),
                scores(log_p, lengths)[1],
            )
        ),
        "This is the whole text's: the perplexity is a mean a token.": (
            lambda log_p, lengths: (
                float(np.exp(-log_p.sum())),
                scores(log_p, lengths)[1],
            )
        ),
        "A sign is missing: a perplexity is at least 1, and bits are not negative.": (
            lambda log_p, lengths: (
                float(np.exp(log_p.mean())),
                -scores(log_p, lengths)[1],
            )
        ),
        "The two results are exchanged.": (
            lambda log_p, lengths: scores(log_p, lengths)[::-1]
        ),
    },
    also_right=(_scores_by_loop,),
)
