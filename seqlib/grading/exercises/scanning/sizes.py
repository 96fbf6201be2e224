"""How large a map is, how much it sees, and how many numbers make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

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
