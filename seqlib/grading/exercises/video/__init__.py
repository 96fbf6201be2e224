"""Chapter 10, ConvLSTM and video: its exercises in the notebook's order."""

from dataclasses import replace

from .backward import STATE_BACK, WEIGHT_BACK
from .count import COUNT
from .frames import BASELINES, MEND
from .maps import MOVER, STEP
from .reach import REACH

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.convlstm",
    "seqlib.cnn",
    "seqlib._taps",
    "seqlib.scanning",
    "seqlib.lstm",
    "seqlib.recurrent",
    "seqlib.experiments",
)

_ALL = (BASELINES, COUNT, STEP, MOVER, REACH, STATE_BACK, WEIGHT_BACK, MEND)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
