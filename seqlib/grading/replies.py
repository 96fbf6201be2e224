"""What a sandbox sends, read outside: nothing in it is believed without a look."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np

from seqlib.grading import wire
from seqlib.grading.outcome import NotDataError, Outcome, plain

WORDS = 2**20  # bytes of a result beside its arrays
UNREADABLE = "it sent back what cannot be read"


def ask_stand_in(
    given: dict[str, Callable[..., Outcome]], block: Any
) -> dict[str, Any]:
    """Answer a question from inside: what the right function gives."""
    try:
        wanted = _loads(block)
        outcome = given[wanted["name"]](*wanted["args"], **wanted["named"])
    except (wire.WireError, KeyError, TypeError) as error:
        return {"problem": f"it cannot be asked for that: {error}", "result": None}
    return {"problem": outcome.problem, "result": outcome.result}


def read_outcome(answer: dict[str, Any], args: tuple[Any, ...]) -> Outcome:
    """Turn what came out into an outcome; nothing in it is believed without a look."""
    if "problem" in answer:
        return Outcome(problem=str(answer["problem"]))
    try:
        said = _loads(answer["result"])
        problem, error = said["problem"], said.get("error", "")
        if not isinstance(problem, str) or not isinstance(error, str):
            raise TypeError
        if problem:
            return Outcome(problem=clean(problem), error=clean(error))
        result, inputs = plain(said["result"]), plain(said["inputs"])
        if answer["changed"].size:  # the memory itself, whatever was said of it
            inputs = plain(_loads(answer["changed"]))
        if not isinstance(inputs, tuple) or len(inputs) != len(args):
            raise TypeError
    except (wire.WireError, NotDataError, KeyError, TypeError, AttributeError):
        return Outcome(problem=UNREADABLE)
    return Outcome(result, inputs)


def read_sentence(block: Any) -> str:
    """Return a sentence that came out, in one line."""
    try:
        return clean(str(_loads(block)))
    except wire.WireError:
        return UNREADABLE


def _loads(block: Any) -> Any:
    return wire.loads(np.asarray(block, np.uint8).tobytes(), WORDS)


def clean(text: str, most: int = 500) -> str:
    """Return text in one line, without signs that nobody sees, cut where it is long."""
    text = " ".join(text[: 4 * most].split())
    text = "".join(c for c in text if unicodedata.category(c)[0] != "C")
    return text if len(text) <= most else text[:most] + "…"
