"""Backward through the convolution of the state."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, states

from .maps import conv

# 10-6 --------------------------------------------------------------------------------


def state_back(delta: Array, W_hh: Array) -> Array:
    """Return the gradient (F, H, W) at h for delta (G, H, W) at conv(h, W_hh)."""
    return conv(delta, W_hh.swapaxes(0, 1)[:, :, ::-1, ::-1])


def _back_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, F: int, H: int, W: int, *, K: int, note: str = "") -> Case:
        G = 4 * F
        args = rng.normal(size=(G, H, W)), rng.normal(size=(G, F, K, K))
        return Case(aspect, args, note)

    yield case("values", *sizes(rng, 2, 4, 4), K=3)
    yield case("values", *sizes(rng, 2, 5, 6), K=5)
    yield case("one pixel", 2, 3, 4, K=1, note="a kernel of one pixel")
    yield case("one pixel", 3, 1, 1, K=3, note="a frame of one pixel")
    yield case("one map", 1, 4, 5, K=3, note="one map")


def _back_by_scattering(delta: Array, W_hh: Array) -> Array:
    """Add what each place of delta owes to the places that it had looked at."""
    F, K = W_hh.shape[1:3]
    p, (H, W) = K // 2, delta.shape[1:]
    dh = np.zeros((F, H + 2 * p, W + 2 * p))
    for i, j in np.ndindex(H, W):
        dh[:, i : i + K, j : j + K] += np.einsum("g,gfkl->fkl", delta[:, i, j], W_hh)
    return dh[:, p : p + H, p : p + W]


def _back_padded(delta: Array, W_hh: Array) -> Array:
    p = W_hh.shape[-1] // 2
    wide = np.pad(delta, ((0, 0), (p, p), (p, p)))
    return state_back(wide, W_hh)


def _back_one_axis(delta: Array, W_hh: Array) -> Array:
    return conv(delta, W_hh.swapaxes(0, 1)[:, :, ::-1])


def _back_wrapped(delta: Array, W_hh: Array) -> Array:
    p = W_hh.shape[-1] // 2
    dh = np.zeros((W_hh.shape[1], *delta.shape[1:]))
    for k, l in np.ndindex(W_hh.shape[2:]):
        moved = np.roll(delta, (k - p, l - p), axis=(1, 2))
        dh += np.einsum("gf,gij->fij", W_hh[:, :, k, l], moved)
    return dh


STATE_BACK = Exercise(
    id="10-6",
    title="Backward to the state",
    marks={"values": 3, "one pixel": 1, "one map": 1},
    difficulty=3,
    importance=3,
    minutes=25,
    returns=("dh",),
    reference=state_back,
    cases=_back_cases,
    mistakes={
        "Walking back, the taps come in the opposite order: turn the kernel round, "
        "both its rows and its columns.": (
            lambda delta, W: conv(delta, W.swapaxes(0, 1))
        ),
        "Only one axis of the kernel is turned; rows and columns both must be.": (
            _back_one_axis
        ),
        "Transposing is not turning: the rows and the columns of the kernel each run "
        "backwards.": (lambda delta, W: conv(delta, W.swapaxes(0, 1).swapaxes(2, 3))),
        "The gradient is as large as the state: cut off what went into the padding.": (
            _back_padded
        ),
        "What a place had looked at beyond the edge is padding, and its gradient goes "
        "nowhere; here it comes in again on the other side.": _back_wrapped,
        "All 4F channels of delta lead back to h: here only the first F are used.": (
            lambda delta, W: state_back(delta[: W.shape[1]], W[: W.shape[1]])
        ),
        "The mean over the channels is taken; all paths add up.": (
            lambda delta, W: state_back(delta, W) / len(delta)
        ),
    },
    also_right=(_back_by_scattering,),
)

# 10-7 --------------------------------------------------------------------------------


def weight_back(deltas: Array, h: Array, K: int) -> Array:
    """Return the gradient (G, F, K, K) at W_hh, for deltas (T, G, H, W) and states."""
    return _weight_back(deltas, h[:-1], K)


def _weight_back(deltas: Array, before: Array, K: int, shift: int = 0) -> Array:
    p, (H, W) = K // 2, before.shape[2:]
    padded = np.pad(before, ((0, 0), (0, 0), (p, p), (p, p)))
    dW = np.zeros((deltas.shape[1], before.shape[1], K, K))
    for k, l in np.ndindex(K, K):
        seen = padded[:, :, k : k + H, l : l + W]
        dW[:, :, k, l] = np.einsum("tgij,tfij->gf", deltas, seen)
    return dW


def _weight_cases(rng: Rng) -> Iterator[Case]:
    def case(
        aspect: str, T: int, F: int, H: int, W: int, *, K: int, note: str = ""
    ) -> Case:
        deltas, h = rng.normal(size=(T, 4 * F, H, W)), states(rng, T + 1, F, H, W)
        return Case(aspect, (deltas, h, K), note)

    yield case("values", *sizes(rng, 3, 2, 4, 4), K=3)
    yield case("values", *sizes(rng, 2, 2, 5, 5), K=5)
    yield case("one step", 1, 2, 4, 5, K=3, note="one step")
    yield case("one pixel", 3, 2, 4, 5, K=1, note="a kernel of one pixel")


def _weight_by_pixels(deltas: Array, h: Array, K: int) -> Array:
    (T, G, H, W), F, p = deltas.shape, h.shape[1], K // 2
    dW = np.zeros((G, F, K, K))
    for t, i, j, k, l in np.ndindex(T, H, W, K, K):
        a, b = i + k - p, j + l - p
        if 0 <= a < H and 0 <= b < W:
            dW[:, :, k, l] += np.outer(deltas[t, :, i, j], h[t, :, a, b])
    return dW


WEIGHT_BACK = Exercise(
    id="10-7",
    title="Backward to a weight that was used everywhere",
    marks={"values": 3, "one step": 1, "one pixel": 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=25,
    returns=("dW_hh",),
    reference=weight_back,
    cases=_weight_cases,
    mistakes={
        "delta_t meets the state before step t: h[t] here, since h[0] is the first "
        "state. You pair it with the state after.": (
            lambda deltas, h, K: _weight_back(deltas, h[1:], K)
        ),
        "Only the last step is counted; the weight was used at all of them.": (
            lambda deltas, h, K: _weight_back(deltas[-1:], h[-2:-1], K)
        ),
        "Only the first step is counted; the weight was used at all of them.": (
            lambda deltas, h, K: _weight_back(deltas[:1], h[:1], K)
        ),
        "The sum over the steps is divided by T; the loss is no mean here.": (
            lambda deltas, h, K: weight_back(deltas, h, K) / len(deltas)
        ),
        "The sum over places is divided by H * W; all uses add up.": (
            lambda deltas, h, K: weight_back(deltas, h, K) / (h.shape[2] * h.shape[3])
        ),
        "This kernel's gradient is turned round by 180 degrees; only the way back to "
        "the state is.": lambda *a: weight_back(*a)[:, :, ::-1, ::-1],
        "Rows and columns of the kernel are exchanged.": (
            lambda *a: weight_back(*a).swapaxes(2, 3)
        ),
        "The steps are paired in the opposite order.": (
            lambda deltas, h, K: _weight_back(deltas[::-1], h[:-1], K)
        ),
        "The shape is that of W_hh: outputs first, (4F, F, K, K).": (
            lambda *a: weight_back(*a).swapaxes(0, 1)
        ),
    },
    also_right=(_weight_by_pixels,),
)
