"""Causal self-attention in several heads, forward and backward, beside torch.nn's.

With need_weights=False torch takes its fused kernel, which never holds the weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from turns import Record, Step, settings

from seqlib.nn import MultiheadAttention

T, B, E, H = 128, 16, 128, 4
AXES = {"T": [32, 64, 128, 256, 512], "heads": [1, 2, 4, 8, 16]}


def training(module: nn.Module, x: Tensor, weights: bool = False) -> Step:
    """Return a function that does one forward and one backward pass."""
    mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
    options = {"attn_mask": mask, "need_weights": weights, "is_causal": not weights}

    def step() -> None:
        module.zero_grad()
        out, _ = module(x, x, x, **options)
        out.square().mean().backward()

    return step


def pair(E: int = E, H: int = H) -> dict[str, nn.Module]:
    """Return ours and theirs, with the same weights."""
    theirs = nn.MultiheadAttention(E, H, batch_first=True)
    ours = MultiheadAttention(E, H)
    ours.load_state_dict(theirs.state_dict())
    name = "MultiheadAttention"
    return {f"seqlib.nn.{name}": ours, f"torch.nn.{name}": theirs}


def growing(axis: str) -> Callable[[int], dict[str, Step]]:
    """Return a function from a size on an axis to the steps to time."""

    def make(n: int) -> dict[str, Step]:
        size = {"T": T, "heads": H, axis: n}
        x = torch.randn(B, size["T"], E)
        return {k: training(m, x) for k, m in pair(H=size["heads"]).items()}

    return make


def measure(record: Record) -> None:
    """Compare both, with and without the weights."""
    torch.manual_seed(0)
    for setting in settings():
        x = torch.randn(B, T, E).to(setting.device, setting.dtype)
        models = {k: m.to(setting.device, setting.dtype) for k, m in pair().items()}
        for weights in (False, True):
            steps = {k: training(m, x, weights) for k, m in models.items()}
            ours, theirs = ({k: s} for k, s in steps.items())
            what = f"Attention, training step{', weights returned' * weights}"
            record.race(what, ours, theirs, setting)
    for axis, at in AXES.items():
        record.grow("Attention, training step", axis, at, growing(axis))
