"""A cell over time: deep, bidirectional, masked; and backpropagation through time.

Two ideas make it fast, and chapter 6 derives both: the input products of all steps are
one matrix product before the loop, and the weights' gradients one after it. Only what
truly depends on the step before stays inside.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from seqlib import rnn
from seqlib._check import generator, gradient, number, one_of, whole
from seqlib._params import check, check_state, names_of
from seqlib.functional import dropout as drop
from seqlib.functional import dropout_backward, linear

Array = Any
State = tuple[Array, ...]


class Cell(NamedTuple):
    """How `recurrent` sees a cell: sizes, one step, and that step backward."""

    blocks: int  # row blocks of H in W_ih and W_hh: one for each gate
    states: int  # arrays in the state
    merge: bool  # may b_hh join b_ih before the loop? (not in a GRU, where r scales it)
    step: Callable  # (a, state, W_hh, b_hh) -> (state, cache)
    step_backward: Callable  # (dstate, cache, W_hh) -> (da, dg, dstate_before)


def _simple(activation: str) -> Cell:
    forward = partial(rnn.step, activation=activation)
    return Cell(1, 1, True, forward, partial(rnn.step_backward, activation=activation))


CELLS = {
    "rnn": _simple("tanh"),
    "rnn_relu": _simple("relu"),
    "rnn_logistic": _simple("logistic"),
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
    kind : "rnn" (tanh), "rnn_relu" or "rnn_logistic"
    x : (B, T, D) input
    state : the first state, a tuple of arrays (L * directions, B, H), one for this
        cell; None starts from zeros
    params : flat dict with torch's names, `weight_ih_l0` (H, D), `weight_hh_l0` (H, H),
        `bias_ih_l0`, `bias_hh_l0` (H,), then `_l1` and so on, with `_reverse` for
        the second direction. Depth, directions and biases are read off the names
    mask : (B, T) booleans, True where the input is real. On padding the state is held
        and the output is zero, so what stands in the padding never matters
    dropout, rng : probability of zeroing an output between layers, and the
        generator that decides; 0 for evaluation

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
    Equations (5.1) to (5.6) of the book. Sources: Elman (1990); Schuster & Paliwal
    (1997) for two directions; Graves (2013) for depth.
    """
    one_of("kind", kind, CELLS)
    cell = CELLS[kind]
    layers, sizes = check(cell, x, state, params, mask)
    number("dropout", dropout, 0, 1, below=True)
    if dropout:
        generator("rng", rng)
    xp = array_namespace(x)
    if state is None:
        zero = xp.zeros(sizes, dtype=x.dtype, device=device(x))
        state = (zero,) * cell.states
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
            out, final, scan = _scan(cell, params, suffix, y, first, real)
            outs.append(out)
            last.append(final)
            scans.append(scan)
        y = outs[0] if len(outs) == 1 else xp.concat(outs, axis=-1)
        caches.append((dropped, scans))
    cache = (cell, params, layers, caches, real, sizes)
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
    dstate : gradient at the first state, as the state
    grads : gradient of every parameter, under the parameters' names

    Raises
    ------
    ValueError, TypeError
        A gradient has not the shape, library or float type of what it belongs to.

    Notes
    -----
    Equations (6.9) to (6.12) of the book. Source: Werbos (1990).
    """
    cell, params, layers, caches, real, sizes = cache
    (rows, B, H), T = sizes, caches[0][1][0].x.shape[0]
    W = params["weight_hh_l0"]
    xp = array_namespace(W)
    zeros = partial(xp.zeros, dtype=W.dtype, device=device(W))
    dy = zeros((B, T, H * len(layers[-1]))) if dy is None else dy
    dstate = (None,) * cell.states if dstate is None else dstate
    if isinstance(dstate, tuple):
        dstate = tuple(zeros(sizes) if d is None else d for d in dstate)
    gradient("dy", dy, W, (B, T, H * len(layers[-1])))
    check_state("dstate", dstate, cell, ("the forward pass", W), sizes)
    dy = xp.permute_dims(dy, (1, 0, 2))
    grads: dict[str, Array] = {}
    first: list[State] = []  # from the last to the first
    for depth in range(len(layers))[::-1]:
        (dropped, scans), want = caches[depth], depth > 0 or input_gradient
        dx: list[Array] = []
        for d in range(len(scans))[::-1]:
            dout = dy[..., d * H : (d + 1) * H]
            dlast = tuple(ds[rows - 1 - len(first), ...] for ds in dstate)
            back = _scan_backward(cell, params, dout, dlast, scans[d], want)
            dx.append(back[0])
            first.append(back[1])
            grads |= back[2]
        if want:
            dy = dx[0] if len(dx) == 1 else dx[0] + dx[1]
            dy = dy if dropped is None else dropout_backward(dy, dropped)
    grads = {name: grads[name] for name in params}
    if not input_gradient:
        return None, _stack(first[::-1]), grads
    dy = dy if real is None else xp.where(real, dy, xp.zeros_like(dy))
    return xp.permute_dims(dy, (1, 0, 2)), _stack(first[::-1]), grads


class Scan(NamedTuple):
    """What one cell's way through the sequence leaves for the way back."""

    suffix: str
    x: Array  # (T, B, D)
    before: list  # (B, H) the hidden state before each step
    steps: list  # cache of each step
    order: range
    real: Array | None  # (T, B, 1)


