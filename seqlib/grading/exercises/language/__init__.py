"""Chapter 11, language models: its exercises in the notebook's order."""

from dataclasses import replace

from .backward import ROWS, THROUGH
from .chances import SCORES, TEXT
from .counting import SMOOTH
from .drawing import NARROW
from .mixing import MIX
from .writing import WRITE

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.functional",
    "seqlib.metrics",
    "seqlib.decode",
    "seqlib._hypotheses",
    "seqlib.rnn",
    "seqlib.recurrent",
    "seqlib._scan",
    "seqlib.experiments",
)

_ALL = (TEXT, SCORES, SMOOTH, NARROW, ROWS, WRITE, MIX, THROUGH)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
