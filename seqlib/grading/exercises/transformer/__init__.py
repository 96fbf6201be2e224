"""Chapter 17, the Transformer: its exercises in the notebook's order."""

from dataclasses import replace

from .count import COUNT
from .decoder import MEND
from .norm import NORM, NORM_BACK
from .part import FEED_BACK, PLACE
from .words import SMOOTH, TIED

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.functional",
    "seqlib._activations",
    "seqlib._fused",
    "seqlib._layers",
    "seqlib.attention",
    "seqlib._weigh",
    "seqlib._multi_head",
    "seqlib.masks",
    "seqlib.transformer",
    "seqlib.mlp",
    "seqlib.nn",
    "seqlib.experiments",
)

_ALL = (NORM, PLACE, COUNT, MEND, SMOOTH, NORM_BACK, FEED_BACK, TIED)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
