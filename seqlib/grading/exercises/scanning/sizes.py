"""How large a map is, how much it sees, and how many numbers make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

from .maps import away

# 3-4 ---------------------------------------------------------------------------------


def predict(T: int, layers: Array) -> tuple[int, int, int]:
    """Return size, field and jump after layers (L, 3): window K, stride S, padding P.

    The last map's places, how much of the input one sees, and how far apart two look.
    """
    return _predict()(T, layers)


def _floor(a: int, b: int) -> int:
    return a // b


def _predict(
    divide: Callable[[int, int], int] = _floor,
    pads: int = 2,
    one: int = 1,
    width: Callable[[int, int], int] = lambda K, P: K - 1,
    early: bool = False,
    strides: bool = True,
    upwards: bool = True,
) -> Callable:
    """Return a prediction; the options are the mistakes that one can make."""

    def predicted(T: int, layers: Array) -> tuple[int, int, int]:
        size, field, jump = T, 1, 1
        for K, S, P in layers.tolist():
            size = divide(size + pads * P - K, S) + one
        for K, S, P in layers.tolist()[:: 1 if upwards else -1]:
            before, jump = jump, jump * S
            used = (jump if early else before) if strides else 1
            field += width(K, P) * used
        return size, field, jump

    return predicted


def _ceiling(a: int, b: int) -> int:
    return -(-a // b)


def _predict_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, *layers: tuple, note: str = "") -> Case:
        return Case(aspect, (T, np.array(layers)), note)

    T = int(rng.integers(60, 80))
    yield case("one layer", T, (5, 1, 0))
    yield case("one layer", 2 * T, (4, 3, 0), note="stride 3")
    yield case("one layer", 2 * T + 1, (4, 2, 0), note="stride 2")
    yield case("padding", T, (3, 1, 1), note="padding 1")
    yield case("padding", 2 * T, (5, 2, 3), (3, 1, 2), note="padding")
    yield case("deep", T, (3, 1, 0), (3, 1, 0), (4, 1, 0), note="three layers")
    yield case("deep", 4 * T, (4, 2, 0), (3, 2, 0), (3, 1, 0), note="strides")
    yield case(
        "deep", 4 * T, (7, 3, 1), (2, 2, 0), (5, 1, 2), (3, 2, 0), note="strides"
    )


def _predict_downwards(T: int, layers: Array) -> tuple[int, int, int]:
    """Go down from one unit, and multiply the strides."""
    field = 1
    for K, S, _ in layers[::-1]:
        field = (field - 1) * S + K
    size = T
    for K, S, P in layers:
        size = len(range(0, size + 2 * P - K + 1, S))
    return int(size), int(field), int(np.prod(layers[:, 1]))


PREDICT = Exercise(
    id="3-4",
    title="Predict, then measure: what does the last map see?",
    marks={"one layer": 1, "padding": 1, "deep": 2},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("size", "field", "jump"),
    reference=predict,
    cases=_predict_cases,
    mistakes={
        "Rounded up: a window that hangs over the end does not stand. Use //.": (
            _predict(_ceiling)
        ),
        "The padding stands before and after: 2 P.": _predict(pads=1),
        "The padding plays no part in the size.": _predict(pads=0),
        "One place is missing in the sizes: the window that stands at the very "
        "beginning counts, too, so + 1.": _predict(one=0),
        "A layer adds K - 1 jumps to the field, not K: the first of its K places was "
        "seen already.": _predict(width=lambda K, P: K),
        "Padding changes the size, not the field.": _predict(
            width=lambda K, P: K - 1 + 2 * P
        ),
        "The jump of a layer spreads what the layers *above* it see: let the field "
        "grow first, then multiply the jump by S.": _predict(early=True),
        "The field grows by (K - 1) jumps; here the strides below a layer do "
        "not count.": (_predict(strides=False)),
        "The strides are taken from the top; go through the layers from the input "
        "upwards.": _predict(upwards=False),
        "The order is size, field, jump.": (
            lambda T, layers: [predict(T, layers)[i] for i in (1, 0, 2)]
        ),
    },
    also_right=(
        _predict_downwards,
        lambda T, layers: [np.int64(n) for n in predict(T, layers)],
    ),
)

# 3-5 ---------------------------------------------------------------------------------


def count(C: int, layers: Array) -> tuple[int, int]:
    """Return the parameters, shared and written out, of layers (L, 3): units, K, S."""
    return _count()(C, layers)


def _count(
    bias: int = 1,
    inputs: bool = True,
    windows: bool = True,
    places: Callable[[int, int, int], int] = lambda m, K, S: (m - 1) * S + K,
    below: bool = True,
    own: bool = True,
) -> Callable:
    """Return a count; the options are the mistakes that one can make."""

    def counted(C: int, layers: Array) -> tuple[int, int]:
        shared, written = 0, 0
        m = [1]
        for _, K, S in layers.tolist()[::-1]:
            m.insert(0, places(m[0], K, S))
        N = C
        for l, (units, K, _) in enumerate(layers.tolist()):
            n = N if inputs else 1
            shared += units * (n * (K if windows else 1) + bias)
            low, high = m[l] if below else K, m[l + 1] if own else 1
            written += units * high * (n * low + bias)
            N = units
        return shared, written

    return counted


def _count_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, *windows: tuple, note: str = "") -> Case:
        C, *units = sizes(rng, *[3] * (len(windows) + 1))
        rows = [(N, *window) for N, window in zip(units, windows, strict=True)]
        return Case(aspect, (C, np.array(rows)), note)

    yield case("one layer", (6, 1), note="one layer")
    yield case("two layers", (4, 1), (3, 1), note="two layers")
    yield case("two layers", (6, 1), (1, 1), note="the second sees one place")
    yield case("strides", (6, 2), (6, 1), note="stride 2")
    yield case("strides", (4, 2), (3, 3), (3, 1), note="three layers, strides")


def _count_one_by_one(C: int, layers: Array) -> tuple[int, int]:
    shared, written, places = 0, 0, 1
    for l in range(len(layers))[::-1]:
        units, K, S = (int(n) for n in layers[l])
        N = int(layers[l - 1, 0]) if l else C
        shared += units * N * K + units
        inputs = (places - 1) * S + K
        written += units * places * N * inputs + units * places
        places = inputs
    return shared, written


PARAMETERS = Exercise(
    id="3-5",
    title="What sharing saves",
    marks={"one layer": 1, "two layers": 2, "strides": 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("shared", "written out"),
    reference=count,
    cases=_count_cases,
    mistakes={
        "Each unit has a bias, and written out each copy of it.": _count(bias=0),
        "A unit has K weights for each map below it: N_below * K.": (
            _count(inputs=False)
        ),
        "In the shared count a unit has a weight for each of the K places of its "
        "window.": _count(windows=False),
        "Written out, a layer has a copy of its units for each of its places in the "
        "window.": _count(own=False),
        "Written out as a plain MLP, each copy is joined to all places below it, not "
        "only to K of them.": _count(below=False),
        "The places below m places are (m - 1) S + K; here the stride plays no part.": (
            _count(places=lambda m, K, S: m - 1 + K)
        ),
        "Windows overlap: below m places lie (m - 1) S + K, not m K.": (
            _count(places=lambda m, K, S: m * K)
        ),
        "The two numbers are exchanged: shared first.": (
            lambda C, layers: count(C, layers)[::-1]
        ),
        "This is the last layer alone; add all layers up.": (
            lambda C, layers: (
                count(C if len(layers) == 1 else int(layers[-2, 0]), layers[-1:])
                if len(layers) > 1
                else count(C, layers)
            )
        ),
    },
    also_right=(
        _count_one_by_one,
        lambda C, layers: tuple(map(float, count(C, layers))),
    ),
)

# 3-6 ---------------------------------------------------------------------------------


def giant(w: Array, T: int) -> Array:
    """Return G (S T', C T) with G x = z, both flattened, from kernels w (S, C, K)."""
    return _giant(w, T)


def _giant(
    w: Array,
    T: int,
    step: int = 1,
    rows_by_place: bool = False,
    columns_by_place: bool = False,
) -> Array:
    """Write each kernel once for every place; the options are mistakes."""
    S, C, K = w.shape
    places = T - K + 1
    G = np.zeros((S, places, C, T))
    for t in range(places):
        at = min(t * step, T - K)
        G[:, t, :, at : at + K] = w
    if rows_by_place:
        G = G.swapaxes(0, 1)
    if columns_by_place:
        G = G.swapaxes(2, 3)
    return G.reshape(S * places, C * T)


def _giant_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, S: int, C: int, K: int, T: int, note: str = "") -> Case:
        return Case(aspect, (away(rng, S, C, K), T), note)

    S, C, K = sizes(rng, 2, 2, 2)
    yield case("one unit, one channel", 1, 1, 3, 6, "one unit, one channel")
    yield case("one unit, one channel", 1, 1, 2, 7, "one unit, one channel")
    yield case("units and channels", S, 1, K, K + 4, "one channel")
    yield case("units and channels", 1, C, K, K + 3, "one unit")
    yield case("units and channels", S, C, K, K + 2)
    yield case("edges", S, C, 4, 4, "one window")
    yield case("edges", 2, 3, 1, 4, "windows of one place")


