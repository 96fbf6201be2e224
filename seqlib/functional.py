"""The pieces every model is made of, each with its backward pass.

The convention: `f(...)` returns `(out, cache)`, and `f_backward(dout, cache)` returns
the gradients in the order of the inputs. All run on numpy and on torch unchanged.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array, is_torch_array

from seqlib._check import one_of, shapes

Array = Any


def sigmoid(x: Array) -> tuple[Array, Array]:
    """Logistic function σ(x) = 1 / (1 + exp(-x)), finite for every finite x.

    Shapes: x and the result (...).
    """
    shapes(x=(x, "..."))
    xp = array_namespace(x)
    e = xp.exp(-xp.abs(x))  # never overflows
    out = xp.where(x >= 0, 1 / (1 + e), e / (1 + e))
    return out, out


def sigmoid_backward(dout: Array, cache: Array) -> Array:
    """Gradient of `sigmoid`: dx = dout σ(x) (1 - σ(x)); shapes (...)."""
    out = cache
    return dout * out * (1 - out)


def softmax(x: Array, axis: int = -1) -> tuple[Array, tuple]:
    """Probabilities exp(x_i) / sum_j exp(x_j) along `axis`; shapes (...).

    The largest entry is subtracted first, so that no exponential overflows.
    """
    shapes(x=(x, "..."))
    xp = array_namespace(x)
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    out = e / xp.sum(e, axis=axis, keepdims=True)
    return out, (out, axis)


def softmax_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `softmax`: dx = p * (dout - sum(dout * p)); shapes (...)."""
    p, axis = cache
    xp = array_namespace(p)
    return p * (dout - xp.sum(dout * p, axis=axis, keepdims=True))


def log_softmax(x: Array, axis: int = -1) -> tuple[Array, tuple]:
    """Logarithm of `softmax`, computed without ever forming a zero; shapes (...)."""
    shapes(x=(x, "..."))
    xp = array_namespace(x)
    x = x - xp.max(x, axis=axis, keepdims=True)
    out = x - xp.log(xp.sum(xp.exp(x), axis=axis, keepdims=True))
    return out, (out, axis)


def log_softmax_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `log_softmax`: dx = dout - softmax(x) sum(dout); shapes (...)."""
    out, axis = cache
    xp = array_namespace(out)
    return dout - xp.exp(out) * xp.sum(dout, axis=axis, keepdims=True)


def gelu(x: Array, approximate: str = "none") -> tuple[Array, tuple]:
    """Gaussian error linear unit x Φ(x), Φ the normal distribution function.

    `approximate="tanh"` is the form of the original code of BERT and GPT-2.
    Shapes: x and the result (...). Source: Hendrycks & Gimpel (2016).
    """
    shapes(x=(x, "..."))
    one_of("approximate", approximate, ("none", "tanh"))
    xp = array_namespace(x)
    if approximate == "tanh":
        t = xp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
        return 0.5 * x * (1 + t), (x, t, approximate)
    cdf = 0.5 * (1 + _erf(x / math.sqrt(2)))
    return x * cdf, (x, cdf, approximate)


def gelu_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `gelu`; shapes (...)."""
    x, inner, approximate = cache
    xp = array_namespace(x)
    if approximate == "tanh":
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
        return dout * (0.5 * (1 + inner) + 0.5 * x * (1 - inner**2) * slope)
    density = xp.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
    return dout * (inner + x * density)


def _erf(x: Array) -> Array:
    """Error function; the array API has none, so numpy goes through `math.erf`."""
    if is_torch_array(x):
        return x.erf()
    xp = array_namespace(x)
    values = np.vectorize(math.erf, otypes=[float])(np.asarray(x))
    return xp.asarray(values, dtype=x.dtype)


def layer_norm(
    x: Array, weight: Array, bias: Array, eps: float = 1e-5
) -> tuple[Array, tuple]:
    """Normalise the last axis to mean 0 and variance 1, then scale and shift.

    The variance is the biased one and eps stands inside the root, as in torch.
    Shapes: x (..., D), weight (D,), bias (D,). Source: Ba, Kiros & Hinton (2016).
    """
    shapes(weight=(weight, "D"), bias=(bias, "D"), x=(x, "... D"))
    xp = array_namespace(x)
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    variance = xp.mean(centred**2, axis=-1, keepdims=True)
    scale = 1 / xp.sqrt(variance + eps)
    normal = centred * scale
    return normal * weight + bias, (normal, scale, weight)


def layer_norm_backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """Gradients of `layer_norm`: dx (..., D), dweight (D,), dbias (D,)."""
    normal, scale, weight = cache
    xp = array_namespace(normal)
    rows = tuple(range(dout.ndim - 1))
    dnormal = dout * weight
    dx = dnormal - xp.mean(dnormal, axis=-1, keepdims=True)
    dx = dx - normal * xp.mean(dnormal * normal, axis=-1, keepdims=True)
    dweight = xp.sum(dout * normal, axis=rows)
    return scale * dx, dweight, xp.sum(dout, axis=rows)


