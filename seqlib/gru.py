"""The gated recurrent unit of Cho et al. (2014): the equations, in both forms.

In the book's notation (column vectors), the gates in torch's order r, z, n::

    r = σ(W_ir x + b_ir + W_hr h + b_hr)                reset
    z = σ(W_iz x + b_iz + W_hz h + b_hz)                keep
    n = tanh(W_in x + b_in + r * (W_hn h + b_hn))       reset after the product
    n = tanh(W_in x + b_in + W_hn (r * h) + b_hn)       reset before the product
    h' = (1 - z) * n + z * h

Reset before is the paper's form; reset after is torch's, and what the fast libraries
compute. Only there is b_hn scaled by r, so that b_in and b_hn are not one bias.
A gate z of exactly 1 keeps the state to the last bit, and one of 0 takes n so.
"""

from __future__ import annotations

from collections.abc import Callable

from seqlib._activations import logistic as σ
from seqlib._arrays import Array, State, array_namespace
from seqlib._check import gradient, one_of
from seqlib._gates import affine, cell, cell_backward, split


def gru_cell(
    x: Array,
    h: Array,
    W_ih: Array,
    W_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    reset: str = "after",
) -> tuple[Array, tuple]:
    """One step of a gated recurrent unit: h' = (1 - z) * n + z * h.

    Parameters
    ----------
    x : (B, D) input of this step
    h : (B, H) state after the step before
    W_ih : (3H, D) weights from the input, row blocks r, z, n
    W_hh : (3H, H) weights from the state, the same blocks
    b_ih, b_hh : (3H,) biases, or None; torch has two, and so do we
    reset : "after" or "before" the product with W_hn

    Returns
    -------
    h_new : (B, H) the new state, and the cache for `gru_cell_backward`

    Raises
    ------
    ValueError, TypeError
        A shape, a float type, a library or the reset does not fit.

    Notes
    -----
    Equations (9.1) to (9.3) of the book; (9.8) with the reset "before". Source: Cho et
    al. (2014), section 2.3; the candidate's form of reset "after" as in torch and
    cuDNN.
    """
    one_of("reset", reset, FORMS)
    forward, back, merge, last = FORMS[reset]
    weights = W_ih, W_hh, b_ih, b_hh
    (h,), cache = cell(forward, 3, x, {"h": h}, weights, merge)
    return h, (*cache, back, last)


def gru_cell_backward(dh: Array, cache: tuple) -> tuple[Array | None, ...]:
    """Gradients of `gru_cell` for dh (B, H), the gradient at the new state.

    Returns
    -------
    dx (B, D), dh_prev (B, H), dW_ih (3H, D), dW_hh (3H, H), db_ih (3H,), db_hh (3H,);
    None for a bias that was None

    Raises
    ------
    ValueError, TypeError
        dh has not the shape, library or float type of h_new.

    Notes
    -----
    Equations (9.11) to (9.18) of the book.
    """
    *kept, back, last = cache
    gradient("dh", dh, kept[1], kept[1].shape)
    dx, (dh,), weights = cell_backward(back, (dh,), tuple(kept), last)
    return dx, dh, *weights


# What `recurrent` runs at each step, a = W_ih x + b_ih being computed for all at once.


def step(
    a: Array, state: State, W_hh: Array, b_hh: Array | None
) -> tuple[State, tuple]:
    """Advance the state (h,) by one step, given the input's share a (B, 3H)."""
    (h,) = state
    a_r, a_z, a_n = split(a, 3)
    g_r, g_z, g_n = split(affine(h, W_hh, b_hh), 3)
    r = σ(a_r + g_r)  # reset gate
    z = σ(a_z + g_z)  # keep gate
    n = array_namespace(h).tanh(a_n + r * g_n)  # candidate
    return ((1 - z) * n + z * h,), (h, r, z, n, g_n)


def step_backward(
    dstate: State, cache: tuple, W_hh: Array
) -> tuple[Array, Array, State]:
    """Gradients of `step` at a, at the product W_hh h + b_hh, and at the state."""
    (dh,) = dstate
    h, r, z, n, g_n = cache
    concat = array_namespace(h).concat
    da_n = dh * (1 - z) * (1 - n * n)
    da_z = dh * (h - n) * z * (1 - z)
    da_r = da_n * g_n * r * (1 - r)
    da = concat([da_r, da_z, da_n], axis=-1)
    dg = concat([da_r, da_z, da_n * r], axis=-1)
    return da, dg, (dh * z + dg @ W_hh,)


def step_before(
    a: Array, state: State, W_hh: Array, b_hh: Array | None
) -> tuple[State, tuple]:
    """Advance (h,) as `step` does, the state being reset before the product."""
    (h,) = state
    rows = 2 * h.shape[-1]
    a_r, a_z, a_n = split(a if b_hh is None else a + b_hh, 3)
    g_r, g_z = split(h @ W_hh[:rows, :].T, 2)
    r = σ(a_r + g_r)  # reset gate
    z = σ(a_z + g_z)  # keep gate
    n = array_namespace(h).tanh(a_n + (r * h) @ W_hh[rows:, :].T)  # candidate
    return ((1 - z) * n + z * h,), (h, r, z, n)


def step_before_backward(
    dstate: State, cache: tuple, W_hh: Array
) -> tuple[Array, Array, State]:
    """Gradients of `step_before` at a, at the products with W_hh, and at the state."""
    (dh,) = dstate
    h, r, z, n = cache
    concat = array_namespace(h).concat
    rows = 2 * h.shape[-1]
    da_n = dh * (1 - z) * (1 - n * n)
    da_z = dh * (h - n) * z * (1 - z)
    dreset = da_n @ W_hh[rows:, :]  # at r * h
    da_r = dreset * h * r * (1 - r)
    by_gates = concat([da_r, da_z], axis=-1)
    da = concat([by_gates, da_n], axis=-1)
    return da, da, (dh * z + dreset * r + by_gates @ W_hh[:rows, :],)


def reset_state(cache: tuple) -> Array:
    """Return r * h, which W_hn multiplied in `step_before`."""
    h, r, _, _ = cache
    return r * h


# For each form: forward, backward, may b_hh join b_ih, and what W_hn multiplied.
FORMS: dict[str, tuple[Callable, Callable, bool, Callable | None]] = {
    "after": (step, step_backward, False, None),
    "before": (step_before, step_before_backward, True, reset_state),
}
