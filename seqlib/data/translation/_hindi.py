"""Hindi in Latin letters: the verb last, postpositions, `ne` in the past.

The verb agrees with the subject; in the past, where the subject takes `ne`, with the
object. `I`, `we` and `they` speak as men. There is no article, so that `the` has no
counterpart.
"""

from __future__ import annotations

from ._meaning import Clause, Leaf, Person, Thing, fixed, which
from ._words import GO, JOINS, Adjective

DETERMINERS = {"a": "ek", "two": "do"}
BE = ("hoon", "hai", "hain", "hain")
FUTURE = {
    "m": ("oonga", "ega", "enge", "enge"),
    "f": ("oongi", "egi", "engi", "engi"),
}
PERFECTIVE = {"m": ("a", "e"), "f": ("i", "in")}  # one, several


def clause(said: Clause) -> list[Leaf]:
    """Return the words of a clause, and the roles of each."""
    when = fixed(said.time.hindi, "time") if said.time else ()
    place = fixed(said.place.hindi, "place") if said.place else ()
    going = said.verb is GO
    return [
        *(fixed(JOINS[said.join].hindi, "join") if said.join else ()),
        *(when if said.early else ()),
        *_subject(said.subject, said.tense == "past" and not going),
        *(() if said.early else when),
        *_company(said),
        *(() if going else place),
        *(thing(said.object, "object", False) if said.object else ()),
        *([("phir", "again")] if said.again else ()),
        *(place if going else ()),
        *_verb(said),
    ]


def thing(said: Thing, role: str, oblique: bool) -> list[Leaf]:
    """Return a noun phrase, as it stands alone or before a postposition."""
    leaves: list[Leaf] = []
    if said.determiner in DETERMINERS:
        leaves.append((DETERMINERS[said.determiner], f"{role}.det"))
    for i, adjective in enumerate(said.adjectives):
        leaves += [("aur", f"{role}.and")] * i
        leaves.append((_adjective(adjective, said, oblique), f"{role}.{i}"))
    forms = said.noun.oblique if oblique else said.noun.hindi
    return [*leaves, (forms[said.plural], role)]


def _adjective(adjective: Adjective, said: Thing, oblique: bool) -> str:
    if not adjective.declines:
        return adjective.hindi
    if said.noun.hindi_gender == "f":
        return adjective.hindi[:-1] + "i"
    return adjective.hindi[:-1] + ("e" if said.plural or oblique else "a")


def _subject(said: Person | Thing, agent: bool) -> list[Leaf]:
    if isinstance(said, Thing):
        leaves = thing(said, "subject", agent)
        return [*leaves, ("ne", "")] if agent else leaves
    if not agent:
        return [(said.hindi, "subject")]
    first, *ne = said.ne.split()
    return [(first, "subject"), *((word, "") for word in ne)]


def _verb(said: Clause) -> list[Leaf]:
    stem, perfective = said.verb.hindi
    person, subject = which(said.subject), said.subject
    gender = (
        subject.gender if isinstance(subject, Person) else subject.noun.hindi_gender
    )
    if said.tense == "future":
        return [(stem + FUTURE[gender][person], "verb aux")]
    several = person > 1
    if said.tense == "now":
        raha = "rahi" if gender == "f" else ("raha", "rahe")[several]
        return [(stem, "verb"), (raha, "verb"), (BE[person], "aux")]
    if said.object:
        gender, several = said.object.noun.hindi_gender, said.object.plural
    return [(perfective + PERFECTIVE[gender][several], "verb")]


def _company(said: Clause) -> list[Leaf]:
    if not said.friends:
        return []
    friend = ("dost", "doston")[said.friends - 1]
    return [("apne", "mine"), (friend, "friend"), ("ke", "with"), ("saath", "with")]
