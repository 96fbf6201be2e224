"""Regions of the plane, and a broken line from rectifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 2-5 ---------------------------------------------------------------------------------


def fires_inside(x: Array, corners: Array, needed: int) -> Array:
    """Return (B,): 1 where x is inside of at least `needed` sides, else 0."""
    return (_sides(x, corners) >= needed).astype(float)


def _sides(
    x: Array, corners: Array, turn: float = 1.0, drop: int = 0, shifted: bool = True
) -> Array:
    """Count the sides on whose inner side x lies."""
    side = np.roll(corners, -1, axis=0) - corners
    normal = turn * np.stack([-side[:, 1], side[:, 0]], axis=1)
    bias = -np.sum(normal * corners, axis=1) if shifted else np.zeros(len(corners))
    z = x @ normal.T + bias
    return (z[:, drop:] >= 0).sum(axis=1)


def _polygon(rng: Rng, N: int) -> Array:
    angles = 2 * np.pi * (np.arange(N) + 0.3 * rng.random(N)) / N
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) + rng.uniform(0.6, 0.9, 2)


def _inside_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, N: int, needed: int, note: str = "") -> Case:
        corners = _polygon(rng, N)
        x = corners.mean(axis=0) + rng.uniform(-1.6, 1.6, (300, 2))
        return Case(aspect, (x, corners, needed), note)

    yield case("polygon", 3, 3, "a triangle")
    yield case("polygon", 7, 7)
    yield case("star", 5, 4, "4 of 5")
    yield case("star", 6, 4, "4 of 6")
    corners = _polygon(rng, 4)
    yield Case("one point", (corners[:1] * 0.5 + corners[2:3] * 0.5, corners, 4))


def _inside_by_cross(x: Array, corners: Array, needed: int) -> Array:
    """Go round with cross products."""
    count = np.zeros(len(x))
    for k in range(len(corners)):
        a, b = corners[k - 1], corners[k]
        count += (b[0] - a[0]) * (x[:, 1] - a[1]) >= (b[1] - a[1]) * (x[:, 0] - a[0])
    return (count >= needed) * 1.0


def _inside_with(count: partial, comparison: str = ">=") -> Callable:
    compare = {">=": np.greater_equal, ">": np.greater, "==": np.equal}[comparison]
    return lambda x, corners, needed: compare(count(x, corners), needed).astype(float)


INSIDE = Exercise(
    id="2-5",
    title="Polygons and stars",
    marks={"polygon": 2, "star": 1, "one point": 1, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("y",),
    reference=fires_inside,
    cases=_inside_cases,
    mistakes={
        "The units fire outside: turn the normals round, so that they point inwards. "
        "With the corners anticlockwise, a side (a, b) has the normal (-b, a).": (
            _inside_with(partial(_sides, turn=-1.0))
        ),
        "The last side is missing: it leads from the last corner back to the first.": (
            _inside_with(partial(_sides, drop=1))
        ),
        "All lines go through the origin: the bias must shift each to a corner of its "
        "side.": (_inside_with(partial(_sides, shifted=False))),
        "At least `needed` sides, so `needed` itself is enough.": (
            _inside_with(partial(_sides), ">")
        ),
        "At least `needed` sides, not exactly so many: where more units fire, the "
        "output fires as well.": _inside_with(partial(_sides), "=="),
        "`needed` plays no part: this always wants all sides.": (
            lambda x, corners, needed: fires_inside(x, corners, len(corners))
        ),
        "This is an OR: one side is enough. Compare the count with `needed`.": (
            lambda x, corners, needed: fires_inside(x, corners, 1)
        ),
        "This is how many units fire; the output unit compares it with `needed`.": (
            lambda x, corners, needed: _sides(x, corners).astype(float)
        ),
    },
    also_right=(
        _inside_by_cross,
        lambda x, corners, needed: _sides(x, corners) >= needed,
    ),
)

# 2-6 ---------------------------------------------------------------------------------


def broken_line(knots: Array, heights: Array) -> Array:
    """Return v (N - 1,): heights[0] + sum_k v_k relu(x - knots_k) meets all points."""
    slopes = np.diff(heights) / np.diff(knots)
    return np.diff(slopes, prepend=0.0)


def _line_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, knots: Array, note: str = "") -> Case:
        start = float(rng.uniform(1, 2))
        slopes = np.cumsum(rng.uniform(0.5, 1.5, len(knots) - 1)) - 2.2
        heights = start + np.append(0, np.cumsum(slopes * np.diff(knots)))
        return Case(aspect, (knots, heights), note)

    yield case("even steps", np.arange(6) * 1.0, "steps of 1")
    yield case("even steps", np.arange(5) / 4, "steps of 1/4")
    uneven = np.cumsum(rng.uniform(0.2, 2, (2, 7)), axis=1)
    yield case("uneven steps", uneven[0], "uneven steps")
    yield case("uneven steps", uneven[1] - 5, "knots below zero")
    yield case("two points", np.array([0.5, 2.5]), "two points")


BROKEN_LINE = Exercise(
    id="2-6",
    title="Derive: a broken line from rectifiers",
    marks={"even steps": 1, "uneven steps": 2, "two points": 1},
    difficulty=3,
    importance=2,
    minutes=20,
    returns=("v",),
    reference=broken_line,
    cases=_line_cases,
    mistakes={
        "These are the slopes of the pieces. The rectifiers before keep climbing, so "
        "each new one adds only the change of slope.": (
            lambda x, y: np.diff(y) / np.diff(x)
        ),
        "These are the changes of height, as threshold units want them. A rectifier "
        "adds a slope: divide by the width, and take the change of slope.": (
            lambda x, y: np.diff(y)
        ),
        "The width of the pieces is left out: a slope is a change of height divided by "
        "the width.": lambda x, y: np.diff(np.diff(y), prepend=0.0),
        "The first rectifier is missing: before it the slope is 0, so it adds the "
        "whole first slope.": lambda x, y: np.diff(np.diff(y) / np.diff(x)),
        "The changes of slope have the wrong sign: new slope minus old slope.": (
            lambda x, y: -np.diff(np.diff(y) / np.diff(x), prepend=0.0)
        ),
        "These are slopes from the first point to each other one; a piece's slope is "
        "between its own two ends.": lambda x, y: (y[1:] - y[0]) / (x[1:] - x[0]),
        "The slopes are added up; take their differences instead.": (
            lambda x, y: np.cumsum(np.diff(y) / np.diff(x))
        ),
        "The slopes are turned upside down: height over width.": (
            lambda x, y: np.diff(np.diff(x) / np.diff(y), prepend=0.0)
        ),
    },
    also_right=(
        lambda x, y: np.linalg.solve(
            np.maximum(x[1:, None] - x[:-1], 0), y[1:] - y[0]
        ),  # meet every point in turn
        lambda x, y: [
            (y[k + 1] - y[k]) / (x[k + 1] - x[k])
            - ((y[k] - y[k - 1]) / (x[k] - x[k - 1]) if k else 0)
            for k in range(len(x) - 1)
        ],
    ),
)
