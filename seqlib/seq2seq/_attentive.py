"""One recurrent layer that attends: chapter 15's decoder, and its backward pass.

At each step the state s_{t-1} asks, the keys answer, and the average c_t of the values
enters the cell beside the token, as in Bahdanau, Cho & Bengio (2015)::

    e_tj = score(s_{t-1}, k_j)      p_t = softmax(e_t)      c_t = sum_j p_tj v_j
    s_t  = cell(W_e x_t + W_c c_t, s_{t-1})

Equations (15.8) and, on the way back, (15.18) of the book. Only what depends on
s_{t-1} stays in the loop. Before it: the keys, and W_e x_t of all steps. After it, on
the way back: the gradients of the values, of W_e, W_c and W_hh, and of what makes the
queries, each one product over all steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from seqlib._arrays import Array, State, array_namespace
from seqlib._gates import by_state
from seqlib._params import names_of
from seqlib._scan import Cell, choose, flatten
from seqlib.functional import linear, linear_backward
from seqlib.masks import masked_softmax
from seqlib.seq2seq._checks import Params


class Source(NamedTuple):
    """What is attended to: keys (B, S, K), values (B, S, M), mask (B, S) or None."""

    keys: Array
    values: Array
    mask: Array | None


class Kept(NamedTuple):
    """What the loop leaves for the way back, a list having one entry for each step."""

    x: Array  # (T, B, E)
    source: Source
    before: list  # (B, H) the state that asked
    looks: list  # the weights p (B, S), and the tanh of an additive score
    contexts: list  # (B, M)
    steps: list  # the cell's caches
    real: Array | None  # (T, B, 1)


def make_keys(annotations: Array, params: Params, score: str) -> tuple[Array, tuple]:
    """Project the annotations (B, S, M) once for all steps, as the score wants them."""
    if score == "dot":
        return annotations, ()
    return linear(annotations, params[_OF_KEYS[score]])


def make_keys_backward(dkeys: Array, cache: tuple, score: str) -> tuple[Array, Params]:
    """Gradients of `make_keys`: dannotations, and the weight's under its name."""
    if score == "dot":
        return dkeys, {}
    dannotations, dW, _ = linear_backward(dkeys, cache)
    return dannotations, {_OF_KEYS[score]: dW}


_OF_KEYS = {"bilinear": "attention.W", "additive": "attention.W_k"}


def look(
    s: Array, source: Source, params: Params, score: str
) -> tuple[Array, tuple[Array, Array | None]]:
    """Average the values by how well the keys fit one state s (B, H): c, (p, tanh)."""
    if score == "additive":
        q = s @ params["attention.W_q"].T
        t = array_namespace(s).tanh(q[:, None, :] + source.keys)  # (B, S, A)
        e = t @ params["attention.w"]
    else:
        t, e = None, (source.keys @ s[..., None])[..., 0]  # (B, S)
    p, _ = masked_softmax(e, source.mask)
    return (p[:, None, :] @ source.values)[:, 0, :], (p, t)


def look_backward(
    dc: Array, dp: Array | None, kept: tuple, source: Source, w: Array | None
) -> tuple[Array, Array, Array | None]:
    """Gradients of `look`: at the query (B, A), the scores (B, S), and in the tanh.

    With dp_j = v_j' dc, de_j = p_j (dp_j - sum_i p_i dp_i), as for every softmax. The
    query is s, or W_q s under the tanh of an additive score, whose w is given.
    """
    xp = array_namespace(dc)
    p, t = kept
    through = (source.values @ dc[..., None])[..., 0]  # (B, S)
    dp = through if dp is None else through + dp
    de = p * (dp - xp.sum(p * dp, axis=-1, keepdims=True))
    if t is None:
        return (de[:, None, :] @ source.keys)[:, 0, :], de, None
    dz = de[..., None] * w * (1 - t * t)  # (B, S, A)
    return xp.sum(dz, axis=1), de, dz


