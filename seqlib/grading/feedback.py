"""One page for each student: what was right, what was lost, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seqlib.grading.exercises import CHAPTERS, chapter
from seqlib.grading.files import file_name, write_bytes
from seqlib.grading.pages import page
from seqlib.grading.results import Person, person


def feedback(
    results: Sequence[dict[str, Any]], out: Path, names: dict[str, Person]
) -> Iterator[Path]:
    """Write a page for each result, whole or not at all; yield where it stands."""
    out.mkdir(parents=True, exist_ok=True)
    for result in results:
        path = out / file_name(result["submission"], ".html")
        write_bytes(path, one(result, names))
        yield path


def one(result: dict[str, Any], names: dict[str, Person] | None = None) -> bytes:
    """Return one student's page."""
    who = person(result["submission"], names or {})
    questions = [_question(q, result["exercise"]) for q in result["questions"]]
    return page(
        "feedback.html",
        result=result,
        student=(who and who.student) or result["submission"],
        questions=questions,
    )


def _question(question: dict[str, Any], number: str) -> dict[str, Any]:
    """Add what its description says: points of each aspect, also the right ones."""
    known = chapter(int(number)) if int(number) in CHAPTERS else {}
    marks = dict(known[question["id"]].marks) if question["id"] in known else {}
    losses = {loss["aspect"]: loss for loss in question["losses"]}
    if not question["points"]:  # doing nothing changes nothing either
        right: list[str] = []
    else:
        right = [aspect for aspect in marks if aspect not in losses]
    aspects = [
        {"name": a, "points": marks[a] * (a in right), "of": marks[a]} for a in marks
    ]
    hints = dict.fromkeys(loss["hint"] for loss in losses.values() if loss["hint"])
    unearned = [a for a in marks if a not in losses and a not in right]
    more = {"aspects": aspects, "hints": list(hints), "unearned": unearned}
    return {**question, **more, "groups": _groups(question["losses"])}


def _groups(losses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put aspects together that were lost for one and the same reason."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for loss in losses:
        key = loss["text"], loss["hint"]
        group = groups.setdefault(key, {**loss, "aspects": [], "points": 0})
        group["aspects"].append(loss["aspect"])
        group["points"] += loss["points"]
    return list(groups.values())
