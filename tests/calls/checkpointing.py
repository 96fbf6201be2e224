"""Good calls of `seqlib.checkpointing`."""

from calls import recurrent
from calls.recurrent import call
from seqlib.checkpointing import checkpointed

CALLS = {checkpointed: {**recurrent.FIRST, **call("rnn", 1), "every": 3}}
VARIANTS = {
    checkpointed: [
        call("lstm", 2),
        {"mask": None, "every": None},
        {**call("gru", 1, 1), "every": 1},
        {**call("gru_before", 1, 2, bias=False), "every": 7},
        {**call("rnn_relu", 1, 1), "dropout": 0.0, "every": 9},
        call("rnn_logistic", 1, 3),
    ],
}
GRADIENTS = {checkpointed: ("x", "state", "params")}
EXCEPTIONS = {
    (checkpointed, "rng", "None"): "there must be one where there is dropout",
}
