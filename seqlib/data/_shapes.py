"""Shapes drawn with soft edges, from the distance of every pixel to their outline.

Pixel (row i, column j) is the unit square around the point x = j + 0.5, y = i + 0.5;
y points down. A distance is negative inside; half a pixel around the outline the ink
fades, so that the ink of a shape adds up to its area.
"""

from __future__ import annotations

import numpy as np


def pixels(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the middles of all pixels: x (1, W) and y (H, 1)."""
    return np.arange(width)[None] + 0.5, np.arange(height)[:, None] + 0.5


def ink(distance: np.ndarray) -> np.ndarray:
    """Return how much of each pixel is covered, 0 to 1."""
    return np.clip(0.5 - distance, 0, 1)


def circle(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    """Measure the distance to a circle of radius r around 0."""
    return np.hypot(x, y) - r


def square(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    """Measure the distance to a square of side 2r around 0."""
    return np.maximum(abs(x), abs(y)) - r


def triangle(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    """Measure the distance to a triangle, point up, as wide and high as the square."""
    return np.maximum(y - r, (2 * abs(x) - y - r) / np.sqrt(5))


def cross(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    """Measure the distance to two bars, 2r by 2r/3, across each other."""
    lying = np.maximum(abs(x) - r, abs(y) - r / 3)
    standing = np.maximum(abs(x) - r / 3, abs(y) - r)
    return np.minimum(lying, standing)


OUTLINES = {"circle": circle, "square": square, "triangle": triangle, "cross": cross}
