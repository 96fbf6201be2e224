"""What parity costs, by the kind of unit and the depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Rng

# 2-4 ---------------------------------------------------------------------------------


def parity_cost(n: int, kind: str) -> tuple[int, int]:
    """Return units and wires of a parity network of n inputs."""
    if kind == "and_or":
        return 2 ** (n - 1) + 1, 2 ** (n - 1) * (n + 1)
    if kind == "threshold":
        return n + 1, n * n + n
    return 3 * (n - 1), 6 * (n - 1)


def _cost_cases(rng: Rng) -> Iterator[Case]:
    for kind in ("and_or", "threshold", "deep"):
        n = 2 ** int(rng.integers(2, 4))
        yield Case(kind, (n, kind))
        yield Case(kind, (24 - n, kind) if kind != "deep" else (2 * n, kind))


def _cost(change: Callable[[int, str, int, int], tuple[int, int]]) -> Callable:
    """Return a wrong count: the right one, changed."""
    return lambda n, kind: change(n, kind, *parity_cost(n, kind))


COST = Exercise(
    id="2-4",
    title="Predict, then measure: the price of a lamp",
    marks={"and_or": 1, "threshold": 1, "deep": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("units", "wires"),
    reference=parity_cost,
    cases=_cost_cases,
    mistakes={
        "The output unit is a unit as well, and the wires into it are wires.": _cost(
            lambda n, kind, u, w: (u, w) if kind == "deep" else (u - 1, w - u + 1)
        ),
        "The output unit counts, but the wires into it are missing.": _cost(
            lambda n, kind, u, w: (u, w if kind == "deep" else w - u + 1)
        ),
        "Only half of the rows of the table are odd, and only those need an AND.": (
            _cost(
                lambda n, kind, u, w: (
                    (2**n + 1, 2**n * (n + 1)) if kind == "and_or" else (u, w)
                )
            )
        ),
        "An XOR takes three units, an OR, an AND and the one above them: six wires.": (
            _cost(lambda n, kind, u, w: (u // 3, w // 3) if kind == "deep" else (u, w))
        ),
        "Each XOR makes one signal out of two, so n signals take n - 1 of them.": _cost(
            lambda n, kind, u, w: (3 * n, 6 * n) if kind == "deep" else (u, w)
        ),
        "Count the XORs of all storeys: n/2 in the first, n/4 in the next, down to "
        "one.": _cost(
            lambda n, kind, u, w: (
                (3 * (n // 2), 6 * (n // 2)) if kind == "deep" else (u, w)
            )
        ),
        "The biases are not wires; a wire leads from an input or a unit to a unit.": (
            _cost(lambda n, kind, u, w: (u, w + u))
        ),
        "The two numbers are exchanged: units first, then wires.": _cost(
            lambda n, kind, u, w: (w, u)
        ),
    },
    also_right=(
        lambda n, kind: {
            "and_or": (1 + 2**n // 2, n * 2**n // 2 + 2**n // 2),
            "threshold": (n + 1, n * (n + 1)),
            "deep": (3 * n - 3, 6 * n - 6),
        }[kind],
    ),
)
