"""Sizes that a caller gives as one number or as a range to draw from."""

from __future__ import annotations

import numpy as np

from seqlib._check import whole

Span = int | tuple[int, int]


def span(name: str, value: Span, low: int, high: int | None = None) -> tuple[int, int]:
    """Return the least and the greatest size that `value` allows, both included."""
    if not isinstance(value, tuple):
        whole(name, value, low, high)
        return value, value
    if len(value) != 2:
        raise ValueError(f"{name} must be a number or (least, most), got {value}")
    for end in value:
        whole(name, end, low, high)
    if value[0] > value[1]:
        raise ValueError(f"{name} must be (least, most), least first, got {value}")
    return value


def lengths(
    count: int, ends: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw `count` lengths; return them (N,) and the mask (N, most) of what is real."""
    drawn = rng.integers(ends[0], ends[1] + 1, size=count)
    return drawn, np.arange(ends[1]) < drawn[:, None]
