"""Parallel corpora by a grammar, with the alignment of the words known.

One meaning is drawn, and each language says it: English, German, Spanish, and Hindi in
Latin letters. Words that say the same part of the meaning are aligned.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np

from seqlib._check import flag, one_of
from seqlib.data._draw import positive, span

from . import _english, _german, _hindi, _spanish
from ._meaning import Clause, Leaf, Thing, core, extended, next_clause
from ._words import GO, OBJECTS, PLACES, PRONOUNS, TIMES, VERBS

LANGUAGES: dict[str, Callable[[Clause], list[Leaf]]] = {
    "german": _german.clause,
    "hindi": _hindi.clause,
    "spanish": _spanish.clause,
}
LONGEST = 60
PATIENCE = 1000  # sentences drawn in vain before no more are hoped for


class Pair(NamedTuple):
    """A sentence, its translation, and which word of one says which of the other."""

    source: list[str]
    target: list[str]
    alignment: frozenset[tuple[int, int]]  # (place in source, place in target)


def sentence_pairs(
    language: str,
    count: int,
    rng: np.random.Generator,
    shortest: int = 3,
    longest: int = 12,
    distinct: bool = False,
) -> list[Pair]:
    """Draw English sentences and their translations.

    `I ate an apple` is `ich habe einen Apfel gegessen`, where both `habe` and
    `gegessen` are aligned with `ate`; `I am going home` is `main ghar ja raha hoon`.
    A word without a counterpart, as Hindi's `ne` and English `the` before Hindi, has no
    pair. Longer sentences have adjectives, places, company, times and further clauses
    with `and`, `but`, `because` (which sends the German verb to the end).

    Parameters
    ----------
    language : "german", "hindi" (in Latin letters) or "spanish"
    count : how many pairs
    rng : where the draws come from
    shortest, longest : bounds of the number of English words, 3 to 60; a length is
        drawn evenly between them, and reached or passed by a word or two
    distinct : whether no English sentence may come twice, so that a part of the pairs
        can be held out; else the short ones come again and again

    Raises
    ------
    ValueError
        The language is unknown, the bounds are not 3 <= shortest <= longest <= 60, or
        there are too few distinct sentences of these lengths.
    """
    one_of("language", language, LANGUAGES)
    positive(count, rng)
    flag("distinct", distinct)
    span(shortest, longest, 3)
    if longest > LONGEST:
        raise ValueError(f"longest must be at most {LONGEST}, got {longest}")
    pairs: dict[object, Pair] = {}
    tries = 0
    while len(pairs) < count:
        pair = _pair(language, _clauses(shortest, longest, rng))
        key = tuple(pair.source) if distinct else len(pairs)
        tries = tries + 1 if key in pairs else 0
        if tries > PATIENCE:
            raise ValueError(
                f"count must be about {len(pairs)} at most, for there are too few "
                f"distinct sentences of {shortest} to {longest} words, got {count}"
            )
        pairs.setdefault(key, pair)
    return list(pairs.values())


def _clauses(shortest: int, longest: int, rng: np.random.Generator) -> list[Clause]:
    """Draw a meaning that English says in shortest to longest words."""
    while True:
        wanted = int(rng.integers(shortest, longest + 1))
        clauses = [core(rng)]
        sizes = [len(_english.clause(clauses[0]))]
        while sum(sizes) < wanted:
            room, last = wanted - sum(sizes), len(clauses) - 1
            longer = None
            if room < 5 or rng.integers(3):
                longer = extended(clauses[last], rng)
            if longer is None:
                clauses.append(next_clause(clauses[last], rng))
                sizes.append(0)
                longer = clauses[-1]
            clauses[-1], sizes[-1] = longer, len(_english.clause(longer))
        if sum(sizes) <= longest:
            return clauses


def _pair(language: str, clauses: list[Clause]) -> Pair:
    source: list[str] = []
    target: list[str] = []
    links = []
    for said in clauses:
        ours, theirs = _english.clause(said), LANGUAGES[language](said)
        roles: dict[str, list[int]] = {}
        for i, (_, role) in enumerate(ours, len(source)):
            for one in role.split():
                roles.setdefault(one, []).append(i)
        for j, (_, role) in enumerate(theirs, len(target)):
            links += [(i, j) for one in role.split() for i in roles.get(one, ())]
        source += [word for word, _ in ours]
        target += [word for word, _ in theirs]
    return Pair(source, target, frozenset(links))


def turned(pair: Pair) -> Pair:
    """Return the pair for translating the other way."""
    links = frozenset((j, i) for i, j in _checked(pair).alignment)
    return Pair(pair.target, pair.source, links)


def oracle(pair: Pair) -> np.ndarray:
    """Return the weights of an attention that knows the alignment.

    Shapes: result (T, S) for T target and S source words; a row is shared equally by
    the words that its target word translates, and is zero where there are none.
    """
    weights = np.zeros((len(_checked(pair).target), len(pair.source)))
    for i, j in pair.alignment:
        weights[j, i] = 1.0
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1.0)


def both_ways(pair: Pair) -> list[Pair]:
    """List every English source of a Spanish (or other) target, the pair's own first.

    `went back to Rome` and `went to Rome again` are both `volví a ir a Roma`: each such
    place doubles the number of English sentences that are right.
    """
    places = [
        i for i, word in enumerate(_checked(pair).source) if word in ("back", "again")
    ]
    found = []
    for turn in product((False, True), repeat=len(places)):
        order = list(range(len(pair.source)))
        words = list(pair.source)
        for at, moves in zip(places, turn, strict=True):
            if moves:
                now = order.index(at)
                shift = _english.swapped(words, now)
                words[now] = "again" if words[now] == "back" else "back"
                words = [words[i] for i in shift]
                order = [order[i] for i in shift]
        links = frozenset((order.index(i), j) for i, j in pair.alignment)
        found.append(Pair(words, pair.target, links))
    return found


def _checked(pair: Pair) -> Pair:
    if not isinstance(pair, Pair):
        raise TypeError(f"pair must be a Pair, got {type(pair).__name__}")
    return pair


GOING_HOME = _pair("hindi", [Clause(PRONOUNS[0], GO, "now", place=PLACES[0])])
ATE_AN_APPLE = _pair(
    "german", [Clause(PRONOUNS[0], VERBS[0], "past", Thing(OBJECTS[0][1], "a", False))]
)
BACK_TO_ROME = _pair(
    "spanish",
    [
        Clause(
            PRONOUNS[0], GO, "past", place=PLACES[3], friends=2, time=TIMES[1],
            early=True, again="back",
        )
    ],
)  # fmt: skip
