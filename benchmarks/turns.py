"""What the benchmarks share: candidates take turns, and medians are compared.

They take turns so that whatever else the machine does falls on all alike; a ratio is
that of a median to the first candidate's. One thread, unless THREADS says otherwise,
and ROUNDS rounds; a benchmark imports this before numpy, which reads the threads once.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ.get("THREADS", "1")
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]

import numpy as np
import torch

THREADS = os.environ["OMP_NUM_THREADS"]
ROUNDS = int(os.environ.get("ROUNDS", "30"))
WARM_UP = 3


def compare(title: str, candidates: Mapping[str, Callable[[], object]]) -> None:
    """Time the candidates in turns; print medians, extremes, and the ratio of each."""
    times = in_turns(candidates)
    print(f"\n{title}, float32\n{machine()}, {ROUNDS} rounds")
    print(f"{'':42}{'median':>9}{'min':>9}{'max':>9}{'ratio':>8}")
    base = statistics.median(next(iter(times.values())))
    for name, ms in times.items():
        median = statistics.median(ms)
        row = f"{median:6.1f} ms{min(ms):6.1f} ms{max(ms):6.1f} ms{median / base:8.2f}"
        print(f"{name:42}{row}", flush=True)


def in_turns(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int = ROUNDS,
    warm_up: int = WARM_UP,
) -> dict[str, list[float]]:
    """Return the milliseconds of each candidate, once a round."""
    torch.set_num_threads(int(THREADS))
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for round_ in range(warm_up + rounds):
        for name, step in candidates.items():
            start = time.perf_counter()
            step()
            if round_ >= warm_up:
                times[name].append(1e3 * (time.perf_counter() - start))
    return times


def machine() -> str:
    """Name the processor, the threads and the libraries."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    name = names[0] if names else platform.processor() or platform.machine()
    threads = f"{THREADS} thread{'s' * (THREADS != '1')}"
    return f"{name}, {threads}, torch {torch.__version__}, numpy {np.__version__}"
