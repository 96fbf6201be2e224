"""One good call of each function that makes pictures, clips or recordings."""

import numpy as np

from seqlib.data import (
    bouncing_shapes,
    captchas,
    digit_sequences,
    keyword_recordings,
    pose_clips,
    scenes,
    shifted_digits,
)

CALLS = {
    digit_sequences: {"part": "test", "by": "pixels"},
    shifted_digits: {"count": 3, "rng": np.random.default_rng(1), "shift": 2},
    captchas: {"count": 3, "rng": np.random.default_rng(2), "length": (2, 4)},
    scenes: {"count": 3, "rng": np.random.default_rng(3), "varied": True},
    pose_clips: {"count": 3, "rng": np.random.default_rng(4), "size": 20},
    bouncing_shapes: {"count": 3, "rng": np.random.default_rng(5), "steps": 6},
    keyword_recordings: {"count": 3, "rng": np.random.default_rng(6), "snr": 5.0},
}
NEEDS = {"sklearn": (captchas, digit_sequences, shifted_digits)}
