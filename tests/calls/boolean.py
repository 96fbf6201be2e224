"""Good calls of `seqlib.boolean`."""

import numpy as np

from seqlib import boolean as B

SQUARE = np.array([[0.0, 0.0], [1.0, 0.2], [1.3, 1.0], [0.1, 0.9]])
XOR = [(np.array([[1.0, 1.0], [-1.0, -1.0]]), np.array([-1.0, 1.0]))]
XOR = [*XOR, (np.array([[1.0, 1.0]]), np.array([-2.0]))]

CALLS = {
    B.at_least: {"k": 2, "signs": [1, -1, 0]},
    B.truth_table: {"outputs": [0, 1, 1, 0]},
    B.parity: {"n": 3},
    B.polygon: {"vertices": SQUARE},
    B.union: {"networks": (XOR, XOR)},
}
VARIANTS = {
    B.parity: [{"kind": "and_or"}, {"kind": "deep"}],
    B.polygon: [{"needed": 3}],
}
TYPES = "they are made in numpy, float64, whatever they are made from"
EXCEPTIONS = {
    (f, "", "float32|torch|array_api_strict"): TYPES for f in (B.polygon, B.union)
} | {
    (B.truth_table, "outputs[*]", "True"): "True is as good as 1",
    (B.polygon, "vertices", "axis 0 *"): "the sentence ends with what they must do",
    (B.union, "networks*", "*"): "the sentence says layers, as that of `mlp` does",
}
