"""The decoder's first state, from an encoder that reads both ways."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, states

# 12-4 --------------------------------------------------------------------------------


def first_state(h_r: Array, h_l: Array, mask: Array, W: Array, b: Array) -> Array:
    """Return s_0 = tanh(W [h_r; h_l] + b), (B, H'), each way's state at its own end.

    h_r, h_l (B, S, H) states of the right-going and of the left-going network, mask
    (B, S) True on words, which come first; W (H', 2H), b (H',).
    """
    return _first(h_r, h_l, mask, W, b)


def _first(
    h_r: Array,
    h_l: Array,
    mask: Array,
    W: Array,
    b: Array,
    *,
    right: str = "last word",
    left: str = "first",
    fault: str = "",
) -> Array:
    rows, last = np.arange(len(mask)), mask.sum(axis=1) - 1
    ends = {"last word": last, "last": -1, "first": 0}
    a, z = h_r[rows, ends[right]], h_l[rows, ends[left]]
    if fault == "mean":
        a, z = h_r.mean(axis=1), h_l.mean(axis=1)
    both = np.concatenate([z, a] if fault == "exchanged" else [a, z], axis=1)
    s = both @ W.T + (0 if fault == "no bias" else b)
    return s if fault == "no tanh" else np.tanh(s)


def _cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, S: int, H: int, wide: int) -> Case:
        lengths = np.full(B, S)
        if aspect == "padding":
            lengths = np.r_[1 + rng.permutation(S - 1)[: B - 1], S]
        mask = np.arange(S) < lengths[:, None]
        h_r, h_l = states(rng, B, S, H), states(rng, B, S, H)
        W, b = rng.normal(size=(wide, 2 * H)), rng.normal(size=wide)
        return Case(aspect, (h_r, h_l, mask, W / np.sqrt(2 * H), b))

    yield case("values", *sizes(rng, 2, 3, 2, 3))
    yield case("values", *sizes(rng, 3, 4, 2, 4))
    yield case("padding", 3, 6, 2, 4)
    yield case("padding", 4, 5, 3, 2)
    yield case("one word", 2, 1, 3, 4)


def _in_place(h_r: Array, h_l: Array, mask: Array, W: Array, b: Array) -> Array:
    answer = _first(h_r, h_l, mask, W, b)
    h_r *= mask[..., None]
    h_r -= 1
    return answer


def _by_sentence(h_r: Array, h_l: Array, mask: Array, W: Array, b: Array) -> list:
    H = h_r.shape[2]
    return [
        np.tanh(W[:, :H] @ going[real][-1] + W[:, H:] @ coming[0] + b)
        for going, coming, real in zip(h_r, h_l, mask, strict=True)
    ]


FIRST = Exercise(
    id="12-4",
    title="Where both ways end",
    marks={"values": 2, "padding": 2, "one word": 1, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("s_0",),
    reference=first_state,
    cases=_cases,
    mistakes={
        "The left-going network ends at the first word: take h_l[:, 0].": (
            lambda *a: _first(*a, left="last word")
        ),
        "The left-going network ends at the first word, and the last column may be "
        "padding: h_l[:, -1] is wrong twice.": (
            lambda *a: _first(*a, left="last", right="last")
        ),
        "The right-going network ends at the last word, which need not be in the last "
        "column: count the mask.": lambda *a: _first(*a, right="last"),
        "Both are taken at the first word; the right-going network ends at the last.": (
            lambda *a: _first(*a, right="first")
        ),
        "The two ways are exchanged: the right-going state comes first.": (
            lambda *a: _first(*a, fault="exchanged")
        ),
        "The squashing is missing: s_0 = tanh(…).": (
            lambda *a: _first(*a, fault="no tanh")
        ),
        "The bias is missing.": lambda *a: _first(*a, fault="no bias"),
        "These are means over all places; asked is each network's state at its end.": (
            lambda *a: _first(*a, fault="mean")
        ),
        "`*=` and `-=` write into the caller's states: make a new array.": _in_place,
    },
    also_right=(_by_sentence,),
)
