"""A window over the last days: its output, its reach and its price."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 4-1 ---------------------------------------------------------------------------------


def slide(x: Array, w: Array, past: Array) -> Array:
    """Return y_t = w_0 x_t + ... + w_N x_{t-N} (B, T), for x (B, T), past (B, N)."""
    return _slide(np.concatenate([past, x], axis=1), w)


def _slide(long: Array, w: Array) -> Array:
    """Show every window of `long` (B, N + T) to the weights, latest first."""
    windows = np.lib.stride_tricks.sliding_window_view(long, len(w), axis=1)
    return windows @ w[::-1]


def _slide_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, N: int, *, note: str = "") -> Case:
        w = rng.uniform(0.3, 1.5, N + 1) * rng.choice([-1, 1], N + 1)
        x, past = rng.normal(size=(B, T)), rng.normal(size=(B, N))
        return Case(aspect, (x, w, past), note)

    B, T, N = sizes(rng, 2, 5, 3)
    yield case("values", B, T, N)
    yield case("values", *sizes(rng, 3, 6, 2))
    yield case("short series", 2, 2, 5, note="a window longer than x")
    yield case("sizes of 1", 1, 1, 2, note="one day")
    yield case("sizes of 1", 2, 4, 0, note="no past in the window")


def _slide_late(x: Array, w: Array, past: Array) -> Array:
    """Leave today out: the newest day in the window is yesterday."""
    before = np.zeros((len(x), 1))
    return slide(np.concatenate([before, x[:, :-1]], axis=1), w, past)


def _slide_short(x: Array, w: Array, past: Array) -> Array:
    """Begin with the first window that lies in x."""
    return slide(x, w, past)[:, len(w) - 1 :]


def _slide_ahead(x: Array, w: Array, past: Array) -> Array:
    """Let the window begin today."""
    return _slide(np.concatenate([x, past], axis=1), w[::-1])


def _slide_last_weight_lost(x: Array, w: Array, past: Array) -> Array:
    return slide(x, np.append(w[:-1], 0), past)


def _slide_in_place(x: Array, w: Array, past: Array) -> Array:
    w[:] = w[::-1].copy()
    windows = np.concatenate([past, x], axis=1)
    return np.lib.stride_tricks.sliding_window_view(windows, len(w), axis=1) @ w


def _slide_one_by_one(x: Array, w: Array, past: Array) -> Array:
    N, y = len(w) - 1, np.zeros_like(x)
    for b in range(x.shape[0]):
        days = [*past[b], *x[b]]
        for t in range(x.shape[1]):
            y[b, t] = sum(w[n] * days[N + t - n] for n in range(N + 1))
    return y


def _slide_by_lags(x: Array, w: Array, past: Array) -> Array:
    N, T = len(w) - 1, x.shape[1]
    long = np.concatenate([past, x], axis=1)
    return sum(w[n] * long[:, N - n : N - n + T] for n in range(N + 1))


WINDOW = Exercise(
    id="4-1",
    title="A window over the last days",
    marks={"values": 2, "short series": 1, "sizes of 1": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("y",),
    reference=slide,
    cases=_slide_cases,
    mistakes={
        "The weights stand the wrong way round: w[0] belongs to today, w[N] to the "
        "oldest day in the window.": lambda x, w, past: slide(x, w[::-1], past),
        "The days before x count as zeros here; they are given, in `past`.": (
            lambda x, w, past: slide(x, w, 0 * past)
        ),
        "`past` is in the order of time: its last column is the day before x begins.": (
            lambda x, w, past: slide(x, w, past[:, ::-1])
        ),
        "Today is left out: the window ends with x_t, not with x_{t-1}.": _slide_late,
        "There is an output for every day of x. Those of the first days need `past`.": (
            _slide_short
        ),
        "The window reaches into the days to come; it ends today.": _slide_ahead,
        "A width of N means N + 1 inputs. The oldest day does not count here.": (
            _slide_last_weight_lost
        ),
        "The outputs of the past days are returned as well; T outputs are asked for.": (
            lambda x, w, past: _slide(np.concatenate([0 * past, past, x], axis=1), w)
        ),
        "This is an average, divided by the number of days; a weighted sum is asked "
        "for.": lambda x, w, past: slide(x, w, past) / len(w),
        "`w[:] = …` turns the caller's own weights round; `w[::-1]` makes a turned "
        "view and leaves them.": _slide_in_place,
    },
    also_right=(
        _slide_one_by_one,
        _slide_by_lags,
        lambda x, w, past: np.stack(
            [
                np.convolve(row, w)[len(w) - 1 : len(row)]
                for row in np.concatenate([past, x], axis=1)
            ]
        ),
    ),
)

# 4-2 ---------------------------------------------------------------------------------


def reach_and_size(kernels: list[int], channels: list[int]) -> tuple[int, int]:
    """Return the width N of a TDNN of several layers, and its number of parameters."""
    return _reach(kernels), _size(kernels, channels)


def _reach(kernels: list[int]) -> int:
    return sum(K - 1 for K in kernels)


def _size(kernels: list[int], channels: list[int], biases: int = 1) -> int:
    pairs = zip(kernels, channels[:-1], channels[1:], strict=True)
    return sum(O * (C * K + biases) for K, C, O in pairs)


def _reach_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, L: int, low: int = 2) -> Case:
        kernels = [int(K) for K in rng.integers(low, 7, L)]
        channels = [int(C) for C in rng.choice(np.arange(2, 12), L + 1, replace=False)]
        return Case(aspect, (kernels, channels))

    yield case("one layer", 1)
    yield case("one layer", 1, 5)
    yield case("deep", 2, 3)
    yield case("deep", 3)
    yield case("deep", 4)


def _size_as_mlp(kernels: list[int], channels: list[int]) -> tuple[int, int]:
    """Count each layer's window anew at all days that the layers above look at."""
    n, total = 1, 0
    for K, C, O in reversed(
        list(zip(kernels, channels[:-1], channels[1:], strict=True))
    ):
        total += n * O * (C * K + 1)
        n += K - 1
    return _reach(kernels), total


