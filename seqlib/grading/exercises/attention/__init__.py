"""Chapter 15, attention: its exercises in the notebook's order."""

from dataclasses import replace

from .align import ERROR, LINKS
from .average import ATTEND
from .backward import CONTEXT_BACK, SCORE_BACK
from .decoder import MEND
from .score import SCORE

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.attention",
    "seqlib._weigh",
    "seqlib._multi_head",
    "seqlib._fused",
    "seqlib.masks",
    "seqlib.functional",
    "seqlib.seq2seq",
    "seqlib.graph_attention",
    "seqlib.memory",
    "seqlib.data.translation",
    "seqlib.experiments",
)

_ALL = (ATTEND, SCORE, LINKS, MEND, CONTEXT_BACK, SCORE_BACK, ERROR)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
