"""Causal self-attention in several heads, forward and backward, beside torch.nn's.

torch's need_weights=False takes its fused kernel, which never holds the weights; ours
holds them. T=128 B=16 E=128, 4 heads.

    python benchmarks/attention.py
"""

from __future__ import annotations

from collections.abc import Callable

from turns import compare

# numpy and torch come after it: they read the threads at their import
# isort: split
import torch
from torch import Tensor, nn

from seqlib.nn import MultiheadAttention

T, B, E, H = 128, 16, 128, 4


def training_step(module: nn.Module, x: Tensor, weights: bool) -> Callable[[], None]:
    """Return a function that does one forward and one backward pass."""
    mask = torch.ones(T, T, dtype=torch.bool).triu(1)
    options = {"attn_mask": mask, "need_weights": weights, "is_causal": not weights}

    def step() -> None:
        module.zero_grad()
        out, _ = module(x, x, x, **options)
        out.square().mean().backward()

    return step


def main() -> None:
    """Compare both with and without the weights."""
    torch.manual_seed(0)
    x = torch.randn(B, T, E)
    models = {
        "torch.nn.MultiheadAttention": nn.MultiheadAttention(E, H, batch_first=True),
        'seqlib.nn, backward="hand"': MultiheadAttention(E, H),
        'seqlib.nn, backward="autograd"': MultiheadAttention(E, H, backward="autograd"),
    }
    for weights in (False, True):
        steps = {name: training_step(m, x, weights) for name, m in models.items()}
        compare(f"Attention, need_weights={weights}, T={T} B={B} E={E} H={H}", steps)


if __name__ == "__main__":
    main()
