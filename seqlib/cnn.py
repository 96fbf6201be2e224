"""Convolution and max pooling over one axis or two, with their backward passes.

As in torch and all of the field, "convolution" is cross-correlation: the kernel is not
flipped. A kernel of K weights meets its input through K taps: tap k sees the input
from place k on, every stride-th of it. Laid side by side the taps are the columns of
one matrix product; backward, each tap adds its gradient where it had looked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, shapes, whole
from seqlib._taps import (
    Plan,
    Sizes,
    collect,
    columns,
    columns_backward,
    each,
    make_plan,
    pad,
    positions,
)


def conv1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
) -> tuple[Array, tuple]:
    """Slide a kernel along one axis, the usual axis being time.

    out[b, o, t] = bias[o] + sum_{c, k} weight[o, c, k] x[b, c, t stride + k dilation]

    Shapes: x (B, C, T), weight (O, C, K), bias (O,) or None; result (B, O, T'), with T'
    from `output_size`. `padding` is the number of zeros put before and after, or "same"
    (stride 1; T' = T, an odd zero goes after) or "valid" (none). Errors: a shape, a
    float type or an option does not fit; the kernel is wider than the padded input.
    Equation (3.3) of the book. Source: LeCun et al. (1989); dilation: Yu & Koltun
    (2016).
    """
    shapes(weight=(weight, "O C K"), bias=(bias, "O?"), x=(x, "B C T"))
    plan = make_plan("weight", ("T",), x, weight.shape[2:], stride, padding, dilation)
    return _forward(x, weight, bias, plan)


def conv1d_backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """Gradients of `conv1d`: dx (B, C, T), dweight (O, C, K), dbias (O,) or None.

    dweight[o, c, k] = sum_{b, t} dout[b, o, t] x[b, c, t stride + k dilation]
    dx[b, c, t stride + k dilation] += sum_o weight[o, c, k] dout[b, o, t]

    With stride 1 the second is a full convolution: dout correlated with the flipped
    kernel. Shapes: dout (B, O, T'). Errors: dout does not fit the result. Equations
    (3.14) and (3.15) of the book.
    """
    return _backward(dout, cache)


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
) -> tuple[Array, tuple]:
    """Slide a kernel over an image.

    out[b, o, i, j] = bias[o] + sum_{c, k, l} weight[o, c, k, l] x[b, c, i s + k d,
    j s + l d], with s = stride and d = dilation

    Shapes: x (B, C, H, W), weight (O, C, KH, KW), bias (O,) or None; result (B, O, H',
    W'). stride, padding and dilation are a number or a pair, one for H and one for W;
    padding as in `conv1d`. Errors: as `conv1d`. Equation (3.4) of the book. Source:
    LeCun et al. (1989).
    """
    shapes(weight=(weight, "O C KH KW"), bias=(bias, "O?"), x=(x, "B C H W"))
    plan = make_plan(
        "weight", ("H", "W"), x, weight.shape[2:], stride, padding, dilation
    )
    return _forward(x, weight, bias, plan)


def conv2d_backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """Gradients of `conv2d`: dx (B, C, H, W), dweight (O, C, KH, KW), dbias (O,).

    The equations of `conv1d_backward` with two indices for t and for k; dbias is None
    where bias was. Shapes: dout (B, O, H', W'). Errors: dout does not fit the result.
    """
    return _backward(dout, cache)


def max_pool1d(
    x: Array, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0
) -> tuple[Array, tuple]:
    """Keep the largest value of each window, out[t] = max_k x[t stride + k].

    The stride is the window's width unless given. Padding never wins. Of equal values
    the first is taken, as in torch, and receives the whole gradient; NaN wins. Shapes:
    x (B, C, T); result (B, C, T'). Errors: x is no array of floats or empty, the window
    is wider than the padded input, padding is more than half the window. Equation
    (3.10) of the book. Source: Yamaguchi et al. (1990).
    """
    shapes(x=(x, "B C T"))
    return _pool(("T",), x, kernel_size, stride, padding)


def max_pool1d_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `max_pool1d`: dx (B, C, T), dout going to each window's winner.

    Shapes: dout (B, C, T'). Errors: dout does not fit the result. Equation (3.11) of
    the book.
    """
    return _pool_backward(dout, cache)


def max_pool2d(
    x: Array, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0
) -> tuple[Array, tuple]:
    """Keep the largest value of each window of an image.

    out[i, j] = max_{k, l} x[i stride + k, j stride + l], and the rest as in
    `max_pool1d`; of equal values the first, row by row, is taken. kernel_size, stride
    and padding are a number or a pair. Shapes: x (B, C, H, W); result (B, C, H', W').
    """
    shapes(x=(x, "B C H W"))
    return _pool(("H", "W"), x, kernel_size, stride, padding)


def max_pool2d_backward(dout: Array, cache: tuple) -> Array:
    """Gradient of `max_pool2d`: dx (B, C, H, W); dout (B, C, H', W')."""
    return _pool_backward(dout, cache)


def output_size(
    size: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """Count the positions of a kernel along one axis.

    floor((size + 2 padding - dilation (K - 1) - 1) / stride) + 1, K = kernel_size; all
    are whole numbers. Errors: one is too small, or the kernel is wider than the padded
    input. Equation (3.8) of the book.
    """
    whole("size", size, 1)
    whole("kernel_size", kernel_size, 1)
    whole("stride", stride, 1)
    whole("padding", padding, 0)
    whole("dilation", dilation, 1)
    padded = size + 2 * padding
    return positions(
        "kernel_size", "the padded size", padded, kernel_size, stride, dilation
    )


def receptive_field(layers: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """How much of the input one output sees, and how far apart two outputs look.

    r_l = r_{l-1} + dilation_l (K_l - 1) j_{l-1}, j_l = j_{l-1} stride_l, r_0 = j_0 = 1

    layers: a tuple (K, stride) or (K, stride, dilation) for each convolution or
    pooling, the first layer first. Returns (r_L, j_L) along one axis. Errors: a layer
    is no such tuple, a number is below 1. Equation (3.9) of the book. Source: Araujo,
    Norris & Sim (2019).
    """
    if not isinstance(layers, list | tuple):
        kind = type(layers).__name__
        raise TypeError(f"layers must be a list of tuples, got {kind}")
    r = j = 1
    for i, layer in enumerate(layers):
        if not isinstance(layer, tuple) or len(layer) not in (2, 3):
            raise ValueError(
                f"layers[{i}] must be (kernel_size, stride) or "
                f"(kernel_size, stride, dilation), got {layer!r}"
            )
        for n in layer:
            whole(f"layers[{i}]", n, 1)
        K, stride, dilation = (*layer, 1)[:3]
        r += dilation * (K - 1) * j
        j *= stride
    return r, j


def _forward(
    x: Array, weight: Array, bias: Array | None, plan: Plan
) -> tuple[Array, tuple]:
    xp = array_namespace(x)
    B, O = x.shape[0], weight.shape[0]
    out = xp.reshape(weight, (O, -1)) @ columns(x, plan)  # (B, O, positions)
    out = out if bias is None else out + bias[:, None]
    return xp.reshape(out, (B, O, *plan.out)), (x, weight, bias, plan)


def _backward(dout: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    x, weight, bias, plan = cache
    B, O = x.shape[0], weight.shape[0]
    gradient("dout", dout, x, (B, O, *plan.out))
    xp = array_namespace(dout)
    rows = xp.reshape(dout, (B, O, -1))
    dweight = xp.sum(rows @ columns(x, plan).mT, axis=0)  # (O, C * taps)
    dcolumns = xp.reshape(weight, (O, -1)).T @ rows
    dbias = None if bias is None else xp.sum(rows, axis=(0, 2))
    return columns_backward(dcolumns, x, plan), xp.reshape(dweight, weight.shape), dbias


def _pool(
    axes: tuple[str, ...],
    x: Array,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
) -> tuple[Array, tuple]:
    kernel = each("kernel_size", kernel_size, axes, 1)
    for p, k in zip(each("padding", padding, axes, 0), kernel, strict=True):
        whole("padding", p, 0, k // 2)
    stride = kernel if stride is None else stride
    plan = make_plan("kernel_size", axes, x, kernel, stride, padding, 1)
    xp = array_namespace(x)
    shape = (*x.shape[:2], *plan.out)
    real = pad(xp.ones_like(x[:1, :1, ...]), plan, 0.0) > 0
    x_padded = pad(x, plan, -math.inf)
    out = xp.full(shape, -math.inf, dtype=x.dtype, device=device(x))
    winner = xp.full(shape, -1, dtype=xp.int64, device=device(x))
    for k, tap in enumerate(plan.taps()):
        value = x_padded[tap]
        better = (value > out) | xp.isnan(value) | (real[tap] & (winner < 0))
        out = xp.where(better, value, out)
        winner = xp.where(better, k, winner)
    return out, (x, winner, plan)


def _pool_backward(dout: Array, cache: tuple) -> Array:
    x, winner, plan = cache
    gradient("dout", dout, x, winner.shape)
    xp = array_namespace(x)
    dtaps = (xp.where(winner == k, dout, 0) for k in range(math.prod(plan.kernel)))
    return collect(dtaps, x, plan)
