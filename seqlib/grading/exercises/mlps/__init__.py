"""Chapter 2, perceptrons: its exercises in the notebook's order."""

from dataclasses import replace

from .backward import LAYER_BACK, MEND
from .cost import COST
from .logic import EXACTLY, FIRE, VOTE
from .shapes import BROKEN_LINE, INSIDE

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.mlp",
    "seqlib.boolean",
    "seqlib._layers",
    "seqlib._activations",
    "seqlib.functional.linear_backward",
)

_ALL = (FIRE, VOTE, EXACTLY, COST, INSIDE, BROKEN_LINE, LAYER_BACK, MEND)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
