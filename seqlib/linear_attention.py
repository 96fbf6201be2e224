"""Linear attention: the softmax is replaced by a product, and attention by a state.

With a feature map φ > 0 the weight of key s for query t is φ(q_t)' φ(k_s), and the sum
over keys can be taken before the query is known. So the causal form has three faces
that give equal numbers, `chunk` choosing among them: all steps at once, a masked
product (T, T); step by step, a recurrent network whose state is a matrix; and chunks,
parallel inside and recurrent from one to the next.
"""

from __future__ import annotations

from array_api_compat import device

from seqlib._arrays import Array, State, array_namespace
from seqlib._check import flags, gradient, parts, shapes, whole


def feature_map(x: Array) -> tuple[Array, Array]:
    """Positive features φ(x) = elu(x) + 1: x + 1 above zero, exp(x) below.

    Shapes: x and the result (...). Errors: x is no array of floats, or empty. Source:
    Katharopoulos et al. (2020), equation 7.
    """
    shapes(x=(x, "..."))
    out = _features(x)
    return out, out


def feature_map_backward(dout: Array, cache: Array) -> Array:
    """Gradient of `feature_map`: dx = dout min(φ(x), 1); shapes (...)."""
    gradient("dout", dout, cache, cache.shape)
    return dout * _slope(cache)


def linear_attention(
    q: Array,
    k: Array,
    v: Array,
    state: State | None = None,
    key_mask: Array | None = None,
    causal: bool = True,
    chunk: int | None = None,
) -> tuple[Array, State, tuple]:
    """Attention with weights φ(q_t)' φ(k_s): out_t = φ(q_t)' S_t / (φ(q_t)' z_t).

    The state is S_t = S_{t-1} + φ(k_t) v_t' and z_t = z_{t-1} + φ(k_t): sums over the
    keys up to t, or with causal=False over all of them.

    Parameters
    ----------
    q : (..., T, D), k : (..., S, D), v : (..., S, O); S = T if causal
    state : sums over earlier keys, (S, z) of shapes (..., D, O) and (..., D); None for
        zeros
    key_mask : booleans that broadcast to (..., S), True = real; what stands elsewhere
        is not attended to. For a mask (B, S) and heads write `mask[:, None, :]`
    causal : True: query t sees the keys up to t
    chunk : steps in one product; None for all of them, 1 for a recurrent network

    Returns
    -------
    out : (..., T, O); zeros for a query that sees no key
    state : the sums after the last key
    cache : for `linear_attention_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Memory is that of T chunk scores and one state; neither pass stores the states in
    between. Equations (20.7) and (20.8) of the book. Source: Katharopoulos et al.
    (2020), equations 4 to 12 and 16 to 20.
    """
    flags(causal=causal)
    T = _check(q, k, v, state, key_mask, causal)
    if chunk is not None:
        whole("chunk", chunk, 1)
        if not causal:
            raise ValueError(f"chunk must be None where causal is False, got {chunk}")
    chunk = T if chunk is None else int(chunk)
    fq, fk = _features(q), _features(k)
    values = _with_ones(v)  # the last column of the sums is z
    real = None if key_mask is None else key_mask[..., None]
    if real is not None:
        fk = _where(real, fk)
        values = _where(real, values)
    first = _first(state, values, fk)
    sums, pieces = first, []
    if causal:
        for i in _cut(T, chunk):
            a, b, c = (x[..., i, :] for x in (fq, fk, values))
            pieces.append(a @ sums + _past(a @ b.mT) @ c)
            sums = sums + b.mT @ c
        both = array_namespace(q).concat(pieces, axis=-2)  # (..., T, O + 1)
    else:
        sums = sums + fk.mT @ values
        both = fq @ sums
    out, total = _divide(both)
    cache = (fq, fk, values, first, out, total, causal, chunk, state is None)
    return out, (sums[..., :-1], sums[..., -1]), cache


