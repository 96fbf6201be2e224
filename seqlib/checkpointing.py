"""Backpropagation through time in little memory: forget the steps, compute them again.

`recurrent` keeps what every step computed until the way back needs it, so its memory
grows as T. Here only the state before every k-th step is kept. The way back takes the
sequence k steps at a time, from the last to the first: it runs them forward once more
from the state that was kept, goes back through them, and forgets them. T / k states are
kept, and k steps are there at a time; their sum is least where k is about sqrt(T).
"""

from __future__ import annotations

import copy
import math

import numpy as np
from array_api_compat import device

from seqlib._arrays import Array, State, array_namespace
from seqlib._check import gradient, one_of, whole
from seqlib._params import check
from seqlib.recurrent import CELLS, recurrent, recurrent_backward


def checkpointed(
    kind: str,
    x: Array,
    state: State | None,
    params: dict[str, Array],
    mask: Array | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
    every: int | None = None,
) -> tuple[Array, State, tuple]:
    """Run `recurrent` over long sequences, and keep the state at every k-th step only.

    Parameters
    ----------
    kind : "rnn" (tanh), "rnn_relu", "rnn_logistic", "lstm", "gru" or "gru_before"
    x : (B, T, D) input
    state : the first state, a tuple of arrays (L, B, H): (h,), for "lstm" (h, c); None
        starts from zeros
    params : flat dict with torch's names, as for `recurrent`; one direction, of any
        depth, since the second one begins where the first one ends
    mask : (B, T) booleans, True where the input is real
    dropout, rng : probability of zeroing an output between layers, and the generator
        that decides; the way back draws the same again
    every : k, the steps from one kept state to the next; None for about sqrt(T)

    Returns
    -------
    y : (B, T, H) outputs of the last layer
    state : the last state, as the first
    cache : for `checkpointed_backward`; it holds x and params, not copies of them, so
        leave them as they are until then

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; there is a second direction.

    Notes
    -----
    Beside x and y the cache holds ceil(T / k) states, where that of `recurrent` holds
    what all T steps computed. The price is the forward pass twice, and a call for each
    segment, which is felt where steps are small. Sources: Chen et al. (2016); Gruslys
    et al. (2016), who find the best steps to keep for a given memory.

    It does not save memory while torch's autograd records it. There, give a module k
    steps at a time through `torch.utils.checkpoint`, which does the same.
    """
    one_of("kind", kind, CELLS)
    _, (_, B, H) = check(CELLS[kind], x, state, params, mask)
    if second := [name for name in params if name.endswith("_reverse")]:
        raise ValueError(f"params must be of one direction, got {', '.join(second)}")
    T = x.shape[1]
    if every is not None:
        whole("every", every, 1)
    k = math.isqrt(T) if every is None else every
    y = array_namespace(x).empty((B, T, H), dtype=x.dtype, device=device(x))
    kept = []
    for t in range(0, T, k):
        part = slice(t, min(t + k, T))
        kept.append((part, state, copy.deepcopy(rng)))
        given = _cut(x, part), state, params, _cut(mask, part), dropout, rng
        y[:, part, :], state, _ = recurrent(kind, *given)
    cache = kind, x, params, mask, dropout, kept, H
    return y, state, cache  # type: ignore[return-value]  # T is not 0


def checkpointed_backward(
    dy: Array | None, dstate: State | None, cache: tuple, input_gradient: bool = True
) -> tuple[Array | None, State, dict[str, Array]]:
    """Backpropagation through time, the backward pass of `checkpointed`.

    Parameters
    ----------
    dy, dstate, input_gradient : as for `recurrent_backward`
    cache : what `checkpointed` returned

    Returns
    -------
    dx (B, T, D), the gradient at the first state, and those of all parameters by their
    names, as from `recurrent_backward`

    Raises
    ------
    ValueError, TypeError
        A gradient has not the shape, library or float type of what it belongs to.

    Notes
    -----
    The sum over steps in equations (6.9) to (6.12) of the book is taken k steps at a
    time, so the gradients are those of `recurrent_backward` but for the order of that
    sum.
    """
    kind, x, params, mask, dropout, kept, H = cache
    if dy is not None:
        gradient("dy", dy, x, (*x.shape[:2], H))
    dx = array_namespace(x).empty_like(x) if input_gradient else None
    grads: dict[str, Array] = {}
    for part, state, rng in reversed(kept):
        given = _cut(x, part), state, params, _cut(mask, part), dropout
        dpart, dstate, more = recurrent_backward(
            _cut(dy, part),
            dstate,
            recurrent(kind, *given, copy.deepcopy(rng))[-1],  # without a name: it goes
            input_gradient,
        )
        if dx is not None:
            dx[:, part, :] = dpart
        grads = {name: grads[name] + d for name, d in more.items()} if grads else more
    return dx, dstate, grads  # type: ignore[return-value]


def _cut(a: Array | None, part: slice) -> Array | None:
    """Return these steps of an array (B, T, ...)."""
    return None if a is None else a[:, part, ...]
