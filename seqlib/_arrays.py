"""What all modules say of arrays: their type, and the library that one belongs to."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace as _slow

Array = Any
State = tuple[Array, ...]

_LIBRARIES: dict[type, Any] = {}


def array_namespace(array: Array) -> Any:
    """Return the array's library, `xp`; array_api_compat's answer, asked once a type.

    Raises TypeError, as array_api_compat does, for what is no array.
    """
    kind = type(array)
    if kind not in _LIBRARIES:
        _LIBRARIES[kind] = _slow(array)
    return _LIBRARIES[kind]
