"""Kind errors: every public function checks its input here, before any work."""

from __future__ import annotations

from typing import Any

import array_api_compat

KINDS = {
    "float": "real floating",
    "int": "integral",
    "bool": "bool",
}


def shapes(**arrays: tuple[Any, ...]) -> dict[str, int]:
    """Check arrays against named axes and return the size of each axis.

    Each keyword is an argument's name, its value `(array, axes)` or `(array, axes,
    kind)`: axes such as `"B T D"` or `"... D"`, kind "float" (default), "int" or
    "bool". An axis is bound where it first appears; `T>0` is not needed, since no axis
    may be empty. Arrays that are None are passed over.

    Raises
    ------
    TypeError
        Something is not an array, or has the wrong kind of numbers.
    ValueError
        A shape does not fit, or two arrays differ in library or in float type:
        `x must have shape (B, T, D=4), got (2, 7, 3)`.
    """
    sizes: dict[str, int] = {}
    first: tuple[str, Any] | None = None
    for name, (array, axes, *kind) in arrays.items():
        if array is None:
            continue
        _check_kind(name, array, kind[0] if kind else "float")
        _check_axes(name, array, axes.split(), sizes)
        if not kind:
            first = first or (name, array)
            _check_alike(name, array, *first)
    return sizes


def _check_kind(name: str, array: Any, kind: str) -> None:
    if not array_api_compat.is_array_api_obj(array):
        raise TypeError(
            f"{name} must be an array (of numpy or torch), got {type(array).__name__}"
        )
    xp = array_api_compat.array_namespace(array)
    if not xp.isdtype(array.dtype, KINDS[kind]):
        expected = {"float": "floats", "int": "integers", "bool": "booleans"}[kind]
        raise TypeError(f"{name} must hold {expected}, got {array.dtype}")


def _check_axes(name: str, array: Any, axes: list[str], sizes: dict[str, int]) -> None:
    shape = tuple(array.shape)
    named = [a for a in axes if a != "..."]
    fits = len(shape) >= len(named) if "..." in axes else len(shape) == len(named)
    tail = shape[len(shape) - len(named) :] if fits else ()
    found = dict(sizes)
    for axis, size in zip(named, tail, strict=False):
        known = int(axis) if axis.isdigit() else found.setdefault(axis, size)
        fits = fits and known == size and size > 0
    if not fits:
        want = ", ".join(f"{a}={sizes[a]}" if a in sizes else a for a in axes)
        comma = "," if len(axes) == 1 else ""
        raise ValueError(f"{name} must have shape ({want}{comma}), got {shape}")
    sizes.update(found)


def _check_alike(name: str, array: Any, first: str, reference: Any) -> None:
    here, there = (
        array_api_compat.array_namespace(a).__name__.split(".")[-1]
        for a in (array, reference)
    )
    if here != there:
        raise ValueError(
            f"{first} and {name} must come from one library, got {there} and {here}"
        )
    if array.dtype != reference.dtype:
        raise ValueError(
            f"{first} and {name} must have one float type, "
            f"got {reference.dtype} and {array.dtype}"
        )


def one_of(name: str, value: object, choices: object) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    options = list(choices)  # type: ignore[call-overload]
    if value not in options:
        listed = ", ".join(repr(c) for c in options)
        raise ValueError(f"{name} must be one of {listed}, got {value!r}")
