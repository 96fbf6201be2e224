"""Melodies by a small grammar: bars over chords, phrases that return."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._draw import pick, positive

NOTES = ("c4", "d4", "e4", "f4", "g4", "a4", "b4", "c5", "d5", "e5")
CHORDS = {"c": (0, 2, 4), "f": (3, 5, 0), "g": (4, 6, 1), "am": (5, 0, 2)}
PROGRESSIONS = (("c", "f", "g", "c"), ("c", "am", "f", "c"), ("c", "g", "am", "c"))
RHYTHMS = ((2, 2), (1, 1, 2), (2, 1, 1), (1, 1, 1, 1), (3, 1))  # beats, four a bar


class Melody(NamedTuple):
    """A melody as tokens: `c4:2` is c for two beats, `|` ends a bar."""

    tokens: list[str]
    chords: tuple[str, ...]  # one a bar


def melodies(count: int, rng: np.random.Generator) -> list[Melody]:
    """Draw melodies in c major of 16 bars: the phrases A A B A, of four bars each.

    Each bar has four beats and starts on a note of its chord; the other notes go by
    one or two steps of the scale. Each phrase ends on a long c.
    """
    found = []
    for _ in range(positive(count, rng)):
        (a, chords_a), (b, chords_b) = (_phrase(rng) for _ in range(2))
        found.append(Melody(a + a + b + a, 2 * chords_a + chords_b + chords_a))
    return found


def _phrase(rng: np.random.Generator) -> tuple[list[str], tuple[str, ...]]:
    chords = pick(rng, PROGRESSIONS)
    tokens = []
    note = 4
    for bar, chord in enumerate(chords):
        if bar == len(chords) - 1:
            tokens += [f"{NOTES[0 if note < 4 else 7]}:4", "|"]
            break
        fits = [i for i in range(len(NOTES)) if i % 7 in CHORDS[chord]]
        near = min(abs(i - note) for i in fits)
        note = pick(rng, [i for i in fits if abs(i - note) <= near + 2])
        for place, beats in enumerate(pick(rng, RHYTHMS)):
            if place:
                note = _step(note, rng)
            tokens.append(f"{NOTES[note]}:{beats}")
        tokens.append("|")
    return tokens, chords


def _step(note: int, rng: np.random.Generator) -> int:
    steps = [s for s in (-2, -1, -1, 1, 1, 2) if 0 <= note + s < len(NOTES)]
    return note + pick(rng, steps)
