"""One block of the encoder or the decoder, and its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from seqlib._activations import ACTIVATIONS
from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, shapes
from seqlib._multi_head import multi_head_attention as attend
from seqlib._multi_head import multi_head_attention_backward as attend_backward
from seqlib.functional import dropout as drop
from seqlib.functional import (
    dropout_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
)
from seqlib.masks import check_masks
from seqlib.transformer._checks import Options, Params, check_block
from seqlib.transformer._names import prefixed, under


def encoder_block(
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
    """Self-attention, then feed-forward: W_2 f(W_1 x + b_1) + b_2 at each position.

    Parameters
    ----------
    x : (B, T, E)
    params : `self_attn.` `in_proj_weight` (3E, E), `in_proj_bias` (3E,),
        `out_proj.weight` (E, E), `out_proj.bias` (E,); `linear1.weight` (F, E),
        `linear1.bias` (F,), `linear2.weight` (E, F), `linear2.bias` (E,);
        `norm1.weight`, `norm1.bias`, `norm2.weight`, `norm2.bias` (E,)
    num_heads, mask, key_mask : as for `multi_head_attention`; with `causal_mask` this
        is a block of GPT
    norm_first : True for pre-norm
    activation : f, "relu", "gelu", "gelu_tanh" as in GPT-2, or "silu", x σ(x), as in
        Marian
    eps : of the layer norms
    dropout, rng : probability of zeroing, for weights of attention, for the hidden
        layer, and for what every part adds; and the generator that decides

    Returns
    -------
    out : (B, T, E), and the cache for `encoder_block_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equations (17.7) to (17.10) of the book. Sources: Vaswani et al. (2017); Xiong et
    al. (2020) for pre-norm.
    """
    options = Options(norm_first, activation, eps, dropout, rng)
    B, T, _ = check_block(x, params, ("self_attn",), num_heads, options)
    check_masks(x, (B, num_heads, T, T), mask, key_mask)
    own = {"self_attn": (None, mask, key_mask)}
    return _chain(x, own, params, num_heads, options)


def encoder_block_backward(
    dout: Array, cache: tuple
) -> tuple[Array, Params, Array | None]:
    """Gradients of `encoder_block`: dx (B, T, E), grads as params, dmask.

    Equations (17.11) to (17.14) of the book.
    Shapes: dout (B, T, E); dmask is None unless the mask was of floats. Errors: dout
    has not the shape, library or float type of the result.
    """
    dx, ((_, dmask),), grads = _chain_backward(dout, cache)
    return dx, grads, dmask


def decoder_block(
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
    """Self-attention, attention to the encoder's result, then feed-forward.

    Parameters
    ----------
    x : (B, T, E)
    memory : (B, S, E), what the encoder made
    params : as for `encoder_block`, and `multihead_attn.`, with the names and shapes of
        `self_attn.`, and `norm3.weight`, `norm3.bias` (E,)
    num_heads, norm_first, activation, eps, dropout, rng : as for `encoder_block`
    mask, key_mask : who of x may attend to whom of x; no mask is causal unless given
    memory_mask, memory_key_mask : who of x may attend to whom of memory, (T, S) and so
        on, and what of memory is real, (B, S)

    Returns
    -------
    out : (B, T, E), and the cache for `decoder_block_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equation (17.15) of the book. Source: Vaswani et al. (2017).
    """
    options = Options(norm_first, activation, eps, dropout, rng)
    attentions = {
        "self_attn": (None, mask, key_mask),
        "multihead_attn": (memory, memory_mask, memory_key_mask),
    }
    B, T, E = check_block(x, params, attentions, num_heads, options)
    S = shapes(x=(x, "..."), memory=(memory, f"{B} S {E}"))["S"]
    check_masks(x, (B, num_heads, T, T), mask, key_mask)
    check_masks(x, (B, num_heads, T, S), memory_mask, memory_key_mask, "memory_")
    return _chain(x, attentions, params, num_heads, options)


def decoder_block_backward(
    dout: Array, cache: tuple
) -> tuple[Array, Array, Params, Array | None, Array | None]:
    """Gradients of `decoder_block`: dx, dmemory, grads, dmask, dmemory_mask.

    Shapes: dout and dx (B, T, E), dmemory (B, S, E), grads as params; a mask's gradient
    is None unless it was of floats. Errors: as `encoder_block_backward`.
    """
    dx, ((_, dmask), (dmemory, dmemory_mask)), grads = _chain_backward(dout, cache)
    return dx, dmemory, grads, dmask, dmemory_mask


def _chain(
    x: Array,
    attentions: Mapping[str, tuple[Array | None, ...]],
    params: Params,
    num_heads: int,
    options: Options,
) -> tuple[Array, tuple]:
    """Run the attentions, to (memory, mask, key_mask), and the feed-forward part."""
    caches = []
    for i, (name, (memory, mask, key_mask)) in enumerate(attentions.items(), 1):
        prefix = f"{name}."
        look = partial(
            attend,
            key=memory,
            value=None,
            params=under(prefix, params),
            num_heads=num_heads,
            mask=mask,
            key_mask=key_mask,
            dropout=options.dropout,
            rng=options.rng,
        )
        x, cache = _add(x, look, f"norm{i}", params, options)
        caches.append((prefix, cache))
    feed = partial(_feed, params=params, options=options)
    x, last = _add(x, feed, f"norm{len(caches) + 1}", params, options)
    return x, (params, caches, last, options.norm_first)


def _chain_backward(dout: Array, cache: tuple) -> tuple[Array, list, Params]:
    """Gradients of `_chain`: dx, each attention's dmemory and dmask, and grads."""
    params, caches, last, norm_first = cache
    dx, (of_feed,), grads = _add_backward(dout, last, _feed_backward, norm_first)
    grads |= of_feed
    beside = []
    for prefix, kept in caches[::-1]:
        dx, rest, of_norm = _add_backward(dx, kept, attend_backward, norm_first)
        dmemory, _, own, dmask = rest
        grads |= of_norm | prefixed(prefix, own)
        beside.append((dmemory, dmask))
    return dx, beside[::-1], {name: grads[name] for name in params}


