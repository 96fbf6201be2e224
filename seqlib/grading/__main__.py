"""`python -m seqlib.grading`: exercises out to students, their notebooks back as marks.

Exit status: 0 all went well; 1 something could not be done; 2 wrong words.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from seqlib.grading.exercises import CHAPTERS
from seqlib.grading.release import ReleaseError, release


def exercise(text: str) -> int:
    """Return the number of an exercise notebook: "06" is 6."""
    if not text.isdecimal() or int(text) not in CHAPTERS:
        known = ", ".join(f"{number:02}" for number in CHAPTERS)
        raise argparse.ArgumentTypeError(f"there are {known}, got {text!r}")
    return int(text)


def at_least_one(text: str) -> int:
    """Return a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 is needed, got {text}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Return the words that are understood."""
    top = argparse.ArgumentParser(
        prog="python -m seqlib.grading",
        description="Exercises: from the teacher's notebooks to the students', and "
        "from what they hand in to marks.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")

    one = commands.add_parser(
        "release",
        help="make the students' notebooks from the solutions",
        description="Write exercises/NN-name.ipynb from exercises/solutions/"
        "NN-name.ipynb: each solution becomes `raise NotImplementedError`, outputs are "
        "cleared, cell ids stay.",
    )
    one.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("exercises"),
        help="the folder that holds solutions/ (default: exercises)",
    )

    two = commands.add_parser(
        "grade",
        help="grade a folder of notebooks",
        description="Grade what students handed in, each in a sandbox, with cases "
        "that nobody has seen. A run that was ended goes on where it was.",
    )
    two.add_argument(
        "submissions",
        type=Path,
        help="a folder with one notebook, or one folder with a notebook, a student",
    )
    two.add_argument(
        "--exercise", type=exercise, required=True, metavar="NN", help="such as 06"
    )
    two.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="RESULTS",
        help="folder for the results, one JSON file a student",
    )
    two.add_argument(
        "--workers",
        type=at_least_one,
        default=os.cpu_count() or 1,
        metavar="N",
        help="notebooks graded side by side (default: as many as there are cores)",
    )
    two.add_argument(
        "--dask", metavar="ADDRESS", help="grade on this Dask cluster instead"
    )
    two.add_argument(
        "--seed",
        type=int,
        help="of the cases (default: a secret one, kept with the results)",
    )
    two.add_argument(
        "--require-sandbox",
        action="store_true",
        help="stop where bubblewrap does not run, rather than warn",
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    top = parser()
    chosen = top.parse_args(arguments)
    if chosen.command is None:
        top.print_help()
        return 0
    if chosen.command == "release":
        try:
            print("\n".join(release(chosen.folder)))
        except ReleaseError as error:
            print(f"Nothing was written. {error}", file=sys.stderr)
            return 1
        return 0
    return _grade(chosen)


def _grade(chosen: argparse.Namespace) -> int:
    from tqdm import tqdm

    from seqlib.grading import batch as batches
    from seqlib.grading.sandbox import can_contain

    contained = can_contain()
    if not contained:
        text = (
            "bubblewrap does not run here, so students' code is held by limits of "
            "memory and time alone and can read your files"
        )
        if chosen.require_sandbox:
            print(f"Nothing was graded: {text}.", file=sys.stderr)
            return 2
        print(f"Warning: {text}. On Debian: apt install bubblewrap", file=sys.stderr)
    try:
        found = batches.find_submissions(
            chosen.submissions, chosen.exercise, chosen.out
        )
        batch = batches.Batch(
            chosen.out, chosen.exercise, chosen.seed, contained=contained
        )
        todo = [one for one in found if not batch.has(batch.job(one))]
        jobs = map(batch.job, todo)  # read when their turn comes
    except batches.BatchError as error:
        print(f"Nothing was graded: {error}.", file=sys.stderr)
        return 2
    try:
        graded = (
            batches.grade_on_dask(batch, jobs, chosen.dask)
            if chosen.dask
            else batches.grade(batch, jobs, min(chosen.workers, len(todo) or 1))
        )
        for _ in tqdm(graded, total=len(todo), unit="notebook", disable=None):
            pass
    except batches.BatchError as error:
        print(f"Nothing was graded: {error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        return 1
    known = len(found) - len(todo)
    print(f"{len(todo)} graded now, {known} before: {len(found)} in {chosen.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
