"""Backpropagation cut short, by plan and by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states

# 6-9 ---------------------------------------------------------------------------------


def truncated_backward(dy: Array, h: Array, W_hh: Array, k: int) -> Array:
    """Return dz (B, T, H), the gradient cut at the borders of pieces of k steps."""
    return _in_pieces(dy, h, W_hh, range(0, h.shape[1], k), k)


def _in_pieces(
    dy: Array, h: Array, W_hh: Array, starts: range, k: int, cut: bool = True
) -> Array:
    """Go back through each piece; without `cut` what is left leaks to the next one."""
    dz, dh = np.zeros_like(h), np.zeros_like(h[:, 0])
    for start in starts:
        dh = np.zeros_like(dh) if cut else dh
        for t in reversed(range(start, min(start + k, h.shape[1]))):
            dz[:, t] = (dy[:, t] + dh) * (1 - h[:, t] ** 2)
            dh = dz[:, t] @ W_hh
    return dz


def _whole_pieces(h: Array, k: int) -> range:
    return range(0, h.shape[1] - k + 1, k)


def _truncated_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, H: int, k: int, note: str) -> Case:
        dy, h = rng.normal(size=(B, T, H)), states(rng, B, T, H)
        return Case(aspect, (dy, h, matrix(rng, H), k), note)

    B, H, k = sizes(rng, 2, 2, 2)
    yield case("values", B, 3 * k, H, k, "T is a multiple of k")
    yield case("last piece", B, 3 * k + 1, H, k, "the last piece is shorter")
    yield case("last piece", 1, 2, H, 5, "one short piece")
    yield case("sizes of 1", 1, 4, 1, 1, "pieces of one step")
    yield case("sizes of 1", B, 1, H, 1, "one step")


def _truncated_window(dy: Array, h: Array, W_hh: Array, k: int) -> Array:
    """Let each loss flow back through k steps of its own."""
    dz = np.zeros_like(h)
    for t in range(h.shape[1]):
        path = dy[:, t]
        for s in range(t, max(t - k, -1), -1):
            path = path * (1 - h[:, s] ** 2)
            dz[:, s] += path
            path = path @ W_hh
    return dz


def _truncated_by_step(dy: Array, h: Array, W_hh: Array, k: int) -> Array:
    """Go back once, forgetting the gradient at each border."""
    T, dz = h.shape[1], np.zeros_like(h)
    for t in range(T - 1, -1, -1):
        border = t == T - 1 or (t + 1) % k == 0
        later = 0 if border else dz[:, t + 1] @ W_hh
        dz[:, t] = (dy[:, t] + later) * (1 - h[:, t] ** 2)
    return dz


TRUNCATED = Exercise(
    id="6-9",
    title="Mend it: truncated backpropagation",
    marks={"values": 2, "last piece": 1, "sizes of 1": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("dz",),
    reference=truncated_backward,
    cases=_truncated_cases,
    mistakes={
        "Both faults are still there: what is left of dh leaks from one piece into the "
        "next, and the last piece is skipped if T is no multiple of k.": (
            lambda dy, h, W, k: _in_pieces(dy, h, W, _whole_pieces(h, k), k, cut=False)
        ),
        "One fault is left: dh must start from zero in every piece. Here it leaks from "
        "the beginning of one piece to the end of the next.": (
            lambda dy, h, W, k: _in_pieces(
                dy, h, W, range(0, h.shape[1], k), k, cut=False
            )
        ),
        "One fault is left: if T is no multiple of k, the last, shorter piece is "
        "skipped.": lambda dy, h, W, k: _in_pieces(dy, h, W, _whole_pieces(h, k), k),
        "Nothing is cut: this is the whole backpropagation through time.": (
            lambda dy, h, W, k: truncated_backward(dy, h, W, h.shape[1])
        ),
        "The pieces are one step too long.": (
            lambda dy, h, W, k: truncated_backward(dy, h, W, k + 1)
        ),
        "Here each loss flows back through k steps of its own; asked are fixed pieces, "
        "with a border after every k-th step.": _truncated_window,
        "The pieces are counted from the end; the first one begins at step 0.": (
            lambda dy, h, W, k: (
                _in_pieces(dy, h, W, range(h.shape[1] % k - k, h.shape[1], k), k)
                if h.shape[1] % k
                else truncated_backward(dy, h, W, k)
            )
        ),
    },
    also_right=(
        _truncated_by_step,
        lambda dy, h, W, k: np.concatenate(
            [
                truncated_backward(dy[:, s : s + k], h[:, s : s + k], W, k)
                for s in range(0, h.shape[1], k)
            ],
            axis=1,
        ),
    ),
)

# 6-10 --------------------------------------------------------------------------------


def random_truncation(b: Array, c: Array, p: Array, u: Array) -> Array:
    """Return N estimates of a_T, each from its own row of u (N, T), uniform in 0 to 1.

    Step t keeps its past with probability p_t, so that the mean is a_T.
    """
    return _randomized(b, c, np.where(u < p, 1 / p, 0))


def _randomized(b: Array, c: Array, weight: Array) -> Array:
    """Run a_t = b_t + weight_t c_t a_{t-1} for each row of weight (N, T)."""
    a = np.zeros(len(weight))
    for t in range(len(b)):
        a = b[t] + weight[:, t] * c[t] * a
    return a


def mean(estimates: Array) -> Array:
    """Return the mean over all draws."""
    return np.mean(estimates, axis=0)


def sorted_draws(estimates: Array) -> Array:
    """Return the estimates in order, whichever draw each came from."""
    return np.sort(estimates, axis=0)


def _random_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, view: Callable[[Array], Array]) -> Case:
        levels = (np.arange(5) + 0.5) / 5  # all combinations of T of these numbers
        u = np.stack(np.meshgrid(*[levels] * T), axis=-1).reshape(-1, T)
        p = rng.choice([0.2, 0.4, 0.6, 0.8], T)
        b, c = rng.uniform(0.5, 2, T), rng.uniform(0.5, 1.5, T)
        return Case(aspect, (b, c, p, rng.permutation(u)), view=view)

    yield case("expectation", 4, mean)
    yield case("expectation", 3, mean)
    yield case("every draw", 4, sorted_draws)
    yield case("sizes of 1", 1, sorted_draws)


def _random_by_products(b: Array, c: Array, p: Array, u: Array) -> Array:
    """Use the closed form: each b_i times the weights of the steps after it."""
    weight = np.where(u > 1 - p, c / p, 0)  # the other end of the interval
    total = np.zeros(len(u))
    for i in range(len(b)):
        total += b[i] * np.prod(weight[:, i + 1 :], axis=1)
    return total


RANDOM = Exercise(
    id="6-10",
    title="Cut by chance, right on average",
    marks={"expectation": 2, "every draw": 1, "sizes of 1": 1},
    difficulty=3,
    importance=1,
    minutes=20,
    returns=("estimates",),
    reference=random_truncation,
    cases=_random_cases,
    mistakes={
        "Without a weight the kept terms are too small on average: a past that "
        "survives with probability p_t must count 1 / p_t times.": (
            lambda b, c, p, u: _randomized(b, c, np.where(u < p, 1.0, 0))
        ),
        "The weight is upside down: divide by p_t.": (
            lambda b, c, p, u: _randomized(b, c, np.where(u < p, p, 0))
        ),
        "The past is kept with probability 1 - p_t, but weighted for p_t: u < p "
        "happens with probability p.": (
            lambda b, c, p, u: _randomized(b, c, np.where(u > p, 1 / p, 0))
        ),
        "The past is dropped with probability p_t and weighted for that; p_t is the "
        "probability of keeping it.": (
            lambda b, c, p, u: _randomized(b, c, np.where(u > p, 1 / (1 - p), 0))
        ),
        "Only the past is random: b_t itself is always there, with weight 1.": (
            lambda b, c, p, u: (
                _randomized(b, c, np.where(u < p, 1 / p, 0))
                * np.where(u[:, -1] < p[-1], 1 / p[-1], 0)
            )
        ),
        "This is the exact a_T: each row of u must make its own cuts.": (
            lambda b, c, p, u: _randomized(b, c, np.ones_like(u))
        ),
        "Nothing is cut: the weight 1 / p_t belongs only to draws that keep the past, "
        "the others have weight 0.": (
            lambda b, c, p, u: _randomized(b, c, np.ones_like(u) / p)
        ),
    },
    also_right=(
        _random_by_products,
        lambda b, c, p, u: [
            float(random_truncation(b, c, p, row[None])[0]) for row in u
        ],
    ),
)