def linear_attention_backward(
    dout: Array | None, dstate: State | None, cache: tuple
) -> tuple[Array, Array, Array, State | None]:
    """Gradients of `linear_attention`: dq, dk, dv, and dstate at the first state.

    Forward again for dφ(q_t) = S_t dn_t, dn_t the gradient at φ(q_t)' S_t, and back
    from the end for the gradient at the sums, dS_s = sum_{t >= s} φ(q_t) dn_t', which
    gives dφ(k_s) = dS_s v_s and dv_s = dS_s' φ(k_s). Shapes: dout (..., T, O), dstate a
    pair as the state, each None for zeros; the returned dstate is None where state was.
    Equations (20.9) and (20.10) of the book. Errors: a gradient does not fit.
    """
    fq, fk, values, first, out, total, causal, chunk, none = cache
    xp = array_namespace(fq)
    dout = xp.zeros_like(out) if dout is None else dout
    gradient("dout", dout, fq, out.shape)
    dsums = _dsums(dstate, first)
    dtotal = -xp.sum(dout * out, axis=-1, keepdims=True)
    dboth = xp.concat([dout, dtotal], axis=-1) / total
    if causal:
        cut, all_four = _cut(fq.shape[-2], chunk), (fq, fk, values, dboth)
        parts = [[x[..., i, :] for x in all_four] for i in cut]
        dq, dk, dv, sums = [], [], [], first
        for _, b, c, d in parts:
            dq.append(d @ sums.mT + _past(d @ c.mT) @ b)
            sums = sums + b.mT @ c
        for a, b, c, d in parts[::-1]:
            dk.append(_past(d @ c.mT).mT @ a + c @ dsums.mT)
            dv.append(_past(a @ b.mT).mT @ d + b @ dsums)
            dsums = dsums + a.mT @ d
        dfq, dfk, dvalues = (xp.concat(x, axis=-2) for x in (dq, dk[::-1], dv[::-1]))
    else:
        dfq = dboth @ (first + fk.mT @ values).mT
        dnow = dsums + fq.mT @ dboth
        dfk, dvalues = values @ dnow.mT, fk @ dnow
        dsums = dnow
    # Where a key is not real φ(k) is 0, and with it all that goes back to k and v.
    dq, dk = dfq * _slope(fq), dfk * _slope(fk)
    dfirst = None if none else (dsums[..., :-1], dsums[..., -1])
    return dq, dk, dvalues[..., :-1], dfirst


def linear_attention_step(
    q: Array, k: Array, v: Array, state: State
) -> tuple[Array, State, tuple]:
    """One step of the recurrent network that causal linear attention is.

    S = S_before + φ(k) v', z = z_before + φ(k), out = φ(q)' S / (φ(q)' z). Shapes: q
    and k (..., D), v (..., O), state a pair (..., D, O), (..., D), zeros at first;
    result (..., O), the new state, the cache. Errors: a shape or float type does not
    fit. Source: Katharopoulos et al. (2020), equations 16 to 20.
    """
    lead = _lead(q, 1)
    shapes(q=(q, f"{lead} D"), k=(k, f"{lead} D"), v=(v, f"{lead} O"))
    _check_state("state", state, q, v)
    q, k, v = (x[..., None, :] for x in (q, k, v))
    out, state, cache = linear_attention(q, k, v, state)
    return out[..., 0, :], state, cache


def linear_attention_step_backward(
    dout: Array | None, dstate: State | None, cache: tuple
) -> tuple[Array, Array, Array, State | None]:
    """Gradients of `linear_attention_step`: dq, dk, dv, and dstate before the step.

    Shapes: dout (..., O), dstate a pair as the state, each None for zeros. Errors: a
    gradient does not fit.
    """
    if dout is not None:
        out = cache[4]
        gradient("dout", dout, out, (*out.shape[:-2], out.shape[-1]))
        dout = dout[..., None, :]
    *back, dbefore = linear_attention_backward(dout, dstate, cache)
    dq, dk, dv = (d[..., 0, :] for d in back)
    return dq, dk, dv, dbefore


