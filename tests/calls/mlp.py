"""Good calls of `seqlib.mlp`."""

from calls.trees import AXES, drawn, rng
from seqlib.mlp import init_params, mlp, perceptron

LAYERS = [(drawn(4, 3), drawn(4)), (drawn(6, 4), drawn(6))]

CALLS = {
    perceptron: {"x": drawn(2, 5, 3), "W": drawn(4, 3), "b": drawn(4)},
    mlp: {"x": drawn(2, 5, 3), "layers": LAYERS},
    init_params: {"sizes": [3, 4, 2], "rng": rng()},
}
VARIANTS = {
    perceptron: [{"activation": "tanh"}, {"activation": "relu", "b": None}],
    mlp: [{"activations": ["tanh", "linear"]}],
}
EXCEPTIONS = {
    **{(f, "x", AXES): "any axes before the last" for f in (perceptron, mlp)},
    (mlp, "layers[*][1]", "None"): "a layer may do without a bias",
}
