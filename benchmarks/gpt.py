"""A GPT's training step beside the same model of torch.nn's layers: time and memory.

Theirs is made of torch.nn.TransformerEncoderLayer, with torch's fused causal attention,
and has the same weights. Forward, cross-entropy and backward. Memory is the most that
tensors take at one time during a step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu
from turns import ONE, Record, Step, peak, settings

from seqlib.nn import GPT, GPTConfig

LAYERS, E, HEADS, T, B, V = 4, 128, 4, 128, 16, 1000
AXES = {
    "depth": [1, 2, 4, 8],
    "T": [32, 64, 128, 256],
    "batch": [2, 4, 8, 16],
    "heads": [1, 2, 4, 8],
}
NAMES = "seqlib.nn.GPT", "torch.nn's layers"
WHY = (
    "Ours holds the weights of attention, and reads and writes them once more on the "
    "way back; torch's fused kernel never has them whole."
)


class Theirs(nn.Module):
    """The same model from torch.nn's layers."""

    def __init__(self, layers: int, heads: int, T: int) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, E), nn.Embedding(T, E)
        form = partial(gelu, approximate="tanh")
        options = {"activation": form, "batch_first": True, "norm_first": True}
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(E, heads, 4 * E, 0.0, **options)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(E)
        mask = nn.Transformer.generate_square_subsequent_mask(T)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (B, T, V)."""
        x = self.wte(ids) + self.wpe.weight
        for block in self.blocks:
            x = block(x, self.mask, is_causal=True)
        return self.norm(x) @ self.wte.weight.T


def pair(layers: int = LAYERS, heads: int = HEADS, T: int = T) -> list[nn.Module]:
    """Return ours and theirs, with the same weights."""
    ours = GPT(GPTConfig(V, T, layers, heads, E, dropout=0.0))
    theirs = Theirs(layers, heads, T)
    theirs.load_state_dict(ours.state_dict())
    return [ours, theirs]


def training(model: nn.Module, ids: Tensor) -> Callable[[], Tensor]:
    """Return a function that does one forward and one backward pass."""

    def step() -> Tensor:
        model.zero_grad()
        loss = cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        return loss.detach()

    return step


def growing(axis: str) -> Callable[[int], dict[str, Step]]:
    """Return a function from a size on an axis to the steps to time."""

    def make(n: int) -> dict[str, Step]:
        size = {"depth": LAYERS, "T": T, "batch": B, "heads": HEADS, axis: n}
        ids = torch.randint(V, (size["batch"], size["T"] + 1))
        models = pair(size["depth"], size["heads"], size["T"])
        return {k: training(m, ids) for k, m in zip(NAMES, models, strict=True)}

    return make


def measure(record: Record) -> None:
    """Check that both lose the same; compare times and memory."""
    torch.manual_seed(0)
    for setting in settings():
        ids = torch.randint(V, (B, T + 1), device=setting.device)
        models = [m.to(setting.device, setting.dtype) for m in pair()]
        steps = [training(m, ids) for m in models]
        torch.testing.assert_close(*(s() for s in steps), rtol=1e-2, atol=1e-3)
        ours, theirs = ({k: s} for k, s in zip(NAMES, steps, strict=True))
        aim = 1.05 if setting.device == "cpu" else None
        record.race("GPT, training step", ours, theirs, setting, aim, WHY)
    steps = growing("T")(T)
    ours, theirs = ((k, peak(s)) for k, s in steps.items())
    ratio = ours[1] / theirs[1]
    more = {**ONE.words, "aim": None, "why": ""}
    record.row("GPT, memory of a step", ours, theirs, ratio, [ratio] * 2, "MB", **more)
    for axis, at in AXES.items():
        record.grow("GPT, training step", axis, at, growing(axis))
    record.profile("GPT, training step", steps)
