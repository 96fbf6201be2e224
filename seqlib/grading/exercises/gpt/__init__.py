"""Chapter 18, GPT: its exercises in the notebook's order."""

from dataclasses import replace

from .backward import TIED
from .caching import KEEP
from .counting import COUNT, WRITE
from .looking import LOOK
from .mending import MEND
from .tuning import TUNE

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.attention",
    "seqlib._weigh",
    "seqlib._multi_head",
    "seqlib._fused",
    "seqlib.masks",
    "seqlib.functional",
    "seqlib.transformer",
    "seqlib.graph_attention",
    "seqlib.linear_attention",
    "seqlib.memory",
    "seqlib.metrics",
    "seqlib.experiments",
)

_ALL = (LOOK, COUNT, KEEP, WRITE, MEND, TIED, TUNE)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
