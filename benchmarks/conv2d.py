"""One convolution, forward and backward, beside torch's.

32 images of 16 channels of 28 x 28, 5 x 5 kernels, 32 maps.
"""

from __future__ import annotations

from typing import Any

import torch
from turns import Record, settings

from seqlib.cnn import conv2d, conv2d_backward

SHAPES = (32, 16, 28, 28), (32, 16, 5, 5), (32,), (32, 32, 28, 28)


def ours(x: Any, weight: Any, bias: Any, dout: Any) -> None:
    """Forward and backward by hand, on numpy or on torch."""
    _, cache = conv2d(x, weight, bias, padding=2)
    conv2d_backward(dout, cache)


def theirs(*tensors: torch.Tensor) -> None:
    """Forward by torch, backward by autograd."""
    *inputs, dout = tensors
    out = torch.nn.functional.conv2d(*inputs, padding=2)
    torch.autograd.grad(out, inputs, dout)


def measure(record: Record) -> None:
    """Compare torch's with ours on both libraries."""
    torch.manual_seed(0)
    for setting in settings():
        place = {"device": setting.device, "dtype": setting.dtype}
        tensors = [torch.randn(shape, **place) for shape in SHAPES]
        leaves = [t.clone().requires_grad_() for t in tensors[:3]]
        mine = {"seqlib.cnn.conv2d on torch": lambda t=tensors: ours(*t)}
        if setting.device == "cpu":
            arrays = [t.numpy() for t in tensors]
            mine["seqlib.cnn.conv2d on numpy"] = lambda a=arrays: ours(*a)
        other = {"torch.nn.functional": lambda x=leaves, d=tensors[3]: theirs(*x, d)}
        record.race("conv2d, both ways", mine, other, setting)
