"""Sentences with a tag for each word, where the neighbours decide the tag."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._draw import pick, positive
from .text import tokens

TAGS = (
    "article",
    "noun",
    "verb",
    "adjective",
    "pronoun",
    "preposition",
    "adverb",
    "auxiliary",
)
# Words of one class each: many, so that few labelled sentences do not show them all.
NOUNS = tokens(
    "movie film dog teacher river garden letter window song king doctor village "
    "mountain winter coat bridge farmer island kitchen mirror candle basket pilot "
    "forest painter street lamp singer tower engine"
)
VERBS = tokens(
    "see find help follow paint carry remember describe forget admire build sell "
    "clean open visit repair hear copy choose protect"
)
ADJECTIVES = tokens(
    "awesome red quiet huge tiny brave gentle strange modern famous narrow empty "
    "careful lazy proud rusty heavy ancient silver wooden"
)
ADVERBS = tokens("often quickly today quietly again slowly here badly")
PREPOSITIONS = tokens("near behind under beside above")
# Words of two classes.
NOUN_OR_VERB = tokens("bank book love watch park walk plan cook play fly")
ADJECTIVE_OR_NOUN = tokens("light cold dark secret sweet")
THIRD = {"watch": "watches", "fly": "flies", "carry": "carries", "copy": "copies"}
AMBIGUOUS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(NOUN_OR_VERB, ("noun", "verb")),
    **{THIRD.get(w, w + "s"): ("noun", "verb") for w in NOUN_OR_VERB},
    **dict.fromkeys(ADJECTIVE_OR_NOUN, ("adjective", "noun")),
    "can": ("auxiliary", "noun"),
    "her": ("article", "pronoun"),
    "fast": ("adjective", "adverb"),
}

PEOPLE = tokens("maria ravi chen amira jonas lucia omar ingrid pavel yuki")
TOWNS = tokens("madrid delhi lagos oslo lima cairo kyoto quito")
FIRMS = tokens("acme nordbank solaris vectron helios")
# Names that are more than one thing: of a person and a place, of a place and a firm.
PERSON_OR_TOWN = tokens("jordan paris florence sydney")
TOWN_OR_FIRM = tokens("amazon santander phoenix")
ENTITIES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")
FRAMES = (
    "PER lives in LOC",
    "PER works for ORG in LOC",
    "ORG hired PER",
    "PER flew from LOC to LOC",
    "PER met PER near LOC",
    "the office of ORG is in LOC",
    "PER sold ORG to ORG",
    "they say that PER left LOC",
    "ORG opened a shop in LOC",
    "PER likes LOC but PER likes LOC",
)


class Tagged(NamedTuple):
    """A sentence and a tag for each of its words."""

    words: list[str]
    tags: list[str]


def tagged_sentences(count: int, rng: np.random.Generator) -> list[Tagged]:
    """Draw sentences such as `the awesome movie can help a quiet bank`.

    Six in seven of them hold a word of two classes, and its neighbours decide: on the
    left (`the bank`, `they bank`), or only on the right (`her book`, `i see her`; `the
    light lamp`, `the light helps`). Verbs agree with their subject. The classes are
    those of TAGS; AMBIGUOUS lists the words of two.
    """
    sentences = []
    for _ in range(positive(count, rng)):
        tagged = _clause(rng)
        words, tags = zip(*tagged, strict=True)
        sentences.append(Tagged(list(words), list(tags)))
    return sentences


def _clause(rng: np.random.Generator) -> list[tuple[str, str]]:
    subject, several = _subject(rng)
    tagged = list(subject)
    way = int(rng.integers(4))
    if way == 0:  # can help
        auxiliary = pick(rng, ("can", "can", "will", "must"))
        tagged += [(auxiliary, "auxiliary"), (_verb(rng), "verb")]
    else:
        verb = _verb(rng)
        tagged.append((verb if several else _third(verb), "verb"))
    tagged += _object(rng)
    if rng.integers(3) == 0:
        tagged.append((pick(rng, PREPOSITIONS), "preposition"))
        tagged += _phrase(rng, bool(rng.integers(2)))
    if rng.integers(3) == 0:
        tagged.append((pick(rng, [*ADVERBS, "fast", "fast"]), "adverb"))
    return tagged


def _subject(rng: np.random.Generator) -> tuple[list[tuple[str, str]], bool]:
    if rng.integers(3) == 0:
        word, several = pick(
            rng,
            (("i", True), ("we", True), ("they", True), ("he", False), ("she", False)),
        )
        return [(word, "pronoun")], several
    several = bool(rng.integers(2))
    return _phrase(rng, several), several


def _object(rng: np.random.Generator) -> list[tuple[str, str]]:
    if rng.integers(4) == 0:
        return [(pick(rng, ("her", "her", "him", "them", "us")), "pronoun")]
    return _phrase(rng, bool(rng.integers(2)))


def _phrase(rng: np.random.Generator, several: bool) -> list[tuple[str, str]]:
    """Draw an article, perhaps an adjective, and a noun."""
    adjective = ""
    if rng.integers(2):
        adjective = pick(rng, ADJECTIVES)
        if rng.integers(4) == 0:
            adjective = pick(rng, [*ADJECTIVE_OR_NOUN, "fast"])
    noun = pick(rng, NOUNS)
    if rng.integers(3) == 0:
        noun = pick(rng, [*NOUN_OR_VERB, "can"])
        if not several and not adjective and rng.integers(2):
            noun = pick(rng, ADJECTIVE_OR_NOUN)
    noun = _third(noun) if several else noun
    article = pick(rng, ("the", "the", "her", "my", "these" if several else "a"))
    if article == "a" and (adjective or noun)[0] in "aeiou":
        article = "an"
    phrase = [(article, "article")]
    if adjective:
        phrase.append((adjective, "adjective"))
    return [*phrase, (noun, "noun")]


def _verb(rng: np.random.Generator) -> str:
    return pick(rng, NOUN_OR_VERB if rng.integers(3) == 0 else VERBS)


def _third(word: str) -> str:
    """Return `helps` for `help`; plurals of nouns are made alike."""
    return THIRD.get(word, word + "s")


def named_entities(count: int, rng: np.random.Generator) -> list[Tagged]:
    """Draw sentences with people, places and firms, tagged by B-, I- and O.

    Some names are of two kinds (`jordan` a person or a place, `amazon` a place or a
    firm), and the frame decides which: `jordan lives in amazon`. One in three people
    has two names, one in three places and firms a word before: `new lima`.
    """
    sentences = []
    for _ in range(positive(count, rng)):
        words: list[str] = []
        tags: list[str] = []
        for part in pick(rng, FRAMES).split():
            name = _name(part, rng)
            while set(name) & set(words):  # nobody meets himself
                name = _name(part, rng)
            words += name or [part]
            tags += [f"B-{part}", f"I-{part}"][: len(name)] or ["O"]
        sentences.append(Tagged(words, tags))
    return sentences


def _name(kind: str, rng: np.random.Generator) -> list[str]:
    two = rng.integers(3) == 0 if kind.isupper() else False
    if kind == "PER":
        first = pick(rng, PEOPLE + PERSON_OR_TOWN)
        return [first, pick(rng, ("rossi", "okafor", "lind", "sharma"))][: 1 + two]
    if kind == "LOC":
        town = pick(rng, TOWNS + PERSON_OR_TOWN + TOWN_OR_FIRM)
        return [pick(rng, ("new", "west")), town] if two else [town]
    if kind == "ORG":
        firm = pick(rng, FIRMS + TOWN_OR_FIRM)
        return [firm, pick(rng, ("group", "motors"))] if two else [firm]
    return []