def _add(
    x: Array, f: Callable, norm: str, params: Params, options: Options
) -> tuple[Array, tuple]:
    """Put one part of a block, f, into its residual connection."""
    weight, bias = params[f"{norm}.weight"], params.get(f"{norm}.bias")
    bias = array_namespace(x).zeros_like(weight) if bias is None else bias
    if options.norm_first:
        y, of_norm = layer_norm(x, weight, bias, options.eps)
        y, of_f = f(y)
        y, dropped = _drop(y, options)
        out = x + y
    else:
        y, of_f = f(x)
        y, dropped = _drop(y, options)
        out, of_norm = layer_norm(x + y, weight, bias, options.eps)
    return out, (norm, of_norm, of_f, dropped)


def _add_backward(
    dout: Array, cache: tuple, f_backward: Callable, norm_first: bool
) -> tuple[Array, list, Params]:
    """Gradients of `_add`: at x, what else f_backward gave, and at the norm's."""
    norm, of_norm, of_f, dropped = cache
    x = of_norm[0]
    gradient("dout", dout, x, x.shape)
    if norm_first:
        dy, *rest = f_backward(_drop_backward(dout, dropped), of_f)
        dy, dweight, dbias = layer_norm_backward(dy, of_norm)
        dx = dout + dy
    else:
        dsum, dweight, dbias = layer_norm_backward(dout, of_norm)
        dy, *rest = f_backward(_drop_backward(dsum, dropped), of_f)
        dx = dsum + dy
    return dx, rest, {f"{norm}.weight": dweight, f"{norm}.bias": dbias}


def _feed(x: Array, params: Params, options: Options) -> tuple[Array, tuple]:
    """Feed-forward: linear2(dropout(f(linear1(x))))."""
    z, of_1 = linear(x, params["linear1.weight"], params.get("linear1.bias"))
    h, of_f = ACTIVATIONS[options.activation][0](z)
    h, dropped = _drop(h, options)
    y, of_2 = linear(h, params["linear2.weight"], params.get("linear2.bias"))
    return y, (of_1, of_f, dropped, of_2, options.activation)


def _feed_backward(dout: Array, cache: tuple) -> tuple[Array, Params]:
    """Gradients of `_feed`: dx and those of the parameters."""
    of_1, of_f, dropped, of_2, activation = cache
    dh, dW_2, db_2 = linear_backward(dout, of_2)
    dh = _drop_backward(dh, dropped)
    dz = ACTIVATIONS[activation][1](dh, of_f)
    dx, dW_1, db_1 = linear_backward(dz, of_1)
    names = "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"
    return dx, dict(zip(names, (dW_1, db_1, dW_2, db_2), strict=True))


def _drop(x: Array, options: Options) -> tuple[Array, Array | None]:
    """Drop if anything is to be dropped."""
    if not options.dropout or options.rng is None:
        return x, None
    return drop(x, options.dropout, options.rng)


def _drop_backward(dout: Array, dropped: Array | None) -> Array:
    return dout if dropped is None else dropout_backward(dout, dropped)
