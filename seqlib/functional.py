"""The pieces every model is made of, each with its backward pass.

The convention: `f(...)` returns `(out, cache)`, and `f_backward(dout, cache)` returns
the gradients in the order of the inputs. All run on numpy and on torch unchanged, and
keep the float type they are given. The cache holds inputs, not copies of them: leave
them as they are until the backward pass. Every function raises a TypeError or a
ValueError, in one sentence, where an argument does not fit what its docstring says;
a backward pass where dout has not the shape, library or float type of the result.
"""

from __future__ import annotations

import numpy as np
from array_api_compat import device

from seqlib import _fused
from seqlib._activations import (
    gelu,
    gelu_backward,
    log_softmax,
    log_softmax_backward,
    sigmoid,
    sigmoid_backward,
    softmax,
    softmax_backward,
)
from seqlib._arrays import Array, array_namespace
from seqlib._check import generator, gradient, in_range, number, one_of, shapes, whole

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "dropout",
    "dropout_backward",
    "embedding",
    "embedding_backward",
    "gelu",
    "gelu_backward",
    "layer_norm",
    "layer_norm_backward",
    "linear",
    "linear_backward",
    "log_softmax",
    "log_softmax_backward",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
]


def layer_norm(
    x: Array, weight: Array, bias: Array, eps: float = 1e-5
) -> tuple[Array, tuple]:
    """Normalise the last axis to mean 0 and variance 1, then scale and shift.

    The variance is the biased one and eps stands inside the root, as in torch.
    Shapes: x (..., D), weight (D,), bias (D,). Errors: a shape or float type does not
    fit; eps is negative. Equation (17.3) of the book. Source: Ba, Kiros & Hinton
    (2016).
    """
    shapes(weight=(weight, "D"), bias=(bias, "D"), x=(x, "... D"))
    number("eps", eps, 0)
    if _fused.fits(x, weight, bias):
        out, mean, scale = _fused.layer_norm(x, weight, bias, eps)
        return out, (x, mean, scale, weight)
    xp = array_namespace(x)
    mean = xp.mean(x, axis=-1, keepdims=True)
    variance = xp.mean((x - mean) ** 2, axis=-1, keepdims=True)
    scale = 1 / xp.sqrt(variance + eps)
    return (x - mean) * scale * weight + bias, (x, mean, scale, weight)


def layer_norm_backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """Gradients of `layer_norm`: dx and dout (..., D), dweight (D,), dbias (D,).

    Equations (17.5) and (17.6) of the book.
    """
    x, mean, scale, weight = cache
    gradient("dout", dout, x, x.shape)
    if _fused.fits(dout, *cache):
        return _fused.layer_norm_backward(dout, *cache)
    xp = array_namespace(x)
    rows = tuple(range(dout.ndim - 1))
    normal = (x - mean) * scale
    dnormal = dout * weight
    dx = dnormal - xp.mean(dnormal, axis=-1, keepdims=True)
    dx = dx - normal * xp.mean(dnormal * normal, axis=-1, keepdims=True)
    dweight = xp.sum(dout * normal, axis=rows)
    return scale * dx, dweight, xp.sum(dout, axis=rows)


def linear(x: Array, W: Array, b: Array | None = None) -> tuple[Array, tuple]:
    """Affine map W x + b of every vector along the last axis.

    Shapes: x (..., D), W (O, D), b (O,) or None; result (..., O). Errors: a shape or
    float type does not fit.
    """
    shapes(W=(W, "O D"), b=(b, "O?"), x=(x, "... D"))
    out = x @ W.T
    if b is not None:
        out += b  # in place: the product is ours
    return out, (x, W, b)


def linear_backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """Gradients of `linear`: dx (..., D), dW (O, D), db (O,) or None; dout (..., O)."""
    x, W, b = cache
    gradient("dout", dout, x, (*x.shape[:-1], W.shape[0]))
    xp = array_namespace(dout)
    rows = xp.reshape(dout, (-1, dout.shape[-1]))  # (N, O)
    dW = rows.T @ xp.reshape(x, (-1, x.shape[-1]))
    return dout @ W, dW, None if b is None else xp.sum(rows, axis=0)


def embedding(ids: Array, weight: Array) -> tuple[Array, tuple]:
    """Rows of `weight` chosen by `ids`: the one-hot product without the zeros.

    Shapes: ids (...) integers from 0 to V-1, weight (V, D); result (..., D). Errors:
    ids are no integers or out of range. Equation (1.1) of the book. Source: Bengio et
    al. (2003).
    """
    n = shapes(weight=(weight, "V D"), ids=(ids, "...", "int"))
    in_range("ids", ids, n["V"])
    xp = array_namespace(weight)
    flat = xp.astype(xp.reshape(ids, (-1,)), xp.int64)
    rows = xp.take(weight, flat, axis=0)
    return xp.reshape(rows, (*ids.shape, n["D"])), (flat, weight, tuple(ids.shape))


