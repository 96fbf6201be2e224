"""Threshold units, what two of them can do together, and what parity costs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Weights = tuple[Array, Array, Array, float]

# 2-1 ---------------------------------------------------------------------------------


def fire(x: Array, w: Array, T: float) -> Array:
    """Return (B,): 1 where w'x reaches the threshold T, else 0."""
    return (x @ w >= T).astype(float)


def _fire_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, D: int, *, note: str = "") -> Case:
        x, w = rng.integers(-2, 4, (B, D)), rng.integers(1, 4, D)
        w[0] = -5  # some inputs speak against it
        sums = np.sort(x @ w)
        T = 0.5 + sums[(B - 1) // 2] if aspect != "on the threshold" else sums[B // 2]
        T += 8.0 * (T == 0)
        return Case(aspect, (x.astype(float), w.astype(float), float(T)), note)

    yield case("values", *sizes(rng, 20, 3))
    yield case("values", *sizes(rng, 20, 4))
    yield Case(
        "on the threshold",
        (np.array([[1.0, 1], [1, 0], [0, 1], [0, 0]]), np.array([1.0, 2]), 2.0),
        "a sum that is equal to T",
    )
    yield case("sizes of 1", 20, 1, note="one input")
    yield Case("sizes of 1", (np.array([[3.0, 1.0]]), np.array([2.0, -1.0]), 4.0))


FIRE = Exercise(
    id="2-1",
    title="A unit fires",
    marks={"values": 1, "on the threshold": 1, "sizes of 1": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=8,
    returns=("y",),
    reference=fire,
    cases=_fire_cases,
    mistakes={
        "A unit fires where the sum reaches T, so on the threshold as well: use >=, "
        "not >.": lambda x, w, T: (x @ w > T).astype(float),
        "The threshold is the negative bias: it is subtracted from the sum, not "
        "added.": lambda x, w, T: (x @ w + T >= 0).astype(float),
        "This is the sum minus the threshold; the unit compares it with 0 and answers "
        "1 or 0.": lambda x, w, T: x @ w - T,
        "This is the weighted sum; compare it with T.": lambda x, w, T: x @ w,
        "It fires exactly where it should be silent: turn the comparison round.": (
            lambda x, w, T: (x @ w < T).astype(float)
        ),
        "A silent unit has the value 0 here, not -1.": (
            lambda x, w, T: np.where(x @ w >= T, 1.0, -1.0)
        ),
        "The weights play no part: the inputs are added up as they are.": (
            lambda x, w, T: (x.sum(axis=1) >= T).astype(float)
        ),
        "Each input is compared with T by itself. First add up over the inputs, then "
        "compare once.": lambda x, w, T: (x * w >= T).any(axis=1).astype(float),
        "The logistic function makes a soft unit; this one is hard, 0 or 1.": (
            lambda x, w, T: 1 / (1 + np.exp(T - x @ w))
        ),
    },
    also_right=(
        lambda x, w, T: np.heaviside(x @ w - T, 1.0),
        lambda x, w, T: x @ w >= T,
        lambda x, w, T: np.array(
            [float(sum(a * b for a, b in zip(row, w, strict=True)) >= T) for row in x]
        ),
    ),
)

# 2-2 ---------------------------------------------------------------------------------


def vote(signs: Array, k: int) -> Array:
    """Return (n + 1,): weights and bias of "at least k of the literals are true"."""
    return _vote(signs, k)


def _vote(signs: Array, k: int, negated: float = 1.0, plus: float = 0.0) -> Array:
    bias = negated * (signs == -1).sum() - k + plus
    return np.append(signs, bias).astype(float)


def _table(n: int) -> Array:
    return np.array(list(product((0.0, 1.0), repeat=n)))


def _vote_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, signs: list[int], k: int, note: str = "") -> Case:
        def table(weights: Array) -> Array:
            """Say for each input in order of counting whether the unit fires."""
            weights = np.asarray(weights, float)
            z = _table(len(signs)) @ weights[:-1] + weights[-1]
            return (z >= -1e-9) + 0.0

        return Case(aspect, (np.array(signs), k), note, table)

    n = int(rng.integers(3, 6))
    yield case("OR and AND", [1] * n, 1, "OR")
    yield case("OR and AND", [1] * n, n, "AND")
    signs = [int(s) for s in rng.permutation([1, 1, -1, -1, *rng.choice([1, -1], 1)])]
    yield case("with NOT", signs, len(signs), "AND, some inputs negated")
    yield case("with NOT", signs, 1, "OR, some inputs negated")
    yield case("with NOT", [-1], 1, "NOT")
    signs = [int(s) for s in rng.permutation([1, 1, -1, -1, 0])]
    yield case("votes", signs, 2, "an input that plays no part")
    yield case("votes", signs, 3, "an input that plays no part")


VOTE = Exercise(
    id="2-2",
    title="Wire it: at least k",
    marks={"OR and AND": 1, "with NOT": 2, "votes": 1},
    difficulty=1,
    importance=3,
    minutes=12,
    returns=("weights",),
    reference=vote,
    cases=_vote_cases,
    mistakes={
        "Each NOT adds a 1 that does not depend on its input: the bias is the number "
        "of -1 among the signs, minus k.": lambda s, k: _vote(s, k, negated=0),
        "The NOTs are counted with the wrong sign: their ones are on the side of the "
        "sum, so they are added to the bias.": lambda s, k: _vote(s, k, negated=-1),
        "The bias is the negative threshold: -k and what the NOTs add, not +k.": (
            lambda s, k: _vote(s, -k)
        ),
        "It wants one literal too many: at least k, so k itself is enough.": (
            lambda s, k: _vote(s, k, plus=-1)
        ),
        "It is content with one literal too few.": lambda s, k: _vote(s, k, plus=1),
        "The bias comes last, after the weights.": lambda s, k: np.roll(vote(s, k), 1),
        "A negated input has the weight -1: it speaks against, while the input speaks "
        "for.": lambda s, k: np.append(abs(s), (s == -1).sum() - float(k)),
        "Only the inputs that are negated get the constant: an input with sign 0 plays "
        "no part and adds nothing.": (
            lambda s, k: np.append(s, (s != 1).sum() - float(k))
        ),
    },
    also_right=(
        lambda s, k: 3.0 * _vote(s, k, plus=0.5),
        lambda s, k: [*s.tolist(), float(np.sum(s < 0) - k)],
    ),
)

# 2-3 ---------------------------------------------------------------------------------


def exactly(k: int, n: int) -> Weights:
    """Return W (2, n), b (2,), v (2,), c of a network: exactly k of n inputs are 1."""
    return _between(k, k, n)


def _between(
    low: int, high: int, n: int, c: float = -1.0, second: float = -1
) -> Weights:
    """Wire "low or more, and not more than high"."""
    b = np.array([-float(low), -float(high + 1)])
    return np.ones((2, n)), b, np.array([1.0, second]), c


def _exactly_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, k: int, n: int, note: str = "") -> Case:
        def table(network: Any) -> Array:
            """Say for each input in order of counting whether the output fires."""
            W, b, v, c = (np.asarray(each, float) for each in network)
            h = (_table(n) @ W.T + b >= -1e-9) + 0.0
            return (h @ v + c >= -1e-9) + 0.0

        return Case(aspect, (k, n), note, table)

    yield case("XOR", 1, 2, "XOR")
    n = int(rng.integers(4, 8))
    yield case("in between", int(rng.integers(2, n - 1)), n)
    yield case("in between", n - 1, n)
    yield case("none and all", 0, n)
    yield case("none and all", n, n)


