"""Weights chosen by hand: one unit that remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 5-5 ---------------------------------------------------------------------------------


def switch(on: int, off: int, V: int) -> Array:
    """Return weights (V + 2,): one a word, that of the old state, and the bias.

    Any that switch the unit will do; the state is 0 until the first `on`, then 1 or -1.
    """
    return _weights(on, off, V)


def _weights(
    on: int,
    off: int,
    V: int,
    to_on: float = 20.0,
    to_off: float = -20.0,
    keep: float = 10.0,
    bias: float = 0.0,
) -> Array:
    weights = np.zeros(V + 2)
    weights[on], weights[off], weights[-2:] = to_on, to_off, (keep, bias)
    return weights


def _switch_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, V: int, texts: Callable, note: str = "") -> Case:
        on, off = (int(word) for word in rng.permutation(V)[:2])
        others = [word for word in range(V) if word not in (on, off)]
        ids = texts(on, off, others)

        def on_or_off(weights: Array) -> Array:
            """Return (N, T): 1 where the state is above 0.9, 0 below 0.1, else 0.5."""
            weights = np.asarray(weights, float)  # a list is as good
            h, hs = np.zeros(len(ids)), []
            with np.errstate(all="ignore"):  # any numbers may come
                for word in weights[ids.T] + weights[-1]:
                    h = np.tanh(word + weights[-2] * h)
                    hs.append(h)
                seen = np.stack(hs, axis=1)
                return np.select([seen > 0.9, seen < 0.1], [1.0, 0.0], 0.5)

        return Case(aspect, (on, off, V), note, on_or_off)

    def mixed(on: int, off: int, others: list[int]) -> Array:
        ids = rng.choice([on, off, *others, *others[:2]], (6, 20))
        ids[0, :6] = others[0], on, on, others[1], off, others[0]
        ids[1, :5] = others[1], off, others[0], on, others[1]
        return ids

    def long(on: int, off: int, others: list[int]) -> Array:
        ids = rng.choice(others, (2, 200))
        ids[:, 3] = on
        ids[1, 100] = off
        return ids

    def late(on: int, off: int, others: list[int]) -> Array:
        ids = rng.choice([off, *others], (4, 12))
        ids[0] = rng.choice(others, 12)
        ids[:, 9:] = on, *others[:2]
        return ids

    def bare(on: int, off: int, others: list[int]) -> Array:
        return np.array([[on, on, off, off, on, off], [off, on, off, on, on, on]])

    yield case("on and off", int(rng.integers(5, 8)), mixed)
    yield case("on and off", 2, bare, "no other words")
    yield case("late start", int(rng.integers(5, 8)), late, "`on` comes late")
    yield case("long waits", int(rng.integers(5, 8)), long, "200 words")


def _switch_exchanged(on: int, off: int, V: int) -> Array:
    weights = switch(on, off, V)
    weights[[-1, -2]] = weights[[-2, -1]]
    return weights


SWITCH = Exercise(
    id="5-5",
    title="Invent it: a switch",
    marks={"on and off": 2, "late start": 1, "long waits": 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("weights",),
    reference=switch,
    cases=_switch_cases,
    mistakes={
        "The unit forgets at once: without a weight for the old state, h knows only "
        "the word that has just come.": partial(_weights, keep=0.0),
        "With weight 1 for the old state the light fades: tanh(h) is a little less "
        "than h, at every step. The weight must be larger.": (
            partial(_weights, to_on=4.0, to_off=-4.0, keep=1.0)
        ),
        "The weight of the old state is above 1, but not enough: the state settles "
        "where h = tanh(w h), and that must be above 0.9.": (
            partial(_weights, to_on=4.0, to_off=-4.0, keep=1.2)
        ),
        "The light never goes out: the weight of `off` must be negative, and stronger "
        "than the weight of the old state.": partial(_weights, to_off=-5.0),
        "The light goes on once and then never again: when it is off, h is near -1, "
        "and the weight of `on` must be stronger than the weight of the old state.": (
            partial(_weights, to_on=5.0)
        ),
        "`on` and `off` are exchanged.": lambda on, off, V: switch(off, on, V),
        "The light is on before `on` has come: with a positive bias it needs no word "
        "to begin.": partial(_weights, bias=5.0),
        "The last two numbers are exchanged: the weight of the old state comes first, "
        "then the bias.": _switch_exchanged,
        "A negative weight for the old state turns the light over at every step.": (
            partial(_weights, keep=-10.0)
        ),
    },
    also_right=(
        partial(_weights, to_on=6.0, to_off=-6.0, keep=3.0),
        partial(_weights, to_on=40.0, to_off=-30.0, bias=-5.0),
        lambda *args: (100 * switch(*args)).tolist(),
    ),
)
