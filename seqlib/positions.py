"""Where a token stands: sinusoidal, learned and rotary positions.

Attention alone cannot tell one order of its keys from another; these three tell it.
Positions are floats of the input's type, so that they may lie between whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, number, one_of, shapes, whole
from seqlib.masks import sum_to


def sinusoidal(
    positions: Array, dim: int, base: float = 10000.0
) -> tuple[Array, tuple]:
    """Waves of D/2 lengths: out_2i = sin(p f_i), out_2i+1 = cos(p f_i).

    The frequencies are f_i = base^(-2i/D), D = dim. A shift of p by n turns each pair
    by the angle n f_i, whatever p is.
    Shapes: positions p (...), result (..., D). To add them to the input x (B, T, D)
    write `x + sinusoidal(xp.arange(T, dtype=x.dtype), D)[0]`. Errors: positions are no
    array of floats; dim is not even; base is not above 1. Equations (16.17) and
    (16.18) of the book. Source: Vaswani et al. (2017), section 3.5.
    """
    shapes(positions=(positions, "..."))
    _check_dim("dim", dim, base)
    xp = array_namespace(positions)
    f = _frequencies(dim, base, positions)
    angle = positions[..., None] * f
    out = _interleave(xp.sin(angle), xp.cos(angle))
    return out, (out, f)


def sinusoidal_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `sinusoidal`: dp = sum_i f_i (cos_i dout_2i - sin_i dout_2i+1).

    Here sin_i and cos_i are those of p f_i. Shapes: dout (..., D), dp (...).
    """
    out, f = cache
    gradient("dout", dout, out, out.shape)
    xp = array_namespace(out)
    turned = out[..., 1::2] * dout[..., ::2] - out[..., ::2] * dout[..., 1::2]
    return xp.sum(turned * f, axis=-1, keepdims=True)[..., 0]


def learned(x: Array, weight: Array, start: int = 0) -> tuple[Array, tuple]:
    """Add one learned vector for each position: out_t = x_t + weight[start + t].

    With `start` a sequence goes on where an earlier call ended. For positions of other
    order, such as those of a batch padded on the left, add `embedding(ids, weight)`.
    Shapes: x and the result (..., T, D), weight (P, D). Errors: a shape or float type
    does not fit; start + T is more than P. Equation (16.20) of the book. Source:
    Gehring et al. (2017).
    """
    n = shapes(weight=(weight, "P D"), x=(x, "... T D"))
    whole("start", start, 0)
    if start + n["T"] > n["P"]:
        raise ValueError(
            f"weight must hold start + T = {start + n['T']} positions, got {n['P']}"
        )
    return x + weight[start : start + n["T"], :], (x, weight, start)


def learned_backward(dout: Array, cache: tuple) -> tuple[Array, Array]:
    """Gradients of `learned`: dx = dout, and dweight (P, D), zero where not used.

    Shapes: dout and dx (..., T, D).
    """
    x, weight, start = cache
    gradient("dout", dout, x, x.shape)
    xp = array_namespace(x)
    P, D = weight.shape
    used = sum_to(dout, (x.shape[-2], D))
    like = {"dtype": weight.dtype, "device": device(weight)}
    before, after = start, P - start - x.shape[-2]
    parts = [xp.zeros((before, D), **like), used, xp.zeros((after, D), **like)]
    return dout, xp.concat(parts)


