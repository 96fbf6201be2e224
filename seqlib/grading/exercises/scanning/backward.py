"""The way back through a convolution."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

from .maps import away

# 3-8 ---------------------------------------------------------------------------------


def conv_back(dz: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Return dx (C, T), dw (S, C, K), db (S,) from dz (S, T - K + 1)."""
    return _conv_back()(dz, x, w)


def _conv_back(
    flips: bool = True,
    edge: Callable[[int], int] = lambda K: K - 1,
    turned: bool = False,
    mean: bool = False,
    bias: Callable[[Array], Array] = lambda dz: dz.sum(axis=1),
) -> Callable:
    """Return a backward pass; the options are the mistakes that one can make."""

    def back(dz: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
        _, C, K = w.shape
        places = dz.shape[1]
        dw = np.stack([dz @ x[:, k : k + places].T for k in range(K)], axis=2)
        dw = dw / places if mean else dw
        padded = np.pad(dz, ((0, 0), (K - 1, K - 1)))
        padded = np.roll(padded, K - 1 - edge(K), axis=1)
        kernel = w[:, :, ::-1] if flips else w
        dx = np.zeros((C, places + K - 1))
        for u in range(dx.shape[1]):
            dx[:, u] = np.einsum("spk,sk->p", kernel, padded[:, u : u + K])
        return dx, dw[:, :, ::-1] if turned else dw, bias(dz)

    return back


def _back_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, S: int, C: int, K: int, T: int, note: str = "") -> Case:
        x, w = away(rng, C, T), away(rng, S, C, K)
        return Case(aspect, (away(rng, S, T - K + 1), x, w), note)

    S, C, K = sizes(rng, 2, 2, 3)
    yield case("values", S, C, K, K + 5)
    yield case("values", 3, 2, 4, 9)
    yield case("edges", 1, 1, 3, 6, "one unit, one channel")
    yield case("edges", 2, 3, 4, 4, "one window")
    yield case("edges", 2, 3, 1, 5, "windows of one place")


