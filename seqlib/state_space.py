"""The state-space model: a state that each input moves, and an output read off it."""

from __future__ import annotations

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, shapes
from seqlib._layers import Activations, Layers, add, check
from seqlib.mlp import mlp, mlp_backward


def state_space(
    x: Array,
    f: Layers,
    g: Layers,
    f_activations: Activations = "tanh",
    g_activations: Activations = "linear",
    h: Array | None = None,
) -> tuple[Array, Array, tuple]:
    """Run h_t = f(x_t, h_{t-1}), y_t = g(h_t), with f and g two MLPs.

    Shapes: x (B, T, D); f and g as in `mlp.mlp`, f from D + H inputs (x_t before
    h_{t-1}) to H outputs, g from H to O; h (B, H), the first state, None for zeros.
    Returns y (B, T, O), the last state (B, H) and the cache. With one layer in f this
    is the simple recurrent network of `rnn`. Errors: the layers do not fit one another,
    x or h. Equation (4.14) of the book. Sources: Elman (1990); Robinson & Fallside
    (1987).
    """
    _, sizes = check(f, f_activations, "f", "I", x=(x, "B T D"))
    (B, T, D), H = x.shape, sizes[f"H{len(f)}"]
    if sizes["I"] != D + H:
        raise ValueError(f"f[0][0] must have D + H = {D + H} inputs, got {sizes['I']}")
    check(g, g_activations, "g", str(H), x=(x, "B T D"))
    shapes(x=(x, "B T D"), h=(h, f"B {H}?"))
    xp = array_namespace(x)
    first = h is None
    h = xp.zeros((B, H), dtype=x.dtype, device=device(x)) if h is None else h
    states, steps = [], []
    for t in range(T):
        h, kept = mlp(xp.concat([x[:, t, :], h], axis=-1), f, f_activations)
        states.append(h)
        steps.append(kept)
    y, read = mlp(xp.stack(states, axis=1), g, g_activations)
    return y, h, (x, y, h, steps, read, first)


def state_space_backward(
    dy: Array | None, dh: Array | None, cache: tuple
) -> tuple[Array, list, list, Array | None]:
    """Backpropagation through time, the backward pass of `state_space`.

    Shapes: dy (B, T, O) and dh (B, H), the gradients at the outputs and at the last
    state, each None for zeros. Returns dx (B, T, D), lists of pairs (dW, db) for f and
    for g, and the gradient at the first state (B, H), None where that was None. Errors:
    dy or dh does not fit. Source: Werbos (1990).
    """
    x, y, h, steps, read, first = cache
    xp = array_namespace(x)
    dy = xp.zeros_like(y) if dy is None else dy
    dh = xp.zeros_like(h) if dh is None else dh
    gradient("dy", dy, x, y.shape)
    gradient("dh", dh, x, h.shape)
    D = x.shape[2]
    dstates, dg = mlp_backward(dy, read)
    dxs, df = [], None
    for t in range(x.shape[1])[::-1]:
        dinputs, step = mlp_backward(dh + dstates[:, t, :], steps[t])
        df = step if df is None else add(df, step)
        dxs.append(dinputs[:, :D])
        dh = dinputs[:, D:]
    return xp.stack(dxs[::-1], axis=1), df or [], dg, None if first else dh
