"""Scanning: one MLP moved over its input is a convolutional network.

`scan` cuts every window out and shows it to an MLP; `convnet` computes each unit
everywhere before the next one. They are the same function: `convs_from_mlp` and
`mlp_from_convs` make the weights of one from the weights of the other. Over time, with
the past on the left, it is a time-delay network, `tdnn`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from array_api_compat import device

from seqlib import cnn
from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, shapes, whole
from seqlib._layers import ACTIVATIONS, SLOPES, Activations, Layers, check, names
from seqlib._taps import Sizes, columns, columns_backward, each, make_plan, positions
from seqlib.mlp import mlp, mlp_backward

AXES = {1: ("T",), 2: ("H", "W")}
KERNELS = {1: "K{}", 2: "KH{0} KW{0}"}
Strides = int | Sequence[int]


def scan(
    x: Array,
    layers: Layers,
    kernel_size: Sizes,
    activations: Activations = "logistic",
    stride: Sizes = 1,
) -> tuple[Array, tuple]:
    """Show every window of x to one MLP: y[b, :, t] = mlp(x[b, :, t s : t s + K]).

    A window is flattened channel by channel, so the first layer has C K inputs, or C KH
    KW. Shapes: x (B, C, T) or (B, C, H, W), layers as in `mlp.mlp`; result (B, O, T')
    or (B, O, H', W'), O the last layer's units. Errors: the layers do not fit one
    another or the window, the window does not fit x. Equation (3.5), the right side of
    the book. Source: LeCun et al. (1989), who train the network of shared weights that
    this is.
    """
    axes = _axes_of(x)
    _, sizes = check(layers, activations, x=(x, f"B C {' '.join(axes)}"))
    kernel = each("kernel_size", kernel_size, axes, 1)
    if sizes["D"] != (inputs := x.shape[1] * math.prod(kernel)):
        raise ValueError(
            f"layers[0][0] must have {inputs} inputs, {math.prod(kernel)} in each of "
            f"{x.shape[1]} channels, got {sizes['D']}"
        )
    plan = make_plan("kernel_size", axes, x, kernel, stride, 0, 1)
    y, kept = mlp(columns(x, plan).mT, layers, activations)  # (B, positions, O)
    shape = (x.shape[0], y.shape[2], *plan.out)
    return array_namespace(x).reshape(y.mT, shape), (x, plan, kept, shape)


def scan_backward(dy: Array, cache: tuple) -> tuple[Array, list]:
    """Gradients of `scan`: dx, as x, and a list of pairs (dW, db), sums over windows.

    Shapes: dy as the result of `scan`. Errors: dy does not fit it.
    """
    x, plan, kept, shape = cache
    gradient("dy", dy, x, shape)
    rows = array_namespace(x).reshape(dy, (*shape[:2], -1)).mT
    dwindows, grads = mlp_backward(rows, kept)
    return columns_backward(dwindows.mT, x, plan), grads


def convnet(
    x: Array,
    convs: Layers,
    activations: Activations = "logistic",
    strides: Strides = 1,
) -> tuple[Array, list]:
    """Convolutions in a row: y_0 = x, y_l = f_l(weight_l * y_{l-1} + bias_l).

    Shapes: x (B, C, T) or (B, C, H, W); convs a list of pairs (weight, bias), shaped as
    in `cnn.conv1d` or `cnn.conv2d`; strides a number for all layers or one for each;
    result (B, O, T') or (B, O, H', W'), O the last layer's maps. Activations: as in
    `mlp.mlp`. Errors: the layers do not fit one another or x. Equation (3.5), the left
    side of the book.
    """
    axes = _axes_of(x)
    given = {"x": (x, f"B C {' '.join(axes)}")}
    chosen, steps = _check_convs(convs, activations, strides, len(axes), **given)
    sizes = list(x.shape[2:])
    for i, (weight, _) in enumerate(convs):
        for d, axis in enumerate(axes):
            where, K = f"the {axis} that comes to it", weight.shape[2 + d]
            sizes[d] = positions(f"convs[{i}][0]", where, sizes[d], K, steps[i], 1)
    conv = cnn.conv1d if len(axes) == 1 else cnn.conv2d
    cache = []
    for (weight, bias), f, stride in zip(convs, chosen, steps, strict=True):
        z, kept = conv(x, weight, bias, stride)
        x = ACTIVATIONS[f](z)
        cache.append((x, kept, f))
    return x, cache


def convnet_backward(dy: Array, cache: list) -> tuple[Array, list]:
    """Gradients of `convnet`: dx, and a list of pairs (dweight, dbias).

    Shapes: dy as the result of `convnet`. Errors: dy does not fit it.
    """
    y = cache[-1][0]
    gradient("dy", dy, y, y.shape)
    back = cnn.conv1d_backward if y.ndim == 3 else cnn.conv2d_backward
    grads = []
    for y, kept, f in reversed(cache):
        dy, dweight, dbias = back(dy * SLOPES[f](y), kept)
        grads.append((dweight, dbias))
    return dy, grads[::-1]


def convs_from_mlp(layers: Layers, kernel_size: Sizes) -> list[tuple]:
    """Convolutions that compute, as a `convnet`, what `scan` computes with this MLP.

    The first layer's rows become kernels over the window, weight (H_1, C, K) or
    (H_1, C, KH, KW) from W (H_1, C K); the other layers see one place only, weight
    (H_l, H_{l-1}, 1). kernel_size: a number or a tuple (K,) for one axis, (KH, KW) for
    two. Errors: the first layer's inputs are no multiple of the window's places.
    """
    _, sizes = check(layers, "linear")
    rank = len(kernel_size) if isinstance(kernel_size, tuple) else 1
    if rank not in AXES:
        wanted = "a number, or a tuple of one or two"
        raise ValueError(f"kernel_size must be {wanted}, got {kernel_size!r}")
    kernel = each("kernel_size", kernel_size, AXES[rank], 1)
    if sizes["D"] % (places := math.prod(kernel)):
        raise ValueError(
            f"layers[0][0] must have a multiple of {places} inputs, the window's "
            f"places, got {sizes['D']}"
        )
    xp = array_namespace(layers[0][0])
    first = xp.reshape(layers[0][0], (sizes["H1"], -1, *kernel))
    rest = [xp.reshape(W, (*W.shape, *[1] * rank)) for W, _ in layers[1:]]
    biases = [b for _, b in layers]
    return list(zip([first, *rest], biases, strict=True))


def mlp_from_convs(convs: Layers, strides: Strides = 1) -> list[tuple]:
    """Layers with which `scan` computes what the `convnet` of these convolutions does.

    The MLP sees the last unit's receptive field (`cnn.receptive_field`: scan with that
    window and that stride). Its matrices hold each kernel once for every place where it
    stands, and zeros elsewhere: the shared weights written out. Shapes: convs as in
    `convnet`; W_l (O m, C n) from a kernel (O, C, K) that stands in m places of n, b_l
    (O m,). Errors: the convolutions do not fit one another.
    """
    names(convs, "linear", "convs")
    rank = 2 if getattr(convs[0][0], "ndim", 3) == 4 else 1
    _, steps = _check_convs(convs, "linear", strides, rank)
    conv = cnn.conv1d if rank == 1 else cnn.conv2d
    layers: list[tuple] = []
    out = (1,) * rank
    for (weight, bias), stride in zip(reversed(convs), reversed(steps), strict=True):
        xp, C, O = array_namespace(weight), weight.shape[1], weight.shape[0]
        ends = zip(out, weight.shape[2:], strict=True)
        size = tuple((m - 1) * stride + K for m, K in ends)
        n, m = C * math.prod(size), math.prod(out)
        one = xp.eye(n, dtype=weight.dtype, device=device(weight))
        columns_of_W, _ = conv(xp.reshape(one, (n, C, *size)), weight, None, stride)
        W = xp.reshape(columns_of_W, (n, O * m)).T
        if bias is not None:
            bias = xp.reshape(xp.broadcast_to(bias[:, None], (O, m)), (-1,))
        layers.append((W, bias))
        out = size
    return layers[::-1]


def tdnn(
    x: Array,
    convs: Layers,
    activations: Activations = "logistic",
    past: Array | None = None,
) -> tuple[Array, tuple]:
    """Time-delay network, y_t = f(x_t, x_{t-1}, ..., x_{t-N}): convolutions over time.

    The response to an input is finite: after N = sum_l (K_l - 1) steps it is over.
    Shapes: x (B, T, C), batch first as in `recurrent`; convs as in `convnet`, weight
    (O, C, K), its last place meeting the latest step; past (B, N, C), the steps before
    x, or None for zeros; result (B, T, O). Errors: the layers do not fit one another or
    x, past is not of N steps. Equation (4.1) of the book. Source: Waibel et al. (1989).
    """
    _check_convs(convs, activations, 1, 1, x=(x, "B T C"))
    N = sum(weight.shape[2] - 1 for weight, _ in convs)
    if past is not None and N == 0:
        raise ValueError("past must be None where every kernel spans one step")
    shapes(x=(x, "B T C"), past=(past, f"B {N} C?"))
    xp, (B, _, C) = array_namespace(x), x.shape
    before = past
    if past is None:
        before = xp.zeros((B, N, C), dtype=x.dtype, device=device(x))
    long = xp.concat([before, x], axis=1)  # (B, N + T, C)
    y, kept = convnet(long.mT, convs, activations)
    return y.mT, (x, past, kept, N)


def tdnn_backward(dy: Array, cache: tuple) -> tuple[Array, list, Array | None]:
    """Gradients of `tdnn`: dx (B, T, C), a list of pairs (dweight, dbias), dpast.

    dpast is (B, N, C), or None where past was. Shapes: dy (B, T, O). Errors: dy does
    not fit the result.
    """
    x, past, kept, N = cache
    gradient("dy", dy, x, kept[-1][0].mT.shape)
    dlong, grads = convnet_backward(dy.mT, kept)
    dlong = dlong.mT
    return dlong[:, N:, :], grads, None if past is None else dlong[:, :N, :]


def _axes_of(x: Array) -> tuple[str, ...]:
    """Check that x is an image or a sequence, and name the axes to scan."""
    shapes(x=(x, "..."))
    if x.ndim - 2 not in AXES:
        wanted = "(B, C, T) or (B, C, H, W)"
        raise ValueError(f"x must have shape {wanted}, got {tuple(x.shape)}")
    return AXES[x.ndim - 2]


def _check_convs(
    convs: Layers,
    activations: Activations,
    strides: Strides,
    rank: int,
    **inputs: tuple,
) -> tuple[list[str], list[int]]:
    """Check convolutions against one another; return activations and strides."""
    chosen = names(convs, activations, "convs")
    axes: dict[str, tuple] = {}
    for i, (weight, bias) in enumerate(convs):
        below = f"C{i}" if i else "C"
        kernel = KERNELS[rank].format(i + 1)
        axes[f"convs[{i}][0]"] = (weight, f"C{i + 1} {below} {kernel}")
        axes[f"convs[{i}][1]"] = (bias, f"C{i + 1}?")
    shapes(**axes, **inputs)
    steps = strides if isinstance(strides, list | tuple) else [strides] * len(convs)
    if len(steps) != len(convs):
        wanted = f"a number, or one for each of the {len(convs)} layers"
        raise ValueError(f"strides must be {wanted}, got {strides}")
    for step in steps:
        whole("strides", step, 1)
    return chosen, list(steps)
