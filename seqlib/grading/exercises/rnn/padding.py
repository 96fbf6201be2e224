"""Sequences of several lengths in one batch: a state that waits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, weights

# 5-9 ---------------------------------------------------------------------------------


def ragged(
    x: Array, mask: Array, W_ih: Array, W_hh: Array, b: Array
) -> tuple[Array, Array]:
    """Return y (B, T, H), zero on padding, and last (B, H), from a state of zeros.

    Where mask (B, T) is False the state is held, whatever x (B, T, D) holds there.
    """
    h = _held(np.where(mask[..., None], x, 0), mask, W_ih, W_hh, b)
    return h * mask[..., None], h[:, -1]


def _held(
    x: Array, mask: Array, W: Array, U: Array, b: Array, otherwise: float = 1.0
) -> Array:
    """Return all states (B, T, H); on padding `otherwise` times the old one."""
    h, hs = np.zeros((len(x), len(b)), x.dtype), []
    for t in range(x.shape[1]):
        new = np.tanh(x[:, t] @ W.T + h @ U.T + b)
        h = np.where(mask[:, t, None], new, otherwise * h)
        hs.append(h)
    return np.stack(hs, axis=1)


def _ragged_cases(rng: Rng) -> Iterator[Case]:
    B, T, D, H = sizes(rng, 3, 6, 2, 2)

    def case(aspect: str, mask: Array, note: str, fill: float = 9.0) -> Case:
        x = np.where(mask[..., None], rng.normal(size=(*mask.shape, D)), fill)
        return Case(aspect, (x, mask, *weights(rng, D, H)), note)

    lengths = np.array([T, 2, *rng.integers(1, T, B - 2)])
    padded = np.arange(T) < lengths[:, None]
    gaps = rng.random((B, T)) < 0.6
    gaps[:, 1:4] = True, False, True
    gaps[0, -1], gaps[1, -1] = True, False
    yield case("values", np.ones((B, T), bool), "no padding")
    yield case("padding", padded, "padding at the end")
    yield case("padding", padded[:, ::-1].copy(), "padding at the start")
    yield case("padding", gaps, "gaps in the middle")
    yield case("nan on padding", padded, "the padding is nan", fill=np.nan)
    yield case("sizes of 1", np.ones((1, 1), bool), "one step")
    yield case("sizes of 1", padded[1:2], "one sequence, padding at the end")


def _ragged_without_mask(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    return ragged(x, np.ones_like(mask), W, U, b)


def _ragged_forgets(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    h = _held(x, mask, W, U, b, otherwise=0.0)
    return h, h[:, -1]


def _ragged_shows_held(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    h = _held(x, mask, W, U, b)
    return h, h[:, -1]


def _ragged_last_column(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    y, _ = ragged(x, mask, W, U, b)
    return y, y[:, -1]


def _ragged_by_length(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    y, _ = ragged(x, mask, W, U, b)
    return y, y[np.arange(len(x)), mask.sum(axis=1) - 1]


def _ragged_fed_zeros(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    h = _held(np.where(mask[..., None], x, 0), np.ones_like(mask), W, U, b)
    return h * mask[..., None], h[:, -1]


def _ragged_masked_afterwards(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    h = _held(x, np.ones_like(mask), W, U, b)
    return np.where(mask[..., None], h, 0), h[:, -1]


def _ragged_by_factor(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    h, y = np.zeros((len(x), len(b))), []
    for t in range(x.shape[1]):
        m = mask[:, t, None].astype(float)
        h = m * np.tanh(x[:, t] @ W.T + h @ U.T + b) + (1 - m) * h
        y.append(m * h)
    return np.stack(y, axis=1), h


def _ragged_flat_mask(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    h, y = np.zeros((len(x), len(b))), []
    for t in range(x.shape[1]):
        h = np.where(mask[:, t], np.tanh(x[:, t] @ W.T + h @ U.T + b), h)
        y.append(np.where(mask[:, t], h, 0))
    return np.stack(y, axis=1), h


def _ragged_by_sequence(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    """Take each sequence alone, and only its real steps."""
    y, last = np.zeros((*mask.shape, len(b))), np.zeros((len(x), len(b)))
    for i, t in np.argwhere(mask):
        y[i, t] = last[i] = np.tanh(W @ x[i, t] + U @ last[i] + b)
    return y, last


def _ragged_in_order(
    x: Array, mask: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    h, y = np.zeros((len(x), len(b))), np.zeros((*mask.shape, len(b)))
    for t in range(x.shape[1]):
        real = mask[:, t]
        h[real] = y[real, t] = np.tanh(x[real, t] @ W.T + h[real] @ U.T + b)
    return y, h


RAGGED = Exercise(
    id="5-9",
    title="Asleep on the padding",
    marks={"values": 1, "padding": 2, "nan on padding": 1, "sizes of 1": 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("y", "last"),
    reference=ragged,
    cases=_ragged_cases,
    mistakes={
        "The mask plays no part: where it is False, the state is held and the output "
        "is zero.": _ragged_without_mask,
        "The state is set to zero on padding, so all that was read is forgotten: hold "
        "the old state there.": _ragged_forgets,
        "On padding the state is held, but the output y is zero.": _ragged_shows_held,
        "y[:, -1] is zero for a sequence that ends early; last is the state, which was "
        "held.": _ragged_last_column,
        "The number of real words says where the last one stands only if all padding "
        "is at the end; return the state itself, which was held.": _ragged_by_length,
        "Zeros for the input do not stop the network: the bias and the old state still "
        "move it. Hold the state.": _ragged_fed_zeros,
        "The network has read the padding, and only y was masked afterwards: hold the "
        "state at each step.": _ragged_masked_afterwards,
        "The mask is the other way round: True is a real word, False is padding.": (
            lambda x, mask, *rest: ragged(np.nan_to_num(x), ~mask, *rest)
        ),
        "0 * nan is nan, so a factor does not keep it out: choose with np.where.": (
            _ragged_by_factor
        ),
        "mask[:, t] has shape (B,), and the states have (B, H): mask[:, t, None] "
        "chooses whole rows.": _ragged_flat_mask,
        "The two results are exchanged: y first, then last.": (
            lambda *args: ragged(*args)[::-1]
        ),
    },
    also_right=(_ragged_by_sequence, _ragged_in_order),
)
