"""Who may attend to whom: masks, and the softmax that keeps to them.

A mask of booleans says **True = attend** (a real key), as everywhere in the array
functions; `torch.nn.MultiheadAttention` says the opposite, and so does ours in
`seqlib.nn`. A mask of floats is added to the scores, -inf forbidding. Either has a
shape that broadcasts to that of the scores, (..., T, S): T queries, S keys.
"""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import device, is_array_api_obj

from seqlib import _fused
from seqlib._arrays import Array, array_namespace
from seqlib._check import in_range, shapes, whole
from seqlib.functional import softmax_backward


def causal_mask(T: int, like: Array, S: int | None = None) -> Array:
    """Let every position attend to itself and to those before it: mask[t, s] = s <= t.

    With S > T keys the queries are the last T positions, as where earlier keys are
    kept: mask[t, s] = s <= t + S - T. (torch's `is_causal` counts from the first.)
    Shapes: result (T, S) booleans, S = T unless given, of the library and device of
    `like`. Errors: T or S is no whole number, T < 1 or S < T; `like` is no array of
    floats. Source: Vaswani et al. (2017), section 3.2.3.
    """
    whole("T", T, 1)
    S = T if S is None else S
    whole("S", S, T)
    shapes(like=(like, "..."))
    xp = array_namespace(like)
    t = xp.arange(T, device=device(like))[:, None]
    return xp.arange(S, device=device(like))[None, :] <= t + (S - T)


def padding_mask(lengths: Array, S: int) -> Array:
    """Tell what is real in a padded batch: mask[b, s] = s < lengths[b].

    Shapes: lengths (B,) integers from 0 to S; result (B, S) booleans. For scores
    (B, T, S) write `mask[:, None, :]`. Errors: lengths are no integers or out of range.
    """
    shapes(lengths=(lengths, "B", "int"))
    whole("S", S, 1)
    in_range("lengths", lengths, S + 1)
    xp = array_namespace(lengths)
    return xp.arange(S, device=device(lengths))[None, :] < lengths[:, None]


def masked_softmax(scores: Array, mask: Array | None = None) -> tuple[Array, tuple]:
    """Weights over the keys that are allowed, p_s = exp(e_s) / sum_allowed exp(e).

    The largest allowed score is subtracted first, so that nothing overflows; where no
    key is allowed the weights are zeros. Shapes: scores and the result (..., T, S),
    mask booleans (True = attend) or floats (added), any shape that broadcasts to it.
    Errors: a shape or float type does not fit; a float mask holds NaN or +inf. Equation
    (16.8) of the book.
    """
    shapes(scores=(scores, "... T S"))
    check_mask(mask, scores, tuple(scores.shape))
    given = (scores,) if mask is None else (scores, mask)
    p = _fused.masked_softmax(*given) if _fused.fits(*given) else None
    p = _masked_softmax(scores, mask) if p is None else p
    return p, (p, _added(mask))


def _masked_softmax(scores: Array, mask: Array | None) -> Array:
    xp = array_namespace(scores)
    if mask is not None:
        scores = xp.where(mask, scores, -math.inf) if _bool(mask) else scores + mask
    top = xp.max(scores, axis=-1, keepdims=True)
    if mask is not None:
        top = xp.where(top == -math.inf, 0.0, top)
    e = xp.exp(scores - top)
    total = xp.sum(e, axis=-1, keepdims=True)
    if mask is not None:
        total = xp.where(total == 0, 1.0, total)
    return e / total


def masked_softmax_backward(dout: Array, cache: tuple) -> tuple[Array, Array | None]:
    """Gradients of `masked_softmax`: dscores = p * (dout - sum(dout * p)), and dmask.

    Shapes: dout and dscores (..., T, S); dmask as the mask if that was of floats, the
    sum over what it was broadcast to, else None. Equation (16.13) of the book.
    """
    p, shape = cache
    dscores = softmax_backward(dout, (p, -1))
    return dscores, None if shape is None else sum_to(dscores, shape)


def check_mask(
    mask: Array | None, like: Array, shape: tuple[int, ...], name: str = "mask"
) -> None:
    """Raise unless `mask` is None or fits scores of this shape and `like`'s type."""
    if mask is None:
        return
    if is_array(mask) and not _bool(mask):
        if not array_namespace(mask).isdtype(mask.dtype, "real floating"):
            raise TypeError(
                f"{name} must hold booleans, True = attend, or floats, which are "
                f"added, got {mask.dtype}"
            )
        shapes(**{"the input": (like, "..."), name: (mask, "...")})
    else:
        shapes(**{"the input": (like, "..."), name: (mask, "...", "bool")})
    got = tuple(mask.shape)
    aligned = zip(got[::-1], shape[::-1], strict=False)
    if len(got) > len(shape) or any(m not in (1, n) for m, n in aligned):
        raise ValueError(f"{name} must broadcast to the scores' {shape}, got {got}")
    if not _bool(mask) and not bool(array_namespace(mask).all(mask < math.inf)):
        raise ValueError(f"{name} must hold finite numbers or -inf, got NaN or +inf")


def check_masks(
    like: Array,
    sizes: tuple[int, int, int, int],
    mask: Array | None,
    key_mask: Array | None,
    prefix: str = "",
) -> None:
    """Check the two masks of attention in several heads; sizes are (B, H, T, S)."""
    B, H, T, S = sizes
    three = mask is not None and is_array(mask) and mask.ndim == 3
    shape = (B, T, S) if three else (B, H, T, S)
    check_mask(mask, like, shape, f"{prefix}mask")
    of_keys = (key_mask, f"{B} {S}?", "bool")
    shapes(**{"the input": (like, "..."), f"{prefix}key_mask": of_keys})


def _added(mask: Array | None) -> tuple[int, ...] | None:
    """Return the shape of a mask that is added, of floats: it receives a gradient."""
    return None if mask is None or _bool(mask) else tuple(mask.shape)


def sum_to(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which this shape was broadcast."""
    xp = array_namespace(gradient)
    extra = gradient.ndim - len(shape)
    aligned = (1,) * extra + shape
    grown = [i for i, n in enumerate(aligned) if n == 1 and gradient.shape[i] != 1]
    if grown:
        gradient = xp.sum(gradient, axis=tuple(grown), keepdims=True)  # else a scalar
    return xp.reshape(gradient, shape)


def is_array(value: Any) -> bool:
    """Tell whether this is an array of a library we know."""
    return bool(is_array_api_obj(value))


def _bool(mask: Array) -> bool:
    return array_namespace(mask).isdtype(mask.dtype, "bool")
