"""GPT with memory: new tokens alone are computed, earlier keys and values are kept."""

from __future__ import annotations

from functools import partial
from typing import Any

from array_api_compat import device, is_torch_array

from seqlib._arrays import Array, array_namespace
from seqlib._check import flags, in_range, shapes
from seqlib.functional import embedding, linear
from seqlib.masks import causal_mask
from seqlib.transformer import _model
from seqlib.transformer._blocks import _add, _feed
from seqlib.transformer._checks import Options, Params, check_options
from seqlib.transformer._gpt import check_gpt, last_norm, output_name
from seqlib.transformer._kept import Pair, Room, look, room_for
from seqlib.transformer._names import under

NAMES = ("keys", "values", "key_mask", "following")


class Past(dict[str, Any]):
    """A past that knows the buffers of which its keys and values are the first part.

    A copy of a past is a plain dict: it has no buffers.
    """

    def __init__(self, entries: dict[str, Any], room: Room) -> None:
        super().__init__(entries)
        self._room, self._shown = room, (entries["keys"], entries["values"])

    @property
    def room(self) -> Room | None:
        """The buffers, unless keys or values have been replaced by others."""
        keys, values = self._shown
        same = self["keys"] is keys and self["values"] is values
        return self._room if same else None


def gpt_step(
    ids: Array,
    params: Params,
    num_heads: int,
    past: dict[str, Any] | None = None,
    key_mask: Array | None = None,
    positions: Array | None = None,
    head: bool = True,
    activation: str = "gelu_tanh",
    eps: float = 1e-5,
) -> tuple[Array, dict[str, Any]]:
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
    past : what the last call returned, or None for no past: a dict of `keys` and
        `values`, an array (B, H, t, E/H) for each block, `key_mask` (B, t) or None, and
        `following` (B,), the positions that come next. `take_rows` can reorder it
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
    Equation (18.10) of the book. Source: Shazeer (2019), section 2.4, for decoding one
    token at a time.
    """
    check_options(activation, eps, 0.0, None)
    flags(head=head)
    n = check_gpt(ids, params, num_heads, key_mask, positions)
    length = 0 if past is None else _check_past(past, params, num_heads, n)
    if is_torch_array(ids):
        params = {name: a.detach() for name, a in params.items()}
    positions = _positions(ids, past, positions, n["P"])
    p, _ = embedding(positions, params["wpe.weight"])
    x = embedding(ids, params["wte.weight"])[0] + p
    real = _extend(None if past is None else past["key_mask"], key_mask, length, x)
    T, S = n["T"], length + n["T"]
    mask = causal_mask(T, x, S) if T > 1 else None
    if real is not None:
        here = real[:, None, None, :]
        mask = here if mask is None else here & mask
    options = Options(True, activation, eps, 0.0, None)  # pre-norm, nothing dropped
    blocks = _model.blocks_of(params)
    kept: list[Pair | None] = [None] * len(blocks)
    if past is not None:
        kept = list(zip(past["keys"], past["values"], strict=True))
    room = room_for(T, x, num_heads, kept, past)
    attend = partial(look, mask=mask, num_heads=num_heads, new=True)
    for block, kv in zip(blocks, room.shown(), strict=True):
        find = partial(attend, kv=kv, own=under("self_attn.", block))
        x, _ = _add(x, find, "norm1", block, options)
        feed = partial(_feed, params=block, options=options)
        x, _ = _add(x, feed, "norm2", block, options)
    x, _ = last_norm(x, params, eps)
    out = linear(x, params[output_name(params)])[0] if head else x
    keys, values = zip(*room.shown(), strict=True)
    entries = (keys, values, real, positions[:, -1] + 1)
    return out, Past(dict(zip(NAMES, entries, strict=True)), room)


def _check_past(past: Any, params: Params, num_heads: int, n: dict[str, int]) -> int:
    """Check a past against the batch and the model of now; return its length."""
    if not isinstance(past, dict):
        raise TypeError(
            f"past must be None or what gpt_step returned, got {type(past).__name__}"
        )
    if set(past) != set(NAMES):
        got = ", ".join(sorted(map(str, past))) or "nothing"
        raise ValueError(f"past must hold {', '.join(NAMES)}, got {got}")
    L, H = _model.depth(params), num_heads
    for name in ("keys", "values"):
        arrays = past[name]
        if not isinstance(arrays, tuple) or len(arrays) != L:
            many = isinstance(arrays, tuple)
            got = f"{len(arrays)}" if many else type(arrays).__name__
            raise TypeError(f"past['{name}'] must be a tuple of {L} arrays, got {got}")
    W, axes = params["wte.weight"], f"{n['B']} {H} S {n['E'] // H}"
    kept = {
        f"past['{name}'][{i}]": (a, axes)
        for name in ("keys", "values")
        for i, a in enumerate(past[name])
    }
    return shapes(
        **{"wte.weight": (W, "V E"), **kept},
        **{"past['key_mask']": (past["key_mask"], f"{n['B']} S?", "bool")},
        **{"past['following']": (past["following"], f"{n['B']}", "int")},
    )["S"]


def _positions(
    ids: Array, past: dict[str, Any] | None, positions: Array | None, P: int
) -> Array:
    """Return the positions of the new tokens, those given or those that follow."""
    if positions is not None:
        return positions
    xp, (B, T) = array_namespace(ids), ids.shape
    t = xp.arange(T, device=device(ids))
    if past is None:
        return xp.broadcast_to(t, (B, T))
    in_range("past['following']", past["following"], P + 1)
    if (last := int(xp.max(past["following"])) + T) > P:
        raise ValueError(f"ids must have at most P={P} positions, got {last}")
    return past["following"][:, None] + t


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
