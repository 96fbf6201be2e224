"""Long short-term memory, of Hochreiter & Schmidhuber (1997): the equations.

With the forget gate of Gers, Schmidhuber & Cummins (2000), without peepholes. In the
book's notation (column vectors), the gates in torch's order i, f, g, o::

    i = σ(W_ii x + b_ii + W_hi h + b_hi)        what to write
    f = σ(W_if x + b_if + W_hf h + b_hf)        what to keep
    g = tanh(W_ig x + b_ig + W_hg h + b_hg)     what could be written
    o = σ(W_io x + b_io + W_ho h + b_ho)        what to read
    c' = f * c + i * g
    h' = o * tanh(c')

W_ih stacks W_ii, W_if, W_ig, W_io; so do W_hh, b_ih and b_hh.
"""

from __future__ import annotations

from seqlib._activations import logistic as σ
from seqlib._arrays import Array, State, array_namespace
from seqlib._gates import affine, cell, cell_backward, split
from seqlib._params import check_state


def lstm_cell(
    x: Array,
    h: Array,
    c: Array,
    W_ih: Array,
    W_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
) -> tuple[tuple[Array, Array], tuple]:
    """One step of an LSTM: c' = f * c + i * g, h' = o * tanh(c').

    Parameters
    ----------
    x : (B, D) input of this step
    h, c : (B, H) output and memory after the step before
    W_ih : (4H, D) weights from the input, row blocks i, f, g, o
    W_hh : (4H, H) weights from the state, the same blocks
    b_ih, b_hh : (4H,) biases, or None; torch has two, and so do we

    Returns
    -------
    (h_new, c_new) : (B, H) each, and the cache for `lstm_cell_backward`

    Raises
    ------
    ValueError, TypeError
        A shape, a float type or a library does not fit.

    Notes
    -----
    Equations (8.1) to (8.6) of the book. Sources: Hochreiter & Schmidhuber (1997);
    Gers, Schmidhuber & Cummins (2000).
    """
    (h, c), cache = cell(
        step, 4, x, {"h": h, "c": c}, (W_ih, W_hh, b_ih, b_hh), merge=True
    )
    return (h, c), cache


def lstm_cell_backward(
    dstate: tuple[Array, Array], cache: tuple
) -> tuple[Array | None, ...]:
    """Gradients of `lstm_cell` for dstate, (dh, dc) at the new state, (B, H) each.

    Returns
    -------
    dx (B, D), dh_prev (B, H), dc_prev (B, H), dW_ih (4H, D), dW_hh (4H, H),
    db_ih (4H,), db_hh (4H,); None for a bias that was None

    Raises
    ------
    ValueError, TypeError
        dstate is no pair, or one of it has not the shape, library or float type of h.

    Notes
    -----
    The memory receives dc + dh * o * (1 - tanh(c')²), and passes f times that on.
    Equations (8.14) to (8.19) of the book.
    """
    h = cache[1]
    check_state("dstate", dstate, 2, ("the forward pass", h), tuple(h.shape))
    dx, (dh, dc), weights = cell_backward(step_backward, dstate, cache)
    return dx, dh, dc, *weights


# What `recurrent` runs at each step, a = W_ih x + b_ih being computed for all at once.


def step(
    a: Array, state: State, W_hh: Array, b_hh: Array | None
) -> tuple[State, tuple]:
    """Advance the state (h, c) by one step, given the input's share a (B, 4H)."""
    h, c = state
    z = affine(h, W_hh, b_hh)
    z += a
    return update(z, c)


def update(z: Array, c: Array, axis: int = -1) -> tuple[State, tuple]:
    """Return the new (h, c) from the gates' arguments z, four blocks along `axis`."""
    tanh, before = array_namespace(z).tanh, c
    z_i, z_f, z_g, z_o = split(z, 4, axis)
    i = σ(z_i)  # input gate: what to write
    f = σ(z_f)  # forget gate: what to keep
    g = tanh(z_g)  # candidate: what could be written
    o = σ(z_o)  # output gate: what to read
    c = f * before + i * g
    h = o * (read := tanh(c))
    return (h, c), (i, f, g, o, before, read)


def step_backward(
    dstate: State, cache: tuple, W_hh: Array
) -> tuple[Array, Array, State]:
    """Gradients of `step` at a, at the product W_hh h + b_hh, and at the state."""
    dz, dc = update_backward(dstate, cache)
    return dz, dz, (dz @ W_hh, dc)


def update_backward(dstate: State, cache: tuple, axis: int = -1) -> tuple[Array, Array]:
    """Gradients of `update` at z and at the memory before."""
    dh, dc = dstate
    i, f, g, o, before, read = cache
    dc = dc + dh * o * (1 - read * read)
    dz_i = dc * g * i * (1 - i)
    dz_f = dc * before * f * (1 - f)
    dz_g = dc * i * (1 - g * g)
    dz_o = dh * read * o * (1 - o)
    dz = array_namespace(dh).concat([dz_i, dz_f, dz_g, dz_o], axis=axis)
    return dz, dc * f