def embedding_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `embedding`: dweight (V, D); rows used twice receive a sum.

    Shapes: dout (..., D). There is no gradient for ids, which are whole numbers.
    Equation (11.10) of the book.
    """
    flat, weight, lead = cache
    gradient("dout", dout, weight, (*lead, weight.shape[1]))
    xp = array_namespace(weight)
    rows = xp.reshape(dout, (-1, dout.shape[-1]))
    if _fused.is_torch(weight):
        return xp.zeros_like(weight).index_add_(0, flat, rows)
    dweight = np.zeros(weight.shape, dtype=np.asarray(rows).dtype)
    np.add.at(dweight, np.asarray(flat), np.asarray(rows))
    return xp.asarray(dweight)


def dropout(x: Array, p: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Zero each entry with probability p and scale the rest by 1 / (1 - p).

    Shapes: x and the result (...). `rng` is a numpy generator, on torch too, so that
    one seed gives one mask. Errors: x is no array of floats, or empty; p is not in
    [0, 1); rng is no generator. Source: Srivastava et al. (2014), "inverted" form.
    """
    shapes(x=(x, "..."))
    number("p", p, 0, 1, below=True)
    generator("rng", rng)
    xp = array_namespace(x)
    keep = xp.asarray(rng.random(tuple(x.shape)) >= p, device=device(x))
    scale = xp.astype(keep, x.dtype) / (1 - p)
    return x * scale, scale


def dropout_backward(dout: Array, cache: Array) -> Array:
    """Gradient of `dropout`: the same entries, the same scale; shapes (...)."""
    gradient("dout", dout, cache, cache.shape)
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
    target is (1-ε) one-hot + ε/C, as in Szegedy et al. (2016). `reduction` is "mean"
    (over the targets that count), "sum", or "none" (shape (...)). Errors: a shape does
    not fit, a target is out of range or none counts, an option is unknown. Equations
    (1.4), (1.8) and (17.21) of the book.
    """
    n = shapes(logits=(logits, "... C"), targets=(targets, "...", "int"))
    whole("ignore_index", ignore_index, -(2**63), 2**63 - 1)
    number("label_smoothing", label_smoothing, 0, 1)
    one_of("reduction", reduction, ("mean", "sum", "none"))
    if tuple(targets.shape) != (lead := tuple(logits.shape[:-1])):
        raise ValueError(
            f"targets must have shape {lead}, the logits' without C={n['C']}, "
            f"got {tuple(targets.shape)}"
        )
    xp = array_namespace(logits)
    targets = xp.astype(targets, xp.int64)
    counted = targets != ignore_index
    inside = xp.where(counted, targets, xp.zeros_like(targets))
    in_range("targets", inside, n["C"])
    if reduction == "mean" and not bool(xp.any(counted)):
        raise ValueError("targets must hold at least one that is not ignore_index")
    log_p, _ = log_softmax(logits)
    picked = xp.take_along_axis(log_p, inside[..., None], axis=-1)[..., 0]
    losses = xp.where(counted, -picked, xp.zeros_like(picked))
    if ε := label_smoothing:
        even = -xp.mean(log_p, axis=-1)  # the cross-entropy with 1/C for every class
        even = xp.where(counted, even, xp.zeros_like(even))
        losses = (1 - ε) * losses + ε * even
    if reduction == "none":
        return losses, (log_p, inside, counted, ε, None)
    share = xp.ones_like(losses)
    if reduction == "mean":
        share = share / xp.sum(xp.astype(counted, logits.dtype))
    return xp.sum(losses * share), (log_p, inside, counted, ε, share)


def cross_entropy_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `cross_entropy`: dlogits = (softmax - target) * dout.

    Shapes: dout as the loss, () or (...), a float for () too; result (..., C).
    Equations (1.5), (1.9) and (17.22) of the book.
    """
    log_p, inside, counted, ε, share = cache
    xp, C = array_namespace(log_p), log_p.shape[-1]
    if share is not None and isinstance(dout, float):
        dout = xp.full((), float(dout), dtype=log_p.dtype, device=device(log_p))
    gradient("dout", dout, log_p, counted.shape if share is None else ())
    dlosses = dout if share is None else dout * share
    if _fused.fits(log_p, dout):
        dlogits = _fused.cross_entropy_backward(dlosses, log_p, inside, ε)
    else:
        right = inside[..., None] == xp.arange(C, device=device(log_p))  # one-hot
        q = (1 - ε) * xp.astype(right, log_p.dtype) + ε / C
        dlogits = dlosses[..., None] * (xp.exp(log_p) - q)
    return xp.where(counted[..., None], dlogits, xp.zeros_like(dlogits))
