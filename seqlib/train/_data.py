"""From data to batches: choose samples, collate them, make tensors of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def size_of(name: str, data: Any) -> int:
    """Check training data and return its number of samples."""
    columns: dict[str, Any] = {name: data}
    if isinstance(data, tuple | dict):
        items = data.items() if isinstance(data, dict) else enumerate(data)
        columns = {f"{name}[{key!r}]": column for key, column in items}
        if not columns:
            raise ValueError(f"{name} must hold at least one array, got none")
    sizes = {key: _length(key, column) for key, column in columns.items()}
    first, size = next(iter(sizes.items()))
    for key, n in sizes.items():
        if n != size:
            raise ValueError(f"{key} must hold {size} samples as {first} does, got {n}")
    return size


def _length(name: str, column: Any) -> int:
    known = hasattr(column, "__len__") and hasattr(column, "__getitem__")
    if not known or isinstance(column, str | bytes | dict):
        raise TypeError(
            f"{name} must be an array, a tensor or a list of samples, "
            f"got {type(column).__name__}"
        )
    if getattr(column, "ndim", 1) == 0:
        raise ValueError(f"{name} must hold samples along its first axis, got shape ()")
    if not len(column):
        raise ValueError(f"{name} must hold at least one sample, got none")
    return len(column)


def take(data: Any, chosen: np.ndarray) -> Any:
    """Return these samples, as tuple, dict, array or list, as the data is."""
    if isinstance(data, tuple):
        return _like(data, [_cut(column, chosen) for column in data])
    if isinstance(data, dict):
        return {key: _cut(column, chosen) for key, column in data.items()}
    return _cut(data, chosen)


def _cut(column: Any, chosen: np.ndarray) -> Any:
    if isinstance(column, np.ndarray):
        return column[chosen]
    if isinstance(column, torch.Tensor):
        return column[torch.from_numpy(chosen).to(column.device)]
    return [column[int(i)] for i in chosen]


def _like(old: Any, parts: list) -> Any:
    """Make a list, a tuple or a NamedTuple of the parts, as the old one is."""
    return type(old)(*parts) if hasattr(old, "_fields") else type(old)(parts)


def batch_of(
    data: Any,
    chosen: np.ndarray,
    collate: Callable[[Any], Any] | None,
    device: torch.device,
) -> Any:
    """Return the batch of these samples as the loss receives it."""
    batch = take(data, chosen)
    return to_tensors(batch if collate is None else collate(batch), device)


def to_tensors(batch: Any, device: torch.device) -> Any:
    """Make tensors on this device of all arrays; leave what is none as it is."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, np.ndarray) and batch.dtype.kind in "biufc":
        return torch.tensor(batch, device=device)
    if isinstance(batch, tuple | list):
        return _like(batch, [to_tensors(b, device) for b in batch])
    if isinstance(batch, dict):
        return {key: to_tensors(b, device) for key, b in batch.items()}
    return batch
