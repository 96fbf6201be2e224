"""What students handed in: which notebook is whose, and its bytes."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from seqlib.grading.inside.reading import LARGEST

ELSEWHERE = "a link to a file elsewhere, and who handed it in may not be its author"


class BatchError(Exception):
    """A batch that cannot be graded as it stands, and why, in a sentence."""


class Submission(NamedTuple):
    """One student's notebook; `reason` says why there is none to grade."""

    name: str
    path: Path | None
    reason: str = ""


def find_submissions(
    folder: Path, exercise: int, results: Path | None = None
) -> list[Submission]:
    """Return what is handed in: a notebook, or a folder with one, for each student.

    The folder of `results`, if it stands among them, is no student's.

    Raises
    ------
    BatchError
        There is no such folder, or nothing in it, or two students of one name.
    """
    if not folder.is_dir():
        raise BatchError(f"there is no folder {folder}")
    own = results and results.resolve()
    entries = [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and path.resolve() != own
    ]
    found = [
        in_folder(path, exercise) if path.is_dir() else Submission(path.stem, path)
        for path in entries
        if path.is_dir() or path.suffix == ".ipynb"
    ]
    if not found:
        raise BatchError(
            f"{folder} holds no submissions: a notebook, or a folder with a notebook, "
            "for each student"
        )
    names = [submission.name.casefold() for submission in found]
    if twice := next((n for n in names if names.count(n) > 1), ""):
        raise BatchError(f"{folder} holds two submissions named {twice}")
    return found


def in_folder(folder: Path, exercise: int) -> Submission:
    """Return the one notebook of a student's folder, or why there is none to grade."""
    books = [
        path
        for path in sorted(folder.rglob("*.ipynb"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.is_dir()
    ]
    named = [b for b in books if re.match(rf"0?{exercise}(?!\d)", b.name)] or books
    if len(named) == 1:
        if not named[0].resolve().is_relative_to(folder.resolve()):
            return Submission(folder.name, None, f"{named[0].name} is {ELSEWHERE}")
        return Submission(folder.name, named[0])
    if not named:
        return Submission(folder.name, None, "there is no notebook in the folder")
    listed = ", ".join(book.name for book in named[:4])
    return Submission(folder.name, None, f"there are {len(named)} notebooks: {listed}")


def read_submission(submission: Submission) -> bytes:
    """Return the file's bytes; of a file that is too long just one more than may be."""
    if submission.path is None:
        return b""
    handle = os.open(submission.path, os.O_RDONLY | os.O_NONBLOCK)  # no pipe holds us
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is no plain file")
        return file.read(LARGEST + 1)
