"""The decoder over given tokens: all of a target in training, one token in decoding.

`begin` turns what an encoder left into the first state, and `advance` goes on from any
state. The gradient of a state, or of a memory, has the same form as that itself.
"""

from __future__ import annotations

from typing import Any

from seqlib._arrays import Array, array_namespace
from seqlib.functional import embedding, embedding_backward, linear, linear_backward
from seqlib.recurrent import recurrent, recurrent_backward
from seqlib.seq2seq._attentive import Source
from seqlib.seq2seq._checks import Form, Params
from seqlib.seq2seq._memory import DecoderState, Memory, begin, begin_backward
from seqlib.seq2seq._stack import (
    attentive_stack,
    attentive_stack_backward,
    named,
    own_params,
    turned,
)


def advance(
    tokens: Array,
    first: DecoderState,
    params: Params,
    form: Form,
    mask: Array | None = None,
) -> tuple[Array, DecoderState, Array | None, tuple]:
    """Run over tokens (B, T): logits (B, T, V), state, weights (B, T, S), cache.

    On padding the state is held, and logits and weights are zero.
    """
    xp = array_namespace(params["output.weight"])
    x, of_tokens = embedding(tokens, params["decoder.embedding.weight"])
    state, weights = turned(first.state), None
    if form.context == "attention":
        source = Source(first.keys, first.values, first.mask)
        inputs = x, state, source, params, form.score, mask
        y, last, weights, of_layers = attentive_stack(form.kind, *inputs)
    else:
        if form.context == "every":
            v = first.vector[:, None, :]
            again = xp.broadcast_to(v, (*tokens.shape, v.shape[-1]))
            x = xp.concat([x, again], axis=-1)
        y, last, of_layers = recurrent(form.kind, x, state, own_params(params), mask)
    logits, of_logits = linear(y, params["output.weight"], params["output.bias"])
    if mask is not None:
        logits = xp.where(mask[..., None], logits, xp.zeros_like(logits))
    new = first._replace(state=turned(last))
    cache = (form, params, mask, of_tokens, of_layers, of_logits)
    return logits, new, weights, cache


def advance_backward(
    dlogits: Array, dweights: Array | None, cache: tuple
) -> tuple[DecoderState, Params]:
    """Gradients of `advance`: at the state that it began with, and its parameters'."""
    form, params, mask, of_tokens, of_layers, of_logits = cache
    xp = array_namespace(dlogits)
    if mask is not None:
        dlogits = xp.where(mask[..., None], dlogits, xp.zeros_like(dlogits))
    dy, dW, db = linear_backward(dlogits, of_logits)
    dx: Any
    dvector = dkeys = dvalues = None
    if form.context == "attention":
        back = attentive_stack_backward(dy, dweights, of_layers)
        dx, dstate, dkeys, dvalues, grads = back
    else:
        dx, dstate, own = recurrent_backward(dy, None, of_layers)
        grads = named(own)
        if form.context == "every":
            E = params["decoder.embedding.weight"].shape[1]
            dx, dvector = dx[..., :E], xp.sum(dx[..., E:], axis=1)
    grads |= {"output.weight": dW, "output.bias": db}
    grads["decoder.embedding.weight"] = embedding_backward(dx, of_tokens)
    return DecoderState(turned(dstate), dvector, dkeys, dvalues, None), grads


def decode(
    tokens: Array,
    memory: Memory,
    params: Params,
    form: Form,
    mask: Array | None,
) -> tuple[Array, Array | None, tuple]:
    """Return the logits over a memory, weights or None, and the cache."""
    first, of_first = begin(memory, params, form)
    logits, _, weights, of_steps = advance(tokens, first, params, form, mask)
    return logits, weights, (of_first, of_steps)


def decode_backward(
    dlogits: Array, dweights: Array | None, cache: tuple
) -> tuple[Memory, Params]:
    """Gradients of `decode`: at the memory, and at the decoder's parameters."""
    of_first, of_steps = cache
    dfirst, grads = advance_backward(dlogits, dweights, of_steps)
    dmemory, more = begin_backward(dfirst, of_first)
    for name, d in more.items():  # the cell's own come twice where context is "first"
        grads[name] = grads[name] + d if name in grads else d
    return dmemory, grads
