"""What a sentence of the parallel corpora says, before any language says it."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from seqlib.data._draw import pick, shuffled

from ._words import (
    FAHREN,
    GO,
    JOINS,
    NAMES,
    OBJECTS,
    OF_PEOPLE,
    OF_THINGS,
    PEOPLE,
    PLACES,
    PRONOUNS,
    TIMES,
    VERBS,
    Adjective,
    Noun,
    Person,
    Phrase,
    Verb,
)

Leaf = tuple[str, str]  # a word, and the roles it stands for, with spaces between
TENSES = ("past", "now", "future")


class Thing(NamedTuple):
    """A noun with its determiner and adjectives."""

    noun: Noun
    determiner: str  # a, the, two
    plural: bool
    adjectives: tuple[Adjective, ...] = ()


class Clause(NamedTuple):
    """Who does what, where, with whom and when; the verb `go` has no object."""

    subject: Person | Thing
    verb: Verb
    tense: str  # past: ate; now: is eating; future: will eat
    object: Thing | None = None
    place: Phrase | None = None
    friends: int = 0  # with how many of the subject's friends: 0, 1, 2 for several
    time: Phrase | None = None
    early: bool = False  # the time comes first
    again: str = ""  # went `back`, or went `again`
    join: str = ""  # and, but, because: how it hangs on the clause before


def which(subject: Person | Thing) -> int:
    """Return 0 for i, 1 for he or she, 2 for we, 3 for they."""
    if isinstance(subject, Person):
        return subject.which
    return 3 if subject.plural else 1


def german_go(clause: Clause) -> Verb:
    """Return the verb with its German: `gehen` on foot, `fahren` to a far place."""
    if clause.verb is GO and clause.place and clause.place.kind == "far":
        return GO._replace(german=FAHREN)
    return clause.verb


@cache
def fixed(phrase: str, role: str) -> tuple[Leaf, ...]:
    """Read `to/1 the/2`: words, and the role with each of the digits."""
    leaves = []
    for part in phrase.split():
        word, _, digits = part.partition("/")
        leaves.append((word, " ".join(role + digit for digit in digits)))
    return tuple(leaves)


def core(rng: np.random.Generator) -> Clause:
    """Draw the shortest clause: subject, verb, object or destination."""
    chance = rng.integers(10)
    subject: Person | Thing = pick(rng, PRONOUNS)
    if chance >= 4:
        subject = pick(rng, NAMES)
    if chance >= 6:
        subject = _thing(pick(rng, PEOPLE), rng)
    tense = pick(rng, TENSES)
    if rng.integers(4) == 0:
        places = [p for p in PLACES if p.kind != "in"]
        return Clause(subject, GO, tense, place=pick(rng, places))
    verb = pick(rng, VERBS)
    noun = pick(rng, [n for letters, n in OBJECTS if set(letters) & set(verb.objects)])
    return Clause(subject, verb, tense, _thing(noun, rng))


def extended(clause: Clause, rng: np.random.Generator) -> Clause | None:
    """Say one thing more in this clause, or return None where all is said."""
    ways = [_time, _friends, _place, _again, _on_object, _on_object, _on_subject]
    for way in shuffled(rng, ways):
        longer = way(clause, rng)
        if longer is not None:
            return longer
    return None


def next_clause(before: Clause, rng: np.random.Generator) -> Clause:
    """Draw a clause that hangs on the one before.

    After a `because` comes a `but`: with an `and` or a second `because` nobody could
    say what hangs on what, and German word order depends on it.
    """
    joins = ("but",) if before.join == "because" else tuple(JOINS)
    return core(rng)._replace(join=pick(rng, joins))


def _thing(noun: Noun, rng: np.random.Generator) -> Thing:
    determiner = pick(rng, ("a", "a", "the", "the", "the", "two"))
    plural = determiner == "two" or (determiner == "the" and rng.integers(3) == 0)
    return Thing(noun, determiner, bool(plural))


def _time(clause: Clause, rng: np.random.Generator) -> Clause | None:
    if clause.time:
        return None
    fits = [
        t
        for t in TIMES
        if t.kind in (clause.tense, "any")
        or (t.kind == "other" and clause.tense != "now")
    ]
    return clause._replace(time=pick(rng, fits), early=bool(rng.integers(2)))


def _friends(clause: Clause, rng: np.random.Generator) -> Clause | None:
    return None if clause.friends else clause._replace(friends=pick(rng, (1, 2)))


def _place(clause: Clause, rng: np.random.Generator) -> Clause | None:
    if clause.place:
        return None
    return clause._replace(place=pick(rng, [p for p in PLACES if p.kind == "in"]))


def _again(clause: Clause, rng: np.random.Generator) -> Clause | None:
    if clause.again or clause.verb is not GO:
        return None
    return clause._replace(again=pick(rng, ("back", "again")))


def _on_object(clause: Clause, rng: np.random.Generator) -> Clause | None:
    if clause.object is None:
        return None
    thing = _described(clause.object, OF_THINGS, rng)
    return thing and clause._replace(object=thing)


def _on_subject(clause: Clause, rng: np.random.Generator) -> Clause | None:
    if isinstance(clause.subject, Person):
        return None
    thing = _described(clause.subject, OF_PEOPLE, rng)
    return thing and clause._replace(subject=thing)


def _described(
    thing: Thing, adjectives: tuple[Adjective, ...], rng: np.random.Generator
) -> Thing | None:
    if len(thing.adjectives) == 2:
        return None
    taken = {a.english for a in thing.adjectives}
    if taken & {"old", "new"}:
        taken |= {"old", "new"}
    left = [a for a in adjectives if a.english not in taken]
    return thing._replace(adjectives=(*thing.adjectives, pick(rng, left)))
