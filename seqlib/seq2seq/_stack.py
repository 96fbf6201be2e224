"""The decoder's layers: parameters under `recurrent`'s names, attention in the first.

Only the first layer attends, so only it is a loop over steps that ask; the layers above
are one call of `recurrent`, as without attention all of them are.
"""

from __future__ import annotations

from seqlib._arrays import Array, State, array_namespace
from seqlib.recurrent import CELLS, recurrent, recurrent_backward
from seqlib.seq2seq._attentive import Source, attentive, attentive_backward
from seqlib.seq2seq._checks import Params, under


def attentive_stack(
    kind: str,
    x: Array,
    state: State,
    source: Source,
    params: Params,
    score: str,
    mask: Array | None,
) -> tuple[Array, State, Array, tuple]:
    """Run all layers: x (B, T, E) to y (B, T, H), state, weights (B, T, S), cache."""
    xp = array_namespace(x)
    real = None if mask is None else mask.T[..., None]
    below = tuple(s[0, ...] for s in state)
    inputs = xp.permute_dims(x, (1, 0, 2)), below, source
    y, below, weights, of_first = attentive(CELLS[kind], *inputs, params, score, real)
    y, weights = (xp.permute_dims(a, (1, 0, 2)) for a in (y, weights))
    last, of_rest = tuple(s[None, ...] for s in below), None
    if rest := _above(own_params(params)):
        above = tuple(s[1:, ...] for s in state)
        y, above, of_rest = recurrent(kind, y, above, rest, mask)
        last = _joined(last, above)
    return y, last, weights, (kind, params, score, mask, of_first, of_rest)


def attentive_stack_backward(
    dy: Array, dweights: Array | None, cache: tuple
) -> tuple[Array, State, Array, Array, Params]:
    """Gradients of `attentive_stack`: dx, dstate, dkeys, dvalues, and the parameters'.

    The last state has none: what is wanted of a decoder is its outputs.
    """
    kind, params, score, mask, of_first, of_rest = cache
    xp = array_namespace(dy)
    grads: Params = {}
    if of_rest is not None:
        dy, above, rest = recurrent_backward(dy, None, of_rest)
        grads = named(rest, 1)
    dy, dweights = (
        None if d is None else xp.permute_dims(_real(d, mask), (1, 0, 2))
        for d in (dy, dweights)
    )
    back = attentive_backward(CELLS[kind], dy, dweights, params, score, of_first)
    dx, below, dkeys, dvalues, first = back
    dstate = tuple(s[None, ...] for s in below)
    dstate = dstate if of_rest is None else _joined(dstate, above)
    return xp.permute_dims(dx, (1, 0, 2)), dstate, dkeys, dvalues, grads | first


def turned(state: State) -> State:
    """Exchange the first two axes: layers and hypotheses."""
    return tuple(array_namespace(s).permute_dims(s, (1, 0, 2)) for s in state)


def _joined(below: State, above: State) -> State:
    """Put the first layer's state and the others' into one."""
    pairs = zip(below, above, strict=True)
    return tuple(array_namespace(a).concat([a, b]) for a, b in pairs)


def _real(d: Array, mask: Array | None) -> Array:
    """Set (B, T, N) to zero on padding."""
    xp = array_namespace(d)
    return d if mask is None else xp.where(mask[..., None], d, xp.zeros_like(d))


def own_params(params: Params) -> Params:
    """Return the decoder's recurrent network, under the names of `recurrent`."""
    own = under("decoder.", params)
    return {name: a for name, a in own.items() if name != "embedding.weight"}


def _above(own: Params) -> Params:
    """Return the layers above the first, renamed as a network of their own."""
    split = {name: name.rpartition("_l") for name in own}
    return {
        f"{kind}_l{int(k) - 1}": own[name]
        for name, (kind, _, k) in split.items()
        if int(k)
    }


def named(grads: Params, shift: int = 0) -> Params:
    """Put gradients of `recurrent` back under the decoder's names, and its depth."""
    split = {name: name.rpartition("_l") for name in grads}
    return {
        f"decoder.{kind}_l{int(k) + shift}": grads[name]
        for name, (kind, _, k) in split.items()
    }
