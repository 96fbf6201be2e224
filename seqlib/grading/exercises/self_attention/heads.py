"""Multi-head attention, broken and mended: T words of E numbers, H heads."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 16-4 --------------------------------------------------------------------------------


def multi_head(x: Array, W_in: Array, W_out: Array, H: int) -> Array:
    """Return multi-head self-attention (T, E) of x (T, E), without biases."""
    return _heads(x, W_in, W_out, H)


def _heads(
    x: Array,
    W_in: Array,
    W_out: Array,
    H: int,
    split: str = "right",
    axis: int = -1,
    root: str = "d",
    merge: str = "right",
    out: str = "transposed",
    order: str = "qkv",
) -> Array:
    """Attend; the options are the mistakes that one can make."""
    T, E = x.shape
    d = E // H
    parts = dict(zip(order, np.split(x @ W_in.T, 3, axis=1), strict=True))
    cut = {
        "right": lambda a: a.reshape(T, H, d).transpose(1, 0, 2),
        "view": lambda a: a.reshape(H, T, d),
        "strided": lambda a: a.reshape(T, d, H).transpose(2, 0, 1),
    }[split]
    q, k, v = (cut(parts[name]) for name in "qkv")
    e = q @ k.swapaxes(1, 2) / {"d": d**0.5, "E": E**0.5, "none": 1.0}[root]
    a = np.exp(e - e.max(axis=axis, keepdims=True))
    z = a / a.sum(axis=axis, keepdims=True) @ v
    z = z.transpose(1, 0, 2).reshape(T, E) if merge == "right" else z.reshape(T, E)
    return z @ {"transposed": W_out.T, "plain": W_out, "none": np.eye(E)}[out]


def _heads_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, d: int, H: int, note: str = "") -> Case:
        E = d * H
        x = rng.normal(size=(T, E))
        W_in = 2 * rng.normal(size=(3 * E, E)) / np.sqrt(E)
        return Case(aspect, (x, W_in, rng.normal(size=(E, E)), H), note)

    T = int(rng.integers(4, 7))
    yield case("values", T, 3, 2)
    yield case("values", T + 1, 2, 4)
    yield case("one head", T, 4, 1, "one head")
    yield case("heads of one", T, 1, 5, "heads of one number")


def _head_by_head(x: Array, W_in: Array, W_out: Array, H: int) -> Array:
    """Let each head add its answer."""
    E = x.shape[1]
    d, total = E // H, np.zeros_like(x)
    for h in range(H):
        rows = [slice(E * i + d * h, E * i + d * (h + 1)) for i in range(3)]
        q, k, v = (x @ W_in[r].T for r in rows)
        w = np.exp(q @ k.T / np.sqrt(d))
        total += w @ v / w.sum(axis=1)[:, None] @ W_out[:, d * h : d * (h + 1)].T
    return total


MEND = Exercise(
    id="16-4",
    title="Mend it: many heads with three faults",
    marks={"values": 3, "one head": 1, "heads of one": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("out",),
    reference=multi_head,
    cases=_heads_cases,
    mistakes={
        "All three faults are still there: look at the split, at the softmax, and at "
        "the root.": partial(_heads, split="view", axis=1, root="E"),
        "Two faults are left: in the split and in the softmax.": (
            partial(_heads, split="view", axis=1)
        ),
        "Two faults are left: in the split and in the root.": (
            partial(_heads, split="view", root="E")
        ),
        "Two faults are left: in the softmax and in the root.": (
            partial(_heads, axis=1, root="E")
        ),
        "One fault is left: reshape alone deals out numbers of neighbouring words to a "
        "head; axes of words and heads must change places.": (
            partial(_heads, split="view")
        ),
        "One fault is left: the softmax goes over the words that are looked at, the "
        "last axis.": partial(_heads, axis=1),
        "One fault is left: the scores are those of one head, so it is the root of "
        "d = E / H.": partial(_heads, root="E"),
        "The scores are not divided at all; divide by the root of d.": (
            partial(_heads, root="none")
        ),
        "A head gets d neighbouring numbers of each word, not every H-th one.": (
            partial(_heads, split="strided")
        ),
        "The merge reshapes before the axes have changed back, so answers go to the "
        "wrong words.": partial(_heads, merge="view"),
        "The last matrix is transposed: with words as rows it is z @ W_out.T.": (
            partial(_heads, out="plain")
        ),
        "The heads' answers are not mixed: W_out is missing.": (
            partial(_heads, out="none")
        ),
        "The rows of W_in are those of W_Q, then W_K, then W_V.": (
            partial(_heads, order="kqv")
        ),
    },
    also_right=(_head_by_head,),
)
