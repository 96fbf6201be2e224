"""German: the finite verb second, the rest of the verb last; articles by case."""

from __future__ import annotations

from ._meaning import Clause, Leaf, Person, Thing, fixed, german_go, which
from ._words import GO, JOINS

ARTICLES = {
    "the": {
        "nominative": {"m": "der", "f": "die", "n": "das", "pl": "die"},
        "accusative": {"m": "den", "f": "die", "n": "das", "pl": "die"},
    },
    "a": {
        "nominative": {"m": "ein", "f": "eine", "n": "ein"},
        "accusative": {"m": "einen", "f": "eine", "n": "ein"},
    },
    "two": {"nominative": {"pl": "zwei"}, "accusative": {"pl": "zwei"}},
}
# The ending of an adjective after `der`, after `ein`, and after `zwei`.
ENDINGS = {
    "nominative": {
        "the": {"m": "e", "f": "e", "n": "e", "pl": "en"},
        "a": {"m": "er", "f": "e", "n": "es"},
        "two": {"pl": "e"},
    },
    "accusative": {
        "the": {"m": "en", "f": "e", "n": "e", "pl": "en"},
        "a": {"m": "en", "f": "e", "n": "es"},
        "two": {"pl": "e"},
    },
}
HABEN = ("habe", "hat", "haben", "haben")
SEIN = ("bin", "ist", "sind", "sind")
WERDEN = ("werde", "wird", "werden", "werden")
MEIN = {0: "mein", 2: "unser", 3: "ihr"}
SEIN_IHR = {"m": "sein", "f": "ihr"}


def clause(said: Clause) -> list[Leaf]:
    """Return the words of a clause, and the roles of each."""
    when = fixed(said.time.german, "time") if said.time else ()
    subject = _subject(said.subject)
    finite, end = _verb(said)
    place = fixed(said.place.german, "place") if said.place else ()
    going = said.verb is GO
    middle = [
        *_company(said),
        *(() if going else place),
        *([("wieder", "again")] if said.again else ()),
        *(thing(said.object, "object", "accusative") if said.object else ()),
        *(place if going else ()),
    ]
    join = list(fixed(JOINS[said.join].german, "join")) if said.join else []
    if said.join == "because":  # the finite verb goes last
        return [*join, *subject, *when, *middle, *end, finite]
    if said.early:  # the finite verb stays second
        return [*join, *when, finite, *subject, *middle, *end]
    return [*join, *subject, finite, *when, *middle, *end]


def thing(said: Thing, role: str, case: str) -> list[Leaf]:
    """Return a noun phrase: `den roten Apfel`."""
    gender = "pl" if said.plural else said.noun.german_gender
    first = ARTICLES[said.determiner][case][gender]
    ending = ENDINGS[case][said.determiner][gender]
    leaves: list[Leaf] = [(first, f"{role}.det")]
    for i, adjective in enumerate(said.adjectives):
        leaves += [("und", f"{role}.and")] * i
        leaves.append((adjective.german + ending, f"{role}.{i}"))
    return [*leaves, (said.noun.german[said.plural], role)]


def _subject(said: Person | Thing) -> list[Leaf]:
    if isinstance(said, Person):
        return [(said.german, "subject")]
    return thing(said, "subject", "nominative")


def _verb(said: Clause) -> tuple[Leaf, list[Leaf]]:
    """Return the finite verb, and what stands at the end."""
    first, third, plural, participle = german_go(said).german
    person = which(said.subject)
    if said.tense == "past":
        have = SEIN if said.verb is GO else HABEN
        return (have[person], "verb"), [(participle, "verb")]
    if said.tense == "future":
        return (WERDEN[person], "aux"), [(plural, "verb")]
    return ((first, third, plural, plural)[person], "aux verb"), []


def _company(said: Clause) -> list[Leaf]:
    if not said.friends:
        return []
    subject = said.subject
    gender = (
        subject.gender if isinstance(subject, Person) else subject.noun.hindi_gender
    )
    mine = MEIN.get(which(subject)) or SEIN_IHR[gender]
    ending, friend = (("em", "Freund"), ("en", "Freunden"))[said.friends - 1]
    return [("mit", "with"), (mine + ending, "mine"), (friend, "friend")]
