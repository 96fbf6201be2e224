"""Good calls of `seqlib.convlstm`."""

from calls.trees import booleans, drawn, rng
from seqlib.convlstm import convlstm, convlstm_cell, init_convlstm

CALLS = {
    convlstm_cell: {
        "x": drawn(3, 1, 6, 7),
        "h": drawn(3, 2, 6, 7),
        "c": drawn(3, 2, 6, 7, seed=1),
        "W_ih": drawn(8, 1, 4, 5),
        "W_hh": drawn(8, 2, 9, 10),
        "b_ih": drawn(8),
        "b_hh": drawn(8, seed=1),
    },
    convlstm: {
        "x": drawn(3, 4, 1, 5, 6),
        "state": (drawn(2, 3, 2, 5, 6), drawn(2, 3, 2, 5, 6, seed=1)),
        "params": init_convlstm(1, 2, 3, 2, rng()),
        "mask": booleans(3, 4),
    },
    init_convlstm: {
        "in_channels": 2,
        "hidden_channels": 3,
        "kernel_size": 3,
        "rng": rng(),
    },
}
VARIANTS = {
    convlstm_cell: [{"b_ih": None}, {"b_hh": None}],
    convlstm: [
        {"mask": None, "params": init_convlstm(1, 2, 3, 2, rng(), bias=False)},
    ],
}
GRADIENTS = {convlstm: ("x", "state", "params")}
EXCEPTIONS = {
    (convlstm, "params[*]", "axis 2 *|axis 3 *"): "kernels of any size",
}
