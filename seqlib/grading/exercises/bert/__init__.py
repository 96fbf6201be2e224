"""Chapter 19, BERT: its exercises in the notebook's order."""

from dataclasses import replace

from .heads import MEND
from .inputs import INPUT_BACK, PACK
from .loss import BELIEF, LOSS
from .words import COUNT, HIDE

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.transformer",
    "seqlib.nn",
    "seqlib.interop",
    "seqlib.functional",
    "seqlib.positions",
    "seqlib.experiments",
)

_ALL = (PACK, COUNT, HIDE, LOSS, BELIEF, MEND, INPUT_BACK)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
