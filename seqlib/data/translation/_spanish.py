"""Spanish: adjectives after the noun, agreement, and no `I` or `we`."""

from __future__ import annotations

from ._meaning import Clause, Leaf, Person, Thing, fixed, which
from ._words import GO, JOINS

ARTICLES = {
    "the": {"m": ("el", "los"), "f": ("la", "las")},
    "a": {"m": ("un", ""), "f": ("una", "")},
    "two": {"m": ("", "dos"), "f": ("", "dos")},
}
ESTAR = ("estoy", "está", "estamos", "están")
IR = ("voy", "va", "vamos", "van")
VOLVER = {
    "past": ("volví", "volvió", "volvimos", "volvieron"),
    "now": ("vuelvo", "vuelve", "volvemos", "vuelven"),
    "future": ("volveré", "volverá", "volveremos", "volverán"),
}
FUTURE = ("é", "á", "emos", "án")  # after the infinitive
MINE = (("mi", "mis"), ("su", "sus"), ("nuestro", "nuestros"), ("su", "sus"))


def clause(said: Clause) -> list[Leaf]:
    """Return the words of a clause, and the roles of each."""
    when = fixed(said.time.spanish, "time") if said.time else ()
    leaves = [
        *(when if said.early else ()),
        *_subject(said.subject),
        *_verb(said),
        *(thing(said.object, "object") if said.object else ()),
        *(fixed(said.place.spanish, "place") if said.place else ()),
        *_company(said),
        *(() if said.early else when),
    ]
    join = fixed(JOINS[said.join].spanish, "join") if said.join else ()
    return [*((_and(word, leaves[0][0]), role) for word, role in join), *leaves]


def _and(word: str, following: str) -> str:
    """Return `e` for `y` before the sound i."""
    return "e" if word == "y" and following.startswith(("i", "hi")) else word


def thing(said: Thing, role: str) -> list[Leaf]:
    """Return a noun phrase: `las manzanas rojas y bonitas`."""
    gender = said.noun.spanish_gender
    leaves = [
        (ARTICLES[said.determiner][gender][said.plural], f"{role}.det"),
        (said.noun.spanish[said.plural], role),
    ]
    for i, adjective in enumerate(said.adjectives):
        form = adjective.spanish
        if gender == "f" and form.endswith("o"):
            form = form[:-1] + "a"
        form += "s" * said.plural
        leaves += [(_and("y", form), f"{role}.and")] * i
        leaves.append((form, f"{role}.{i}"))
    return leaves


def _subject(said: Person | Thing) -> list[Leaf]:
    if isinstance(said, Thing):
        return thing(said, "subject")
    return [(said.spanish, "subject")] if said.spanish else []


def _verb(said: Clause) -> list[Leaf]:
    infinitive, gerund, past = said.verb.spanish
    person = which(said.subject)
    silent = isinstance(said.subject, Person) and not said.subject.spanish
    who = " subject" if silent else ""  # the ending alone says who
    aux = "" if said.tense == "past" else " aux"
    if said.again:
        form = VOLVER[said.tense][person]
        return [(form, "again" + aux + who), ("a", "again"), (infinitive, "verb")]
    if said.tense == "past":
        return [(past[person], "verb" + who)]
    if said.tense == "future":
        return [(infinitive + FUTURE[person], "verb aux" + who)]
    if said.verb is GO:
        return [(IR[person], "verb aux" + who)]
    return [(ESTAR[person], "aux" + who), (gerund, "verb")]


def _company(said: Clause) -> list[Leaf]:
    if not said.friends:
        return []
    several = said.friends - 1
    mine = MINE[which(said.subject)][several]
    return [("con", "with"), (mine, "mine"), (("amigo", "amigos")[several], "friend")]
