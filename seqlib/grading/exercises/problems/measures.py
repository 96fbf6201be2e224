"""How good: accuracy, the confusion matrix, and the accuracy of each class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Result = tuple[float, Array, Array]

# 1-6 ---------------------------------------------------------------------------------


def measures(predicted: Array, true: Array, mask: Array, O: int) -> Result:
    """Return the accuracy, C (O, O) with the true class in rows, each class's (O,)."""
    p, y = predicted[mask], true[mask]
    C = np.zeros((O, O), int)
    np.add.at(C, (y, p), 1)
    return float(np.trace(C) / C.sum()), C, _shares(C, C.sum(axis=1))


def _shares(C: Array, of: Array) -> Array:
    return np.where(of > 0, np.diag(C) / np.maximum(of, 1), np.nan)


def _measure_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, mask: Array, O: int, note: str, absent: int = -1) -> Case:
        while True:
            true = rng.integers(O, size=mask.shape)
            true[true == absent] = (absent + 1) % O
            guess = np.where(rng.random(mask.shape) < 0.5, true, rng.integers(O))
            guess = np.where(rng.random(mask.shape) < 0.2, rng.integers(O), guess)
            C = measures(guess, true, mask, O)[1]
            rows, columns = C.sum(axis=1), C.sum(axis=0)
            full = (rows > 0).sum() == O - (absent >= 0)
            if full and (rows != columns).any() and (C != C.T).any() and C.max() > 2:
                break
        return Case(aspect, (guess, true, mask, O), note)

    B, T = sizes(rng, 4, 7)
    whole = np.ones((B, T), bool)
    ragged = np.arange(T) < np.array([T, 3, *rng.integers(2, T, B - 2)])[:, None]
    yield case("values", whole, 3, "no padding")
    yield case("values", whole, 4, "no padding")
    yield case("padding", ragged, 3, "padding at the end")
    yield case("a class that never comes", whole, 4, "class 2 never comes", absent=2)


def _from(C: Array) -> Result:
    return float(np.trace(C) / C.sum()), C, _shares(C, C.sum(axis=1))


def _count_once(predicted: Array, true: Array, mask: Array, O: int) -> Result:
    C = np.zeros((O, O), int)
    C[true[mask], predicted[mask]] += 1
    return _from(C)


def _with(change: int, new: Callable[[Array], Any]) -> Callable[..., tuple]:
    """Return `measures` with one of its three results replaced."""

    def wrong(predicted: Array, true: Array, mask: Array, O: int) -> tuple:
        right = measures(predicted, true, mask, O)
        return tuple(new(right[1]) if i == change else r for i, r in enumerate(right))

    return wrong


def _mean_of_classes(C: Array) -> float:
    return float(np.nanmean(_shares(C, C.sum(axis=1))))


def _by_pairs(predicted: Array, true: Array, mask: Array, O: int) -> Result:
    C = np.bincount(true[mask] * O + predicted[mask], minlength=O * O).reshape(O, O)
    right = (predicted == true)[mask].mean()
    with np.errstate(invalid="ignore"):
        return right, C, np.diag(C) / C.sum(axis=1)


def _by_loops(predicted: Array, true: Array, mask: Array, O: int) -> tuple:
    pairs = list(zip(predicted[mask].tolist(), true[mask].tolist(), strict=True))
    C = [[pairs.count((j, i)) for j in range(O)] for i in range(O)]
    each = [C[i][i] / sum(C[i]) if sum(C[i]) else float("nan") for i in range(O)]
    return sum(p == y for p, y in pairs) / len(pairs), C, each


MEASURES = Exercise(
    id="1-6",
    title="Three measures",
    marks={"values": 2, "padding": 1, "a class that never comes": 1},
    difficulty=2,
    importance=3,
    minutes=15,
    returns=("accuracy", "C", "each"),
    reference=measures,
    cases=_measure_cases,
    mistakes={
        "C is turned round: the true class chooses the row, the predicted one the "
        "column.": lambda p, y, mask, O: _from(measures(p, y, mask, O)[1].T),
        "A pair that comes again is counted once: `C[true, predicted] += 1` writes a "
        "cell once. Use np.add.at or a loop.": _count_once,
        "The mask plays no part.": (
            lambda p, y, mask, O: measures(p, y, np.ones_like(mask), O)
        ),
        "Each class is divided by how often it is predicted, the column's sum; that is "
        "its precision. Divide by the row's sum.": (
            _with(2, lambda C: _shares(C, C.sum(axis=0)))
        ),
        "The accuracy is the mean of the classes here; it is the share of all words "
        "that are right.": _with(0, _mean_of_classes),
        "A class that never comes has no accuracy: nan, not 0.": (
            _with(2, lambda C: np.nan_to_num(_shares(C, C.sum(axis=1))))
        ),
        "A class that never comes has no accuracy: nan, not 1.": (
            _with(2, lambda C: np.nan_to_num(_shares(C, C.sum(axis=1)), nan=1.0))
        ),
        "The accuracy of a class divides by its own row's sum, not by all words.": (
            _with(2, lambda C: np.diag(C) / C.sum())
        ),
        "These are the numbers of right answers; divide by each row's sum.": (
            _with(2, lambda C: np.diag(C))
        ),
        "C holds counts; here its rows were divided by their sums.": (
            _with(1, lambda C: C / np.maximum(C.sum(axis=1, keepdims=True), 1))
        ),
        "This is the share of wrong answers; count the right ones.": (
            _with(0, lambda C: 1 - float(np.trace(C) / C.sum()))
        ),
    },
    also_right=(_by_pairs, _by_loops),
)
