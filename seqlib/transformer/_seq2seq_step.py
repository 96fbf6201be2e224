"""One token after the other: the decoder with the keys and values it has made."""

from __future__ import annotations

from functools import partial

from seqlib._arrays import Array, array_namespace
from seqlib._check import in_range, shapes, whole
from seqlib._multi_head import _join, _split
from seqlib._weigh import weigh
from seqlib.functional import linear, log_softmax
from seqlib.transformer._blocks import _add, _feed
from seqlib.transformer._checks import Options, Params
from seqlib.transformer._names import layers, under
from seqlib.transformer._seq2seq import (
    embed,
    project,
    stack,
    tokens_name,
)
from seqlib.transformer._seq2seq_checks import FIRST, Embedding, check_ids, check_model
from seqlib.transformer._stacks import encode, last_norm

State = tuple  # (tokens so far, key_mask, a tuple of four arrays a layer)


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
    memory, _ = encode(x, own, num_heads, None, key_mask, *options)
    kept = []
    for layer in layers(stack(params, "decoder")):
        across = under("multihead_attn.", layer)
        both = (_project(memory, across, i, num_heads) for i in (1, 2))
        kept.append((None, None, *both))
    return 0, key_mask, tuple(kept)


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
    key and value are computed. Shapes: token (N,), log_probs (N, V); state is what
    `seq2seq_transformer_start` or the last step returned, of N hypotheses. The other
    arguments are those given to it. Errors: an argument does not fit.
    """
    options = Options(norm_first, activation, eps, 0.0, None)
    form = Embedding(scale_embedding, layout)
    check_model(params, num_heads, options, form)
    layers_of = layers(stack(params, "decoder"))
    t, key_mask, kept = _check_state(state, token, params, num_heads, len(layers_of))
    x, _ = embed(token[:, None], params, "decoder", form, options, t)  # (N, 1, E)
    new = []
    for own, (k, v, *memory) in zip(layers_of, kept, strict=True):
        grown: list[Array] = []
        look = partial(_look, under("self_attn.", own), num_heads, (k, v), grown)
        x, _ = _add(x, look, "norm1", own, options)
        across = under("multihead_attn.", own)
        look_across = partial(_look_across, across, num_heads, memory, key_mask)
        x, _ = _add(x, look_across, "norm2", own, options)
        x, _ = _add(x, lambda x, own=own: _feed(x, own, options), "norm3", own, options)
        new.append((*grown, *memory))
    h, _ = last_norm(x, stack(params, "decoder"), eps)
    logits, _ = project(h[:, 0, :], params)
    log_probs, _ = log_softmax(logits)
    return log_probs, (t + 1, key_mask, tuple(new))


def _look(
    own: Params, num_heads: int, past: tuple, grown: list, x: Array
) -> tuple[Array, None]:
    """Attend to all positions so far; `grown` receives their keys and values."""
    for i, before in enumerate(past, 1):
        now = _project(x, own, i, num_heads)
        both = [now] if before is None else [before, now]
        grown.append(array_namespace(x).concat(both, axis=-2))
    return _attend(x, grown, None, own, num_heads), None


def _look_across(
    own: Params, num_heads: int, memory: list, key_mask: Array | None, x: Array
) -> tuple[Array, None]:
    """Attend to what is real of the memory."""
    mask = None if key_mask is None else key_mask[:, None, None, :]
    return _attend(x, memory, mask, own, num_heads), None


def _attend(
    x: Array, kv: list, mask: Array | None, own: Params, num_heads: int
) -> Array:
    """Let the queries of x attend to keys and values (N, H, S, E/H)."""
    q = _project(x, own, 0, num_heads)
    k, v = kv
    heads, *_ = weigh((q * q.shape[-1] ** -0.5) @ k.mT, v, mask)
    out, _ = linear(_join(heads), own["out_proj.weight"], own.get("out_proj.bias"))
    return out


def _project(x: Array, own: Params, which: int, num_heads: int) -> Array:
    """Return queries (0), keys (1) or values (2) of every head, (B, H, T, E/H)."""
    E = x.shape[-1]
    rows = slice(which * E, (which + 1) * E)
    bias = own.get("in_proj_bias")
    y, _ = linear(
        x, own["in_proj_weight"][rows, :], None if bias is None else bias[rows]
    )
    return _split(y, num_heads)


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
