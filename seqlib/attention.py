"""Attention: scores between queries and keys, a softmax, an average of the values.

Every form is  e = score(q, k),  p = softmax(e),  out = p v,  and the forms differ in
the score alone. A mask of booleans says True = attend; a mask of floats is added to
the scores. A query that may attend to nothing receives zeros, and sends none back.
With `return_weights=True` the result is `(out, weights, cache)`, weights (..., T, S),
and the backward pass takes their gradient as `dweights`. Leading axes, the batch and
perhaps the heads, must be the same in q, k and v.
"""

from __future__ import annotations

from seqlib._arrays import Array, array_namespace
from seqlib._check import flags, gradient, number, shapes
from seqlib._multi_head import multi_head_attention, multi_head_attention_backward
from seqlib._weigh import (
    weigh,
    weigh_backward,
    weigh_products,
    weigh_products_backward,
)
from seqlib.functional import linear, linear_backward
from seqlib.masks import (
    causal_mask,
    check_mask,
    is_array,
    masked_softmax,
    masked_softmax_backward,
    padding_mask,
)

__all__ = [
    "additive_attention",
    "additive_attention_backward",
    "additive_scores",
    "additive_scores_backward",
    "bilinear_attention",
    "bilinear_attention_backward",
    "bilinear_scores",
    "bilinear_scores_backward",
    "causal_mask",
    "dot_attention",
    "dot_attention_backward",
    "masked_softmax",
    "masked_softmax_backward",
    "multi_head_attention",
    "multi_head_attention_backward",
    "padding_mask",
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_backward",
]


def additive_scores(
    q: Array, k: Array, W_q: Array, W_k: Array, w: Array
) -> tuple[Array, tuple]:
    """Scores e_ts = w' tanh(W_q q_t + W_k k_s), a small network for every pair.

    Shapes: q (..., T, Q), k (..., S, K), W_q (A, Q), W_k (A, K), w (A,); result
    (..., T, S). Errors: a shape or float type does not fit. Equation (15.6) of the
    book. Source: Bahdanau, Cho & Bengio (2015), who write v_a, W_a, U_a for w, W_q,
    W_k.
    """
    lead = _lead(q)
    shapes(q=(q, f"{lead} T Q"), k=(k, f"{lead} S K"))
    shapes(q=(q, "... Q"), W_q=(W_q, "A Q"), W_k=(W_k, f"A {k.shape[-1]}"), w=(w, "A"))
    from_q, of_q = linear(q, W_q)
    from_k, of_k = linear(k, W_k)
    xp = array_namespace(q)
    t = xp.tanh(from_q[..., :, None, :] + from_k[..., None, :, :])  # (..., T, S, A)
    return t @ w, (t, w, of_q, of_k)


def additive_scores_backward(dout: Array, cache: tuple) -> tuple[Array, ...]:
    """Gradients of `additive_scores`: dq, dk, dW_q, dW_k, dw; dout (..., T, S).

    With dz = dout w (1 - t²), t the tanh: W_q's output receives the sum of dz over the
    keys, W_k's the sum over the queries. Equations (15.16) and (15.17) of the book.
    """
    t, w, of_q, of_k = cache
    gradient("dout", dout, t, t.shape[:-1])
    xp = array_namespace(t)
    dz = dout[..., None] * w * (1 - t * t)
    dq, dW_q, _ = linear_backward(xp.sum(dz, axis=-2), of_q)
    dk, dW_k, _ = linear_backward(xp.sum(dz, axis=-3), of_k)
    dw = xp.reshape(dout, (-1,)) @ xp.reshape(t, (-1, w.shape[0]))
    return dq, dk, dW_q, dW_k, dw


def bilinear_scores(q: Array, k: Array, W: Array) -> tuple[Array, tuple]:
    """Scores e_ts = q_t' W k_s, the "general" score of Luong.

    Shapes: q (..., T, Q), k (..., S, K), W (Q, K); result (..., T, S). Errors: a shape
    or float type does not fit. Equation (15.5) of the book. Source: Luong, Pham &
    Manning (2015).
    """
    lead = _lead(q)
    shapes(q=(q, f"{lead} T Q"), k=(k, f"{lead} S K"), W=(W, "Q K"))
    u = q @ W  # (..., T, K)
    return u @ k.mT, (q, k, W, u)


def bilinear_scores_backward(dout: Array, cache: tuple) -> tuple[Array, ...]:
    """Gradients of `bilinear_scores`: dq, dk, dW; dout (..., T, S).

    dk_s = sum_t dout_ts W' q_t, dq_t = W du_t and dW = sum_t q_t du_t', where
    du_t = sum_s dout_ts k_s. Equation (15.15) of the book.
    """
    q, k, W, u = cache
    gradient("dout", dout, q, (*q.shape[:-1], k.shape[-2]))
    xp = array_namespace(q)
    du = dout @ k
    rows_q, rows_u = (xp.reshape(a, (-1, a.shape[-1])) for a in (q, du))
    return du @ W.T, dout.mT @ u, rows_q.T @ rows_u


def additive_attention(
    q: Array,
    k: Array,
    v: Array,
    W_q: Array,
    W_k: Array,
    w: Array,
    mask: Array | None = None,
    return_weights: bool = False,
) -> tuple[Array, ...]:
    """Attention with `additive_scores`: out = softmax(w' tanh(W_q q + W_k k)) v.

    Shapes: q (..., T, Q), k (..., S, K), v (..., S, O), W_q (A, Q), W_k (A, K), w (A,),
    mask as for `masked_softmax`; result (..., T, O). Errors: a shape or float type does
    not fit. Source: Bahdanau, Cho & Bengio (2015).
    """
    flags(return_weights=return_weights)
    _check(q, k, v, mask, "Q K")
    scores, of_scores = additive_scores(q, k, W_q, W_k, w)
    return _finish(scores, v, mask, of_scores, return_weights)


