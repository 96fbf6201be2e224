"""Two networks that read the same words, one from each end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, weights

from .over_time import unroll

# 5-10 --------------------------------------------------------------------------------


def both_ways(
    x: Array, lengths: Array, forward: list[Array], backward: list[Array]
) -> tuple[Array, Array]:
    """Return y (B, T, 2H), zero on padding, and last (B, 2H), each way's last state.

    x (B, T, D) has padding at the end; forward and backward are W_ih, W_hh, b.
    """
    return _both_ways(x, lengths, forward, backward)


def _both_ways(
    x: Array,
    lengths: Array,
    forward: list[Array],
    backward: list[Array],
    turned: bool = True,
    turned_back: bool = True,
    handed_over: bool = False,
) -> tuple[Array, Array]:
    """Read both ways; the options are the mistakes that one can make."""
    H = len(forward[2])
    y, last = np.zeros((*x.shape[:2], 2 * H)), np.zeros((len(x), 2 * H))
    for i, n in enumerate(lengths):
        words, start = x[i : i + 1, :n], np.zeros((1, H))
        right = unroll(words, start, *forward)
        start = right[:, -1] if handed_over else start
        left = unroll(words[:, ::-1] if turned else words, start, *backward)
        last[i] = np.concatenate([right[0, -1], left[0, -1]])
        left = left[:, ::-1] if turned_back else left
        y[i, :n] = np.concatenate([right, left], axis=-1)[0]
    return y, last


def _both_cases(rng: Rng) -> Iterator[Case]:
    B, T, D, H = sizes(rng, 3, 4, 2, 2)

    def case(aspect: str, lengths: list[int], D: int, H: int, note: str) -> Case:
        x = rng.normal(size=(len(lengths), max(lengths), D))
        real = np.arange(max(lengths)) < np.array(lengths)[:, None]
        x = np.where(real[..., None], x, 9.0)
        ways = [list(weights(rng, D, H)) for _ in range(2)]
        return Case(aspect, (x, np.array(lengths), *ways), note)

    shorter = [int(n) for n in rng.integers(1, T, B - 2)]
    yield case("values", [T] * B, D, H, "no padding")
    yield case("padding", [T, 2, *shorter], D, H, "padding at the end")
    yield case("padding", [T - 2, *shorter, T], D, H, "padding at the end")
    yield case("sizes of 1", [1], 3, 2, "one word")
    yield case("sizes of 1", [1, 3], 1, 1, "padding at the end")


def _both_whole_rows(
    x: Array, lengths: Array, forward: list[Array], backward: list[Array]
) -> tuple[Array, Array]:
    """Turn whole rows, padding and all."""
    start = np.zeros((len(x), len(forward[2])))
    right = unroll(x, start, *forward)
    left = unroll(x[:, ::-1], start, *backward)[:, ::-1]
    y = np.concatenate([right, left], axis=-1)
    y *= (np.arange(x.shape[1]) < lengths[:, None])[..., None]
    last = np.concatenate([right[np.arange(len(x)), lengths - 1], left[:, 0]], axis=-1)
    return y, last


def _both_with_padding(
    x: Array, lengths: Array, forward: list[Array], backward: list[Array]
) -> tuple[Array, Array]:
    """Fill the padding of y with what the last real word gave."""
    y, last = both_ways(x, lengths, forward, backward)
    for i, n in enumerate(lengths):
        y[i, n:] = y[i, n - 1]
    return y, last


def _both_last_word(
    x: Array, lengths: Array, forward: list[Array], backward: list[Array]
) -> tuple[Array, Array]:
    y, _ = both_ways(x, lengths, forward, backward)
    return y, y[np.arange(len(x)), lengths - 1]


def _both_last_column(
    x: Array, lengths: Array, forward: list[Array], backward: list[Array]
) -> tuple[Array, Array]:
    y, last = both_ways(x, lengths, forward, backward)
    H = len(forward[2])
    return y, np.concatenate([y[:, -1, :H], last[:, H:]], axis=-1)


def _both_one_too_far(
    x: Array, lengths: Array, forward: list[Array], backward: list[Array]
) -> tuple[Array, Array]:
    y, _ = both_ways(x, lengths, forward, backward)
    return y, y[np.arange(len(x)), lengths]


def _halves(a: Array) -> list[Array]:
    return np.split(a, 2, axis=-1)


def _both_summed(*args: Any) -> tuple[Array, ...]:
    return tuple(np.add(*_halves(a)) for a in both_ways(*args))


def _both_exchanged(*args: Any) -> tuple[Array, ...]:
    return tuple(np.concatenate(_halves(a)[::-1], axis=-1) for a in both_ways(*args))


def _both_by_mask(
    x: Array, lengths: Array, forward: list[Array], backward: list[Array]
) -> tuple[Array, Array]:
    """Walk from both ends through the whole batch, asleep on the padding."""
    mask = (np.arange(x.shape[1]) < lengths[:, None])[..., None]
    ys, lasts = [], []
    for step, (W, U, b) in ((1, forward), (-1, backward)):
        h, y = np.zeros((len(x), len(b))), np.zeros((*x.shape[:2], len(b)))
        for t in range(x.shape[1])[::step]:
            new = np.tanh(x[:, t] @ W.T + h @ U.T + b)
            h = np.where(mask[:, t], new, h)
            y[:, t] = h * mask[:, t]
        ys.append(y)
        lasts.append(h)
    return np.concatenate(ys, axis=-1), np.hstack(lasts)


def _both_by_places(
    x: Array, lengths: Array, forward: list[Array], backward: list[Array]
) -> tuple[Array, Array]:
    """Reverse the real part of each row by its places, run, and reverse again."""
    B, T, _ = x.shape
    t, n, rows = np.arange(T), lengths[:, None], np.arange(B)[:, None]
    real = t < n
    places = np.where(real, n - 1 - t, t)
    start = np.zeros((B, len(forward[2])))
    right = unroll(x, start, *forward)
    left = unroll(x[rows, places], start, *backward)
    ends = [h[rows[:, 0], lengths - 1] for h in (right, left)]
    y = np.dstack([right, left[rows, places]])
    return np.where(real[..., None], y, 0), np.hstack(ends)


BOTH_WAYS = Exercise(
    id="5-10",
    title="Both ways, at unequal lengths",
    marks={"values": 2, "padding": 2, "sizes of 1": 1},
    difficulty=3,
    importance=3,
    minutes=25,
    returns=("y", "last"),
    reference=both_ways,
    cases=_both_cases,
    mistakes={
        "Whole rows were turned round, so the padding came first and was read: turn "
        "only the real words of each row.": _both_whole_rows,
        "The states of the backward network are still in the order in which it read: "
        "turn them round again, so that both halves of y[:, t] belong to word t.": (
            partial(_both_ways, turned_back=False)
        ),
        "Both networks read forward: the second must get the words from the last to "
        "the first.": partial(_both_ways, turned=False, turned_back=False),
        "The words were not turned round for the backward network, but its states "
        "were.": partial(_both_ways, turned=False),
        "Both networks use the forward weights; the backward one has its own.": (
            lambda x, lengths, forward, backward: both_ways(
                x, lengths, forward, forward
            )
        ),
        "The backward network starts from the forward network's last state; it must "
        "start from zeros.": partial(_both_ways, handed_over=True),
        "The halves are exchanged: forward first, then backward.": _both_exchanged,
        "The two halves stand side by side, 2H numbers for each word; here they are "
        "added.": _both_summed,
        "y must be zero on padding.": _both_with_padding,
        "At the last word the backward network has read a single word. Its own last "
        "state stands at word 0.": _both_last_word,
        "y[:, -1] is padding for all but the longest sequence; the forward network "
        "ends at word lengths - 1.": _both_last_column,
        "Words count from 0, so the last one is at lengths - 1.": _both_one_too_far,
        "The two results are exchanged: y first, then last.": (
            lambda *args: both_ways(*args)[::-1]
        ),
    },
    also_right=(_both_by_mask, _both_by_places),
)
