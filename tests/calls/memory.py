"""One good call of each function of seqlib.memory."""

import numpy as np

from seqlib.memory import init_params, memory_network

rng = np.random.default_rng(0)
CALLS = {
    memory_network: {
        "story": rng.integers(0, 7, size=(2, 3, 4)),
        "question": rng.integers(0, 7, size=(2, 3)),
        "params": init_params(7, 5, 4, 2, rng=rng, deviation=0.5),
        "hops": 2,
        "story_mask": rng.random((2, 3, 4)) < 0.7,
        "question_mask": rng.random((2, 3)) < 0.7,
    },
    init_params: {
        "vocabulary_size": 7,
        "embedding_size": 5,
        "sentences": 4,
        "hops": 2,
        "rng": np.random.default_rng(0),
    },
}
