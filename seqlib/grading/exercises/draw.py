"""Random arguments that several chapters draw."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
Rng = np.random.Generator


def sizes(rng: Rng, *low: int) -> list[int]:
    """Draw one size from each of these numbers to two more."""
    return [int(rng.integers(n, n + 3)) for n in low]


def states(rng: Rng, *shape: int) -> Array:
    """Draw states as tanh leaves them, between -1 and 1."""
    return np.tanh(rng.normal(size=shape))


def matrix(rng: Rng, H: int) -> Array:
    """Draw recurrent weights (H, H) that neither vanish nor explode at once."""
    return rng.normal(size=(H, H)) / np.sqrt(H)
