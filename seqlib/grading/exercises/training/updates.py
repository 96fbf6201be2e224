"""How to step, how far, and where to begin."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 7-4 ---------------------------------------------------------------------------------

B1, B2, EPS = 0.9, 0.999, 1e-8


def adam_step(
    theta: Array, g: Array, m: Array, s: Array, t: int, lr: float
) -> tuple[Array, Array, Array]:
    """Return the new parameters and both running means after update t."""
    return _adam(theta, g, m, s, t, lr)


def _adam(
    theta: Array,
    g: Array,
    m: Array,
    s: Array,
    t: int,
    lr: float,
    *,
    b1: float = B1,
    b2: float = B2,
    correct: bool = True,
    late: int = 0,
    power: int = 2,
    root: Callable[[Array], Array] = np.sqrt,
    inside: float = 0.0,
    outside: float = EPS,
    hats: bool = False,
) -> tuple[Array, Array, Array]:
    """Do the step; every option is a way to get it wrong."""
    m, s = b1 * m + (1 - b1) * g, b2 * s + (1 - b2) * g**power
    m_hat, s_hat = m, s
    if correct:
        m_hat, s_hat = m / (1 - b1 ** (t - late)), s / (1 - b2 ** (t - late))
    new = theta - lr * m_hat / (root(s_hat + inside) + outside)
    return (new, m_hat, s_hat) if hats else (new, m, s)


def _adam_with(**option: Any) -> Callable:
    def step(
        theta: Array, g: Array, m: Array, s: Array, t: int, lr: float
    ) -> tuple[Array, Array, Array]:
        return _adam(theta, g, m, s, t, lr, **option)

    return step


def _adam_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, shape: tuple, t: int, size: float = 1.0) -> Case:
        theta, g = rng.normal(size=shape), size * rng.normal(size=shape)
        m = size * rng.normal(size=shape) if t > 1 else np.zeros(shape)
        s = size**2 * rng.uniform(0.2, 1, shape) if t > 1 else np.zeros(shape)
        return Case(aspect, (theta, g, m, s, t, 0.05), f"update {t}")

    yield case("values", tuple(sizes(rng, 2, 3)), 3)
    yield case("values", (4,), 20)
    yield case("first update", tuple(sizes(rng, 2, 3)), 1)
    yield case("first update", (1,), 1)
    yield case("tiny gradients", (5,), 4, size=1e-7)


def _adam_before(
    theta: Array, g: Array, m: Array, s: Array, t: int, lr: float
) -> tuple[Array, Array, Array]:
    """Move by the running means as they were."""
    _, new_m, new_s = adam_step(theta, g, m, s, t, lr)
    m_hat, s_hat = m / (1 - B1**t), s / (1 - B2**t)
    return theta - lr * m_hat / (np.sqrt(s_hat) + EPS), new_m, new_s


def _adam_in_place(
    theta: Array, g: Array, m: Array, s: Array, t: int, lr: float
) -> tuple[Array, Array, Array]:
    m *= B1
    m += (1 - B1) * g
    s *= B2
    s += (1 - B2) * g * g
    theta -= lr * m / (1 - B1**t) / (np.sqrt(s / (1 - B2**t)) + EPS)
    return theta, m, s


def _adam_paper(
    theta: Array, g: Array, m: Array, s: Array, t: int, lr: float
) -> tuple[Array, Array, Array]:
    """Put the corrections into the rate, as the paper's remark does, exactly."""
    m, s = m + (1 - B1) * (g - m), s + (1 - B2) * (g * g - s)
    rate = lr * math.sqrt(1 - B2**t) / (1 - B1**t)
    return theta - rate * m / (np.sqrt(s) + EPS * math.sqrt(1 - B2**t)), m, s


