"""One convolution, forward and backward, beside torch's: the ratio of medians.

32 images of 16 channels of 28 x 28, 5 x 5 kernels, 32 maps, float32, one thread. They
take turns, so that whatever else the machine does falls on all.

    python benchmarks/conv2d.py
"""

from __future__ import annotations

import os
import statistics
import time

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
import torch

from seqlib._arrays import Array
from seqlib.cnn import conv2d, conv2d_backward

ROUNDS = 30


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
    """Time the candidates in turns, and print medians and ratios."""
    torch.set_num_threads(1)
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
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for round_ in range(ROUNDS + 3):
        for name, step in candidates.items():
            start = time.perf_counter()
            step()
            if round_ >= 3:  # the first rounds warm up
                times[name].append(1e3 * (time.perf_counter() - start))
    print(f"32x16x28x28, 5x5, 32 maps, float32, 1 thread, {ROUNDS} rounds")
    print(f"{'':28}{'median':>9}{'min':>9}{'max':>9}{'ratio':>8}")
    base = statistics.median(next(iter(times.values())))
    for name, ms in times.items():
        median = statistics.median(ms)
        row = f"{median:6.1f} ms{min(ms):6.1f} ms{max(ms):6.1f} ms{median / base:8.2f}"
        print(f"{name:28}{row}")


if __name__ == "__main__":
    main()
