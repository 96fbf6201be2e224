"""One training step of a small GPT made of `encoder_block`, beside torch.nn's layers.

4 blocks, width 128, 4 heads, feed-forward 512, T=128 B=16, a vocabulary of 1000 tied
to the last product. Torch's are TransformerEncoderLayers with their fused causal
attention, and autograd. Memory is the most that tensors take at a time in a step.

    python benchmarks/blocks.py
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from turns import compare

# numpy and torch come after it: they read the threads at their import
# isort: split
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from seqlib.attention import causal_mask
from seqlib.functional import (
    cross_entropy,
    cross_entropy_backward,
    embedding,
    embedding_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
)
from seqlib.positions import learned, learned_backward
from seqlib.transformer import encoder_block, encoder_block_backward

L, E, H, F, T, B, V = 4, 128, 4, 512, 128, 16, 1000


class Theirs(nn.Module):
    """A GPT of torch.nn's layers."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(V, E), nn.Embedding(T, E)
        form = partial(nn.functional.gelu, approximate="tanh")
        options = {"activation": form, "batch_first": True, "norm_first": True}
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(E, H, F, 0.0, **options) for _ in range(L)
        )
        self.norm = nn.LayerNorm(E)
        self.mask = nn.Transformer.generate_square_subsequent_mask(T)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (B, T, V)."""
        x = self.tokens(ids) + self.places.weight
        for block in self.blocks:
            x = block(x, self.mask, is_causal=True)
        return self.norm(x) @ self.tokens.weight.T


def theirs(model: Theirs, ids: Tensor, targets: Tensor) -> Callable[[], list[Tensor]]:
    """Return a function that does one forward and one backward pass of autograd."""

    def step() -> list[Tensor]:
        loss = nn.functional.cross_entropy(model(ids).flatten(0, 1), targets.flatten())
        return list(torch.autograd.grad(loss, list(model.parameters())))

    return step


def ours(model: Theirs, ids: Tensor, targets: Tensor) -> Callable[[], list[Tensor]]:
    """Return a function that does the same with the book's backward passes."""
    held = {name: p.detach() for name, p in model.named_parameters()}
    words, places = held["tokens.weight"], held["places.weight"]
    norm = held["norm.weight"], held["norm.bias"]
    prefixes = [f"blocks.{i}." for i in range(L)]
    blocks = [
        {n.removeprefix(p): a for n, a in held.items() if n.startswith(p)}
        for p in prefixes
    ]
    mask = causal_mask(T, words)
    options = {"norm_first": True, "activation": "gelu_tanh"}

    def step() -> list[Tensor]:
        x, of_words = embedding(ids, words)
        x, of_places = learned(x, places)
        caches = []
        for params in blocks:
            x, cache = encoder_block(x, params, H, mask, **options)
            caches.append(cache)
        x, of_norm = layer_norm(x, *norm)
        logits, of_logits = linear(x, words)
        _, of_loss = cross_entropy(logits, targets)
        del logits
        dlogits = cross_entropy_backward(1.0, of_loss)
        del of_loss  # as autograd does, which frees what it no longer needs
        dx, dwords, _ = linear_backward(dlogits, of_logits)
        del dlogits
        dx, *dnorm = layer_norm_backward(dx, of_norm)
        grads: list[Tensor] = []
        while caches:
            dx, dparams, _ = encoder_block_backward(dx, caches.pop())
            grads = [*dparams.values(), *grads]
        dx, dplaces = learned_backward(dx, of_places)
        dwords = dwords + embedding_backward(dx, of_words)
        return [dwords, dplaces, *grads, *dnorm]

    @torch.no_grad()
    def run() -> list[Tensor]:
        return step()

    return run


def peak(step: Callable[[], object]) -> float:
    """Return the largest sum of tensors' sizes at one time during a step, in MB."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        kept = step()
    del kept
    size = largest = 0
    events = found.profiler.kineto_results.events()
    for event in sorted(events, key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            size += event.nbytes()
            largest = max(largest, size)
    return largest / 2**20


def main() -> None:
    """Check that both find the same gradients; compare times and memory."""
    torch.manual_seed(0)
    model = Theirs()
    ids = torch.randint(V, (B, T + 1))
    batch = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    steps = {
        "torch.nn.TransformerEncoderLayer": theirs(model, *batch),
        "seqlib.transformer.encoder_block": ours(model, *batch),
    }
    one, other = (step() for step in steps.values())
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
    compare(
        f"GPT, training step, {L} blocks E={E} H={H} F={F} T={T} B={B} V={V}", steps
    )
    memory = {name: peak(step) for name, step in steps.items()}
    for name, size in memory.items():
        ratio = size / next(iter(memory.values()))
        print(f"{name:42}{size:6.0f} MB at most{ratio:24.2f}")


if __name__ == "__main__":
    main()
