"""Said and answered, asked and found, and what comes next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqlib._check import whole

from ._draw import pick, positive

# What is wrong with what, and the question that helps.
FAULTS = (
    (
        "blank dark black",
        "screen monitor display",
        "computer",
        "please check if your {} is plugged in",
    ),
    (
        "frozen slow stuck",
        "window game program",
        "computer",
        "please start your {} again",
    ),
    (
        "empty dead flat",
        "phone tablet watch",
        "battery",
        "please charge the {} of your {}",
    ),
    (
        "jammed dirty noisy",
        "printer scanner",
        "cover",
        "please open the {} of your {} and clean it",
    ),
    ("wet sticky broken", "keyboard mouse", "shop", "please bring your {1} to the {0}"),
)
SAYINGS = ("my {1} is {0}", "the {1} is {0} again", "why is my {1} {0} ?")

PEOPLE = {
    "mary": "f",
    "sandra": "f",
    "lena": "f",
    "john": "m",
    "daniel": "m",
    "omar": "m",
}
ROOMS = ("kitchen", "garden", "office", "bathroom", "hallway", "bedroom")
THINGS = ("milk", "football", "apple", "lamp")
MOVES = ("went to", "walked to", "ran to")

# What one does with what one has got: nobody reads a cake.
KINDS = (
    ("book letter story poem", ("read {} at night", "learned {} by heart")),
    ("cake pie sandwich pancake", ("ate {} at once", "tasted {} with joy")),
    ("car van truck taxi", ("drove {} to the sea", "parked {} behind the house")),
    ("coat hat shirt scarf", ("wore {} all winter", "washed {} by hand")),
)
GOT = ("bought a {}", "found a {}", "asked for a {}", "dreamed of a {}")
PRONOUN = {"f": "she", "m": "he"}


class Dialogue(NamedTuple):
    """What is said, and the answer to it."""

    said: list[str]
    answer: list[str]


class Question(NamedTuple):
    """A story, a question about it, and the facts that answer it."""

    story: list[list[str]]
    question: list[str]
    answer: str
    support: tuple[int, int]  # who took it, where that person went: sentences' numbers


class Following(NamedTuple):
    """Two sentences, and whether the second follows the first."""

    first: list[str]
    second: list[str]
    label: int  # 1 it follows, 0 it was taken from elsewhere


def dialogues(count: int, rng: np.random.Generator) -> list[Dialogue]:
    """Draw dialogues: `my screen is blank`, `please check if your computer is ...`.

    No word of the answer need stand in the question: the fault decides the answer's
    form, and in some the device is named again.
    """
    found = []
    for _ in range(positive(count, rng)):
        faults, devices, part, answer = pick(rng, FAULTS)
        device = pick(rng, devices.split())
        said = pick(rng, SAYINGS).format(pick(rng, faults.split()), device)
        found.append(Dialogue(said.split(), answer.format(part, device).split()))
    return found


def two_fact_questions(
    count: int, rng: np.random.Generator, sentences: int = 6
) -> list[Question]:
    """Draw stories: `mary went to the kitchen`, `mary took the milk`, and so on.

    The question `where is the milk ?` needs two facts: who took it, and where that
    person went last, before or after taking it. Everybody else only distracts. Each
    thing is taken once, and nothing is put down. The form is that of task 2 of
    Weston et al., "Towards AI-Complete Question Answering", arXiv:1502.05698.

    Parameters
    ----------
    count : how many stories
    rng : where the draws come from
    sentences : sentences in a story, at least 2

    Raises
    ------
    ValueError
        `sentences` is below 2.
    """
    positive(count, rng)
    whole("sentences", sentences, 2)
    return [_story(sentences, rng) for _ in range(count)]


def _story(sentences: int, rng: np.random.Generator) -> Question:
    while True:
        story: list[list[str]] = []
        place: dict[str, tuple[str, int]] = {}  # of whom: which room, said where
        holder: dict[str, tuple[str, int]] = {}  # of what: who, said where
        for at in range(sentences):
            who = pick(rng, tuple(PEOPLE))
            left = [thing for thing in THINGS if thing not in holder]
            if left and who in place and rng.integers(3) == 0:
                thing = pick(rng, left)
                holder[thing] = who, at
                story.append([who, "took", "the", thing])
            else:
                room = pick(rng, [r for r in ROOMS if r != place.get(who, ("",))[0]])
                place[who] = room, at
                story.append([who, *pick(rng, MOVES).split(), "the", room])
        if holder:
            thing = pick(rng, tuple(holder))
            who, taken = holder[thing]
            room, moved = place[who]
            question = ["where", "is", "the", thing, "?"]
            return Question(story, question, room, (taken, moved))


def next_sentences(count: int, rng: np.random.Generator) -> list[Following]:
    """Draw two sentences each, the second following the first in half of the cases.

    `mary bought a book` is followed by `she read it at night`: the pronoun fits the
    person, and the deed fits the thing. The other half have a second sentence that is
    wrong in the pronoun, in the deed, or in both. Neither sentence alone tells.
    """
    pairs = []
    for _ in range(positive(count, rng)):
        label = int(rng.integers(2))
        name, kind = pick(rng, tuple(PEOPLE)), int(rng.integers(len(KINDS)))
        thing = pick(rng, KINDS[kind][0].split())
        first = [name, *pick(rng, GOT).format(thing).split()]
        who, does = PRONOUN[PEOPLE[name]], kind
        wrong = 0 if label else int(rng.integers(1, 4))
        if wrong & 1:
            who = "he" if who == "she" else "she"
        if wrong & 2:
            does = (kind + int(rng.integers(1, len(KINDS)))) % len(KINDS)
        second = [who, *pick(rng, KINDS[does][1]).format("it").split()]
        pairs.append(Following(first, second, label))
    return pairs
