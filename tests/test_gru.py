"""The GRU's cell in both forms, against torch and autograd."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import gru
from seqlib.gru import gru_cell, gru_cell_backward

FORMS = ("after", "before")
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
NAMES = ("x", "h", "W_ih", "W_hh", "b_ih", "b_hh")


def draw(rng, B, D, H):
    shapes = [(B, D), (B, H), (3 * H, D), (3 * H, H), (3 * H,), (3 * H,)]
    return [rng.normal(size=shape) for shape in shapes]


def torchs_cell(reset, x, h, W_ih, W_hh, b_ih, b_hh):
    """Let torch compute: by its own cell, or, for reset before, gate by gate."""
    if reset == "after":
        cell = torch.nn.GRUCell(x.shape[1], h.shape[1], dtype=x.dtype)
        weights = dict(zip(WEIGHTS, (W_ih, W_hh, b_ih, b_hh), strict=True))
        return torch.func.functional_call(cell, weights, (x, h))
    (W_r, W_z, W_n), (U_r, U_z, U_n) = W_ih.chunk(3), W_hh.chunk(3)
    b_r, b_z, b_n = (b_ih + b_hh).chunk(3)
    r = torch.sigmoid(x @ W_r.T + h @ U_r.T + b_r)
    z = torch.sigmoid(x @ W_z.T + h @ U_z.T + b_z)
    n = torch.tanh(x @ W_n.T + torch.mul(r, h) @ U_n.T + b_n)
    return torch.lerp(n, h, z)


@pytest.mark.referee("seqlib.gru.gru_cell", by="torch.nn.GRUCell")
@pytest.mark.referee("seqlib.gru.gru_cell_backward", by="torch autograd")
@pytest.mark.parametrize("reset", FORMS)
@given(
    sizes=st.tuples(*[st.integers(1, 4)] * 3),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["f8", "f4"]),
)
def test_cell_and_its_gradients(reset, sizes, seed, dtype):
    rng = np.random.default_rng(seed)
    inputs = [a.astype(dtype) for a in draw(rng, *sizes)]
    tensors = [torch.tensor(a.astype("f8"), requires_grad=True) for a in inputs]
    wanted = torchs_cell(reset, *tensors)
    dh = rng.normal(size=tuple(wanted.shape)).astype(dtype)
    wanted_grads = by_autograd([wanted], [torch.tensor(dh)], tensors)
    within = 1e-12 if dtype == "f8" else 1e-5
    for A in LIBRARIES.values():
        arrays = [A(a) for a in inputs]
        h, cache = gru_cell(*arrays, reset=reset)
        grads = gru_cell_backward(A(dh), cache)
        assert h.dtype == arrays[0].dtype
        close(h, wanted, within, scale=1 + wanted.abs().max().item())
        for array, grad, wanted_grad in zip(arrays, grads, wanted_grads, strict=True):
            assert grad.dtype == array.dtype
            close(grad, wanted_grad, within, scale=1 + wanted_grad.abs().max().item())
        for array, a in zip(arrays, inputs, strict=True):
            np.testing.assert_array_equal(to_numpy(array), a)


@pytest.mark.referee("seqlib.gru.gru_cell", by="by hand")
@pytest.mark.parametrize("reset", FORMS)
def test_by_hand(reset):
    """r = 1/4, z = 1/5, h = 8, W_hn = 1, b_hn = 4: 1/4 (8 + 4) = 3, or 2 + 4 = 6."""
    x, h = np.ones((1, 1)), 8 * np.ones((1, 1))
    W_ih, W_hh = np.zeros((3, 1)), np.array([[0.0], [0.0], [1.0]])
    b_ih, b_hh = np.array([-np.log(3), -np.log(4), -2.5]), np.array([0.0, 0.0, 4.0])
    out, _ = gru_cell(x, h, W_ih, W_hh, b_ih, b_hh, reset)
    n = np.tanh({"after": 3, "before": 6}[reset] - 2.5)
    assert out.item() == pytest.approx(0.8 * n + 0.2 * 8)


@pytest.mark.parametrize("diagonal", [True, False])
def test_when_the_two_forms_are_one(diagonal):
    """With W_hn diagonal and no b_hn, r * (W_hn h) is W_hn (r * h); else it is not."""
    x, h, W_ih, W_hh, b_ih, b_hh = draw(np.random.default_rng(3), 2, 3, 4)
    b_hh[8:] = 0
    if diagonal:
        W_hh[8:] *= np.eye(4)
    weights = W_ih, W_hh, b_ih, b_hh
    after, before = (gru_cell(x, h, *weights, reset=form)[0] for form in FORMS)
    assert np.allclose(after, before, rtol=0, atol=1e-14) == diagonal


@pytest.mark.parametrize("reset", FORMS)
def test_a_gate_negated_writes_the_same_network_with_z_for_one_minus_z(reset):
    """Cho et al. and others write h' = z * n + (1 - z) * h; σ(-a) = 1 - σ(a)."""
    x, h, W_ih, W_hh, b_ih, b_hh = draw(np.random.default_rng(3), 2, 3, 4)
    ours, (*_, kept, _, _) = gru_cell(x, h, W_ih, W_hh, b_ih, b_hh, reset)
    negated = [a.copy() for a in (W_ih, W_hh, b_ih, b_hh)]
    for a in negated:
        a[4:8] *= -1
    _, (*_, other, _, _) = gru_cell(x, h, *negated, reset)
    z, n = other[2], kept[3]
    np.testing.assert_allclose(ours, z * n + (1 - z) * h, rtol=0, atol=1e-14)


