"""The words of `python -m seqlib.grading`: its commands and what each of them takes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, NoReturn

from seqlib.grading.exercises import CHAPTERS


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
