"""The simple cell against torch.nn.RNNCell and autograd."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib.functional import linear
from seqlib.rnn import (
    ACTIVATIONS,
    rnn_cell,
    rnn_cell_backward,
    step,
    step_backward,
)

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def draw(rng, B, D, H):
    shapes = [(B, D), (B, H), (H, D), (H, H), (H,), (H,)]
    return [rng.normal(size=shape) for shape in shapes]


def torchs_cell(activation, x, h, W_ih, W_hh, b_ih, b_hh):
    """Let torch compute: by its own cell, or by its sigmoid."""
    if activation == "logistic":
        z = torch.nn.functional.linear(x, W_ih, b_ih)
        z = z + torch.nn.functional.linear(h, W_hh, b_hh)
        return torch.sigmoid(z)
    H, D = W_ih.shape
    cell = torch.nn.RNNCell(D, H, nonlinearity=activation, dtype=x.dtype)
    params = dict(zip(NAMES, (W_ih, W_hh, b_ih, b_hh), strict=True))
    return torch.func.functional_call(cell, params, (x, h))


@pytest.mark.referee("seqlib.rnn.rnn_cell", by="torch.nn.RNNCell")
@pytest.mark.referee("seqlib.rnn.rnn_cell_backward", by="torch autograd")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(
    sizes=st.tuples(*[st.integers(1, 4)] * 3),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["f8", "f4"]),
)
def test_cell_and_its_gradients(activation, sizes, seed, dtype):
    rng = np.random.default_rng(seed)
    inputs = [a.astype(dtype) for a in draw(rng, *sizes)]
    tensors = [torch.tensor(a.astype("f8"), requires_grad=True) for a in inputs]
    wanted = torchs_cell(activation, *tensors)
    dh = rng.normal(size=tuple(wanted.shape)).astype(dtype)
    wanted_grads = by_autograd([wanted], [torch.tensor(dh)], tensors)
    within = 1e-12 if dtype == "f8" else 1e-5
    for A in LIBRARIES.values():
        arrays = [A(a) for a in inputs]
        h, cache = rnn_cell(*arrays, activation=activation)
        grads = rnn_cell_backward(A(dh), cache)
        close(h, wanted, within, scale=1 + wanted.abs().max().item())
        for array, grad, wanted_grad in zip(arrays, grads, wanted_grads, strict=True):
            assert grad.dtype == array.dtype
            close(grad, wanted_grad, within, scale=1 + wanted_grad.abs().max().item())
        for array, a in zip(arrays, inputs, strict=True):
            np.testing.assert_array_equal(to_numpy(array), a)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_step_inside_a_loop_against_torch(activation, bias):
    rng = np.random.default_rng(4)
    inputs = draw(rng, 3, 2, 4)
    inputs[5] *= bias
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    wanted = torchs_cell(activation, *tensors)
    dh = rng.normal(size=tuple(wanted.shape))
    dz_wanted, dh_wanted = by_autograd(
        [wanted], [torch.tensor(dh)], [tensors[4], tensors[1]]
    )
    x, h, W_ih, W_hh, b_ih, b_hh = inputs
    a, _ = linear(x, W_ih, b_ih)
    b_hh = b_hh if bias else None
    (new,), cache = step(a, (h,), W_hh, b_hh, activation)
    close(new, wanted, scale=1)
    da, dg, (before,) = step_backward((dh,), cache, W_hh, activation)
    np.testing.assert_array_equal(da, dg)
    close(da.sum(axis=0), dz_wanted, scale=1)  # as b_ih, which every row shares
    close(before, dh_wanted, scale=1)


@pytest.mark.referee(
    "seqlib.rnn.rnn_cell", "seqlib.rnn.rnn_cell_backward", by="by hand"
)
def test_by_hand():
    """h' = tanh(2 x 1 + 0.5 + 3 x (-1) + 0.25) = tanh(-0.25), all sizes 1."""
    one = np.ones((1, 1))
    bias = np.array([1.0])
    h, cache = rnn_cell(one, -one, 2 * one, 3 * one, bias / 2, bias / 4)
    assert h.item() == pytest.approx(np.tanh(-0.25))
    slope = 1 - np.tanh(0.25) ** 2
    grads = [g.item() for g in rnn_cell_backward(one, cache)]
    np.testing.assert_allclose(grads, np.array([2, 3, 1, -1, 1, 1]) * slope)


def test_without_biases():
    x, h, W_ih, W_hh, b_ih, _ = draw(np.random.default_rng(2), 2, 3, 4)
    out, cache = rnn_cell(x, h, W_ih, W_hh, None, None)
    zero = np.zeros_like(b_ih)
    wanted, with_zero = rnn_cell(x, h, W_ih, W_hh, zero, zero)
    np.testing.assert_array_equal(out, wanted)
    *grads, db_ih, db_hh = rnn_cell_backward(out, cache)
    assert db_ih is None
    assert db_hh is None
    for grad, same in zip(grads, rnn_cell_backward(out, with_zero), strict=False):
        np.testing.assert_array_equal(grad, same)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_no_number_stays_so(activation, library):
    A = LIBRARIES[library]
    inputs = [A(a) for a in draw(np.random.default_rng(2), 2, 3, 4)]
    inputs[0] = A(np.array([[np.nan, 0, 0], [1, 2, 3]]))
    h, _ = rnn_cell(*inputs, activation=activation)
    assert np.isnan(to_numpy(h)[0]).all()
    assert np.isfinite(to_numpy(h)[1]).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_autograd_agrees_at_exactly_zero(activation):
    tensors = [
        torch.tensor(a.round(), requires_grad=True)
        for a in draw(np.random.default_rng(3), 5, 2, 3)
    ]
    tensors[0].data.zero_()
    tensors[1].data.zero_()
    tensors[4].data.zero_()
    tensors[5].data.zero_()
    out = rnn_cell(*tensors, activation=activation)[0]
    wanted = torchs_cell(activation, *tensors)
    ones = [torch.ones_like(out)]
    pairs = (by_autograd([o], ones, tensors) for o in (out, wanted))
    for grad, wanted_grad in zip(*pairs, strict=True):
        torch.testing.assert_close(grad, wanted_grad, rtol=0, atol=1e-14)
