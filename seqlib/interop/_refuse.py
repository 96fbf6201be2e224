"""How an option of Hugging Face that ours lack is refused, before any work."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch

ACTIVATIONS = {  # theirs, and what it is called here
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}


def only(config: Any, **wanted: Any) -> None:
    """Raise a ValueError unless the config has these values, where it has them."""
    for name, value in wanted.items():
        if (got := getattr(config, name, value)) != value:
            raise ValueError(f"{name} must be {value!r}, got {got!r}")


def activation(config: Any, name: str, known: Collection[str]) -> str:
    """Return our name of an activation, or raise a ValueError."""
    got = getattr(config, name)
    theirs = [t for t, ours in ACTIVATIONS.items() if ours in known]
    if got not in theirs:
        listed = ", ".join(map(repr, theirs))
        raise ValueError(f"{name} must be one of {listed}, got {got!r}")
    return ACTIVATIONS[got]


def filled(
    ours: torch.nn.Module, weights: dict[str, torch.Tensor], like: torch.nn.Module
) -> Any:
    """Copy weights into a model of ours, which trains if that one does."""
    ours.load_state_dict({n: w.detach() for n, w in weights.items()})
    return ours.train(like.training)
