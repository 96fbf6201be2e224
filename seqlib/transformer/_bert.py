"""BERT: a stack of blocks that see the whole text, and a pooler for its first token."""

from __future__ import annotations

import numpy as np

from seqlib._arrays import Array, array_namespace
from seqlib._check import flags, gradient, in_range, shapes
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
from seqlib.positions import learned, learned_backward
from seqlib.transformer import _model
from seqlib.transformer._checks import Params, check_options

OWN = {
    "word_embeddings.weight": "V E",
    "position_embeddings.weight": "P E",
    "token_type_embeddings.weight": "K E",
    "norm.weight": "E",
    "norm.bias": "E",
    "pooler.weight": "E E",
    "pooler.bias": "E",
}


def bert_shapes(
    vocab_size: int,
    max_len: int,
    num_layers: int,
    d_model: int,
    dim_feedforward: int | None = None,
    token_types: int = 2,
    pooler: bool = True,
) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every parameter of `bert`, in order.

    V = vocab_size, P = max_len, K = token_types, E = d_model, F = dim_feedforward, 4E
    unless given; pooler=False leaves it out. Errors: a size is no whole number above 0.
    """
    flags(pooler=pooler)
    F = 4 * d_model if dim_feedforward is None else dim_feedforward
    _model.check_sizes(
        vocab_size=vocab_size,
        max_len=max_len,
        num_layers=num_layers,
        d_model=d_model,
        dim_feedforward=F,
        token_types=token_types,
    )
    E = d_model
    out: _model.Shapes = {
        "word_embeddings.weight": (vocab_size, E),
        "position_embeddings.weight": (max_len, E),
        "token_type_embeddings.weight": (token_types, E),
        "norm.weight": (E,),
        "norm.bias": (E,),
    }
    out |= _model.block_shapes(num_layers, E, F)
    return out | ({"pooler.weight": (E, E), "pooler.bias": (E,)} if pooler else {})


def init_bert(
    vocab_size: int,
    max_len: int,
    num_layers: int,
    d_model: int,
    dim_feedforward: int | None = None,
    token_types: int = 2,
    pooler: bool = True,
    rng: np.random.Generator | None = None,
) -> dict[str, np.ndarray]:
    """Draw parameters for `bert`, float64: normal with deviation 0.02.

    Biases are 0, the norms' weights 1. Arguments, names and shapes: `bert_shapes`.
    Without rng, a numpy generator, each call draws anew. Errors: a size is no whole
    number above 0, rng is no generator. Source: Devlin et al. (2019); their code cuts
    the normal distribution off at two deviations.
    """
    sizes = bert_shapes(
        vocab_size, max_len, num_layers, d_model, dim_feedforward, token_types, pooler
    )
    return _model.draw(sizes, num_layers, rng, residual=False)


def bert(
    ids: Array,
    params: Params,
    num_heads: int,
    key_mask: Array | None = None,
    token_type_ids: Array | None = None,
    activation: str = "gelu",
    eps: float = 1e-12,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, Array | None, tuple]:
    """Hidden states of a text, and one vector for all of it.

    x = norm(W_e[ids] + W_s[token_type_ids] + W_p), hidden = block_L(... block_1(x)),
    pooled = tanh(W hidden_0 + b), where hidden_0 is that of the first token, `[CLS]`.
    The blocks are `encoder_block`, post-norm, without a causal mask.

    Parameters
    ----------
    ids : (B, T) integers from 0 to V-1
    params : `word_embeddings.weight` W_e (V, E), `position_embeddings.weight` W_p
        (P, E), `token_type_embeddings.weight` W_s (K, E); `norm.weight`, `norm.bias`
        (E,); `blocks.0.`, `blocks.1.` and so on, what `encoder_block` takes; and, if
        there is a pooler, `pooler.weight` (E, E), `pooler.bias` (E,). Biases may be
        left out
    num_heads : H, which divides E
    key_mask : (B, T) booleans, True = real; what is not real no one attends to
    token_type_ids : (B, T) integers from 0 to K-1, first or second sentence; None for 0
    activation, eps : as for `encoder_block`
    dropout, rng : probability of zeroing, after the first norm and in every block, and
        the generator that decides

    Returns
    -------
    hidden : (B, T, E)
    pooled : (B, E), or None without a pooler
    cache : for `bert_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Positions are 0 to T-1 in every row. Equations (19.7), (19.9) and (19.14) of the
    book. Source: Devlin et al. (2019).
    """
    check_options(activation, eps, dropout, rng)
    _check(ids, params, num_heads, key_mask, token_type_ids)
    xp = array_namespace(ids)
    types = xp.zeros_like(ids) if token_type_ids is None else token_type_ids
    x, of_words = embedding(ids, params["word_embeddings.weight"])
    s, of_types = embedding(types, params["token_type_embeddings.weight"])
    x, of_positions = learned(x + s, params["position_embeddings.weight"])
    weight, bias = params["norm.weight"], params.get("norm.bias")
    bias = xp.zeros_like(weight) if bias is None else bias
    x, of_norm = layer_norm(x, weight, bias, eps)
    x, dropped = drop(x, dropout, rng) if dropout and rng else (x, None)
    mask = None if key_mask is None else key_mask[:, None, :]
    more = {"activation": activation, "eps": eps, "dropout": dropout, "rng": rng}
    hidden, of_blocks = _model.run_blocks(x, params, num_heads, mask, **more)
    pooled, of_pooler = None, None
    if "pooler.weight" in params:
        W, b = params["pooler.weight"], params.get("pooler.bias")
        z, of_linear = linear(hidden[:, 0, :], W, b)
        pooled = xp.tanh(z)
        of_pooler = of_linear, pooled
    of_embeddings = of_words, of_types, of_positions, of_norm, dropped
    return hidden, pooled, (params, of_embeddings, of_blocks, of_pooler)


def bert_backward(dhidden: Array | None, dpooled: Array | None, cache: tuple) -> Params:
    """Gradients of `bert`: a dict as params; there is none for ids, whole numbers.

    Shapes: dhidden (B, T, E), dpooled (B, E), either of them None for zeros. Errors:
    one has not the shape, library or float type of the result, or both are None.
    Equations (19.8) and (19.14) of the book.
    """
    params, of_embeddings, of_blocks, of_pooler = cache
    of_words, of_types, of_positions, of_norm, dropped = of_embeddings
    x = of_norm[0]
    xp = array_namespace(x)
    if dhidden is None and dpooled is None:
        raise ValueError("dhidden and dpooled must not both be None")
    if dhidden is not None:
        gradient("dhidden", dhidden, x, x.shape)
    dx = xp.zeros_like(x) if dhidden is None else dhidden
    grads: Params = {}
    if of_pooler is not None:
        of_linear, pooled = of_pooler
        dpooled = xp.zeros_like(pooled) if dpooled is None else dpooled
        gradient("dpooled", dpooled, pooled, pooled.shape)
        dfirst, dW, db = linear_backward(dpooled * (1 - pooled * pooled), of_linear)
        grads |= {"pooler.weight": dW, "pooler.bias": db}
        rest = dx[:, 1:, :]
        dx = xp.concat([dx[:, :1, :] + dfirst[:, None, :], rest], axis=1)
    elif dpooled is not None:
        raise ValueError("dpooled must be None: params had no pooler")
    dx, of_params = _model.run_blocks_backward(dx, of_blocks)
    dx = dx if dropped is None else dropout_backward(dx, dropped)
    dx, dweight, dbias = layer_norm_backward(dx, of_norm)
    grads |= of_params | {"norm.weight": dweight, "norm.bias": dbias}
    grads["word_embeddings.weight"] = embedding_backward(dx, of_words)
    grads["token_type_embeddings.weight"] = embedding_backward(dx, of_types)
    grads["position_embeddings.weight"] = learned_backward(dx, of_positions)[1]
    return {name: grads[name] for name in params}


def _check(
    ids: Array,
    params: Params,
    num_heads: int,
    key_mask: Array | None,
    token_type_ids: Array | None,
) -> None:
    """Check all that `bert` computes with."""
    n = _model.check_params(params, OWN, ["pooler.weight"], num_heads)
    if "pooler.bias" in params and "pooler.weight" not in params:
        raise ValueError("params must hold pooler.weight, which it lacks")
    n |= shapes(
        **{"word_embeddings.weight": (params["word_embeddings.weight"], "V E")},
        ids=(ids, "B T", "int"),
        key_mask=(key_mask, "B T?", "bool"),
        token_type_ids=(token_type_ids, "B T?", "int"),
    )
    in_range("ids", ids, n["V"])
    if token_type_ids is not None:
        in_range("token_type_ids", token_type_ids, n["K"])
    if n["T"] > n["P"]:
        raise ValueError(f"ids must have at most P={n['P']} positions, got {n['T']}")
