"""The loss of fine-tuning: T words, V of them to choose from, C labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 18-7 --------------------------------------------------------------------------------


def tuning_loss(
    o: Array, ids: Array, label_logits: Array, label: int, weight: float
) -> float:
    """Return the loss of the label, plus weight times that of the language."""
    return _loss(o, ids, label_logits, label, weight)


def _surprise(o: Array, right: Array) -> Array:
    e = o - o.max(axis=-1, keepdims=True)
    log_p = e - np.log(np.exp(e).sum(axis=-1, keepdims=True))
    return -log_p[np.arange(len(right)), right]


def _loss(
    o: Array,
    ids: Array,
    label_logits: Array,
    label: int,
    weight: float,
    language: Callable[[Array, Array], Array] = lambda o, ids: _surprise(
        o[:-1], ids[1:]
    ).mean(),
    on: str = "language",
    base: float = 1.0,
) -> float:
    """Add up; the options are the mistakes that one can make."""
    of_label = _surprise(label_logits[None], np.array([label]))[0]
    of_words = language(o, ids)
    if on == "label":
        return float(weight * of_label + of_words)
    if on == "mixed":
        return float((1 - weight) * of_label + weight * of_words)
    if on == "none":
        return float(of_label + of_words)
    return float(of_label + weight * of_words) / base


def _loss_cases(rng: Rng) -> Iterator[Case]:
    def case(
        aspect: str, T: int, V: int, C: int, *, weight: float, note: str = ""
    ) -> Case:
        ids = rng.integers(0, V, T)
        ids[-1] = (ids[-2] + 1) % V
        high = 1000 if aspect == "large logits" else 0
        o, of_label = 2 * rng.normal(size=(T, V)) + high, 2 * rng.normal(size=C) + high
        return Case(aspect, (o, ids, of_label, int(rng.integers(C)), weight), note)

    yield case("values", *sizes(rng, 4, 5, 2), weight=0.5)
    yield case("values", *sizes(rng, 6, 4, 3), weight=0.3)
    yield case("no auxiliary", *sizes(rng, 4, 5, 2), weight=0.0, note="a weight of 0")
    yield case("large logits", *sizes(rng, 4, 5, 3), weight=0.4, note="near 1000")


def _loss_of_probabilities(
    o: Array, ids: Array, label_logits: Array, label: int, weight: float
) -> float:
    def surprise(row: Array, i: int) -> float:
        top = row.max()
        return float(top + np.log(sum(np.exp(a - top) for a in row)) - row[i])

    each = [surprise(o[t], ids[t + 1]) for t in range(len(ids) - 1)]
    return surprise(label_logits, label) + weight * sum(each) / len(each)


def _overflows(
    o: Array, ids: Array, label_logits: Array, label: int, weight: float
) -> float:
    with np.errstate(all="ignore"):
        p = np.exp(o) / np.exp(o).sum(axis=1, keepdims=True)
        q = np.exp(label_logits) / np.exp(label_logits).sum()
        each = -np.log(p[np.arange(len(ids) - 1), ids[1:]])
        return float(-np.log(q[label]) + weight * each.mean())


TUNE = Exercise(
    id="18-7",
    title="The loss of fine-tuning",
    marks={"values": 2, "no auxiliary": 1, "large logits": 1, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("loss",),
    reference=tuning_loss,
    cases=_loss_cases,
    mistakes={
        "The target is not moved: the logits at place t guess the word at t + 1, not "
        "the one just read.": partial(
            _loss, language=lambda o, ids: _surprise(o, ids).mean()
        ),
        "The language's loss is a mean over the words that were guessed, not their "
        "sum.": partial(
            _loss, language=lambda o, ids: _surprise(o[:-1], ids[1:]).sum()
        ),
        "T - 1 words were guessed, so the mean divides by T - 1.": partial(
            _loss, language=lambda o, ids: _surprise(o[:-1], ids[1:]).sum() / len(ids)
        ),
        "The target is moved the wrong way: these logits guess the word before.": (
            partial(_loss, language=lambda o, ids: _surprise(o[1:], ids[:-1]).mean())
        ),
        "The weight belongs to the language's loss, not to the label's.": (
            partial(_loss, on="label")
        ),
        "The label's loss counts in full, whatever the weight: do not mix the two.": (
            partial(_loss, on="mixed")
        ),
        "The weight is not used.": partial(_loss, on="none"),
        "These are bits; the loss takes the natural logarithm.": (
            partial(_loss, base=float(np.log(2)))
        ),
        "exp of a large logit overflows: subtract the largest of each row first.": (
            _overflows
        ),
    },
    also_right=(_loss_of_probabilities,),
)
