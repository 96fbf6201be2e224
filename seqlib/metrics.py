"""How well did it go? Measures on arrays of predictions, padding left out."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from seqlib._check import shapes

Array = Any


def accuracy(predicted: Array, target: Array, mask: Array | None = None) -> float:
    """Share of the predictions that are right.

    Parameters
    ----------
    predicted, target : (...) integers, the classes
    mask : (...) booleans, True where the prediction counts

    Raises
    ------
    ValueError, TypeError
        Shapes differ, something is no array of integers, or nothing counts.
    """
    shapes(predicted=(predicted, "...", "int"), target=(target, "...", "int"))
    shapes(target=(target, "...", "int"), mask=(mask, "...?", "bool"))
    for name, array in (("target", target), ("mask", mask)):
        if array is not None and array.shape != predicted.shape:
            want, got = tuple(predicted.shape), tuple(array.shape)
            raise ValueError(f"{name} must have shape {want} as predicted, got {got}")
    xp = array_namespace(predicted, target)
    right = predicted == target
    if mask is None:
        mask = xp.ones_like(right)
    if not (total := int(xp.count_nonzero(mask))):
        raise ValueError("mask leaves nothing to count")
    return int(xp.count_nonzero(right & mask)) / total