EXACTLY = Exercise(
    id="2-3",
    title="Invent it: exactly k",
    marks={"XOR": 1, "in between": 2, "none and all": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("W", "b", "v", "c"),
    reference=exactly,
    cases=_exactly_cases,
    mistakes={
        "This fires for k or more. A second unit must object, with a negative weight, "
        "when there are more than k.": lambda k, n: _between(k, n + 1, n),
        "This fires for k or fewer: it lacks the unit that demands at least k.": (
            lambda k, n: _between(-1, k, n)
        ),
        "It fires for k and for k + 1: the unit that objects must fire from k + 1, "
        "not from k + 2 on.": lambda k, n: _between(k, k + 1, n),
        "The output never fires. A unit that wants k ones has the bias -k, and the one "
        "that objects must be silent at k.": lambda k, n: _between(k, k - 1, n),
        "The output fires always: with c = 0 a sum of 0 is enough.": (
            lambda k, n: _between(k, k, n, c=0.0)
        ),
        "It fires for more than k: there both units fire, and the output wants both.": (
            lambda k, n: _between(k, k, n, c=-2.0, second=1.0)
        ),
        "It fires for k + 1: both thresholds are one too high.": (
            lambda k, n: _between(k + 1, k + 1, n)
        ),
        "It fires for k - 1: both thresholds are one too low.": (
            lambda k, n: _between(k - 1, k - 1, n)
        ),
    },
    also_right=(
        lambda k, n: (  # not fewer than k, and not more
            np.array([[1.0] * n, [-1.0] * n]),
            np.array([-k, k]) + 0.3,
            np.ones(2),
            -1.5,
        ),
        lambda k, n: tuple(np.multiply(2, each) for each in exactly(k, n)),
    ),
)
