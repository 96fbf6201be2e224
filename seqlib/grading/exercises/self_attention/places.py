"""Where a word stands: waves that are added, and turns of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 16-2 --------------------------------------------------------------------------------


def waves(T: int, E: int, start: int) -> Array:
    """Return the positions start, …, start + T - 1 as waves (T, E)."""
    return _waves(T, E, start)


def _waves(
    T: int,
    E: int,
    start: int,
    sign: float = -1.0,
    step: float = 2.0,
    first: int = 0,
    moves: bool = True,
    order: str = "turns",
) -> Array:
    """Make the table; the options are the mistakes that one can make."""
    t = np.arange(T)[:, None] + (start if moves else 0) + first
    angle = t * 10000.0 ** (sign * step * np.arange(E // 2) / E)
    s, c = np.sin(angle), np.cos(angle)
    if order == "blocks":
        return np.concatenate([s, c], axis=1)
    table = np.empty((T, E))
    table[:, ::2], table[:, 1::2] = (c, s) if order == "cosine first" else (s, c)
    return table


def _waves_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, start: int, note: str = "") -> Case:
        T, E = int(rng.integers(5, 9)), 2 * int(rng.integers(5, 8))
        return Case(aspect, (T, E, start), note)

    yield case("values", 0)
    yield case("values", 0)
    yield case("start", int(rng.integers(3, 40)), "a start that is not 0")
    yield Case("start", (1, 2, 7), "one word, one clock")


def _waves_one_by_one(T: int, E: int, start: int) -> list:
    rows = []
    for t in range(start, start + T):
        hands = [np.exp(1j * t / 10000 ** (2 * i / E)) for i in range(E // 2)]
        rows.append([part for z in hands for part in (z.imag, z.real)])
    return rows


WAVES = Exercise(
    id="16-2",
    title="A table of waves",
    marks={"values": 2, "start": 1},
    difficulty=1,
    importance=2,
    minutes=10,
    returns=("table",),
    reference=waves,
    cases=_waves_cases,
    mistakes={
        "All sines come first here; sine and cosine of one clock stand side by side.": (
            partial(_waves, order="blocks")
        ),
        "Sine and cosine have changed places: the even entries are sines.": (
            partial(_waves, order="cosine first")
        ),
        "The clocks get faster from pair to pair; the exponent is negative.": (
            partial(_waves, sign=1.0)
        ),
        "The exponent is -2i/E for pair i; here the 2 is missing.": (
            partial(_waves, step=1.0)
        ),
        "`start` is not used: the first row is the position `start`.": (
            partial(_waves, moves=False)
        ),
        "Positions are counted from `start`, not from `start + 1`.": (
            partial(_waves, first=1)
        ),
    },
    also_right=(_waves_one_by_one,),
)

# 16-3 --------------------------------------------------------------------------------


def turn(x: Array, places: Array) -> Array:
    """Turn each pair (2i, 2i + 1) of the rows of x (T, d) by places (T,) times f_i."""
    return _turn(x, places)


def _turn(
    x: Array,
    places: Array,
    sign: float = 1.0,
    step: float = -2.0,
    used: bool = True,
    slip: str = "",
) -> Array:
    """Turn; the options are the mistakes that one can make."""
    d = x.shape[1]
    p = places if used else np.arange(len(x))
    angle = sign * p[:, None] * 10000.0 ** (step * np.arange(d // 2) / d)
    c, s = np.cos(angle), np.sin(angle)
    halves = slip == "halves"
    a, b = (x[:, : d // 2], x[:, d // 2 :]) if halves else (x[:, ::2], x[:, 1::2])
    new = a * c - b * s
    pair = new, (new if slip == "new" else a) * s + b * c
    if slip == "plus":
        pair = a * c + b * s, a * s + b * c
    if slip == "added":
        pair = a + s, b + c
    if halves:
        return np.concatenate(pair, axis=1)
    return np.stack(pair, axis=2).reshape(x.shape)


def _turn_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, d: int, places: str, note: str = "") -> Case:
        T = int(rng.integers(4, 8))
        x = rng.normal(size=(T, d))
        p = np.arange(T, dtype=float)
        p = rng.permutation(50)[:T] + 0.5 if places == "any" else p
        return Case(aspect, (x, p), note)

    yield case("values", 8, "in order")
    yield case("values", 10, "in order")
    yield case("any places", 8, "any", "places out of order, not whole")
    yield case("any places", 2, "any", "one pair")


def _turn_complex(x: Array, places: Array) -> Array:
    z = x[:, ::2] + 1j * x[:, 1::2]
    n = z.shape[1]
    z = z * np.exp(1j * np.outer(places, 10000.0 ** (-np.arange(n) / n)))
    return np.dstack([z.real, z.imag]).reshape(x.shape)


def _turn_in_place(x: Array, places: Array) -> Array:
    x[:] = turn(x, places)
    return x


TURN = Exercise(
    id="16-3",
    title="Turn, do not add",
    marks={"values": 2, "any places": 1, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("turned",),
    reference=turn,
    cases=_turn_cases,
    mistakes={
        "The turn goes backwards: (a, b) goes to (a cos - b sin, a sin + b cos).": (
            partial(_turn, sign=-1.0)
        ),
        "The first entry of a pair has been written over before the second was made: "
        "both come from the old pair.": partial(_turn, slip="new"),
        "One minus sign is missing: a cos - b sin. As it is, lengths change, and no "
        "turn changes a length.": partial(_turn, slip="plus"),
        "The waves are added here; a rotary position turns each pair.": (
            partial(_turn, slip="added")
        ),
        "Pairs are neighbours here, entries 2i and 2i + 1, not i and i + d/2.": (
            partial(_turn, slip="halves")
        ),
        "All pairs turn equally fast here; pair i has its own speed, f_i.": (
            partial(_turn, step=0.0)
        ),
        "The speeds are 10000 to the power -2i/d; here the 2 is missing.": (
            partial(_turn, step=-1.0)
        ),
        "`places` is not used: rows need not stand at 0, 1, 2 and so on.": (
            partial(_turn, used=False)
        ),
        "This writes into the caller's x: make a new array.": _turn_in_place,
    },
    also_right=(_turn_complex,),
)
