"""Good calls of `seqlib.gru`."""

from calls.trees import drawn
from seqlib import gru

CALLS = {
    gru.gru_cell: {
        "x": drawn(2, 3),
        "h": drawn(2, 4),
        "W_ih": drawn(12, 3),
        "W_hh": drawn(12, 4),
        "b_ih": drawn(12),
        "b_hh": drawn(12, seed=1),
    }
}
VARIANTS = {
    gru.gru_cell: [
        {"reset": "before"},
        {"b_ih": None, "b_hh": None},
        {"reset": "before", "b_hh": None},
    ]
}
ELSEWHERE = {
    "seqlib.gru.step*": "inside the loop of `recurrent`, which has checked everything",
    "seqlib.gru.reset_state": "inside the loop of `recurrent`, as the steps are",
}
