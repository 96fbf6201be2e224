"""Chapter 13, decoding: its exercises in the notebook's order."""

from dataclasses import replace

from .beam import BEAM, STEP
from .greedy import GREEDY, TRAP
from .length import RERANK
from .mend import MEND
from .scores import COUNT, SCORE

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.decode",
    "seqlib._hypotheses",
    "seqlib.experiments",
    "seqlib.nn",
    "seqlib.seq2seq.sequence_log_prob",
)

_ALL = (SCORE, COUNT, GREEDY, STEP, MEND, RERANK, BEAM, TRAP)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
