"""One look at a map, and where the looks went: N places, F channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, states

Pair = tuple[Array, Array]

# 14-4 --------------------------------------------------------------------------------


def attend(s: Array, a: Array, W_q: Array, W_k: Array, w: Array) -> Pair:
    """Return the context (B, F) and the weights (B, N)."""
    return _attend(s, a, W_q, W_k, w)


def softmax(e: Array, axis: int = -1) -> Array:
    """Turn scores into weights, large scores too."""
    e = np.exp(e - e.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _attend(
    *args: Any,
    squash: Callable[[Array], Array] = np.tanh,
    weigh: Callable[[Array], Array] = softmax,
    asks: float = 1.0,
    values: str = "a",
) -> Pair:
    s, a, W_q, W_k, w = args
    u = squash(asks * (s @ W_q.T)[:, None] + a @ W_k.T)
    with np.errstate(all="ignore"):
        p = weigh(u @ w)
        c = np.einsum("bn,bnf->bf", p, a if values == "a" else a * a)
    return c, p


def _naive(e: Array) -> Array:
    return np.exp(e) / np.exp(e).sum(axis=-1, keepdims=True)


def _attend_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, N: int, scale: float = 1.0, note: str = "") -> Case:
        F, H, A = sizes(rng, 3, 4, 2)
        args = states(rng, B, H), rng.normal(size=(B, N, F)), rng.normal(size=(A, H))
        more = (
            rng.normal(size=(A, F)),
            scale * rng.choice([-1, 1], A) * (1 + rng.random(A)),
        )
        return Case(aspect, (*args, *more), note)

    yield case("values", 3, 6)
    yield case("values", 2, 5)
    yield case("large scores", 3, 4, 3000.0, "scores of thousands")
    yield case("one place", 2, 1, 1.0, "a map of one place")


def _attend_by_loops(s: Array, a: Array, W_q: Array, W_k: Array, w: Array) -> tuple:
    cs, ps = [], []
    for s_b, a_b in zip(s, a, strict=True):
        e = np.array([np.tanh(W_q @ s_b + W_k @ a_j) @ w for a_j in a_b])
        p = np.exp(e - np.logaddexp.reduce(e))
        ps.append(p)
        cs.append(sum(weight * a_j for weight, a_j in zip(p, a_b, strict=True)))
    return cs, ps


def _attend_in_place(s: Array, a: Array, W_q: Array, W_k: Array, w: Array) -> Pair:
    c, p = attend(s, a, W_q, W_k, w)
    a *= p[:, :, None]
    return c, p


ATTEND = Exercise(
    id="14-4",
    title="One look at the map",
    marks={"values": 2, "large scores": 1, "one place": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("c", "p"),
    reference=attend,
    cases=_attend_cases,
    mistakes={
        "The weights of one picture must sum to 1 over its places: this softmax runs "
        "over the batch.": lambda *args: _attend(*args, weigh=lambda e: softmax(e, 0)),
        "These are the scores; a softmax makes weights of them.": (
            lambda *args: _attend(*args, weigh=lambda e: e)
        ),
        "The tanh is missing between the sum and w.": (
            lambda *args: _attend(*args, squash=lambda z: z)
        ),
        "The weights sum to 1 already: a further division by N makes the context N "
        "times too small.": (
            lambda s, a, *rest: (
                attend(s, a, *rest)[0] / a.shape[1],
                attend(s, a, *rest)[1],
            )
        ),
        "The state asks nothing: W_q s is missing in the scores.": (
            lambda *args: _attend(*args, asks=0.0)
        ),
        "The question is subtracted; it is added to W_k a.": (
            lambda *args: _attend(*args, asks=-1.0)
        ),
        "exp(1000) is infinite: subtract the largest score first.": (
            lambda *args: _attend(*args, weigh=_naive)
        ),
        "This looks at the best place alone, which has no slope; soft attention takes "
        "the average.": (
            lambda *args: _attend(
                *args, weigh=lambda e: (e == e.max(axis=1, keepdims=True)) * 1.0
            )
        ),
        "The context averages the annotations themselves, not their squares.": (
            lambda *args: _attend(*args, values="a * a")
        ),
        "The context is the plain mean: the weights are not used.": (
            lambda s, a, *rest: (a.mean(axis=1), attend(s, a, *rest)[1])
        ),
        "The two results are exchanged: first the context, then the weights.": (
            lambda *args: attend(*args)[::-1]
        ),
        "`a *= …` writes into the caller's array.": _attend_in_place,
    },
    also_right=(_attend_by_loops,),
)

# 14-8 --------------------------------------------------------------------------------


def gaze(weights: Array, masks: Array, refers: Array) -> tuple[float, float]:
    """Return the mean weight on the named thing, and that of an even look."""
    return _gaze(weights, masks, refers)


def _gaze(
    *args: Any,
    touch: Callable[..., Array] = np.any,
    glue: bool = False,
    total: Callable[..., Array] = np.mean,
    turned: bool = False,
    whose: Callable[[int, int], int] = lambda k, K: k,
    even: str = "named",
) -> tuple[float, float]:
    weights, masks, refers = args
    _, rows, columns = weights.shape
    K, S, _ = masks.shape
    blocks = masks.reshape(K, rows, S // rows, columns, S // columns)
    cells = touch(blocks, axis=(2, 4)).astype(float)
    weights = weights.swapaxes(1, 2) if turned else weights
    own, alone = [], []
    for look, k in zip(weights, refers.tolist(), strict=True):
        if k >= 0 or glue:
            cell = cells[whose(k, K)]
            own.append((look * cell).sum())
            alone.append(1 / cell.size if even == "one" else cell.mean())
    return float(total(own)), float(np.mean(alone))


def _gaze_cases(rng: Rng) -> Iterator[Case]:
    def case(
        aspect: str, M: int, side: int, T: int, glue: bool, note: str = ""
    ) -> Case:
        weights = softmax(rng.normal(size=(T, M * M)) * 1.5).reshape(T, M, M)
        masks = np.zeros((2, M * side, M * side), bool)
        left, right = rng.integers(0, side, 2)
        low = int(rng.integers(1, side))
        masks[0, low : low + side, left : left + 2 * side + 1] = True
        masks[1, -side - 1 :, -side - 2 - right : -1] = True
        refers = np.array([0, 0, 1] + [int(k) for k in rng.integers(0, 2, T - 3)])
        if glue:
            refers[[3, T - 1]] = -1
        return Case(aspect, (weights, masks, refers), note)

    yield case("values", 5, 3, 8, False)
    yield case("values", 6, 4, 9, False)
    yield case("words about nothing", 5, 4, 9, True, "words such as `left of`")


def _gaze_by_pixels(weights: Array, masks: Array, refers: Array) -> tuple:
    side = masks.shape[1] // weights.shape[1]
    named = np.flatnonzero(refers >= 0)
    cells = {
        int(k): np.unique(np.argwhere(masks[k]) // side, axis=0)
        for k in np.unique(refers[named])
    }
    own = [weights[t][tuple(cells[int(refers[t])].T)].sum() for t in named]
    even = [len(cells[int(refers[t])]) / weights[0].size for t in named]
    return np.mean(own), np.mean(even)


GAZE = Exercise(
    id="14-8",
    title="Predict, then measure: where does it look?",
    marks={"values": 2, "words about nothing": 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("named", "even"),
    reference=gaze,
    cases=_gaze_cases,
    mistakes={
        "A place counts if the thing touches it at all; this asks for places that it "
        "fills.": lambda *args: _gaze(*args, touch=np.all),
        "A place counts or it does not; here it counts by how much of it is covered.": (
            lambda *args: _gaze(*args, touch=np.mean)
        ),
        "Words that are about nothing (-1) must be left out; masks[-1] is the last "
        "thing.": lambda *args: _gaze(*args, glue=True),
        "This is the sum over the words; take the mean.": (
            lambda *args: _gaze(*args, total=np.sum)
        ),
        "Rows and columns of the map are exchanged.": (
            lambda *args: _gaze(*args, turned=True)
        ),
        "This is the weight on the other thing, not on the one that is named.": (
            lambda *args: _gaze(*args, whose=lambda k, K: K - 1 - k)
        ),
        "An even look gives each place 1/N; on a thing it puts as many of these as "
        "the thing touches places.": lambda *args: _gaze(*args, even="one"),
        "The first thing is taken for every word; `refers` says whose word it is.": (
            lambda *args: _gaze(*args, whose=lambda k, K: 0)
        ),
        "The two results are exchanged: first the network's look, then the even one.": (
            lambda *args: _gaze(*args)[::-1]
        ),
    },
    also_right=(_gaze_by_pixels,),
)
