"""Known alignments: what an oracle would look at, and how far off a network is.

Links are pairs (place in the source, place in the target), counted from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes


def _links(rng: Rng, T: int, S: int, more: int) -> Array:
    """Draw a link for all target words but one, and some more; (N, 2) integers."""
    found = {(int(rng.integers(S)), t) for t in range(T) if t != T // 2}
    some = int(rng.integers(T // 2))  # a word that has two, from word 0 and from S - 1
    found |= {(0, some), (S - 1, some)}
    while len(found) < T + more:
        found.add((int(rng.integers(S)), int(rng.choice([0, T - 1]))))
    return rng.permutation(np.array(sorted(found)))


# 15-3 --------------------------------------------------------------------------------


def oracle_weights(links: Array, T: int, S: int) -> Array:
    """Return the weights (T, S) of one who knows the links (N, 2)."""
    return _oracle(links, T, S)


def _oracle(
    links: Array,
    T: int,
    S: int,
    axis: int = 1,
    nobody: str = "zero",
    first: int = 0,
) -> Array:
    """Make the weights; the options are the mistakes that one can make."""
    weights = np.zeros((T, S))
    for i, t in links:
        weights[t - first, i - first] = 1
    total = weights.sum(axis=axis, keepdims=True)
    with np.errstate(all="ignore"):
        if nobody == "zero":
            return weights / np.maximum(total, 1)
        weights = weights / total
    return np.nan_to_num(weights, nan=1 / S) if nobody == "all" else weights


def _oracle_cases(rng: Rng) -> Iterator[Case]:
    T, S = sizes(rng, 5, 4)
    yield _case("values", _links(rng, T, S, 1), T, S)
    yield _case("values", _links(rng, S + 1, T, 2), S + 1, T)
    yield _case("no link", np.array([[0, 1], [2, 1]]), 3, 4, "words without a link")


def _case(aspect: str, links: Array, T: int, S: int, note: str = "") -> Case:
    return Case(aspect, (links, T, S), note)


def _oracle_ones(links: Array, T: int, S: int) -> Array:
    return np.ceil(_oracle(links, T, S))


def _oracle_last(links: Array, T: int, S: int) -> Array:
    weights = np.zeros((T, S))
    for i, t in links[np.lexsort(links.T)]:
        weights[t] = np.arange(S) == i
    return weights


def _oracle_by_counting(links: Array, T: int, S: int) -> list:
    pairs = {(int(i), int(t)) for i, t in links}
    rows = []
    for t in range(T):
        mine = [i for i in range(S) if (i, t) in pairs]
        rows.append([1 / len(mine) if i in mine else 0.0 for i in range(S)])
    return rows


LINKS = Exercise(
    id="15-3",
    title="Be the oracle",
    marks={"values": 2, "no link": 1},
    difficulty=1,
    importance=2,
    minutes=10,
    returns=("weights",),
    reference=oracle_weights,
    cases=_oracle_cases,
    mistakes={
        "Rows and columns have changed places: a row for each output word, a column "
        "for each source word.": lambda links, T, S: _oracle(links, T, S).T,
        "A word with two links shares its weight: each row adds up to 1.": _oracle_ones,
        "It is the rows that add up to 1: an output word shares its weight among "
        "source words, not the other way round.": partial(_oracle, axis=0),
        "A row without links is divided by 0: such a word looks nowhere, its row is "
        "zero.": partial(_oracle, nobody="nan"),
        "A word without a link looks nowhere: its row is zero, not spread over all "
        "words.": partial(_oracle, nobody="all"),
        "A word may have several links; here a later one wipes out the one before.": (
            _oracle_last
        ),
        "Places are counted from 0: do not subtract 1.": partial(_oracle, first=1),
    },
    also_right=(_oracle_by_counting,),
)

# 15-7 --------------------------------------------------------------------------------


def alignment_error(weights: Array, links: Array) -> float:
    """Return 1 - 2 |A & K| / (|A| + |K|), A the largest weight of each row."""
    common, A, K = _count(weights, links)
    return 1 - 2 * common / (A + K)


def _count(weights: Array, links: Array) -> tuple[int, int, int]:
    """Count the links in both sets, in A, and in K."""
    seen = {(int(row.argmax()), t) for t, row in enumerate(weights)}
    known = {(int(i), int(t)) for i, t in links}
    return len(seen & known), len(seen), len(known)


def _error_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, S: int, trust: float, note: str = "") -> Case:
        links = _links(rng, T, S, 2)
        weights = rng.dirichlet(np.ones(S), T) + trust * _oracle(links, T, S)
        weights[0, links[links[:, 1] == 0][0, 0]] += 2  # at least one is right
        weights[T // 2, 0] += 2  # and one that has no link is not
        return Case(aspect, (weights / weights.sum(axis=1, keepdims=True), links), note)

    T, S = sizes(rng, 5, 4)
    yield case("values", T, S, 0.3)
    yield case("values", S + 3, T, 0.3)
    yield case("values", 9, 9, 0.4, "as many output as source words")
    yield case("nearly right", T, S, 3.0, "a network that is nearly right")


def _error_turned(weights: Array, links: Array) -> float:
    return alignment_error(weights, links[:, ::-1])


def _error_columns(weights: Array, links: Array) -> float:
    seen = {(i, int(column.argmax())) for i, column in enumerate(weights.T)}
    known = {(int(i), int(t)) for i, t in links}
    return 1 - 2 * len(seen & known) / (len(seen) + len(known))


def _error_by_matrix(weights: Array, links: Array) -> float:
    """Count in a matrix of zeros and ones."""
    known = np.zeros(weights.shape, bool)
    known[links[:, 1], links[:, 0]] = True
    seen = np.arange(weights.shape[1]) == weights.argmax(axis=1)[:, None]
    return (seen ^ known).sum() / (seen.sum() + known.sum())


def _share(pick: int) -> float:
    def wrong(weights: Array, links: Array) -> float:
        counts = _count(weights, links)
        return 1 - counts[0] / counts[pick]

    return wrong  # type: ignore[return-value]


def _jaccard(weights: Array, links: Array) -> float:
    common, A, K = _count(weights, links)
    return 1 - common / (A + K - common)


def _error_half(weights: Array, links: Array) -> float:
    common, A, K = _count(weights, links)
    return 1 - common / (A + K)


ERROR = Exercise(
    id="15-7",
    title="How far off is the alignment?",
    marks={"values": 2, "nearly right": 1, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("error",),
    reference=alignment_error,
    cases=_error_cases,
    mistakes={
        "This is the share of the network's links that are wrong; the known links that "
        "it missed count, too.": _share(1),  # type: ignore[dict-item]
        "This is the share of the known links that were missed; the wrong links of the "
        "network count, too.": _share(2),  # type: ignore[dict-item]
        "This divides by the union of both sets; the error rate divides by the sum of "
        "their sizes.": _jaccard,
        "The links that both have count twice, since they stand in both sets.": (
            _error_half
        ),
        "This is how well the two agree; the error is 1 minus that.": (
            lambda weights, links: 1 - alignment_error(weights, links)
        ),
        "A link is (place in the source, place in the target), and a row of weights "
        "belongs to a target word: here the two are exchanged.": _error_turned,
        "The network has one link for each output word, the largest weight of its "
        "*row*.": _error_columns,
    },
    also_right=(_error_by_matrix,),
)
