"""How many parameters there are, and which words are hidden."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 19-2 --------------------------------------------------------------------------------


def count(V: int, P: int, K: int, E: int, F: int, L: int) -> int:
    """Return the number of parameters of a BERT with a pooler."""
    return _count(V, P, K, E, F, L)


def _count(
    V: int,
    P: int,
    K: int,
    E: int,
    F: int,
    L: int,
    biases: bool = True,
    norms: int = 2,
    first: bool = True,
    pooler: bool = True,
    inner: int = 0,
    segments: bool = True,
    decoder: bool = False,
) -> int:
    """Count; the options are the mistakes that one can make."""
    attention = 4 * E * E + 4 * E * biases
    feed = 2 * E * (inner * E or F) + ((inner * E or F) + E) * biases
    block = attention + feed + norms * 2 * E
    tables = (V + P + K * segments + V * decoder) * E
    end = (E * E + E * biases) * pooler
    return int(tables + 2 * E * first + L * block + end)


def _count_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, *numbers: int, note: str = "") -> Case:
        return Case(aspect, numbers, note)

    for _ in range(2):
        V, P, E, F = (int(rng.integers(low, 2 * low)) for low in (90, 20, 7, 30))
        yield case("values", V, P, int(rng.integers(3, 6)), E, F, 3)
    yield case("published", 30522, 512, 2, 768, 3072, 12, note="BERT base")
    yield case("published", 30522, 512, 2, 1024, 4096, 24, note="BERT large")
    yield case("no block", 50, 9, 2, 5, 11, 0, note="no block at all")


def _count_by_shapes(V: int, P: int, K: int, E: int, F: int, L: int) -> int:
    block = [(3 * E, E), (3 * E,), (E, E), (E,), (F, E), (F,), (E, F), (E,)]
    shapes = [
        (V, E),
        (P, E),
        (K, E),
        (E,),
        (E,),
        (E, E),
        (E,),
        *L * [*block, *4 * [(E,)]],
    ]
    return sum(int(np.prod(shape)) for shape in shapes)


COUNT = Exercise(
    id="19-2",
    title="Count to 109,482,240",
    marks={"values": 1, "published": 1, "no block": 1},
    difficulty=1,
    importance=2,
    minutes=10,
    returns=("N",),
    reference=count,
    cases=_count_cases,
    mistakes={
        "The biases are missing: of the four products of attention, the two of the "
        "feed-forward, and the pooler.": partial(_count, biases=False),
        "A block has two layer norms, after attention and after the feed-forward.": (
            partial(_count, norms=1)
        ),
        "The sum of the three embeddings has a layer norm, too.": (
            partial(_count, first=False)
        ),
        "The pooler is missing: one more square matrix with a bias.": (
            partial(_count, pooler=False)
        ),
        "The feed-forward has F units inside, which need not be 4 E.": (
            partial(_count, inner=4)
        ),
        "The table of the segments is missing: K rows.": (
            partial(_count, segments=False)
        ),
        "The word table counts once: this BERT has no head that guesses words.": (
            partial(_count, decoder=True)
        ),
    },
    also_right=(_count_by_shapes,),
)

# 19-3 --------------------------------------------------------------------------------


def hide(
    ids: Array, free: Array, luck: Array, fate: Array, strangers: Array, mask_id: int
) -> tuple[Array, Array]:
    """Return what the model sees and what it is to guess, -100 elsewhere."""
    return _hide(ids, free, luck, fate, strangers, mask_id)


def _hide(
    ids: Array,
    free: Array,
    luck: Array,
    fate: Array,
    strangers: Array,
    mask_id: int,
    minds: bool = True,
    edges: tuple[float, float] = (0.8, 0.9),
    asked: str = "chosen",
    shows: str = "ids",
    swap: bool = False,
) -> tuple[Array, Array]:
    """Hide words; the options are the mistakes that one can make."""
    chosen = (luck < 0.15) & (free if minds else True)
    masked = chosen & (fate < edges[0])
    strange = chosen & (fate >= edges[0]) & (fate < edges[1])
    if swap:
        masked, strange = strange, masked
    inputs = np.where(masked, mask_id, np.where(strange, strangers, ids))
    changed = masked | strange
    places = {"chosen": chosen, "changed": changed, "masked": masked}[asked]
    return inputs, np.where(places, {"ids": ids, "inputs": inputs}[shows], -100)


def _hide_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, note: str = "") -> Case:
        ids, strangers = rng.integers(5, 20, (B, T)), rng.integers(20, 30, (B, T))
        free = rng.random((B, T)) < 0.8
        free[:, 0] = False
        luck, fate = rng.random((B, T)) / 3, rng.uniform(0.6, 1.0, (B, T))
        return Case(aspect, (ids, free, luck, fate, strangers, 4), note)

    yield case("values", 6, 14)
    yield case("values", 5, 17)
    ids, free, luck, fate, strangers, m = case("none chosen", 2, 6).args
    yield Case("none chosen", (ids, free, luck + 0.2, fate, strangers, m), "no luck")


def _hide_place_by_place(
    ids: Array, free: Array, luck: Array, fate: Array, strangers: Array, mask_id: int
) -> tuple[Array, Array]:
    inputs, targets = ids.copy(), np.full_like(ids, -100)
    for place in zip(*np.nonzero(free & (luck < 0.15)), strict=True):
        targets[place] = ids[place]
        if fate[place] < 0.8:
            inputs[place] = mask_id
        elif fate[place] < 0.9:
            inputs[place] = strangers[place]
    return inputs, targets


HIDE = Exercise(
    id="19-3",
    title="Put the thumb down",
    marks={"values": 2, "none chosen": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("inputs", "targets"),
    reference=hide,
    cases=_hide_cases,
    mistakes={
        "[CLS], [SEP] and padding are never chosen: `free` says which places may be.": (
            partial(_hide, minds=False)
        ),
        "All chosen words become [MASK] here; one in ten becomes a stranger, and one "
        "in ten stays.": partial(_hide, edges=(1.1, 1.2)),
        "No chosen word stays as it is: from 0.9 on fate leaves it alone.": (
            partial(_hide, edges=(0.8, 1.1))
        ),
        "A chosen word that stays as it is must be guessed like the others.": (
            partial(_hide, asked="changed")
        ),
        "A stranger must be guessed, too: what is asked is what stood there before.": (
            partial(_hide, asked="masked")
        ),
        "The targets are the words that stood there, not those that the model sees.": (
            partial(_hide, shows="inputs")
        ),
        "Masks and strangers have changed places: below 0.8 it is [MASK].": (
            partial(_hide, swap=True)
        ),
    },
    also_right=(_hide_place_by_place,),
)
