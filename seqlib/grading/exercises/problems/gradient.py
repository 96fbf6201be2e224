"""The gradient of a batch's loss, for each way to take the mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

from .losses import _softmax

# 1-7 ---------------------------------------------------------------------------------


def loss_backward(logits: Array, target: Array, mask: Array, choice: str) -> Array:
    """Return dL/dlogits (B, T, O) for the loss "sum", "each" or "all"."""
    weight = _weights(mask, choice)
    return weight[..., None] * (_softmax(logits) - _one_hot(logits, target))


def _one_hot(logits: Array, target: Array) -> Array:
    return np.eye(logits.shape[-1])[target]


def _weights(mask: Array, choice: str) -> Array:
    B, lengths = len(mask), mask.sum(axis=1, keepdims=True)
    return mask / {"sum": B, "each": B * lengths, "all": lengths.sum()}[choice]


def _grad_with(
    weights: Callable[[Array, str], Array] = _weights,
    off: Callable[[Array, Array], Array] = lambda p, y: p - y,
) -> Callable:
    """Return a backward pass with other weights, or with something else than p - y."""

    def backward(logits: Array, target: Array, mask: Array, choice: str) -> Array:
        y = _one_hot(logits, target)
        return weights(mask, choice)[..., None] * off(_softmax(logits), y)

    return backward


def _grad_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, choice: str, mask: Array, O: int, note: str = "") -> Case:
        logits = rng.normal(size=(*mask.shape, O))
        target = np.where(mask, rng.integers(O, size=mask.shape), 0)
        return Case(aspect, (logits, target, mask, choice), note)

    B, T, O = sizes(rng, 3, 5, 3)
    lengths = np.array([T, 2, *rng.integers(1, T, B - 2)])
    ragged = np.arange(T) < lengths[:, None]
    for choice in ("sum", "each", "all"):
        yield case(choice, choice, np.ones((B, T), bool), O, "no padding")
        yield case(choice, choice, ragged, O, "padding at the end")
    yield case("sizes of 1", "each", np.ones((1, 1), bool), 3, "one word")
    yield case("sizes of 1", "all", ragged[1:2], 3, "one sentence, padded")


def _grad_places(mask: Array, choice: str) -> Array:
    if choice == "sum":
        return _weights(mask, choice)
    return mask / mask.size


def _grad_swapped(mask: Array, choice: str) -> Array:
    return _weights(mask, {"sum": "sum", "each": "all", "all": "each"}[choice])


def _grad_without_B(mask: Array, choice: str) -> Array:
    return _weights(mask, choice) * (1 if choice == "all" else len(mask))


def _grad_in_place(logits: Array, target: Array, mask: Array, choice: str) -> Array:
    logits[:] = loss_backward(logits, target, mask, choice)
    return logits


def _grad_by_words(logits: Array, target: Array, mask: Array, choice: str) -> Array:
    d = np.zeros_like(logits)
    for b, t in np.argwhere(mask):
        p = np.exp(logits[b, t] - logits[b, t].max())
        p = p / p.sum()
        p[target[b, t]] -= 1
        n = {"sum": 1, "each": mask[b].sum(), "all": mask.sum() / len(mask)}[choice]
        d[b, t] = p / (len(mask) * n)
    return d


GRADIENT = Exercise(
    id="1-7",
    title="The gradient of a batch",
    marks={"sum": 1, "each": 1, "all": 1, "sizes of 1": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("dlogits",),
    reference=loss_backward,
    cases=_grad_cases,
    mistakes={
        "The sign is turned round: what the model says minus what is true.": (
            _grad_with(off=lambda p, y: y - p)
        ),
        "This is the softmax alone; subtract 1 at the right class.": (
            _grad_with(off=lambda p, y: p)
        ),
        "p (1 - p) is the slope of a probability by its own logit. The logarithm turns "
        "all of it into p - y.": _grad_with(off=lambda p, y: p * (1 - p)),
        "This is minus y / p, the slope by the probabilities; go on to the logits, "
        "through the softmax.": _grad_with(off=lambda p, y: -y / p),
        "Nothing is divided: every choice has a divisor, look at (1.9).": (
            _grad_with(lambda mask, choice: 1.0 * mask)
        ),
        "The padding pulls as well: multiply by the mask.": (
            _grad_with(lambda m, c: _weights(m, c).max(axis=1, keepdims=True) + 0.0 * m)
        ),
        '"each" and "all" divide by real words only; here padding is counted, too.': (
            _grad_with(_grad_places)
        ),
        '"each" and "all" are exchanged: B times the own length, or the number of all '
        "real words.": _grad_with(_grad_swapped),
        'The division by B is missing in "sum" and "each": both are means over the '
        "samples.": _grad_with(_grad_without_B),
        "The choice plays no part: this is the mean over all real words.": (
            _grad_with(lambda mask, choice: _weights(mask, "all"))
        ),
        "The choice plays no part: this is the sum over time.": (
            _grad_with(lambda mask, choice: _weights(mask, "sum"))
        ),
        "`logits[:] = …` and `logits -= …` write into the caller's array; make a new "
        "one.": _grad_in_place,
    },
    also_right=(_grad_by_words,),
)
