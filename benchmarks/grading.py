"""Grade a large class: seconds a submission, and memory, as the batch goes on.

    python benchmarks/grading.py [SUBMISSIONS] [WORKERS]

Of four notebooks one is the solution, one is the student's unwritten one, and two have
typical mistakes; so the hints are looked for as in a real class. Each batch runs with a
folder of its own for results.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOLUTION = ROOT / "exercises/solutions/06-bptt.ipynb"
STUDENT = ROOT / "exercises/06-bptt.ipynb"
MISTAKES = (("1 - h**2", "1 - h"), ("dz @ W_hh", "dz @ W_hh.T"))


def class_of(folder: Path, n: int) -> None:
    """Write n notebooks, no two the same."""
    texts = [SOLUTION.read_text("utf-8"), STUDENT.read_text("utf-8")]
    texts += [texts[0].replace(*mistake) for mistake in MISTAKES]
    for i in range(n):
        book = json.loads(texts[i % len(texts)])
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


def main() -> None:
    """Grade one class and print what it took."""
    numbers = [int(word) for word in sys.argv[1:]]
    n, workers = [*numbers, *(1000, os.cpu_count() or 1)[len(numbers) :]][:2]
    with tempfile.TemporaryDirectory() as folder:
        place, out = Path(folder, "in"), Path(folder, "out")
        place.mkdir()
        class_of(place, n)
        command = [sys.executable, "-m", "seqlib.grading", "grade", str(place)]
        command += ["--exercise", "06", "--out", str(out), "--workers", str(workers)]
        start = time.perf_counter()
        process = subprocess.Popen(command)
        seen = []
        while process.poll() is None:
            time.sleep(1)
            done = len(list(out.glob("s*.json")))
            seen.append((done, memory(process.pid)))
        seconds = time.perf_counter() - start
        if process.returncode:
            sys.exit("the batch failed")
        results = [json.loads(p.read_text("utf-8")) for p in out.glob("s*.json")]
    points = sorted({result["points"] for result in results})
    print(f"{len(results)} submissions, {workers} workers, marks {points}")
    print(f"{seconds:.1f} s: {seconds * workers / n:.3f} s a submission a core")
    for share in (0.1, 0.25, 0.5, 0.75, 0.95):
        at = next(mb for done, mb in seen if done >= share * n)
        print(f"memory after {share:4.0%}: {at:6.0f} MB")


if __name__ == "__main__":
    main()
