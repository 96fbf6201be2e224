"""From tokens to logits: the Transformer for translation, and its backward pass."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient
from seqlib.functional import (
    dropout,
    dropout_backward,
    embedding,
    embedding_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
)
from seqlib.masks import causal_mask
from seqlib.positions import LAYOUTS, learned, learned_backward, sinusoidal
from seqlib.transformer._checks import Options, Params
from seqlib.transformer._names import prefixed, under
from seqlib.transformer._seq2seq_checks import (
    TOKENS,
    Embedding,
    check_ids,
    check_model,
)
from seqlib.transformer._stacks import (
    decode,
    encode,
    transformer_decoder_backward,
    transformer_encoder_backward,
)


def seq2seq_transformer(
    ids: Array,
    decoder_ids: Array,
    params: Params,
    num_heads: int,
    key_mask: Array | None = None,
    decoder_key_mask: Array | None = None,
    scale_embedding: bool = True,
    layout: str = "interleaved",
    norm_first: bool = False,
    activation: str = "relu",
    eps: float = 1e-5,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, tuple]:
    """Score every next token of the target: logits_t = W h_t + b, h the decoder's.

    A token enters as x = dropout(sqrt(E) embedding + position); the decoder's attention
    to itself is causal, so that logits_t depend on decoder_ids up to t alone.

    Parameters
    ----------
    ids : (B, S) whole numbers, the source
    decoder_ids : (B, T), the target, moved to the right: a start token comes first
    params : `encoder.` and `decoder.` with those of `transformer`, and the embeddings,
        `shared.weight` (V, E), or `encoder.embed_tokens.weight` (V_s, E) and
        `decoder.embed_tokens.weight` (V, E). These may be there or not, for each side:
        `encoder.embed_positions.weight` (P, E), learned positions in the place of
        sinusoids; `encoder.layernorm_embedding.weight`, `.bias` (E,), a norm of x
        before its dropout. And for the output: `lm_head.weight` (V, E), which is the
        decoder's embedding otherwise, and `final_logits_bias` (V,)
    num_heads, norm_first, activation, eps, dropout, rng : as for `encoder_block`
    key_mask, decoder_key_mask : (B, S) and (B, T) booleans, True = real
    scale_embedding : False to leave sqrt(E) out
    layout : of the sinusoids, "interleaved" as in the paper, or "halves", all sines
        before all cosines, as in Marian

    Returns
    -------
    logits : (B, T, V), and the cache for `seq2seq_transformer_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equations (17.17) and (17.18) of the book. Sources: Vaswani et al. (2017); Press &
    Wolf (2017) for the shared matrix; Junczys-Dowmunt et al. (2018) for Marian, Lewis
    et al. (2020) for BART.
    """
    options = Options(norm_first, activation, eps, dropout, rng)
    form = Embedding(scale_embedding, layout)
    check_model(params, num_heads, options, form)
    like = check_ids(params, "encoder", ids, key_mask, "ids", "key_mask")
    of_decoder = decoder_ids, decoder_key_mask, "decoder_ids", "decoder_key_mask"
    check_ids(params, "decoder", *of_decoder, batch=ids)
    x, first = embed(ids, params, "encoder", form, options)
    own = stack(params, "encoder")
    memory, second = encode(x, own, num_heads, (None, key_mask), options)
    y, third = embed(decoder_ids, params, "decoder", form, options)
    own = stack(params, "decoder")
    masks = causal_mask(decoder_ids.shape[1], like), decoder_key_mask, None, key_mask
    h, fourth = decode(y, memory, own, num_heads, masks, options)
    logits, last = project(h, params)
    return logits, (params, first, second, third, fourth, last)


def seq2seq_transformer_backward(dout: Array, cache: tuple) -> Params:
    """Gradients of `seq2seq_transformer`, of the parameters: a dict as params.

    A matrix that is used more than once receives the sum, equation (17.19) of the book.
    Shapes: dout (B, T, V). Errors: dout has not the shape, library or float type of the
    logits.
    """
    params, first, second, third, fourth, last = cache
    h, W, _ = last
    gradient("dout", dout, h, (*h.shape[:-1], W.shape[0]))
    dh, dW, db = linear_backward(dout, last)
    grads = {output_name(params): dW, "final_logits_bias": db}
    dy, dmemory, own, *_ = transformer_decoder_backward(dh, fourth)
    grads |= prefixed("decoder.", own)
    dx, own, _ = transformer_encoder_backward(dmemory, second)
    grads |= prefixed("encoder.", own)
    for d, of_embed in ((dy, third), (dx, first)):
        for name, g in _embed_backward(d, of_embed).items():
            grads[name] = grads[name] + g if name in grads else g
    return {name: grads[name] for name in params}


def stack(params: Params, side: str) -> Params:
    """Return the parameters of the encoder's or decoder's blocks and last norm."""
    mine = under(f"{side}.", params)
    return {k: a for k, a in mine.items() if k.startswith(("layers.", "norm."))}


def tokens_name(params: Params, side: str) -> str:
    """Return the name of a side's embedding."""
    return "shared.weight" if "shared.weight" in params else f"{side}.{TOKENS}"


def output_name(params: Params) -> str:
    """Return the name of the matrix that makes logits."""
    own = "lm_head.weight"
    return own if own in params else tokens_name(params, "decoder")


def embed(
    ids: Array, params: Params, side: str, form: Embedding, options: Any, start: int = 0
) -> tuple[Array, tuple]:
    """Make vectors (B, T, E) of tokens (B, T) at positions start, start + 1, ..."""
    name = tokens_name(params, side)
    x, of_tokens = embedding(ids, params[name])
    scale = sqrt(x.shape[-1]) if form.scale_embedding else 1.0
    x = x * scale
    table = params.get(f"{side}.embed_positions.weight")
    of_positions = of_norm = dropped = None
    if table is None:
        x = x + _sinusoids(x, start, form.layout)
    else:
        x, of_positions = learned(x, table, start)
    weight = params.get(f"{side}.layernorm_embedding.weight")
    if weight is not None:
        bias = params.get(f"{side}.layernorm_embedding.bias")
        zeros = array_namespace(weight).zeros_like(weight) if bias is None else bias
        x, of_norm = layer_norm(x, weight, zeros, options.eps)
    if options.dropout:
        x, dropped = dropout(x, options.dropout, options.rng)
    return x, (name, side, of_tokens, scale, of_positions, of_norm, dropped)


def _embed_backward(dx: Array, cache: tuple) -> Params:
    """Gradients of `embed` at its parameters."""
    name, side, of_tokens, scale, of_positions, of_norm, dropped = cache
    dx = dx if dropped is None else dropout_backward(dx, dropped)
    grads = {}
    if of_norm is not None:
        dx, dweight, dbias = layer_norm_backward(dx, of_norm)
        grads[f"{side}.layernorm_embedding.weight"] = dweight
        grads[f"{side}.layernorm_embedding.bias"] = dbias
    if of_positions is not None:
        dx, dtable = learned_backward(dx, of_positions)
        grads[f"{side}.embed_positions.weight"] = dtable
    return {**grads, name: embedding_backward(dx * scale, of_tokens)}


def _sinusoids(x: Array, start: int, layout: str) -> Array:
    """Return the positions (T, E) of x (B, T, E)."""
    xp, (_, T, E) = array_namespace(x), x.shape
    t = xp.arange(start, start + T, dtype=x.dtype, device=device(x))
    waves, _ = sinusoidal(t, E)
    return LAYOUTS[layout][1](waves[:, ::2], waves[:, 1::2])


def project(h: Array, params: Params) -> tuple[Array, tuple]:
    """Make logits of the decoder's last vectors."""
    W, b = params[output_name(params)], params.get("final_logits_bias")
    return linear(h, W, b)
