"""Chapter 16, self-attention: its exercises in the notebook's order."""

from dataclasses import replace

from .attend import ATTEND
from .backward import DOTS_BACK, WORDS_BACK
from .cost import LONGEST
from .heads import MEND
from .places import TURN, WAVES

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.attention",
    "seqlib._weigh",
    "seqlib._multi_head",
    "seqlib._fused",
    "seqlib.masks",
    "seqlib.functional",
    "seqlib.positions",
    "seqlib.transformer",
    "seqlib.seq2seq",
    "seqlib.graph_attention",
    "seqlib.linear_attention",
    "seqlib.memory",
    "seqlib.experiments",
)

_ALL = (ATTEND, WAVES, TURN, MEND, DOTS_BACK, WORDS_BACK, LONGEST)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
