"""Drawing from a numpy generator, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from seqlib._check import generator, whole

T = TypeVar("T")


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Draw one of the options; faster than `rng.choice`, and it keeps their type."""
    return options[int(rng.integers(len(options)))]


def shuffled(rng: np.random.Generator, items: Sequence[T]) -> list[T]:
    """Return the items in a drawn order."""
    return [items[int(i)] for i in rng.permutation(len(items))]


def positive(count: int, rng: np.random.Generator) -> int:
    """Check what every corpus asks for, and return the count."""
    whole("count", count, 1)
    generator("rng", rng)
    return count