def linear(x: Array, W: Array, b: Array | None = None) -> tuple[Array, tuple]:
    """Affine map W x + b of every vector along the last axis.

    Shapes: x (..., D), W (O, D), b (O,) or None; result (..., O).
    """
    shapes(W=(W, "O D"), b=(b, "O"), x=(x, "... D"))
    out = x @ W.T
    return (out if b is None else out + b), (x, W, b)


def linear_backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """Gradients of `linear`: dx (..., D), dW (O, D), db (O,), None without b."""
    x, W, b = cache
    xp = array_namespace(dout)
    rows = xp.reshape(dout, (-1, dout.shape[-1]))  # (N, O)
    dW = rows.T @ xp.reshape(x, (-1, x.shape[-1]))
    return dout @ W, dW, None if b is None else xp.sum(rows, axis=0)


def embedding(ids: Array, weight: Array) -> tuple[Array, tuple]:
    """Rows of `weight` chosen by `ids`: the one-hot product without the zeros.

    Shapes: ids (...) integers from 0 to V-1, weight (V, D); result (..., D).
    """
    n = shapes(weight=(weight, "V D"), ids=(ids, "...", "int"))
    xp = array_namespace(weight)
    if (low := int(xp.min(ids))) < 0 or (high := int(xp.max(ids))) >= n["V"]:
        wrong = low if low < 0 else high
        raise ValueError(
            f"ids must be 0 to {n['V'] - 1} (V={n['V']} rows), got {wrong}"
        )
    flat = xp.take(weight, xp.reshape(ids, (-1,)), axis=0)
    return xp.reshape(flat, (*ids.shape, n["D"])), (ids, weight)


def embedding_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `embedding`: dweight (V, D); rows used twice receive a sum."""
    ids, weight = cache
    xp = array_namespace(weight)
    flat, rows = xp.reshape(ids, (-1,)), xp.reshape(dout, (-1, dout.shape[-1]))
    if is_torch_array(weight):
        return xp.zeros_like(weight).index_add_(0, flat.long(), rows)
    dweight = np.zeros(weight.shape, dtype=np.asarray(rows).dtype)
    np.add.at(dweight, np.asarray(flat), np.asarray(rows))
    return dweight if is_numpy_array(weight) else xp.asarray(dweight)


def dropout(x: Array, p: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Zero each entry with probability p and scale the rest by 1 / (1 - p).

    Shapes: x and the result (...). `rng` is a numpy generator, on torch too, so that
    one seed gives one mask. Source: Srivastava et al. (2014), the "inverted" form.
    """
    shapes(x=(x, "..."))
    if not 0 <= p < 1:
        raise ValueError(f"p must be at least 0 and below 1, got {p}")
    xp = array_namespace(x)
    keep = xp.asarray(rng.random(x.shape) >= p, device=device(x))
    scale = xp.astype(keep, x.dtype) / (1 - p)
    return x * scale, scale


def dropout_backward(dout: Array, cache: Array) -> Array:
    """Gradient of `dropout`: the same entries, the same scale; shapes (...)."""
    return dout * cache


def cross_entropy(
    logits: Array,
    targets: Array,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> tuple[Array, tuple]:
    """Cross-entropy -log softmax(logits)[target], with torch's options.

    Shapes: logits (..., C), classes on the last axis; targets (...) integers from 0 to
    C-1, or `ignore_index` where the loss is not counted. With `label_smoothing` ε the
    target is (1-ε) one-hot + ε/C. `reduction` is "mean" (over the targets that count),
    "sum", or "none" (shape (...)).
    """
    n = shapes(logits=(logits, "... C"), targets=(targets, "...", "int"))
    one_of("reduction", reduction, ("mean", "sum", "none"))
    if tuple(targets.shape) != (lead := tuple(logits.shape[:-1])):
        raise ValueError(
            f"targets must have shape {lead}, the logits' without C, "
            f"got {tuple(targets.shape)}"
        )
    xp = array_namespace(logits)
    counted = targets != ignore_index
    if bool(xp.any(counted & ((targets < 0) | (targets >= n["C"])))):
        raise ValueError(f"targets must be 0 to {n['C'] - 1}, or {ignore_index}")
    if reduction == "mean" and not bool(xp.any(counted)):
        raise ValueError("targets must hold at least one that is not ignore_index")
    classes = xp.arange(n["C"], device=device(logits))
    q = xp.astype(targets[..., None] == classes, logits.dtype)
    q = (1 - label_smoothing) * q + label_smoothing / n["C"]  # the target distribution
    q = xp.where(counted[..., None], q, xp.zeros_like(q))
    log_p, _ = log_softmax(logits)
    losses = -xp.sum(q * log_p, axis=-1)
    count = xp.sum(xp.astype(counted, logits.dtype))
    total = {"mean": 1 / count, "sum": xp.ones_like(count), "none": None}[reduction]
    out = losses if total is None else xp.sum(losses) * total
    return out, (log_p, q, total)


def cross_entropy_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `cross_entropy`: dlogits (..., C) = (softmax - target) * dout."""
    log_p, q, total = cache
    xp = array_namespace(log_p)
    rows = xp.sum(q, axis=-1, keepdims=True)  # 1 where counted, 0 where ignored
    scale = dout[..., None] if total is None else dout * total
    return scale * (rows * xp.exp(log_p) - q)
