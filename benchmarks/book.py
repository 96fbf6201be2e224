"""Build the book from nothing, and again after one chapter was saved.

The book is built into an empty folder, from the sources as they are. What a build reads
and writes again, it finds out by the times of the files, so a chapter's is set to now.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from turns import FEWEST, Record, quartiles

ROOT = Path(__file__).parent.parent
BUILD = (
    str(Path(sys.executable).with_name("jupyter-book")),
    *("build", "-W", "--keep-going", "--path-output"),
)
CHAPTER = ROOT / "chapters/06-bptt.ipynb"
WHY = (
    "Sphinx and myst-nb read and write each notebook's code, formulas and pictures as "
    "a page, on two cores; before that every record of the ledger is held against the "
    "code as it is."
)


def seconds(command: list[str], shown: bool = False) -> float:
    """Run a command in the project's folder; return how long it took."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=not shown, text=True)
    if done.returncode:
        said = "" if shown else f":\n{done.stdout[-2000:]}{done.stderr}"
        sys.exit(f"{' '.join(command)} failed{said}")
    return time.perf_counter() - start


def measure(record: Record) -> None:
    """Build the book several times."""
    anew, again, same = [], [], []
    for _ in range(min(3, FEWEST)):
        with tempfile.TemporaryDirectory() as folder:
            build = [*BUILD, folder, "."]
            anew.append(seconds(build))
            os.utime(CHAPTER)
            again.append(seconds(build))
            same.append(seconds(build))
    for what, took, aim in (
        ("Book, built anew", anew, 15),
        ("Book, one chapter saved", again, 5),
        ("Book, nothing changed", same, None),
    ):
        middle = sorted(took)[len(took) // 2]
        goal = {"aim": aim, "why": WHY if aim else ""}
        record.row(
            what, ("jupyter-book", middle), None, middle, quartiles(took), "s", **goal
        )
