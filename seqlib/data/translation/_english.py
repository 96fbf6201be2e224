"""English: subject, verb, object, place, company, time."""

from __future__ import annotations

from ._meaning import Clause, Leaf, Person, Thing, fixed, which
from ._words import GO, JOINS, PLACES

BE = ("am", "is", "are", "are")
THEIRS = {0: "my", 2: "our", 3: "their"}
HIS = {"m": "his", "f": "her"}
ENDS = {p.english.split()[-1].split("/")[0] for p in PLACES if p.kind != "in"}


def clause(said: Clause) -> list[Leaf]:
    """Return the words of a clause, and the role of each."""
    when = fixed(said.time.english, "time") if said.time else ()
    return [
        *(fixed(JOINS[said.join].english, "join") if said.join else ()),
        *(when if said.early else ()),
        *_subject(said.subject),
        *_verb(said),
        *([("back", "again")] if said.again == "back" else ()),
        *(thing(said.object, "object") if said.object else ()),
        *(fixed(said.place.english, "place") if said.place else ()),
        *([("again", "again")] if said.again == "again" else ()),
        *_company(said),
        *(() if said.early else when),
    ]


def thing(said: Thing, role: str) -> list[Leaf]:
    """Return a noun phrase: `the red and old apples`."""
    leaves: list[Leaf] = []
    for i, adjective in enumerate(said.adjectives):
        leaves += [("and", f"{role}.and")] * i
        leaves.append((adjective.english, f"{role}.{i}"))
    leaves.append((said.noun.english[said.plural], role))
    first = said.determiner
    if first == "a" and leaves[0][0][0] in "aeiou":
        first = "an"
    return [(first, f"{role}.det"), *leaves]


def _subject(said: Person | Thing) -> list[Leaf]:
    if isinstance(said, Person):
        return [(said.english, "subject")]
    return thing(said, "subject")


def _verb(said: Clause) -> list[Leaf]:
    base, past, ing = said.verb.english
    if said.tense == "past":
        return [(word, "verb") for word in past.split()]
    if said.tense == "future":
        return [("will", "aux"), *[(word, "verb") for word in base.split()]]
    be = BE[which(said.subject)]
    return [(be, "aux"), *[(word, "verb") for word in ing.split()]]


def _company(said: Clause) -> list[Leaf]:
    if not said.friends:
        return []
    subject = said.subject
    gender = (
        subject.gender if isinstance(subject, Person) else subject.noun.hindi_gender
    )
    mine = THEIRS.get(which(subject)) or HIS[gender]
    friend = ("friend", "friends")[said.friends - 1]
    return [("with", "with"), (mine, "mine"), (friend, "friend")]


def swapped(words: list[str], at: int) -> list[int]:
    """Return the order of the words once a `back` moves as `again`, or the reverse.

    `went back to Rome` and `went to Rome again` say the same; `at` is the place of
    the word that moves, which goes past the destination.
    """
    order = list(range(len(words)))
    if words[at] == "back":
        to = next(i for i in order[at:] if words[i] in ENDS)
        return [*order[:at], *order[at + 1 : to + 1], at, *order[to + 1 :]]
    to = 1 + next(i for i in order[at::-1] if words[i] in GO.english)
    return [*order[:to], at, *order[to:at], *order[at + 1 :]]
