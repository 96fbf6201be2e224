"""Clips of shapes that fly and bounce, for predicting the next frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqlib._check import number, whole

from ._draw import positive
from ._shapes import circle, coverage, square

BALLS = {"circle": circle, "square": square}


class Bouncing(NamedTuple):
    """Clips of bouncing shapes.

    frames : (N, T, S, S) float32 from 0 to 1, shapes are 1
    positions : (N, T, K, 2) x and y of each middle, in pixels from the upper left
    velocities : (N, T, K, 2) pixels a frame, as they leave each frame
    shapes : (N, K) integers, 0 a circle and 1 a square
    """

    frames: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    shapes: np.ndarray


def bouncing_shapes(
    count: int,
    rng: np.random.Generator,
    steps: int = 20,
    size: int = 16,
    shapes: int = 1,
    radius: float = 2.0,
    speed: tuple[float, float] = (0.5, 1.5),
) -> Bouncing:
    """Draw clips of circles and squares that fly straight and bounce off the walls.

    A wall turns the velocity across it around at the very moment the shape touches it,
    also between two frames: without walls a shape would be at p + v t, and the walls
    fold this line back and forth between `radius` and `size` - `radius`. Shapes fly
    through each other; where they overlap the ink does not add up.

    Parameters
    ----------
    count, rng : how many clips, and numpy's random generator
    steps, size, shapes : T frames, S pixels a side, K shapes
    radius : of the circles, and half the side of the squares
    speed : least and greatest, in pixels a frame

    Errors: a count, size or speed below its least, a radius that fills the frame, rng
    no generator.
    """
    positive(count, rng)
    for name, value, least in (("steps", steps, 1), ("size", size, 4)):
        whole(name, value, least)
    whole("shapes", shapes, 1)
    number("radius", radius, 0.5, size / 2, below=True)
    if not isinstance(speed, tuple) or len(speed) != 2:
        raise ValueError(f"speed must be (least, most), got {speed!r}")
    number("speed", speed[0], 0)
    number("speed", speed[1], speed[0])
    if not np.isfinite(speed[1]):
        raise ValueError(f"speed must be finite, got {speed}")
    kinds = rng.integers(len(BALLS), size=(count, shapes))
    begin = rng.uniform(radius, size - radius, size=(count, 1, shapes, 2))
    way = rng.uniform(0, 2 * np.pi, size=(count, 1, shapes))
    fast = rng.uniform(*speed, size=(count, 1, shapes, 1))
    fly = fast * np.stack([np.cos(way), np.sin(way)], axis=-1)
    free = begin + fly * np.arange(steps)[:, None, None]  # as if there were no walls
    positions, turned = fold(free, radius, size - radius)
    frames = np.zeros((count, steps, size, size), np.float32)
    outlines = tuple(BALLS.values())
    for clip, places, now in zip(frames, positions, kinds, strict=True):
        for (x, y), kind in zip(places.transpose(1, 2, 0), now, strict=True):
            np.maximum(clip, coverage(outlines[kind], x, y, radius, size), out=clip)
    return Bouncing(frames, positions, np.where(turned, -fly, fly), kinds)


def fold(free: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Fold a straight flight between two walls; say where it is turned around."""
    across = (free - low) % (2 * (high - low))
    turned = across >= high - low
    return low + np.where(turned, 2 * (high - low) - across, across), turned
