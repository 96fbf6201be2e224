"""The adding problem (chapter 8): how well it is solved, after how many updates.

A sequence holds `steps` numbers from 0 to 1, two of them marked; the answer is the sum
of the two. Measured is the mean squared error on 400 new sequences while a network
learns from batches of 32, with the book's own forward and backward pass. The networks
are an LSTM of 16 units, from four different starts of its biases, and a tanh RNN of 34
units, which has as many parameters, at two rates. Answering always 1 has the error 1/6.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqlib.data import adding_problem
from seqlib.functional import sigmoid
from seqlib.optim import adam, clip_by_norm
from seqlib.recurrent import init_params, recurrent, recurrent_backward

Array = np.ndarray
Params = dict[str, Array]

SEEDS = range(5)
UNITS = {"lstm": 16, "rnn": 34}  # 1280 and 1292 parameters in the recurrence
LSTM_STARTS = ("0", "1", "log T", "log T, write gate closed")
SETTINGS = tuple(
    {"cell": cell, "steps": steps, "start": start, "rate": rate}
    for steps, starts, rates in (
        (50, LSTM_STARTS, (0.02, 0.005)),
        (100, LSTM_STARTS[1:], (0.005,)),
    )
    for cell, start, rate in (
        *(("lstm", start, 0.02) for start in starts),
        *(("rnn", "usual", rate) for rate in rates),
    )
)


def first_params(
    cell: str, steps: int, start: str, rng: np.random.Generator, units: int
) -> Params:
    """Draw the first parameters; `start` says what the forget gate's bias is.

    The read-out, `w` and `b`, begins by answering about 1, the mean of all answers.
    """
    p = init_params(cell, 2, units, rng=rng)
    if cell == "lstm":
        write, forget = slice(0, units), slice(units, 2 * units)
        bias = {"0": 0.0, "1": 1.0}.get(start, math.log(steps))
        p["bias_ih_l0"][forget], p["bias_hh_l0"][forget] = bias, 0
        if start.endswith("closed"):
            p["bias_ih_l0"][write], p["bias_hh_l0"][write] = -bias, 0
    p["w"] = rng.uniform(-1, 1, units) / math.sqrt(units)
    p["b"] = np.ones(1)
    return {name: value.astype(np.float32) for name, value in p.items()}


def split(p: Params) -> tuple[Params, Array, Array]:
    """Return the cell's parameters, and those of the read-out."""
    return {k: v for k, v in p.items() if k.endswith("_l0")}, p["w"], p["b"]


def loss_and_grads(cell: str, p: Params, x: Array, y: Array) -> tuple[float, Params]:
    """Return the mean squared error of the sum read from the last output."""
    params, w, b = split(p)
    h, _, cache = recurrent(cell, x, None, params)
    error = h[:, -1] @ w + b - y
    dh = np.zeros_like(h)
    dsum = 2 * error / len(y)
    dh[:, -1] = dsum[:, None] * w
    _, _, grads = recurrent_backward(dh, None, cache, input_gradient=False)
    grads |= {"w": dsum @ h[:, -1], "b": dsum.sum(keepdims=True)}
    return float((error**2).mean()), grads


def test_error(cell: str, p: Params, x: Array, y: Array) -> float:
    """Return the mean squared error, without gradients."""
    params, w, b = split(p)
    h, _, _ = recurrent(cell, x, None, params)
    return float(((h[:, -1] @ w + b - y) ** 2).mean())


def mean_gate(p: Params, x: Array, gate: str) -> float:
    """Return the mean of an LSTM's gate, "forget" or "write", over all steps."""
    params, _, _ = split(p)
    h, _, _ = recurrent("lstm", x, None, params)
    before = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
    H = h.shape[-1]
    rows = slice(0, H) if gate == "write" else slice(H, 2 * H)
    z = x @ params["weight_ih_l0"][rows].T + before @ params["weight_hh_l0"][rows].T
    z += params["bias_ih_l0"][rows] + params["bias_hh_l0"][rows]
    return float(sigmoid(z)[0].mean())


def run(
    seed: int,
    cell: str = "lstm",
    steps: int = 50,
    start: str = "log T, write gate closed",
    rate: float = 0.02,
    updates: int = 300,
    every: int = 25,
) -> dict[str, Any]:
    """Train one network, and return its errors and gates.

    Returns
    -------
    error : test error before the first update and after every `every` of them
    forget, write : the LSTM's mean gates on the test set, before and after training
    """
    rng = np.random.default_rng(seed)
    p = first_params(cell, steps, start, rng, UNITS[cell])
    test = adding_problem(400, np.random.default_rng(1000), steps)
    gates = ("forget", "write") if cell == "lstm" else ()
    before = {gate: mean_gate(p, test.x, gate) for gate in gates}
    errors, state = [test_error(cell, p, *test)], None
    for update in range(1, updates + 1):
        _, grads = loss_and_grads(cell, p, *adding_problem(32, rng, steps))
        grads, _ = clip_by_norm(grads, 1.0)
        p, state = adam(p, grads, state, lr=rate)
        if update % every == 0:
            errors.append(test_error(cell, p, *test))
    after = {gate: mean_gate(p, test.x, gate) for gate in gates}
    return {"error": errors} | {gate: [before[gate], after[gate]] for gate in gates}