def _features(x: Array) -> Array:
    xp = array_namespace(x)
    zero = xp.zeros_like(x)
    return xp.maximum(x, zero) + xp.exp(xp.minimum(x, zero))  # one of them is plain


def _slope(features: Array) -> Array:
    """Return φ' = exp(x) below zero, which is φ itself, and 1 above."""
    return array_namespace(features).minimum(features, 0 * features + 1)


def _cut(T: int, chunk: int) -> list[slice]:
    return [slice(i, min(i + chunk, T)) for i in range(0, T, chunk)]


def _past(scores: Array) -> Array:
    """Keep what query t (row) has with keys up to t (columns)."""
    return array_namespace(scores).tril(scores)


def _with_ones(v: Array) -> Array:
    xp = array_namespace(v)
    return xp.concat([v, xp.ones_like(v[..., :1])], axis=-1)


def _where(real: Array, x: Array) -> Array:
    xp = array_namespace(x)
    return xp.where(real, x, xp.zeros_like(x))


def _divide(both: Array) -> tuple[Array, Array]:
    """Divide the sums of values by those of weights; nothing by nothing is zero."""
    xp, total = array_namespace(both), both[..., -1:]
    total = xp.where(total == 0, xp.full_like(total, xp.inf), total)
    return both[..., :-1] / total, total


def _first(state: State | None, values: Array, fk: Array) -> Array:
    """Return the sums before the first key, (..., D, O + 1)."""
    xp = array_namespace(fk)
    if state is not None:
        return xp.concat([state[0], state[1][..., None]], axis=-1)
    size = (*fk.shape[:-2], fk.shape[-1], values.shape[-1])
    return xp.zeros(size, dtype=fk.dtype, device=device(fk))


def _dsums(dstate: State | None, first: Array) -> Array:
    xp = array_namespace(first)
    if dstate is None:
        return xp.zeros_like(first)
    parts("dstate", dstate, 2)
    sizes = ((*first.shape[:-1], first.shape[-1] - 1), first.shape[:-1])
    like = {"dtype": first.dtype, "device": device(first)}
    both = []
    for i, (d, size) in enumerate(zip(dstate, sizes, strict=True)):
        both.append(xp.zeros(size, **like) if d is None else d)
        gradient(f"dstate[{i}]", both[-1], first, size)
    return xp.concat([both[0], both[1][..., None]], axis=-1)


def _lead(q: Array, last: int) -> str:
    n = q.ndim - last if hasattr(q, "ndim") else 1
    return "B H"[: 2 * n - 1] if 0 < n < 3 else " ".join(f"B{i}" for i in range(n))


def _check(
    q: Array,
    k: Array,
    v: Array,
    state: State | None,
    key_mask: Array | None,
    causal: bool,
) -> int:
    lead, S = _lead(q, 2), "T" if causal else "S"
    n = shapes(q=(q, f"{lead} T D"), k=(k, f"{lead} {S} D"), v=(v, f"{lead} {S} O"))
    if state is not None:
        _check_state("state", state, q[..., 0, :], v[..., 0, :])
    if key_mask is not None:
        shapes(q=(q, "..."), key_mask=(key_mask, "...", "bool"))
        got, wanted = tuple(key_mask.shape), tuple(k.shape[:-1])
        aligned = zip(got[::-1], wanted[::-1], strict=False)
        if len(got) > len(wanted) or any(m not in (1, w) for m, w in aligned):
            raise ValueError(f"key_mask must broadcast to {wanted}, got {got}")
    return n["T"]


def _check_state(name: str, state: State, q: Array, v: Array) -> None:
    parts(name, state, 2)
    S, z = " ".join(map(str, (*q.shape, v.shape[-1]))), " ".join(map(str, q.shape))
    shapes(
        **{"q": (q, "..."), f"{name}[0]": (state[0], S), f"{name}[1]": (state[1], z)}
    )
