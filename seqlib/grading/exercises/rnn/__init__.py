"""Chapter 5, recurrent networks: its exercises in the notebook's order."""

from dataclasses import replace

from .directions import BOTH_WAYS
from .layers import DEEP, PARAMETERS
from .over_time import MEND, UNROLL
from .padding import RAGGED
from .products import PRODUCTS
from .step import LOOK_UP, STEP
from .switch import SWITCH

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.rnn",
    "seqlib.recurrent",
    "seqlib._scan",
    "seqlib.state_space",
    "seqlib.functional.embedding",
)

_ALL = (
    STEP,
    LOOK_UP,
    UNROLL,
    MEND,
    SWITCH,
    PRODUCTS,
    DEEP,
    PARAMETERS,
    RAGGED,
    BOTH_WAYS,
)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
