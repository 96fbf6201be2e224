"""Good calls of `seqlib.recurrent`."""

from calls.trees import booleans, drawn, rng
from seqlib.recurrent import init_params, recurrent


def call(kind, states, layers=2, both=False, bias=True):
    rows = layers * (1 + both)
    return {
        "kind": kind,
        "state": tuple(drawn(rows, 3, 5, seed=i) for i in range(states)),
        "params": init_params(kind, 6, 5, layers, both, rng(), bias),
    }


FIRST = {"x": drawn(3, 7, 6), "mask": booleans(3, 7), "dropout": 0.4, "rng": rng(1)}

CALLS = {
    recurrent: {**FIRST, **call("rnn", 1, both=True)},
    init_params: {
        "kind": "lstm",
        "input_size": 3,
        "hidden_size": 4,
        "num_layers": 2,
        "rng": rng(),
    },
}
VARIANTS = {
    recurrent: [
        call("lstm", 2, both=True),
        {"mask": None},
        call("gru", 1, 1, both=True),
        call("gru_before", 1, 2, bias=False),
        {**call("rnn_relu", 1, 1), "dropout": 0.0},
        call("rnn_logistic", 1, 1),
    ],
    init_params: [{"bidirectional": True, "bias": False}],
}
GRADIENTS = {recurrent: ("x", "state", "params")}
EXCEPTIONS = {
    (recurrent, "rng", "None"): "there must be one where there is dropout",
}
