"""Learning rates over time: the factor for each step, warm-up first."""

from __future__ import annotations

import math
from collections.abc import Callable

from seqlib._check import number, whole


def inverse_sqrt(warmup: int) -> Callable[[int], float]:
    """Rise for `warmup` updates, then fall with the root of their number.

    The factor at update t = step + 1 is min(t / warmup, sqrt(warmup / t)), 1 at its
    highest. The paper's rate, D^-1/2 min(t^-1/2, t warmup^-3/2), is this factor times
    lr = (D warmup)^-1/2. Errors: warmup is no whole number above 0. Equation (17.20) of
    the book. Source: Vaswani et al. (2017), equation 3.
    """
    whole("warmup", warmup, 1)

    def factor(step: int) -> float:
        t = step + 1
        return min(t / warmup, math.sqrt(warmup / t))

    return factor


def cosine(steps: int, warmup: int = 0, final: float = 0.0) -> Callable[[int], float]:
    """Rise for `warmup` updates, then fall along half a cosine to `final`.

    With s the updates done so far, the factor is (s + 1) / warmup for s < warmup, then
    final + (1 - final) (1 + cos(π (s - warmup) / (steps - warmup))) / 2, and `final`
    from s = steps on. Errors: steps or warmup is no whole number, or warmup not below
    steps; final is not from 0 to 1. Source: Loshchilov & Hutter (2017).
    """
    whole("steps", steps, 1)
    whole("warmup", warmup, 0, steps - 1)
    number("final", final, 0, 1)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        way = min((step - warmup) / (steps - warmup), 1.0)
        return final + (1 - final) * (1 + math.cos(math.pi * way)) / 2

    return factor
