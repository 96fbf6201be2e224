"""The loss of a padded batch, and its gradient at the logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 7-1 ---------------------------------------------------------------------------------


def masked_loss(logits: Array, y: Array, mask: Array) -> float:
    """Return the mean over the real steps of -log softmax(logits)[y]."""
    return float(_losses(logits, y)[mask].sum() / mask.sum())


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _losses(logits: Array, y: Array) -> Array:
    return -np.take_along_axis(_log_softmax(logits), y[..., None], axis=-1)[..., 0]


def _softmax(logits: Array) -> Array:
    return np.exp(_log_softmax(logits))


def _ragged(rng: Rng, B: int, T: int) -> Array:
    """Draw a mask of sentences of different lengths; the first is the longest."""
    lengths = rng.permutation(np.arange(1, T + 1))[:B] if B <= T else np.full(B, T)
    lengths[0] = T
    return np.arange(T) < lengths[:, None]


def _batch(rng: Rng, B: int, T: int, O: int, size: float = 2.0) -> tuple:
    logits = size * rng.normal(size=(B, T, O))
    return logits, rng.integers(0, O, (B, T)), _ragged(rng, B, T)


def _loss_cases(rng: Rng) -> Iterator[Case]:
    B, T, O = sizes(rng, 2, 5, 3)
    yield Case("values", _batch(rng, B, T, O), "padding at the end")
    yield Case("values", _batch(rng, 2, T, O), "padding at the end")
    logits, y, mask = _batch(rng, 2, T, O)
    mask[0, 1:] = [False] + [True] * (T - 2)
    yield Case("values", (logits, y, mask), "a gap in the mask")
    yield Case("sizes of 1", _batch(rng, 1, 1, O))
    yield Case("sizes of 1", _batch(rng, 1, T, 2), "one sentence")
    yield Case("large logits", _batch(rng, 2, T, O, size=2000.0), "logits in thousands")


def _loss_by_steps(logits: Array, y: Array, mask: Array) -> float:
    total, count = 0.0, 0
    for b in range(len(y)):
        for t in range(y.shape[1]):
            if mask[b, t]:
                o = logits[b, t]
                total += np.logaddexp.reduce(o) - o[y[b, t]]
                count += 1
    return total / count


def _loss_naive(logits: Array, y: Array, mask: Array) -> float:
    with np.errstate(all="ignore"):
        e = np.exp(logits)
        p = np.take_along_axis(e / e.sum(axis=-1, keepdims=True), y[..., None], -1)
        return float(-np.log(p[..., 0])[mask].mean())


def _loss_per_sentence(logits: Array, y: Array, mask: Array) -> float:
    return float(((_losses(logits, y) * mask).sum(1) / mask.sum(1)).mean())


LOSS = Exercise(
    id="7-1",
    title="The loss of a ragged batch",
    marks={"values": 2, "sizes of 1": 1, "large logits": 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("loss",),
    reference=masked_loss,
    cases=_loss_cases,
    mistakes={
        "The padding counts too: only steps with mask True belong in the mean.": (
            lambda logits, y, mask: float(_losses(logits, y).mean())
        ),
        "The padding is left out of the sum, but not of the number you divide by: "
        "divide by mask.sum().": (
            lambda logits, y, mask: float((_losses(logits, y) * mask).mean())
        ),
        "This is the sum; the mean divides it by the number of real steps.": (
            lambda logits, y, mask: float(_losses(logits, y)[mask].sum())
        ),
        "This is a mean of the sentences' means: there a step of a short sentence "
        "counts for more. Asked is one mean over all real steps.": _loss_per_sentence,
        "The sum is divided by the number of sentences; divide by that of real "
        "steps.": (
            lambda logits, y, mask: float(_losses(logits, y)[mask].sum() / len(y))
        ),
        "The sign is wrong: log of a probability is negative, the loss is positive.": (
            lambda logits, y, mask: -masked_loss(logits, y, mask)
        ),
        "The softmax is missing: logits are no probabilities. This averages the logits "
        "of the right classes.": lambda logits, y, mask: float(
            -np.take_along_axis(logits, y[..., None], axis=-1)[..., 0][mask].mean()
        ),
        "The logarithm is missing: this is 1 minus the mean probability.": (
            lambda logits, y, mask: float(1 - np.exp(-_losses(logits, y))[mask].mean())
        ),
        "The logarithm is taken of the mean probability; take it of each step, then "
        "the mean.": lambda logits, y, mask: float(
            -np.log(np.exp(-_losses(logits, y))[mask].mean())
        ),
        "exp of a large logit overflows. Subtract the largest logit of each step "
        "first; the softmax stays the same.": _loss_naive,
    },
    also_right=(
        _loss_by_steps,
        lambda logits, y, mask: np.mean(
            [
                _losses(logits[b, t], y[b, t])
                for b, t in zip(*np.nonzero(mask), strict=True)
            ]
        ),
    ),
)

# 7-2 ---------------------------------------------------------------------------------


def loss_back(logits: Array, y: Array, mask: Array) -> Array:
    """Return the gradient (B, T, O) of the masked mean loss at the logits."""
    truth = np.eye(logits.shape[-1])[y]
    return (_softmax(logits) - truth) * mask[..., None] / mask.sum()


def _back_cases(rng: Rng) -> Iterator[Case]:
    B, T, O = sizes(rng, 2, 4, 3)
    yield Case("values", _batch(rng, B, T, O), "padding at the end")
    yield Case("values", _batch(rng, 2, T, O), "padding at the end")
    logits, y, mask = _batch(rng, 3, 4, 5)
    yield Case("values", (logits, y, np.ones_like(mask)), "no padding")
    yield Case("sizes of 1", _batch(rng, 1, 1, O))
    yield Case("sizes of 1", _batch(rng, 1, T, 2), "one sentence")


def _back_scaled(scale: Callable[[Array], Array]) -> Callable:
    def back(logits: Array, y: Array, mask: Array) -> Array:
        truth = np.eye(logits.shape[-1])[y]
        return (_softmax(logits) - truth) * scale(mask)

    return back


def _back_in_place(logits: Array, y: Array, mask: Array) -> Array:
    logits[:] = _softmax(logits)
    b, t = np.indices(y.shape)
    logits[b, t, y] -= 1
    logits *= mask[..., None] / mask.sum()
    return logits


def _back_by_steps(logits: Array, y: Array, mask: Array) -> Array:
    out = np.zeros_like(logits)
    for b, t in np.argwhere(mask):
        p = np.exp(logits[b, t] - np.logaddexp.reduce(logits[b, t]))
        p[y[b, t]] -= 1
        out[b, t] = p / np.count_nonzero(mask)
    return out


BACK = Exercise(
    id="7-2",
    title="Prediction minus truth",
    marks={"values": 2, "sizes of 1": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("dlogits",),
    reference=loss_back,
    cases=_back_cases,
    mistakes={
        "The mask is missing: on padding the gradient is zero.": _back_scaled(
            lambda mask: 1 / mask.sum()
        ),
        "The factor of the mean is missing: divide by the number of real steps.": (
            _back_scaled(lambda mask: mask[..., None])
        ),
        "The mean runs over the real steps: divide by mask.sum(), not by the size of "
        "the whole box.": _back_scaled(lambda mask: mask[..., None] / mask.size),
        "The sign is turned round: it is prediction minus truth.": (
            lambda logits, y, mask: -loss_back(logits, y, mask)
        ),
        "The truth is missing: subtract 1 at the right class.": (
            lambda logits, y, mask: _softmax(logits) * mask[..., None] / mask.sum()
        ),
        "The softmax is missing: the prediction is softmax(logits).": (
            lambda logits, y, mask: (
                (logits - np.eye(logits.shape[-1])[y]) * mask[..., None] / mask.sum()
            )
        ),
        "Each sentence is divided by its own length; the loss divides all steps by one "
        "number, that of all real steps.": _back_scaled(
            lambda mask: mask[..., None] / mask.sum(axis=1)[:, None, None] / len(mask)
        ),
        "This is the gradient at the right class alone, in every place of the vector; "
        "the other classes have their own.": (
            lambda logits, y, mask: (
                np.broadcast_to(
                    (np.exp(-_losses(logits, y)) - 1)[..., None], logits.shape
                )
                * mask[..., None]
                / mask.sum()
            )
        ),
        "It writes into the caller's logits: make a new array.": _back_in_place,
    },
    also_right=(
        _back_by_steps,
        lambda logits, y, mask: np.where(
            mask[..., None],
            (_softmax(logits) - (y[..., None] == np.arange(logits.shape[-1])))
            / np.sum(mask),
            0,
        ),
    ),
)
