"""Chapter 6, backpropagation through time: its exercises in the notebook's order."""

from .clipping import CLIP
from .flow import GRADIENT_NORM, STEPS
from .one_step import CLOSED_FORM, ONE_STEP
from .padding import RAGGED
from .through_time import THROUGH_TIME, WEIGHTS
from .truncation import RANDOM, TRUNCATED

EXERCISES = (
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
