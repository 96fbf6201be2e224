"""Marks in the columns that Canvas and Moodle import.

What could not be graded stays empty. It is never 0: that would be a mark.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from seqlib.grading.exercises import CHAPTERS
from seqlib.grading.results import Person, person

CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
MOODLE = ["Identifier", "Full name", "ID number", "Email address", "Grade"]
MOODLE += ["Maximum Grade", "Feedback comments"]
FORMULAS = tuple("=+-@\t\r\n")  # what a spreadsheet would run


def export(
    results: Sequence[dict[str, Any]],
    to: str,
    names: dict[str, Person] | None = None,
    column: str = "",
) -> tuple[str, list[str]]:
    """Return the file's text, and a sentence for everything that it leaves open.

    Parameters
    ----------
    to : "canvas", "moodle" or "json"
    names : who handed in what; without it the names that Canvas and Moodle give to
        files are read
    column : of the marks, as Canvas names it; "" for "Exercise 06 (bptt)"
    """
    names = names or {}
    people, notes = [], []
    for result in results:
        name = result["submission"]
        who = person(name, names)
        if who is None and to != "json":
            where = "the names file has no line for it" if names else UNKNOWN
            notes.append(f"{name} is left out: {where}")
        else:
            people.append((who or Person(name, name), result))
        if result["state"] != "graded":
            notes.append(f"{name} has no mark: {result['reason']}")
    for name in sorted(names.keys() - {r["submission"] for r in results}):
        notes.append(f"{name} is in the names file, but nothing was handed in")
    write = {"canvas": _canvas, "moodle": _moodle, "json": _json}[to]
    return write(people, column), notes


UNKNOWN = "nothing says whose it is; name it in a file for --names"


def _canvas(people: list[tuple[Person, dict[str, Any]]], column: str) -> str:
    first = people[0][1] if people else None
    rows: list[list[Any]] = [[*CANVAS, column or (_title(first) if first else "")]]
    if first:
        rows.append(["    Points Possible", "", "", "", "", first["max_points"]])
    for who, result in people:
        about = [who.student, who.id, who.sis, who.login or who.email, who.section]
        rows.append([*about, _points(result)])
    return _csv(rows)


def _title(result: dict[str, Any]) -> str:
    number = result["exercise"]
    return f"Exercise {number} ({CHAPTERS.get(int(number), 'exercise')})"


def _moodle(people: list[tuple[Person, dict[str, Any]]], column: str) -> str:
    rows: list[list[Any]] = [MOODLE]
    for who, result in people:
        taken = who.id.startswith("Participant ")  # from a folder's name
        ids = [who.id, who.student, ""] if taken else ["", who.student, who.id]
        about = [*ids, who.email, _points(result), result["max_points"]]
        rows.append([*about, _comment(result)])
    return _csv(rows)


def _comment(result: dict[str, Any]) -> str:
    if result["state"] != "graded":
        return ""
    return "; ".join(
        f"{q['id']}: {q['points']} of {q['max_points']}"
        + ("" if q["points"] == q["max_points"] else f", {q['message']}")
        for q in result["questions"]
    )


def _json(people: list[tuple[Person, dict[str, Any]]], column: str) -> str:
    rows = [
        {
            "submission": result["submission"],
            "student": who.student,
            "id": who.id,
            "email": who.email,
            "exercise": result["exercise"],
            "state": result["state"],
            "points": result["points"],
            "max_points": result["max_points"],
            "reason": result.get("reason", ""),
        }
        for who, result in people
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def _points(result: dict[str, Any]) -> Any:
    return "" if result["state"] != "graded" else result["points"]


def _csv(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [_harmless(cell) for cell in row] for row in rows
    )
    return text.getvalue()


def _harmless(cell: Any) -> Any:
    """Put an apostrophe before what a spreadsheet would take for a formula."""
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return f"'{cell}" if cell.lstrip(" ").startswith(FORMULAS) else cell
