"""Back through scaled dot products, and to the words through three projections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Three = tuple[Array, Array, Array]
Four = tuple[Array, Array, Array, Array]

# 16-5 --------------------------------------------------------------------------------


def attention_backward(dz: Array, q: Array, k: Array, v: Array, alpha: Array) -> Three:
    """Return dq (T, d), dk (S, d), dv (S, M) of softmax(q k' / sqrt(d)) v."""
    return _back(dz, q, k, v, alpha)


def _back(
    dz: Array,
    q: Array,
    k: Array,
    v: Array,
    alpha: Array,
    power: float = -0.5,
    key_power: float | None = None,
    mean: Callable[[Array, Array], Array] = lambda a, g: (a * g).sum(1, keepdims=True),
    outer: bool = True,
    values: str = "weighted",
    sign: float = 1.0,
) -> Three:
    """Go back; the options are the mistakes that one can make."""
    d = q.shape[1]
    dalpha = dz @ v.T
    de = sign * (dalpha - mean(alpha, dalpha)) * (alpha if outer else 1)
    dv = {"weighted": alpha, "plain": np.ones_like(alpha)}[values].T @ dz
    of_keys = power if key_power is None else key_power
    return de @ k * d**power, de.T @ q * d**of_keys, dv


def _back_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, S: int, d: int, M: int, *, note: str = "") -> Case:
        q, k = rng.normal(size=(T, d)), rng.normal(size=(S, d)) + 0.5
        v, dz = rng.normal(size=(S, M)) + 1, rng.normal(size=(T, M))
        e = q @ k.T / np.sqrt(d)
        if aspect == "mask":
            e = np.where(np.tri(T, S, dtype=bool), e, -np.inf)
        a = np.exp(e - e.max(axis=1, keepdims=True))
        a /= a.sum(axis=1, keepdims=True)
        if aspect == "mask":
            a[T // 2] = 0  # a query that may look at nothing
        return Case(aspect, (dz, q, k, v, a), note)

    yield case("values", *sizes(rng, 2, 3, 2, 2))
    yield case("values", *sizes(rng, 3, 2, 3, 2))
    yield case("mask", 5, 5, 3, 2, note="a causal mask and an empty row")
    yield case("sizes of 1", 1, 4, 3, 2, note="one query")


def _back_by_jacobians(dz: Array, q: Array, k: Array, v: Array, alpha: Array) -> list:
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for t, a in enumerate(alpha):
        de = (np.diag(a) - np.outer(a, a)) @ (v @ dz[t]) / np.sqrt(q.shape[1])
        dq[t] = k.T @ de
        dk += np.outer(de, q[t])
        dv += np.outer(a, dz[t])
    return [dq, dk, dv]


def _no_softmax(dz: Array, q: Array, k: Array, v: Array, alpha: Array) -> Three:
    de = dz @ v.T / np.sqrt(q.shape[1])
    return de @ k, de.T @ q, alpha.T @ dz


def _diagonal(dz: Array, q: Array, k: Array, v: Array, alpha: Array) -> Three:
    de = alpha * (1 - alpha) * (dz @ v.T) / np.sqrt(q.shape[1])
    return de @ k, de.T @ q, alpha.T @ dz


DOTS_BACK = Exercise(
    id="16-5",
    title="Back through the scaled dot product",
    marks={"values": 3, "mask": 1, "sizes of 1": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("dq", "dk", "dv"),
    reference=attention_backward,
    cases=_back_cases,
    mistakes={
        "The scale is missing: what multiplied the scores multiplies their gradient.": (
            partial(_back, power=0.0)
        ),
        "The scale stands there twice: 1 / sqrt(d) comes back once.": (
            partial(_back, power=-1.0)
        ),
        "The scale is there for the queries, and missing for the keys.": (
            partial(_back, key_power=0.0)
        ),
        "The softmax is left out: between the weights' gradient and the scores' lies "
        "its way back.": _no_softmax,
        "Only the softmax's diagonal is there: a score moves the other weights of its "
        "row, too.": _diagonal,
        "The mean of the row is not subtracted.": partial(
            _back, mean=lambda a, g: 0 * g
        ),
        "The mean that is subtracted is weighted by alpha, not the plain mean.": (
            partial(_back, mean=lambda a, g: g.mean(1, keepdims=True))
        ),
        "The mean is taken over the queries; it belongs along the row.": (
            partial(_back, mean=lambda a, g: (a * g).sum(0, keepdims=True))
        ),
        "The factor alpha in front is missing: who is not looked at learns nothing.": (
            partial(_back, outer=False)
        ),
        "A value is blamed in proportion to the weight it had.": (
            partial(_back, values="plain")
        ),
        "The sign of the scores' gradient is the wrong way round.": (
            partial(_back, sign=-1.0)
        ),
    },
    also_right=(_back_by_jacobians,),
)

# 16-6 --------------------------------------------------------------------------------


def words_backward(
    dq: Array, dk: Array, dv: Array, x: Array, W_Q: Array, W_K: Array, W_V: Array
) -> Four:
    """Return dx (B, T, E) and dW_Q, dW_K, dW_V (E, E) of the three projections."""
    return _words(dq, dk, dv, x, W_Q, W_K, W_V)


def _words(
    dq: Array,
    dk: Array,
    dv: Array,
    x: Array,
    W_Q: Array,
    W_K: Array,
    W_V: Array,
    roles: tuple[float, float, float] = (1, 1, 1),
    turned: bool = False,
    weight: str = "sum",
    flipped: bool = False,
    reads: tuple[int, int, int] = (0, 1, 2),
) -> Four:
    """Go back; the options are the mistakes that one can make."""
    blame, Ws = (dq, dk, dv), (W_Q, W_K, W_V)
    parts = zip(roles, blame, Ws, strict=True)
    dx = sum(n * g @ (W.T if turned else W) for n, g, W in parts)
    dWs = [np.einsum("bti,btj->bij", blame[i], x) for i in reads]
    over = {"sum": lambda a: a.sum(0), "mean": lambda a: a.mean(0)}
    over["first"] = lambda a: a[0]
    dWs = [over[weight](dW) for dW in dWs]
    dWs = [dW.T for dW in dWs] if flipped else dWs
    return dx, dWs[0], dWs[1], dWs[2]


def _words_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, E: int, *, note: str = "") -> Case:
        x = rng.normal(size=(B, T, E)) + 0.3
        gradients, Ws = rng.normal(size=(3, B, T, E)), rng.normal(size=(3, E, E))
        return Case(aspect, (*gradients, x, *Ws), note)

    yield case("values", *sizes(rng, 2, 3, 3))
    yield case("values", *sizes(rng, 3, 2, 4))
    yield case("sizes of 1", 1, 4, 3, note="one sentence")
    yield case("sizes of 1", 3, 1, 4, note="sentences of one word")


def _words_packed(
    dq: Array, dk: Array, dv: Array, x: Array, W_Q: Array, W_K: Array, W_V: Array
) -> list:
    blame = np.concatenate([dq, dk, dv], axis=2)
    dW = blame.reshape(-1, blame.shape[2]).T @ x.reshape(-1, x.shape[2])
    return [blame @ np.vstack([W_Q, W_K, W_V]), *np.split(dW, 3)]


WORDS_BACK = Exercise(
    id="16-6",
    title="Three paths to every word",
    marks={"values": 3, "sizes of 1": 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=20,
    returns=("dx", "dW_Q", "dW_K", "dW_V"),
    reference=words_backward,
    cases=_words_cases,
    mistakes={
        "A word is blamed as value alone here; it was asker and key, too.": (
            partial(_words, roles=(0, 0, 1))
        ),
        "The path through the query is missing from dx.": (
            partial(_words, roles=(0, 1, 1))
        ),
        "The path through the key is missing from dx.": partial(
            _words, roles=(1, 0, 1)
        ),
        "The path through the value is missing from dx.": (
            partial(_words, roles=(1, 1, 0))
        ),
        "Three paths add up; here their mean is taken.": (
            partial(_words, roles=(1 / 3, 1 / 3, 1 / 3))
        ),
        "Forward it was x @ W.T, so the way back to x is @ W, not @ W.T.": (
            partial(_words, turned=True)
        ),
        "The weights' gradients are transposed: rows belong to the output, columns to "
        "x.": partial(_words, flipped=True),
        "A weight was used by all sentences: add what comes from each, do not take the "
        "mean.": partial(_words, weight="mean"),
        "A weight was used by all sentences, not by the first alone.": (
            partial(_words, weight="first")
        ),
        "dW_Q and dW_K have changed places.": partial(_words, reads=(1, 0, 2)),
    },
    also_right=(_words_packed,),
)
