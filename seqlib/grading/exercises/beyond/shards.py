"""Gradients of several machines, each with a shard of R, joined into one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 20-6 --------------------------------------------------------------------------------


def join(losses: Array, grads: Array, mask: Array) -> tuple[float, Array]:
    """Return loss and gradient (P,) of the big batch from R shards of B x T tokens.

    losses (R, B, T) of each token, grads (R, B, T, P), mask (R, B, T).
    """
    return _join(losses, grads, mask)


def _join(
    losses: Array,
    grads: Array,
    mask: Array,
    padding: bool = False,
    weighs: bool = True,
    shift: bool = False,
    both: bool = True,
) -> tuple[float, Array]:
    """Join the shards; the options are the mistakes that one can make.

    padding: it counts as tokens; weighs: by tokens; shift: the factor R is there
    twice; both: the loss is weighed, too.
    """
    real = np.ones_like(mask) if padding else mask
    R, N_r = len(losses), real.sum(axis=(1, 2))
    L_r = (losses * mask).sum(axis=(1, 2)) / N_r
    g_r = (grads * mask[..., None]).sum(axis=(1, 2)) / N_r[:, None]
    factor = N_r / N_r.sum() * (R if shift else 1)
    factor = factor if weighs else np.full(R, 1 / R)
    loss = float(factor @ L_r) if both else float(L_r.mean())
    return loss, factor @ g_r


def _join_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, lengths: list[list[int]], note: str) -> Case:
        T, P = max(max(row) for row in lengths), 3
        mask = np.arange(T) < np.array(lengths)[..., None]
        losses = rng.uniform(0.5, 3, mask.shape)
        grads = rng.normal(size=(*mask.shape, P)) + rng.normal(
            size=(len(lengths), 1, 1, P)
        )
        return Case(aspect, (losses, grads, mask), note)

    n, m = sizes(rng, 6, 2)
    yield case("unequal shards", [[n, n - 1], [2, m], [1, 3]], "three machines")
    yield case("unequal shards", [[1, 2, 1], [n, m + 4, 9]], "two machines")
    yield case("equal shards", [[n, m], [m + 1, n - 1]], "as many tokens on each")
    yield case("one machine", [[n, 2, m]], "one machine")


def _join_at_once(losses: Array, grads: Array, mask: Array) -> tuple[float, Array]:
    return float(losses[mask].mean()), grads[mask].mean(axis=0)


def _sentence_means(losses: Array, grads: Array, mask: Array) -> tuple[float, Array]:
    n = mask.sum(axis=2)
    L = (losses * mask).sum(axis=2) / n
    g = (grads * mask[..., None]).sum(axis=2) / n[..., None]
    return float(L.mean()), g.mean(axis=(0, 1))


def _sums(losses: Array, grads: Array, mask: Array) -> tuple[float, Array]:
    return float(losses[mask].sum()), grads[mask].sum(axis=0)


def _counts_padding(losses: Array, grads: Array, mask: Array) -> tuple[float, Array]:
    return float(losses.mean()), grads.mean(axis=(0, 1, 2))


def broken(losses: Array, grads: Array, mask: Array) -> tuple[float, Array]:
    """Make the notebook's two faults at once: plain means, padding in the divisor."""
    return _join(losses, grads, mask, padding=True, weighs=False)


def _inverse(losses: Array, grads: Array, mask: Array) -> tuple[float, Array]:
    N_r = mask.sum(axis=(1, 2))
    factor = (1 / N_r) / (1 / N_r).sum()
    L_r = (losses * mask).sum(axis=(1, 2)) / N_r
    g_r = (grads * mask[..., None]).sum(axis=(1, 2)) / N_r[:, None]
    return float(factor @ L_r), factor @ g_r


MEND = Exercise(
    id="20-6",
    title="Mend it: an average with two faults",
    marks={"unequal shards": 3, "equal shards": 1, "one machine": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("loss", "gradient"),
    reference=join,
    cases=_join_cases,
    mistakes={
        "Both faults are still there: padding is counted as tokens, and the machines' "
        "means are averaged plainly.": broken,
        "The plain average of the machines' means: weigh each by its share of the "
        "tokens.": partial(_join, weighs=False),
        "Each sentence's mean counts alike here, so words of short sentences count "
        "more: average over tokens.": _sentence_means,
        "This is the sum over all tokens; the big batch's loss is their mean.": _sums,
        "Padding has losses and gradients here: they must not be added up.": (
            _counts_padding
        ),
        "The factor R is there twice: if you weigh by R N_r / N, take the mean over "
        "the machines and not the sum.": partial(_join, shift=True),
        "The gradient is weighed, the loss is not: both belong to the big batch.": (
            partial(_join, both=False)
        ),
        "The weights are upside down: more tokens, more weight.": _inverse,
    },
    also_right=(_join_at_once,),
)
