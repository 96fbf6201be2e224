"""The counting rival of chapter 11: interpolated Kneser-Ney on the ids of a text.

A gram of n ids is kept as one whole number, its digits to base V. The longest grams
count how often they stand in the text, shorter ones before how many different ids.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Table(NamedTuple):
    """What was counted for one length of context."""

    grams: Array  # sorted: context and next id in one number
    counts: Array
    contexts: Array  # sorted
    totals: Array  # for each context, the sum of its counts
    kinds: Array  # for each context, how many different ids follow it


def as_numbers(ids: Array, n: int, V: int) -> Array:
    """Return every run of n ids as one number."""
    last = len(ids) - n + 1
    runs = (ids[i : last + i].astype(np.int64) * V ** (n - 1 - i) for i in range(n))
    return sum(runs, np.zeros(last, np.int64))


def count_grams(ids: Array, order: int, V: int) -> list[Table]:
    """Count for contexts of 0 to `order` ids: (11.4); V ** (order + 1) < 2 ** 63."""
    found = []
    for k in range(order + 1):
        grams = as_numbers(ids, k + 1, V)
        if k < order:  # before how many different ids?
            grams = np.unique(as_numbers(ids, k + 2, V)) % V ** (k + 1)
        grams, counts = np.unique(grams, return_counts=True)
        contexts, first = np.unique(grams // V, return_index=True)
        totals, kinds = np.add.reduceat(counts, first), np.diff([*first, len(grams)])
        found.append(Table(grams, counts, contexts, totals, kinds))
    return found


def kneser_ney(
    tables: list[Table], before: Array, after: Array, V: int, discount: float
) -> Array:
    """Return P(after | before), longer contexts correcting shorter ones: (11.3).

    before (..., order) are the ids of the context, after (..., K) what may follow;
    the result is (..., K). A context that was never seen leaves it to the shorter one.
    """
    p = np.full(after.shape, 1 / V)
    context = np.zeros(before.shape[:-1], np.int64)
    for k, (grams, counts, contexts, totals, kinds) in enumerate(tables):
        if k:
            context = context + before[..., -k] * V ** (k - 1)
        gram = context[..., None] * V + after
        i = np.searchsorted(grams, gram).clip(max=len(grams) - 1)
        c = np.where(grams[i] == gram, counts[i], 0)
        j = np.searchsorted(contexts, context).clip(max=len(contexts) - 1)
        seen = contexts[j] == context
        total, kind = totals[j, None], kinds[j, None]
        mixed = (np.maximum(c - discount, 0) + discount * kind * p) / total
        p = np.where(seen[..., None], mixed, p)
    return p


def of_text(tables: list[Table], ids: Array, V: int, discount: float) -> Array:
    """Return the probability of each id of a text, which begins after a line's end."""
    order = len(tables) - 1
    padded = np.concatenate([np.zeros(order, np.int64), ids])  # 0 is "\n"
    if not order:
        before = np.zeros((len(ids), 0), np.int64)
    else:
        before = np.lib.stride_tricks.sliding_window_view(padded, order)[: len(ids)]
    return kneser_ney(tables, before, ids[:, None], V, discount)[:, 0]
