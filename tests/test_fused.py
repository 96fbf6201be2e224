"""torch's single passes against the formulas that they stand for."""

import numpy as np
import pytest
import torch
from comparing import close
from hypothesis import given
from hypothesis import strategies as st

from seqlib import _activations, _fused
from seqlib import functional as F
from seqlib.attention import dot_attention, dot_attention_backward
from seqlib.masks import masked_softmax, masked_softmax_backward

pytestmark = pytest.mark.filterwarnings("error")
TYPES = {torch.float64: 1e-12, torch.float32: 3e-6}
WEIGHTS = {"layer_norm": (torch.tensor([0.5, -2, 1, 3]), torch.tensor([1.0, 0, 2, -1]))}
TARGETS = torch.tensor([[1, 3, -100], [0, 0, 2]])
MASK = torch.tensor([[1, 1, 0, 1], [0, 0, 0, 1], [1, 0, 1, 0]]).bool()
BIAS = torch.tensor([[0, 1.5, -torch.inf, 0], [2, 0, 0, 1], [0, -1, 0, -torch.inf]])


NOTHING = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]]).bool()
CLOSED = BIAS.where(torch.tensor([[True], [False], [True]]), -torch.inf)
OTHERS = np.random.default_rng(7).normal(size=(2, 2, 4, 4))


def norm(x):
    return F.layer_norm(x, *(w.to(x.dtype) for w in WEIGHTS["layer_norm"]))


def losses(reduction, smoothing=0.0):
    options = {"reduction": reduction, "label_smoothing": smoothing}
    return lambda x: F.cross_entropy(x, TARGETS, **options)


def masked(mask):
    floats = mask is not None and mask.dtype != torch.bool
    return lambda x: masked_softmax(x, mask.to(x.dtype) if floats else mask)


def attended(mask):
    def attend(x):
        k, v = (torch.tensor(OTHERS[i]).to(x.dtype) for i in range(2))
        floats = mask is not None and mask.dtype != torch.bool
        return dot_attention(x, k, v, mask.to(x.dtype) if floats else mask)

    return attend


# Each is given x (2, 3, 4), and what is not differentiated stands inside.
CASES = {
    "sigmoid": (F.sigmoid, F.sigmoid_backward),
    "softmax": (F.softmax, F.softmax_backward),
    "softmax, axis 1": (lambda x: F.softmax(x, 1), F.softmax_backward),
    "log_softmax": (F.log_softmax, F.log_softmax_backward),
    "log_softmax, axis 0": (lambda x: F.log_softmax(x, 0), F.log_softmax_backward),
    "gelu": (F.gelu, F.gelu_backward),
    "gelu, tanh": (lambda x: F.gelu(x, "tanh"), F.gelu_backward),
    "layer_norm": (norm, F.layer_norm_backward),
    "cross_entropy, mean": (losses("mean"), F.cross_entropy_backward),
    "cross_entropy, sum": (losses("sum", 0.3), F.cross_entropy_backward),
    "cross_entropy, none": (losses("none", 0.1), F.cross_entropy_backward),
    "masked_softmax": (masked(None), masked_softmax_backward),
    "masked_softmax, booleans": (masked(MASK), masked_softmax_backward),
    "masked_softmax, floats": (masked(BIAS), masked_softmax_backward),
    "masked_softmax, nothing": (masked(NOTHING), masked_softmax_backward),
    "masked_softmax, -inf": (masked(CLOSED), masked_softmax_backward),
    "attention": (attended(None), dot_attention_backward),
    "attention, booleans": (attended(MASK), dot_attention_backward),
    "attention, floats": (attended(BIAS), dot_attention_backward),
    "attention, nothing": (attended(NOTHING), dot_attention_backward),
    "attention, -inf": (attended(CLOSED), dot_attention_backward),
    "attention, keys": (attended(NOTHING[:1]), dot_attention_backward),
    "attention, rows": (attended(NOTHING[:, 1:2]), dot_attention_backward),
    "attention, number": (attended(torch.tensor(1.5)), dot_attention_backward),
}
VALUES = {
    "usual": lambda x: x,
    "large": lambda x: 1e4 * x.sign(),
    "apart": lambda x: 1e4 * x,
    "equal": lambda x: 0 * x + 7,
    "strided": lambda x: x.repeat_interleave(2, -1)[..., ::2],
    "turned": lambda x: x.mT.contiguous().mT,
}


