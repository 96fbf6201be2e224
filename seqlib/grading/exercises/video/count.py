"""How many numbers a memory of maps has."""

from __future__ import annotations

from collections.abc import Iterator

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Rng, sizes

# 10-2 --------------------------------------------------------------------------------


def count(C: int, F: int, K: int, H: int, W: int) -> tuple[int, int, int]:
    """Return the parameters of the map and of the list, and the map's products."""
    return _count(C, F, K, H, W)


def _count(
    C: int,
    F: int,
    K: int,
    H: int,
    W: int,
    *,
    gates: int = 4,
    biases: int = 2,
    taps: int | None = None,
    state: bool = True,
    list_from: int | None = None,
    work_biases: int = 0,
) -> tuple[int, int, int]:
    taps = K * K if taps is None else taps
    weights = gates * F * (C + (F if state else 0)) * taps
    wide, inputs = F * H * W, C * H * W if list_from is None else list_from
    listed = gates * wide * (inputs + (wide if state else 0) + biases)
    products = (weights + work_biases * gates * F) * H * W
    return weights + gates * F * biases, listed, products


def _count_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, K: int) -> Case:
        C, F, H, W = sizes(rng, 2, 2, 4, 4)
        return Case(aspect, (C, F, K, H, W))

    yield case("3 × 3", 3)
    yield case("5 × 5", 5)
    yield Case("one pixel", (3, 2, 1, 1, 1), "a frame and a kernel of one pixel")


COUNT = Exercise(
    id="10-2",
    title="Predict, then measure: map and list",
    marks={"3 × 3": 1, "5 × 5": 1, "one pixel": 1},
    difficulty=1,
    importance=2,
    minutes=15,
    returns=("map", "list", "products"),
    reference=count,
    cases=_count_cases,
    mistakes={
        "There are four blocks: three gates and the candidate.": (
            lambda *n: _count(*n, gates=3)
        ),
        "Four blocks, not one: each of i, f, g and o has its own weights.": (
            lambda *n: _count(*n, gates=1)
        ),
        "There are two biases, b_ih and b_hh.": lambda *n: _count(*n, biases=1),
        "The biases are left out.": lambda *n: _count(*n, biases=0),
        "A kernel has K * K taps, not K.": (
            lambda C, F, K, H, W: _count(C, F, K, H, W, taps=K)
        ),
        "The weights from the state are missing, F more channels for the map.": (
            lambda *n: _count(*n, state=False)
        ),
        "The list's LSTM reads every pixel of every channel, C * H * W numbers.": (
            lambda C, F, K, H, W: _count(C, F, K, H, W, list_from=C)
        ),
        "Adding a bias is no product.": lambda *n: _count(*n, work_biases=2),
        "Each weight of the map is used at every place: H * W products a weight.": (
            lambda *n: (*_count(*n)[:2], _count(*n, biases=0)[0])
        ),
    },
    also_right=(
        lambda C, F, K, H, W: (
            4 * F * C * K**2 + 4 * F * F * K**2 + 8 * F,
            4 * (F * H * W) * (C * H * W) + 4 * (F * H * W) ** 2 + 8 * F * H * W,
            4 * F * (C + F) * K**2 * H * W,
        ),
    ),
)
