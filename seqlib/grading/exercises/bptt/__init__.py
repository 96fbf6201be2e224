"""Chapter 6, backpropagation through time: its exercises in the notebook's order."""

from dataclasses import replace

from .clipping import CLIP
from .flow import GRADIENT_NORM, STEPS
from .one_step import CLOSED_FORM, ONE_STEP
from .padding import RAGGED
from .through_time import THROUGH_TIME, WEIGHTS
from .truncation import RANDOM, TRUNCATED

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = ("seqlib.rnn", "seqlib.recurrent", "seqlib._scan")

_ALL = (
    ONE_STEP,
    CLOSED_FORM,
    THROUGH_TIME,
    WEIGHTS,
    RAGGED,
    GRADIENT_NORM,
    STEPS,
    CLIP,
    TRUNCATED,
    RANDOM,
)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
