"""Back through context, softmax and additive score: T queries, S keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[Array, Array]
Three = tuple[Array, Array, Array]


def _weights(rng: Rng, T: int, S: int) -> Array:
    return rng.dirichlet(np.full(S, 2.0), T)


# 15-5 --------------------------------------------------------------------------------


def context_backward(dc: Array, alpha: Array, v: Array) -> Pair:
    """Return dv (S, M) and de (T, S) for dc (T, M), alpha (T, S), v (S, M)."""
    return _context_back(dc, alpha, v)


def _context_back(
    dc: Array,
    alpha: Array,
    v: Array,
    mean: Callable[[Array, Array], Array] = lambda a, d: (a * d).sum(1, keepdims=True),
    outer: bool = True,
    values: str = "alpha",
    sign: float = 1.0,
) -> Pair:
    """Go back; the options are the mistakes that one can make."""
    dalpha = dc @ v.T
    de = dalpha - mean(alpha, dalpha)
    dv = {"alpha": alpha.T @ dc, "sum": np.ones_like(alpha).T @ dc}
    dv |= {"mean": alpha.T @ dc / len(dc), "first": np.outer(alpha[0], dc[0])}
    return dv[values], sign * (alpha * de if outer else de)


def _context_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, S: int, M: int, *, note: str = "") -> Case:
        dc, v = rng.normal(size=(T, M)), rng.normal(size=(S, M)) + 1
        return Case(aspect, (dc, _weights(rng, T, S), v), note)

    yield case("values", *sizes(rng, 2, 3, 2))
    yield case("values", *sizes(rng, 3, 2, 3))
    yield case("sizes of 1", 1, 4, 3, note="one query")
    yield case("sizes of 1", 3, 4, 1, note="values of one number")


def _diagonal(dc: Array, alpha: Array, v: Array) -> Pair:
    return alpha.T @ dc, alpha * (1 - alpha) * (dc @ v.T)


def _no_softmax(dc: Array, alpha: Array, v: Array) -> Pair:
    return alpha.T @ dc, dc @ v.T


def _context_by_jacobian(dc: Array, alpha: Array, v: Array) -> Pair:
    """Write out the softmax's Jacobian, row by row."""
    rows = []
    for a, d in zip(alpha, dc, strict=True):
        rows.append((np.diag(a) - np.outer(a, a)) @ (v @ d))
    return np.einsum("ts,tm->sm", alpha, dc), np.array(rows)


def _context_by_the_mean(dc: Array, alpha: Array, v: Array) -> Pair:
    c = alpha @ v
    return alpha.T @ dc, alpha * np.einsum("tsm,tm->ts", v - c[:, None], dc)


