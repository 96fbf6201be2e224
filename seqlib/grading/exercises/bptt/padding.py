"""Sequences of several lengths in one batch: a gradient that waits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states

# 6-5 ---------------------------------------------------------------------------------


def ragged_backward(dh: Array, h: Array, W_hh: Array, mask: Array) -> Array:
    """Return dz (B, T, H) for dh (B, H), the gradient at the last state only.

    Where mask (B, T) is False the state was held: the gradient passes by unchanged.
    """
    return _past_padding(dh, h, W_hh, mask)


def _past_padding(
    dh: Array,
    h: Array,
    W_hh: Array,
    mask: Array,
    hold: bool = True,
    clean: bool = True,
) -> Array:
    """Go back past the padding; the options are the mistakes that one can make."""
    dz = np.zeros_like(h)
    for t in reversed(range(h.shape[1])):
        real = mask[:, t, None]
        full = dh * (1 - h[:, t] ** 2)
        dz[:, t] = np.where(real, full, 0) if clean else full
        dh = np.where(real, full @ W_hh, dh if hold else 0)
    return dz


def _ragged_cases(rng: Rng) -> Iterator[Case]:
    B, T, H = sizes(rng, 3, 5, 2)

    def case(aspect: str, mask: Array, note: str) -> Case:
        h, dh = states(rng, *mask.shape, H), rng.normal(size=(len(mask), H))
        return Case(aspect, (dh, h, matrix(rng, H), mask), note)

    lengths = np.array([T, 2, *rng.integers(1, T, B - 2)])
    padded = np.arange(T) < lengths[:, None]
    gaps = rng.random((B, T)) < 0.6
    gaps[:, 1:3] = True, False
    gaps[0, -1] = True
    yield case("values", np.ones((B, T), bool), "no padding")
    yield case("padding", padded, "padding at the end")
    yield case("padding", padded[:, ::-1].copy(), "padding at the start")
    yield case("padding", gaps, "gaps in the middle")
    yield case("sizes of 1", np.ones((1, 1), bool), "one step")
    yield case("sizes of 1", padded[1:2], "one sequence, padding at the end")


def _ragged_by_sequence(dh: Array, h: Array, W_hh: Array, mask: Array) -> Array:
    """Take each sequence alone, and only its real steps."""
    dz = np.zeros_like(h)
    for b, real in enumerate(mask):
        d = dh[b].copy()
        for t in np.flatnonzero(real)[::-1]:
            dz[b, t] = d * (1 - h[b, t] ** 2)
            d = W_hh.T @ dz[b, t]
    return dz


def _ragged_by_factor(dh: Array, h: Array, W_hh: Array, mask: Array) -> Array:
    dz, m = np.zeros_like(h), mask[..., None].astype(h.dtype)
    for t in range(h.shape[1] - 1, -1, -1):
        dz[:, t] = m[:, t] * dh * (1 - h[:, t] ** 2)
        dh = dz[:, t] @ W_hh + (1 - m[:, t]) * dh
    return dz


RAGGED = Exercise(
    id="6-5",
    title="Past the padding",
    marks={"values": 1, "padding": 2, "sizes of 1": 1},
    difficulty=3,
    importance=2,
    minutes=20,
    returns=("dz",),
    reference=ragged_backward,
    cases=_ragged_cases,
    mistakes={
        "The mask plays no part: padding computes nothing, so dz is zero there.": (
            lambda dh, h, W, mask: ragged_backward(dh, h, W, np.ones_like(mask))
        ),
        "The gradient dies on the padding. The state was held there, so dh passes by "
        "unchanged.": lambda dh, h, W, mask: _past_padding(dh, h, W, mask, hold=False),
        "dz must be zero on padding, or its input will change the weights.": (
            lambda dh, h, W, mask: _past_padding(dh, h, W, mask, clean=False)
        ),
        "The mask is the other way round: True is a real step, False is padding.": (
            lambda dh, h, W, mask: ragged_backward(dh, h, W, ~mask)
        ),
        "dh is zeroed at sequences that end early, before the loop; they wait with "
        "their gradient until their last real step.": (
            lambda dh, h, W, mask: ragged_backward(dh * mask[:, -1:], h, W, mask)
        ),
    },
    also_right=(_ragged_by_sequence, _ragged_by_factor),
)
