"""Single passes of torch for formulas that take several, where that saves much time.

The formula that a reader should read, and that numpy runs, stands where these are
called; they compute the same, to rounding. `fits` says when they may: on torch, and
while autograd records nothing, since some of them leave no trace for it. None of them
differentiates anything by itself: a `_backward` here is the kernel of a gradient that
stands as a formula there. Array and library come from the caller; nothing is imported.
"""

from __future__ import annotations

import math
from typing import Any

from seqlib._arrays import Array, array_namespace


def fits(*arrays: Array) -> bool:
    """Tell whether all are torch's, and no gradient of them is being recorded."""
    if not all(map(is_torch, arrays)):
        return False
    recording = array_namespace(arrays[0]).is_grad_enabled()
    return not (recording and any(a.requires_grad for a in arrays))


def is_torch(array: Array) -> bool:
    """Tell whether this is a tensor of torch, also where there is no torch."""
    return array_namespace(array).__name__ == "array_api_compat.torch"


def _aten(array: Array) -> Any:
    return array_namespace(array).ops.aten


def softmax_backward(dout: Array, p: Array, axis: int) -> Array:
    """Return p * (dout - sum(dout * p)): one pass for three."""
    return _aten(p)._softmax_backward_data(dout, p, axis, p.dtype)


def softmax_backward_(dout: Array, p: Array) -> Array:
    """Return p * dout - p * sum(p * dout), last axis, in the place of dout."""
    dout.mul_(p)
    return dout.addcmul_(p, dout.sum(-1, keepdim=True), value=-1)


def log_softmax_backward(dout: Array, out: Array, axis: int) -> Array:
    """Return dout - exp(out) * sum(dout): one pass for three, and a faster exp."""
    return _aten(out)._log_softmax_backward_data(dout, out, axis, out.dtype)


def cross_entropy_backward(
    dlosses: Array, log_p: Array, targets: Array, ε: float
) -> Array:
    """Return dlosses (softmax - target), without making the one-hot targets."""
    dlosses = dlosses[..., None]
    dlogits = log_p.softmax(-1)  # exp(log_p), at a third of the time of exp
    dlogits = dlogits.sub_(ε / log_p.shape[-1]) if ε else dlogits
    return dlogits.mul_(dlosses).scatter_add_(-1, targets[..., None], (ε - 1) * dlosses)


def masked_softmax(
    scores: Array, mask: Array | None = None, own: bool = False
) -> Array | None:
    """Return softmax(scores + mask); None if that leaves a row of NaN.

    What comes out of such a row the formula says; so it does elsewhere than on the
    CPU, where looking at the rows would mean to wait for them. A mask of booleans
    becomes numbers, 0 or -inf: to add them is five times as fast as to choose. Scores
    that are the caller's own are lost: the result takes their place, since to be given
    new memory of this size takes longer than to fill it.
    """
    if not scores.is_cpu:
        return None
    xp, closed = array_namespace(scores), None
    if mask is not None:
        if not mask.is_floating_point():
            closed = ~mask.any(-1, keepdim=True)
            zeros = xp.zeros_like(mask, dtype=scores.dtype)
            mask = zeros.masked_fill_(~mask, -math.inf)
        scores, own = scores.add_(mask) if own else scores + mask, True
    p = xp.softmax(scores, -1, out=scores if own else None)
    if closed is not None and bool(closed.any()):
        p.masked_fill_(closed, 0)  # no key is allowed
    return None if bool(p[..., 0].isnan().any()) else p  # one NaN, and all its row is


def gelu(x: Array, approximate: str) -> Array:
    """Return x Φ(x)."""
    return _aten(x).gelu(x, approximate=approximate)


def gelu_backward(dout: Array, x: Array, approximate: str) -> Array:
    """Return dout (Φ(x) + x φ(x))."""
    return _aten(x).gelu_backward(dout, x, approximate=approximate)


def layer_norm(
    x: Array, weight: Array, bias: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Return the result, the mean and 1 / sqrt(variance + eps).

    As torch's layer it loses digits where a row's mean is far above its spread.
    """
    return _aten(x).native_layer_norm(x, weight.shape, weight, bias, eps)


def layer_norm_backward(
    dout: Array, x: Array, mean: Array, scale: Array, weight: Array
) -> tuple[Array, Array, Array]:
    """Return dx, dweight, dbias."""
    kept = x, weight.shape, mean, scale, weight, weight  # of bias it wants the shape
    return _aten(x).native_layer_norm_backward(dout, *kept, [True, True, True])
