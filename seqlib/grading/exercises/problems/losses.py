"""Losses: of one answer, of a batch of sentences, and their gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import FLOAT32, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Three = tuple[float, float, float]


def _softmax(o: Array) -> Array:
    e = np.exp(o - o.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# 1-3 ---------------------------------------------------------------------------------


def log_loss(logits: Array, target: Array) -> Array:
    """Return -log softmax(logits)[target] (N,) for logits (N, O), target (N,)."""
    return -_log_p(logits)[np.arange(len(target)), target]


def _log_p(o: Array) -> Array:
    o = o - o.max(axis=-1, keepdims=True)
    return o - np.log(np.exp(o).sum(axis=-1, keepdims=True))


def _loss_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, N: int, O: int, shift: float = 0, note: str = "") -> Case:
        o, target = rng.normal(size=(N, O)) + shift, rng.integers(O, size=N)
        return Case(aspect, (o, target), note)

    N, O = sizes(rng, 4, 3)
    yield case("values", N, O)
    yield case("values", 5, 5)
    yield case("sizes of 1", 1, 3)
    yield case("large logits", N, O, 1000, "all logits near 1000")
    sure = case("sure and wrong", 4, 3)
    o, target = sure.args
    o[np.arange(4), target] -= [0, 50, 100, 2000]
    note = "a logit 2000 below the others"
    yield Case("sure and wrong", (o, target), note, inf_as_nan)
    o, target = case(FLOAT32, N, O).args
    yield Case(FLOAT32, (o.astype("float32"), target))


def inf_as_nan(loss: Any) -> Any:
    """Return the losses with inf as nan, for no number is near inf."""
    if isinstance(loss, np.ndarray) and loss.dtype.kind == "f":
        return np.where(np.isinf(loss), np.nan, loss)
    return loss


def _picked(p: Array, target: Array) -> Array:
    return p[np.arange(len(target)), target]


def _loss_bare(o: Array, target: Array) -> Array:
    with np.errstate(all="ignore"):
        e = np.exp(o)
        return np.log(e.sum(axis=-1)) - np.log(_picked(e, target))


def _loss_softmax_first(o: Array, target: Array) -> Array:
    with np.errstate(divide="ignore"):
        return -np.log(_picked(_softmax(o), target))


def _loss_clipped(o: Array, target: Array) -> Array:
    return -np.log(np.clip(_picked(_softmax(o), target), 1e-12, None))


def _loss_wrong_axis(o: Array, target: Array) -> Array:
    return -_picked(_log_p(o.T).T, target)


def _loss_whole(o: Array, target: Array) -> Array:
    return np.log(np.exp(o - o.max()).sum()) + o.max() - _picked(o, target)


def _loss_in_float64(o: Array, target: Array) -> Array:
    return log_loss(o.astype(float), target)


def _loss_one_by_one(o: Array, target: Array) -> list:
    losses = []
    for row, c in zip(o, target, strict=True):
        top = row.max()
        losses.append(np.log(np.exp(row - top).sum()) + top - row[c])
    return losses


LOG_LOSS = Exercise(
    id="1-3",
    title="A loss that does not overflow",
    marks={
        "values": 1,
        "sizes of 1": 1,
        "large logits": 1,
        "sure and wrong": 1,
        FLOAT32: 1,
    },
    difficulty=2,
    importance=3,
    minutes=15,
    returns=("loss",),
    reference=log_loss,
    cases=_loss_cases,
    mistakes={
        "e to the power of 1000 is inf, and inf / inf is nan: subtract the largest "
        "logit of each row first.": _loss_bare,
        "A probability of e^-2000 is 0 for a computer, and log 0 is -inf: do not go "
        "through the probability, use log(e^a / s) = a - log s.": _loss_softmax_first,
        "Clipping the probability makes a confident mistake cheap: the loss must go on "
        "growing. Use log(e^a / s) = a - log s.": _loss_clipped,
        "The sign is turned round: the loss is minus the logarithm.": (
            lambda o, target: -log_loss(o, target)
        ),
        "The softmax runs over the classes, the last axis; here it runs over the "
        "samples.": _loss_wrong_axis,
        "Each row has a softmax of its own; here one sum runs over all rows.": (
            _loss_whole
        ),
        "One loss for each row is asked for, not their mean.": (
            lambda o, target: log_loss(o, target).mean()
        ),
        "One loss for each row is asked for, not their sum.": (
            lambda o, target: log_loss(o, target).sum()
        ),
        "This sums over all classes; only the right class counts, since y is 0 for the "
        "others.": lambda o, target: -_log_p(o).sum(axis=-1),
        "This is the loss of every class: pick the right one with "
        "[np.arange(len(target)), target].": lambda o, target: -_log_p(o),
        "[:, target] picks a column for each sample, from all rows: pair rows and "
        "classes, [np.arange(len(target)), target].": (
            lambda o, target: -_log_p(o)[:, target]
        ),
        "This is the probability itself: its logarithm, with a minus, is the loss.": (
            lambda o, target: _picked(_softmax(o), target)
        ),
        "The logarithm has base 2; the natural one, np.log, is meant.": (
            lambda o, target: log_loss(o, target) / np.log(2)
        ),
        "These are the bare logits of the right class, without their softmax.": (
            lambda o, target: -_picked(o, target)
        ),
        "float32 went in, and somewhere a float64 was made: `.astype(float)` or "
        "np.zeros without a dtype.": _loss_in_float64,
    },
    also_right=(
        _loss_one_by_one,
        lambda o, target: (
            -(np.eye(o.shape[1], dtype=o.dtype)[target] * _log_p(o)).sum(1)
        ),
        lambda o, target: np.logaddexp.reduce(o, axis=1) - _picked(o, target),
    ),
)

# 1-5 ---------------------------------------------------------------------------------


def three_means(losses: Array, mask: Array) -> Three:
    """Return (1.6), (1.7) and (1.8) of losses (B, T); mask (B, T) True where real."""
    real = np.where(mask, losses, 0)
    by_sentence = real.sum(axis=1)
    lengths = mask.sum(axis=1)
    summed = by_sentence.mean()
    each = (by_sentence / lengths).mean()
    return summed, each, by_sentence.sum() / lengths.sum()


def _means_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, mask: Array, note: str, fill: float = 7.0) -> Case:
        losses = np.where(mask, rng.exponential(size=mask.shape), fill)
        return Case(aspect, (losses, mask), note)

    B, T = sizes(rng, 3, 6)
    lengths = np.array([T, 1, *rng.integers(2, T, B - 2)])
    ragged = np.arange(T) < lengths[:, None]
    yield case("no padding", np.ones((B, T), bool), "no padding")
    yield case("padding", ragged, "unequal lengths")
    yield case("padding", ragged[::-1].copy(), "unequal lengths")
    yield case("nan on padding", ragged, "the padding is nan", np.nan)


def _means(
    total: Callable[[Array, Array], Array] = lambda x, m: np.where(m, x, 0).sum(axis=1),
    places: bool = False,
    of_means: bool = False,
) -> Callable[[Array, Array], Three]:
    """Return a function with some of the broken one's faults."""

    def means(losses: Array, mask: Array) -> Three:
        by_sentence, lengths = total(losses, mask), mask.sum(axis=1)
        each = (by_sentence / (mask.shape[1] if places else lengths)).mean()
        every = by_sentence.sum() / lengths.sum()
        if of_means:
            every = (by_sentence / lengths).mean()
        return by_sentence.mean(), each, every

    return means