def additive_attention_backward(
    dout: Array, cache: tuple, dweights: Array | None = None
) -> tuple[Array | None, ...]:
    """Gradients of `additive_attention`: dq, dk, dv, dW_q, dW_k, dw, dmask.

    Shapes: dout (..., T, O), dweights (..., T, S) or None; dmask is None unless the
    mask was of floats.
    """
    dscores, dv, dmask = weigh_backward(dout, dweights, cache[1])
    dq, dk, *weights = additive_scores_backward(dscores, cache[0])
    return dq, dk, dv, *weights, dmask


def bilinear_attention(
    q: Array,
    k: Array,
    v: Array,
    W: Array,
    mask: Array | None = None,
    return_weights: bool = False,
) -> tuple[Array, ...]:
    """Attention with `bilinear_scores`: out = softmax(q' W k) v.

    Shapes: q (..., T, Q), k (..., S, K), v (..., S, O), W (Q, K), mask as for
    `masked_softmax`; result (..., T, O). Errors: a shape or float type does not fit.
    Source: Luong, Pham & Manning (2015).
    """
    flags(return_weights=return_weights)
    _check(q, k, v, mask, "Q K")
    scores, of_scores = bilinear_scores(q, k, W)
    return _finish(scores, v, mask, of_scores, return_weights)


def bilinear_attention_backward(
    dout: Array, cache: tuple, dweights: Array | None = None
) -> tuple[Array | None, ...]:
    """Gradients of `bilinear_attention`: dq, dk, dv, dW, dmask.

    Shapes: as for `additive_attention_backward`.
    """
    dscores, dv, dmask = weigh_backward(dout, dweights, cache[1])
    dq, dk, dW = bilinear_scores_backward(dscores, cache[0])
    return dq, dk, dv, dW, dmask


def dot_attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    scale: float = 1.0,
    return_weights: bool = False,
) -> tuple[Array, ...]:
    """Attention by products: out = softmax(scale q' k) v, scale = 1 unless said.

    Shapes: q (..., T, D), k (..., S, D), v (..., S, O), mask as for `masked_softmax`;
    result (..., T, O). Errors: a shape or float type does not fit; scale is no number
    or negative. Equations (15.4) and (15.10) of the book. Source: Luong, Pham &
    Manning (2015).
    """
    flags(return_weights=return_weights)
    _check(q, k, v, mask, "D D")
    number("scale", scale, 0)
    scaled = q * scale  # smaller than the scores, and before they could overflow
    out, p, cache = weigh_products(scaled, k, v, mask, keep=return_weights)
    cache = (scale, cache)
    return (out, p, cache) if return_weights else (out, cache)


def dot_attention_backward(
    dout: Array, cache: tuple, dweights: Array | None = None
) -> tuple[Array | None, ...]:
    """Gradients of `dot_attention`: dq, dk, dv, dmask.

    dq = scale de k and dk = scale de' q, de being the gradient at the scores. Equations
    (15.11) to (15.14) of the book. Shapes: as for `additive_attention_backward`.
    """
    scale, of_products = cache
    dq, dk, dv, dmask = weigh_products_backward(dout, dweights, of_products)
    return dq * scale, dk, dv, dmask


def scaled_dot_product_attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    return_weights: bool = False,
) -> tuple[Array, ...]:
    """Attention of the Transformer: out = softmax(q' k / sqrt(D)) v.

    Shapes: q (..., T, D), k (..., S, D), v (..., S, O), mask as for `masked_softmax`;
    result (..., T, O). Errors: a shape or float type does not fit. Equation (16.5) of
    the book. Source: Vaswani et al. (2017), equation 1.
    """
    flags(return_weights=return_weights)
    _check(q, k, v, mask, "D D")
    return dot_attention(q, k, v, mask, q.shape[-1] ** -0.5, return_weights)


def scaled_dot_product_attention_backward(
    dout: Array, cache: tuple, dweights: Array | None = None
) -> tuple[Array | None, ...]:
    """Gradients of `scaled_dot_product_attention`: dq, dk, dv, dmask.

    They are those of `dot_attention` with scale = 1 / sqrt(D). Equations (16.12) to
    (16.14) of the book.
    """
    return dot_attention_backward(dout, cache, dweights)


def _lead(q: Array) -> str:
    """Name the leading axes of q, so that a sentence can say which one differs."""
    n = q.ndim - 2 if is_array(q) else 1
    return "B H"[: 2 * n - 1] if 0 < n < 3 else " ".join(f"B{i}" for i in range(n))


def _check(q: Array, k: Array, v: Array, mask: Array | None, sizes: str) -> None:
    (Q, K), lead = sizes.split(), _lead(q)
    shapes(q=(q, f"{lead} T {Q}"), k=(k, f"{lead} S {K}"), v=(v, f"{lead} S O"))
    check_mask(mask, q, (*q.shape[:-1], k.shape[-2]))


def _finish(
    scores: Array, v: Array, mask: Array | None, of_scores: tuple, weights: bool
) -> tuple[Array, ...]:
    """Go from scores to the result, with the weights if they are wanted."""
    out, p, cache = weigh(scores, v, mask)
    return (out, p, (of_scores, cache)) if weights else (out, (of_scores, cache))