def rotary(
    x: Array,
    positions: Array | None = None,
    layout: str = "interleaved",
    base: float = 10000.0,
) -> tuple[Array, tuple]:
    """Turn each pair (a, b) of x by the angle p f_i, f_i = base^(-2i/D).

    (a, b) becomes (a cos - b sin, a sin + b cos). Done to queries and keys, before
    their product, it makes the product depend on the difference of positions alone.

    Parameters
    ----------
    x : (..., T, D), D even; queries or keys, of one head
    positions : (T,), or any shape that broadcasts to (..., T); None for 0 to T-1
    layout : which entries are pairs. "interleaved", (x_2i, x_2i+1), is the paper's, and
        that of GPT-J, Cohere and Meta's own code of LLaMA; "halves", (x_i, x_i+D/2), is
        that of GPT-NeoX and, in Hugging Face's code, of LLaMA, Mistral, Qwen and Gemma.
        Weights made for one need their rows reordered for the other
    base : 10000 in the paper

    Returns
    -------
    out : (..., T, D), and the cache for `rotary_backward`

    Raises
    ------
    ValueError, TypeError
        A shape, a float type, the layout or the base does not fit; D is odd.

    Notes
    -----
    Equation (16.21) of the book. Source: Su et al. (2021), "RoFormer", equation 34.
    """
    n = shapes(x=(x, "... T D"))
    one_of("layout", layout, LAYOUTS)
    _check_dim("D of x", n["D"], base)
    xp = array_namespace(x)
    if positions is not None:
        shapes(x=(x, "..."), positions=(positions, "..."))
        got, wanted = tuple(positions.shape), tuple(x.shape[:-1])
        aligned = zip(got[::-1], wanted[::-1], strict=False)
        if len(got) > len(wanted) or any(m not in (1, n) for m, n in aligned):
            raise ValueError(f"positions must broadcast to {wanted}, got {got}")
    p = positions
    if p is None:
        p = xp.arange(n["T"], dtype=x.dtype, device=device(x))
    f = _frequencies(n["D"], base, x)
    angle = p[..., None] * f  # (..., T, D/2)
    cos, sin = xp.cos(angle), xp.sin(angle)
    pairs, together = LAYOUTS[layout]
    a, b = pairs(x)
    out = together(a * cos - b * sin, a * sin + b * cos)
    shape = None if positions is None else tuple(positions.shape)
    return out, (out, cos, sin, f, layout, shape)


def rotary_backward(dout: Array, cache: tuple) -> tuple[Array, Array | None]:
    """Gradients of `rotary`: dx, dout turned back, and dpositions, None for None.

    The angle's gradient is db a' - da b' for the turned pair (a', b'). Shapes: dout
    and dx (..., T, D), dpositions as positions.
    """
    out, cos, sin, f, layout, shape = cache
    gradient("dout", dout, out, out.shape)
    xp = array_namespace(out)
    pairs, together = LAYOUTS[layout]
    da, db = pairs(dout)
    dx = together(da * cos + db * sin, db * cos - da * sin)
    if shape is None:
        return dx, None
    a, b = pairs(out)
    dp = xp.sum((db * a - da * b) * f, axis=-1)
    return dx, sum_to(dp, shape)


def _frequencies(dim: int, base: float, like: Array) -> Array:
    """Return f_i = base^(-2i/D), i from 0 to D/2 - 1."""
    xp = array_namespace(like)
    i = xp.arange(dim // 2, dtype=like.dtype, device=device(like))
    return xp.exp(i * (-2 * math.log(base) / dim))


def _check_dim(name: str, dim: int, base: float) -> None:
    whole(name, dim, 2)
    if dim % 2:
        raise ValueError(f"{name} must be even, got {dim}")
    number("base", base, 1)


def _interleave(a: Array, b: Array) -> Array:
    """Make (..., D) of pairs: a_0, b_0, a_1, b_1, and so on."""
    xp = array_namespace(a)
    return xp.reshape(xp.stack([a, b], axis=-1), (*a.shape[:-1], 2 * a.shape[-1]))


def _halves(x: Array) -> tuple[Array, Array]:
    middle = x.shape[-1] // 2
    return x[..., :middle], x[..., middle:]


LAYOUTS: dict[str, tuple[Callable, Callable]] = {
    "interleaved": (lambda x: (x[..., ::2], x[..., 1::2]), _interleave),
    "halves": (_halves, lambda a, b: array_namespace(a).concat([a, b], axis=-1)),
}
