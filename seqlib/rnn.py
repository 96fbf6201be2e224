"""The simple recurrent cell of Elman (1990): the equations, nothing else.

In the book's notation (column vectors), equations (5.1) and (5.2)::

    z_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh
    h_t = f(z_t)

with f = tanh unless said. A batch stacks vectors as rows, hence `x @ W.T` below.
"""

from __future__ import annotations

from seqlib._activations import logistic, relu
from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, one_of, shapes
from seqlib._gates import affine
from seqlib.functional import linear, linear_backward

ACTIVATIONS = {
    "tanh": lambda z: array_namespace(z).tanh(z),
    "relu": relu,
    "logistic": logistic,
}

# f'(z), written with the value h = f(z) that the forward pass kept
SLOPES = {
    "tanh": lambda h: 1 - h * h,
    "relu": lambda h: array_namespace(h).astype(h > 0, h.dtype),
    "logistic": lambda h: h * (1 - h),
}


def rnn_cell(
    x: Array,
    h: Array,
    W_ih: Array,
    W_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    activation: str = "tanh",
) -> tuple[Array, tuple]:
    """One step of a simple recurrent network, h' = f(W_ih x + b_ih + W_hh h + b_hh).

    Parameters
    ----------
    x : (B, D) input of this step
    h : (B, H) state after the step before
    W_ih : (H, D) weights from the input
    W_hh : (H, H) weights from the state
    b_ih, b_hh : (H,) biases, or None; torch has two, and so do we
    activation : "tanh", "relu" or "logistic"

    Returns
    -------
    h_new : (B, H) the new state, and the cache for `rnn_cell_backward`

    Raises
    ------
    ValueError, TypeError
        A shape, a float type or the activation does not fit.

    Notes
    -----
    Equations (5.1) and (5.2) of the book. Source: Elman (1990).
    """
    one_of("activation", activation, ACTIVATIONS)
    shapes(
        x=(x, "B D"),
        h=(h, "B H"),
        W_ih=(W_ih, "H D"),
        W_hh=(W_hh, "H H"),
        b_ih=(b_ih, "H?"),
        b_hh=(b_hh, "H?"),
    )
    a, from_input = linear(x, W_ih, b_ih)
    g, from_state = linear(h, W_hh, b_hh)
    h_new = ACTIVATIONS[activation](a + g)
    return h_new, (h_new, from_input, from_state, activation)


def rnn_cell_backward(dh: Array, cache: tuple) -> tuple[Array | None, ...]:
    """Gradients of `rnn_cell` for dh (B, H), the gradient at the new state.

    Returns
    -------
    dx (B, D), dh_prev (B, H), dW_ih (H, D), dW_hh (H, H), db_ih (H,), db_hh (H,);
    None for a bias that was None

    Raises
    ------
    ValueError, TypeError
        dh has not the shape, library or float type of h_new.

    Notes
    -----
    With dz = dh * f'(z): dx = W_ih' dz, dh_prev = W_hh' dz, and each weight's gradient
    is the outer product of dz with what the weight multiplied; see chapter 6.
    """
    h_new, from_input, from_state, activation = cache
    gradient("dh", dh, h_new, h_new.shape)
    dz = dh * SLOPES[activation](h_new)
    dx, dW_ih, db_ih = linear_backward(dz, from_input)
    dh_prev, dW_hh, db_hh = linear_backward(dz, from_state)
    return dx, dh_prev, dW_ih, dW_hh, db_ih, db_hh


# What `recurrent` runs at each step, a = W_ih x + b_ih being computed for all at once.


def step(
    a: Array, state: tuple[Array], W_hh: Array, b_hh: Array | None, activation: str
) -> tuple[tuple[Array], Array]:
    """Advance the state (h,) by one step, given the input's share a (B, H)."""
    (h,) = state
    h = ACTIVATIONS[activation](a + affine(h, W_hh, b_hh))
    return (h,), h


def step_backward(
    dstate: tuple[Array], cache: Array, W_hh: Array, activation: str
) -> tuple[Array, Array, tuple[Array]]:
    """Gradients of `step` at a, at the product W_hh h + b_hh, and at the state."""
    (dh,) = dstate
    dz = dh * SLOPES[activation](cache)
    return dz, dz, (dz @ W_hh,)
