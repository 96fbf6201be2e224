"""Kernels over a picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

from .maps import away, cut

# 3-3 ---------------------------------------------------------------------------------


def maps(x: Array, w: Array, b: Array) -> Array:
    """Return the maps (S, H', W') that kernels w (S, C, KH, KW) make of x (C, H, W)."""
    windows = cut(x, *w.shape[2:])  # (C, H', W', KH, KW)
    return np.einsum("cijkl,sckl->sij", windows, w) + b[:, None, None]


def _maps_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, x: tuple, w: tuple, note: str = "") -> Case:
        return Case(aspect, (away(rng, *x), away(rng, *w), away(rng, w[0])), note)

    S, C = sizes(rng, 2, 2)
    yield case("values", (C, 6, 8), (S, C, 3, 3))
    yield case("windows not square", (C, 7, 6), (S, C, 2, 3), "windows of 2 by 3")
    yield case("windows not square", (2, 6, 6), (3, 2, 4, 1), "windows of 4 by 1")
    yield case("edges", (3, 4, 5), (2, 3, 1, 1), "windows of one place")
    yield case("edges", (2, 3, 3), (4, 2, 3, 3), "one window")
    yield case("edges", (1, 5, 4), (1, 1, 2, 2), "one channel, one unit")


def _maps_loop(x: Array, w: Array, b: Array) -> Array:
    S, _, KH, KW = w.shape
    out = np.empty((S, x.shape[1] - KH + 1, x.shape[2] - KW + 1))
    for s, i, j in np.ndindex(out.shape):
        out[s, i, j] = np.sum(w[s] * x[:, i : i + KH, j : j + KW]) + b[s]
    return out


def _maps_by_taps(x: Array, w: Array, b: Array) -> Array:
    S, _, KH, KW = w.shape
    H, W = x.shape[1] - KH + 1, x.shape[2] - KW + 1
    out = np.tile(b[:, None, None], (1, H, W))
    for k, l in np.ndindex(KH, KW):
        tap = x[:, k : k + H, l : l + W].reshape(len(x), -1)
        out = out + (w[:, :, k, l] @ tap).reshape(S, H, W)
    return out


def _maps_transposed(x: Array, w: Array, b: Array) -> Array:
    """Let k go with the column: the slides' order, read with our kernels."""
    return maps(x, w.swapaxes(2, 3), b)


IMAGE = Exercise(
    id="3-3",
    title="Maps of a picture",
    marks={"values": 2, "windows not square": 1, "edges": 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("z",),
    reference=maps,
    cases=_maps_cases,
    mistakes={
        "The kernels are transposed: k goes with the row i and l with the column j.": (
            _maps_transposed
        ),
        "The kernels are flipped in both directions: w[s, p, 0, 0] meets the upper "
        "left place of the window.": lambda x, w, b: maps(x, w[:, :, ::-1, ::-1], b),
        "The kernels are upside down: k counts rows from the top.": (
            lambda x, w, b: maps(x, w[:, :, ::-1], b)
        ),
        "The bias is left out.": lambda x, w, b: maps(x, w, 0 * b),
        "The bias is added once for each channel; it is added once, after the sum over "
        "channels.": lambda x, w, b: maps(x, w, len(x) * b),
        "Only channel 0 is read: a kernel goes through the whole stack, so sum over "
        "the channels p.": lambda x, w, b: maps(x[:1], w[:, :1], b),
        "This is the mean over the channels; it is a sum.": (
            lambda x, w, b: maps(x / len(x), w, b)
        ),
        "The last row and column of windows are missing: H - KH + 1 by W - KW + 1.": (
            lambda x, w, b: maps(x, w, b)[:, :-1, :-1]
        ),
        "The maps are transposed: (S, H', W'), rows before columns.": (
            lambda x, w, b: maps(x, w, b).swapaxes(1, 2)
        ),
        "The units belong first: (S, H', W').": (
            lambda x, w, b: np.moveaxis(maps(x, w, b), 0, -1)
        ),
        "The maps of all units are added up; each unit makes a map of its own.": (
            lambda x, w, b: maps(x, w, b).sum(axis=0)
        ),
        "z has no activation.": lambda x, w, b: np.maximum(maps(x, w, b), 0),
    },
    also_right=(_maps_loop, _maps_by_taps),
)
