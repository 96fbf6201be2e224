"""The class on one page: marks, questions, the mistakes that many made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from seqlib.grading.exercises import CHAPTERS, chapter
from seqlib.grading.pages import page
from seqlib.grading.results import Person, person

BARS = 10
SHOWN = 5  # mistakes of a question
RAISED = re.compile(r"\braised (\w+)")
NUMBER = re.compile(r"-?\d[\d.]*(e[+-]?\d+)?")


def summary(
    results: Sequence[dict[str, Any]], names: dict[str, Person] | None = None
) -> bytes:
    """Return the page; students are named only where `names` are given."""
    graded = [r for r in results if r["state"] == "graded"]
    points = sorted(r["points"] for r in graded)
    most = results[0]["max_points"]
    rows = [] if names is None else [_row(r, names) for r in results]
    return page(
        "summary.html",
        exercise=results[0]["exercise"],
        handed_in=len(results),
        graded=len(graded),
        most=most,
        mean=_mean(points),
        median=_median(points),
        bars=_bars(points, most),
        questions=_questions(graded, results[0]["exercise"]),
        failures=Counter(
            _anonymous(r["reason"]) for r in results if r["state"] != "graded"
        ).most_common(),
        students=rows,
    )


def _row(result: dict[str, Any], names: dict[str, Person]) -> dict[str, Any]:
    who = person(result["submission"], names)
    return {**result, "student": (who and who.student) or result["submission"]}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _median(values: Sequence[float]) -> float | None:
    n = len(values)
    return (values[(n - 1) // 2] + values[n // 2]) / 2 if n else None


def _bars(points: Sequence[int], most: int) -> list[dict[str, Any]]:
    """Count marks in ranges of whole points; the last holds full marks."""
    width = -(-(most + 1) // BARS)
    starts = range(0, most + 1, width)
    bars: list[dict[str, Any]] = []
    for low in starts:
        high = min(low + width - 1, most)
        count = sum(low <= p <= high for p in points)
        label = f"{low}–{high}" if high > low else f"{low}"
        bars.append({"label": label, "count": count})
    largest = max((bar["count"] for bar in bars), default=0) or 1
    step = 600 / len(bars)
    for i, bar in enumerate(bars):
        height = 180 * bar["count"] / largest
        bar |= {"x": 40 + i * step, "width": step - 6, "height": height}
        bar |= {"y": 210 - height, "middle": 40 + i * step + (step - 6) / 2}
    return bars


def _questions(graded: Sequence[dict[str, Any]], number: str) -> list[dict[str, Any]]:
    known = chapter(int(number)) if int(number) in CHAPTERS else {}
    found: dict[str, list[dict[str, Any]]] = {id: [] for id in known}
    for result in graded:
        for question in result["questions"]:
            found.setdefault(question["id"], []).append(question)
    return [_question(answers) for answers in found.values() if answers]


def _question(answers: list[dict[str, Any]]) -> dict[str, Any]:
    first, n = answers[0], len(answers)
    mistakes = Counter(text for a in answers for text in _mistakes(a))
    common = sorted(mistakes.items(), key=lambda item: (-item[1], item[0]))
    return {
        "id": first["id"],
        "title": first["title"],
        "max_points": first["max_points"],
        "mean": sum(a["points"] for a in answers) / n,
        "full": sum(a["points"] == a["max_points"] for a in answers) / n,
        "mistakes": common[:SHOWN],
        "others": sum(count for _, count in common[SHOWN:]),
    }


def _mistakes(answer: dict[str, Any]) -> set[str]:
    """Return the kinds of mistakes in one answer, each once."""
    hints = {loss["hint"] for loss in answer["losses"] if loss["hint"]}
    return hints or {_anonymous(loss["text"]) for loss in answer["losses"][:1]}


def _anonymous(text: str) -> str:
    """Return the kind of a fault, without numbers and without a student's own words."""
    if found := RAISED.search(text):
        return f"it raised {found[1]}"
    text = text.partition(": expected")[0].partition(" (")[0].partition(", got")[0]
    if "notebooks:" in text:
        text = text.partition(":")[0]
    return NUMBER.sub("…", text)
