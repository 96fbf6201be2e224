"""One more token with what was kept: t keys and values of d numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Three = tuple[Array, Array, Array]

# 18-3 --------------------------------------------------------------------------------


def attend_next(q: Array, k: Array, v: Array, K: Array, V: Array) -> Three:
    """Return c (d,), and K and V (t + 1, d) with the new key and value."""
    return _next(q, k, v, K, V)


def _next(
    q: Array,
    k: Array,
    v: Array,
    K: Array,
    V: Array,
    scale: float = -0.5,
    itself: bool = True,
    first: bool = False,
    keeps: str = "kv",
    asks: str = "q",
    exchanged: bool = False,
    highest: bool = True,
) -> Three:
    """Attend; the options are the mistakes that one can make."""
    new = {"kv": (k, v), "qv": (q, v), "vk": (v, k)}[keeps]
    kept = zip(new, (K, V), strict=True)
    pairs = [(a[None], A) if first else (A, a[None]) for a, A in kept]
    longer = [np.concatenate(pair) for pair in pairs]
    keys, values = longer if itself or not len(K) else (K, V)
    keys, values = (values, keys) if exchanged else (keys, values)
    e = keys @ {"q": q, "k": k}[asks] * float(len(q)) ** scale
    with np.errstate(all="ignore"):
        weights = np.exp(e - e.max() if highest else e)
        weights = weights / weights.sum()
    return weights @ values, longer[0], longer[1]


def _next_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, t: int, d: int, note: str = "", size: float = 1.0) -> Case:
        q, k, v = rng.normal(size=(3, d))
        K, V = rng.normal(size=(2, t, d))
        return Case(aspect, (size * q, size * k, v, size * K, V), note)

    t, d = sizes(rng, 3, 2)
    yield case("values", t, d)
    yield case("values", d, t + 1)
    yield case("first token", 0, d + 1, "nothing has been kept yet")
    yield case("large scores", t, 4, "scores above 1000", 60.0)


def _by_loop(q: Array, k: Array, v: Array, K: Array, V: Array) -> list:
    keys, values = [*K, k], [*V, v]
    e = [float(q @ key) / len(q) ** 0.5 for key in keys]
    e = [np.exp(a - max(e)) for a in e]
    c = sum(a / sum(e) * value for a, value in zip(e, values, strict=True))
    return [c, keys, values]


KEEP = Exercise(
    id="18-3",
    title="Keep keys and values",
    marks={"values": 2, "first token": 1, "large scores": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("c", "K", "V"),
    reference=attend_next,
    cases=_next_cases,
    mistakes={
        "The new token may look at itself, too: append its key and value before you "
        "attend.": partial(_next, itself=False),
        "The scores are divided by the square root of d.": partial(_next, scale=0.0),
        "The scores are divided by the *square root* of d, not by d.": (
            partial(_next, scale=-1.0)
        ),
        "The new key and value belong at the end, behind those of earlier tokens.": (
            partial(_next, first=True)
        ),
        "What is kept is the key, not the query: nobody asks with an old query.": (
            partial(_next, keeps="qv")
        ),
        "Key and value have changed places in what is kept.": (
            partial(_next, keeps="vk")
        ),
        "It is the query that asks, not the key.": partial(_next, asks="k"),
        "The weights come from the keys and average the values; here it is the other "
        "way round.": partial(_next, exchanged=True),
        "exp of a large score overflows: subtract the largest first.": (
            partial(_next, highest=False)
        ),
    },
    also_right=(_by_loop,),
)
