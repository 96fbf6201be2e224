"""Chapter 7, training recurrent networks: its exercises in the notebook's order."""

from dataclasses import replace

from .characters import BITS
from .first import FIRST
from .losses import BACK, LOSS
from .machine import CAUGHT
from .scores import EARLY, REPORT
from .step import UPDATE
from .updates import ADAM, SCHEDULE

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.functional",
    "seqlib.metrics",
    "seqlib.optim",
    "seqlib.train",
    "seqlib.rnn",
    "seqlib.recurrent",
    "seqlib._scan",
    "seqlib.experiments",
)

_ALL = (
    LOSS,
    BACK,
    UPDATE,
    ADAM,
    SCHEDULE,
    FIRST,
    REPORT,
    EARLY,
    BITS,
    CAUGHT,
)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
