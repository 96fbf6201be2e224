"""What an encoder leaves, and the state in which a decoder begins over it."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import device

from seqlib._arrays import Array, State, array_namespace
from seqlib.functional import linear, linear_backward
from seqlib.recurrent import CELLS, recurrent, recurrent_backward
from seqlib.seq2seq._attentive import make_keys, make_keys_backward
from seqlib.seq2seq._checks import Form, Params, suffixes
from seqlib.seq2seq._stack import named, own_params, turned


class Memory(NamedTuple):
    """What an encoder leaves, and its gradient."""

    vector: Array  # (B, M) sums up the source
    annotations: Array  # (B, S, A) the source, place by place
    mask: Array | None  # (B, S) True = real
    state: Any  # (L, B, H) each, the encoder's last; None where it has none


class DecoderState(NamedTuple):
    """Where the decoder stands: its recurrent state, and what it knows of the source.

    Shapes: state a tuple of arrays (B, L, H), hypotheses first, so that the searches of
    `seqlib.decode` can reorder them; vector (B, M) for the context "every", keys
    (B, S, K), values (B, S, A) and mask (B, S) for "attention", else None.
    """

    state: State
    vector: Array
    keys: Array
    values: Array
    mask: Array


def begin(memory: Memory, params: Params, form: Form) -> tuple[DecoderState, tuple]:
    """Return the state before the first token, and the cache for `begin_backward`."""
    state, of_state = _first_state(memory, params, form)
    of_context: Any = None
    keys = values = vector = mask = None
    if form.context == "first":
        x, of_x = linear(memory.vector, params["first.weight"], params["first.bias"])
        own = own_params(params)
        _, state, of_step = recurrent(form.kind, x[:, None, :], state, own)
        of_context = of_x, of_step
    elif form.context == "every":
        vector = memory.vector
    elif form.context == "attention":
        values, mask = memory.annotations, memory.mask
        keys, of_context = make_keys(values, params, form.score)
    first = DecoderState(turned(state), vector, keys, values, mask)
    return first, (form, of_state, of_context)


def begin_backward(dfirst: DecoderState, cache: tuple) -> tuple[Memory, Params]:
    """Gradients of `begin`: at the memory, and at its own parameters."""
    form, of_state, of_context = cache
    dvector, dannotations, dcopied = dfirst.vector, None, None
    dstate: Any = turned(dfirst.state)
    grads: Params = {}
    if form.context == "first":
        of_x, of_step = of_context
        back: Any = recurrent_backward(None, dstate, of_step)
        dx, dstate, own = back
        dvector, dW, db = linear_backward(dx[:, 0, :], of_x)
        grads = {"first.weight": dW, "first.bias": db} | named(own)
    elif form.context == "attention":
        back = make_keys_backward(dfirst.keys, of_context, form.score)
        dannotations, grads = back[0] + dfirst.values, back[1]
    xp = array_namespace(dstate[0])
    if form.init == "copy":
        dcopied = dstate
    elif form.init == "learned":
        grads["init.state"] = xp.stack([xp.sum(d, axis=1) for d in dstate])
    elif form.init == "project":
        of_W, h = of_state
        flat = xp.reshape(xp.stack(list(turned(dstate)), axis=1), h.shape)
        dv, dW, db = linear_backward(flat * (1 - h * h), of_W)
        dvector = dv if dvector is None else dvector + dv
        grads |= {"init.weight": dW, "init.bias": db}
    return Memory(dvector, dannotations, None, dcopied), grads


def _first_state(
    memory: Memory, params: Params, form: Form
) -> tuple[State, tuple | None]:
    """Return s_0, arrays (L, B, H), and what "project" needs on the way back."""
    xp = array_namespace(params["output.weight"])
    N, L = CELLS[form.kind].states, len(suffixes(params, "decoder."))
    H = params["output.weight"].shape[1]
    v = memory.vector  # (B, M)
    if form.init == "copy":
        return memory.state, None
    if form.init == "project":
        z, of_W = linear(v, params["init.weight"], params["init.bias"])
        h = xp.tanh(z)  # (B, N * L * H)
        parts = xp.reshape(h, (-1, N, L, H))
        return turned(tuple(parts[:, i, ...] for i in range(N))), (of_W, h)
    sizes = (L, v.shape[0], H)
    if form.init == "zero":
        return (xp.zeros(sizes, dtype=v.dtype, device=device(v)),) * N, None
    given = params["init.state"]
    return tuple(xp.broadcast_to(given[i, :, None, :], sizes) for i in range(N)), None
