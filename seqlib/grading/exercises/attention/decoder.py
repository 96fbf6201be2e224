"""A decoder with attention, broken and mended: T steps, S annotations of H numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[Array, Array]

# 15-4 --------------------------------------------------------------------------------


def decode(
    s0: Array, x: Array, h: Array, W: Array, W_x: Array, W_c: Array, W_s: Array
) -> Pair:
    """Return the states (T, H) and the weights (T, S) of a decoder that attends."""
    return _decode(s0, x, h, W, W_x, W_c, W_s)


def _decode(
    s0: Array,
    x: Array,
    h: Array,
    W: Array,
    W_x: Array,
    W_c: Array,
    W_s: Array,
    asks: str = "last",
    divide: bool = False,
    keeps: bool = True,
    asked: str = "before",
    normal: bool = True,
    sees: str = "old",
) -> Pair:
    """Run the decoder; the options are the mistakes that one can make."""
    s, states, weights = s0, [], []
    for x_t in x:
        query = {"last": s, "first": s0, "input": W_x @ x_t}[asks]
        if asked == "after":
            query = np.tanh(W_x @ x_t + W_s @ s)
        e = h @ W.T @ query
        a = np.exp(e - e.max())
        a = a / a.sum() if normal else np.exp(e)
        c = a @ h / (len(h) if divide else 1)
        old = {"old": s, "first": s0}[sees]
        s = np.tanh(W_x @ x_t + W_c @ c + (W_s @ old if keeps else 0))
        states.append(s)
        weights.append(a)
    return np.array(states), np.array(weights)


def _decode_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, S: int, H: int, *, note: str = "") -> Case:
        W_x, W_c, W_s = (rng.normal(size=(H, H)) / np.sqrt(H) for _ in range(3))
        W = 2 * rng.normal(size=(H, H)) / np.sqrt(H) + np.eye(H)
        s0, x = np.tanh(rng.normal(size=H)) + 0.5, rng.normal(size=(T, H))
        h = rng.choice([-1, 1], (S, H)) * rng.uniform(0.4, 1, (S, H))
        return Case(aspect, (s0, x, h, W, W_x, W_c, W_s), note)

    yield case("values", *sizes(rng, 4, 3, 2))
    yield case("values", *sizes(rng, 3, 4, 3))
    yield case("one step", 1, 4, 3, note="one step")
    yield case("one unit", 4, 3, 1, note="one unit")


def _decode_transposed(
    s0: Array, x: Array, h: Array, W: Array, W_x: Array, W_c: Array, W_s: Array
) -> Pair:
    return _decode(s0, x, h, W.T, W_x, W_c, W_s)


def _decode_by_word(
    s0: Array, x: Array, h: Array, W: Array, W_x: Array, W_c: Array, W_s: Array
) -> list:
    """Score and add one source word at a time."""
    s, states, looks = s0, [], []
    for x_t in x:
        scores = [float(np.exp(s @ W @ h_j)) for h_j in h]
        looks.append([e / sum(scores) for e in scores])
        c = np.zeros(len(s))
        for a, h_j in zip(looks[-1], h, strict=True):
            c = c + a * h_j
        s = np.tanh(np.hstack([W_x, W_c, W_s]) @ np.concatenate([x_t, c, s]))
        states.append(s)
    return [states, looks]


def _with_start(*args: Array) -> Pair:
    states, weights = decode(*args)
    return np.vstack([args[0][None], states[:-1]]), weights


MEND = Exercise(
    id="15-4",
    title="Mend it: a decoder with three faults",
    marks={"values": 2, "one step": 1, "one unit": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("states", "weights"),
    reference=decode,
    cases=_decode_cases,
    mistakes={
        "All three faults are still there: look at who asks, at the context's "
        "normalisation, and at what the new state remembers.": (
            partial(_decode, asks="first", divide=True, keeps=False)
        ),
        "Two faults are left: in who asks, and in the context's normalisation.": (
            partial(_decode, asks="first", divide=True)
        ),
        "Two faults are left: in who asks, and in what the new state remembers.": (
            partial(_decode, asks="first", keeps=False)
        ),
        "Two faults are left: in the context's normalisation, and in what the new "
        "state remembers.": partial(_decode, divide=True, keeps=False),
        "One fault is left: before each word it is the *last* state that asks, not the "
        "first.": partial(_decode, asks="first"),
        "One fault is left: the weights add up to 1, so the context is not divided by "
        "the number of words.": partial(_decode, divide=True),
        "One fault is left: the new state must see the old one, W_s s.": (
            partial(_decode, keeps=False)
        ),
        "The new state is made from the one before it, W_s s; here it is made from s0 "
        "at every step.": partial(_decode, sees="first"),
        "It is the state that asks, not the input.": partial(_decode, asks="input"),
        "The state asks before the step; here it has moved on already.": (
            partial(_decode, asked="after")
        ),
        "The weights do not add up to 1: divide by their sum.": (
            partial(_decode, normal=False)
        ),
        "The score is sᵀ W h: here W is transposed.": _decode_transposed,
        "The states asked for are those after each step; s0 is not among them.": (
            _with_start
        ),
    },
    also_right=(_decode_by_word,),
)
