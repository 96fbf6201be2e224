"""One training step of GPT beside torch.nn's layers: time, peak memory, and the cache.

The same model from torch.nn.TransformerEncoderLayer, with the same weights. Forward,
cross-entropy and backward, float32, one thread. The candidates take turns, so that
whatever else the machine does falls on all; peak memory of one step is measured in a
process of its own for each. Then tokens a second with the KV cache and without.

    python benchmarks/gpt_step.py
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch.nn.functional import cross_entropy, gelu

from seqlib.nn import GPT, GPTConfig

LAYERS, E, HEADS, T, B, V, ROUNDS = 4, 128, 4, 128, 16, 65, 20
LENGTHS = (32, 128, 512)
NAMES = (
    "torch.nn",
    'seqlib.nn.GPT, backward="hand"',
    'seqlib.nn.GPT, backward="autograd"',
)
CONFIG = GPTConfig(V, T, LAYERS, HEADS, E, dropout=0.0)


class Theirs(torch.nn.Module):
    """The same model from torch.nn's layers."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = torch.nn.Embedding(V, E), torch.nn.Embedding(T, E)
        self.blocks = torch.nn.ModuleList(
            torch.nn.TransformerEncoderLayer(
                E,
                HEADS,
                4 * E,
                0.0,
                lambda x: gelu(x, approximate="tanh"),
                batch_first=True,
                norm_first=True,
            )
            for _ in range(LAYERS)
        )
        self.norm = torch.nn.LayerNorm(E)
        self.mask = torch.nn.Transformer.generate_square_subsequent_mask(T)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, T, V)."""
        x = self.wte(ids) + self.wpe.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, self.mask, is_causal=True)
        return self.norm(x) @ self.wte.weight.T


def candidates() -> dict[str, torch.nn.Module]:
    """Return the models, all with the same weights."""
    torch.manual_seed(0)
    ours = GPT(CONFIG)
    models = (Theirs(), ours, GPT(CONFIG, backward="autograd"))
    weights = ours.state_dict()
    for model in models:
        model.load_state_dict(weights)
    return dict(zip(NAMES, models, strict=True))


def training_step(model: torch.nn.Module) -> Callable[[], torch.Tensor]:
    """Return a function that does one forward and one backward pass."""
    ids = torch.randint(V, (B, T + 1), generator=torch.Generator().manual_seed(0))

    def step() -> torch.Tensor:
        model.zero_grad()
        loss = cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        return loss.detach()

    return step


def in_turns(steps: dict, rounds: int = ROUNDS, warm_up: int = 3) -> dict[Any, list]:
    """Return the milliseconds of each candidate, which take turns."""
    times: dict[Any, list[float]] = {name: [] for name in steps}
    for round_ in range(rounds + warm_up):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if round_ >= warm_up:
                times[name].append(1e3 * (time.perf_counter() - start))
    return times


def show(times: dict[str, list]) -> None:
    """Print medians, least and most, and the ratio to the first median."""
    base = statistics.median(next(iter(times.values())))
    for name, ms in times.items():
        median = statistics.median(ms)
        row = f"{median:6.1f} ms{min(ms):6.1f} ms{max(ms):6.1f} ms{median / base:8.2f}"
        print(f"{name:38}{row}", flush=True)


def peak() -> float:
    """Return the most memory that this process ever held, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kB here
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def memory_of(name: str) -> None:
    """Print how much a step of one candidate raises the peak of this process."""
    step = training_step(candidates()[name])
    before = peak()
    step()
    print(peak() - before)


def memory() -> None:
    """Print each candidate's peak, each from a process of its own.

    To be called first: a process starts with the peak of the one that starts it.
    """
    base = None
    for name in NAMES:
        command = [sys.executable, __file__, "--memory", name]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        mb = float(out.stdout)
        base = mb if base is None else base
        print(f"{name:38}{mb:6.0f} MB{mb / base:26.2f}", flush=True)


def generating() -> None:
    """Print milliseconds a token, greedy from one token on, with the cache first."""
    print(f"{'a generated token, batch of 1':38}{'with':>9}{'without':>9}{'ratio':>9}")
    sizes = {"max_len": max(LENGTHS) + 1, "dropout": 0.0}
    model, first = GPT(replace(CONFIG, **sizes)), torch.zeros((1, 1), dtype=torch.int64)
    for length in LENGTHS:
        ways = {
            cache: partial(model.generate, first, length, cache=cache)
            for cache in (True, False)
        }
        times = in_turns(ways, rounds=3, warm_up=1)
        a, b = (statistics.median(ms) / length for ms in times.values())
        print(f"{f'{length} tokens':38}{a:6.2f} ms{b:6.2f} ms{b / a:9.1f}", flush=True)


def main() -> None:
    """Print all measurements."""
    print(f"GPT: {LAYERS} layers, width {E}, {HEADS} heads, T={T} B={B} V={V},")
    print(f"float32, 1 thread, {ROUNDS} rounds")
    print("peak memory of a step")
    memory()
    print(f"{'a training step':38}{'median':>9}{'min':>9}{'max':>9}{'ratio':>8}")
    steps = {name: training_step(model) for name, model in candidates().items()}
    losses = [float(step()) for step in steps.values()]
    assert max(losses) - min(losses) < 1e-4, losses
    show(in_turns(steps))
    generating()


if __name__ == "__main__":
    torch.set_num_threads(1)
    memory_of(sys.argv[2]) if "--memory" in sys.argv else main()
