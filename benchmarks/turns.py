"""What the benchmarks share: candidates take turns, and a record of what they took.

They take turns so that whatever else the machine does falls on all alike: each round
gives a ratio, and a row tells the median of the ratios and their quartiles. A
comparison lasts about BUDGET seconds, but ROUNDS rounds at least, five unless said,
and thirty at most; a point of a curve three.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch.profiler, be quiet

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.profiler import ProfilerActivity, profile

BUDGET = float(os.environ.get("BUDGET", "4"))
FEWEST, MOST = int(os.environ.get("ROUNDS", "5")), 30
Step = Callable[[], object]


class Setting(NamedTuple):
    """Where something is measured."""

    device: str
    dtype: torch.dtype
    threads: int | None  # None on a GPU

    @property
    def words(self) -> dict[str, Any]:
        """Say it as a row does."""
        dtype = str(self.dtype).removeprefix("torch.")
        return {"device": self.device, "dtype": dtype, "threads": self.threads}


ONE = Setting("cpu", torch.float32, 1)


def settings() -> list[Setting]:
    """Return one thread and two; and where a GPU is there, float32 and bfloat16."""
    threads = [n for n in (1, 2) if n <= (os.cpu_count() or 1)]
    found = [Setting("cpu", torch.float32, n) for n in threads]
    if torch.cuda.is_available():
        found += [Setting("cuda", d, None) for d in (torch.float32, torch.bfloat16)]
    return found


def in_turns(
    candidates: Mapping[str, Step],
    setting: Setting = ONE,
    budget: float = BUDGET,
    fewest: int = FEWEST,
) -> dict[str, list[float]]:
    """Return the milliseconds of each candidate, once a round; the first is dropped."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    threads = setting.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        end = None
        for round_ in range(MOST + 1):
            for name, step in candidates.items():
                start = time.perf_counter()
                step()
                if setting.device == "cuda":
                    torch.cuda.synchronize()
                times[name].append(1e3 * (time.perf_counter() - start))
            end = end or time.perf_counter() + budget
            if round_ >= fewest and time.perf_counter() > end:
                break
    return {name: ms[1:] for name, ms in times.items()}


def quartiles(values: Iterable[float]) -> list[float]:
    """Return the first and the third."""
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return [short(first), short(third)]


def short(x: float) -> float:
    """Return x to four digits, which are more than a measurement has."""
    return float(f"{x:.4g}")


class Record:
    """All that was measured, printed as it comes."""

    def __init__(self) -> None:
        self.part = ""
        self.rows: list[dict[str, Any]] = []
        self.growth: list[dict[str, Any]] = []
        self.profiles: list[dict[str, Any]] = []

    def race(
        self,
        what: str,
        ours: Mapping[str, Step],
        theirs: Mapping[str, Step],
        setting: Setting = ONE,
        aim: float | None = None,
        why: str = "",
    ) -> None:
        """Compare each of ours with each of theirs; the aim is for the two first.

        `why` says what keeps it from being met, for the case that it is not.
        """
        times = in_turns({**theirs, **ours}, setting)
        for mine in ours:
            for other in theirs:
                pairs = zip(times[mine], times[other], strict=True)
                ratios = [a / b for a, b in pairs]
                goal = {"aim": aim, "why": why} if aim else {"aim": None, "why": ""}
                self.row(
                    what,
                    (mine, statistics.median(times[mine])),
                    (other, statistics.median(times[other])),
                    statistics.median(ratios),
                    quartiles(ratios),
                    rounds=len(ratios),
                    **setting.words,
                    **goal,
                )
                aim = None

    def row(
        self,
        what: str,
        ours: tuple[str, float],
        theirs: tuple[str, float] | None,
        value: float,
        spread: list[float],
        unit: str = "ms",
        **more: Any,
    ) -> None:
        """Add a row: `value` is the ratio; where there are no theirs, what ours is."""
        row = {"part": self.part, "what": what, "unit": unit}
        for side, pair in (("ours", ours), ("theirs", theirs)):
            row[side] = pair and {"name": pair[0], "median": short(pair[1])}
        row |= {"value": short(value), "spread": spread, **more}
        self.rows.append(row)
        beside = f" beside {theirs[0]} {short(theirs[1]):g} {unit}" if theirs else ""
        where = "".join(f", {v}" for k, v in more.items() if v and k[0] in "dt")
        goal = f", aim {row['aim']:g}" if row.get("aim") else ""
        print(
            f"{what}{where}: {ours[0]} {short(ours[1]):g} {unit}{beside}: "
            f"{value:.2f} ({spread[0]:.2f} to {spread[1]:.2f}){goal}",
            flush=True,
        )

    def grow(
        self, what: str, axis: str, at: list[int], make: Callable[[int], dict]
    ) -> None:
        """Time the candidates that `make` gives for each size on an axis."""
        curves: dict[str, list[float]] = {}
        for n in at:
            for name, ms in in_turns(make(n), ONE, BUDGET / 10, min(3, FEWEST)).items():
                curves.setdefault(name, []).append(statistics.median(ms))
        self.curves(what, axis, at, curves)

    def curves(
        self,
        what: str,
        axis: str,
        at: list[int],
        curves: Mapping[str, list[float]],
        unit: str = "ms",
    ) -> None:
        """Add curves over an axis, and the slope of each in logarithms."""
        slopes = {
            name: round(float(np.polyfit(np.log(at), np.log(values), 1)[0]), 2)
            for name, values in curves.items()
        }
        found = {name: [short(v) for v in values] for name, values in curves.items()}
        entry = {"part": self.part, "what": what, "axis": axis, "at": at, "unit": unit}
        self.growth.append({**entry, "curves": found, "slopes": slopes})
        print(f"{what} over {axis} = {at}, {unit}")
        for name, values in found.items():
            listed = " ".join(f"{v:g}" for v in values)
            print(f"  {name}: {listed}; {axis} to the {slopes[name]}", flush=True)

    def profile(self, what: str, candidates: Mapping[str, Step]) -> None:
        """Say in which operations of torch a step's time goes, the longest five."""
        torch.set_num_threads(1)
        for name, step in candidates.items():
            step()
            with profile(activities=[ProfilerActivity.CPU]) as found:
                step()
            ops = found.key_averages()
            total = sum(op.self_cpu_time_total for op in ops)
            ops = sorted(ops, key=lambda op: -op.self_cpu_time_total)
            entry = {"part": self.part, "what": what, "name": name}
            entry["calls"] = sum(op.count for op in ops)
            longest = [
                [op.key, short(op.self_cpu_time_total / total), op.count]
                for op in ops[:5]
            ]
            self.profiles.append({**entry, "longest": longest})
            listed = ", ".join(f"{k} {share:.0%} in {n}" for k, share, n in longest)
            print(f"{what}, {name}: {entry['calls']} calls; {listed}", flush=True)


def peak(step: Step) -> float:
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
    return largest / 1e6


def machine() -> dict[str, Any]:
    """Name the processor, its cores and the versions; no date, no path, no name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    found = {
        "machine": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    versions = {name: version(name) for name in ("torch", "numpy", "transformers")}
    return {**found, "versions": {"Python": platform.python_version(), **versions}}
