"""Sentences from small grammars, where what must be remembered is known exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqlib._check import whole

from ._draw import positive

PRAISE = ("good", "great", "clever", "funny")
BLAME = ("bad", "dull", "clumsy", "boring")
SUBJECTS = ("film", "plot", "cast", "music")

NAMES = {
    "him": ("mario", "luca", "peter", "hans", "ravi", "omar"),
    "her": ("maria", "lucia", "petra", "hanna", "rani", "amira"),
}
GAPS = ("i wanted ___ to call me", "i asked ___ to wait", "i told ___ the time")
CLUES = ("{} never called", "{} did not come", "{} forgot")
OTHERS = ("{} was there", "{} came in time", "{} sang")
FILLERS = ("it was late", "nobody slept", "rain fell", "the lamp was on")


class Review(NamedTuple):
    """A sentence about a film."""

    words: list[str]
    label: int  # 1 praise, 0 blame


class Blank(NamedTuple):
    """Sentences with one word missing."""

    words: list[str]
    gap: int  # where `___` stands
    name: int  # where the name stands that decides
    answer: str  # "him" or "her"


def film_reviews(count: int, rng: np.random.Generator) -> list[Review]:
    """Draw reviews such as `the film is not good , it is bad`.

    One or two statements that agree, each of them straight ("is bad") or turned by a
    "not" ("is not good"); so the adjectives alone do not tell praise from blame.
    """
    reviews = []
    for _ in range(positive(count, rng)):
        label = int(rng.integers(2))
        words = ["the", str(rng.choice(SUBJECTS)), "is", *_statement(label, rng)]
        if rng.integers(2):
            words += [",", "it", "is", *_statement(label, rng)]
        reviews.append(Review(words, label))
    return reviews


def _statement(label: int, rng: np.random.Generator) -> list[str]:
    turned = int(rng.integers(2))
    adjective = str(rng.choice(PRAISE if label != turned else BLAME))
    return ["not", adjective] if turned else [adjective]


def missing_pronouns(
    count: int, rng: np.random.Generator, between: int = 0
) -> list[Blank]:
    """Draw texts such as `i wanted ___ to call me . mario never called .`.

    The name that decides is the one of somebody who was missed; it stands before or
    after the gap, equally often. On the other side somebody was there, whose name says
    nothing. So whoever only collects the words is right in 3 of 4 cases, and whoever
    does not see the deciding name in 2 of 4. `between` further sentences, up to four,
    stand between the gap and either name.
    """
    whole("between", between, 0, len(FILLERS))
    texts = []
    for _ in range(positive(count, rng)):
        answer = ("him", "her")[rng.integers(2)]
        other = str(rng.choice(NAMES["him"] + NAMES["her"]))
        name = str(rng.choice([n for n in NAMES[answer] if n != other]))
        sides = [
            str(rng.choice(CLUES)).format(name),
            str(rng.choice(OTHERS)).format(other),
        ]
        before, after = sides if rng.integers(2) else sides[::-1]
        fill = [[str(f) for f in rng.permutation(FILLERS)[:between]] for _ in sides]
        order = [before, *fill[0], str(rng.choice(GAPS)), *fill[1], after]
        words = [*" . ".join(order).split(), "."]
        texts.append(Blank(words, words.index("___"), words.index(name), answer))
    return texts