def both_ways(case, x, monkeypatch, readable):
    """Return the result and the gradients; `readable` says which formulas to take."""
    f, backward = CASES[case]
    with monkeypatch.context() as patch:
        if readable[0]:
            patch.setattr(_fused, "fits", lambda *arrays: False)
        out, cache = f(x)
    rng = np.random.default_rng(1)
    dout = torch.as_tensor(rng.normal(size=tuple(out.shape)), dtype=x.dtype)
    with monkeypatch.context() as patch:
        if readable[1]:
            patch.setattr(_fused, "fits", lambda *arrays: False)
        grads = backward(dout, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)
    return [a for a in (out, *grads) if a is not None]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("case", CASES)
def test_the_single_pass_is_the_formula(case, values, dtype, monkeypatch):
    x = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 4))).to(dtype)
    x = VALUES[values](x)
    before = x.clone()
    within = TYPES[dtype]
    if case == "layer_norm":  # torch's loses digits where the mean is above the spread
        within *= 1 + (x.mean(-1).abs() / (x.var(-1, correction=0) + 1e-5) ** 0.5).max()
    wanted = both_ways(case, x, monkeypatch, (True, True))
    for way in ((False, False), (False, True), (True, False)):  # caches are the same
        found = both_ways(case, x, monkeypatch, way)
        for a, b in zip(found, wanted, strict=True):
            assert a.dtype == b.dtype == dtype
            assert torch.isfinite(a).all()
            close(a, b, float(within), scale=1 + b.abs().max().item())
    assert torch.equal(x, before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("case", CASES)
def test_what_is_no_number_goes_the_same_way(case, value, monkeypatch):
    x = torch.tensor(np.random.default_rng(0).normal(size=(2, 3, 4)))
    x[0, 0, 2] = value  # forbidden by both masks
    x[1, 2, 0] = value  # allowed
    x[0, 2, 1] = value  # its target is not counted
    wanted = both_ways(case, x, monkeypatch, (True, True))
    found = both_ways(case, x, monkeypatch, (False, False))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, equal_nan=True)


@given(seed=st.integers(0, 2**32 - 1), floats=st.booleans())
def test_masks_that_leave_nothing(seed, floats):
    """Rows without a key are zeros, rows of -inf too; what is forbidden is hidden."""
    rng = np.random.default_rng(seed)
    scores = torch.tensor(rng.normal(size=(2, 3, 4)))
    scores[rng.random((2, 3, 4)) < 0.2] = -torch.inf
    mask = torch.tensor(rng.random((3, 4)) < 0.5)
    forbidden = ~mask.expand(2, 3, 4)
    wanted = torch.where(forbidden, -torch.inf, scores).softmax(-1).nan_to_num(0.0)
    given_ = torch.where(mask, 0.0, -torch.inf).double() if floats else mask
    close(masked_softmax(scores, given_)[0], wanted, 1e-14, scale=1)
    if not floats:
        scores[forbidden & torch.tensor(rng.random((2, 3, 4)) < 0.5)] = torch.nan
        close(masked_softmax(scores, mask)[0], wanted, 1e-14, scale=1)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (2, 33), (5, 1000), (3, 70000)])
def test_in_the_place_of_its_argument(size, dtype):
    """A row is read before it is written, however long it is."""
    rng = np.random.default_rng(0)
    scores, dout = (torch.tensor(rng.normal(size=size)).to(dtype) for _ in range(2))
    wanted, _ = _activations.softmax(scores.clone())
    found = _fused.masked_softmax(scores, own=True)
    assert found.data_ptr() == scores.data_ptr()
    assert torch.equal(found, wanted)
    back = wanted * (dout - (dout * wanted).sum(-1, keepdim=True))
    found = _fused.softmax_backward_(dout, wanted)
    assert found.data_ptr() == dout.data_ptr()
    close(found, back, TYPES[dtype], scale=1 + back.abs().max().item())


