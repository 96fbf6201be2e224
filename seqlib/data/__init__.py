"""From words to arrays, and examples of every kind, made where they are needed."""

from .digits import (
    Captchas,
    Digits,
    ShiftedDigits,
    captchas,
    handwritten_digits,
    shifted_digits,
)
from .poses import EXERCISES, JOINTS, POSES, PoseClips, pose_clips
from .scenes import Scenes, Thing, scenes
from .sentences import Blank, Review, film_reviews, missing_pronouns
from .signals import KEYWORDS, Recordings, keyword_recordings
from .tasks import Adding, Bits, Copying, adding_problem, copy_task, parity
from .text import Vocabulary, one_hot, pad, tokens
from .video import Bouncing, bouncing_shapes

__all__ = [
    "EXERCISES",
    "JOINTS",
    "KEYWORDS",
    "POSES",
    "Adding",
    "Bits",
    "Blank",
    "Bouncing",
    "Captchas",
    "Copying",
    "Digits",
    "PoseClips",
    "Recordings",
    "Review",
    "Scenes",
    "ShiftedDigits",
    "Thing",
    "Vocabulary",
    "adding_problem",
    "bouncing_shapes",
    "captchas",
    "copy_task",
    "film_reviews",
    "handwritten_digits",
    "keyword_recordings",
    "missing_pronouns",
    "one_hot",
    "pad",
    "parity",
    "pose_clips",
    "scenes",
    "shifted_digits",
    "tokens",
]
