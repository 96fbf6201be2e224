"""One training step of RNN, LSTM and GRU beside torch.nn's: the ratio of medians.

Forward and backward, float32, one thread, T=100 B=64 D=128 H=256. They take turns, so
that whatever else the machine does falls on all.

    python benchmarks/rnn_step.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from seqlib.nn import GRU, LSTM, RNN

T, B, D, H, ROUNDS = 100, 64, 128, 256, 30


def training_step(model: torch.nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """Return a function that does one forward and one backward pass."""

    def step() -> None:
        model.zero_grad()
        y, _ = model(x)
        y.square().mean().backward()

    return step


def main() -> None:
    """Time each cell's candidates in turns, and print medians and ratios."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"T={T} B={B} D={D} H={H}, float32, 1 thread, {ROUNDS} rounds")
    print(f"{'':38}{'median':>9}{'min':>9}{'max':>9}{'ratio':>8}")
    for ours in (RNN, LSTM, GRU):
        compare(ours, torch.randn(B, T, D))


def compare(ours: type[torch.nn.RNNBase], x: torch.Tensor) -> None:
    """Print one cell's rows; the ratio is to torch.nn's median."""
    name = ours.__name__
    theirs = getattr(torch.nn, name)
    candidates = {
        f"torch.nn.{name}": theirs(D, H, batch_first=True),
        f'seqlib.nn.{name}, backward="hand"': ours(D, H),
        f'seqlib.nn.{name}, backward="autograd"': ours(D, H, backward="autograd"),
    }
    if ours is GRU:
        before = GRU(D, H, reset="before")
        candidates['seqlib.nn.GRU, reset="before"'] = before
    steps = {name: training_step(model, x) for name, model in candidates.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(ROUNDS + 3):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if round_ >= 3:  # the first rounds warm up
                times[name].append(1e3 * (time.perf_counter() - start))
    base = statistics.median(next(iter(times.values())))
    for name, ms in times.items():
        median = statistics.median(ms)
        row = f"{median:6.1f} ms{min(ms):6.1f} ms{max(ms):6.1f} ms{median / base:8.2f}"
        print(f"{name:38}{row}")


if __name__ == "__main__":
    main()