def test_rows_without_a_key_in_one_example_of_a_batch():
    scores, mask = torch.ones(2, 3, 4), torch.ones(2, 3, 4, dtype=torch.bool)
    mask[1, 2] = False
    mask[0, :, 1] = False  # a key that no row has: no row is without one
    wanted = torch.where(mask, 1.0, 0.0) / mask.sum(-1, keepdim=True).clamp(min=1)
    close(_fused.masked_softmax(scores, mask), wanted, 1e-6, scale=1)


def test_rows_without_a_key_take_the_single_pass_too():
    """As long as numbers stand in them: in a left-padded batch there are many."""
    scores = torch.ones(2, 3, 4)
    assert _fused.masked_softmax(scores, NOTHING)[0, 1].tolist() == [0, 0, 0, 0]
    assert _fused.masked_softmax(torch.nan * scores, MASK) is None


def test_when_it_fits():
    x = torch.ones(3)
    leaf = torch.ones(3, requires_grad=True)
    assert _fused.fits(x)
    assert not _fused.fits(leaf)
    assert not _fused.fits(x, leaf)
    assert not _fused.fits(np.ones(3))
    with torch.no_grad():
        assert _fused.fits(x, leaf)
    seen = []
    torch.func.grad(lambda t: (seen.append(_fused.fits(t)), t.sum())[1])(x)
    assert seen == [False]


@pytest.mark.parametrize("case", CASES)
def test_it_is_taken(case, monkeypatch):
    """Else the tests above would compare the formula with itself."""
    asked = []
    fits = _fused.fits
    monkeypatch.setattr(
        _fused, "fits", lambda *a: (asked.append(fits(*a)), asked[-1])[1]
    )
    f, backward = CASES[case]
    out, cache = f(torch.ones(2, 3, 4))
    forward = len(asked)
    backward(torch.ones_like(out), cache)
    assert all(asked)
    assert forward > 0
    assert len(asked) > forward or case == "sigmoid"


class TakenError(Exception):
    """Raised in the place of a single pass."""


PASSES = {
    "sigmoid": (torch.Tensor, F.sigmoid),
    "softmax": (torch.Tensor, F.softmax),
    "log_softmax": (torch.Tensor, F.log_softmax),
    "relu": (torch.Tensor, _activations.relu),
    "gelu": (_fused, F.gelu),
    "softmax_backward": (_fused, lambda d, p: F.softmax_backward(d, (p, -1))),
    "log_softmax_backward": (_fused, lambda d, p: F.log_softmax_backward(d, (p, -1))),
    "gelu_backward": (_fused, lambda d, x: F.gelu_backward(d, (x, None, "none"))),
}


@pytest.mark.parametrize("name", PASSES)
def test_one_pass_is_taken_where_nothing_is_recorded_and_nowhere_else(
    name, monkeypatch
):
    def taken(*_, **__):
        raise TakenError

    home, f = PASSES[name]
    monkeypatch.setattr(home, name, taken)
    plain, leaf = torch.ones(2, 3), torch.ones(2, 3, requires_grad=True)
    given_ = [plain, plain] if "backward" in name else [plain]
    with pytest.raises(TakenError):
        f(*given_)
    for i in range(len(given_)):
        f(*given_[:i], leaf, *given_[i + 1 :])
    f(*(a.numpy() for a in given_))


def test_relu_is_its_formula():
    x = torch.tensor([-np.inf, -1, -0.0, 0, 2, np.inf, np.nan])
    wanted = torch.tensor([0, 0, 0, 0, 2, np.inf, np.nan])
    for fast in (x, x.clone().requires_grad_()):
        y = _activations.relu(fast)
        torch.testing.assert_close(y.detach(), wanted, equal_nan=True)
    grad = _activations.relu_backward(torch.full((7,), 3.0), wanted)
    assert grad.tolist() == [0, 0, 0, 0, 3, 3, 0]
