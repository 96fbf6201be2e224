"""One cell over time in one direction, and backpropagation through time.

Two ideas make it fast, and chapter 6 derives both: the input products of all steps are
one matrix product before the loop, and the weights' gradients one after it. Only what
truly depends on the step before stays inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from array_api_compat import device

from seqlib._arrays import Array, State, array_namespace
from seqlib._gates import by_state
from seqlib._params import names_of
from seqlib.functional import linear


class Cell(NamedTuple):
    """How `recurrent` sees a cell: sizes, one step, and that step backward."""

    blocks: int  # row blocks of H in W_ih and W_hh: one for each gate
    states: int  # arrays in the state
    merge: bool  # may b_hh join b_ih before the loop? (not in a GRU, where r scales it)
    step: Callable  # (a, state, W_hh, b_hh) -> (state, cache)
    step_backward: Callable  # (dstate, cache, W_hh) -> (da, dg, dstate_before)
    last: Callable | None = None  # cache -> what W_hh's last rows multiplied, if not h


class Scan(NamedTuple):
    """What one cell's way through the sequence leaves for the way back."""

    suffix: str
    x: Array  # (T, B, D)
    before: list  # (B, H) the hidden state before each step
    steps: list  # cache of each step
    order: range
    real: Array | None  # (T, B, 1)


def scan(
    cell: Cell,
    params: dict[str, Array],
    suffix: str,
    x: Array,
    state: State,
    real: Array | None,
) -> tuple[Array, State, Scan]:
    """One layer in one direction: x (T, B, D) to y (T, B, H), last state, cache.

    Equations (5.1), (5.2) and, where real (T, B, 1) is given, (5.6) of the book.
    """
    xp = array_namespace(x)
    W_ih, W_hh, b_ih, b_hh = (params.get(name) for name in names_of(suffix))
    if cell.merge and b_ih is not None:
        b_ih, b_hh = b_ih + b_hh, None
    T, B, _ = x.shape
    a, _ = linear(flatten(x), W_ih, b_ih)  # every step's input product at once
    a = xp.reshape(a, (T, B, -1))
    order = range(T)[::-1] if suffix.endswith("_reverse") else range(T)
    before, outs, steps = [None] * T, [None] * T, [None] * T
    for t in order:
        before[t] = state[0]
        new, steps[t] = cell.step(a[t, ...], state, W_hh, b_hh)
        state = new if real is None else choose(real[t, ...], new, state)
        outs[t] = state[0]
    y = xp.stack(outs)
    if real is not None:
        y = xp.where(real, y, xp.zeros_like(y))
    return y, state, Scan(suffix, x, before, steps, order, real)


def scan_backward(
    cell: Cell,
    params: dict[str, Array],
    dy: Array,
    dstate: State,
    kept: Scan,
    want_dx: bool,
) -> tuple[Array | None, State, dict[str, Array]]:
    """Go back through `scan`: dx, gradient at the first state, weights' gradients."""
    xp = array_namespace(dy)
    names = names_of(kept.suffix)
    W_hh = params[names[1]]
    T, real = dy.shape[0], kept.real
    sizes = T, dy.shape[1], W_hh.shape[0]
    da = xp.empty(sizes, dtype=dy.dtype, device=device(dy))
    dg = da if cell.merge else xp.empty_like(da)
    if real is not None:
        dy = xp.where(real, dy, xp.zeros_like(dy))
    for t in kept.order[::-1]:
        dstate = (dstate[0] + dy[t, ...], *dstate[1:])
        da[t, ...], at_product, back = cell.step_backward(dstate, kept.steps[t], W_hh)
        if dg is not da:
            dg[t, ...] = at_product
        dstate = back if real is None else choose(real[t, ...], back, dstate)
    flat = flatten(da, real)  # (T * B, blocks * H): all steps in one product each
    flat_g = flat if dg is da else flatten(dg, real)
    h = flatten(xp.stack(kept.before))
    last = None
    if cell.last is not None:
        last = flatten(xp.stack([cell.last(c) for c in kept.steps]))
    dW_ih, dW_hh = flat.T @ flatten(kept.x), by_state(flat_g, h, last)
    db_ih = xp.sum(flat, axis=0)
    db_hh = xp.sum(flat_g, axis=0) if dg is not da else xp.asarray(db_ih, copy=True)
    grads = dict(zip(names, (dW_ih, dW_hh, db_ih, db_hh), strict=True))
    grads = {name: grads[name] for name in names if name in params}
    dx = xp.reshape(flat @ params[names[0]], kept.x.shape) if want_dx else None
    return dx, dstate, grads


def choose(here: Array, a: State, b: State) -> State:
    """Take a where the step is real, and b, what was held, on padding."""
    xp = array_namespace(here)
    return tuple(xp.where(here, i, j) for i, j in zip(a, b, strict=True))


def flatten(a: Array, real: Array | None = None) -> Array:
    """All steps (T, B, G) as one (T * B, G), zero on padding."""
    xp = array_namespace(a)
    a = a if real is None else xp.where(real, a, xp.zeros_like(a))
    return xp.reshape(a, (-1, a.shape[-1]))
