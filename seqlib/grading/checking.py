"""`check` in the notebook: a tick with the points, or one short error that helps."""

from __future__ import annotations

import sys
from html import escape
from typing import Any

from seqlib.grading.exercise import Exercise
from seqlib.grading.exercises import find
from seqlib.grading.judge import Fault, Judge
from seqlib.grading.outcome import call, unusable

SEED = 6  # the marks are given with other seeds


class CheckError(AssertionError):
    """An answer that is not right yet; notebooks show its words without a traceback."""

    def _render_traceback_(self) -> list[str]:
        first, *rest = str(self).split("\n")
        mark, _, text = first.partition(" ")
        return [f"\x1b[1;31m{mark}\x1b[0m {text}", *rest]


def check(id: str, function: Any) -> None:
    """Check the answer to an exercise: `check("6-1", step_backward)`.

    Shows a tick and the points if everything is right.

    Raises
    ------
    CheckError
        Something is not right: what, where and, for a common mistake, why.
    ValueError
        There is no exercise of this id.
    """
    exercise = find(id)
    if text := unusable(exercise.function, exercise.parameters, function):
        raise CheckError(f"✗ {exercise.name}: {text}")
    cases = exercise.draw(SEED)
    outcomes = []
    for case in cases:
        outcomes.append(call(function, case))
        if outcomes[-1].problem:
            break  # one message is enough
    verdict = Judge(exercise, cases)(outcomes)
    if verdict.faults:
        complete = len(outcomes) == len(cases)
        raise CheckError(_report(exercise, verdict.faults, verdict.points * complete))
    _show(f"✓ {exercise.name}: right, {exercise.points} of {exercise.points} points")


def _report(exercise: Exercise, faults: dict[str, Fault], points: int) -> str:
    fault = next((f for f in faults.values() if f.hint), next(iter(faults.values())))
    so_far = f" ({points} of {exercise.points} points so far)" if points else ""
    lines = [f"✗ {exercise.name}{so_far}: {fault.text}."]
    lines += [f"Called with {fault.where}."] if fault.where else []
    lines += [f"Hint: {fault.hint}"] if fault.hint else []
    return "\n".join(lines)


def _show(text: str) -> None:
    """Show the line; in a notebook in the book's green."""
    if not ("IPython" in sys.modules and sys.modules["IPython"].get_ipython()):
        print(text)
        return
    from IPython.display import display

    html = f'<div class="seqlib-verified"><b>{text[0]}</b>{escape(text[1:])}</div>'
    display({"text/plain": text, "text/html": html}, raw=True)
