"""Keys and values that are kept: the attention of new tokens to them, and buffers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._multi_head import _join, _split
from seqlib._weigh import weigh_products
from seqlib.functional import linear
from seqlib.transformer._checks import Params

Pair = tuple[Array, Array]


class Room:
    """Buffers (B, H, room, E/H) for keys and values of each block, filled in part.

    Whoever continues the longest past in a buffer writes behind its end, which no past
    shows; every other continuation copies. So no past ever changes, and a token costs
    no copy of those before it.
    """

    def __init__(self, buffers: list[Pair]) -> None:
        self.buffers, self.filled = buffers, 0

    def shown(self) -> list[Pair]:
        """Return the keys and values of each block, as far as they are filled."""
        S = self.filled
        return [(k[:, :, :S, :], v[:, :, :S, :]) for k, v in self.buffers]


def room_for(
    T: int, x: Array, num_heads: int, kept: Sequence[Pair | None], past: Any
) -> Room:
    """Return buffers for T tokens more, which count as filled from now on.

    They are the past's own, its attribute `room`, if it has one in which nothing
    follows and there is room. Else copies of what was kept in each block, keys and
    values (B, H, t, E/H) or None at t = 0, twice as long as needed: so all copies of a
    sequence together cost less than two of it. Shapes: x (B, any, E).
    """
    length = 0 if kept[0] is None else kept[0][0].shape[2]
    S, room = length + T, getattr(past, "room", None)
    if room is None or room.filled != length or room.buffers[0][0].shape[2] < S:
        xp, (B, _, E) = array_namespace(x), x.shape
        shape, like = (B, num_heads, 2 * S, E // num_heads), {"device": device(x)}
        buffers = []
        for pair in kept:
            k, v = (xp.empty(shape, dtype=x.dtype, **like) for _ in range(2))
            if pair is not None:
                k[:, :, :length, :], v[:, :, :length, :] = pair
            buffers.append((k, v))
        room = Room(buffers)
    room.filled = S
    return room


def heads_of(x: Array, own: Params, num_heads: int, parts: range) -> list[Array]:
    """Return queries (0), keys (1), values (2), those asked for: (B, H, T, E/H) each.

    Shapes: x (B, T, E); own are the parameters of one attention.
    """
    E = x.shape[-1]
    rows = slice(E * parts.start, E * parts.stop)
    W, b = own["in_proj_weight"], own.get("in_proj_bias")
    y, _ = linear(x, W[rows, :], None if b is None else b[rows])
    pieces = (y[..., E * i : E * (i + 1)] for i in range(len(parts)))
    return [_split(piece, num_heads) for piece in pieces]


def look(
    x: Array, kv: Pair, mask: Array | None, own: Params, num_heads: int, new: bool
) -> tuple[Array, None]:
    """Return what x (B, T, E) finds in keys and values (B, H, S, E/H), and no cache.

    With `new`, x are the last T of the tokens; its keys and values are written first,
    at the end of `kv`.
    """
    q, *written = heads_of(x, own, num_heads, range(3 if new else 1))
    for a, last in zip(kv, written, strict=False):
        a[:, :, -x.shape[1] :, :] = last
    heads, *_ = weigh_products(q * q.shape[-1] ** -0.5, *kv, mask)
    W_o, b_o = own["out_proj.weight"], own.get("out_proj.bias")
    return linear(_join(heads), W_o, b_o)[0], None
