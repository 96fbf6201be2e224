"""The convnet: convolution, relu and max pool, layer by layer, and one vector.

A layer's convolution keeps the size of the map, and its pooling halves it.
"""

from __future__ import annotations

import re

from seqlib._arrays import Array, array_namespace
from seqlib.cnn import conv2d, conv2d_backward, max_pool2d, max_pool2d_backward
from seqlib.functional import linear, linear_backward
from seqlib.rnn import ACTIVATIONS, SLOPES
from seqlib.seq2seq._checks import Params
from seqlib.seq2seq._memory import Memory


def see(images: Array, params: Params) -> tuple[Memory, tuple]:
    """Return the annotations (B, H' W', F) of the images, v, and the cache."""
    xp = array_namespace(images)
    x, layers = images, []
    for k in range(depth(params)):
        W, b = (params[f"encoder.conv{k}.{name}"] for name in ("weight", "bias"))
        z, of_conv = conv2d(x, W, b, padding="same")
        h = ACTIVATIONS["relu"](z)
        x, of_pool = max_pool2d(h, 2)
        layers.append((of_conv, h, of_pool))
    B, F = x.shape[:2]
    annotations = xp.permute_dims(xp.reshape(x, (B, F, -1)), (0, 2, 1))
    if "encoder.fc.weight" not in params:
        v, of_vector = xp.mean(annotations, axis=1), None
    else:
        W, b = params["encoder.fc.weight"], params["encoder.fc.bias"]
        z, of_fc = linear(xp.reshape(x, (B, -1)), W, b)
        v = ACTIVATIONS["relu"](z)
        of_vector = of_fc, v
    return Memory(v, annotations, None, None), (layers, x, of_vector)


def see_backward(dmemory: Memory, cache: tuple) -> tuple[Array, Params]:
    """Gradients of `see`: at the images, and at the convnet's parameters."""
    layers, x, of_vector = cache
    xp = array_namespace(x)
    grads: Params = {}
    dx = xp.zeros_like(x)
    if dmemory.annotations is not None:
        turned = xp.permute_dims(dmemory.annotations, (0, 2, 1))
        dx = xp.reshape(turned, x.shape)
    if of_vector is not None:
        of_fc, v = of_vector
        dv = xp.zeros_like(v) if dmemory.vector is None else dmemory.vector
        dflat, dW, db = linear_backward(dv * SLOPES["relu"](v), of_fc)
        grads = {"encoder.fc.weight": dW, "encoder.fc.bias": db}
        dx = dx + xp.reshape(dflat, x.shape)
    elif dmemory.vector is not None:
        dx = dx + dmemory.vector[:, :, None, None] / (x.shape[2] * x.shape[3])
    for k in range(len(layers))[::-1]:
        of_conv, h, of_pool = layers[k]
        dh = max_pool2d_backward(dx, of_pool)
        dx, dW, db = conv2d_backward(dh * SLOPES["relu"](h), of_conv)
        grads |= {f"encoder.conv{k}.weight": dW, f"encoder.conv{k}.bias": db}
    return dx, grads


def check_size(name: str, place: tuple[int, int], layers: int) -> None:
    """Refuse an image that is gone before the last pooling."""
    if min(place) < 2**layers:
        raise ValueError(
            f"{name} must have at least {2**layers} by {2**layers} places for {layers} "
            f"layers, got {place}"
        )


def depth(params: Params) -> int:
    """Count the convolutions."""
    pattern = r"encoder\.conv\d+\.weight"
    return sum(re.fullmatch(pattern, str(name)) is not None for name in params)


def map_size(images: Array, layers: int) -> tuple[int, int]:
    """Return what so many halvings leave of H and W."""
    H, W = images.shape[2:]
    return H >> layers, W >> layers


def encoder_axes(params: Params, C: int, place: tuple[int, int]) -> dict[str, str]:
    """Return the axes of the convnet's parameters, for images of C channels."""
    axes, fan_in = {}, f"{C}"
    for k in range(max(depth(params), 1)):
        axes[f"encoder.conv{k}.weight"] = f"F{k} {fan_in} K{k} L{k}"
        axes[f"encoder.conv{k}.bias"] = fan_in = f"F{k}"
    if "encoder.fc.weight" in params or "encoder.fc.bias" in params:
        F = getattr(params.get(f"encoder.conv{k}.weight"), "shape", (1,))[0]
        flat = F * place[0] * place[1]
        axes |= {"encoder.fc.weight": f"M {flat}", "encoder.fc.bias": "M"}
    return axes
