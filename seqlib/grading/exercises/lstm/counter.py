"""Weights chosen by hand: one memory that counts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import accumulate

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

from .step import σ

# 8-6 ---------------------------------------------------------------------------------


def counter(up: int, down: int, wipe: int, V: int) -> Array:
    """Return (3, V + 1): what each word says to i, f and g, and their biases.

    Any weights that count will do: the memory is the number of `up` minus that of
    `down` since the last `wipe`.
    """
    return _weights(up, down, wipe, V)


def _weights(
    up: int,
    down: int,
    wipe: int,
    V: int,
    write: float = 20.0,
    keep: float = 20.0,
    erase: float = -20.0,
    size: float = 20.0,
    minus: float = -1.0,
    idle: float = -20.0,
    bias: float = 0.0,
) -> Array:
    weights = np.zeros((3, V + 1))
    weights[0, :V], weights[0, [up, down]] = idle, write
    weights[1, :V], weights[1, wipe] = keep, erase
    weights[2, up], weights[2, down], weights[2, V] = size, minus * size, bias
    return weights


def _counter_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, V: int, T: int, chances: list[float], note: str = "") -> Case:
        up, down, wipe = (int(word) for word in rng.permutation(V)[:3])
        others = [w for w in range(V) if w not in (up, down, wipe)]
        kinds = rng.choice(4, (5, T), p=chances)
        kinds[:, :4] = 0, 0, 3, 1  # up, up, another word, down
        kinds[0, -5:] = 0, 0, 0, 2, 3
        kinds[1, -4:] = 1, 1, 2, 1
        rest = rng.choice(others, kinds.shape)
        ids = np.choose(kinds, [up, down, wipe, rest])

        def step(count: int, word: int) -> int:
            return 0 if word == wipe else count + (word == up) - (word == down)

        right = [list(accumulate(row, step, initial=0))[1:] for row in ids]

        def reading(weights: Array) -> Array:
            """Return (5, T): the count where the memory is within 0.1 of it."""
            weights = np.asarray(weights, float)
            c, cs = np.zeros(len(ids)), []
            with np.errstate(all="ignore"):  # any numbers may come
                for word in ids.T:
                    i, f, g = weights[:, word] + weights[:, V, None]
                    c = σ(f) * c + σ(i) * np.tanh(g)
                    cs.append(c)
            memory = np.nan_to_num(np.stack(cs, axis=1))
            near = np.abs(memory - right) < 0.1
            return np.where(near, right, np.round(memory, 1))

        return Case(aspect, (up, down, wipe, V), note, reading)

    V = int(rng.integers(5, 9))
    yield case("counts", V, 14, [0.3, 0.2, 0.1, 0.4])
    yield case("counts", 4, 12, [0.4, 0.3, 0.1, 0.2])
    yield case("long waits", V, 150, [0.03, 0.02, 0.01, 0.94], "150 words")
    yield case("high counts", V, 60, [0.85, 0.05, 0.0, 0.1], "counts up to 50")


COUNTER = Exercise(
    id="8-6",
    title="Invent it: a memory that counts",
    marks={"counts": 2, "long waits": 1, "high counts": 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("memory",),
    reference=counter,
    cases=_counter_cases,
    mistakes={
        "The count fades: a forget gate of one half loses half of it at each word. "
        "Hold it open at every word but `wipe`.": partial(_weights, keep=0.0),
        "The count fades slowly: a forget gate of 0.95 is not enough. Large numbers do "
        "no harm.": partial(_weights, keep=3.0),
        "One `up` adds less than 1: what is added is i * g, and both must be near 1.": (
            partial(_weights, size=1.0)
        ),
        "The input gate is half open at `up` and `down`: what is added is i * g.": (
            partial(_weights, write=0.0)
        ),
        "`wipe` wipes nothing: at this word the forget gate must be shut.": (
            partial(_weights, erase=20.0)
        ),
        "`down` adds as `up` does: its candidate must be negative.": (
            partial(_weights, minus=1.0)
        ),
        "`down` does nothing: its candidate must be near -1.": (
            partial(_weights, minus=0.0)
        ),
        "Words that should not count are counted: where the input gate is open, the "
        "candidate must be 0, and the bias counts at every word.": (
            partial(_weights, idle=20.0, bias=3.0, minus=-2.0)
        ),
        "`up` and `down` are exchanged.": lambda up, down, *rest: counter(
            down, up, *rest
        ),
        "The rows are i, f, g; here the first two are exchanged.": (
            lambda *args: counter(*args)[[1, 0, 2]]
        ),
        "`wipe` must also write nothing: with the input gate open and a candidate of "
        "-1, the count after it is not 0.": (
            lambda up, down, wipe, V: (
                w := counter(up, down, wipe, V),
                w.__setitem__((0, wipe), 20.0),
                w.__setitem__((2, wipe), -20.0),
                w,
            )[-1]
        ),
    },
    also_right=(
        partial(_weights, idle=20.0),
        partial(_weights, write=30.0, keep=12.0, erase=-9.0, size=9.0),
        lambda *args: (2 * counter(*args)).tolist(),
    ),
)
