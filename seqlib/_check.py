"""Kind errors: every public function checks its input here, before any work."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from array_api_compat import device, is_array_api_obj

from seqlib._arrays import array_namespace

KINDS = {
    "float": ("real floating", "floats"),
    "int": ("integral", "integers"),
    "bool": ("bool", "booleans"),
}
_KNOWN: dict[tuple, bool] = {}  # asked at every call, so asked once a type


def shapes(**arrays: tuple[Any, ...]) -> dict[str, int]:
    """Check arrays against named axes and return the size of each axis.

    Each keyword is an argument's name, its value `(array, axes)` or `(array, axes,
    kind)`: axes such as `"B T D"`, `"... D"` or `"4 D"`, with a last `?` if None will
    do; kind "float" (default), "int" or "bool". An axis is bound where it first
    appears, and none may be empty.

    Raises
    ------
    TypeError
        Something is not an array, or has the wrong kind of numbers.
    ValueError
        A shape does not fit, or an array differs from the first in library, device or
        float type: `x must have shape (B, T, D=4), got (2, 7, 3)`.
    """
    sizes: dict[str, int] = {}
    first: tuple[str, Any] | None = None
    for name, (array, axes, *kind) in arrays.items():
        if array is None and axes.endswith("?"):
            continue
        _check_kind(name, array, *(kind or ["float"]))
        _check_axes(name, array, axes.removesuffix("?").split(), sizes)
        first = first or (name, array)
        _check_alike(name, array, *first)
    return sizes


def gradient(name: str, array: Any, like: Any, shape: Iterable[int]) -> None:
    """Check a gradient that enters a backward pass: `like`'s numbers, this shape."""
    wanted = (array, " ".join(map(str, shape)))
    shapes(**{"the forward pass": (like, "..."), name: wanted})


def _check_kind(name: str, array: Any, kind: str) -> None:
    if not is_array_api_obj(array):
        raise TypeError(
            f"{name} must be an array (of numpy or torch), got {type(array).__name__}"
        )
    if not _is_kind(array, kind):
        raise TypeError(f"{name} must hold {KINDS[kind][1]}, got {array.dtype}")


def _is_kind(array: Any, kind: str) -> bool:
    key = type(array), array.dtype, kind
    if key not in _KNOWN:
        _KNOWN[key] = array_namespace(array).isdtype(array.dtype, KINDS[kind][0])
    return _KNOWN[key]


def _check_axes(name: str, array: Any, axes: list[str], sizes: dict[str, int]) -> None:
    shape = tuple(array.shape)
    named = [a for a in axes if a != "..."]
    fits = len(shape) >= len(named) if "..." in axes else len(shape) == len(named)
    found = dict(sizes)
    for axis, size in zip(named, shape[len(shape) - len(named) :], strict=fits):
        known = int(axis) if axis.isdigit() else found.setdefault(axis, size)
        fits = fits and known == size
    if not fits:
        want = ", ".join(f"{a}={sizes[a]}" if a in sizes else a for a in axes)
        comma = "," if len(axes) == 1 else ""
        raise ValueError(f"{name} must have shape ({want}{comma}), got {shape}")
    if 0 in shape:
        raise ValueError(f"{name} must not be empty, got shape {shape}")
    sizes.update(found)


def _check_alike(name: str, array: Any, first: str, reference: Any) -> None:
    if array is reference:
        return
    libraries = [
        array_namespace(a).__name__.rpartition(".")[2] for a in (reference, array)
    ]
    if libraries[0] != libraries[1]:
        raise ValueError(
            f"{name} must come from {libraries[0]} as {first} does, got {libraries[1]}"
        )
    if device(array) != device(reference):
        raise ValueError(
            f"{name} must be on {device(reference)} as {first} is, got {device(array)}"
        )
    floats = _is_kind(array, "float") and _is_kind(reference, "float")
    if floats and array.dtype != reference.dtype:
        raise ValueError(
            f"{name} must hold {reference.dtype} as {first} does, got {array.dtype}"
        )


def in_range(name: str, ids: Any, size: int) -> None:
    """Raise a ValueError unless all whole numbers in `ids` are 0 to size - 1."""
    xp = array_namespace(ids)
    for got in (int(xp.min(ids)), int(xp.max(ids))):
        if not 0 <= got < size:
            raise ValueError(f"{name} must be 0 to {size - 1}, got {got}")


def one_of(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    options = list(choices)
    if not isinstance(value, str) or value not in options:
        listed = ", ".join(repr(c) for c in options)
        raise ValueError(f"{name} must be one of {listed}, got {value!r}")


def parts(name: str, value: object, count: int) -> None:
    """Raise a TypeError unless `value` is a tuple of so many arrays."""
    if not isinstance(value, tuple) or len(value) != count:
        arrays = "one array" if count == 1 else f"{count} arrays"
        got = f"{len(value)}" if isinstance(value, tuple) else type(value).__name__
        raise TypeError(f"{name} must be a tuple of {arrays}, got {got}")


def flag(name: str, value: object) -> None:
    """Raise a TypeError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")


def number(
    name: str, value: object, low: float, high: float | None = None, below: bool = False
) -> None:
    """Raise unless `value` is a number from low up to high, or below it."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}")
    wanted = f"at least {low}"
    if high is not None:
        wanted += f" and {'below' if below else 'at most'} {high}"
    x, top = float(value), math.inf if high is None else high
    if not (low <= x < top if below else low <= x <= top):
        raise ValueError(f"{name} must be {wanted}, got {value}")


def whole(name: str, value: object, low: int, high: int | None = None) -> None:
    """Raise unless `value` is a whole number from low up to high."""
    if not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    number(name, value, low, high)


def generator(name: str, value: object) -> None:
    """Raise a TypeError unless `value` is one of numpy's random generators."""
    if not isinstance(value, np.random.Generator):
        raise TypeError(
            f"{name} must be a numpy generator, np.random.default_rng(seed), "
            f"got {type(value).__name__}"
        )
