"""What `grade` left in a folder, read back; and the names of those who handed in."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from seqlib.grading.batch import SETTINGS

# Canvas and Moodle put their own ids into the names of what they let one download.
CANVAS = re.compile(r"(?P<student>.+?)(_LATE)?_(?P<id>\d+)_\d+_.+")
MOODLE = re.compile(r"(?P<student>.+?)_(?P<id>\d+)_assignsubmission_.+")
COLUMNS = ("submission", "student", "id", "email", "login", "sis", "section")
KEYS = {"submission", "exercise", "state", "points", "max_points", "questions"}


class ReportError(Exception):
    """Results that cannot be shown, and why, in a sentence."""


class Person(NamedTuple):
    """A student, as a learning platform knows them; "" for what is not known."""

    submission: str
    student: str = ""
    id: str = ""
    email: str = ""
    login: str = ""
    sis: str = ""
    section: str = ""


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Return all results of a folder in the order of their submissions.

    Raises
    ------
    ReportError
        There are none, or one of the files is no result.
    """
    if not folder.is_dir():
        raise ReportError(f"there is no folder {folder}")
    files = [p for p in sorted(folder.glob("*.json")) if p.name[0] != "."]
    if not files:
        hint = " yet" if (folder / SETTINGS).exists() else ": name what --out was"
        raise ReportError(f"{folder} holds no results{hint}")
    found = [_result(path) for path in files]
    if len({result["exercise"] for result in found}) > 1:
        raise ReportError(f"{folder} holds the results of more than one exercise")
    return sorted(found, key=lambda r: (r["submission"].casefold(), r["submission"]))


def _result(path: Path) -> dict[str, Any]:
    try:
        result = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        result = None
    if not isinstance(result, dict) or not result.keys() >= KEYS:
        raise ReportError(f"{path} is no result; remove it and grade again")
    return result


def read_names(path: Path | None) -> dict[str, Person]:
    """Return who handed in what, from a CSV file with a line of headings.

    Of the columns submission, student, id, email, login, sis and section the first must
    be there; the others may be in any order.

    Raises
    ------
    ReportError
        The file cannot be read, has another form, or names a submission twice.
    """
    if path is None:
        return {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        what = error.strerror if isinstance(error, OSError) else "it is no UTF-8 CSV"
        raise ReportError(f"{path} cannot be read: {what}") from None
    names: dict[str, Person] = {}
    for number, row in enumerate(rows, 2):
        known = {(k or "").strip().lower(): v for k, v in row.items() if k}
        if "submission" not in known:
            raise ReportError(
                f"{path} needs the headings submission, student, id, email in its "
                f"first line, got {', '.join(known)}"
            )
        words = {k: (known.get(k) or "").strip() for k in COLUMNS}
        if words["submission"] in names:
            raise ReportError(
                f"{path} names {words['submission']} twice, again in line {number}"
            )
        names[words["submission"]] = Person(**words)
    return names


def person(name: str, names: dict[str, Person]) -> Person | None:
    """Return whose submission this is: from the names, or from Canvas' or Moodle's own.

    None if nothing says.
    """
    if name in names:
        return names[name]
    if names:
        return None
    if found := MOODLE.fullmatch(name):
        return Person(name, found["student"], f"Participant {found['id']}")
    if found := CANVAS.fullmatch(name):
        return Person(name, found["student"], found["id"])
    return None
