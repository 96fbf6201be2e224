"""One training step of GPT beside torch.nn's layers: time, peak memory, and the cache.

The same model from torch.nn.TransformerEncoderLayer, with the same weights. Forward,
cross-entropy and backward. Memory is what a step needs above what is there before it,
each model in a process of its own, and told twice: the most bytes of tensors at one
time, as torch's profiler counts them, and how far the process grew, with all that the
allocator rounds up and keeps. Then tokens a second with the KV cache and without.

    python benchmarks/gpt_step.py
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy, gelu
from torch.profiler import ProfilerActivity, profile
from turns import THREADS, compare, in_turns

from seqlib.nn import GPT, GPTConfig

LAYERS, E, HEADS, T, B = 4, 128, 4, 128, 16
VOCABULARIES = (65, 1000)
LENGTHS = (32, 128, 512)
PROC = Path("/proc/self")
NAMES = (
    "torch.nn",
    'seqlib.nn.GPT, backward="hand"',
    'seqlib.nn.GPT, backward="autograd"',
)
CONFIG = GPTConfig(VOCABULARIES[0], T, LAYERS, HEADS, E, dropout=0.0)


class Theirs(torch.nn.Module):
    """The same model from torch.nn's layers."""

    def __init__(self, V: int) -> None:
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
        T = ids.shape[1]
        x = self.wte(ids) + self.wpe.weight[:T]
        for block in self.blocks:
            x = block(x, self.mask[:T, :T], is_causal=True)
        return self.norm(x) @ self.wte.weight.T


def candidates(V: int) -> dict[str, torch.nn.Module]:
    """Return the models, all with the same weights."""
    torch.manual_seed(0)
    config = replace(CONFIG, vocab_size=V)
    ours = GPT(config)
    models = (Theirs(V), ours, GPT(config, backward="autograd"))
    weights = ours.state_dict()
    for model in models:
        model.load_state_dict(weights)
    return dict(zip(NAMES, models, strict=True))


def training_step(
    model: torch.nn.Module, V: int, size: tuple[int, int] = (B, T)
) -> Callable[[], torch.Tensor]:
    """Return a function that does one forward and one backward pass."""
    rows, length = size
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(V, (rows, length + 1), generator=generator)

    def step() -> torch.Tensor:
        model.zero_grad()
        loss = cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        return loss.detach()

    return step


def memory_of(name: str, V: int) -> None:
    """Print what a step of one candidate needs, in MB: tensors, and the process."""
    model = candidates(V)[name]
    training_step(model, V, (1, 2))()  # so that the libraries are there, and no more
    model.zero_grad()
    step = training_step(model, V)
    grown = growth(step)
    model.zero_grad()
    print(tensors(step), grown)


def tensors(step: Callable[[], object]) -> float:
    """Return the most bytes that tensors take during a step, in MB."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as kept:
        step()
    with tempfile.TemporaryDirectory() as folder:
        kept.export_chrome_trace(str(path := Path(folder) / "trace.json"))
        events = json.loads(path.read_text())["traceEvents"]
    changes = [(e["ts"], e["args"]["Bytes"]) for e in events if e["name"] == "[memory]"]
    now = most = 0
    for _, change in sorted(changes, key=lambda change: change[0]):
        now += change
        most = max(most, now)
    return most / 1e6


def growth(step: Callable[[], object]) -> float:
    """Return how far the process grows during a step, in MB; NaN if none can tell."""
    try:
        (PROC / "clear_refs").write_text("5")  # Linux: the peak begins anew
    except OSError:
        return float("nan")
    before = resident("VmRSS")
    step()
    return resident("VmHWM") - before


def resident(entry: str) -> float:
    """Return what this process holds, or held at most, in MB."""
    lines = (PROC / "status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{entry}:"))
    return int(line.split()[1]) * 1024 / 1e6


def memory(V: int) -> None:
    """Print each candidate's memory, measured in a process of its own."""
    print(f"\nmemory of a training step, V={V}")
    print(f"{'':42}{'tensors':>9}{'ratio':>8}{'process':>9}{'ratio':>8}")
    base = None
    for name in NAMES:
        command = [sys.executable, __file__, "--memory", name, str(V)]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        mb = [float(x) for x in out.stdout.splitlines()[-1].split()]
        base = base or mb
        columns = zip(mb, base, strict=True)
        row = "".join(f"{a:6.0f} MB{a / b:8.2f}" for a, b in columns)
        print(f"{name:42}{row}", flush=True)


def training(V: int) -> None:
    """Time a training step of each candidate."""
    steps = {name: training_step(model, V) for name, model in candidates(V).items()}
    losses = [float(step()) for step in steps.values()]
    assert max(losses) - min(losses) < 1e-4, losses
    compare(f"a training step, V={V}", steps)


def generating() -> None:
    """Print milliseconds a token, greedy from one token on, with the cache first."""
    print(
        f"\n{'a generated token, batch of 1':42}{'with':>9}{'without':>9}{'ratio':>8}"
    )
    sizes = {"max_len": max(LENGTHS) + 1, "dropout": 0.0}
    model, first = GPT(replace(CONFIG, **sizes)), torch.zeros((1, 1), dtype=torch.int64)
    for length in LENGTHS:
        ways = {
            str(cache): partial(model.generate, first, length, cache=cache)
            for cache in (True, False)
        }
        times = in_turns(ways, rounds=3, warm_up=1)
        a, b = (statistics.median(ms) / length for ms in times.values())
        print(f"{f'{length} tokens':42}{a:6.2f} ms{b:6.2f} ms{b / a:8.1f}", flush=True)


def main() -> None:
    """Print all measurements."""
    print(f"GPT: {LAYERS} layers, width {E}, {HEADS} heads, T={T}, B={B}")
    for V in VOCABULARIES:
        memory(V)
    for V in VOCABULARIES:
        training(V)
    generating()


if __name__ == "__main__":
    torch.set_num_threads(int(THREADS))
    memory_of(sys.argv[2], int(sys.argv[3])) if "--memory" in sys.argv else main()
