"""One token after the other: the decoder with the keys and values it has made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from array_api_compat import is_torch_array

from seqlib._arrays import Array
from seqlib._check import in_range, shapes, whole
from seqlib.functional import log_softmax
from seqlib.transformer._blocks import _add, _feed
from seqlib.transformer._checks import Options, Params
from seqlib.transformer._kept import Room, heads_of, look, room_for
from seqlib.transformer._names import ATTENTIONS, layers, under
from seqlib.transformer._seq2seq import (
    embed,
    project,
    stack,
    tokens_name,
)
from seqlib.transformer._seq2seq_checks import FIRST, Embedding, check_ids, check_model
from seqlib.transformer._stacks import encode, last_norm


class State(tuple):
    """(tokens so far, key_mask, four arrays a layer), and the buffers of the target's.

    A copy of a state, as `take_rows` makes it, has no buffers.
    """

    room: Room | None = None


def seq2seq_transformer_start(
    ids: Array,
    params: Params,
    num_heads: int,
    key_mask: Array | None = None,
    scale_embedding: bool = True,
    layout: str = "interleaved",
    norm_first: bool = False,
    activation: str = "relu",
    eps: float = 1e-5,
) -> State:
    """Encode the source, and keep what every step of the decoder needs of it.

    Shapes and errors: as for `seq2seq_transformer`, without the decoder's. The state is
    for `seq2seq_transformer_step`: how many tokens there are, key_mask, and for each
    layer the keys and values of the target, None as yet, and of the memory, both
    (B, H, S, E/H). `seqlib.decode.take_rows` can reorder it.
    """
    options = Options(norm_first, activation, eps, 0.0, None)
    form = Embedding(scale_embedding, layout)
    check_model(params, num_heads, options, form)
    check_ids(params, "encoder", ids, key_mask, "ids", "key_mask")
    x, _ = embed(ids, params, "encoder", form, options)
    own = stack(params, "encoder")
    memory, _ = encode(x, own, num_heads, (None, key_mask), options)
    kept = []
    for layer in layers(stack(params, "decoder")):
        across = under("multihead_attn.", layer)
        kept.append((None, None, *heads_of(memory, across, num_heads, range(1, 3))))
    return State((0, key_mask, tuple(kept)))


def seq2seq_transformer_step(
    state: State,
    token: Array,
    params: Params,
    num_heads: int,
    scale_embedding: bool = True,
    layout: str = "interleaved",
    norm_first: bool = False,
    activation: str = "relu",
    eps: float = 1e-5,
) -> tuple[Array, State]:
    """Read one token more, and give log P(next token); a step for `seqlib.decode`.

    log_probs are the last row of `log_softmax` of the logits that
    `seq2seq_transformer` gives for all tokens so far; but only the new token's query,
    key and value are computed. No gradient flows through log_probs. Shapes: token (N,),
    log_probs (N, V); state is what `seq2seq_transformer_start` or the last step
    returned, of N hypotheses, and stays as it is. The other arguments are those given
    to it. Errors: an argument does not fit.
    """
    options = Options(norm_first, activation, eps, 0.0, None)
    form = Embedding(scale_embedding, layout)
    check_model(params, num_heads, options, form)
    count = len(layers(stack(params, "decoder")))
    t, key_mask, kept = _check_state(state, token, params, num_heads, count)
    if is_torch_array(token):  # buffers are written in place, and autograd looks away
        params = {name: a.detach() for name, a in params.items()}
        kept = [[a if a is None else a.detach() for a in layer] for layer in kept]
    layers_of = layers(stack(params, "decoder"))
    x, _ = embed(token[:, None], params, "decoder", form, options, t)  # (N, 1, E)
    mask = None if key_mask is None else key_mask[:, None, None, :]
    memories = [layer[2:] for layer in kept]
    targets = [layer[:2] if t else None for layer in kept]
    room = room_for(1, x, num_heads, targets, state)
    find = partial(look, num_heads=num_heads)
    for own, target, memory in zip(layers_of, room.shown(), memories, strict=True):
        mine, across = (under(f"{n}.", own) for n in ATTENTIONS["decoder"])
        parts: tuple[Callable, ...] = (
            partial(find, kv=target, mask=None, own=mine, new=True),
            partial(find, kv=memory, mask=mask, own=across, new=False),
            partial(_feed, params=own, options=options),
        )
        for i, part in enumerate(parts, 1):
            x, _ = _add(x, part, f"norm{i}", own, options)
    h, _ = last_norm(x, stack(params, "decoder"), eps)
    logits, _ = project(h[:, 0, :], params)
    log_probs, _ = log_softmax(logits)
    both = zip(room.shown(), memories, strict=True)
    after = State((t + 1, key_mask, tuple((*kv, *memory) for kv, memory in both)))
    after.room = room
    return log_probs, after


def _check_state(
    state: State, token: Array, params: Params, num_heads: int, count: int
) -> State:
    """Check the state and the token of a step; return the state."""
    like = params[FIRST]
    n = shapes(**{FIRST: (like, "E"), "token": (token, "N", "int")})
    N, d = n["N"], n["E"] // num_heads
    in_range("token", token, params[tokens_name(params, "decoder")].shape[0])
    _check_tuple("state", state, 3)
    t, key_mask, kept = state
    whole("state[0]", t, 0)
    _check_tuple("state[2]", kept, count)
    before = f"{N} {num_heads} {t} {d}{'' if t else '?'}"  # None as yet
    arrays: dict[str, tuple] = {FIRST: (like, "...")}
    for i, layer in enumerate(kept):
        _check_tuple(f"state[2][{i}]", layer, 4)
        axes = before, before, f"{N} {num_heads} S {d}", f"{N} {num_heads} S {d}"
        for j, (a, axis) in enumerate(zip(layer, axes, strict=True)):
            arrays[f"state[2][{i}][{j}]"] = (a, axis)
    if not t and any(a is not None for layer in kept for a in layer[:2]):
        raise ValueError("state must hold no keys of the target at 0 tokens, got some")
    shapes(**arrays, **{"state[1]": (key_mask, f"{N} S?", "bool")})
    table = params.get("decoder.embed_positions.weight")
    if table is not None and t >= table.shape[0]:
        raise ValueError(
            f"state must have fewer tokens than there are learned positions, "
            f"{table.shape[0]}, got {t}"
        )
    return state


def _check_tuple(name: str, value: object, count: int) -> None:
    """Raise a TypeError unless this is a tuple of so many parts."""
    if not isinstance(value, tuple) or len(value) != count:
        many = f" of {len(value)}" if isinstance(value, tuple) else ""
        raise TypeError(
            f"{name} must be a tuple of {count}, as seq2seq_transformer_start makes "
            f"it, got {type(value).__name__}{many}"
        )
