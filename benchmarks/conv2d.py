"""One convolution, forward and backward, beside torch's.

32 images of 16 channels of 28 x 28, 5 x 5 kernels, 32 maps.

    python benchmarks/conv2d.py
"""

from __future__ import annotations

from turns import compare

# numpy and torch come after it: they read the threads at their import
# isort: split
import numpy as np
import torch

from seqlib._arrays import Array
from seqlib.cnn import conv2d, conv2d_backward


def ours(x: Array, weight: Array, bias: Array, dout: Array) -> None:
    """Forward and backward by hand, on numpy or on torch."""
    _, cache = conv2d(x, weight, bias, padding=2)
    conv2d_backward(dout, cache)


def theirs(*tensors: torch.Tensor) -> None:
    """Forward by torch, backward by autograd."""
    *inputs, dout = tensors
    out = torch.nn.functional.conv2d(*inputs, padding=2)
    torch.autograd.grad(out, inputs, dout)


def main() -> None:
    """Compare torch's with ours on both libraries."""
    rng = np.random.default_rng(0)
    shapes = (32, 16, 28, 28), (32, 16, 5, 5), (32,), (32, 32, 28, 28)
    arrays = [rng.normal(size=shape).astype("f4") for shape in shapes]
    tensors = [torch.tensor(a) for a in arrays]
    leaves = [t.clone().requires_grad_() for t in tensors[:3]]
    candidates = {
        "torch.nn.functional.conv2d": lambda: theirs(*leaves, tensors[3]),
        "seqlib.cnn.conv2d on numpy": lambda: ours(*arrays),
        "seqlib.cnn.conv2d on torch": lambda: ours(*tensors),
    }
    compare("conv2d, both ways, 32x16x28x28, 5x5, 32 maps", candidates)


if __name__ == "__main__":
    main()
