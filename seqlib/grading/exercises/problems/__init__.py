"""Chapter 1, sequence problems: its exercises in the notebook's order."""

from dataclasses import replace

from .bags import BEST
from .gradient import GRADIENT
from .losses import LOG_LOSS, MEND
from .measures import MEASURES
from .tables import TABLE_BACK
from .texts import BATCH, NUMBERS

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.data.text",
    "seqlib.functional",
    "seqlib._activations",
    "seqlib._fused",
    "seqlib.metrics",
)

_ALL = (NUMBERS, BATCH, LOG_LOSS, TABLE_BACK, MEND, MEASURES, GRADIENT, BEST)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
