"""Grade a large class: seconds a submission and core, and memory as the batch goes on.

Of four notebooks one is the solution, one is the student's unwritten one, and two have
typical mistakes; so the hints are looked for as in a real class. CLASS submissions are
there; after CLASS_SECONDS the batch is ended, as a teacher may, and those done count,
from the first result on.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from turns import Record, quartiles

ROOT = Path(__file__).parent.parent
SOLUTION = ROOT / "exercises/solutions/06-bptt.ipynb"
STUDENT = ROOT / "exercises/06-bptt.ipynb"
MISTAKES = (("1 - h**2", "1 - h"), ("dz @ W_hh", "dz @ W_hh.T"))
CLASS = int(os.environ.get("CLASS", "1000"))
CLASS_SECONDS = float(os.environ.get("CLASS_SECONDS", "60"))
WHY = (
    "Each submission runs in a process of its own, contained; the time is the clock's, "
    "so what else the machine does is in it."
)
AIM, BLOCK = 0.15, 10  # seconds; submissions that the spread is taken over


def class_of(folder: Path, n: int) -> None:
    """Write n notebooks, no two the same."""
    texts = [SOLUTION.read_text("utf-8"), STUDENT.read_text("utf-8")]
    texts += [texts[0].replace(*mistake) for mistake in MISTAKES]
    books = [json.loads(text) for text in texts]
    for i in range(n):
        book = books[i % len(books)]
        book["metadata"]["student"] = i
        (folder / f"s{i:05}.ipynb").write_text(json.dumps(book), "utf-8")


def memory(pid: int) -> float:
    """Return the MB that a process and its children hold, each with its own share."""
    pids, total = [pid], 0.0
    for one in pids:
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(w.split()[1]) for w in lines if w.startswith("Pss:"))
        except OSError:
            continue  # it has just ended
    return total / 1024


def grade(place: Path, out: Path, workers: int) -> tuple[list[float], list[tuple]]:
    """Return when each result came, in seconds, and (results, MB) as time went on."""
    command = [sys.executable, "-m", "seqlib.grading", "grade", str(place)]
    command += ["--exercise", "06", "--out", str(out), "--workers", str(workers)]
    start, seen = time.time(), []
    process = subprocess.Popen(
        command,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and time.time() < start + CLASS_SECONDS:
        time.sleep(1)
        if done := len(list(out.glob("s*.json"))):
            seen.append((done, memory(process.pid)))
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    if process.wait() > 0:
        sys.exit("the batch failed")
    came = sorted(p.stat().st_mtime - start for p in out.glob("s*.json"))
    if len(came) <= 2 * BLOCK:
        sys.exit(f"{len(came)} results in {CLASS_SECONDS:g} s are too few")
    return came, seen


def measure(record: Record) -> None:
    """Grade a class with one worker, and with two."""
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            place, out = Path(folder, "in"), Path(folder, "out")
            place.mkdir()
            class_of(place, CLASS)
            came, seen = grade(place, out, workers)
        plural = "s" * (workers > 1)
        each = (came[-1] - came[0]) / (len(came) - 1)
        record.row(
            f"Grading, {workers} worker{plural}",
            (f"seqlib.grading, {len(came)} submissions", each),
            None,
            workers * each,
            quartiles(
                workers * (b - a) / BLOCK
                for a, b in zip(came[::BLOCK], came[BLOCK::BLOCK], strict=False)
            ),
            "s",
            aim=AIM,
            why=WHY,
        )
        done = [len(came) * share // 8 for share in (1, 2, 4, 8)]
        mb = [
            statistics.median(mb for n, mb in seen if a - done[0] < n <= a)
            for a in done
        ]
        record.curves(
            "Grading, memory of the whole batch",
            "submissions",
            done,
            {f"{workers} worker{plural}": mb},
            "MB",
        )
