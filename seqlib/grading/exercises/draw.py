"""Random arguments that several chapters draw."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
Rng = np.random.Generator


def sizes(rng: Rng, *low: int) -> list[int]:
    """Draw sizes from these numbers upwards, no two alike, so that axes tell apart."""
    while True:
        drawn = [int(rng.integers(n, n + 4)) for n in low]
        if len(set(drawn)) == len(drawn):
            return drawn


def states(rng: Rng, *shape: int) -> Array:
    """Draw states as tanh leaves them, between -1 and 1."""
    return np.tanh(rng.normal(size=shape))


def matrix(rng: Rng, H: int) -> Array:
    """Draw recurrent weights (H, H) that neither vanish nor explode at once."""
    return rng.normal(size=(H, H)) / np.sqrt(H)


def weights(rng: Rng, D: int, H: int) -> tuple[Array, Array, Array]:
    """Draw W_ih (H, D), W_hh (H, H) and a bias (H,) that does not go unseen."""
    bias = rng.choice([-1, 1], H) * rng.uniform(0.3, 0.9, H)
    return rng.normal(size=(H, D)) / np.sqrt(D), matrix(rng, H), bias
