"""One good call of each function of seqlib.graph_attention."""

import numpy as np

from seqlib.graph_attention import graph_attention

rng = np.random.default_rng(0)
CALLS = {
    graph_attention: {
        "x": rng.normal(size=(2, 4, 3)),
        "adjacency": rng.random((2, 4, 4)) < 0.5,
        "params": {
            "W": rng.normal(size=(2, 3, 3)),
            "a_q": rng.normal(size=(2, 3)),
            "a_k": rng.normal(size=(2, 3)),
            "b": rng.normal(size=6),
        },
    },
}
EXCEPTIONS = {
    (graph_attention, "adjacency", "an axis less"): "one graph for all of the batch",
    (graph_attention, "params", "without b"): "the bias is optional",
}