ADAM = Exercise(
    id="7-4",
    title="Adam",
    marks={"values": 2, "first update": 1, "tiny gradients": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("theta", "m", "s"),
    reference=adam_step,
    cases=_adam_cases,
    mistakes={
        "The corrections are missing: divide m by 1 - 0.9^t and s by 1 - 0.999^t.": (
            _adam_with(correct=False)
        ),
        "The corrected means are returned; they are for this step only. Hand back m "
        "and s as they are, or the next update corrects them "
        "twice.": _adam_with(hats=True),
        "s is the running mean of the squares g², not of g.": _adam_with(
            power=1, root=lambda a: np.sqrt(np.abs(a))
        ),
        "The root is missing: divide by the root of s.": _adam_with(root=lambda a: a),
        "ε stands outside the root.": _adam_with(inside=EPS, outside=0.0),
        "ε is missing: a gradient near zero divides by almost nothing.": (
            _adam_with(outside=0.0)
        ),
        "0.9 belongs to m and 0.999 to s; here they are exchanged.": (
            _adam_with(b1=B2, b2=B1)
        ),
        "Both running means use 0.9; that of the squares uses 0.999.": _adam_with(
            b2=B1
        ),
        "This walks uphill: subtract.": (
            lambda theta, g, m, s, t, lr: adam_step(theta, g, m, s, t, -lr)
        ),
        "The step uses the running means from before this gradient: update m and s "
        "first.": _adam_before,
        "The gradient itself is divided by the root of s; the step goes along m.": (
            lambda theta, g, m, s, t, lr: (
                theta
                - lr
                * g
                / (np.sqrt(adam_step(theta, g, m, s, t, lr)[2] / (1 - B2**t)) + EPS),
                *adam_step(theta, g, m, s, t, lr)[1:],
            )
        ),
        "The updates are counted from 1, so the power is t, not t + 1.": (
            _adam_with(late=-1)
        ),
        "`m *= …` and `theta -= …` write into the caller's arrays: make new ones.": (
            _adam_in_place
        ),
    },
    also_right=(_adam_paper,),
)

# 7-5 ---------------------------------------------------------------------------------


def rate_factor(s: int, S: int, w: int) -> float:
    """Return the factor on the rate at update s = 0 … S - 1, after w of warm-up."""
    if s < w:
        return (s + 1) / w
    return (1 + math.cos(math.pi * (s - w) / (S - w))) / 2


def _factor_cases(rng: Rng) -> Iterator[Case]:
    S, w = int(rng.integers(50, 90)), int(rng.integers(6, 12))
    for s in (0, int(rng.integers(1, w - 1)), w - 1):
        yield Case("warm-up", (s, S, w))
    for s in (w, int(rng.integers(w + 3, S // 2)), int(rng.integers(S // 2, S - 2))):
        yield Case("fall", (s, S, w))
    yield Case("fall", (S - 1, S, w), "the last update")
    yield Case("no warm-up", (0, S, 0))
    yield Case("no warm-up", (int(rng.integers(5, 20)), S, 0))


def _way(s: int, S: int, w: int) -> float:
    return (s - w) / (S - w)


def _fall(f: Callable[[int, int, int], float]) -> Callable:
    return lambda s, S, w: (s + 1) / w if s < w else f(s, S, w)


SCHEDULE = Exercise(
    id="7-5",
    title="Up, then down",
    marks={"warm-up": 1, "fall": 2, "no warm-up": 1},
    difficulty=1,
    importance=2,
    minutes=15,
    returns=("factor",),
    reference=rate_factor,
    cases=_factor_cases,
    mistakes={
        "The first update would have the rate 0 and do nothing: in the warm-up the "
        "factor is (s + 1) / w.": lambda s, S, w: (
            s / w if s < w else rate_factor(s, S, w)
        ),
        "There is no warm-up: below w the factor rises from 1/w to 1.": (
            lambda s, S, w: rate_factor(max(s - w, 0), S - w, 0) if s >= w else 1.0
        ),
        "The fall must begin at 1 where the warm-up ends: the way is (s - w) / (S - "
        "w), not s / S.": _fall(lambda s, S, w: (1 + math.cos(math.pi * s / S)) / 2),
        "The way is divided by S; from w to S there are only S - w updates.": (
            _fall(lambda s, S, w: (1 + math.cos(math.pi * (s - w) / S)) / 2)
        ),
        "The cosine runs from 1 to -1, and a rate below 0 walks uphill: add 1 and take "
        "half.": _fall(lambda s, S, w: math.cos(math.pi * _way(s, S, w))),
        "The half is missing: 1 + cos begins at 2.": (
            _fall(lambda s, S, w: 1 + math.cos(math.pi * _way(s, S, w)))
        ),
        "This falls along a straight line; a cosine is asked for.": (
            _fall(lambda s, S, w: 1 - _way(s, S, w))
        ),
        "This is a quarter of a wave, which ends in full fall; half a wave goes up to "
        "π.": _fall(lambda s, S, w: math.cos(math.pi / 2 * _way(s, S, w))),
        "math.cos wants radians: half a wave is π, not 180.": (
            _fall(lambda s, S, w: (1 + math.cos(180 * _way(s, S, w))) / 2)
        ),
        "The warm-up goes on for ever: from update w on the factor falls.": (
            lambda s, S, w: (s + 1) / w if w else 1.0
        ),
        "Without warm-up, w = 0, this divides by zero: look at s < w first.": (
            lambda s, S, w: min((s + 1) / w, rate_factor(max(s, w), S, w))
        ),
    },
    also_right=(
        lambda s, S, w: (
            np.float64(s + 1) / w if w > s else np.cos(np.pi / 2 * _way(s, S, w)) ** 2
        ),
    ),
)
