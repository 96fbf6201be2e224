"""Good calls of `seqlib.functional`."""

from calls.trees import AXES, drawn, integers, rng
from seqlib import functional as F

X = drawn(2, 5, 3)

CALLS = {
    F.sigmoid: {"x": X},
    F.softmax: {"x": X},
    F.log_softmax: {"x": X},
    F.gelu: {"x": X},
    F.layer_norm: {"x": X, "weight": drawn(3), "bias": drawn(3, seed=1)},
    F.linear: {"x": X, "W": drawn(4, 3), "b": drawn(4)},
    F.embedding: {"ids": integers(6, 2, 5), "weight": drawn(6, 3)},
    F.dropout: {"x": X, "p": 0.4, "rng": rng()},
    F.cross_entropy: {"logits": X, "targets": integers(3, 2, 5)},
}
VARIANTS = {
    F.softmax: [{"axis": 0}],
    F.log_softmax: [{"axis": 1}],
    F.gelu: [{"approximate": "tanh"}],
    F.linear: [{"b": None}],
    F.cross_entropy: [
        {"reduction": "sum", "ignore_index": 1},
        {"reduction": "none", "label_smoothing": 0.2},
    ],
}
EVERY = "every number by itself, and so arrays of any shape"
LAST = "along one axis, the last unless said; the others are any"
EXCEPTIONS = {
    **{(f, "x", "an axis *"): EVERY for f in (F.sigmoid, F.gelu, F.dropout)},
    **{(f, "x", "an axis *"): LAST for f in (F.softmax, F.log_softmax)},
    **{(f, "x", AXES): LAST for f in (F.layer_norm, F.linear)},
    (F.embedding, "ids", "an axis *"): EVERY,
    (F.cross_entropy, "ignore_index", "-1000"): "any whole number, as in torch",
    (F.cross_entropy_backward, "dout", "a list|a number"): "1.0 will do for a loss",
}
