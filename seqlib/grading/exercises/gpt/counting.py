"""Counting a GPT: its parameters, and what it costs to write with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Rng, sizes

# 18-2 --------------------------------------------------------------------------------


def parameters(V: int, P: int, L: int, E: int, tied: bool) -> int:
    """Return the number of parameters of a GPT."""
    return _parameters(V, P, L, E, tied)


def _parameters(
    V: int,
    P: int,
    L: int,
    E: int,
    tied: bool,
    squares: int = 12,
    lines: int = 13,
    last: int = 2,
    places: int = 1,
    own: Callable[[bool], int] = lambda tied: 0 if tied else 1,
    bias: int = 0,
) -> int:
    """Count; the options are the mistakes that one can make."""
    N = V * E + places * P * E + L * (squares * E**2 + lines * E) + last * E
    return N + own(tied) * V * E + (0 if tied else bias * V)


def _parameter_cases(rng: Rng) -> Iterator[Case]:
    V, P, E = sizes(rng, 20, 8, 3)
    L = int(rng.integers(2, 6))
    yield Case("values", (V, P, L, E, True), "tied")
    yield Case("values", (P + 50, V, L + 1, E + 2, True), "tied")
    yield Case("own output", (V + 1, P, L, E + 1, False), "an output of its own")
    yield Case("published", (50257, 1024, 12, 768, True), "the smallest GPT-2")


def _by_list(V: int, P: int, L: int, E: int, tied: bool) -> int:
    one = [(3 * E, E), (3 * E,), (E, E), (E,), (4 * E, E), (4 * E,), (E, 4 * E), (E,)]
    shapes = [(V, E), (P, E), *L * [*one, *4 * [(E,)]], (E,), (E,)]
    shapes += [] if tied else [(V, E)]
    total = 0
    for shape in shapes:
        size = 1
        for n in shape:
            size *= n
        total += size
    return total


COUNT = Exercise(
    id="18-2",
    title="Count to the last parameter",
    marks={"values": 1, "own output": 1, "published": 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("N",),
    reference=parameters,
    cases=_parameter_cases,
    mistakes={
        "The norm after the last block is missing: 2 E.": partial(_parameters, last=0),
        "The norms of a block are missing: two of them, with a weight and a bias each, "
        "4 E.": partial(_parameters, lines=9),
        "The biases are missing: of attention 4 E, of the small network 5 E.": (
            partial(_parameters, lines=4)
        ),
        "In each block 3 E are missing: either the biases of the queries, keys and "
        "values, or three quarters of the small network's first bias, which has "
        "4 E.": partial(_parameters, lines=10),
        "The positions are missing: P E.": partial(_parameters, places=0),
        "Attention's output matrix is missing: E² more in each block.": (
            partial(_parameters, squares=11)
        ),
        "The small network has two matrices of 4 E².": partial(_parameters, squares=8),
        "A tied output has no parameters of its own, the table of tokens counts "
        "once.": partial(_parameters, own=lambda tied: 1),
        "Without tying the output has a matrix of its own: V E more.": (
            partial(_parameters, own=lambda tied: 0)
        ),
        "The output has no bias.": partial(_parameters, bias=1),
    },
    also_right=(_by_list,),
)

# 18-4 --------------------------------------------------------------------------------


def multiplications(n: int, V: int, L: int, E: int, cache: bool) -> int:
    """Return what it costs to write n tokens."""
    return _write(n, V, L, E, cache)


def _write(
    n: int,
    V: int,
    L: int,
    E: int,
    cache: bool,
    past: Callable[[int, int], int] = lambda t, n: t,
    each: Callable[[int, bool], int] = lambda t, cache: 1 if cache else t,
    twice: int = 2,
    output: int = 1,
    first: int = 1,
    squares: int = 12,
) -> int:
    """Count; the options are the mistakes that one can make."""
    total = 0
    for t in range(first, n + first):
        one = L * (squares * E**2 + twice * past(t, n) * E) + output * V * E
        total += each(t, cache) * one
    return total


def _write_cases(rng: Rng) -> Iterator[Case]:
    V, n, E = sizes(rng, 20, 5, 3)
    L = int(rng.integers(2, 5))
    yield Case("with a cache", (n, V, L, E, True), "with a cache")
    yield Case("with a cache", (n + 30, V, L, E + 1, True), "with a cache")
    yield Case("without", (n, V, L, E, False), "without a cache")
    yield Case("without", (n + 30, V, L + 1, E, False), "without a cache")
    yield Case("one token", (1, V, L, E, bool(rng.integers(2))), "one token")


def _write_closed(n: int, V: int, L: int, E: int, cache: bool) -> int:
    one, two = n * (n + 1) // 2, n * (n + 1) * (2 * n + 1) // 6
    fixed = 12 * L * E * E + V * E
    if cache:
        return n * fixed + 2 * L * E * one
    return one * fixed + 2 * L * E * two


WRITE = Exercise(
    id="18-4",
    title="Predict, then measure: what a cache saves",
    marks={"with a cache": 1, "without": 2, "one token": 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("multiplications",),
    reference=multiplications,
    cases=_write_cases,
    mistakes={
        "Without a cache all t places are computed at each step, not the new one "
        "alone.": partial(_write, each=lambda t, cache: 1),
        "With a cache one place is computed at each step, not all t.": (
            partial(_write, each=lambda t, cache: t)
        ),
        "The two cases have changed places.": (
            partial(_write, each=lambda t, cache: t if cache else 1)
        ),
        "Token t sees t places, not all n.": partial(_write, past=lambda t, n: n),
        "The first token is read, too: t runs from 1 to n and token t sees itself.": (
            partial(_write, first=0)
        ),
        "Attention needs two products, with the keys and with the values: 2 t E.": (
            partial(_write, twice=1)
        ),
        "The output is missing: V E for each place.": partial(_write, output=0),
        "What does not depend on the length is 12 E² a block: four matrices of E² and "
        "two of 4 E².": partial(_write, squares=8),
        "Attention to what came before is missing: 2 t E a block.": (
            partial(_write, twice=0)
        ),
    },
    also_right=(_write_closed,),
)