@pytest.mark.parametrize("reset", FORMS)
def test_without_biases(reset):
    *inputs, b_ih, _ = draw(np.random.default_rng(2), 2, 3, 4)
    zero = np.zeros_like(b_ih)
    results = []
    for biases in ((None, None), (zero, zero), (None, zero), (zero, None)):
        h, cache = gru_cell(*inputs, *biases, reset=reset)
        *grads, db_ih, db_hh = gru_cell_backward(h, cache)
        assert [d is None for d in (db_ih, db_hh)] == [b is None for b in biases]
        results.append([h, *grads])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("reset", FORMS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_gate_of_one_keeps_the_state_to_the_last_bit(library, dtype, reset):
    A = LIBRARIES[library]
    inputs = [a.astype(dtype) for a in draw(np.random.default_rng(4), 2, 3, 4)]
    h, b_ih = inputs[1], inputs[4]
    b_ih[4:8] = 1e4
    out, cache = gru_cell(*map(A, inputs), reset=reset)
    np.testing.assert_array_equal(to_numpy(out), h)
    dx, dh, *_ = gru_cell_backward(A(np.ones_like(h)), cache)
    np.testing.assert_array_equal(to_numpy(dh), np.ones_like(h))
    assert not to_numpy(dx).any()
    b_ih[4:8] = -1e4  # and one of 0 forgets it wholly, so that n stays as it is
    b_ih[8:] = 1e4
    out, _ = gru_cell(*map(A, inputs), reset=reset)
    np.testing.assert_array_equal(to_numpy(out), np.ones_like(h))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("reset", FORMS)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("signs", list(np.ndindex(2, 2, 2)), ids=str)
def test_saturated_gates_stay_finite(library, reset, signs):
    A = LIBRARIES[library]
    inputs = [a.astype("f4") for a in draw(np.random.default_rng(5), 2, 3, 4)]
    inputs[4] = np.repeat([1e4 if s else -1e4 for s in signs], 4).astype("f4")
    wanted = torchs_cell(reset, *(torch.tensor(a) for a in inputs))
    h, cache = gru_cell(*(A(a) for a in inputs), reset=reset)
    close(h, wanted, 1e-6, scale=1 + wanted.abs().max().item())
    for grad in gru_cell_backward(h, cache):
        assert np.isfinite(to_numpy(grad)).all()


@pytest.mark.parametrize("reset", FORMS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_no_number_stays_so(library, reset):
    inputs = draw(np.random.default_rng(2), 2, 3, 4)
    inputs[0][0, 0] = np.nan
    h, _ = gru_cell(*map(LIBRARIES[library], inputs), reset=reset)
    assert np.isnan(to_numpy(h)[0]).all()
    assert np.isfinite(to_numpy(h)[1]).all()


@pytest.mark.parametrize(
    ("name", "wrong", "sentence"),
    [
        ("x", np.ones(3), "x must have shape (B, D), got (3,)"),
        ("h", np.ones((3, 4)), "h must have shape (B=2, H), got (3, 4)"),
        ("W_ih", np.ones((4, 3)), "W_ih must have shape (12, D=3), got (4, 3)"),
        ("W_hh", np.ones((12, 3)), "W_hh must have shape (12, 4), got (12, 3)"),
        ("b_ih", np.ones(4), "b_ih must have shape (12,), got (4,)"),
        ("b_hh", np.ones((12, 1)), "b_hh must have shape (12,), got (12, 1)"),
        ("h", None, "h must be an array (of numpy or torch), got NoneType"),
        ("h", np.ones((2, 4), int), "h must hold floats, got int64"),
        ("h", np.ones((2, 4), "f4"), "h must hold float64 as x does, got float32"),
        ("reset", "never", "reset must be one of 'after', 'before', got 'never'"),
        ("reset", None, "reset must be one of 'after', 'before', got None"),
    ],
    ids=str,
)
def test_input_that_does_not_fit(name, wrong, sentence):
    inputs = dict(zip(NAMES, draw(np.random.default_rng(0), 2, 3, 4), strict=True))
    with pytest.raises((ValueError, TypeError)) as caught:
        gru_cell(**{**inputs, name: wrong})
    assert str(caught.value) == sentence


@pytest.mark.parametrize("reset", FORMS)
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (np.ones((2, 3)), "dh must have shape (2, 4), got (2, 3)"),
        (None, "dh must be an array (of numpy or torch), got NoneType"),
        (np.ones((2, 4), int), "dh must hold floats, got int64"),
        (
            np.ones((2, 4), "f4"),
            "dh must hold float64 as the forward pass does, got float32",
        ),
    ],
    ids=str,
)
def test_gradients_that_do_not_fit(reset, wrong, sentence):
    _, cache = gru_cell(*draw(np.random.default_rng(0), 2, 3, 4), reset=reset)
    with pytest.raises((ValueError, TypeError)) as caught:
        gru_cell_backward(wrong, cache)
    assert str(caught.value) == sentence


def test_a_bias_beside_the_product_is_added_once():
    rng = np.random.default_rng(7)
    a, h, W_hh, b_hh = (rng.normal(size=size) for size in [(2, 9), (2, 3), (9, 3), 9])
    (apart,), _ = gru.step_before(a, (h,), W_hh, b_hh)
    (merged,), _ = gru.step_before(a + b_hh, (h,), W_hh, None)
    close(apart, merged, 1e-14)
