"""Good calls of `seqlib.state_space`."""

from calls.trees import drawn
from seqlib.state_space import state_space

CALLS = {
    state_space: {
        "x": drawn(8, 9, 3),
        "f": [(drawn(5, 7), drawn(5)), (drawn(4, 5), drawn(4))],
        "g": [(drawn(6, 4), drawn(6))],
        "h": drawn(8, 4),
    }
}
VARIANTS = {
    state_space: [{"h": None, "f_activations": ["logistic", "tanh"]}],
}
EXCEPTIONS = {
    (state_space, "f[*][1]", "None"): "a layer may do without a bias",
    (state_space, "g[*][1]", "None"): "a layer may do without a bias",
}
