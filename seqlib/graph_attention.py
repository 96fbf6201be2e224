"""Graph attention: every node attends to its neighbours, and to itself."""

from __future__ import annotations

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import flags, gradient, number, one_of, shapes
from seqlib._params import check_names
from seqlib._weigh import weigh, weigh_backward

NAMES = {False: ("W", "a_q", "a_k"), True: ("W_q", "W_k", "a")}
AXES = {"W": "H O D", "a_q": "H O", "a_k": "H O"}
AXES |= {"W_q": "H O D", "W_k": "H O D", "a": "H O"}


def graph_attention(
    x: Array,
    adjacency: Array,
    params: dict[str, Array],
    dynamic: bool = False,
    merge: str = "concat",
    slope: float = 0.2,
    self_loops: bool = True,
    return_weights: bool = False,
) -> tuple[Array, ...]:
    """Attention over a graph: out_i = sum_j p_ij W x_j, p_i = softmax over neighbours.

    The score of node j for node i is e_ij = LeakyReLU(a_q' W x_i + a_k' W x_j): one
    projection W for queries, keys and values. The order in which it ranks the keys is
    that of a_k' W x_j, the same for every query. With `dynamic` (GATv2) the score is
    e_ij = a' LeakyReLU(W_q x_i + W_k x_j), values W_k x_j, and the order may differ.

    Parameters
    ----------
    x : (B, N, D) or (N, D), the nodes' features
    adjacency : (N, N), or (B, N, N), booleans: True where node i (row) receives from
        node j (column)
    params : `W` (H, O, D), `a_q` and `a_k` (H, O), for H heads; or with dynamic
        `W_q`, `W_k` (H, O, D) and `a` (H, O). A bias `b`, (H O,) or with
        merge="mean" (O,), may be among them
    dynamic : True for GATv2
    merge : "concat" puts the heads' results side by side, "mean" averages them
    slope : of LeakyReLU below zero
    self_loops : True lets every node attend to itself, whatever adjacency says
    return_weights : True to have (out, weights, cache), weights (B, H, N, N)

    Returns
    -------
    out : (B, N, H O), or (B, N, O) with merge="mean"; and the cache. A node without
        neighbours receives itself, or without self_loops zeros; then b is added

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equations (20.4) and, dynamic, (20.6) of the book. Sources: Veličković et al.
    (2018), equations 1 to 6, before the last nonlinearity; Brody, Alon & Yahav (2022)
    for `dynamic`.
    """
    flags(dynamic=dynamic, self_loops=self_loops, return_weights=return_weights)
    _check(x, adjacency, params, dynamic, merge, slope)
    xp = array_namespace(x)
    mask = adjacency
    if self_loops:
        mask = mask | xp.eye(x.shape[-2], dtype=xp.bool, device=device(x))
    mask = mask[:, None, :, :] if mask.ndim == 3 else mask
    if dynamic:
        q, v = _project(x, params["W_q"]), _project(x, params["W_k"])  # (..., H, N, O)
        z = q[..., :, None, :] + v[..., None, :, :]  # (..., H, N, N, O)
        a = params["a"][:, None, None, :]
        scores = xp.sum(a * _leaky(z, slope), axis=-1)
    else:
        q = v = _project(x, params["W"])
        of_q = xp.sum(q * params["a_q"][:, None, :], axis=-1)  # (..., H, N)
        of_k = xp.sum(v * params["a_k"][:, None, :], axis=-1)
        z = of_q[..., :, None] + of_k[..., None, :]  # (..., H, N, N)
        scores = _leaky(z, slope)
    heads, weights, of_heads = weigh(scores, v, mask)
    out = _merge(heads, merge)
    out = out + params["b"] if "b" in params else out
    cache = (x, params, z, q, v, of_heads, (dynamic, merge, slope, out.shape))
    return (out, weights, cache) if return_weights else (out, cache)


