"""Multi-head attention, with the parameters of torch.nn.MultiheadAttention."""

from __future__ import annotations

import numpy as np
from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import flags, generator, gradient, number, shapes, whole
from seqlib._weigh import weigh_products, weigh_products_backward
from seqlib.functional import linear, linear_backward
from seqlib.masks import check_masks, sum_to

SEPARATE = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
OPTIONAL = ("in_proj_bias", "out_proj.bias")


def multi_head_attention(
    query: Array,
    key: Array | None,
    value: Array | None,
    params: dict[str, Array],
    num_heads: int,
    mask: Array | None = None,
    key_mask: Array | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
    add_zero_attn: bool = False,
    return_weights: bool = False,
) -> tuple[Array, ...]:
    """Attention in H subspaces at once: out = W_o [head_1; ...; head_H] + b_o.

    head_h = softmax(q_h' k_h / sqrt(E/H)) v_h, where q_h, k_h, v_h are the h-th part,
    of size E/H, of W_q query + b_q, W_k key + b_k, W_v value + b_v.

    Parameters
    ----------
    query : (B, T, E)
    key : (B, S, K), or None for self-attention, where all three are the query
    value : (B, S, V), or None for the key once more
    params : flat dict with torch's names: `in_proj_weight` (3E, E), rows of W_q, then
        W_k, then W_v, or where K or V is not E `q_proj_weight` (E, E), `k_proj_weight`
        (E, K), `v_proj_weight` (E, V); `out_proj.weight` (E, E); and, if there are
        biases, `in_proj_bias` (3E,), `out_proj.bias` (E,); `bias_k`, `bias_v`
        (1, 1, E), one more key and value, the same for every sequence
    num_heads : H, which divides E
    mask : (T, S), (B, T, S) or (B, H, T, S), sizes of 1 are broadcast: booleans, True =
        attend, or floats, which are added to the scores
    key_mask : (B, S) booleans, True = real
    dropout, rng : probability of dropping a weight, and the generator that decides
    add_zero_attn : True for one more key and value, all zeros
    return_weights : True to have (out, weights, cache), weights (B, H, T, S), with a
        column more for `bias_k` and for `add_zero_attn`, after dropout as in torch

    Returns
    -------
    out : (B, T, E), and the cache for `multi_head_attention_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    A query that may attend to nothing receives b_o (torch: NaN, or b_o, as it goes).
    Equations (16.9) and (16.10) of the book.
    Source: Vaswani et al. (2017), section 3.2.2.
    """
    n = _check(query, key, value, params, num_heads, mask, key_mask)
    flags(add_zero_attn=add_zero_attn, return_weights=return_weights)
    number("dropout", dropout, 0, 1, below=True)
    if dropout:
        generator("rng", rng)
    xp = array_namespace(query)
    B, S, E = n["B"], n["S"], n["E"]
    inputs = (query, key, value)
    pieces, of_in = _project(inputs, params, E)
    q, *memory = pieces  # (B, T, E), and twice (B, S, E)
    extra = ("bias_k" in params) + add_zero_attn
    for i, name in enumerate(("bias_k", "bias_v")):
        parts = [memory[i]]
        if name in params:
            parts.append(xp.broadcast_to(params[name], (B, 1, E)))
        if add_zero_attn:
            parts.append(xp.zeros((B, 1, E), dtype=q.dtype, device=device(q)))
        memory[i] = xp.concat(parts, axis=1) if extra else memory[i]
    q, k, v = (_split(a, num_heads) for a in (q, *memory))  # (B, H, T, E/H) ...
    merged = _merge(mask, key_mask, S, extra)
    q = q * (E // num_heads) ** -0.5
    options = dropout, rng, return_weights
    heads, weights, of_heads = weigh_products(q, k, v, merged, *options)
    W_o, b_o = params["out_proj.weight"], params.get("out_proj.bias")
    out, of_out = linear(_join(heads), W_o, b_o)
    kept = (num_heads, S, extra, None if mask is None else tuple(mask.shape))
    cache = (params, of_in, of_heads, of_out, kept)
    return (out, weights, cache) if return_weights else (out, cache)


def multi_head_attention_backward(
    dout: Array, cache: tuple, dweights: Array | None = None
) -> tuple:
    """Gradients of `multi_head_attention`: dquery, dkey, dvalue, grads, dmask.

    Equations (16.11) to (16.15) of the book.

    Parameters
    ----------
    dout : (B, T, E) gradient at the result
    cache : what `multi_head_attention` returned
    dweights : gradient at the weights, as they were returned, or None for zeros

    Returns
    -------
    dquery (B, T, E), dkey (B, S, K), dvalue (B, S, V), None where the input was None
    (its share is then in the gradient of what stood for it); grads, a dict as params;
    dmask as the mask if that was of floats, else None

    Raises
    ------
    ValueError, TypeError
        A gradient has not the shape, library or float type of what it belongs to.
    """
    params, of_in, of_heads, of_out, kept = cache
    num_heads, S, extra, shape = kept
    q = of_heads[0]
    B, H, T, d = q.shape
    gradient("dout", dout, q, (B, T, H * d))
    if dweights is not None:
        gradient("dweights", dweights, q, (B, H, T, S + extra))
    xp = array_namespace(q)
    dheads, dW_o, db_o = linear_backward(dout, of_out)
    dheads = _split(dheads, num_heads)
    dq, dk, dv, dmask = weigh_products_backward(dheads, dweights, of_heads)
    dq = _join(dq) * d**-0.5
    dmemory = [_join(dk), _join(dv)]
    grads = {"out_proj.weight": dW_o, "out_proj.bias": db_o}
    if "bias_k" in params:
        for name, da in zip(("bias_k", "bias_v"), dmemory, strict=True):
            grads[name] = xp.sum(da[:, S : S + 1, :], axis=0, keepdims=True)
    dmemory = [da[:, :S, :] for da in dmemory]
    dinputs, of_params = _project_backward((dq, *dmemory), of_in)
    grads |= of_params
    if dmask is not None and shape is not None:
        aligned = shape if len(shape) != 3 else (shape[0], 1, *shape[1:])
        dmask = xp.reshape(sum_to(dmask[..., :S], aligned), shape)
    return *dinputs, {name: grads[name] for name in params}, dmask


def check_params(params: dict[str, Array], prefix: str = "") -> int:
    """Check names and shapes of the parameters behind a prefix; return E."""
    if not isinstance(params, dict):
        raise TypeError(
            f"params must be a dict from torch's names to arrays, "
            f"got {type(params).__name__}"
        )
    mine = {str(n)[len(prefix) :] for n in params if str(n).startswith(prefix)}
    wanted = {"out_proj.weight"}
    wanted |= set(SEPARATE) if mine & set(SEPARATE) else {"in_proj_weight"}
    wanted |= {"bias_k", "bias_v"} if mine & {"bias_k", "bias_v"} else set()
    if missing := sorted(prefix + n for n in wanted - mine):
        raise ValueError(f"params must hold {', '.join(missing)}, which it lacks")
    if strange := sorted(prefix + n for n in mine - wanted - set(OPTIONAL)):
        raise ValueError(f"params must not hold {', '.join(strange)}, unused here")
    W_o = params[prefix + "out_proj.weight"]
    E = shapes(**{prefix + "out_proj.weight": (W_o, "E E")})["E"]
    axes = {
        "in_proj_weight": f"{3 * E} {E}",
        "q_proj_weight": f"{E} {E}",
        "k_proj_weight": f"{E} K",
        "v_proj_weight": f"{E} V",
        "in_proj_bias": f"{3 * E}",
        "out_proj.bias": f"{E}",
        "bias_k": f"1 1 {E}",
        "bias_v": f"1 1 {E}",
    }
    arrays = {prefix + n: (params[prefix + n], a) for n, a in axes.items() if n in mine}
    shapes(**{prefix + "out_proj.weight": (W_o, "E E"), **arrays})
    return E


def check_heads(num_heads: int, E: int) -> None:
    """Raise unless E can be cut into so many heads of equal size."""
    whole("num_heads", num_heads, 1, E)
    if E % num_heads:
        raise ValueError(f"num_heads must divide E={E}, got {num_heads}")


def _check(
    query: Array,
    key: Array | None,
    value: Array | None,
    params: dict[str, Array],
    num_heads: int,
    mask: Array | None,
    key_mask: Array | None,
) -> dict[str, int]:
    """Check all of the input; return the sizes B, T, S and E."""
    E = check_params(params)
    check_heads(num_heads, E)
    W_o = params["out_proj.weight"]
    n = shapes(**{"out_proj.weight": (W_o, "E E"), "query": (query, "B T E")})
    sizes = [params[name].shape[1] if name in params else E for name in SEPARATE]
    if key is None and value is not None:
        raise ValueError("value must be None where key is None, got an array")
    if (key is None and sizes[1] != E) or (value is None and sizes[2] != sizes[1]):
        name = "key" if key is None else "value"
        raise ValueError(
            f"{name} must be given, since k_proj and v_proj differ in size"
        )
    S = n["T"]
    if key is not None:
        axes = f"{n['B']} S {sizes[1]}"
        S = shapes(query=(query, "..."), key=(key, axes))["S"]
    if value is not None:
        shapes(query=(query, "..."), value=(value, f"{n['B']} {S} {sizes[2]}"))
    check_masks(query, (n["B"], num_heads, n["T"], S), mask, key_mask)
    return {**n, "S": S}


def _project(inputs: tuple, params: dict[str, Array], E: int) -> tuple[list, tuple]:
    """Return queries, keys and values, and the cache.

    Inputs that are one and the same share one product, where torch's packed weight
    lies ready for it: `groups` holds those that go together, 0 for the query.
    """
    groups = [[0], [1], [2]]
    if "in_proj_weight" in params and inputs[2] is None:
        groups = [[0, 1, 2]] if inputs[1] is None else [[0], [1, 2]]
    bias, pieces, caches = params.get("in_proj_bias"), [], []
    for group in groups:
        rows = slice(E * group[0], E * (group[-1] + 1))
        W = params.get("in_proj_weight")
        W = params[SEPARATE[group[0]]] if W is None else W[rows, :]
        x = next(x for x in inputs[group[0] :: -1] if x is not None)
        y, cache = linear(x, W, None if bias is None else bias[rows])
        pieces += [y[..., E * i : E * (i + 1)] for i in range(len(group))]
        caches.append(cache)
    given = [x is not None for x in inputs]
    return pieces, (groups, caches, given, "in_proj_weight" in params)


def _project_backward(dpieces: tuple, cache: tuple) -> tuple[list, dict]:
    """Gradients of `_project`: at the inputs, None for None, and at the parameters."""
    groups, caches, given, packed = cache
    xp = array_namespace(dpieces[0])
    dinputs, weights, biases = [None, None, None], [], []
    for group, of_linear in zip(groups, caches, strict=True):
        parts = [dpieces[i] for i in group]
        dy = parts[0] if len(parts) == 1 else xp.concat(parts, axis=-1)
        dx, dW, db = linear_backward(dy, of_linear)
        i = next(i for i in range(group[0], -1, -1) if given[i])
        dinputs[i] = dx if dinputs[i] is None else dinputs[i] + dx
        weights.append(dW)
        biases.append(db)
    grads = {"in_proj_weight": xp.concat(weights)} if packed else {}
    grads |= {} if packed else dict(zip(SEPARATE, weights, strict=True))
    if biases[0] is not None:
        grads["in_proj_bias"] = xp.concat(biases)
    return dinputs, grads


def _merge(
    mask: Array | None, key_mask: Array | None, S: int, extra: int
) -> Array | None:
    """Make one mask for the scores (B, H, T, S + extra) of both."""
    if mask is not None and mask.ndim == 3:
        mask = mask[:, None, :, :]
    if key_mask is not None:
        real = key_mask[:, None, None, :]
        xp = array_namespace(real)
        if mask is None or xp.isdtype(mask.dtype, "bool"):
            mask = real if mask is None else mask & real
        else:
            mask = xp.where(real, mask, -np.inf)
    if mask is not None and extra:  # more keys, to which everyone may attend
        xp = array_namespace(mask)
        mask = xp.broadcast_to(mask, (*mask.shape[:-1], S))
        open_, like = (*mask.shape[:-1], extra), {"device": device(mask)}
        zeros = xp.zeros(open_, dtype=mask.dtype, **like)
        more = ~zeros if xp.isdtype(mask.dtype, "bool") else zeros
        mask = xp.concat([mask, more], axis=-1)
    return mask


def _split(x: Array, H: int) -> Array:
    """(B, T, E) to (B, H, T, E/H), each head's matrix in one piece."""
    xp = array_namespace(x)
    B, T, E = x.shape
    x = xp.permute_dims(xp.reshape(x, (B, T, H, E // H)), (0, 2, 1, 3))
    x = xp.reshape(x, (B * H, T, E // H))  # copies, so that products need not
    return xp.reshape(x, (B, H, T, E // H))


def _join(x: Array) -> Array:
    """(B, H, T, d) to (B, T, H * d)."""
    xp = array_namespace(x)
    B, H, T, d = x.shape
    return xp.reshape(xp.permute_dims(x, (0, 2, 1, 3)), (B, T, H * d))
