"""Arrays between processes that do not trust each other.

A frame is a length and a block of bytes; a block is a description in JSON and the
arrays' own bytes. Nothing in it is ever run: no pickle, no type that it names itself.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

LIMIT = 64 * 2**20  # bytes of a frame
DEPTH = 50  # lists in lists
ALIGN = 64  # bytes, so that arrays may lie in the block as they are


class WireError(Exception):
    """Bytes that are no frame, or a value that does not go into one."""


def dumps(tree: Any) -> bytes:
    """Return the block of None, text, numbers, arrays, and lists, tuples and dicts."""
    arrays: list[np.ndarray] = []
    head = json.dumps(_describe(tree, arrays, 0)).encode()
    head += b" " * (-(8 + len(head)) % ALIGN)
    parts = [len(head).to_bytes(8, "little"), head]
    for array in arrays:
        data = array.tobytes()
        parts += [data, bytes(-len(data) % ALIGN)]
    return b"".join(parts)


def _describe(value: Any, arrays: list[np.ndarray], depth: int) -> Any:
    if depth > DEPTH:
        raise WireError(f"lists are nested more than {DEPTH} deep")
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufc":
            raise WireError(f"an array of {value.dtype} cannot be sent")
        arrays.append(value.astype(value.dtype.newbyteorder("<"), copy=False))
        return {"array": [arrays[-1].dtype.str, list(value.shape)]}
    if isinstance(value, np.generic):
        return _describe(np.asarray(value), arrays, depth)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        name = "list" if isinstance(value, list) else "tuple"
        return {name: [_describe(item, arrays, depth + 1) for item in value]}
    if isinstance(value, dict):
        items = value.items()
        return {"dict": [[str(k), _describe(v, arrays, depth + 1)] for k, v in items]}
    raise WireError(f"a {type(value).__name__} cannot be sent")


def loads(block: Any, words: int = LIMIT) -> Any:
    """Return what `dumps` was given; arrays share the block's memory.

    Parameters
    ----------
    words : bytes that the description may have: each may cost a hundred of memory

    Raises
    ------
    WireError
        The bytes are no block, whoever wrote them.
    """
    try:
        view = memoryview(block).cast("B")
        start = 8 + int.from_bytes(view[:8], "little")
        if not 8 <= start <= len(view):
            raise WireError("the description is cut short")
        if start > words:
            raise WireError(f"the description is longer than {words} bytes")
        head = json.loads(bytes(view[8:start]))
        tree, end = _build(head, view, start, 0)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise WireError(f"not a block: {error}") from None
    if end != len(view):
        raise WireError("there are more bytes than described")
    return tree


def _build(head: Any, view: memoryview, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEPTH:
        raise WireError(f"lists are nested more than {DEPTH} deep")
    if not isinstance(head, dict):
        if isinstance(head, list):
            raise WireError("a list has no kind")
        return head, at
    ((kind, value),) = head.items()
    if kind == "array":
        return _array(value, view, at)
    if kind not in ("list", "tuple", "dict") or not isinstance(value, list):
        raise WireError(f"there is no kind {kind!r}")
    built = []
    for item in value:
        key, item = item if kind == "dict" else (None, item)
        if kind == "dict" and not isinstance(key, str):
            raise WireError("a key must be text")
        found, at = _build(item, view, at, depth + 1)
        built.append((key, found))
    if kind == "dict":
        return dict(built), at
    items = [item for _, item in built]
    return (items if kind == "list" else tuple(items)), at


def _array(value: Any, view: memoryview, at: int) -> tuple[np.ndarray, int]:
    name, shape = value
    if not isinstance(name, str) or len(name) > 8:
        raise WireError("an array's type must be a short word")
    try:
        dtype = np.dtype(name)
    except SyntaxError:  # numpy reads "(2,)f4" as Python
        raise WireError(f"there is no type {name!r}") from None
    whole = all(type(n) is int and n >= 0 for n in shape) and len(shape) <= 32
    if dtype.kind not in "biufc" or not whole:
        raise WireError("an array must hold numbers and have a shape")
    size = math.prod(shape) * dtype.itemsize
    if at + size > len(view):
        raise WireError("an array is cut short")
    array = np.frombuffer(view[at : at + size], dtype).reshape(shape)
    return array, at + size + -size % ALIGN


def send(fd: int, block: bytes) -> None:
    """Write one frame."""
    data = memoryview(len(block).to_bytes(8, "little") + block)
    while data:
        data = data[os.write(fd, data) :]


def receive(read: Callable[[int], bytes], limit: int = LIMIT) -> bytes:
    """Return one frame's block; `read(n)` gives up to n bytes, b"" at the end.

    Raises
    ------
    EOFError
        The other side is gone.
    WireError
        The frame is longer than `limit`; the rest of the stream is of no use.
    """
    size = int.from_bytes(_exactly(read, 8), "little")
    if size > limit:
        raise WireError(f"a frame of {size} bytes, where {limit} are the limit")
    return _exactly(read, size)


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    parts = []
    while size:
        part = read(min(size, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
