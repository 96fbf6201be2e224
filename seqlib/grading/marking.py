"""From a notebook's bytes to marks: one submission, start to end."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seqlib.grading.exercise import Exercise
from seqlib.grading.exercises import chapter
from seqlib.grading.judge import Fault, Judge, Verdict
from seqlib.grading.outcome import Outcome
from seqlib.grading.references import References
from seqlib.grading.replies import clean
from seqlib.grading.sandbox import Notebook, Sandbox, SandboxError

SECONDS = 5.0  # for all calls of one question
LOST = "it could not be graded"
TRIES = 2  # sandboxes that a question may lose
ABSENT = re.compile(
    r"No module named '([\w.]+)'|cannot import name '(\w+)' from '([\w.]+)'"
)


@dataclass(frozen=True)
class Loss:
    """One aspect of a question that lost its points, and why."""

    aspect: str
    points: int
    text: str
    where: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Mark:
    """The marks of one question; `message` says in short what is wrong."""

    id: str
    title: str
    function: str
    points: int
    max_points: int
    message: str
    losses: list[Loss] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """What is stored of one submission.

    `state` is "graded", or "failed" with a `reason` and without points.
    """

    submission: str
    exercise: str
    state: str
    max_points: int
    points: int | None = None
    reason: str = ""
    questions: list[Mark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return plain lists and dicts."""
        return asdict(self)


class Marker:
    """Gives marks for one exercise notebook; keeps its sandboxes from one to the next.

    Parameters
    ----------
    number : of the chapter
    seed : of the cases; with another seed the cases are others
    contained : False to do without bubblewrap
    folder : where the sandboxes keep their library, or None
    """

    def __init__(
        self,
        number: int,
        seed: int,
        contained: bool = True,
        seconds: float = SECONDS,
        folder: Path | None = None,
    ) -> None:
        self.exercises = chapter(number)
        self.exercise = f"{number:02}"
        self.seconds = seconds
        self.judges = {id: Judge(e, e.draw(seed)) for id, e in self.exercises.items()}
        kinds = {_kind(e) for e in self.exercises.values()}
        self.sandboxes = {kind: Sandbox(*kind, contained, folder) for kind in kinds}
        self.references = References()

    def __enter__(self) -> Marker:
        return self

    def __exit__(self, *_: object) -> None:
        self.references.stop()
        for sandbox in self.sandboxes.values():
            sandbox.__exit__()

    @property
    def max_points(self) -> int:
        """All points there are."""
        return sum(e.points for e in self.exercises.values())

    def mark(self, submission: str, data: bytes) -> Result:
        """Mark one notebook."""
        try:
            notebook, kept = self._read(data), data
        except SandboxError as error:
            return self.failed(submission, f"{LOST}: {error}")
        if notebook.reason:
            return self.failed(submission, notebook.reason)
        marks: list[Mark] = []
        for exercise in self.exercises.values():
            try:
                marks.append(self._mark(exercise, kept, notebook, marks))
            except SandboxError as error:
                text = f"the answer ended the sandbox {TRIES} times ({error})"
                marks.append(_mark(exercise, _nothing(exercise, text)))
        points = sum(mark.points for mark in marks)
        return Result(
            submission,
            self.exercise,
            "graded",
            self.max_points,
            points,
            questions=marks,
            notes=[clean(text) for text in notebook.faults],
        )

    def failed(self, submission: str, reason: str) -> Result:
        """Return the result of what could not be graded."""
        return Result(
            submission, self.exercise, "failed", self.max_points, reason=reason
        )

    def _read(self, data: bytes) -> Notebook:
        """Give the notebook to every sandbox."""
        names = [e.function for e in self.exercises.values()]
        for sandbox in self.sandboxes.values():
            notebook = _again(lambda box=sandbox: box.read(data, names))
        return notebook

    def _mark(
        self, exercise: Exercise, data: bytes, notebook: Notebook, marks: list[Mark]
    ) -> Mark:
        found = self._judge(exercise, data, ())
        needs = notebook.needs.get(exercise.function, [])
        wrong = [
            mark.id
            for mark in marks
            if mark.points < mark.max_points and mark.function in needs
        ]
        if found.points < exercise.points and wrong:
            other = self._judge(exercise, data, wrong)
            found = max(found, other, key=lambda verdict: verdict.points)
        return _mark(exercise, found)

    def _judge(
        self, exercise: Exercise, data: bytes, stand_ins: Iterable[str]
    ) -> Verdict:
        """Call the answer on all cases and judge; some functions may be the right ones.

        Raises
        ------
        SandboxError
            The sandbox was lost as often as it may be.
        """
        sandbox, judge = self.sandboxes[_kind(exercise)], self.judges[exercise.id]

        def stand_in(id: str) -> Any:
            return lambda *args, **named: self.references(id, *args, **named)

        given = {self.exercises[id].function: stand_in(id) for id in stand_ins}
        arguments = [case.args for case in judge.cases]

        def call() -> list[Outcome] | str:
            if not sandbox.running:
                sandbox.read(data)
            name, parameters = exercise.function, exercise.parameters
            return sandbox.call(name, parameters, arguments, self.seconds, given)

        outcomes = _again(call)
        if isinstance(outcomes, str):
            return _nothing(exercise, _explained(exercise, outcomes))
        outcomes = [
            Outcome(o.result, o.inputs, _explained(exercise, o.problem), o.error)
            for o in outcomes
        ]
        return judge(outcomes)


def _again(do: Any) -> Any:
    """Do it; where the sandbox is lost, once more in another."""
    for left in reversed(range(TRIES)):
        try:
            return do()
        except SandboxError:
            if not left:
                raise
    return None


def _kind(exercise: Exercise) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return exercise.without, exercise.packages


def _nothing(exercise: Exercise, text: str) -> Verdict:
    return Verdict(0, dict.fromkeys(exercise.marks, Fault(text)))


def _explained(exercise: Exercise, problem: str) -> str:
    """Say of what was taken away that it was, and why."""
    found = ABSENT.search(problem)
    if found is None:
        return problem
    name = found[1] or f"{found[3]}.{found[2]}"
    if any(f"{name}.".startswith(f"{w}.") for w in exercise.without):
        return (
            f"it imports {name}, which answers the question itself, so it earns nothing"
        )
    if name.partition(".")[0] == "torch" and "torch" not in exercise.packages:
        return "it imports torch, which is not there for this question; use numpy"
    return problem


def _mark(exercise: Exercise, verdict: Verdict) -> Mark:
    """Put a verdict into words."""
    faults = verdict.faults
    losses = [
        Loss(aspect, exercise.marks.get(aspect, 0), clean(f.text), f.where, f.hint)
        for aspect, f in faults.items()
    ]
    first = next((f for f in faults.values() if f.hint), None)
    first = first or next(iter(faults.values()), None)
    message = "right" if first is None else clean(first.text)
    return Mark(
        exercise.id,
        exercise.title,
        exercise.function,
        verdict.points,
        exercise.points,
        message,
        losses,
    )
