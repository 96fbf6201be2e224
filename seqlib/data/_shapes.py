"""Shapes drawn with soft edges, from the distance of every point to their outline.

Pixel (row i, column j) is the unit square around the point x = j + 0.5, y = i + 0.5;
y points down. A distance is negative inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FINE = 2  # a pixel is the mean of FINE by FINE points

Outline = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def coverage(outline: Outline, x: Any, y: Any, r: float, size: int) -> np.ndarray:
    """Return how much of each pixel a shape with its middle at (x, y) covers.

    x and y are numbers or arrays (...); result (..., size, size) from 0 to 1, whose
    sum is the shape's area, within 2 % from r = 3 on.
    """
    points = (np.arange(size * FINE) + 0.5) / FINE
    across = points - np.asarray(x)[..., None, None]
    down = points[:, None] - np.asarray(y)[..., None, None]
    fine = np.clip(0.5 - FINE * outline(across, down, r), 0, 1)
    blocks = fine.reshape(*fine.shape[:-2], size, FINE, size, FINE)
    return blocks.mean(axis=(-3, -1))


def circle(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    """Measure the distance to a circle of radius r around 0."""
    return np.sqrt(x * x + y * y) - r


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


OUTLINES: dict[str, Outline] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "cross": cross,
}
