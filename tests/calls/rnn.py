"""Good calls of `seqlib.rnn`."""

from calls.trees import drawn
from seqlib import rnn

CALLS = {
    rnn.rnn_cell: {
        "x": drawn(2, 3),
        "h": drawn(2, 4),
        "W_ih": drawn(4, 3),
        "W_hh": drawn(4, 4),
        "b_ih": drawn(4),
        "b_hh": drawn(4, seed=1),
    }
}
VARIANTS = {
    rnn.rnn_cell: [
        {"activation": "relu"},
        {"activation": "logistic", "b_ih": None, "b_hh": None},
    ]
}
ELSEWHERE = {
    "seqlib.rnn.step*": "inside the loop of `recurrent`, which has checked everything"
}
