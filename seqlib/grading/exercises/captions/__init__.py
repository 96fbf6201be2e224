"""Chapter 14, image captioning: its exercises in the notebook's order."""

from dataclasses import replace

from .backward import IMAGE_BACK, LOOK_BACK
from .eye import ANNOTATIONS, FIRST_STATE
from .look import ATTEND, GAZE
from .words import LOSS
from .writer import MEND

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.captioner",
    "seqlib.seq2seq",
    "seqlib.attention",
    "seqlib._weigh",
    "seqlib.masks",
    "seqlib.functional",
    "seqlib.decode",
    "seqlib.recurrent",
    "seqlib.rnn",
    "seqlib.nn",
    "seqlib.experiments",
)

_ALL = (
    ANNOTATIONS,
    LOSS,
    FIRST_STATE,
    ATTEND,
    IMAGE_BACK,
    LOOK_BACK,
    MEND,
    GAZE,
)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
