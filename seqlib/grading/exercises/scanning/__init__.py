"""Chapter 3, CNNs by scanning: its exercises in the notebook's order."""

from dataclasses import replace

from .backward import MEND, STRIDE
from .giant import GIANT
from .image import IMAGE
from .maps import SCAN, SLIDE
from .pooling import POOL_BACK
from .sizes import PARAMETERS, PREDICT

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.cnn",
    "seqlib.scanning",
    "seqlib._taps",
    "seqlib.convlstm",
    "seqlib.captioner",
)

_ALL = (SLIDE, SCAN, IMAGE, PREDICT, PARAMETERS, GIANT, POOL_BACK, MEND, STRIDE)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
