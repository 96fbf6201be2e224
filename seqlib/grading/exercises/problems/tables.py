"""The table of embeddings: what its look-up sends back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 1-4 ---------------------------------------------------------------------------------


def table_backward(de: Array, ids: Array, mask: Array, V: int) -> Array:
    """Return dE (V, D) from de (B, T, D), for e = E[ids] and ids, mask (B, T)."""
    dE = np.zeros((V, de.shape[-1]))
    np.add.at(dE, ids[mask], de[mask])
    return dE


def _table_cases(rng: Rng) -> Iterator[Case]:
    def case(
        aspect: str, B: int, T: int, D: int, V: int, note: str, pad: bool = False
    ) -> Case:
        de = rng.normal(size=(B, T, D))
        ids = rng.integers(1, V - 1, (B, T))  # the last word does not occur
        if aspect == "each word once":
            ids = rng.permutation(np.arange(1, V - 1))[: B * T].reshape(B, T)
        mask = np.ones((B, T), bool)
        if pad:
            mask[0, -2:] = mask[-1, -1:] = False
            ids = np.where(mask, ids, 0)
        return Case(aspect, (de, ids, mask, V), note)

    B, T, D = sizes(rng, 2, 3, 2)
    yield case("each word once", 2, 3, D + 5, 9, "no word twice")
    yield case("words again", B, T, D, 5, "words that come again")
    yield case("words again", B + 1, T, 3, 4, "words that come again")
    yield case("padding", 3, T + 1, D, 6, "padding at the end", pad=True)
    yield case("padding", 2, 4, 3, 3, "one word, and padding", pad=True)


def _table_last(de: Array, ids: Array, mask: Array, V: int) -> Array:
    dE = np.zeros((V, de.shape[-1]))
    dE[ids[mask]] += de[mask]
    return dE


def _table_mean(de: Array, ids: Array, mask: Array, V: int) -> Array:
    times = np.bincount(ids[mask], minlength=V)[:, None]
    return table_backward(de, ids, mask, V) / np.maximum(times, 1)


def _table_in_place(de: Array, ids: Array, mask: Array, V: int) -> Array:
    de *= mask[..., None]
    return table_backward(de, ids, mask, V)


def _table_by_product(de: Array, ids: Array, mask: Array, V: int) -> Array:
    X = np.eye(V)[ids] * mask[..., None]
    return np.einsum("btv,btd->vd", X, de)


def _table_by_loop(de: Array, ids: Array, mask: Array, V: int) -> Array:
    dE = np.zeros((V, de.shape[-1]))
    for b, t in np.argwhere(mask):
        dE[ids[b, t]] += de[b, t]
    return dE


TABLE_BACK = Exercise(
    id="1-4",
    title="Derive: what a look-up sends back",
    marks={"each word once": 1, "words again": 2, "padding": 1, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("dE",),
    reference=table_backward,
    cases=_table_cases,
    mistakes={
        "Of a word that comes again only one place is counted: `dE[ids] += …` writes "
        "each row once. Use np.add.at, a loop, or the product with one-hot vectors.": (
            _table_last
        ),
        "A word that comes again gets the sum of what its places send back, not the "
        "mean.": _table_mean,
        "Padding sends nothing back: leave out where the mask is False.": (
            lambda de, ids, mask, V: table_backward(de, ids, np.ones_like(mask), V)
        ),
        "The mask is the other way round: True is a real word.": (
            lambda de, ids, mask, V: table_backward(de, ids, ~mask, V)
        ),
        "dE has V rows, one for each word of the vocabulary, even if its last words do "
        "not occur.": (
            lambda de, ids, mask, V: table_backward(de, ids, mask, ids.max() + 1)
        ),
        "This is the transpose: dE has the shape of E, (V, D).": (
            lambda de, ids, mask, V: table_backward(de, ids, mask, V).T
        ),
        "Ids count from 0, so word 0 has row 0.": (
            lambda de, ids, mask, V: np.roll(table_backward(de, ids, mask, V), -1, 0)
        ),
        "This is de with the padding left out; add each de to the row that it came "
        "from.": (lambda de, ids, mask, V: de * mask[..., None]),
        "The sign is turned round: dE is the gradient itself, the step downhill comes "
        "later.": lambda de, ids, mask, V: -table_backward(de, ids, mask, V),
        "`de *= …` writes into the caller's array; choose with the mask instead.": (
            _table_in_place
        ),
    },
    also_right=(_table_by_product, _table_by_loop),
)
