"""The functions that a layer applies to its numbers: those of `seqlib.functional`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from seqlib import _fused
from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, one_of, shapes, whole


def sigmoid(x: Array) -> tuple[Array, Array]:
    """Logistic function σ(x) = 1 / (1 + exp(-x)), finite for every finite x.

    Shapes: x and the result (...). Errors: x is no array of floats, or empty.
    """
    shapes(x=(x, "..."))
    out = logistic(x)
    return out, out


def logistic(x: Array) -> Array:
    """Return σ(x) alone, unchecked, for the inside of a loop."""
    if _fused.fits(x):
        return x.sigmoid()
    xp = array_namespace(x)
    zero = xp.zeros_like(x)
    p, q = xp.exp(xp.minimum(x, zero)), xp.exp(xp.minimum(-x, zero))  # one of them is 1
    return p / (p + q)  # exp(x) / (exp(x) + 1) or 1 / (1 + exp(-x)), by x's sign


def sigmoid_backward(dout: Array, cache: Array) -> Array:
    """Gradient of `sigmoid`: dx = dout σ(x) (1 - σ(x)); shapes (...)."""
    out = cache
    gradient("dout", dout, out, out.shape)
    return dout * out * (1 - out)


def softmax(x: Array, axis: int = -1) -> tuple[Array, tuple]:
    """Probabilities exp(x_i) / sum_j exp(x_j) along `axis`.

    The largest entry is subtracted first, so that no exponential overflows.
    Shapes: x and the result (..., N). Errors: x is no array of floats, or empty, or
    without this axis. Source: Bridle (1990).
    """
    _check_axis(x, axis)
    xp = array_namespace(x)
    if _fused.fits(x):
        return (out := x.softmax(axis)), (out, axis)
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    out = e / xp.sum(e, axis=axis, keepdims=True)
    return out, (out, axis)


def softmax_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `softmax`: dx = p * (dout - sum(dout * p)); shapes (...)."""
    p, axis = cache
    gradient("dout", dout, p, p.shape)
    xp = array_namespace(p)
    if _fused.fits(p, dout):
        return _fused.softmax_backward(dout, p, axis)
    return p * (dout - xp.sum(dout * p, axis=axis, keepdims=True))


def log_softmax(x: Array, axis: int = -1) -> tuple[Array, tuple]:
    """Logarithm of `softmax`, computed without ever forming a zero.

    Shapes: x and the result (..., N). Errors: as `softmax`.
    """
    _check_axis(x, axis)
    xp = array_namespace(x)
    if _fused.fits(x):
        return (out := x.log_softmax(axis)), (out, axis)
    x = x - xp.max(x, axis=axis, keepdims=True)
    out = x - xp.log(xp.sum(xp.exp(x), axis=axis, keepdims=True))
    return out, (out, axis)


def log_softmax_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `log_softmax`: dx = dout - softmax(x) sum(dout); shapes (...)."""
    out, axis = cache
    gradient("dout", dout, out, out.shape)
    xp = array_namespace(out)
    if _fused.fits(out, dout):
        return _fused.log_softmax_backward(dout, out, axis)
    return dout - xp.exp(out) * xp.sum(dout, axis=axis, keepdims=True)


def _check_axis(x: Array, axis: int) -> None:
    shapes(x=(x, "... N"))
    whole("axis", axis, -x.ndim, x.ndim - 1)


def relu(x: Array) -> Array:
    """Return max(x, 0), unchecked; NaN stays NaN."""
    return x.relu() if _fused.fits(x) else array_namespace(x).where(x <= 0, 0, x)


def relu_backward(dout: Array, y: Array) -> Array:
    """Gradient of `relu`: dout where x > 0, which is where its result y is."""
    return dout * array_namespace(y).astype(y > 0, y.dtype)


def silu(x: Array) -> tuple[Array, tuple]:
    """Return x σ(x), unchecked, and the cache; Elfwing, Uchibe & Doya (2018)."""
    gate = logistic(x)
    return x * gate, (x, gate)


def silu_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `silu`: dx = dout σ(x) (1 + x (1 - σ(x)))."""
    x, gate = cache
    return dout * gate * (1 + x * (1 - gate))


def gelu(x: Array, approximate: str = "none") -> tuple[Array, tuple]:
    """Gaussian error linear unit x Φ(x), Φ the normal distribution function.

    `approximate="tanh"` is the form of the original code of BERT and GPT-2.
    Shapes: x and the result (...). Errors: x is no array of floats, or empty; an
    unknown `approximate`. Source: Hendrycks & Gimpel (2016).
    """
    shapes(x=(x, "..."))
    one_of("approximate", approximate, ("none", "tanh"))
    if _fused.fits(x):
        return _fused.gelu(x, approximate), (x, None, approximate)
    share = _share(x, approximate)
    return x * share, (x, share, approximate)


def gelu_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `gelu`: dx = dout (Φ(x) + x φ(x)), φ = Φ'; shapes (...)."""
    x, share, approximate = cache
    gradient("dout", dout, x, x.shape)
    if _fused.fits(x, dout):
        return _fused.gelu_backward(dout, x, approximate)
    xp = array_namespace(x)
    share = _share(x, approximate) if share is None else share
    if approximate == "tanh":  # (1 + tanh(u)) / 2 has the slope 2 share (1 - share) u'
        du = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        return dout * share * (1 + 2 * x * (1 - share) * du)
    density = xp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return dout * (share + x * density)


def _share(x: Array, approximate: str) -> Array:
    """Φ(x), what `gelu` lets through of x, or its approximation."""
    if approximate == "tanh":
        u = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * (1 + array_namespace(x).tanh(u))
    return 0.5 * (1 + _erf(x / math.sqrt(2)))


def _erf(x: Array) -> Array:
    """Error function; the array API has none, so numpy goes through `math.erf`."""
    if _fused.is_torch(x):
        return x.erf()
    values = np.vectorize(math.erf, otypes=[float])(np.asarray(x))
    return array_namespace(x).asarray(values, dtype=x.dtype)


# What a feed-forward layer may apply: x -> (out, cache), and (dout, cache) -> dx
ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "relu": (lambda x: (relu(x),) * 2, relu_backward),
    "gelu": (gelu, gelu_backward),
    "gelu_tanh": (partial(gelu, approximate="tanh"), gelu_backward),
    "silu": (silu, silu_backward),
}
