"""One question: run what its function needs, then the function on every case."""

from __future__ import annotations

import linecache
import mmap
from collections.abc import Callable
from typing import Any

from seqlib.grading import wire
from seqlib.grading.inside.child import ASK, LOADED, LOADING, RESULT, USELESS, Say
from seqlib.grading.inside.reading import Statement
from seqlib.grading.outcome import attempt, unusable


class Question:
    """A function that a student wrote, with all that it needs."""

    def __init__(
        self,
        name: str,
        parameters: list[str],
        statements: list[Statement],
        skipped: dict[int, str],
    ) -> None:
        self.name, self.parameters = name, parameters
        self.statements, self.skipped = statements, skipped
        self.notes: list[str] = []

    def answer(self, say: Say, stand_ins: list[str], rooms: list[mmap.mmap]) -> None:
        """Run the statements, then the function on the arguments in each room."""
        names: dict[str, Any] = {"__name__": "__main__"}
        names |= {name: _stand_in(name, say) for name in stand_ins}
        self.run(names, say)
        problem = self.missing() if self.name not in names else ""
        problem = problem or unusable(self.name, self.parameters, names[self.name])
        if problem:
            return say(USELESS, problem)
        say(LOADED)
        for room in rooms:
            args = wire.loads(room)
            outcome = attempt(names[self.name], args)
            block = {
                "result": outcome.result,
                "inputs": outcome.inputs,
                "problem": self.explained(outcome.problem),
                "error": outcome.error,
            }
            say(RESULT, block)

    def explained(self, problem: str) -> str:
        """Add what went wrong before, where the function itself failed."""
        first = f" (before that, {self.notes[0]})" if self.notes else ""
        return problem and problem + first

    def run(self, names: dict[str, Any], say: Say) -> None:
        """Run each statement by itself, so that one which fails costs no other."""
        for i, statement in enumerate(self.statements):
            place = f"code cell {statement.cell}, line {statement.line}"
            if i in self.skipped:
                self.notes.append(f"{place}: {self.skipped[i]}")
                continue
            say(LOADING, i)
            file = f"<code cell {statement.cell}>"
            source = "\n" * (statement.line - 1) + statement.text
            _remember(file, source)
            try:
                exec(compile(source, file, "exec"), names)
            except BaseException as error:
                text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                self.notes.append(f"{place}: {text}")

    def missing(self) -> str:
        """Say why there is no function after all statements have run."""
        if not any(self.name in s.binds for s in self.statements):
            return f"there is no function {self.name} in the notebook"
        notes = "; ".join(self.notes[:3]) or "no statement failed"
        return f"the function {self.name} could not be defined ({notes})"


def _stand_in(name: str, say: Say) -> Callable[..., Any]:
    """Return a function that asks outside for what the right one gives."""

    def stand_in(*args: Any, **named: Any) -> Any:
        answer = say(ASK, {"name": name, "args": args, "named": named})
        if answer["problem"]:
            raise ValueError(f"{name}: {answer['problem']}")
        return answer["result"]

    stand_in.__name__ = name
    return stand_in


def _remember(file: str, source: str) -> None:
    """Let messages about errors show the line; other statements of a cell stay."""
    entry = linecache.cache.get(file)
    old = entry[2] if entry is not None and len(entry) == 4 else []
    new = [line and line + "\n" for line in source.split("\n")]
    old = [*old, *[""] * (len(new) - len(old))]
    new += [""] * (len(old) - len(new))
    lines = [a or b for a, b in zip(new, old, strict=True)]
    linecache.cache[file] = len(source), None, lines, file
