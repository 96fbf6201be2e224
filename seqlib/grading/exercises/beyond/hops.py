"""A memory network's hops: a question of E numbers, S sentences, K hops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[Array, Array]


def _softmax(e: Array) -> Array:
    p = np.exp(e - e.max())
    return p / p.sum()


# 20-1 --------------------------------------------------------------------------------


def hops(u: Array, m: Array, c: Array) -> Pair:
    """Return the last question (E,) and the weights (K, S); m, c (K, S, E)."""
    return _hops(u, m, c)


def _hops(
    u: Array,
    m: Array,
    c: Array,
    asks: str = "new",
    add: bool = True,
    weigh: Callable[[Array], Array] = _softmax,
    swap: bool = False,
    first: bool = False,
    reads: str = "values",
) -> Pair:
    """Hop; the options are the mistakes that one can make."""
    start, weights = u, []
    for k in range(len(m)):
        keys, values = m[0 if first else k], c[0 if first else k]
        keys, values = (values, keys) if swap else (keys, values)
        p = weigh(keys @ (start if asks == "old" else u))
        o = p @ (keys if reads == "keys" else values)
        u = u + o if add else o
        weights.append(p)
    return u, np.array(weights)


def _hops_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, K: int, S: int, E: int, size: float, note: str) -> Case:
        m, c = rng.normal(size=(2, K, S, E)) * size
        return Case(aspect, (rng.normal(size=E), m, c), note)

    S, E = sizes(rng, 3, 3)
    yield case("one hop", 1, S, E, 1.0, "one hop")
    yield case("several hops", 2, S, E, 1.0, "two hops")
    yield case("several hops", 3, E + 1, S, 0.7, "three hops")
    m, c = rng.normal(size=(2, 2, S, E))
    yield Case("large scores", (rng.normal(size=E) + 900, m + 3, c), "scores near 8000")


def _hops_word_by_word(u: Array, m: Array, c: Array) -> Pair:
    u, rows = np.array(u), []
    for keys, values in zip(m, c, strict=True):
        e = np.array([float(np.dot(key, u)) for key in keys])
        w = np.exp(e - max(e))
        w = w / sum(w)
        u = u + sum(a * v for a, v in zip(w, values, strict=True))
        rows.append(w)
    return u, np.stack(rows)


def _overflows(e: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.exp(e) / np.exp(e).sum()


def _in_place(u: Array, m: Array, c: Array) -> Pair:
    found = hops(u, m, c)
    u += 1
    return found


HOPS = Exercise(
    id="20-1",
    title="Look, and look again",
    marks={"one hop": 1, "several hops": 2, "large scores": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("u", "weights"),
    reference=hops,
    cases=_hops_cases,
    mistakes={
        "Every hop asks with the first question here; a later hop asks with what the "
        "earlier ones have found.": partial(_hops, asks="old"),
        "What was read is added to the question, it does not take its place.": (
            partial(_hops, add=False)
        ),
        "Keys and values have changed places: m is compared, c is read.": (
            partial(_hops, swap=True)
        ),
        "Each hop has keys and values of its own; here all use those of the first.": (
            partial(_hops, first=True)
        ),
        "The keys are compared *and* read here; the values c are what is read.": (
            partial(_hops, reads="keys")
        ),
        "The weights must add up to 1 over the sentences: the softmax is missing.": (
            partial(_hops, weigh=lambda e: e)
        ),
        "exp of a large score overflows: subtract the largest score first.": (
            partial(_hops, weigh=_overflows)
        ),
        "Only the best sentence is read here; a softmax gives each one a share.": (
            partial(_hops, weigh=lambda e: 1.0 * (e == e.max()))
        ),
        "`u += …` writes into the caller's question; `u = u + …` makes a new one.": (
            _in_place
        ),
    },
    also_right=(_hops_word_by_word,),
)
