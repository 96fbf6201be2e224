"""Chapter 4, finite and infinite response: its exercises in the notebook's order."""

from dataclasses import replace

from .back import BACK
from .forecast import FORECAST
from .impulse import RESPOND
from .loop import LOOP
from .memory import MEMORY
from .state import STATE
from .windows import COST, WINDOW

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.scanning",
    "seqlib.narx",
    "seqlib.state_space",
    "seqlib.cnn",
    "seqlib._taps",
    "seqlib.diagonal_ssm",
    "seqlib._linear_scan",
    "seqlib.recurrent",
    "seqlib._scan",
    "seqlib.experiments",
)

_ALL = (WINDOW, COST, RESPOND, LOOP, MEMORY, STATE, BACK, FORECAST)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
