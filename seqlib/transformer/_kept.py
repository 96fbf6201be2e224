"""Attention to keys and values that were kept, of those tokens alone that are new."""

from __future__ import annotations

from seqlib._arrays import Array
from seqlib._multi_head import _join, _split
from seqlib._weigh import weigh_products
from seqlib.functional import linear
from seqlib.transformer._checks import Params


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


def look(q: Array, k: Array, v: Array, mask: Array | None, own: Params) -> Array:
    """Return what queries (B, H, T, E/H) find in keys and values (B, H, S, E/H)."""
    heads, *_ = weigh_products(q * q.shape[-1] ** -0.5, k, v, mask)
    return linear(_join(heads), own["out_proj.weight"], own.get("out_proj.bias"))[0]
