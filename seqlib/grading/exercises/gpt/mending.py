"""A block of a GPT, broken and mended: T places, E numbers, one head, no biases."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 18-5 --------------------------------------------------------------------------------


def block(
    x: Array, W_q: Array, W_k: Array, W_v: Array, W_1: Array, W_2: Array
) -> Array:
    """Return what a pre-norm block leaves, (T, E)."""
    return _block(x, W_q, W_k, W_v, W_1, W_2)


def _normed(x: Array, axis: int = 1) -> Array:
    z = x - x.mean(axis=axis, keepdims=True)
    return z / np.sqrt((z**2).mean(axis=axis, keepdims=True) + 1e-5)


def _block(
    x: Array,
    W_q: Array,
    W_k: Array,
    W_v: Array,
    W_1: Array,
    W_2: Array,
    mask: bool = True,
    pre: bool = True,
    keeps: bool = True,
    second: bool = True,
    scale: bool = True,
    values: str = "normed",
    axis: int = 1,
    squash: bool = True,
) -> Array:
    """Run the block; the options are the mistakes that one can make."""

    def attend(n: Array, v: Array) -> Array:
        e = (n @ W_q.T) @ (n @ W_k.T).T / (np.sqrt(len(W_q)) if scale else 1)
        e = np.where(np.tri(len(n), dtype=bool), e, -np.inf) if mask else e
        weights = np.exp(e - e.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True) @ (v @ W_v.T)

    def feed(n: Array) -> Array:
        z = n @ W_1.T
        return (np.maximum(z, 0) if squash else z) @ W_2.T

    if not pre:
        a = _normed(x + attend(x, x))
        return _normed((a if keeps else 0) + feed(a))
    n = _normed(x, axis)
    a = x + attend(n, n if values == "normed" else x)
    return (a if keeps else 0) + feed(_normed(a, axis) if second else a)


def _block_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, E: int, F: int, *, note: str = "") -> Case:
        squares = rng.normal(size=(3, E, E)) / np.sqrt(E) * 1.5
        W_1, W_2 = rng.normal(size=(F, E)), rng.normal(size=(E, F)) / np.sqrt(F)
        x = 2 * rng.normal(size=(T, E)) + rng.normal(size=(T, 1))
        return Case(aspect, (x, *squares, W_1, W_2), note)

    yield case("values", *sizes(rng, 4, 3, 5))
    yield case("values", *sizes(rng, 3, 4, 6))
    yield case("one token", 1, 5, 7, note="one token")


def _block_by_place(
    x: Array, W_q: Array, W_k: Array, W_v: Array, W_1: Array, W_2: Array
) -> list:
    normed = [(row - row.mean()) / np.sqrt(row.var() + 1e-5) for row in x]
    keys, values, out = [], [], []
    for row, n in zip(x, normed, strict=True):
        keys.append(W_k @ n)
        values.append(W_v @ n)
        e = np.array(keys) @ (W_q @ n) / len(n) ** 0.5
        w = np.exp(e) / np.exp(e).sum()
        a = row + w @ np.array(values)
        m = (a - a.mean()) / np.sqrt(a.var() + 1e-5)
        out.append(a + W_2 @ np.maximum(W_1 @ m, 0))
    return out


MEND = Exercise(
    id="18-5",
    title="Mend it: a block with three faults",
    marks={"values": 3, "one token": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=25,
    returns=("x",),
    reference=block,
    cases=_block_cases,
    mistakes={
        "All three faults are still there: look at who may look at whom, at where the "
        "norms stand, and at what the second part is added to.": (
            partial(_block, mask=False, pre=False, keeps=False)
        ),
        "Two faults are left: in who may look at whom, and in where the norms stand.": (
            partial(_block, mask=False, pre=False)
        ),
        "Two faults are left: in who may look at whom, and in what the second part is "
        "added to.": partial(_block, mask=False, keeps=False),
        "Two faults are left: in where the norms stand, and in what the second part is "
        "added to.": partial(_block, pre=False, keeps=False),
        "One fault is left: a place sees those after it.": partial(_block, mask=False),
        "One fault is left: in a pre-norm block the norm stands before each part, "
        "inside the branch, and the sum is not normalised.": partial(_block, pre=False),
        "One fault is left: the small network's result is *added* to what it got.": (
            partial(_block, keeps=False)
        ),
        "The second norm is missing: the small network reads a normalised input, "
        "too.": partial(_block, second=False),
        "The scores are divided by the square root of E.": partial(_block, scale=False),
        "The values are made from the normalised input, as queries and keys are.": (
            partial(_block, values="raw")
        ),
        "The norm belongs to one place: its mean and variance go along axis 1.": (
            partial(_block, axis=0)
        ),
        "The ReLU between the two matrices is missing.": partial(_block, squash=False),
    },
    also_right=(_block_by_place,),
)
