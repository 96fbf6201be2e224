"""Good calls of `seqlib.mlp`."""

from calls.trees import drawn, rng

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
LEADING = "any axes before the last"
EXCEPTIONS = {
    (perceptron, "x", "an axis more"): LEADING,
    (perceptron, "x", "an axis less"): LEADING,
    (mlp, "x", "an axis more"): LEADING,
    (mlp, "x", "an axis less"): LEADING,
    (mlp, "layers[*][1]", "None"): "a layer may do without a bias",
}
