"""The LSTM's cell against torch.nn.LSTMCell and autograd."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import lstm
from seqlib.lstm import lstm_cell, lstm_cell_backward

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
NAMES = ("x", "h", "c", "W_ih", "W_hh", "b_ih", "b_hh")


def draw(rng, B, D, H):
    shapes = [(B, D), (B, H), (B, H), (4 * H, D), (4 * H, H), (4 * H,), (4 * H,)]
    return [rng.normal(size=shape) for shape in shapes]


def torchs_cell(x, h, c, *weights):
    H, D = weights[1].shape[1], x.shape[1]
    cell = torch.nn.LSTMCell(D, H, dtype=x.dtype)
    params = dict(zip(WEIGHTS, weights, strict=True))
    return torch.func.functional_call(cell, params, (x, (h, c)))


@pytest.mark.referee("seqlib.lstm.lstm_cell", by="torch.nn.LSTMCell")
@pytest.mark.referee("seqlib.lstm.lstm_cell_backward", by="torch autograd")
@given(
    sizes=st.tuples(*[st.integers(1, 4)] * 3),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["f8", "f4"]),
)
def test_cell_and_its_gradients(sizes, seed, dtype):
    rng = np.random.default_rng(seed)
    inputs = [a.astype(dtype) for a in draw(rng, *sizes)]
    tensors = [torch.tensor(a.astype("f8"), requires_grad=True) for a in inputs]
    wanted = torchs_cell(*tensors)
    douts = [rng.normal(size=inputs[1].shape).astype(dtype) for _ in "hc"]
    wanted_grads = by_autograd(wanted, [torch.tensor(d) for d in douts], tensors)
    within = 1e-12 if dtype == "f8" else 1e-5
    for A in LIBRARIES.values():
        arrays = [A(a) for a in inputs]
        state, cache = lstm_cell(*arrays)
        grads = lstm_cell_backward(tuple(A(d) for d in douts), cache)
        assert isinstance(state, tuple)
        for a, b in zip(state, wanted, strict=True):
            assert a.dtype == arrays[0].dtype
            close(a, b, within, scale=1 + b.abs().max().item())
        for array, grad, wanted_grad in zip(arrays, grads, wanted_grads, strict=True):
            assert grad.dtype == array.dtype
            close(grad, wanted_grad, within, scale=1 + wanted_grad.abs().max().item())
        for array, a in zip(arrays, inputs, strict=True):
            np.testing.assert_array_equal(to_numpy(array), a)


@pytest.mark.referee("seqlib.lstm.lstm_cell", by="by hand")
def test_by_hand():
    """i, f, g, o = 1/2, 1/4, 3/5, 4/5: c' = 8/4 + 0.6/2 = 2.3, h' = 0.8 tanh 2.3."""
    zero = np.zeros((4, 1))
    bias = np.array([0.0, -np.log(3), np.arctanh(0.6), np.log(4)])
    x, h, c = np.ones((1, 1)), np.ones((1, 1)), 8 * np.ones((1, 1))
    (h, c), _ = lstm_cell(x, h, c, zero, zero, bias / 4, bias * 3 / 4)
    assert c.item() == pytest.approx(2.3)
    assert h.item() == pytest.approx(0.8 * np.tanh(2.3))


def test_without_biases():
    *inputs, b_ih, _ = draw(np.random.default_rng(2), 2, 3, 4)
    zero = np.zeros_like(b_ih)
    pairs = []
    for biases in ((None, None), (zero, zero), (None, zero), (zero, None)):
        state, cache = lstm_cell(*inputs, *biases)
        *grads, db_ih, db_hh = lstm_cell_backward(state, cache)
        assert [d is None for d in (db_ih, db_hh)] == [b is None for b in biases]
        pairs.append([*state, *grads])
    for other in pairs[1:]:
        for a, b in zip(pairs[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_an_open_forget_gate_keeps_the_memory_to_the_last_bit(library, dtype):
    A = LIBRARIES[library]
    inputs = [a.astype(dtype) for a in draw(np.random.default_rng(4), 2, 3, 4)]
    x, h, c, W_ih, W_hh, b_ih, b_hh = inputs
    b_ih[:4], b_ih[4:8] = -1e4, 1e4  # i = 0, f = 1
    arrays = [A(a) for a in (x, h, c, W_ih, W_hh, b_ih, b_hh)]
    (_, kept), cache = lstm_cell(*arrays)
    np.testing.assert_array_equal(to_numpy(kept), c)
    zero, one = A(np.zeros_like(c)), A(np.ones_like(c))
    *_, dc, _, _, _, _ = lstm_cell_backward((zero, one), cache)
    np.testing.assert_array_equal(to_numpy(dc), np.ones_like(c))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("signs", list(np.ndindex(2, 2, 2, 2)), ids=str)
def test_saturated_gates_stay_finite(library, signs):
    """Gate arguments of ±1e4 in float32, every combination: values as torch's."""
    A = LIBRARIES[library]
    inputs = [a.astype("f4") for a in draw(np.random.default_rng(5), 2, 3, 4)]
    inputs[5] = np.repeat([1e4 if s else -1e4 for s in signs], 4).astype("f4")
    wanted = torchs_cell(*(torch.tensor(a) for a in inputs))
    state, cache = lstm_cell(*(A(a) for a in inputs))
    grads = lstm_cell_backward(state, cache)
    for a, b in zip(state, wanted, strict=True):
        close(a, b, 1e-6, scale=1 + b.abs().max().item())
    for grad in grads:
        assert np.isfinite(to_numpy(grad)).all()


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_no_number_stays_so(library):
    inputs = draw(np.random.default_rng(2), 2, 3, 4)
    inputs[0][0, 0] = np.nan
    for a in lstm_cell(*map(LIBRARIES[library], inputs))[0]:
        assert np.isnan(to_numpy(a)[0]).all()
        assert np.isfinite(to_numpy(a)[1]).all()