COST = Exercise(
    id="4-2",
    title="Predict, then measure: how far, how dear?",
    marks={"one layer": 1, "deep": 2},
    difficulty=1,
    importance=2,
    minutes=15,
    returns=("N", "parameters"),
    reference=reach_and_size,
    cases=_reach_cases,
    mistakes={
        "A kernel of K places looks at today and at K - 1 days before, so it adds "
        "K - 1 to the width.": lambda k, c: (sum(k), _size(k, c)),
        "This counts the days in the window, N + 1; the width is one less.": (
            lambda k, c: (_reach(k) + 1, _size(k, c))
        ),
        "The widths of the layers add up; they do not multiply.": (
            lambda k, c: (int(np.prod([K - 1 for K in k])), _size(k, c))
        ),
        "The width grows with every layer, not with the widest alone.": (
            lambda k, c: (max(k) - 1, _size(k, c))
        ),
        "The biases are missing: one for each channel that comes out of a layer.": (
            lambda k, c: (_reach(k), _size(k, c, 0))
        ),
        "A layer has a bias for each channel that comes out, not one in all.": (
            lambda k, c: (_reach(k), _size(k, c, 0) + len(k))
        ),
        "The biases belong to the channels that come out of a layer, not to those "
        "that go in.": lambda k, c: (_reach(k), _size(k, c, 0) + sum(c[:-1])),
        "The kernel's K places got lost: each channel that goes in has K weights for "
        "each that comes out.": lambda k, c: (_reach(k), _size([1] * len(k), c)),
        "Weights are shared over time: a layer's kernel counts once, however many days "
        "it is used on.": _size_as_mlp,
        "The two numbers are exchanged: the width first.": (
            lambda k, c: reach_and_size(k, c)[::-1]
        ),
    },
    also_right=(
        lambda k, c: (
            int(np.sum(k)) - len(k),
            int(np.dot(np.multiply(c[:-1], c[1:]), k)) + sum(c[1:]),
        ),
    ),
)
