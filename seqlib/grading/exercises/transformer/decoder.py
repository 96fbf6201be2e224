"""The two attentions of a decoder block, broken and mended."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 17-4 --------------------------------------------------------------------------------


def decoder_attentions(X: Array, M: Array, W: Array, W_m: Array) -> Array:
    """Return (T, d): causal self-attention, then attention to M, with residuals."""
    return _attend_twice(X, M, W, W_m)


def _weigh(q: Array, k: Array, v: Array, causal: bool, scale: bool) -> Array:
    e = q @ k.T / (np.sqrt(q.shape[1]) if scale else 1)
    e = np.where(np.tri(*e.shape) > 0, e, -np.inf) if causal else e
    a = np.exp(e - e.max(axis=1, keepdims=True))
    return a / a.sum(axis=1, keepdims=True) @ v


def _attend_twice(
    X: Array,
    M: Array,
    W: Array,
    W_m: Array,
    causal: bool = True,
    asks: str = "new",
    values: str = "memory",
    around: bool = True,
    scale: bool = True,
    both_causal: bool = False,
    first: bool = True,
) -> Array:
    """Run both attentions; the options are the mistakes that one can make."""
    q, k, v = (X @ w.T for w in W)
    own = _weigh(q, k, v, causal, scale)
    U = X + own if first else own
    q = (U if asks == "new" else X) @ W_m[0].T
    k = M @ W_m[1].T
    v = M @ W_m[2].T if values == "memory" else M
    seen = _weigh(q, k, v, both_causal, scale)
    return U + seen if around else seen


def _cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, S: int, d: int, *, note: str = "") -> Case:
        W, W_m = 1.5 * rng.normal(size=(2, 3, d, d)) / np.sqrt(d)
        X, M = rng.normal(size=(T, d)), rng.normal(size=(S, d))
        return Case(aspect, (X, M, W, W_m), note)

    yield case("values", *sizes(rng, 4, 3, 2))
    yield case("values", *sizes(rng, 3, 5, 4))
    yield case("a long source", 3, 12, 4, note="a source of 12 words")


def _by_words(X: Array, M: Array, W: Array, W_m: Array) -> Array:
    """One word at a time, which sees the words so far."""
    out = []
    for t, x in enumerate(X):
        u = x
        for rows, w in ((X[: t + 1], W), (M, W_m)):
            e = rows @ w[1].T @ (w[0] @ u) / np.sqrt(len(x))
            a = np.exp(e - e.max())
            u = u + a @ (rows @ w[2].T) / a.sum()
        out.append(u)
    return np.array(out)


MEND = Exercise(
    id="17-4",
    title="Mend it: a decoder with three faults",
    marks={"values": 3, "a long source": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("out",),
    reference=decoder_attentions,
    cases=_cases,
    mistakes={
        "All three faults are still there: look at who may see the future, at who asks "
        "the source, and at what is averaged.": (
            partial(_attend_twice, causal=False, asks="old", values="bare")
        ),
        "Two faults are left: in who may see the future, and in who asks the source.": (
            partial(_attend_twice, causal=False, asks="old")
        ),
        "Two faults are left: in who may see the future, and in what is averaged.": (
            partial(_attend_twice, causal=False, values="bare")
        ),
        "Two faults are left: in who asks the source, and in what is averaged.": (
            partial(_attend_twice, asks="old", values="bare")
        ),
        "One fault is left: word t may look at the words up to t only.": (
            partial(_attend_twice, causal=False)
        ),
        "One fault is left: it is U, after the first attention, that asks the "
        "source.": partial(_attend_twice, asks="old"),
        "One fault is left: what is averaged is W_m[2] times the source's words, not "
        "the words themselves.": partial(_attend_twice, values="bare"),
        "The source has no future: all of its words may be looked at.": (
            partial(_attend_twice, both_causal=True)
        ),
        "The scores are divided by the root of d, as they were.": (
            partial(_attend_twice, scale=False)
        ),
        "The second attention has a residual path, too: add U.": (
            partial(_attend_twice, around=False)
        ),
        "The first attention has a residual path, too: add X.": (
            partial(_attend_twice, first=False)
        ),
    },
    also_right=(_by_words,),
)