def attentive(
    cell: Cell,
    x: Array,
    state: State,
    source: Source,
    params: Params,
    score: str,
    real: Array | None,
) -> tuple[Array, State, Array, Kept]:
    """Run the layer: x (T, B, E) to y (T, B, H), last state, weights (T, B, S), cache.

    params are the decoder's first layer, `decoder.weight_ih_l0` (G, E + M) and so on,
    and `attention.`; state is that layer's, real (T, B, 1) or None.
    """
    xp = array_namespace(x)
    layer: Any = [params.get(f"decoder.{n}") for n in names_of("l0")]
    W_ih, W_hh, b_ih, b_hh = layer
    W_e, W_c = W_ih[:, : x.shape[-1]], W_ih[:, x.shape[-1] :]
    if cell.merge and b_ih is not None:
        b_ih, b_hh = b_ih + b_hh, None
    a, _ = linear(x, W_e, b_ih)  # every step's input product at once
    kept = Kept(x, source, [], [], [], [], real)
    outs = []
    for t in range(x.shape[0]):
        c, looked = look(state[0], source, params, score)
        new, step = cell.step(a[t, ...] + c @ W_c.T, state, W_hh, b_hh)
        kept.before.append(state[0])
        kept.looks.append(looked)
        kept.contexts.append(c)
        kept.steps.append(step)
        state = new if real is None else choose(real[t, ...], new, state)
        outs.append(state[0])
    y, weights = xp.stack(outs), xp.stack([p for p, _ in kept.looks])
    if real is not None:
        y = xp.where(real, y, xp.zeros_like(y))
        weights = xp.where(real, weights, xp.zeros_like(weights))
    return y, state, weights, kept


def attentive_backward(
    cell: Cell,
    dy: Array,
    dweights: Array | None,
    params: Params,
    score: str,
    kept: Kept,
) -> tuple[Array, State, Array, Array, Params]:
    """Gradients of `attentive`: dx, dstate, dkeys, dvalues, and the parameters'.

    dy (T, B, H) and dweights (T, B, S), or None, must be zero on padding. The state
    s_{t-1} matters at step t in two ways, through the cell and by what it asked, and it
    receives from both. The last state has no gradient of its own.
    """
    xp = array_namespace(dy)
    real, source, E = kept.real, kept.source, kept.x.shape[-1]
    W_ih, W_hh = params["decoder.weight_ih_l0"], params["decoder.weight_hh_l0"]
    W_e, W_c, W_q = W_ih[:, :E], W_ih[:, E:], params.get("attention.W_q")
    T = dy.shape[0]
    dstate: State = (xp.zeros_like(dy[0, ...]),) * cell.states
    da, dg, dc, dq, de = ([None] * T for _ in range(5))
    dkeys, dw = xp.zeros_like(source.keys), 0
    for t in range(T)[::-1]:
        dstate = (dstate[0] + dy[t, ...], *dstate[1:])
        da[t], dg[t], back = cell.step_backward(dstate, kept.steps[t], W_hh)
        dc[t] = da[t] @ W_c
        if real is not None:  # a step on padding has asked for nothing
            dc[t] = xp.where(real[t, ...], dc[t], xp.zeros_like(dc[t]))
        dp = None if dweights is None else dweights[t, ...]
        looked = kept.looks[t], source, params.get("attention.w")
        dq[t], de[t], dz = look_backward(dc[t], dp, *looked)
        if dz is not None:
            dkeys = dkeys + dz
            tanhs = xp.reshape(kept.looks[t][1], (-1, dz.shape[-1]))
            dw = dw + xp.reshape(de[t], (-1,)) @ tanhs
        asked = dq[t] if W_q is None else dq[t] @ W_q
        back = (back[0] + asked, *back[1:])
        dstate = back if real is None else choose(real[t, ...], back, dstate)
    before = flatten(xp.stack(kept.before))  # (T * B, H)
    grads = {}
    if score == "additive":
        grads = {"attention.W_q": flatten(xp.stack(dq)).T @ before, "attention.w": dw}
    else:
        dkeys = _over_steps(de, kept.before)
    flat = flatten(xp.stack(da), real)  # (T * B, G)
    flat_g = flat if da[0] is dg[0] else flatten(xp.stack(dg), real)
    x = xp.reshape(kept.x, (-1, E))
    contexts = flatten(xp.stack(kept.contexts))
    by_x = flat.T @ xp.concat([x, contexts], axis=-1)
    last = None
    if cell.last is not None:
        last = flatten(xp.stack([cell.last(c) for c in kept.steps]))
    by_h = by_state(flat_g, before, last)
    every = (by_x, by_h, xp.sum(flat, axis=0), xp.sum(flat_g, axis=0))
    grads |= {f"decoder.{n}": d for n, d in zip(names_of("l0"), every, strict=True)}
    dvalues = _over_steps([p for p, _ in kept.looks], dc)
    return xp.reshape(flat @ W_e, kept.x.shape), dstate, dkeys, dvalues, grads


def _over_steps(a: list[Array], b: list[Array]) -> Array:
    """Sum the outer products of T pairs (B, S) and (B, M): (B, S, M), one product."""
    xp = array_namespace(a[0])
    return xp.stack(a, axis=-1) @ xp.stack(b, axis=1)
