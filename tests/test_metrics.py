"""Measures of success."""

import array_api_strict
import numpy as np
import pytest
import torch

from seqlib.metrics import accuracy

RIGHT = [[1, 2, 0], [2, 2, 1]]
GUESS = [[1, 0, 0], [2, 1, 1]]  # 4 of 6
REAL = [[True, True, False], [True, False, False]]  # 2 of 3


@pytest.mark.parametrize("library", [np, torch, array_api_strict])
def test_accuracy_counts(library):
    guess, right = library.asarray(GUESS), library.asarray(RIGHT)
    assert accuracy(guess, right) == pytest.approx(4 / 6)
    assert accuracy(guess, right, library.asarray(REAL)) == pytest.approx(2 / 3)
    assert isinstance(accuracy(guess, right), float)


def test_padding_never_matters():
    guess, right, real = map(np.array, (GUESS, RIGHT, REAL))
    other = np.where(real, guess, 99)
    assert accuracy(other, right, real) == accuracy(guess, right, real)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((GUESS, [1, 2]), ValueError, r"target must have shape \(2, 3\).*got \(2,\)"),
        ((GUESS, RIGHT, [True]), ValueError, "mask must have shape"),
        ((GUESS, RIGHT, [[False] * 3] * 2), ValueError, "mask leaves nothing to count"),
        ((GUESS, RIGHT, GUESS), TypeError, "mask must hold booleans"),
        (([[0.2]], [[1]]), TypeError, "predicted must hold integers"),
    ],
)
def test_accuracy_explains(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        accuracy(*map(np.array, arguments))


def test_lists_are_no_arrays():
    with pytest.raises(TypeError, match="predicted must be an array"):
        accuracy([1], np.array([1]))
