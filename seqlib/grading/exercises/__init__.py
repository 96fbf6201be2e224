"""Where the exercises are: a package for each chapter.

Its `EXERCISES` is a tuple of `Exercise`, in the notebook's order.
"""

from functools import cache
from importlib import import_module

from seqlib.grading.exercise import Exercise

CHAPTERS = {
    1: "problems",
    2: "mlps",
    3: "scanning",
    4: "responses",
    5: "rnn",
    6: "bptt",
    7: "training",
    8: "lstm",
    9: "gru",
    10: "video",
    11: "language",
    12: "translation",
    13: "decoding",
    14: "captions",
    15: "attention",
    16: "self_attention",
    17: "transformer",
    18: "gpt",
    19: "bert",
    20: "beyond",
}


@cache
def chapter(number: int) -> dict[str, Exercise]:
    """Return the exercises of one chapter by id, in the notebook's order."""
    module = import_module(f"{__name__}.{CHAPTERS[number]}")
    return {exercise.id: exercise for exercise in module.EXERCISES}


def find(id: str) -> Exercise:
    """Return the exercise of this id.

    Raises
    ------
    ValueError
        There is none; the sentence says which there are.
    """
    number = str(id).partition("-")[0]
    if not isinstance(id, str) or number not in map(str, CHAPTERS):
        known = ", ".join(map(str, CHAPTERS))
        raise ValueError(
            f'an exercise is named like "6-1", with a chapter of {known}; got {id!r}'
        )
    exercises = chapter(int(number))
    if id not in exercises:
        first, *_, last = exercises
        raise ValueError(f"there is no exercise {id}, only {first} to {last}")
    return exercises[id]
