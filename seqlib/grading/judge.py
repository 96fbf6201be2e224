"""Decide: outcomes against the reference, points by aspect, hints for known mistakes.

Nothing here calls what is judged; the reference and the bank of mistakes are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from seqlib.grading.compare import (
    difference,
    identical,
    leaves,
    shortest_float,
)
from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.outcome import UNWRITTEN, Outcome, Tree, call, plain


@dataclass(frozen=True)
class Fault:
    """What is wrong, for which arguments, and a hint if the mistake is a known one."""

    text: str
    where: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Verdict:
    """Points, and the first fault of each aspect that lost some, in order."""

    points: int
    faults: dict[str, Fault]


class Judge:
    """Decides about answers to one exercise; what is right is computed once.

    Parameters
    ----------
    exercise : Exercise
    cases : on which every answer is called
    """

    def __init__(self, exercise: Exercise, cases: Sequence[Case]) -> None:
        self.exercise, self.cases = exercise, cases

    @cached_property
    def given(self) -> list[Tree]:
        """The arguments of each case as plain arrays."""
        return [plain(case.args) for case in self.cases]

    @cached_property
    def right(self) -> list[Outcome]:
        """What the reference gives for each case."""
        return [call(self.exercise.reference, case) for case in self.cases]

    @cached_property
    def known(self) -> dict[str, list[Outcome]]:
        """What each known mistake gives for each case, by its hint."""
        with np.errstate(all="ignore"):
            return {
                hint: [call(wrong, case) for case in self.cases]
                for hint, wrong in self.exercise.mistakes.items()
            }

    def __call__(self, outcomes: Sequence[Outcome]) -> Verdict:
        """Compare the outcome of each case, or of the first few, with the right one."""
        marks, faults = self.exercise.marks, {}
        for i, outcome in enumerate(outcomes):
            for aspect, text in self._faults(i, outcome):
                if aspect not in faults:
                    faults[aspect] = self._fault(outcomes, i, aspect, text)
        lost = set(faults)
        if lost >= set(marks) - {INPUTS}:  # doing nothing changes nothing either
            lost.add(INPUTS)
        earned = sum(points for aspect, points in marks.items() if aspect not in lost)
        return Verdict(earned, faults)

    def _faults(self, i: int, outcome: Outcome) -> list[tuple[str, str]]:
        """Return what is wrong with one outcome: pairs of an aspect and a sentence."""
        exercise, case = self.exercise, self.cases[i]
        if outcome.problem:
            return [(case.aspect, outcome.problem)]
        found, got = [], outcome.result
        text = self._unlike(i, self.right[i].result, got)
        if not text and case.aspect == FLOAT32 and (wide := _not_float32(got)):
            text = f"float32 went in, so float32 must come out, got {wide}"
        if text:
            found.append((case.aspect, text))
        names = exercise.parameters
        for name, old, new in zip(names, self.given[i], outcome.inputs, strict=True):
            if not identical(old, new):
                aspect = INPUTS if INPUTS in exercise.marks else case.aspect
                text = f"it changes its argument {name} in place: work on a copy"
                found.append((aspect, text))
        return found

    def _fault(
        self, outcomes: Sequence[Outcome], i: int, aspect: str, text: str
    ) -> Fault:
        if text == UNWRITTEN:
            return Fault(text)
        hint = self._recognise(outcomes, i, aspect == INPUTS)
        return Fault(text, _where(self.exercise, self.cases[i]), hint)

    def _recognise(self, outcomes: Sequence[Outcome], at: int, inputs: bool) -> str:
        """Return the hint of the known mistake that fails case `at` in the same way.

        Of several it is the one that agrees with the outcomes of most cases. With
        `inputs` the mistake must have left the same in its arguments, too.
        """
        best, hint = 0, ""
        for text, known in self.known.items():

            def alike(i: int, known: list[Outcome] = known) -> bool:
                return self._alike(i, known[i], outcomes[i], inputs)

            if alike(at) and (agree := sum(map(alike, range(len(outcomes))))) > best:
                best, hint = agree, text
        return hint

    def _alike(self, i: int, known: Outcome, outcome: Outcome, inputs: bool) -> bool:
        if known.problem or outcome.problem:
            return bool(known.error) and known.error == outcome.error
        one, other = known.result, outcome.result
        if self.cases[i].aspect == FLOAT32 and _not_float32(one) != _not_float32(other):
            return False
        names = self.exercise.parameters
        if inputs and difference(names, known.inputs, outcome.inputs):
            return False
        return not self._unlike(i, one, other)

    def _unlike(self, i: int, right: Tree, got: Tree) -> str:
        names, view = self.exercise.returns, self.cases[i].view
        if text := difference(names, right, got, values=False):
            return text
        width = shortest_float(self.given[i], got)
        if shortest_float(self.given[i], None) > 2:
            width = max(width, 4)  # who was not given half precision need not return it
        if view is not None:
            right, got = (plain(view(tree)) for tree in (right, got))
            seen = view.__name__  # it sees all that was returned
            names = (seen if len(names) > 1 else f"{seen} of {names[0]}",)
        return difference(names, right, got, width)


def _not_float32(tree: Tree) -> str:
    """Return the first type that is not float32; "" if there is none."""
    types = [leaf.dtype for leaf in leaves(tree) if isinstance(leaf, np.ndarray)]
    return next((str(t) for t in types if t != np.float32), "")


def _where(exercise: Exercise, case: Case) -> str:
    """Describe the case: `x (2, 3), k = 2; padding at the end`."""
    words = [
        _word(name, value)
        for name, value in zip(exercise.parameters, case.args, strict=True)
    ]
    return ", ".join(words) + (f"; {case.note}" if case.note else "")


def _word(name: str, value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{name} {value.shape}"
    if isinstance(value, list | tuple | dict):
        items = value.values() if isinstance(value, dict) else value
        return f"{name} [{', '.join(str(np.shape(item)) for item in items)}]"
    return f"{name} = {value!r}"
