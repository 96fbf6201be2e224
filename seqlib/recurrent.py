"""Recurrent networks, deep, bidirectional and masked, with their backward pass.

The steps themselves, and backpropagation through time, stand in `seqlib._scan`; here
they are stacked in layers and directions.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from array_api_compat import device

from seqlib import gru, lstm, rnn
from seqlib._arrays import Array, State, array_namespace
from seqlib._check import flags, generator, gradient, number, one_of, whole
from seqlib._params import check, check_state, names_of
from seqlib._scan import Cell, scan, scan_backward
from seqlib.functional import dropout as drop
from seqlib.functional import dropout_backward


def _simple(activation: str) -> Cell:
    forward = partial(rnn.step, activation=activation)
    return Cell(1, 1, True, forward, partial(rnn.step_backward, activation=activation))


def _gated(reset: str) -> Cell:
    forward, back, merge, last = gru.FORMS[reset]
    return Cell(3, 1, merge, forward, back, last)


CELLS = {
    "rnn": _simple("tanh"),
    "rnn_relu": _simple("relu"),
    "rnn_logistic": _simple("logistic"),
    "lstm": Cell(4, 2, True, lstm.step, lstm.step_backward),
    "gru": _gated("after"),
    "gru_before": _gated("before"),
}


def recurrent(
    kind: str,
    x: Array,
    state: State | None,
    params: dict[str, Array],
    mask: Array | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, State, tuple]:
    """Run a recurrent network over a batch of sequences.

    Parameters
    ----------
    kind : "rnn" (tanh), "rnn_relu", "rnn_logistic", "lstm", "gru" (reset after the
        product, as torch's) or "gru_before"
    x : (B, T, D) input
    state : the first state, a tuple of arrays (L * directions, B, H): (h,), for "lstm"
        (h, c); None starts from zeros
    params : flat dict with torch's names, `weight_ih_l0` (G, D), `weight_hh_l0` (G, H),
        `bias_ih_l0`, `bias_hh_l0` (G,), then `_l1` and so on, `_reverse` for the second
        direction; G is H, for a GRU 3H (gates r, z, n), for an LSTM 4H (i, f, g, o).
        Depth, directions and biases are read off the names
    mask : (B, T) booleans, True where the input is real. On padding the state is held
        and the output is zero, so what stands in the padding never matters
    dropout, rng : probability of zeroing an output between layers, 0 for evaluation,
        and the generator that decides

    Returns
    -------
    y : (B, T, H * directions) outputs of the last layer, the forward direction first
    state : the last state, as the first
    cache : for `recurrent_backward`; it holds x and params, not copies of them, so
        leave them as they are until then

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equations (5.1) to (5.6) of the book. Sources: Elman (1990), Hochreiter &
    Schmidhuber (1997) and Cho et al. (2014) for the cells; Schuster & Paliwal (1997)
    for two directions; Graves (2013) for depth.
    """
    one_of("kind", kind, CELLS)
    cell = CELLS[kind]
    layers, sizes = check(cell, x, state, params, mask)
    number("dropout", dropout, 0, 1, below=True)
    if dropout:
        generator("rng", rng)
    xp = array_namespace(x)
    if state is None:
        state = (xp.zeros(sizes, dtype=x.dtype, device=device(x)),) * cell.states
    y = xp.permute_dims(x, (1, 0, 2))  # time first: (T, B, D)
    real = None if mask is None else xp.permute_dims(mask, (1, 0))[..., None]
    if real is not None:
        y = xp.where(real, y, xp.zeros_like(y))
    last: list[State] = []
    caches: list[tuple] = []  # one a layer: the dropout's, and one a direction
    for depth, layer in enumerate(layers):
        dropped = None
        if dropout and depth and rng is not None:
            y, dropped = drop(y, dropout, rng)
        outs, scans = [], []
        for suffix in layer:
            first = tuple(s[len(last), ...] for s in state)
            out, final, kept = scan(cell, params, suffix, y, first, real)
            outs.append(out)
            last.append(final)
            scans.append(kept)
        y = outs[0] if len(outs) == 1 else xp.concat(outs, axis=-1)
        caches.append((dropped, scans))
    cache = (cell, params, layers, caches, sizes)
    return xp.permute_dims(y, (1, 0, 2)), _stack(last), cache


def recurrent_backward(
    dy: Array | None, dstate: State | None, cache: tuple, input_gradient: bool = True
) -> tuple[Array | None, State, dict[str, Array]]:
    """Backpropagation through time, the backward pass of `recurrent`.

    Parameters
    ----------
    dy : (B, T, H * directions) gradient at the outputs, None for zeros
    dstate : gradient at the last state, a tuple of (L * directions, B, H); None, or
        None inside, for zeros
    cache : what `recurrent` returned
    input_gradient : False saves the work of dx where the input is data

    Returns
    -------
    dx : (B, T, D) gradient at the input, zero on padding; None if not wanted
    dstate : gradient at the first state, a tuple as the state
    grads : gradients of all parameters, under their names and in their order

    Raises
    ------
    ValueError, TypeError
        A gradient has not the shape, library or float type of what it belongs to.

    Notes
    -----
    Equations (6.9) to (6.12) of the book. Source: Werbos (1990).
    """
    cell, params, layers, caches, sizes = cache
    (rows, B, H), T = sizes, len(caches[0][1][0].steps)
    W = params["weight_hh_l0"]
    xp = array_namespace(W)
    zeros = partial(xp.zeros, dtype=W.dtype, device=device(W))
    dy = zeros((B, T, H * len(layers[-1]))) if dy is None else dy
    dstate = (None,) * cell.states if dstate is None else dstate
    if isinstance(dstate, tuple):
        dstate = tuple(zeros(sizes) if d is None else d for d in dstate)
    gradient("dy", dy, W, (B, T, H * len(layers[-1])))
    check_state("dstate", dstate, cell.states, ("the forward pass", W), sizes)
    dy = xp.permute_dims(dy, (1, 0, 2))
    grads: dict[str, Array] = {}
    first: list[State] = []  # from the last to the first
    for depth in range(len(layers))[::-1]:
        (dropped, scans), want = caches[depth], depth > 0 or input_gradient
        ways: list[Array] = []  # what each direction sends to the layer below
        for d in range(len(scans))[::-1]:
            dout = dy[..., d * H : (d + 1) * H]
            dlast = tuple(ds[rows - 1 - len(first), ...] for ds in dstate)
            back = scan_backward(cell, params, dout, dlast, scans[d], want)
            ways.append(back[0])
            first.append(back[1])
            grads |= back[2]
        if want:
            dy = ways[0] if len(ways) == 1 else ways[0] + ways[1]
            dy = dy if dropped is None else dropout_backward(dy, dropped)
    dx = xp.permute_dims(dy, (1, 0, 2)) if input_gradient else None
    return dx, _stack(first[::-1]), {name: grads[name] for name in params}


def init_params(
    kind: str,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    bidirectional: bool = False,
    rng: np.random.Generator | None = None,
    bias: bool = True,
) -> dict[str, np.ndarray]:
    """Draw parameters for `recurrent`, float64, uniform in ±1/sqrt(H) as torch does.

    The names and shapes are torch's: `weight_ih_l0` (G, D), `weight_hh_l0` (G, H),
    `bias_ih_l0` (G,), `bias_hh_l0` (G,), and so on; H = hidden_size, D = input_size,
    and G is H, 3H for a GRU, 4H for an LSTM.
    Without rng, a numpy generator, each call draws anew. Errors: an unknown kind, a
    size that is no whole number above 0, an rng that is no generator.
    """
    one_of("kind", kind, CELLS)
    whole("input_size", input_size, 1)
    whole("hidden_size", hidden_size, 1)
    whole("num_layers", num_layers, 1)
    flags(bidirectional=bidirectional, bias=bias)
    rng = np.random.default_rng() if rng is None else rng
    generator("rng", rng)
    rows, bound = CELLS[kind].blocks * hidden_size, hidden_size**-0.5
    params = {}
    for layer in range(num_layers):
        D = hidden_size * (1 + bidirectional) if layer else input_size
        for suffix in (f"l{layer}", f"l{layer}_reverse")[: 1 + bidirectional]:
            sizes = ((rows, D), (rows, hidden_size), (rows,), (rows,))
            for name, size in zip(names_of(suffix), sizes, strict=True):
                if bias or not name.startswith("bias"):
                    params[name] = rng.uniform(-bound, bound, size)
    return params


def _stack(states: list[State]) -> State:
    xp = array_namespace(states[0][0])
    return tuple(xp.stack(list(s)) for s in zip(*states, strict=True))
