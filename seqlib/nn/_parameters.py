"""The parameters of a module under all their names."""

from __future__ import annotations

import torch
from torch import Tensor


def parameters_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return every parameter by name; one that is shared, under each of its names.

    torch gives a shared one once, and a model of which two blocks are one and the same
    would look as if it had one block less.
    """
    return dict(module.named_parameters(remove_duplicate=False))