def graph_attention_backward(
    dout: Array, cache: tuple, dweights: Array | None = None
) -> tuple[Array, dict[str, Array]]:
    """Gradients of `graph_attention`: dx, and a dict as params.

    With dz the gradient inside LeakyReLU, the query's part receives its sum over the
    keys, the key's part the sum over the queries, and W x_j all that comes to it as a
    value too. Shapes: dout as the result, dweights (B, H, N, N) or None. Errors: a
    gradient does not fit.
    """
    x, params, z, q, v, of_heads, (dynamic, merge, slope, shape) = cache
    gradient("dout", dout, x, shape)
    xp = array_namespace(x)
    H = q.shape[-3]
    dheads = _split(dout, H) if merge == "concat" else _repeat(dout, H)
    dscores, dv, _ = weigh_backward(dheads, dweights, of_heads)
    rise = xp.where(z > 0, xp.ones_like(z), xp.full_like(z, slope))
    nodes = tuple(range(x.ndim - 2))  # the batch, if there is one
    grads = {}
    if dynamic:
        dz = dscores[..., None] * params["a"][:, None, None, :] * rise
        da = xp.sum(dscores[..., None] * (z * rise), axis=(-3, -2))
        grads["a"] = xp.sum(da, axis=nodes)
        dq, dv = xp.sum(dz, axis=-2), dv + xp.sum(dz, axis=-3)
        dx_q, grads["W_q"] = _project_backward(dq, x, params["W_q"])
        dx_k, grads["W_k"] = _project_backward(dv, x, params["W_k"])
        dx = dx_q + dx_k
    else:
        dz = dscores * rise
        of_q, of_k = (xp.sum(dz, axis=i)[..., None] for i in (-1, -2))  # (..., H, N, 1)
        for name, part in (("a_q", of_q), ("a_k", of_k)):
            grads[name] = xp.sum(xp.sum(part * v, axis=-2), axis=nodes)
            dv = dv + part * params[name][:, None, :]
        dx, grads["W"] = _project_backward(dv, x, params["W"])
    if "b" in params:
        grads["b"] = xp.sum(dout, axis=tuple(range(dout.ndim - 1)))
    return dx, {name: grads[name] for name in params}


def _project(x: Array, W: Array) -> Array:
    """Return W_h x_i for all heads: (..., N, D) to (..., H, N, O)."""
    return x[..., None, :, :] @ W.mT


def _project_backward(dout: Array, x: Array, W: Array) -> tuple[Array, Array]:
    xp = array_namespace(x)
    dW = dout.mT @ x[..., None, :, :]  # (..., H, O, D)
    dx = xp.sum(dout @ W, axis=-3)
    return dx, xp.sum(dW, axis=tuple(range(x.ndim - 2)))


def _leaky(z: Array, slope: float) -> Array:
    return array_namespace(z).where(z > 0, z, slope * z)


def _merge(heads: Array, merge: str) -> Array:
    """Put (..., H, N, O) side by side, (..., N, H O), or average, (..., N, O)."""
    xp = array_namespace(heads)
    if merge == "mean":
        return xp.mean(heads, axis=-3)
    *lead, H, N, O = heads.shape
    return xp.reshape(xp.moveaxis(heads, -3, -2), (*lead, N, H * O))


def _split(dout: Array, H: int) -> Array:
    xp = array_namespace(dout)
    *lead, N, E = dout.shape
    return xp.moveaxis(xp.reshape(dout, (*lead, N, H, E // H)), -2, -3)


def _repeat(dout: Array, H: int) -> Array:
    *lead, N, O = dout.shape
    return array_namespace(dout).broadcast_to(
        dout[..., None, :, :] / H, (*lead, H, N, O)
    )


def _check(
    x: Array,
    adjacency: Array,
    params: dict[str, Array],
    dynamic: bool,
    merge: str,
    slope: float,
) -> None:
    shapes(x=(x, "..."))
    many = x.ndim == 3
    if x.ndim not in (2, 3):
        raise ValueError(f"x must have shape (B, N, D) or (N, D), got {tuple(x.shape)}")
    one_of("merge", merge, ("concat", "mean"))
    number("slope", slope, 0)
    names = NAMES[dynamic]
    if not isinstance(params, dict):
        raise TypeError(f"params must be a dict of arrays, got {type(params).__name__}")
    check_names(params, (*names, "b"), ["b"])
    n = shapes(**{name: (params[name], AXES[name]) for name in names})
    size = n["O"] if merge == "mean" else n["H"] * n["O"]
    batch = "B " if many and getattr(adjacency, "ndim", 2) == 3 else ""
    first = names[0]
    shapes(
        **{first: (params[first], "H O D")},
        **({"b": (params["b"], f"{size}")} if "b" in params else {}),
        x=(x, "B N D" if many else "N D"),
        adjacency=(adjacency, f"{batch}N N", "bool"),
    )
