"""How long a gate keeps, and what a state is an average of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 9-2 ---------------------------------------------------------------------------------


def keep_bias(share: float, steps: int) -> float:
    """Return the bias b at which sigmoid(b) ** steps is `share`."""
    return _bias(share ** (1 / steps))


def _bias(z: float) -> float:
    return float(np.log(z / (1 - z)))


def _bias_cases(rng: Rng) -> Iterator[Case]:
    for steps in rng.integers(5, 60, 2):
        yield Case("values", (float(rng.uniform(0.2, 0.8)), int(steps)))
    yield Case("one step", (float(rng.uniform(0.6, 0.9)), 1))
    yield Case("one step", (float(rng.uniform(0.1, 0.4)), 1), "a negative bias")
    yield Case("many steps", (float(rng.uniform(0.2, 0.8)), 5000))


def _bias_by_halving(share: float, steps: int) -> float:
    low, high = -50.0, 50.0
    for _ in range(200):
        middle = (low + high) / 2
        kept = -steps * np.log1p(np.exp(-middle))
        low, high = (middle, high) if kept < np.log(share) else (low, middle)
    return low


BIAS = Exercise(
    id="9-2",
    title="Predict, then measure: how large a bias?",
    marks={"values": 2, "one step": 1, "many steps": 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("bias",),
    reference=keep_bias,
    cases=_bias_cases,
    mistakes={
        "This is the gate z itself; asked is the bias that makes it, so undo the "
        "logistic function.": lambda share, steps: share ** (1 / steps),
        "The share is that of one step: after `steps` steps it would be its power. "
        "Take the root first.": lambda share, steps: _bias(share),
        "share / steps is no root: what is kept is multiplied by z at every step, so "
        "z ** steps is the share.": lambda share, steps: _bias(share / steps),
        "The sign is turned round: a large bias keeps, so b = log(z / (1 - z)).": (
            lambda share, steps: -keep_bias(share, steps)
        ),
        "The logistic function is applied once more; to undo it, take "
        "log(z / (1 - z)).": lambda share, steps: float(
            1 / (1 + np.exp(-(share ** (1 / steps))))
        ),
        "1 - share is what is lost, not what is left.": (
            lambda share, steps: keep_bias(1 - share, steps)
        ),
        "This gate keeps too long by a step: after `steps` steps the share has to be "
        "there.": lambda share, steps: _bias(share ** (1 / (steps + 1))),
    },
    also_right=(
        _bias_by_halving,
        lambda share, steps: -np.log(np.expm1(-np.log(share) / steps)),
    ),
)

# 9-3 ---------------------------------------------------------------------------------


def shares(z: Array) -> Array:
    """Return what h_0 and each candidate weigh in h_T: (T + 1, H) for z (T, H)."""
    return _shares(z, 1 - z)


def _shares(z: Array, taken: Array, *, late: int = 1) -> Array:
    """Let candidate k weigh taken_k times the product of z from step k + late."""
    T = len(z)
    ends = [np.prod(z[k + late :], axis=0) for k in range(T)]
    return np.stack([np.prod(z, axis=0), *(taken[k] * ends[k] for k in range(T))])


def _shares_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, H: int, *, note: str = "") -> Case:
        return Case(aspect, (rng.uniform(0.2, 0.9, (T, H)),), note)

    yield case("values", *sizes(rng, 3, 2))
    yield case("values", *sizes(rng, 4, 2))
    yield case("sizes of 1", 1, 3, note="one step")
    yield case("sizes of 1", 5, 1, note="one unit")
    z = rng.uniform(0.2, 0.9, (6, 3))
    z[rng.integers(1, 4), rng.integers(3)] = 0
    yield Case("closed gates", (z,), "a gate of exactly 0")


def _shares_divided(z: Array) -> Array:
    """Divide running products, which a gate of 0 does not survive."""
    whole = np.cumprod(z, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate([whole[-1:], whole[-1] / whole * (1 - z)])


def _shares_from_the_start(z: Array) -> Array:
    before = np.concatenate([np.ones_like(z[:1]), np.cumprod(z, axis=0)[:-1]])
    return np.concatenate([np.prod(z, axis=0)[None], (1 - z) * before])


def _shares_by_steps(z: Array) -> list:
    rows = [np.ones_like(z[0])]
    for z_t in z:
        rows = [z_t * row for row in rows] + [1 - z_t]
    return rows


def _shares_backwards(z: Array) -> Array:
    answer, left = np.empty((len(z) + 1, z.shape[1]), z.dtype), np.ones_like(z[0])
    for k in range(len(z))[::-1]:
        answer[k + 1] = left - left * z[k]
        left = left * z[k]
    answer[0] = left
    return answer


SHARES = Exercise(
    id="9-3",
    title="What a state is made of",
    marks={"values": 2, "sizes of 1": 1, "closed gates": 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("shares",),
    reference=shares,
    cases=_shares_cases,
    mistakes={
        "The factor 1 - z_k is missing: only so much of candidate k was taken in.": (
            lambda z: _shares(z, np.ones_like(z))
        ),
        "The product begins one step too early: z_k keeps what was there before step "
        "k, not the candidate of step k.": lambda z: _shares(z, 1 - z, late=0),
        "The product begins one step too late: step k + 1 is the first that may forget "
        "candidate k.": lambda z: _shares(z, 1 - z, late=2),
        "These are products over the steps before k; a candidate is forgotten by the "
        "steps after it.": _shares_from_the_start,
        "The row of h_0 is missing: it stands first, the product of all z.": (
            lambda z: shares(z)[1:]
        ),
        "The row of h_0 stands last; asked is h_0 first, then the candidates in "
        "order.": lambda z: np.roll(shares(z), -1, axis=0),
        "Dividing products fails where a gate is 0: multiply, from the last step to "
        "the first.": _shares_divided,
        "The two roles are exchanged: z keeps, 1 - z takes.": lambda z: shares(1 - z),
    },
    also_right=(_shares_by_steps, _shares_backwards),
)
