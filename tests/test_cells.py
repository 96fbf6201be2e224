"""All cells against finite differences: the one referee that knows no autograd."""

from functools import partial

import numpy as np
import pytest
from comparing import by_differences, close

from seqlib.gru import gru_cell, gru_cell_backward
from seqlib.lstm import lstm_cell, lstm_cell_backward
from seqlib.rnn import ACTIVATIONS, rnn_cell, rnn_cell_backward

# Forward, backward, row blocks in the weights, arrays in the state.
CELLS = {
    "lstm": (lstm_cell, lstm_cell_backward, 4, 2),
    "gru, reset after": (gru_cell, gru_cell_backward, 3, 1),
    "gru, reset before": (partial(gru_cell, reset="before"), gru_cell_backward, 3, 1),
}
for name in ACTIVATIONS:
    forward = partial(rnn_cell, activation=name)
    CELLS[f"rnn, {name}"] = forward, rnn_cell_backward, 1, 1


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3, 4)])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.referee(
    "seqlib.rnn.rnn_cell_backward",
    "seqlib.lstm.lstm_cell_backward",
    "seqlib.gru.gru_cell_backward",
    by="finite differences",
)
def test_finite_differences(cell, sizes):
    rng = np.random.default_rng(1)
    forward, backward, blocks, states = CELLS[cell]
    B, D, H = sizes
    G = blocks * H
    shapes = [(B, D), *[(B, H)] * states, (G, D), (G, H), (G,), (G,)]
    inputs = [rng.normal(size=shape) for shape in shapes]
    dstate = rng.normal(size=(states, B, H))

    def loss(*inputs):
        state, _ = forward(*inputs)
        return np.sum(np.stack(state if states > 1 else [state]) * dstate)

    _, cache = forward(*inputs)
    grads = backward(tuple(dstate) if states > 1 else dstate[0], cache)
    assert len(grads) == len(inputs)
    for i, grad in enumerate(grads):
        close(by_differences(loss, inputs, i), grad, 1e-7, scale=1)
