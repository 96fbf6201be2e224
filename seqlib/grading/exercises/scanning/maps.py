"""One unit over a signal, an MLP over a recording, kernels over a picture.

One example at a time: C channels, T places or H by W, S units, windows of K places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes


def away(rng: Rng, *shape: int) -> Array:
    """Draw numbers that are not near 0, so that none goes unseen."""
    return rng.choice([-1, 1], shape) * rng.uniform(0.4, 1.4, shape)


def cut(x: Array, *window: int) -> Array:
    """Return all windows of x's last axes, places first, then what is in the window."""
    axes = tuple(range(-len(window), 0))
    return np.lib.stride_tricks.sliding_window_view(x, window, axes)


# 3-1 ---------------------------------------------------------------------------------


def slide(x: Array, w: Array, b: float) -> Array:
    """Return the answers (T - K + 1,) of a unit w (K,), bias b, to x (T,)."""
    return (cut(x, len(w)) @ w + b).astype(x.dtype)


def _slide_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, K: int, note: str = "") -> Case:
        x, w, b = away(rng, T), away(rng, K), float(away(rng))
        if aspect == FLOAT32:
            x, w = x.astype("float32"), w.astype("float32")
        return Case(aspect, (x, w, b), note)

    yield case("values", int(rng.integers(8, 12)), 3)
    yield case("values", int(rng.integers(8, 12)), 4)
    yield case("edges", 5, 5, "one window")
    yield case("edges", 4, 1, "a window of one place")
    yield case(FLOAT32, 7, 3)


