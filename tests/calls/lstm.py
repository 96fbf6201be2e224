"""Good calls of `seqlib.lstm`."""

from calls.trees import drawn
from seqlib import lstm

CALLS = {
    lstm.lstm_cell: {
        "x": drawn(2, 3),
        "h": drawn(2, 4),
        "c": drawn(2, 4, seed=1),
        "W_ih": drawn(16, 3),
        "W_hh": drawn(16, 4),
        "b_ih": drawn(16),
        "b_hh": drawn(16, seed=1),
    }
}
VARIANTS = {lstm.lstm_cell: [{"b_ih": None}, {"b_hh": None}]}
ELSEWHERE = {
    "seqlib.lstm.step*": "inside the loop of `recurrent`, which has checked everything",
    "seqlib.lstm.update*": "inside the loops of `recurrent` and of `convlstm`",
}
