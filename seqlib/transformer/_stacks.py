"""Stacks of blocks: the encoder, the decoder, and the Transformer of both."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqlib._arrays import Array, array_namespace
from seqlib._check import shapes
from seqlib._multi_head import check_heads
from seqlib.functional import layer_norm, layer_norm_backward
from seqlib.masks import check_masks
from seqlib.transformer._blocks import (
    decoder_block,
    decoder_block_backward,
    encoder_block,
    encoder_block_backward,
)
from seqlib.transformer._checks import Options, Params
from seqlib.transformer._names import check_stack, layers, prefixed, under

Masks = Any  # a tuple of them, in the order in which the blocks take them


def transformer_encoder(
    x: Array,
    params: Params,
    num_heads: int,
    mask: Array | None = None,
    key_mask: Array | None = None,
    norm_first: bool = False,
    activation: str = "relu",
    eps: float = 1e-5,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, tuple]:
    """Run one `encoder_block` after the other, then perhaps a layer norm.

    Parameters
    ----------
    x : (B, T, E)
    params : of layer i those of `encoder_block`, under `layers.i.`, i from 0; and, if
        there is a last norm, as with pre-norm there should be, `norm.weight`,
        `norm.bias` (E,). They say how many layers there are
    num_heads, mask, key_mask, norm_first, activation, eps, dropout, rng : as for
        `encoder_block`, the same in every layer

    Returns
    -------
    out : (B, T, E), and the cache for `transformer_encoder_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    The names are those of torch.nn.TransformerEncoder. Source: Vaswani et al. (2017).
    """
    check_stack(params, "encoder")
    options = Options(norm_first, activation, eps, dropout, rng)
    return encode(x, params, num_heads, (mask, key_mask), options)


def transformer_encoder_backward(
    dout: Array, cache: tuple
) -> tuple[Array, Params, Array | None]:
    """Gradients of `transformer_encoder`: dx (B, T, E), grads as params, dmask.

    Shapes: dout (B, T, E); dmask, the sum over the layers, is None unless the mask was
    of floats. Errors: dout has not the shape, library or float type of the result.
    """
    names, caches, of_norm = cache
    dx, grads = _norm_backward(dout, of_norm)
    dmask = None
    for i in reversed(range(len(caches))):
        dx, own, dm = encoder_block_backward(dx, caches[i])
        grads |= prefixed(f"layers.{i}.", own)
        dmask = _sum(dmask, dm)
    return dx, {name: grads[name] for name in names}, dmask


def transformer_decoder(
    x: Array,
    memory: Array,
    params: Params,
    num_heads: int,
    mask: Array | None = None,
    key_mask: Array | None = None,
    memory_mask: Array | None = None,
    memory_key_mask: Array | None = None,
    norm_first: bool = False,
    activation: str = "relu",
    eps: float = 1e-5,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, tuple]:
    """Run one `decoder_block` after the other, all of them reading one memory.

    Parameters
    ----------
    x : (B, T, E)
    memory : (B, S, E), what the encoder made
    params : of layer i those of `decoder_block`, under `layers.i.`, and perhaps
        `norm.weight`, `norm.bias`, as for `transformer_encoder`
    num_heads, mask, key_mask, memory_mask, memory_key_mask : as for `decoder_block`,
        the same in every layer; no mask is causal unless given
    norm_first, activation, eps, dropout, rng : as for `decoder_block`

    Returns
    -------
    out : (B, T, E), and the cache for `transformer_decoder_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    The names are those of torch.nn.TransformerDecoder. Source: Vaswani et al. (2017).
    """
    check_stack(params, "decoder")
    masks = mask, key_mask, memory_mask, memory_key_mask
    options = Options(norm_first, activation, eps, dropout, rng)
    return decode(x, memory, params, num_heads, masks, options)


def transformer_decoder_backward(
    dout: Array, cache: tuple
) -> tuple[Array, Array, Params, Array | None, Array | None]:
    """Gradients of `transformer_decoder`: dx, dmemory, grads, dmask, dmemory_mask.

    Shapes: dout and dx (B, T, E), dmemory (B, S, E), a sum over the layers as those of
    the masks, which are None unless the mask was of floats. Equation (17.16)
    of the book. Errors: as `transformer_encoder_backward`.
    """
    names, caches, of_norm = cache
    dx, grads = _norm_backward(dout, of_norm)
    dmemory = dmask = dmemory_mask = None
    for i in reversed(range(len(caches))):
        dx, d, own, dm, dmm = decoder_block_backward(dx, caches[i])
        grads |= prefixed(f"layers.{i}.", own)
        dmemory = _sum(dmemory, d)
        dmask, dmemory_mask = _sum(dmask, dm), _sum(dmemory_mask, dmm)
    return dx, dmemory, {name: grads[name] for name in names}, dmask, dmemory_mask


def transformer(
    src: Array,
    tgt: Array,
    params: Params,
    num_heads: int,
    src_mask: Array | None = None,
    tgt_mask: Array | None = None,
    memory_mask: Array | None = None,
    src_key_mask: Array | None = None,
    tgt_key_mask: Array | None = None,
    memory_key_mask: Array | None = None,
    norm_first: bool = False,
    activation: str = "relu",
    eps: float = 1e-5,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, tuple]:
    """Let the decoder read tgt, and the memory that the encoder makes of src.

    Parameters
    ----------
    src, tgt : (B, S, E) and (B, T, E), vectors, positions included
    params : `encoder.` with those of `transformer_encoder`, `decoder.` with those of
        `transformer_decoder`
    num_heads, norm_first, activation, eps, dropout, rng : as for `encoder_block`
    src_mask, tgt_mask, memory_mask : who may attend to whom, of the encoder (S, S), the
        decoder (T, T), and from decoder to memory (T, S), or with axes before, as for
        `multi_head_attention`; tgt_mask is not causal unless `causal_mask` is given
    src_key_mask, tgt_key_mask, memory_key_mask : (B, S), (B, T) and (B, S) booleans,
        True = real; padding of src should be told twice, to encoder and to decoder

    Returns
    -------
    out : (B, T, E), and the cache for `transformer_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    The names are those of torch.nn.Transformer. Source: Vaswani et al. (2017).
    """
    E = check_stack(params, "encoder", "encoder.", ["decoder."])
    E = check_stack(params, "decoder", "decoder.", ["encoder."], E)
    weight = params["encoder.layers.0.norm1.weight"]
    arrays = {"src": (src, f"B S {E}"), "tgt": (tgt, f"B T {E}")}
    n = shapes(**{"encoder.layers.0.norm1.weight": (weight, "..."), **arrays})
    B, S, T = n["B"], n["S"], n["T"]
    check_heads(num_heads, E)
    check_masks(src, (B, num_heads, S, S), src_mask, src_key_mask, "src_")
    check_masks(src, (B, num_heads, T, T), tgt_mask, tgt_key_mask, "tgt_")
    check_masks(src, (B, num_heads, T, S), memory_mask, memory_key_mask, "memory_")
    options = Options(norm_first, activation, eps, dropout, rng)
    own, masks = under("encoder.", params), (src_mask, src_key_mask)
    memory, first = encode(src, own, num_heads, masks, options)
    own, of_memory = under("decoder.", params), (memory_mask, memory_key_mask)
    masks = tgt_mask, tgt_key_mask
    out, second = decode(tgt, memory, own, num_heads, (*masks, *of_memory), options)
    return out, (list(params), first, second)


def transformer_backward(dout: Array, cache: tuple) -> tuple:
    """Gradients of `transformer`: dsrc, dtgt, grads, and those of the three masks.

    Shapes: dout and dtgt (B, T, E), dsrc (B, S, E), grads as params; a mask's gradient
    is None unless it was of floats. Errors: as `transformer_encoder_backward`.
    """
    names, first, second = cache
    back = transformer_decoder_backward(dout, second)
    dtgt, dmemory, of_decoder, dtgt_mask, dmemory_mask = back
    dsrc, of_encoder, dsrc_mask = transformer_encoder_backward(dmemory, first)
    grads = prefixed("encoder.", of_encoder) | prefixed("decoder.", of_decoder)
    grads = {name: grads[name] for name in names}
    return dsrc, dtgt, grads, dsrc_mask, dtgt_mask, dmemory_mask


def encode(
    x: Array, params: Params, num_heads: int, masks: Masks, options: Options
) -> tuple[Array, tuple]:
    """Do what `transformer_encoder` does, with params that have passed the check."""
    caches = []
    for own in layers(params):
        x, cache = encoder_block(x, own, num_heads, *masks, **options._asdict())
        caches.append(cache)
    x, of_norm = last_norm(x, params, options.eps)
    return x, (list(params), caches, of_norm)


def decode(
    x: Array,
    memory: Array,
    params: Params,
    num_heads: int,
    masks: Masks,
    options: Options,
) -> tuple[Array, tuple]:
    """Do what `transformer_decoder` does, with params that have passed the check."""
    caches = []
    for own in layers(params):
        x, cache = decoder_block(x, memory, own, num_heads, *masks, **options._asdict())
        caches.append(cache)
    x, of_norm = last_norm(x, params, options.eps)
    return x, (list(params), caches, of_norm)


def last_norm(x: Array, params: Params, eps: float) -> tuple[Array, tuple | None]:
    """Put the last layer norm after the stack, if there is one."""
    weight, bias = params.get("norm.weight"), params.get("norm.bias")
    if weight is None:
        return x, None
    zeros = array_namespace(weight).zeros_like(weight) if bias is None else bias
    return layer_norm(x, weight, zeros, eps)


def _norm_backward(dout: Array, of_norm: tuple | None) -> tuple[Array, Params]:
    """Gradients of `last_norm`: dx, and those of the parameters, bias or no bias."""
    if of_norm is None:
        return dout, {}
    dx, dweight, dbias = layer_norm_backward(dout, of_norm)
    return dx, {"norm.weight": dweight, "norm.bias": dbias}


def _sum(total: Array | None, part: Array | None) -> Array | None:
    """Add what one more layer gives, which may be nothing."""
    return part if total is None else total if part is None else total + part
