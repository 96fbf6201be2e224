"""`python -m seqlib.grading`: exercises out to students, their notebooks back as marks.

Exit status: 0 all went well; 1 something could not be done; 2 wrong words.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

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


class Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong, without the list of all words."""

    def error(self, message: str) -> NoReturn:
        """End with a sentence."""
        self.exit(2, f"{self.prog}: {message} (--help lists all words)\n")


def parser() -> argparse.ArgumentParser:
    """Return the words that are understood."""
    top = Parser(
        prog="python -m seqlib.grading",
        description="Exercises: from the teacher's notebooks to the students', and "
        "from what they hand in to marks, feedback and a file for the school's "
        "platform.",
        epilog="COMMAND --help says more about one of them.",
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
    _add_reports(commands)
    return top


def _add_reports(commands: Any) -> None:
    """Add what comes after the marks."""
    three = commands.add_parser(
        "feedback",
        help="write a page for each student",
        description="Write one HTML page for each result: points, what was lost and "
        "why, hints. The pages stand alone and need no network.",
    )
    four = commands.add_parser(
        "summary",
        help="write a page about the class",
        description="Write one HTML page: the distribution of marks, each question's "
        "mean, the most common mistakes, what could not be graded and why. No student "
        "is named, unless there is --names.",
    )
    five = commands.add_parser(
        "export",
        help="print the marks for Canvas or Moodle",
        description="Print the marks as CSV in the columns that Canvas or Moodle "
        "import, or as JSON. What could not be graded stays empty, never 0, and is "
        "listed on standard error.",
    )
    for one in (three, four, five):
        one.add_argument("results", type=Path, help="the folder that `grade` wrote")
        one.add_argument(
            "--names",
            type=Path,
            metavar="CSV",
            help="who handed in what: columns submission, student, id, email, and if "
            "need be login, sis, section",
        )
    three.add_argument(
        "--out", type=Path, required=True, metavar="PAGES", help="folder for the pages"
    )
    four.add_argument(
        "--out", type=Path, required=True, metavar="HTML", help="where the page goes"
    )
    five.add_argument("--to", required=True, choices=("canvas", "moodle", "json"))
    five.add_argument(
        "--column",
        default="",
        metavar="TEXT",
        help='Canvas\' name of the column, such as "Exercise 06 (4711)" for an '
        "assignment that is there already",
    )
    six = commands.add_parser(
        "gradescope",
        help="make an autograder for Gradescope",
        description="Write the zip file that Gradescope takes as an autograder. There "
        "it calls this command again with --grade and --results.",
    )
    six.add_argument("exercise", type=exercise, metavar="NN", help="such as 06")
    what = six.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="ZIP", help="where the zip file goes")
    what.add_argument(
        "--grade", type=Path, metavar="FOLDER", help="grade the notebook in this folder"
    )
    six.add_argument(
        "--wheel",
        type=Path,
        help="wheel of seqlib to put into the zip file (default: install the release)",
    )
    six.add_argument(
        "--results", type=Path, metavar="JSON", help="where --grade puts results.json"
    )


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
    if chosen.command == "grade":
        return _grade(chosen)
    from seqlib.grading.results import ReportError

    try:
        return _gradescope(chosen) if chosen.command == "gradescope" else _show(chosen)
    except ReportError as error:
        print(f"Nothing was written: {error}.", file=sys.stderr)
        return 2
    except OSError as error:
        what = f"{error.filename or 'the result'}: {error.strerror or error}"
        print(f"It could not be written: {what}.", file=sys.stderr)
        return 1


def _show(chosen: argparse.Namespace) -> int:
    """Turn results into pages or a table."""
    from seqlib.grading.batch import write_bytes
    from seqlib.grading.results import read_names, read_results

    results, names = read_results(chosen.results), read_names(chosen.names)
    if chosen.command == "feedback":
        from seqlib.grading.feedback import feedback

        pages = list(feedback(results, chosen.out, names))
        print(f"{len(pages)} pages in {chosen.out}")
    elif chosen.command == "summary":
        from seqlib.grading.summary import summary

        write_bytes(chosen.out, summary(results, names if chosen.names else None))
        print(f"{len(results)} results in {chosen.out}")
    else:
        from seqlib.grading.export import export

        text, notes = export(results, chosen.to, names, chosen.column)
        for note in notes:
            print(f"{note}.", file=sys.stderr)
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    return 0


def _gradescope(chosen: argparse.Namespace) -> int:
    """Write the autograder, or be it."""
    from seqlib.grading import gradescope
    from seqlib.grading.batch import write, write_bytes
    from seqlib.grading.results import ReportError

    if chosen.out:
        write_bytes(chosen.out, gradescope.package(chosen.exercise, chosen.wheel))
        print(f"Upload {chosen.out} to Gradescope as the autograder")
        return 0
    if not chosen.results:
        raise ReportError("--grade needs --results, where results.json goes")
    try:
        result = gradescope.grade(chosen.grade, chosen.exercise)
        write(chosen.results, gradescope.results(result))
    except ReportError as error:
        chosen.results.unlink(missing_ok=True)
        print(f"This submission has no score: {error}.", file=sys.stderr)
        return 1
    return 0


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
