"""Good calls of `seqlib.narx`."""

from calls.trees import drawn
from seqlib.narx import narx

# K = 1 and L = 2: f sees 2 inputs of size 3 and 2 outputs of size 4
LAYERS = [(drawn(5, 14), drawn(5)), (drawn(4, 5), drawn(4))]

CALLS = {
    narx: {
        "x": drawn(8, 6, 3),
        "layers": LAYERS,
        "K": 1,
        "L": 2,
        "activations": "tanh",
        "x_past": drawn(8, 1, 3),
        "y_past": drawn(8, 2, 4),
        "targets": drawn(8, 6, 4),
    }
}
VARIANTS = {narx: [{"targets": None}, {"x_past": None, "y_past": None}]}
EXCEPTIONS = {
    (narx, "layers[*][1]", "None"): "a layer may do without a bias",
}
