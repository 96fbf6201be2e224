"""How the tests compare: three array libraries, autograd, finite differences."""

import re

import array_api_strict
import numpy as np
import torch

LIBRARIES = {
    "numpy": np.array,
    "torch": torch.tensor,
    "array_api_strict": array_api_strict.asarray,
}


def label(value):
    """Name a case of a test; the same in every process, so without addresses."""
    return re.sub(r"<function (\S+) at 0x[0-9a-f]+>", r"\1", str(value))


def to_numpy(array):
    return np.asarray(array.detach() if isinstance(array, torch.Tensor) else array)


def close(actual, wanted, within=1e-12, scale=None):
    """Assert that the arrays differ by less than `within` of the largest entry."""
    actual, wanted = to_numpy(actual), to_numpy(wanted)
    assert actual.shape == wanted.shape
    assert np.isfinite(wanted).all()
    scale = np.abs(wanted).max() if scale is None else scale
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=within * scale)


def by_autograd(outputs, douts, inputs):
    """Return torch's gradients of sum(outputs * douts); zeros where nothing flows."""
    loss = sum((o * d).sum() for o, d in zip(outputs, douts, strict=True))
    return torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)


def by_differences(f, inputs, which, step=1e-5):
    """Return the gradient of the number f(*inputs) at one input."""
    inputs = [np.array(a) for a in inputs]
    gradient = np.zeros_like(inputs[which])
    for i in np.ndindex(gradient.shape):
        middle = inputs[which][i]
        inputs[which][i] = middle + step
        above = f(*inputs)
        inputs[which][i] = middle - step
        below = f(*inputs)
        inputs[which][i] = middle
        gradient[i] = (above - below) / (2 * step)
    return gradient
