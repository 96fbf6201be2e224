"""The loss of captions: B of them, T steps, V words; 0 is padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 14-2 --------------------------------------------------------------------------------


def caption_loss(logits: Array, ids: Array) -> float:
    """Return the mean of -log P over all real words of all captions."""
    return _loss(logits, ids)


def _logs(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _loss(
    *args: Any,
    shift: int = 1,
    padding: bool = False,
    by_caption: str = "all",
    sign: float = -1.0,
    logs: object = _logs,
    end: bool = True,
) -> float:
    logits, ids = args
    T = logits.shape[1]
    target = ids[:, shift : shift + T]
    with np.errstate(all="ignore"):
        each = np.take_along_axis(logs(logits), target[..., None], 2)[..., 0]  # type: ignore[operator]
    real = (target > 0) | padding
    if not end:  # leave out the last real word
        real = real & np.roll(real, -1, axis=1)
        real[:, -1] = False
    with np.errstate(all="ignore"):
        rows = np.where(real, each, 0).sum(axis=1)
    if by_caption == "rows":
        return float(sign * (rows / real.sum(axis=1)).mean())
    return float(sign * rows.sum() / (1 if by_caption == "sum" else real.sum()))


def _naive(logits: Array) -> Array:
    return np.log(np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True))


def _loss_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, V: int, scale: float, note: str = "") -> Case:
        lengths = rng.permutation(np.arange(B) % (T - 1)) + 2
        lengths[0] = T
        ids = rng.integers(3, V, (B, T + 1))
        ids[:, 0] = 1
        for row, n in zip(ids, lengths, strict=True):
            row[n], row[n + 1 :] = 2, 0
        return Case(aspect, (scale * rng.normal(size=(B, T, V)), ids), note)

    yield case("values", 4, 6, 7, 1.0)
    yield case("values", 3, 5, 9, 1.0)
    yield case("large logits", 3, 4, 6, 2000.0, "logits of thousands")


def _loss_by_loops(logits: Array, ids: Array) -> float:
    found = []
    for row, words in zip(logits, ids, strict=True):
        for o, word in zip(row, words[1:], strict=True):
            if word:
                found.append(np.logaddexp.reduce(o) - o[word])
    return sum(found) / len(found)


def _loss_in_place(logits: Array, ids: Array) -> float:
    logits -= logits.max(axis=-1, keepdims=True)
    return caption_loss(logits, ids)


LOSS = Exercise(
    id="14-2",
    title="What a caption costs",
    marks={"values": 2, "large logits": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("loss",),
    reference=caption_loss,
    cases=_loss_cases,
    mistakes={
        "The targets are not shifted: after <sos> the network must say the first word, "
        "so the logits at place t belong to ids[:, t + 1].": (
            lambda logits, ids: _loss(logits, ids, shift=0)
        ),
        "The padding is counted: leave out the places whose target is 0.": (
            lambda logits, ids: _loss(logits, ids, padding=True)
        ),
        "This averages each caption first and then the captions; every real word is "
        "to count alike.": lambda logits, ids: _loss(logits, ids, by_caption="rows"),
        "This is the sum; divide by the number of real words.": (
            lambda logits, ids: _loss(logits, ids, by_caption="sum")
        ),
        "The sign: the loss is -log P, which is never negative.": (
            lambda logits, ids: _loss(logits, ids, sign=1.0)
        ),
        "The logits are no log-probabilities yet: the softmax is missing.": (
            lambda logits, ids: _loss(logits, ids, logs=lambda o: o)
        ),
        "<eos> is a word like any other: to stop in time must be learned, too.": (
            lambda logits, ids: _loss(logits, ids, end=False)
        ),
        "exp(1000) is infinite: subtract the largest logit first.": (
            lambda logits, ids: _loss(logits, ids, logs=_naive)
        ),
        "The logarithm is the natural one, np.log.": (
            lambda logits, ids: _loss(logits, ids) / np.log(2)
        ),
        "This is the probability, not its logarithm.": (
            lambda logits, ids: _loss(logits, ids, logs=lambda o: np.exp(_logs(o)))
        ),
        "`logits -= …` writes into the caller's array.": _loss_in_place,
    },
    also_right=(_loss_by_loops,),
)
