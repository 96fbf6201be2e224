"""How many parameters a Transformer has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Rng, sizes

# 17-3 --------------------------------------------------------------------------------


def parameters(V: int, N: int, d: int, F: int, tied: bool, biases: bool) -> int:
    """Count; `biases` are those of the attentions, and `tied` means one matrix."""
    return _count(V, N, d, F, tied, biases)


def _count(
    V: int,
    N: int,
    d: int,
    F: int,
    tied: bool,
    biases: bool,
    tables: int = 3,
    crosses: int = 1,
    norms: int = 5,
    in_feed: bool = True,
    of_attention: int = 4,
    feeds: int = 2,
    matrices: int = 4,
) -> int:
    """Count; the options are the mistakes that one can make."""
    attentions = 2 + crosses
    attention = matrices * d * d + (of_attention * d if biases else 0)
    feed = 2 * d * F + (F + d if in_feed else 0)
    words = V * d * (1 if tied else tables)
    return words + N * (attentions * attention + feeds * feed + norms * 2 * d)


def _cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, tied: bool, biases: bool, note: str = "") -> Case:
        V, N, d, F = sizes(rng, 50, 2, 8, 20)
        return Case(aspect, (V, N, 4 * d, F, tied, biases), note)

    yield case("tied, no biases", True, False, "tied, without biases")
    yield case("tied, no biases", True, False, "tied, without biases")
    yield case("biases", True, True, "with biases of the attentions")
    yield case("not tied", False, False, "three matrices of words")
    base = 37_000, 6, 512, 2048, True, False
    yield Case("tied, no biases", base, "the base model of 2017")


def _one_by_one(V: int, N: int, d: int, F: int, tied: bool, biases: bool) -> int:
    """Add the sizes of all arrays."""
    attention = [(d, d)] * 4 + [(1, d)] * (4 * biases)
    feed = [(F, d), (1, F), (d, F), (1, d)]
    encoder = attention + feed + [(2, d)] * 2
    decoder = 2 * attention + feed + [(2, d)] * 3
    arrays = [(V, d)] * (1 if tied else 3) + N * (encoder + decoder)
    return sum(rows * columns for rows, columns in arrays)


COUNT = Exercise(
    id="17-3",
    title="Count to the last parameter",
    marks={"tied, no biases": 2, "biases": 1, "not tied": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("count",),
    reference=parameters,
    cases=_cases,
    mistakes={
        "A decoder block has two attentions, one to its own words and one to the "
        "source.": partial(_count, crosses=0),
        "The norms are not counted: two in an encoder block, three in a decoder "
        "block.": partial(_count, norms=0),
        "A decoder block has three norms: one for each of its parts.": (
            partial(_count, norms=4)
        ),
        "The biases of the feed-forward parts are missing: F + d each.": (
            partial(_count, in_feed=False)
        ),
        "An attention has four matrices: queries, keys, values, and the one that mixes "
        "the heads.": partial(_count, matrices=3),
        "An attention has four biases of d numbers, one for each of its matrices.": (
            partial(_count, of_attention=3)
        ),
        "Both kinds of block have a feed-forward part, so there are 2N of them.": (
            partial(_count, feeds=1)
        ),
        "Untied there are three matrices of words: source, target, output.": (
            partial(_count, tables=2)
        ),
        "Tied means one matrix of words for all three uses.": (
            lambda V, N, d, F, tied, biases: _count(V, N, d, F, False, biases)
        ),
    },
    also_right=(_one_by_one,),
)