A, B = np.ones((2, 4)), np.ones((2, 3))


@pytest.mark.parametrize(
    ("dstate", "sentence"),
    [
        (A, "dstate must be a tuple of 2 arrays, got ndarray"),
        ((A,), "dstate must be a tuple of 2 arrays, got 1"),
        ((A, None), "dstate[1] must be an array (of numpy or torch), got NoneType"),
        ((A, B), "dstate[1] must have shape (2, 4), got (2, 3)"),
        ((A[:1], A), "dstate[0] must have shape (2, 4), got (1, 4)"),
        (
            (A.astype("f4"), A),
            "dstate[0] must hold float64 as the forward pass does, got float32",
        ),
        (
            (A, torch.tensor(A)),
            "dstate[1] must come from numpy as the forward pass does, got torch",
        ),
    ],
    ids=str,
)
def test_gradients_that_do_not_fit(dstate, sentence):
    _, cache = lstm_cell(*draw(np.random.default_rng(0), 2, 3, 4))
    with pytest.raises((ValueError, TypeError)) as caught:
        lstm_cell_backward(dstate, cache)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("name", "wrong", "sentence"),
    [
        ("x", np.ones(3), "x must have shape (B, D), got (3,)"),
        ("h", np.ones((3, 4)), "h must have shape (B=2, H), got (3, 4)"),
        ("c", np.ones((2, 3)), "c must have shape (B=2, H=4), got (2, 3)"),
        ("W_ih", np.ones((4, 3)), "W_ih must have shape (16, D=3), got (4, 3)"),
        ("W_hh", np.ones((16, 3)), "W_hh must have shape (16, 4), got (16, 3)"),
        ("b_ih", np.ones(4), "b_ih must have shape (16,), got (4,)"),
        ("b_hh", np.ones((16, 1)), "b_hh must have shape (16,), got (16, 1)"),
        ("c", None, "c must be an array (of numpy or torch), got NoneType"),
        ("c", np.ones((2, 4), int), "c must hold floats, got int64"),
        ("c", np.ones((2, 4), "f4"), "c must hold float64 as x does, got float32"),
    ],
    ids=str,
)
def test_input_that_does_not_fit(name, wrong, sentence):
    inputs = dict(zip(NAMES, draw(np.random.default_rng(0), 2, 3, 4), strict=True))
    with pytest.raises((ValueError, TypeError)) as caught:
        lstm_cell(**{**inputs, name: wrong})
    assert str(caught.value) == sentence


def test_a_bias_beside_the_product_is_added_once():
    rng = np.random.default_rng(7)
    sizes = [(2, 12), (2, 3), (2, 3), (12, 3), 12]
    a, h, c, W_hh, b_hh = (rng.normal(size=size) for size in sizes)
    apart, _ = lstm.step(a, (h, c), W_hh, b_hh)
    merged, _ = lstm.step(a + b_hh, (h, c), W_hh, None)
    for one, other in zip(apart, merged, strict=True):
        close(one, other, 1e-14)