CONTEXT_BACK = Exercise(
    id="15-5",
    title="Back through average and softmax",
    marks={"values": 2, "sizes of 1": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("dv", "de"),
    reference=context_backward,
    cases=_context_cases,
    mistakes={
        "de is the gradient at the scores; this is still the one at the weights: the "
        "softmax lies between.": _no_softmax,
        "Only the softmax's diagonal is there: a score moves the other weights of its "
        "row, too.": _diagonal,
        "The mean of the row is not subtracted: one score up means the other weights "
        "down.": partial(_context_back, mean=lambda a, d: 0 * d),
        "The mean that is subtracted is weighted by alpha, not the plain mean.": (
            partial(_context_back, mean=lambda a, d: d.mean(1, keepdims=True))
        ),
        "The mean is taken over the queries; it belongs along the row, over keys.": (
            partial(_context_back, mean=lambda a, d: (a * d).sum(0, keepdims=True))
        ),
        "The factor alpha in front is missing: a word that is not looked at learns "
        "nothing.": partial(_context_back, outer=False),
        "A value gets the blame of the contexts times the weight that it had in "
        "each.": partial(_context_back, values="sum"),
        "A value was used by all queries: add what comes from each, do not take the "
        "mean.": partial(_context_back, values="mean"),
        "A value was used by all queries, not by the first alone.": (
            partial(_context_back, values="first")
        ),
        "The sign of de is the wrong way round.": partial(_context_back, sign=-1.0),
    },
    also_right=(_context_by_jacobian, _context_by_the_mean),
)

# 15-6 --------------------------------------------------------------------------------


def score_backward(
    de: Array, s: Array, h: Array, W_q: Array, W_k: Array, w: Array
) -> Three:
    """Return ds (T, H), dW_q (A, H) and dw (A,) of the additive score."""
    return _score_back(de, s, h, W_q, W_k, w)


def _score_back(
    de: Array,
    s: Array,
    h: Array,
    W_q: Array,
    W_k: Array,
    w: Array,
    slope: Callable[[Array], Array] = lambda u: 1 - u * u,
    weighs: bool = True,
    over: str = "keys",
    reads: str = "s",
    back: str = "W_q",
    last: Callable[[Array, Array], Array] = lambda u, z: u,
) -> Three:
    """Go back; the options are the mistakes that one can make."""
    z = (s @ W_q.T)[:, None] + (h @ W_k.T)[None]
    u = np.tanh(z)
    dz = de[..., None] * slope(u) * (w if weighs else 1)
    dq = dz.sum(axis=1) if over == "keys" else dz.mean(axis=1)
    read = {"s": dq.T @ s, "h": dz.sum(axis=0).T @ h}[reads]
    ds = dq @ {"W_q": W_q, "W_k": W_k}[back]
    return ds, read, np.tensordot(de, last(u, z), 2)


def _score_back_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, S: int, H: int, A: int, *, note: str = "") -> Case:
        s, h = rng.normal(size=(T, H)), rng.normal(size=(S, H))
        W_q, W_k = rng.normal(size=(2, A, H)) / np.sqrt(H)
        w = rng.choice([-1, 1], A) * rng.uniform(0.5, 1.5, A)
        return Case(aspect, (rng.normal(size=(T, S)), s, h, W_q, W_k, w), note)

    yield case("values", *sizes(rng, 2, 3, 2, 3))
    yield case("values", *sizes(rng, 3, 2, 3, 2))
    yield case("sizes of 1", 1, 4, 3, 2, note="one query")
    yield case("sizes of 1", 3, 2, 2, 1, note="one hidden unit")


def _score_back_pair_by_pair(
    de: Array, s: Array, h: Array, W_q: Array, W_k: Array, w: Array
) -> Three:
    ds, dW, dw = np.zeros_like(s), np.zeros_like(W_q), np.zeros_like(w)
    for t, j in np.ndindex(de.shape):
        u = np.tanh(W_q @ s[t] + W_k @ h[j])
        dz = de[t, j] * w * (1 - u**2)
        ds[t] += W_q.T @ dz
        dW += np.outer(dz, s[t])
        dw += de[t, j] * u
    return ds, dW, dw


SCORE_BACK = Exercise(
    id="15-6",
    title="Back through the additive score",
    marks={"values": 3, "sizes of 1": 1, INPUTS: 1},
    difficulty=3,
    importance=2,
    minutes=25,
    returns=("ds", "dW_q", "dw"),
    reference=score_backward,
    cases=_score_back_cases,
    mistakes={
        "The slope of the tanh is missing: 1 - u².": (
            partial(_score_back, slope=lambda u: 1 + 0 * u)
        ),
        "The slope of tanh, written with its value u, is 1 - u²; u (1 - u) belongs to "
        "a logistic function.": partial(_score_back, slope=lambda u: u * (1 - u)),
        "The vector w is left out on the way back: each hidden unit is blamed in "
        "proportion to its weight.": partial(_score_back, weighs=False),
        "A state was compared with all keys: add what comes from each, do not take the "
        "mean.": partial(_score_back, over="mean"),
        "W_q multiplied the states s, so its gradient is dz times s, not times h.": (
            partial(_score_back, reads="h")
        ),
        "The way back to s goes through W_q; W_k leads to the annotations.": (
            partial(_score_back, back="W_k")
        ),
        "w multiplied the tanh u, so its gradient is de times u, not times what "
        "stands inside the tanh.": partial(_score_back, last=lambda u, z: z),
        "dw sums de times u; the slope of the tanh has no part in it.": (
            partial(_score_back, last=lambda u, z: 1 - u * u)
        ),
    },
    also_right=(_score_back_pair_by_pair,),
)
