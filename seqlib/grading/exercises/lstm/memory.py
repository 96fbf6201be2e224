"""How long a memory lasts, and who wrote what is left of it: T steps, H units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 8-2 ---------------------------------------------------------------------------------


def forget_bias(half_life: Array) -> Array:
    """Return the bias at which half of the memory is left after so many steps."""
    return -np.log(np.expm1(np.log(2) / half_life))


def _bias_cases(rng: Rng) -> Iterator[Case]:
    yield Case("values", (rng.uniform(2, 60, 4),))
    yield Case("values", (rng.uniform(2, 60, (2, 3)),))
    yield Case("long memories", (10 ** rng.uniform(2.5, 5, 4),), "hundreds of steps")
    yield Case("short memories", (rng.uniform(0.1, 0.9, 3),), "less than a step")


HALF_LIFE = Exercise(
    id="8-2",
    title="Derive: a bias for a half-life",
    marks={"values": 1, "long memories": 1, "short memories": 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("bias",),
    reference=forget_bias,
    cases=_bias_cases,
    mistakes={
        "The sign is turned: a longer half-life needs a larger bias.": (
            lambda n: -forget_bias(n)
        ),
        "This is the gate, a number between 0 and 1; asked is the bias whose logistic "
        "it is.": lambda n: 2 ** (-1 / n),
        "This is ln n. It leaves about a third after n steps, not one half.": np.log,
        "The power is turned round: sigma(b) to the power of n is one half, so "
        "sigma(b) is one half to the power of 1/n.": (
            lambda n: -np.log(np.expm1(np.log(2) * np.minimum(n, 500)))
        ),
        "After so many steps 1/e is left; asked is the time until one half.": (
            lambda n: -np.log(np.expm1(1 / n))
        ),
        "The logarithm is the natural one here, np.log.": (
            lambda n: forget_bias(n) / np.log(2)
        ),
        "This goes the other way: it is the half-life of a given bias.": (
            lambda n: np.log(2) / np.log1p(np.exp(-np.minimum(n, 30)))
        ),
        "With a gate of 1 - 1/n the memory has fallen to about a third after n steps, "
        "not to one half.": lambda n: np.log(np.abs(n - 1)),
    },
    also_right=(
        lambda n: -np.log(2 ** (1 / n) - 1),
        lambda n: (f := 0.5 ** (1 / n), np.log(f / (1 - f)))[1],
        lambda n: np.log(f := np.exp(-np.log(2) / n)) - np.log1p(-f),
    ),
)

# 8-3 ---------------------------------------------------------------------------------


def contributions(c0: Array, f: Array, i: Array, g: Array) -> Array:
    """Return (T + 1, H): what c0 and each step's write have left in c_T."""
    return _shares(c0, f, i, g)


def _shares(
    c0: Array, f: Array, i: Array, g: Array, start: int = 0, stop: int = 0
) -> Array:
    """Multiply each write by the later gates; start and stop are mistakes."""
    terms = np.vstack([c0[None], i * g])
    for k in range(len(terms)):
        first = max(k + start, 0)
        terms[k] = terms[k] * np.prod(f[first : len(f) + stop], axis=0)
    return terms


def _shares_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, H: int) -> Case:
        f, i = (rng.uniform(0.2, 0.95, (T, H)) for _ in range(2))
        g = rng.choice([-1, 1], (T, H)) * rng.uniform(0.2, 0.9, (T, H))
        return Case(aspect, (rng.uniform(0.5, 1.5, H), f, i, g))

    yield case("values", *sizes(rng, 3, 2))
    yield case("values", *sizes(rng, 4, 3))
    yield case("sizes of 1", 1, 3)
    yield case("sizes of 1", 4, 1)


def _shares_by_walking(c0: Array, f: Array, i: Array, g: Array) -> list:
    """Let every share walk forward through the gates that come."""
    shares = [c0]
    for f_t, i_t, g_t in zip(f, i, g, strict=True):
        shares = [share * f_t for share in shares] + [i_t * g_t]
    return shares


def _shares_cumulated(c0: Array, f: Array, i: Array, g: Array) -> Array:
    later = np.cumprod(np.vstack([np.ones_like(c0), f[::-1]]), axis=0)[::-1]
    return later * np.vstack([c0, i * g])


def _memories(c0: Array, f: Array, i: Array, g: Array) -> Array:
    cs = [c0]
    for f_t, i_t, g_t in zip(f, i, g, strict=True):
        cs.append(f_t * cs[-1] + i_t * g_t)
    return np.array(cs)


WRITERS = Exercise(
    id="8-3",
    title="Who wrote the memory?",
    marks={"values": 2, "sizes of 1": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("shares",),
    reference=contributions,
    cases=_shares_cases,
    mistakes={
        "One gate too many: what is written at step k is written after f_k has acted, "
        "so its first gate is that of step k + 1.": (
            lambda c0, f, i, g: _shares(c0, f, i, g, start=-1)
        ),
        "One gate too few: the last gate, f_T, acts on all that was there before.": (
            lambda c0, f, i, g: _shares(c0, f, i, g, stop=-1)
        ),
        "Nothing is forgotten here: each share is multiplied by all gates that came "
        "after it.": lambda c0, f, i, g: np.vstack([c0[None], i * g]),
        "These are the memories c_0 to c_T themselves; asked are the terms of the "
        "last one.": _memories,
        "This is c_T; asked are its terms, one row for c_0 and one for each step.": (
            lambda *args: _memories(*args)[-1]
        ),
        "The gates before a write are taken; it is the later ones that wear it "
        "down.": lambda c0, f, i, g: (
            np.vstack([c0[None], i * g])
            * np.cumprod(np.vstack([np.ones_like(c0), f]), axis=0)
        ),
        "The input gate is left out: what is written is i * g.": (
            lambda c0, f, i, g: contributions(c0, f, 0 * i + 1, g)
        ),
        "The rows are in reverse: row 0 belongs to c_0, the last row to step T.": (
            lambda *args: contributions(*args)[::-1]
        ),
        "The row of c_0 is missing: what was there at the start may still be there.": (
            lambda *args: contributions(*args)[1:]
        ),
    },
    also_right=(_shares_by_walking, _shares_cumulated),
)
