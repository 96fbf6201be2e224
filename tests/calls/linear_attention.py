"""One good call of each function of seqlib.linear_attention."""

import numpy as np

from calls.trees import BROADCAST
from seqlib.linear_attention import (
    feature_map,
    linear_attention,
    linear_attention_step,
)

rng = np.random.default_rng(0)


def state():
    return rng.normal(size=(2, 3, 2)), rng.uniform(1, 2, size=(2, 3))


CALLS = {
    feature_map: {"x": rng.normal(size=(2, 3))},
    linear_attention: {
        "q": rng.normal(size=(2, 4, 3)),
        "k": rng.normal(size=(2, 4, 3)),
        "v": rng.normal(size=(2, 4, 2)),
        "state": state(),
        "key_mask": rng.random((2, 4)) < 0.7,
        "chunk": 3,
    },
    linear_attention_step: {
        "q": rng.normal(size=(2, 3)),
        "k": rng.normal(size=(2, 3)),
        "v": rng.normal(size=(2, 2)),
        "state": state(),
    },
}
EXCEPTIONS = {
    (feature_map, "x", "an axis *"): "every number by itself",
    (linear_attention, "key_mask", BROADCAST): "any mask that broadcasts to the keys",
}
