"""What is put on BERT's hidden states, and the words it is trained to guess."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import generator, gradient, in_range, number, one_of, shapes, whole
from seqlib._params import check_names
from seqlib.functional import dropout as drop
from seqlib.functional import (
    dropout_backward,
    gelu,
    gelu_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
)
from seqlib.transformer._checks import Params

MASKED_LM = {
    "dense.weight": "E E",
    "dense.bias": "E",
    "norm.weight": "E",
    "norm.bias": "E",
    "decoder.weight": "V E",
    "decoder.bias": "V",
}
CLASSIFICATION = {"weight": "C E", "bias": "C"}
GELU = {"gelu": "none", "gelu_tanh": "tanh"}


def masked_lm_head(
    x: Array, params: Params, activation: str = "gelu", eps: float = 1e-12
) -> tuple[Array, tuple]:
    """Logits of the word at each position: W_e norm(gelu(W x + b)) + b_e.

    Parameters
    ----------
    x : (..., E), hidden states of `bert`; those of hidden words alone will do
    params : `dense.weight` W (E, E), `dense.bias` b (E,), `norm.weight`, `norm.bias`
        (E,); `decoder.weight` W_e (V, E), the word embeddings if the two are tied, so
        that their gradients add; `decoder.bias` b_e (V,)
    activation : "gelu", or "gelu_tanh"
    eps : of the norm

    Returns
    -------
    logits : (..., V), and the cache for `masked_lm_head_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equation (19.12) of the book. Source: Devlin et al. (2019), section 3.1, and their
    code for the first product.
    """
    _check(x, params, MASKED_LM)
    one_of("activation", activation, GELU)
    number("eps", eps, 0)
    z, of_dense = linear(x, params["dense.weight"], params["dense.bias"])
    a, of_gelu = gelu(z, GELU[activation])
    h, of_norm = layer_norm(a, params["norm.weight"], params["norm.bias"], eps)
    out, of_decoder = linear(h, params["decoder.weight"], params["decoder.bias"])
    return out, (list(params), of_dense, of_gelu, of_norm, of_decoder)


def masked_lm_head_backward(dout: Array, cache: tuple) -> tuple[Array, Params]:
    """Gradients of `masked_lm_head`: dx (..., E), grads as params; dout (..., V)."""
    names, of_dense, of_gelu, of_norm, of_decoder = cache
    dh, *of_last = linear_backward(dout, of_decoder)
    da, *of_scales = layer_norm_backward(dh, of_norm)
    dx, *of_first = linear_backward(gelu_backward(da, of_gelu), of_dense)
    grads = dict(zip(MASKED_LM, [*of_first, *of_scales, *of_last], strict=True))
    return dx, {name: grads[name] for name in names}


def classification_head(
    x: Array,
    params: Params,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, tuple]:
    """Logits of the classes: W dropout(x) + b.

    With x = pooled this classifies a text, or, with 2 classes, tells whether the second
    sentence follows the first; with x = hidden it tags every token. Shapes: x (..., E),
    params `weight` W (C, E), `bias` b (C,), result (..., C). Errors: an argument does
    not fit. Equations (19.17) and (19.18) of the book. Source: Devlin et al. (2019),
    section 4.
    """
    _check(x, params, CLASSIFICATION)
    number("dropout", dropout, 0, 1, below=True)
    if dropout:
        generator("rng", rng)
    x, dropped = drop(x, dropout, rng) if dropout and rng else (x, None)
    out, of_linear = linear(x, params["weight"], params["bias"])
    return out, (list(params), of_linear, dropped)


def classification_head_backward(dout: Array, cache: tuple) -> tuple[Array, Params]:
    """Gradients of `classification_head`: dx, grads as params; dout (..., C)."""
    names, of_linear, dropped = cache
    x, W, _ = of_linear
    gradient("dout", dout, x, (*x.shape[:-1], W.shape[0]))
    dx, dW, db = linear_backward(dout, of_linear)
    grads = {"weight": dW, "bias": db}
    dx = dx if dropped is None else dropout_backward(dx, dropped)
    return dx, {name: grads[name] for name in names}


def mask_tokens(
    ids: Array,
    rng: np.random.Generator,
    vocab_size: int,
    mask_id: int,
    special_ids: Sequence[int] = (),
    key_mask: Array | None = None,
    p: float = 0.15,
) -> tuple[Array, Array]:
    """Hide words to be guessed: 80 % become [MASK], 10 % any word, 10 % stay.

    Each token is chosen with probability p, apart from the others; if none is, all
    targets are -100 and there is no loss to take.

    Parameters
    ----------
    ids : (..., T) integers from 0 to V-1
    rng : a numpy generator, on torch too, so that one seed gives one draw
    vocab_size : V; the words that are put in are drawn from 0 to V-1
    mask_id : the number of [MASK]
    special_ids : tokens that are never chosen, such as [CLS], [SEP], [PAD]
    key_mask : (...) booleans, False where nothing is chosen; None for no such place
    p : probability that a token is chosen

    Returns
    -------
    inputs : (...) what the model sees
    targets : (...) the tokens that were chosen, -100 elsewhere: what `cross_entropy`
        ignores

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equation (19.5) of the book. Source: Devlin et al. (2019), section 3.1 and appendix
    A.1.
    """
    shapes(ids=(ids, "... T", "int"))
    axes = " ".join(map(str, ids.shape))
    shapes(ids=(ids, "...", "int"), key_mask=(key_mask, f"{axes}?", "bool"))
    generator("rng", rng)
    whole("vocab_size", vocab_size, 1)
    in_range("ids", ids, vocab_size)
    whole("mask_id", mask_id, 0, vocab_size - 1)
    number("p", p, 0, 1)
    special = _numbers(special_ids, vocab_size)
    xp, where = array_namespace(ids), device(ids)
    shape = tuple(ids.shape)
    chosen = xp.asarray(rng.random(shape) < p, device=where)
    fate = rng.random(shape)
    words = xp.asarray(rng.integers(0, vocab_size, shape), device=where)
    hidden = xp.asarray(fate < 0.8, device=where)
    replaced = xp.asarray((fate >= 0.8) & (fate < 0.9), device=where)
    for token in special:
        chosen = chosen & (ids != token)
    chosen = chosen if key_mask is None else chosen & key_mask
    words = xp.astype(words, ids.dtype)
    inputs = xp.where(chosen & hidden, xp.full_like(ids, mask_id), ids)
    inputs = xp.where(chosen & replaced, words, inputs)
    return inputs, xp.where(chosen, ids, xp.full_like(ids, -100))


def _numbers(special_ids: Sequence[int], vocab_size: int) -> list[int]:
    if not isinstance(special_ids, tuple | list):
        got = type(special_ids).__name__
        raise TypeError(f"special_ids must be a tuple of whole numbers, got {got}")
    for token in special_ids:
        whole("special_ids", token, 0, vocab_size - 1)
    return [int(token) for token in special_ids]


def _check(x: Array, params: Params, axes: dict[str, str]) -> None:
    """Check the parameters of a head, and x."""
    if not isinstance(params, dict):
        raise TypeError(
            f"params must be a dict from names to arrays, got {type(params).__name__}"
        )
    check_names(params, axes, [])
    arrays = {name: (params[name], a) for name, a in axes.items()}
    shapes(**arrays, x=(x, "... E"))
