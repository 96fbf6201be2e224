"""GPT: a stack of causal blocks that predicts the next token."""

from __future__ import annotations

import numpy as np

from seqlib._arrays import Array, array_namespace
from seqlib._check import flags, in_range, shapes
from seqlib.functional import dropout as drop
from seqlib.functional import (
    dropout_backward,
    embedding,
    embedding_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
)
from seqlib.masks import causal_mask
from seqlib.positions import learned, learned_backward
from seqlib.transformer import _model
from seqlib.transformer._checks import Params, check_options

OWN = {
    "wte.weight": "V E",
    "wpe.weight": "P E",
    "norm.weight": "E",
    "norm.bias": "E",
    "lm_head.weight": "V E",
}


def gpt_shapes(
    vocab_size: int,
    max_len: int,
    num_layers: int,
    d_model: int,
    dim_feedforward: int | None = None,
    bias: bool = True,
    tied: bool = True,
) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every parameter of `gpt`, in order.

    V = vocab_size, P = max_len, E = d_model, F = dim_feedforward, 4E unless given;
    bias=False leaves out all biases, and tied=True `lm_head.weight`. Errors: a size is
    no whole number above 0. Equation (18.8) of the book counts them.
    """
    flags(bias=bias, tied=tied)
    F = 4 * d_model if dim_feedforward is None else dim_feedforward
    _model.check_sizes(
        vocab_size=vocab_size,
        max_len=max_len,
        num_layers=num_layers,
        d_model=d_model,
        dim_feedforward=F,
    )
    V, E = vocab_size, d_model
    out: _model.Shapes = {"wte.weight": (V, E), "wpe.weight": (max_len, E)}
    out |= _model.block_shapes(num_layers, E, F, bias) | {"norm.weight": (E,)}
    out |= {"norm.bias": (E,)} if bias else {}
    return out if tied else out | {"lm_head.weight": (V, E)}


def init_gpt(
    vocab_size: int,
    max_len: int,
    num_layers: int,
    d_model: int,
    dim_feedforward: int | None = None,
    bias: bool = True,
    tied: bool = True,
    rng: np.random.Generator | None = None,
) -> dict[str, np.ndarray]:
    """Draw parameters for `gpt`, float64: normal with deviation 0.02, as in GPT-2.

    What each of the 2L parts of L blocks adds, `out_proj` and `linear2`, is drawn
    smaller by sqrt(2L); biases are 0, the norms' weights 1. Arguments, names and
    shapes: `gpt_shapes`. Without rng, a numpy generator, each call draws anew. Errors:
    a size is no whole number above 0, rng is no generator. Source: Radford et al.
    (2019), section 2.3.
    """
    sizes = gpt_shapes(
        vocab_size, max_len, num_layers, d_model, dim_feedforward, bias, tied
    )
    return _model.draw(sizes, num_layers, rng, residual=True)


def gpt(
    ids: Array,
    params: Params,
    num_heads: int,
    key_mask: Array | None = None,
    positions: Array | None = None,
    head: bool = True,
    activation: str = "gelu_tanh",
    eps: float = 1e-5,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, tuple]:
    """Logits of the next token: norm(block_L(... block_1(W_e[ids] + W_p))) W_e'.

    The blocks are `encoder_block`, pre-norm, under a causal mask: position t sees none
    after it.

    Parameters
    ----------
    ids : (B, T) integers from 0 to V-1
    params : `wte.weight` W_e (V, E), tokens; `wpe.weight` W_p (P, E), positions;
        `blocks.0.`, `blocks.1.` and so on, what `encoder_block` takes; `norm.weight`,
        `norm.bias` (E,); and `lm_head.weight` (V, E) if the output has its own weight
        in place of W_e. Biases may be left out
    num_heads : H, which divides E
    key_mask : (B, T) booleans, True = real; what is not real no one attends to
    positions : (B, T) integers from 0 to P-1, or None for 0 to T-1 in every row. For
        rows padded on the left, `positions_from` counts what is real
    head : False for what the last norm makes, (B, T, E), without the logits
    activation, eps : as for `encoder_block`
    dropout, rng : probability of zeroing, after the embeddings and in every block, and
        the generator that decides

    Returns
    -------
    logits : (B, T, V), and the cache for `gpt_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equations (18.4) to (18.6) of the book. Sources: Radford et al. (2018, 2019); Press
    & Wolf (2017) for the tied output.
    """
    check_options(activation, eps, dropout, rng)
    flags(head=head)
    check_gpt(ids, params, num_heads, key_mask, positions)
    x, of_first = embed(ids, params, positions, dropout, rng)
    more = {"activation": activation, "eps": eps, "dropout": dropout, "rng": rng}
    mask = look_back(x, key_mask)  # once for all blocks
    x, of_blocks = _model.run_blocks(
        x, params, num_heads, mask, norm_first=True, **more
    )
    out, of_last = predict(x, params, head, eps)
    return out, (params, of_first, of_blocks, of_last)


def gpt_backward(dout: Array, cache: tuple) -> Params:
    """Gradients of `gpt`: a dict as params; there is none for ids, whole numbers.

    A tied W_e receives a sum, from the logits and from the tokens. Shapes: dout
    (B, T, V), or (B, T, E) without head. Errors: dout has not the shape, library or
    float type of the result. Equation (18.7) of the book.
    """
    params, of_first, of_blocks, of_last = cache
    dx, grads = predict_backward(dout, of_last)
    dx, of_params = _model.run_blocks_backward(dx, of_blocks)
    grads |= of_params
    for name, g in embed_backward(dx, of_first).items():
        grads[name] = grads[name] + g if name in grads else g
    if (own := "lm_head.weight") in params and own not in grads:
        grads[own] = array_namespace(dx).zeros_like(params[own])
    return {name: grads[name] for name in params}


def embed(
    ids: Array,
    params: Params,
    positions: Array | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, tuple]:
    """Make what goes into the first block, W_e[ids] + W_p, of checked arguments."""
    x, of_words = embedding(ids, params["wte.weight"])
    if positions is None:
        x, of_positions = learned(x, params["wpe.weight"])
    else:
        p, of_positions = embedding(positions, params["wpe.weight"])
        x = x + p
    x, dropped = drop(x, dropout, rng) if dropout and rng else (x, None)
    return x, (of_words, of_positions, positions is None, dropped)


def embed_backward(dx: Array, cache: tuple) -> Params:
    """Gradients of `embed`, those of its two parameters."""
    of_words, of_positions, in_order, dropped = cache
    dx = dx if dropped is None else dropout_backward(dx, dropped)
    dW_e = embedding_backward(dx, of_words)
    if in_order:
        _, dW_p = learned_backward(dx, of_positions)
    else:
        dW_p = embedding_backward(dx, of_positions)
    return {"wte.weight": dW_e, "wpe.weight": dW_p}


def look_back(x: Array, key_mask: Array | None) -> Array:
    """Return the mask under which positions see themselves and what is real before."""
    mask = causal_mask(x.shape[1], x)
    return mask if key_mask is None else mask & key_mask[:, None, :]


def predict(x: Array, params: Params, head: bool, eps: float) -> tuple[Array, tuple]:
    """Make logits of what the last block gives, or without head its norm alone."""
    h, of_norm = last_norm(x, params, eps)
    out, of_head = linear(h, params[output_name(params)]) if head else (h, None)
    return out, (list(of_output(params, head)), of_norm, of_head)


def predict_backward(dout: Array, cache: tuple) -> tuple[Array, Params]:
    """Gradients of `predict`: dx, and those of the parameters that it used."""
    names, of_norm, of_head = cache
    dW = None
    if of_head is not None:
        dout, dW, _ = linear_backward(dout, of_head)
    dx, dweight, dbias = layer_norm_backward(dout, of_norm)
    grads = {"norm.weight": dweight, "norm.bias": dbias}
    return dx, {name: grads.get(name, dW) for name in names}


def positions_from(key_mask: Array) -> Array:
    """Count what is real: p_t = (real ones up to t) - 1, and 0 before the first.

    For a row padded on the left these are the positions of the row without padding.
    Shapes: key_mask (B, T) booleans, result (B, T) integers. Errors: key_mask holds no
    booleans.
    """
    shapes(key_mask=(key_mask, "B T", "bool"))
    xp = array_namespace(key_mask)
    count = xp.cumulative_sum(xp.astype(key_mask, xp.int64), axis=1) - 1
    return xp.where(count > 0, count, xp.zeros_like(count))


def check_gpt(
    ids: Array,
    params: Params,
    num_heads: int,
    key_mask: Array | None,
    positions: Array | None,
) -> dict[str, int]:
    """Check all that `gpt` computes with; return the sizes by their letters."""
    n = _model.check_params(params, OWN, ["lm_head.weight"], num_heads)
    W = params["wte.weight"]
    n |= shapes(
        **{"wte.weight": (W, "V E")},
        ids=(ids, "B T", "int"),
        key_mask=(key_mask, "B T?", "bool"),
        positions=(positions, "B T?", "int"),
    )
    in_range("ids", ids, n["V"])
    if positions is not None:
        in_range("positions", positions, n["P"])
    elif n["T"] > n["P"]:
        raise ValueError(f"ids must have at most P={n['P']} positions, got {n['T']}")
    return n


def last_norm(x: Array, params: Params, eps: float) -> tuple[Array, tuple]:
    """Apply the layer norm after the last block, its bias 0 where there is none."""
    weight, bias = params["norm.weight"], params.get("norm.bias")
    bias = array_namespace(x).zeros_like(weight) if bias is None else bias
    return layer_norm(x, weight, bias, eps)


def of_output(params: Params, head: bool) -> Params:
    """Return those of the parameters that `predict` uses."""
    names = ["norm.weight", "norm.bias", *([output_name(params)] if head else [])]
    return {name: params[name] for name in names if name in params}


def output_name(params: Params) -> str:
    """Return the name of the weight of the logits: its own, or that of the tokens."""
    return "lm_head.weight" if "lm_head.weight" in params else "wte.weight"
