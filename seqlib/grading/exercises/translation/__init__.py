"""Chapter 12, encoder and decoder: its exercises in the notebook's order."""

from dataclasses import replace

from .backward import BACK
from .decoders import DECODE
from .lengths import LONGEST
from .mend import MEND
from .projected import PROJECTED
from .starts import FIRST
from .words import ANSWER, TEACHER

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.seq2seq",
    "seqlib.captioner",
    "seqlib.recurrent",
    "seqlib.rnn",
    "seqlib._scan",
    "seqlib.decode",
    "seqlib.nn",
    "seqlib.experiments",
)

_ALL = (ANSWER, TEACHER, DECODE, FIRST, MEND, LONGEST, BACK, PROJECTED)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