def _back_by_copies(dz: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Hand out a copy of the kernel for each blame, place by place."""
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    K = w.shape[2]
    for s, t in np.ndindex(dz.shape):
        dx[:, t : t + K] += dz[s, t] * w[s]
        dw[s] += dz[s, t] * x[:, t : t + K]
    return dx, dw, np.einsum("st->s", dz)


def _back_by_convolve(dz: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    S, C, _ = w.shape
    dx = [sum(np.convolve(dz[s], w[s, p]) for s in range(S)) for p in range(C)]
    dw = [[np.correlate(x[p], dz[s], "valid") for p in range(C)] for s in range(S)]
    return np.array(dx), np.array(dw), dz @ np.ones(dz.shape[1])


def _back_only_first(dz: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    _, dw, db = conv_back(dz, x, w)
    return conv_back(dz[:1], x, w[:1])[0], dw, db


def _back_in_place(dz: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    results = conv_back(dz, x, w)
    x[:] = results[0]
    return x, *results[1:]


MEND = Exercise(
    id="3-8",
    title="Mend it: the way back",
    marks={"values": 2, "edges": 2, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=25,
    returns=("dx", "dw", "db"),
    reference=conv_back,
    cases=_back_cases,
    mistakes={
        "Both faults are still there: the kernel is not flipped on its way back, and "
        "the bias gets a mean where the blames add up.": _conv_back(
            flips=False, bias=lambda dz: dz.mean(axis=1)
        ),
        "One fault is left: x[u] was met by w[0] at place u, by w[1] at u - 1, and so "
        "on, so the kernel must be flipped for dx.": _conv_back(flips=False),
        "One fault is left: the bias is used at every place, so its derivatives add "
        "up; no mean.": _conv_back(bias=lambda dz: dz.mean(axis=1)),
        "The bias has one number for each unit: sum dz over places, not over units.": (
            _conv_back(bias=lambda dz: dz.sum(axis=0))
        ),
        "Each unit has its own bias; here the blames of all units are added.": (
            _conv_back(bias=lambda dz: np.full(len(dz), dz.sum()))
        ),
        "dx is one place off: put K - 1 zeros before the blame, so that window u ends "
        "at blame u.": _conv_back(edge=lambda K: K - 2),
        "dw is flipped: dw[s, p, 0] is the blame times the inputs from place 0 on. "
        "Only dx wants the flip.": _conv_back(turned=True),
        "The weights are used at every place, and their derivatives add up; this is "
        "the mean.": _conv_back(mean=True),
        "dx has only what unit 0 sends back; sum over all units s.": _back_only_first,
        "dx was written into x, which belongs to the caller.": _back_in_place,
        "The order is dx, dw, db.": lambda *args: [
            conv_back(*args)[i] for i in (1, 0, 2)
        ],
    },
    also_right=(_back_by_copies, _back_by_convolve),
)

# 3-9 ---------------------------------------------------------------------------------


def stride_back(dz: Array, w: Array, S: int, T: int) -> Array:
    """Return dx (T,) from dz (T',), where z[t] = sum of w[k] x[t S + k]."""
    return _stride_back()(dz, w, S, T)


def _stride_back(
    place: Callable[[int, int, int, int], int] = lambda t, k, S, K: t * S + k,
    adds: bool = True,
) -> Callable:
    """Return a way back; `place` says where blame t of weight k lands."""

    def back(dz: Array, w: Array, S: int, T: int) -> Array:
        dx, K = np.zeros(T), len(w)
        for t, k in np.ndindex(len(dz), K):
            u = place(t, k, S, K)
            if 0 <= u < T:
                dx[u] = (dx[u] if adds else 0) + dz[t] * w[k]
        return dx

    return back


def _stride_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, K: int, S: int, T: int, note: str) -> Case:
        return Case(aspect, (away(rng, (T - K) // S + 1), away(rng, K), S, T), note)

    yield case("values", 3, 2, 11, "stride 2")
    yield case("values", 4, 3, 13, "stride 3")
    yield case("stride 1", 3, 1, 8, "stride 1")
    yield case("gaps", 2, 3, 11, "a stride wider than the window")
    yield case("gaps", 3, 2, 10, "a last place that nobody sees")
    yield case("gaps", 4, 4, 15, "three last places that nobody sees")


def _stride_by_zeros(dz: Array, w: Array, S: int, T: int) -> Array:
    spread = np.zeros((len(dz) - 1) * S + 1)
    spread[::S] = dz
    dx = np.convolve(spread, w)
    return np.concatenate([dx, np.zeros(T - len(dx))])


def _stride_by_taps(dz: Array, w: Array, S: int, T: int) -> Array:
    dx = np.zeros(T)
    for k in range(len(w)):
        dx[k : k + S * (len(dz) - 1) + 1 : S] += w[k] * dz
    return dx


def _stride_too_short(dz: Array, w: Array, S: int, T: int) -> Array:
    return stride_back(dz, w, S, T)[: (len(dz) - 1) * S + len(w)]


def _stride_too_many_zeros(dz: Array, w: Array, S: int, T: int) -> Array:
    return _stride_back(lambda t, k, S, K: t * (S + 1) + k)(dz, w, S, T)


STRIDE = Exercise(
    id="3-9",
    title="Derive: the way back with a stride",
    marks={"values": 2, "stride 1": 1, "gaps": 2},
    difficulty=3,
    importance=2,
    minutes=25,
    returns=("dx",),
    reference=stride_back,
    cases=_stride_cases,
    mistakes={
        "The stride plays no part: blame t belongs to the window that begins at "
        "t * S.": (_stride_back(lambda t, k, S, K: t + k)),
        "The kernel is flipped once too often: blame t sends w[0] to place t * S, w[1] "
        "to the next.": _stride_back(lambda t, k, S, K: t * S + K - 1 - k),
        "Windows overlap, and what lands on one place is added; here the last one "
        "wins.": _stride_back(adds=False),
        "Between two blames stand S - 1 zeros, not S.": _stride_too_many_zeros,
        "The weights, too, were spread out by the stride; only the windows are.": (
            _stride_back(lambda t, k, S, K: t * S + k * S)
        ),
        "dx must have all T places; those at the end that no window saw get 0.": (
            _stride_too_short
        ),
        "The windows begin at 0; here the zeros come before the first blame.": (
            _stride_back(lambda t, k, S, K: t * S + S - 1 + k)
        ),
        "Sum up what the weights send, do not average it.": (
            lambda dz, w, S, T: stride_back(dz, w / len(w), S, T)
        ),
    },
    also_right=(_stride_by_zeros, _stride_by_taps),
)
