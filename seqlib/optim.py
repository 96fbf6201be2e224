"""Optimisers and clipping for models written by hand: dicts of arrays in, dicts out.

Pure functions: `params, state = adam(params, grads, state)` returns new dicts and
leaves those that it was given as they are. The first state is None. The equations are
those of torch.optim, to rounding.
"""

from __future__ import annotations

import math
from typing import Any

from seqlib._arrays import Array, array_namespace
from seqlib._check import flags, number, shapes, whole

Dict = dict[str, Array]
State = dict[str, Any]


def sgd(
    params: Dict,
    grads: Dict,
    state: State | None = None,
    lr: float = 0.01,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> tuple[Dict, State]:
    """Gradient descent with momentum: v = momentum v + g, W = W - lr v.

    g is the gradient + weight_decay W; the first v is g; with `nesterov` the step is
    along g + momentum v. Shapes: params and grads, dicts of the same names, arrays
    (...) of the same shapes; state what the call before returned, None at first.
    Returns new params and state. Errors: names, shapes or float types differ; a number
    is out of range. Equations (7.4) and (7.5) of the book. Sources: Polyak (1964);
    Sutskever et al. (2013) for `nesterov`.
    """
    _check(params, grads, state, ("v",) if momentum else ())
    lr, momentum = _number("lr", lr), _number("momentum", momentum)
    weight_decay = _number("weight_decay", weight_decay)
    flags(nesterov=nesterov)
    if nesterov and not momentum:
        raise ValueError("nesterov must be False where momentum is 0, got True")
    step = state["step"] if state else 0
    out: State = {"step": step + 1} | ({"v": {}} if momentum else {})
    moved = {}
    for name, W in params.items():
        g = grads[name] + weight_decay * W if weight_decay else grads[name]
        if momentum:
            v = momentum * state["v"][name] + g if state else g + 0
            out["v"][name] = v
            g = g + momentum * v if nesterov else v
        moved[name] = W - lr * g
    return moved, out


def adam(
    params: Dict,
    grads: Dict,
    state: State | None = None,
    lr: float = 0.001,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> tuple[Dict, State]:
    """Adam: W = W - lr m / (sqrt(v) + eps), m and v corrected for their start.

    At step t, m = β1 m + (1 - β1) g is divided by 1 - β1^t and v = β2 v + (1 - β2) g²
    by 1 - β2^t; g is the gradient + weight_decay W (see `adamw` for the other way).
    Shapes, errors: as `sgd`; betas are from 0 to below 1. Equation (7.6) of the book.
    Source: Kingma & Ba (2015).
    """
    _check(params, grads, state, ("m", "v"))
    if weight_decay := _number("weight_decay", weight_decay):
        grads = {name: g + weight_decay * params[name] for name, g in grads.items()}
    return _adam(params, grads, state, lr, betas, eps)


def adamw(
    params: Dict,
    grads: Dict,
    state: State | None = None,
    lr: float = 0.001,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> tuple[Dict, State]:
    """Adam with decay apart: W = (1 - lr weight_decay) W, then the step of `adam`.

    The decay does not go through m and v, so that all weights shrink alike. Shapes,
    errors: as `adam`. Source: Loshchilov & Hutter (2019).
    """
    _check(params, grads, state, ("m", "v"))
    lr, weight_decay = _number("lr", lr), _number("weight_decay", weight_decay)
    params = {name: W * (1 - lr * weight_decay) for name, W in params.items()}
    return _adam(params, grads, state, lr, betas, eps)


def clip_by_norm(grads: Dict, max_norm: float) -> tuple[Dict, float]:
    """Scale all gradients together so that their common norm is at most max_norm.

    g = g min(1, max_norm / norm), norm² the sum of all squares: shorter, not turned.
    Shapes: a dict of arrays (...). Returns the new dict and the norm as it was. Errors:
    grads is no dict of arrays of floats of one library and type, or empty; max_norm is
    negative. Equation (6.19) of the book. Source: Pascanu, Mikolov & Bengio (2013).
    """
    _check_arrays("grads", grads)
    max_norm = _number("max_norm", max_norm)
    norm = math.hypot(*(_norm(g) for g in grads.values()))
    scale = max_norm / norm if norm > max_norm else 1.0
    return {name: g * scale for name, g in grads.items()}, norm


def clip_by_value(grads: Dict, limit: float) -> Dict:
    """Bring every entry into [-limit, limit], one by one: this turns the gradient.

    Shapes: a dict of arrays (...). Errors: grads is no dict of arrays of floats, or
    empty; limit is negative. Equation (6.20) of the book. Source: Graves (2013),
    section 2.
    """
    _check_arrays("grads", grads)
    limit = _number("limit", limit)
    clipped = {}
    for name, g in grads.items():
        xp = array_namespace(g)
        top = xp.full_like(g, limit)
        clipped[name] = xp.minimum(xp.maximum(g, -top), top)
    return clipped


def _adam(
    params: Dict,
    grads: Dict,
    state: State | None,
    lr: float,
    betas: tuple[float, float],
    eps: float,
) -> tuple[Dict, State]:
    lr, eps = _number("lr", lr), _number("eps", eps)
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise TypeError(f"betas must be two numbers, got {betas!r}")
    for i, β in enumerate(betas):
        number(f"betas[{i}]", β, 0, 1, below=True)
    β1, β2 = map(float, betas)
    t = (state["step"] if state else 0) + 1
    out: State = {"step": t, "m": {}, "v": {}}
    moved = {}
    for name, W in params.items():
        g, xp = grads[name], array_namespace(W)
        m = (1 - β1) * g + (β1 * state["m"][name] if state else 0)
        v = (1 - β2) * g * g + (β2 * state["v"][name] if state else 0)
        out["m"][name], out["v"][name] = m, v
        m, v = m / (1 - β1**t), v / (1 - β2**t)
        moved[name] = W - lr * m / (xp.sqrt(v) + eps)
    return moved, out


def _norm(g: Array) -> float:
    """Return the root of the sum of squares, none of which may leave float32."""
    xp = array_namespace(g)
    top = float(xp.max(xp.abs(g)))
    if not 0 < top < math.inf:
        return top
    scaled = g / top
    return top * math.sqrt(float(xp.sum(scaled * scaled)))


def _number(name: str, value: float) -> float:
    """Check a number and make it Python's own, which changes no float type."""
    number(name, value, 0)
    return float(value)


def _check(
    params: Dict, grads: Dict, state: State | None, kept: tuple[str, ...]
) -> None:
    _check_arrays("params", params)
    _check_like("grads", grads, params)
    if state is None:
        return
    wanted = {"step", *kept}
    if not isinstance(state, dict) or set(state) != wanted:
        known = isinstance(state, dict)
        got = ", ".join(map(str, state)) if known else type(state).__name__
        raise TypeError(
            f"state must be None or a dict of {', '.join(sorted(wanted))}, as the call "
            f"before returned, got {got}"
        )
    whole("state['step']", state["step"], 1)
    for part in kept:
        _check_like(f"state[{part!r}]", state[part], params)


def _check_dict(name: str, arrays: Dict) -> None:
    if not isinstance(arrays, dict):
        raise TypeError(f"{name} must be a dict of arrays, got {type(arrays).__name__}")
    if not arrays:
        raise ValueError(f"{name} must hold at least one array, got none")


def _check_arrays(name: str, arrays: Dict) -> None:
    _check_dict(name, arrays)
    shapes(**{f"{name}[{key!r}]": (array, "...") for key, array in arrays.items()})


def _check_like(name: str, arrays: Dict, params: Dict) -> None:
    _check_dict(name, arrays)
    if missing := sorted(set(params) - set(arrays)):
        listed = ", ".join(missing)
        raise ValueError(f"{name} must hold {listed} as params does, which it lacks")
    if strange := sorted(map(str, set(arrays) - set(params))):
        raise ValueError(f"{name} must not hold {', '.join(strange)}, not in params")
    for key, W in params.items():
        axes = " ".join(map(str, W.shape))
        shapes(
            **{
                f"params[{key!r}]": (W, "..."),
                f"{name}[{key!r}]": (arrays[key], axes),
            }
        )
