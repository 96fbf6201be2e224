"""Chapter 20, beyond: its exercises in the notebook's order."""

from dataclasses import replace

from .graph import GRAPH
from .hops import HOPS
from .linear import CHEAPER, STEPS
from .shards import MEND
from .spaces import BACK, CONVOLVE

#: What would answer the questions: it is not there when the marks are given.
WITHOUT = (
    "seqlib.memory",
    "seqlib.attention",
    "seqlib._weigh",
    "seqlib._multi_head",
    "seqlib._fused",
    "seqlib.graph_attention",
    "seqlib.linear_attention",
    "seqlib.diagonal_ssm",
    "seqlib._linear_scan",
    "seqlib.transformer",
    "seqlib.experiments",
)

_ALL = (HOPS, STEPS, CHEAPER, GRAPH, CONVOLVE, MEND, BACK)
EXERCISES = tuple(replace(exercise, without=WITHOUT) for exercise in _ALL)
