"""Networks on top of networks, and how many numbers they hold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, weights

from .over_time import unroll

Arrays = list[Array]

# 5-7 ---------------------------------------------------------------------------------


def deep(x: Array, W_ih: Arrays, W_hh: Arrays, b: Arrays) -> tuple[Array, Array]:
    """Return y (B, T, H), the top layer's states, and last (L, B, H), each layer's."""
    last = []
    for parameters in zip(W_ih, W_hh, b, strict=True):
        x = _layer(x, *parameters)
        last.append(x[:, -1])
    return x, np.stack(last)


def _layer(x: Array, W_ih: Array, W_hh: Array, b: Array) -> Array:
    """Run one layer from zeros."""
    return unroll(x, np.zeros((len(x), len(b)), x.dtype), W_ih, W_hh, b)


def _deep_cases(rng: Rng) -> Iterator[Case]:
    def case(
        aspect: str, L: int, B: int, T: int, D: int, H: int, *, note: str = ""
    ) -> Case:
        layers = [weights(rng, H if layer else D, H) for layer in range(L)]
        parameters = tuple(map(list, zip(*layers, strict=True)))
        return Case(aspect, (rng.normal(size=(B, T, D)), *parameters), note)

    _, B, T, H = sizes(rng, 2, 2, 3, 2)
    yield case("values", 3, B, T, H, H, note="as many inputs as units")
    yield case("values", 2, *sizes(rng, 3, 3, 3, 2))
    yield case("one layer", 1, *sizes(rng, 2, 3, 2, 2))
    yield case("sizes of 1", 3, 1, 1, 2, 3)
    yield case("sizes of 1", 2, 2, 3, 1, 1)


def _deep_all_read_x(x: Array, W: Arrays, U: Arrays, b: Arrays) -> tuple[Array, Array]:
    each = [_layer(x, *layer) for layer in zip(W, U, b, strict=True)]
    return each[-1], np.stack([h[:, -1] for h in each])


def _deep_state_handed_up(
    x: Array, W: Arrays, U: Arrays, b: Arrays
) -> tuple[Array, Array]:
    h, last = np.zeros((len(x), len(b[0]))), []
    for layer in zip(W, U, b, strict=True):
        x = unroll(x, h, *layer)
        h = x[:, -1]
        last.append(h)
    return x, np.stack(last)


def _deep_late(x: Array, W: Arrays, U: Arrays, b: Arrays) -> tuple[Array, Array]:
    """Let each layer above the first read the state below it of the step before."""
    last = []
    for depth, layer in enumerate(zip(W, U, b, strict=True)):
        if depth:
            x = np.concatenate([0 * x[:, :1], x[:, :-1]], axis=1)
        x = _layer(x, *layer)
        last.append(x[:, -1])
    return x, np.stack(last)


def _deep_without_past(
    x: Array, W: Arrays, U: Arrays, b: Arrays
) -> tuple[Array, Array]:
    return deep(x, W, [M * (depth == 0) for depth, M in enumerate(U)], b)


def _deep_by_columns(x: Array, W: Arrays, U: Arrays, b: Arrays) -> tuple[Array, list]:
    """Take one step through all layers before the next step comes."""
    h = [np.zeros((len(x), len(b_l))) for b_l in b]
    y = []
    for t in range(x.shape[1]):
        below = x[:, t]
        for i in range(len(h)):
            h[i] = below = np.tanh(below @ W[i].T + h[i] @ U[i].T + b[i])
        y.append(below)
    return np.stack(y, axis=1), h


DEEP = Exercise(
    id="5-7",
    title="Layer on layer",
    marks={"values": 2, "one layer": 1, "sizes of 1": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("y", "last"),
    reference=deep,
    cases=_deep_cases,
    mistakes={
        "Every layer reads x; a layer above the first reads the states of the layer "
        "below it.": _deep_all_read_x,
        "Every layer has a state of its own, which begins with zeros; here a layer "
        "begins where the layer below it ended.": _deep_state_handed_up,
        "All layers use the weights of the first one; each has its own.": (
            lambda x, W, U, b: deep(x, *([M[0]] * len(M) for M in (W, U, b)))
        ),
        "A layer reads the state below it of the same step, not of the step before.": (
            _deep_late
        ),
        "The layers above the first have a past as well: add the product with their "
        "own W_hh.": _deep_without_past,
        "The rows of last run from the first layer to the top one.": (
            lambda *args: (deep(*args)[0], deep(*args)[1][::-1])
        ),
        "last has the layers in front, (L, B, H): stack along the first axis.": (
            lambda *args: (deep(*args)[0], deep(*args)[1].swapaxes(0, 1))
        ),
        "last needs the last state of every layer, not of the top one alone.": (
            lambda *args: (deep(*args)[0], deep(*args)[1][-1])
        ),
        "y holds the states of the top layer, here it is those of the first.": (
            lambda x, W, U, b: (_layer(x, W[0], U[0], b[0]), deep(x, W, U, b)[1])
        ),
        "The two results are exchanged: y first, then last.": (
            lambda *args: deep(*args)[::-1]
        ),
    },
    also_right=(_deep_by_columns,),
)

# 5-8 ---------------------------------------------------------------------------------


def count_parameters(D: int, H: int, layers: int, directions: int, bias: bool) -> int:
    """Return how many numbers a recurrent network holds."""
    return _count(D, H, layers, directions, 2 if bias else 0)


def _count(
    D: int,
    H: int,
    layers: int,
    directions: int,
    biases: int,
    above: int | None = None,
    past: int | None = None,
) -> int:
    """Count; `above` is what an upper layer reads, `past` what a unit hears."""
    above = directions * H if above is None else above
    past = H if past is None else past
    rows = [D] + [above] * (layers - 1)
    return sum(directions * H * (n + past + biases) for n in rows)


def _count_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, layers: int, directions: int, bias: bool = True) -> Case:
        D, H = sizes(rng, 3, 5)
        return Case(aspect, (D, H, layers, directions, bias))

    yield case("one layer", 1, 1)
    yield case("one layer", 1, 2)
    yield case("deep", int(rng.integers(2, 5)), 1)
    yield case("deep", int(rng.integers(2, 5)), 2)
    yield case("without biases", 1, 1, bias=False)
    yield case("without biases", 3, 2, bias=False)


PARAMETERS = Exercise(
    id="5-8",
    title="Predict, then measure: how many numbers?",
    marks={"one layer": 1, "deep": 1, "without biases": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("the number",),
    reference=count_parameters,
    cases=_count_cases,
    mistakes={
        "There are two biases, b_ih and b_hh, in each layer and direction.": (
            lambda D, H, L, r, bias: _count(D, H, L, r, int(bias))
        ),
        "With bias=False there are none to count.": (
            lambda D, H, L, r, bias: count_parameters(D, H, L, r, True)
        ),
        "The biases are left out.": (
            lambda D, H, L, r, bias: count_parameters(D, H, L, r, False)
        ),
        "A layer above the first reads all directions of the layer below it, so its "
        "W_ih has directions * H columns, not H.": (
            lambda D, H, L, r, bias: _count(D, H, L, r, 2 * bias, above=H)
        ),
        "Only the first layer reads the D inputs; the others read states.": (
            lambda D, H, L, r, bias: _count(D, H, L, r, 2 * bias, above=D)
        ),
        "The second direction has weights and biases of its own.": (
            lambda D, H, L, r, bias: count_parameters(D, H, L, 1, bias)
        ),
        "W_hh is left out: H * H numbers in each layer and direction.": (
            lambda D, H, L, r, bias: _count(D, H, L, r, 2 * bias, past=0)
        ),
        "A direction hears only its own past: W_hh is (H, H), however many directions "
        "there are.": lambda D, H, L, r, bias: _count(D, H, L, r, 2 * bias, past=r * H),
        "Only the first layer is counted.": (
            lambda D, H, L, r, bias: count_parameters(D, H, 1, r, bias)
        ),
    },
    also_right=(
        lambda D, H, L, r, bias: (
            r * H * (D + H) + (L - 1) * r * H * (r * H + H) + 2 * bias * L * r * H
        ),
        lambda D, H, L, r, bias: np.array(float(count_parameters(D, H, L, r, bias))),
    ),
)
