"""What the models share: parameters under dotted names, and masks as they come."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Holder(torch.nn.Module):
    """A name that stands before others: it holds parameters and computes nothing."""

    def extra_repr(self) -> str:
        """Show the parameters' shapes."""
        own = self._parameters.items()
        return ", ".join(f"{n}={tuple(p.shape)}" for n, p in own if p is not None)


def hold(
    module: torch.nn.Module,
    shapes: dict[str, tuple[int, ...]],
    device: Any = None,
    dtype: Any = None,
) -> None:
    """Give the module empty parameters under these names, dots and all."""
    for name, shape in shapes.items():
        *path, last = name.split(".")
        place = module
        for part in path:
            if part not in place._modules:
                many = part == "blocks"
                place.add_module(part, torch.nn.ModuleList() if many else Holder())
            place = getattr(place, part)
        values = torch.empty(shape, device=device, dtype=dtype)
        place.register_parameter(last, torch.nn.Parameter(values))


def draw(values: Tensor, deviation: float | None) -> None:
    """Draw a parameter anew: normal, or ones where there is no deviation."""
    with torch.no_grad():
        if deviation is None:
            values.fill_(1)
        elif deviation == 0:
            values.zero_()
        else:
            values.normal_(0, deviation)


def real(name: str, mask: Any, ids: Any) -> Tensor | None:
    """Return Hugging Face's mask, 1 or True = real, as our mask of booleans."""
    if mask is None:
        return None
    if not isinstance(mask, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(mask).__name__}")
    if mask.shape != ids.shape:
        raise ValueError(
            f"{name} must have shape {tuple(ids.shape)}, as ids, "
            f"got {tuple(mask.shape)}"
        )
    if mask.dtype == torch.bool:
        return mask
    if bool(((mask != 0) & (mask != 1)).any()):
        raise ValueError(f"{name} must hold 1 for real and 0 for padding, got others")
    return mask == 1
