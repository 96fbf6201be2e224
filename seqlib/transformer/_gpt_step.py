"""GPT with memory: new tokens alone are computed, earlier keys and values are kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from array_api_compat import device, is_torch_array

from seqlib._arrays import Array, array_namespace
from seqlib._check import shapes
from seqlib._weigh import weigh
from seqlib.functional import embedding, gelu, layer_norm, linear
from seqlib.masks import causal_mask
from seqlib.transformer import _model
from seqlib.transformer._checks import ACTIVATIONS, Params
from seqlib.transformer._gpt import check_gpt, last_norm, output_weight


class Past(NamedTuple):
    """Keys and values of the tokens so far; `take_rows` of `decode` can reorder it.

    Buffers (B, H, room, E/H), two a block, have room for tokens to come. `filled` says
    how many places are taken; a past that is shorter than that was continued already,
    and continuing it in another way copies, so that no past ever changes.
    """

    keys: tuple[Array, ...]
    values: tuple[Array, ...]
    length: int
    filled: Array  # (), shared by all that share the buffers
    key_mask: Array | None  # (B, length)
    following: Array | None  # (B,) next position, None where it is the length


def gpt_step(
    ids: Array,
    params: Params,
    num_heads: int,
    past: Past | None = None,
    key_mask: Array | None = None,
    positions: Array | None = None,
    head: bool = True,
    activation: str = "gelu_tanh",
    eps: float = 1e-5,
) -> tuple[Array, Past]:
    """Logits of `gpt` for the tokens that come after a past, and the longer past.

    q_t attends to all keys k_s and values v_s with s <= t; those of the past were kept.
    A function for `seqlib.decode` is made of it so::

        def step(past, token):
            logits, past = gpt_step(token[:, None], params, num_heads, past)
            return log_softmax(logits[:, -1, :])[0], past

    Parameters
    ----------
    ids : (B, n) integers, the new tokens, one or more
    params, num_heads, head, activation, eps : as for `gpt`
    past : what the last call returned, or None for no past
    key_mask : (B, n) booleans for the new tokens, True = real; None for all real
    positions : (B, n) integers, or None to count on from the last, or from 0

    Returns
    -------
    logits : (B, n, V), without head (B, n, E); no gradient flows through them
    past : for the next call; the past that was given stays as it is

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; past and new tokens are more than P; the past is that
        of another batch or model.

    Notes
    -----
    Source: Shazeer (2019), section 2.4, for decoding one token at a time.
    """
    _model.check_options(activation, eps, 0.0, None)
    n = check_gpt(ids, params, num_heads, key_mask, positions, _start_of(past))
    if past is not None:
        _check_past(past, params, num_heads, n)
    if is_torch_array(ids):
        params = {name: a.detach() for name, a in params.items()}
    x, following = _embed(ids, params, past, positions, n["P"])
    length = 0 if past is None else past.length
    real = _extend(None if past is None else past.key_mask, key_mask, length, x)
    T, S = n["T"], length + n["T"]
    mask = causal_mask(T, x, S) if T > 1 else None
    if real is not None:
        here = real[:, None, None, :]
        mask = here if mask is None else here & mask
    blocks = _model.blocks_of(params)
    keys, values, filled = _room(past, x, len(blocks), num_heads, S, n["P"])
    for block, k, v in zip(blocks, keys, values, strict=True):
        x = _block(x, block, (k, v), (length, S), mask, activation, eps)
    filled[...] = S
    x, _ = last_norm(x, params, eps)
    out = linear(x, output_weight(params))[0] if head else x
    return out, Past(keys, values, S, filled, real, following)


def _start_of(past: Past | None) -> int:
    """Return the first new position, after a check that this is a past."""
    if past is None:
        return 0
    if not isinstance(past, Past):
        raise TypeError(
            f"past must be None or what gpt_step returned, got {type(past).__name__}"
        )
    if past.following is None:
        return past.length
    return int(array_namespace(past.following).max(past.following))


def _check_past(past: Past, params: Params, num_heads: int, n: dict[str, int]) -> None:
    """Raise unless a past has the batch, the blocks and the heads of now."""
    if len(past.keys) != (L := _model.depth(params)):
        raise ValueError(f"past must be of {L} blocks, got {len(past.keys)}")
    axes = f"{n['B']} {num_heads} S {n['E'] // num_heads}"
    W = params["wte.weight"]
    shapes(**{"wte.weight": (W, "..."), "past's keys": (past.keys[0], axes)})


def _embed(
    ids: Array, params: Params, past: Past | None, positions: Array | None, P: int
) -> tuple[Array, Array | None]:
    """Embed tokens and their positions; return also the positions that follow."""
    xp = array_namespace(ids)
    x, _ = embedding(ids, params["wte.weight"])
    T = ids.shape[1]
    if positions is None and past is not None and past.following is not None:
        positions = past.following[:, None] + xp.arange(T, device=device(ids))
    if positions is None:
        start = 0 if past is None else past.length
        return x + params["wpe.weight"][start : start + T, :], None
    return x + embedding(positions, params["wpe.weight"])[0], positions[:, -1] + 1


def _extend(
    before: Array | None, new: Array | None, length: int, x: Array
) -> Array | None:
    """Return what is real of past and new tokens, or None where all is."""
    if before is None and new is None:
        return None
    xp, (B, T, _) = array_namespace(x), x.shape
    kind = {"dtype": xp.bool, "device": device(x)}
    new = xp.ones((B, T), **kind) if new is None else new
    if not length:
        return new
    before = xp.ones((B, length), **kind) if before is None else before
    return xp.concat([before, new], axis=1)


def _room(
    past: Past | None, x: Array, L: int, H: int, S: int, P: int
) -> tuple[tuple[Array, ...], tuple[Array, ...], Array]:
    """Return buffers with room for S tokens, and what tells how far they are filled.

    The past's own, if it is the longest that they hold; else copies, twice as long as
    needed, so that a token costs a copy of one token in the mean.
    """
    if past is not None:
        fits = past.keys[0].shape[2] >= S
        if fits and int(past.filled) == past.length:
            return past.keys, past.values, past.filled
    xp, (B, _, E) = array_namespace(x), x.shape
    room = max(S, min(2 * S, P))

    def longer(old: Array | None) -> Array:
        new = xp.zeros((B, H, room, E // H), dtype=x.dtype, device=device(x))
        if past is not None and old is not None:
            new[:, :, : past.length, :] = old[:, :, : past.length, :]
        return new

    keys: tuple = (None,) * L if past is None else past.keys
    values: tuple = (None,) * L if past is None else past.values
    fresh = tuple(longer(k) for k in keys), tuple(longer(v) for v in values)
    return *fresh, np.zeros((), dtype=np.int64)


def _block(
    x: Array,
    params: Params,
    buffers: tuple[Array, Array],
    places: tuple[int, int],
    mask: Array | None,
    activation: str,
    eps: float,
) -> Array:
    """Run one pre-norm block; its buffers receive the new keys and values."""
    (keys, values), (begin, end) = buffers, places
    xp, (B, T, E), H = array_namespace(x), x.shape, buffers[0].shape[1]
    y = _linear(_norm(x, params, "norm1", eps), params, "self_attn.in_proj", "_")
    parts = xp.permute_dims(xp.reshape(y, (B, T, 3, H, E // H)), (2, 0, 3, 1, 4))
    q, keys[:, :, begin:end, :], values[:, :, begin:end, :] = (
        parts[0, ...],
        parts[1, ...],
        parts[2, ...],
    )
    scores = (q * (E // H) ** -0.5) @ keys[:, :, :end, :].mT
    heads, *_ = weigh(scores, values[:, :, :end, :], mask)
    joined = xp.reshape(xp.permute_dims(heads, (0, 2, 1, 3)), (B, T, E))
    x = x + _linear(joined, params, "self_attn.out_proj")
    z = _linear(_norm(x, params, "norm2", eps), params, "linear1")
    form = ACTIVATIONS[activation]
    h = xp.where(z > 0, z, xp.zeros_like(z)) if form is None else gelu(z, form)[0]
    return x + _linear(h, params, "linear2")


def _norm(x: Array, params: Params, name: str, eps: float) -> Array:
    weight, bias = params[f"{name}.weight"], params.get(f"{name}.bias")
    bias = array_namespace(x).zeros_like(weight) if bias is None else bias
    return layer_norm(x, weight, bias, eps)[0]


def _linear(x: Array, params: Params, name: str, dot: str = ".") -> Array:
    return linear(x, params[f"{name}{dot}weight"], params.get(f"{name}{dot}bias"))[0]
