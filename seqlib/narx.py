"""NARX: networks whose own outputs come back as inputs, so that one input lasts.

In the state-space form h_t = f(x_t, h_{t-1}), y_t = g(h_t) the state of a NARX is what
its delay lines hold: K inputs and L outputs. `state_space.state_space` learns a state.
"""

from __future__ import annotations

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, shapes, whole
from seqlib._layers import Activations, Layers, add, check
from seqlib.mlp import mlp, mlp_backward


def narx(
    x: Array,
    layers: Layers,
    K: int,
    L: int,
    activations: Activations = "logistic",
    x_past: Array | None = None,
    y_past: Array | None = None,
    targets: Array | None = None,
) -> tuple[Array, tuple]:
    """NARX(K, L): y_t = f(x_t, x_{t-1}, ..., x_{t-K}, y_{t-1}, ..., y_{t-L}), f an MLP.

    Parameters
    ----------
    x : (B, T, D) input
    layers : f, as in `mlp.mlp`; its inputs are the (K + 1) D + L O numbers above, in
        that order, and its outputs the O of y_t
    K, L : how many earlier inputs and outputs f sees; L = 0 is a time-delay network
        over K + 1 steps, K = T - 1 and L = T the "complete" NARX, which sees all
    activations : as in `mlp.mlp`
    x_past : (B, K, D) the inputs before x, in order of time; None for zeros
    y_past : (B, L, O) the outputs before y, likewise
    targets : (B, T, O) what y should be. Given, the loop is open: f sees them in place
        of its own outputs ("series-parallel", "teacher forcing"). None closes the loop

    Returns
    -------
    y : (B, T, O) outputs, and the cache for `narx_backward`

    Raises
    ------
    ValueError, TypeError
        The layers do not fit one another or their inputs; a past is not of K or L
        steps (None is the only past of 0 steps).

    Notes
    -----
    Equation (4.8) of the book. Sources: Leontaritis & Billings (1985); Narendra &
    Parthasarathy (1990); Lin, Horne, Tino & Giles (1996).
    """
    whole("K", K, 0)
    whole("L", L, 0)
    _, sizes = check(layers, activations, first="I", x=(x, "B T D"))
    T, D, O = sizes["T"], sizes["D"], sizes[f"H{len(layers)}"]
    if sizes["I"] != (I := (K + 1) * D + L * O):
        wanted = f"(K + 1) D + L O = {I} inputs"
        raise ValueError(f"layers[0][0] must have {wanted}, got {sizes['I']}")
    xs, ys = _past(x, "x_past", x_past, K, D), _past(x, "y_past", y_past, L, O)
    shapes(x=(x, "B T D"), targets=(targets, f"B T {O}?"))
    xp = array_namespace(x)
    xs = xp.concat([xs, x], axis=1)  # (B, K + T, D)
    fed = [ys[:, i, :] for i in range(L)]
    outs, steps = [], []
    for t in range(T):
        now = [xs[:, K + t - k, :] for k in range(K + 1)]
        before = [fed[L + t - l] for l in range(1, L + 1)]
        y, kept = mlp(xp.concat(now + before, axis=-1), layers, activations)
        outs.append(y)
        steps.append(kept)
        fed.append(y if targets is None else targets[:, t, :])
    given = (x_past is not None, y_past is not None, targets is not None)
    return xp.stack(outs, axis=1), (x, steps, K, L, O, given)


def narx_backward(dy: Array, cache: tuple) -> tuple:
    """Backpropagation through time along the outputs that came back.

    What reaches y_t is dy_t and, with the loop closed, what the L steps after t send to
    it. Shapes: dy (B, T, O). Returns dx (B, T, D), a list of pairs (dW, db), dx_past
    (B, K, D), dy_past (B, L, O), dtargets (B, T, O); None for each of the last three
    that was None. Errors: dy does not fit. Equations (4.18) and (4.19) of the book.
    Source: Werbos (1990).
    """
    x, steps, K, L, O, given = cache
    (B, T, D), xp = x.shape, array_namespace(x)
    gradient("dy", dy, x, (B, T, O))
    dxs = [xp.zeros_like(x[:, 0, :])] * (K + T)
    dfed = [xp.zeros_like(dy[:, 0, :])] * (L + T)
    grads = None
    for t in range(T)[::-1]:
        dnow = dy[:, t, :] if given[2] else dy[:, t, :] + dfed[L + t]
        dinputs, step = mlp_backward(dnow, steps[t])
        grads = step if grads is None else add(grads, step)
        for k in range(K + 1):
            i = K + t - k
            dxs[i] = dxs[i] + dinputs[:, k * D : (k + 1) * D]
        for l in range(1, L + 1):
            i, start = L + t - l, (K + 1) * D + (l - 1) * O
            dfed[i] = dfed[i] + dinputs[:, start : start + O]
    parts = dxs[K:], dxs[:K], dfed[:L], dfed[L:]
    wanted = zip(parts, (True, *given), strict=True)
    dx, *rest = (xp.stack(part, axis=1) if want else None for part, want in wanted)
    return dx, grads, *rest


def _past(x: Array, name: str, past: Array | None, steps: int, size: int) -> Array:
    """Check what came before x; zeros (B, steps, size) if it is None."""
    if past is not None and steps == 0:
        raise ValueError(f"{name} must be None where it has no steps")
    shapes(x=(x, "B T D"), **{name: (past, f"B {steps} {size}?")})
    if past is not None:
        return past
    shape, xp = (x.shape[0], steps, size), array_namespace(x)
    return xp.zeros(shape, dtype=x.dtype, device=device(x))