def _slide_same(x: Array, w: Array, b: float) -> Array:
    padded = np.pad(x, ((len(w) - 1) // 2, len(w) // 2))
    return slide(padded, w, b)


def _slide_loop(x: Array, w: Array, b: float) -> Array:
    out = np.empty(len(x) - len(w) + 1, x.dtype)
    for t in range(len(out)):
        out[t] = b + sum(w[k] * x[t + k] for k in range(len(w)))
    return out


def _slide_by_weights(x: Array, w: Array, b: float) -> Array:
    out = np.full(len(x) - len(w) + 1, b, x.dtype)
    for k in range(len(w)):
        out += w[k] * x[k : k + len(out)]
    return out


def _slide_blocks(x: Array, w: Array, b: float) -> Array:
    return slide(x, w, b)[:: len(w)]


SLIDE = Exercise(
    id="3-1",
    title="One unit, everywhere",
    marks={"values": 1, "edges": 1, FLOAT32: 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("z",),
    reference=slide,
    cases=_slide_cases,
    mistakes={
        "The bias is left out.": lambda x, w, b: slide(x, w, 0.0),
        "The bias is added once for each weight; it is added once a place.": (
            lambda x, w, b: slide(x, w, len(w) * b)
        ),
        "The kernel is flipped: w[0] meets the first number of the window. np.convolve "
        "flips, np.correlate does not.": lambda x, w, b: slide(x, w[::-1], b),
        "The last window is missing: T numbers hold T - K + 1 windows of K.": (
            lambda x, w, b: slide(x, w, b)[:-1]
        ),
        "Windows that hang over the edge are not asked for: no zeros before or after "
        "the signal.": _slide_same,
        "The window must move on by one place, not by its own width: windows "
        "overlap.": (_slide_blocks),
        "This is the sum in each window; multiply by the weights first.": (
            lambda x, w, b: slide(x, np.ones_like(w), b)
        ),
        "The answer is z itself, without an activation.": (
            lambda x, w, b: np.tanh(slide(x, w, b))
        ),
        "Only the first window is there: move it over the signal.": (
            lambda x, w, b: slide(x, w, b)[:1]
        ),
        "The answers are float64: a float32 signal and float32 weights give float32.": (
            lambda x, w, b: slide(x.astype(float), w, b)
        ),
    },
    also_right=(
        _slide_loop,
        _slide_by_weights,
        lambda x, w, b: np.correlate(x, w, "valid") + x.dtype.type(b),
        lambda x, w, b: np.convolve(x, w[::-1], "valid") + x.dtype.type(b),
    ),
)

# 3-2 ---------------------------------------------------------------------------------


def scan_for(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """Return the largest answer (O,) of an MLP to any window of x (C, T)."""
    return _scan_for()(x, W1, b1, W2, b2)


def _scan_for(
    f: Callable[[Array], Array] = np.tanh,
    flat: Callable[[Array], Array] = lambda windows: windows.reshape(len(windows), -1),
    pool: Callable[[Array], Array] = lambda y: y.max(axis=0),
    step: int | None = 1,
) -> Callable:
    """Return a scan; the options are the mistakes that one can make."""

    def scanned(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
        K = W1.shape[1] // len(x)
        windows = cut(x, K).transpose(1, 0, 2)[:: step or K]  # (places, C, K)
        return pool(f(flat(windows) @ W1.T + b1) @ W2.T + b2)

    return scanned


def _scan_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, C: int, T: int, K: int, H: int, O: int, note: str) -> Case:
        x = rng.normal(size=(C, T))
        layers = away(rng, H, C * K) / np.sqrt(K), away(rng, H), away(rng, O, H)
        return Case(aspect, (x, *layers, away(rng, O)), note)

    C, K, H, O = sizes(rng, 2, 3, 3, 2)
    yield case("values", C, 12, K, H, O, "")
    yield case("values", 2, 15, 3, 4, 3, "")
    yield case("edges", 3, 4, 4, 3, 2, "one window")
    yield case("edges", 1, 9, 2, 3, 2, "one channel")
    yield case("edges", 3, 7, 1, 4, 1, "windows of one frame")


def _scan_max_too_early(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    windows = cut(x, W1.shape[1] // len(x)).transpose(1, 0, 2)
    hidden = np.tanh(windows.reshape(len(windows), -1) @ W1.T + b1)
    return hidden.max(axis=0) @ W2.T + b2


def _scan_loop(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    K, best = W1.shape[1] // x.shape[0], np.full(len(b2), -np.inf)
    for t in range(x.shape[1] - K + 1):
        hidden = np.tanh(W1 @ x[:, t : t + K].reshape(-1) + b1)
        best = np.maximum(best, W2 @ hidden + b2)
    return best


def _scan_as_convolution(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    C, T = x.shape
    kernels = W1.reshape(len(W1), C, -1)
    K = kernels.shape[2]
    z = sum(kernels[:, :, k] @ x[:, k : T - K + 1 + k] for k in range(K))
    maps = W2 @ np.tanh(z + b1[:, None]) + b2[:, None]
    return np.amax(maps, axis=1)


SCAN = Exercise(
    id="3-2",
    title="Is the word in the recording?",
    marks={"values": 2, "edges": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("y",),
    reference=scan_for,
    cases=_scan_cases,
    mistakes={
        "A window is flattened channel by channel, x[:, t : t + K].reshape(-1); here "
        "it goes frame by frame.": (
            _scan_for(flat=lambda u: u.transpose(0, 2, 1).reshape(len(u), -1))
        ),
        "The tanh of the first layer is missing.": _scan_for(f=lambda z: z),
        "The hidden layer has np.tanh, not a ReLU.": _scan_for(
            f=lambda z: np.maximum(z, 0)
        ),
        "This is the mean of the answers; one window with the word is enough, so take "
        "the maximum.": _scan_for(pool=lambda y: y.mean(axis=0)),
        "These are the answers for all windows; take the largest for each output.": (
            _scan_for(pool=lambda y: y)
        ),
        "The maximum was taken over the outputs; it goes over the windows.": (
            _scan_for(pool=lambda y: y.max(axis=1))
        ),
        "The maximum was taken over the hidden units, before the second layer: each "
        "window must first give its own answer.": _scan_max_too_early,
        "The window must move on by one frame, not by its own width: the word may "
        "begin anywhere.": _scan_for(step=None),
        "The answers have no activation: W2 h + b2 is the answer.": (
            lambda *args: np.tanh(scan_for(*args))
        ),
        "The bias b1 is left out.": (
            lambda x, W1, b1, W2, b2: scan_for(x, W1, 0 * b1, W2, b2)
        ),
        "The bias b2 is left out.": (
            lambda x, W1, b1, W2, b2: scan_for(x, W1, b1, W2, 0 * b2)
        ),
    },
    also_right=(_scan_loop, _scan_as_convolution),
)