def _giant_by_columns(w: Array, T: int) -> Array:
    """Ask what each single 1 in the input does."""
    C, K = w.shape[1:]
    columns = []
    for one in np.eye(C * T):
        x = one.reshape(C, T)
        windows = np.lib.stride_tricks.sliding_window_view(x, K, axis=1)
        columns.append(np.einsum("ctk,sck->st", windows, w).reshape(-1))
    return np.array(columns).T


def _giant_by_index(w: Array, T: int) -> Array:
    S, C, K = w.shape
    n = T - K + 1
    G = np.zeros((S * n, C * T))
    for s, t, p, k in np.ndindex(S, n, C, K):
        G[s * n + t, p * T + t + k] = w[s, p, k]
    return G


GIANT = Exercise(
    id="3-6",
    title="Write the giant network out",
    marks={"one unit, one channel": 1, "units and channels": 2, "edges": 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("G",),
    reference=giant,
    cases=_giant_cases,
    mistakes={
        "Rows go unit by unit, all places of unit 0 first; here they go place by "
        "place.": lambda w, T: _giant(w, T, rows_by_place=True),
        "Columns go channel by channel, all places of channel 0 first; here they go "
        "place by place.": lambda w, T: _giant(w, T, columns_by_place=True),
        "Rows and columns both go place by place; x and z are flattened with "
        "reshape(-1), channel by channel and unit by unit.": (
            lambda w, T: _giant(w, T, rows_by_place=True, columns_by_place=True)
        ),
        "The kernels are flipped: the first weight meets the first place.": (
            lambda w, T: _giant(w[:, :, ::-1], T)
        ),
        "All rows of a unit are the same; from row to row the kernel moves on by one "
        "place.": lambda w, T: _giant(w, T, step=0),
        "The kernel moves on by its own width; windows overlap, so by one place.": (
            lambda w, T: _giant(w, T, step=w.shape[2])
        ),
        "This is the matrix for the way back, G.T: outputs are rows.": (
            lambda w, T: giant(w, T).T
        ),
        "Every channel has weights of its own, w[s, p]; here all use those of channel "
        "0.": lambda w, T: giant(np.repeat(w[:, :1], w.shape[1], axis=1), T),
        "Every unit has weights of its own, w[s]; here all use those of unit 0.": (
            lambda w, T: giant(np.repeat(w[:1], len(w), axis=0), T)
        ),
    },
    also_right=(_giant_by_columns, _giant_by_index),
)