def _scan(
    cell: Cell,
    params: dict[str, Array],
    suffix: str,
    x: Array,
    state: State,
    real: Array | None,
) -> tuple[Array, State, Scan]:
    """One layer in one direction: x (T, B, D) to y (T, B, H), last state, cache."""
    xp = array_namespace(x)
    W_ih, W_hh, b_ih, b_hh = (params.get(name) for name in names_of(suffix))
    if cell.merge and b_ih is not None:
        b_ih, b_hh = b_ih + b_hh, None
    a, _ = linear(x, W_ih, b_ih)  # every step's input product at once
    T = x.shape[0]
    order = range(T)[::-1] if suffix.endswith("_reverse") else range(T)
    before, outs, steps = [None] * T, [None] * T, [None] * T
    for t in order:
        before[t] = state[0]
        new, steps[t] = cell.step(a[t, ...], state, W_hh, b_hh)
        if real is not None:  # hold the state on padding
            new = tuple(
                xp.where(real[t, ...], n, s) for n, s in zip(new, state, strict=True)
            )
        outs[t] = (state := new)[0]
    y = xp.stack(outs)
    if real is not None:
        y = xp.where(real, y, xp.zeros_like(y))
    return y, state, Scan(suffix, x, before, steps, order, real)


def _scan_backward(
    cell: Cell,
    params: dict[str, Array],
    dy: Array,
    dstate: State,
    scan: Scan,
    want_dx: bool,
) -> tuple[Array | None, State, dict[str, Array]]:
    """Go back through `_scan`: dx, gradient at the first state, weights' gradients."""
    xp = array_namespace(dy)
    names = names_of(scan.suffix)
    W_hh = params[names[1]]
    T, real = dy.shape[0], scan.real
    da, dg = [None] * T, [None] * T
    if real is not None:
        dy = xp.where(real, dy, xp.zeros_like(dy))
    for t in scan.order[::-1]:
        dstate = (dstate[0] + dy[t, ...], *dstate[1:])
        if real is None:
            da[t], dg[t], dstate = cell.step_backward(dstate, scan.steps[t], W_hh)
            continue
        here = real[t, ...]  # what reaches padding passes it by
        held = tuple(xp.where(here, xp.zeros_like(d), d) for d in dstate)
        moved = tuple(xp.where(here, d, xp.zeros_like(d)) for d in dstate)
        da[t], dg[t], moved = cell.step_backward(moved, scan.steps[t], W_hh)
        dstate = tuple(m + h for m, h in zip(moved, held, strict=True))
    flat = _flat(xp.stack(da))  # (T * B, blocks * H): all steps in one product each
    flat_g = flat if da[0] is dg[0] else _flat(xp.stack(dg))
    dW_ih, dW_hh = flat.T @ _flat(scan.x), flat_g.T @ _flat(xp.stack(scan.before))
    db_ih, db_hh = xp.sum(flat, axis=0), xp.sum(flat_g, axis=0)
    grads = dict(zip(names, (dW_ih, dW_hh, db_ih, db_hh), strict=True))
    dx = xp.reshape(flat @ params[names[0]], scan.x.shape) if want_dx else None
    return dx, dstate, {name: grads[name] for name in names if name in params}


def _flat(a: Array) -> Array:
    return array_namespace(a).reshape(a, (-1, a.shape[-1]))


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

    The names and shapes are torch's: `weight_ih_l0` (H, D), `weight_hh_l0` (H, H),
    `bias_ih_l0` (H,), `bias_hh_l0` (H,), and so on; H = hidden_size, D = input_size.
    Without rng, a numpy generator, each call draws anew. Errors: kind is unknown, a
    size is no whole number above 0, rng is no generator.
    """
    one_of("kind", kind, CELLS)
    whole("input_size", input_size, 1)
    whole("hidden_size", hidden_size, 1)
    whole("num_layers", num_layers, 1)
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