def _by_factor(losses: Array, mask: Array) -> Array:
    return (losses * mask).sum(axis=1)


def _means_listed(losses: Array, mask: Array) -> list[float]:
    rows = [row[m] for row, m in zip(losses, mask, strict=True)]
    B = len(rows)
    every = np.concatenate(rows).mean()
    return [sum(map(sum, rows)) / B, sum(row.mean() for row in rows) / B, every]


MEND = Exercise(
    id="1-5",
    title="Mend it: three means",
    marks={"no padding": 1, "padding": 2, "nan on padding": 1},
    difficulty=2,
    importance=3,
    minutes=15,
    returns=("summed", "each", "every"),
    reference=three_means,
    cases=_means_cases,
    mistakes={
        "All three faults are still there. Begin with a batch of one sentence of two "
        "words in a row of four, and work the three numbers out by hand.": (
            _means(_by_factor, places=True, of_means=True)
        ),
        "One fault is left: `each` divides by all places of the row, padding too. "
        "Divide by the sentence's own length.": _means(places=True),
        "One fault is left: `every` is a mean of the sentences' means. All real words "
        "of the batch count alike: one sum, one division.": _means(of_means=True),
        "One fault is left: nan times 0 is nan. Choose with np.where(mask, losses, 0) "
        "instead of multiplying.": _means(_by_factor),
        "Two faults are left: `each` divides by all places, and `every` is a mean of "
        "means.": _means(places=True, of_means=True),
        "Two faults are left: `each` divides by all places, and nan times 0 is nan.": (
            _means(_by_factor, places=True)
        ),
        "Two faults are left: `every` is a mean of means, and nan times 0 is nan.": (
            _means(_by_factor, of_means=True)
        ),
        "The mask plays no part.": (
            lambda losses, mask: three_means(losses, np.ones_like(mask))
        ),
        "`summed` is a mean over the samples: divide the sum by B.": (
            lambda losses, mask: (
                np.where(mask, losses, 0).sum(),
                *three_means(losses, mask)[1:],
            )
        ),
        "`each` and `every` are exchanged.": (
            lambda losses, mask: tuple(three_means(losses, mask)[i] for i in (0, 2, 1))
        ),
        "The number of words is counted, not added up: what is asked for are means of "
        "the losses.": lambda losses, mask: three_means(1.0 * mask, mask),
        "np.nan_to_num mends nan, but padding may hold any number: choose with the "
        "mask.": _means(lambda losses, mask: np.nan_to_num(losses).sum(axis=1)),
    },
    also_right=(
        _means_listed,
        lambda losses, mask: (
            losses[mask].sum() / len(losses),
            np.nanmean(np.where(mask, losses, np.nan), axis=1).mean(),
            losses[mask].mean(),
        ),
    ),
)
