"""As many units as a number of parameters allows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Rng

# 9-6 ---------------------------------------------------------------------------------


def units_for(budget: int, D: int, blocks: int) -> int:
    """Return the largest H with blocks * H * (D + H + 2) <= budget, 0 if there is none.

    blocks: 1 for a plain cell, 3 for a GRU, 4 for an LSTM.
    """
    return _units(budget, D, blocks)


def _units(budget: int, D: int, blocks: int, biases: int = 2) -> int:
    H = 0
    while blocks * (H + 1) * (D + H + 1 + biases) <= budget:
        H += 1
    return H


def _cost(H: int, D: int, blocks: int) -> int:
    return blocks * H * (D + H + 2)


def _cases(rng: Rng) -> Iterator[Case]:
    def between(D: int, H: int, blocks: int, part: float) -> int:
        low, high = _cost(H, D, blocks), _cost(H + 1, D, blocks)
        return low + int(part * (high - low))

    for blocks, part, wide in ((3, 0.3, 0), (4, 0.7, 3), (1, 0.75, 1), (3, 0.3, 3)):
        H = int(rng.integers(6, 16))
        D = wide * H or 2  # each way to count the biases goes wrong in some of these
        yield Case("values", (between(D, H, blocks, part), D, blocks))
    for blocks in (3, 4):
        D, H = (int(n) for n in rng.integers(4, 30, 2))
        yield Case("edges", (_cost(H, D, blocks), D, blocks), "it just fits")
        yield Case("edges", (_cost(H, D, blocks) - 1, D, blocks), "one less")
    yield Case("edges", (int(rng.integers(1, 9)), 3, 3), "not even one unit")


def _by_root(budget: int, D: int, blocks: int) -> int:
    """Solve H² + (D + 2) H - budget / blocks = 0, in whole numbers."""
    H = int(np.sqrt((D + 2) ** 2 / 4 + budget / blocks) - (D + 2) / 2) + 2
    return max(k for k in range(H + 1) if _cost(k, D, blocks) <= budget)


def _nearest(budget: int, D: int, blocks: int) -> int:
    return min(range(200), key=lambda H: abs(_cost(H, D, blocks) - budget))


BUDGET = Exercise(
    id="9-6",
    title="A fair race",
    marks={"values": 2, "edges": 1},
    difficulty=1,
    importance=2,
    minutes=10,
    returns=("H",),
    reference=units_for,
    cases=_cases,
    mistakes={
        "This is the nearest number of units; asked is the largest that does not "
        "exceed the budget.": _nearest,
        "This is the first number of units that is too many: return the one before.": (
            lambda budget, D, blocks: _units(budget, D, blocks) + 1
        ),
        "The blocks are forgotten: a GRU has three times the parameters of a plain "
        "cell, an LSTM four times.": lambda budget, D, blocks: _units(budget, D, 1),
        "Each block has two biases, as in torch: H (D + H + 2).": (
            lambda budget, D, blocks: _units(budget, D, blocks, biases=1)
        ),
        "The biases are left out: each block has two, 2 H numbers.": (
            lambda budget, D, blocks: _units(budget, D, blocks, biases=0)
        ),
        "The plain cell's units cannot be divided by the number of blocks: H counts "
        "twice, in H * H.": lambda budget, D, blocks: _units(budget, D, 1) // blocks,
        "If it just fits, it fits: the comparison is <=.": (
            lambda budget, D, blocks: _units(budget - 1, D, blocks)
        ),
        "If not even one unit fits, the answer is 0.": (
            lambda budget, D, blocks: max(1, _units(budget, D, blocks))
        ),
    },
    also_right=(_by_root,),
)
