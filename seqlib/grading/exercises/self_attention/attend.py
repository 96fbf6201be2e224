"""Self-attention in one head: T words of E numbers, projected to d."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[Array, Array]

# 16-1 --------------------------------------------------------------------------------


def self_attention(x: Array, W_Q: Array, W_K: Array, W_V: Array, mask: Array) -> Pair:
    """Return answers (T, d) and weights (T, T); mask (T, T) is True for "look"."""
    return _attend(x, W_Q, W_K, W_V, mask)


def _attend(
    x: Array,
    W_Q: Array,
    W_K: Array,
    W_V: Array,
    mask: Array,
    divisor: str = "root d",
    axis: int = 1,
    when: str = "before",
    highest: bool = True,
    empty: str = "zeros",
    gives: str = "v",
) -> Pair:
    """Attend; the options are the mistakes that one can make."""
    q, k, v = x @ W_Q.T, x @ W_K.T, x @ W_V.T
    E, d = x.shape[1], q.shape[1]
    e = q @ k.T / {"root d": d**0.5, "none": 1, "d": d, "root E": E**0.5}[divisor]
    hidden = {"before": -np.inf, "zero": 0.0}.get(when)
    e = e if hidden is None else np.where(mask, e, hidden)
    top = e.max(axis=axis, keepdims=True) if highest else 0.0
    with np.errstate(all="ignore"):
        a = np.exp(e - np.where(np.isinf(top), 0, top))
        a = a / a.sum(axis=axis, keepdims=True)
    if empty == "zeros" and axis == 1:
        a = np.where(mask.any(axis=1, keepdims=True), a, 0)
    elif empty == "mean":
        a = np.where(mask.any(axis=1, keepdims=True), a, 1 / len(a))
    a = a * mask if when == "after" else a
    return a @ {"v": v, "k": k}[gives], a


def _attend_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, size: float, mask: str, note: str) -> Case:
        T, E, d = sizes(rng, 4, 5, 3)
        x = rng.normal(size=(T, E))
        W_Q, W_K, W_V = size * rng.normal(size=(3, d, E)) / np.sqrt(E / 3)
        look = np.tri(T, dtype=bool) if mask != "all" else np.ones((T, T), bool)
        if mask == "empty":
            look[rng.integers(1, T - 1)] = False
        if mask == "some":
            look = (rng.random((T, T)) < 0.6) | np.eye(T, dtype=bool)
            look[0, 1:] = False
        return Case(aspect, (x, W_Q, W_K, W_V, look), note)

    yield case("values", 1.0, "all", "all may look at all")
    yield case("values", 1.0, "all", "all may look at all")
    yield case("mask", 1.0, "causal", "a causal mask")
    yield case("mask", 1.0, "some", "a mask with gaps")
    yield case("empty row", 1.0, "empty", "a word that may look at nothing")
    yield case("large scores", 60.0, "causal", "scores in the thousands")


def _word_by_word(x: Array, W_Q: Array, W_K: Array, W_V: Array, mask: Array) -> list:
    T, d = len(x), len(W_Q)
    alpha, out = np.zeros((T, T)), np.zeros((T, d))
    for t in range(T):
        seen = [j for j in range(T) if mask[t, j]]
        if not seen:
            continue
        e = np.array([(W_Q @ x[t]) @ (W_K @ x[j]) for j in seen]) * d**-0.5
        w = np.exp(e - max(e))
        for j, a in zip(seen, w / sum(w), strict=True):
            alpha[t, j] = a
            out[t] += a * (W_V @ x[j])
    return [out, alpha]


def _exchanged(x: Array, W_Q: Array, W_K: Array, W_V: Array, mask: Array) -> Pair:
    return _attend(x, W_K, W_Q, W_V, mask)


def _other_way(x: Array, W_Q: Array, W_K: Array, W_V: Array, mask: Array) -> Pair:
    return _attend(x, W_Q, W_K, W_V, ~mask if not mask.all() else mask)


ATTEND = Exercise(
    id="16-1",
    title="Every word asks",
    marks={"values": 2, "mask": 1, "empty row": 1, "large scores": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("out", "weights"),
    reference=self_attention,
    cases=_attend_cases,
    mistakes={
        "The scores are not divided by the root of d, the size of a query.": (
            partial(_attend, divisor="none")
        ),
        "The scores are divided by d; it is the root of d that brings their variance "
        "to 1.": partial(_attend, divisor="d"),
        "The scores are divided by the root of E; the dot products have d terms, so it "
        "is the root of d.": partial(_attend, divisor="root E"),
        "The softmax goes over those who ask; a word's weights add up to 1 over those "
        "it looks at, along axis 1.": partial(_attend, axis=0),
        "W_Q and W_K have changed places: row t belongs to the word that asks.": (
            _exchanged
        ),
        "The average is taken of the keys; it is the values that are given.": (
            partial(_attend, gives="k")
        ),
        "The mask is not used.": partial(_attend, when="never"),
        "The mask comes after the softmax, so the weights no longer add up to 1.": (
            partial(_attend, when="after")
        ),
        "A score of 0 still has weight, exp(0) = 1: hide it with minus infinity.": (
            partial(_attend, when="zero")
        ),
        "The mask is read the wrong way round: here True means look.": _other_way,
        "A word that may look at nothing divides 0 by 0: its row is zeros, not nan.": (
            partial(_attend, empty="nan")
        ),
        "A word that may look at nothing receives nothing: zeros, not the average of "
        "all.": partial(_attend, empty="mean"),
        "exp of a large score overflows: subtract the largest score of each row "
        "first.": partial(_attend, highest=False),
    },
    also_right=(_word_by_word,),
)
