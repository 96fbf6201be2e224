"""What forms of attention share, against torch's own operations and autograd."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, close, to_numpy

from seqlib import _fused
from seqlib._weigh import (
    weigh,
    weigh_backward,
    weigh_products,
    weigh_products_backward,
)

T, S, D, O = 3, 5, 4, 2
SOME = np.array([[1, 0, 1, 1, 0], [0, 1, 0, 0, 0], [1, 1, 1, 0, 1]], bool)
MASKS = {
    "none": None,
    "bool": SOME,
    "floats": np.where(SOME, np.random.default_rng(5).normal(size=(T, S)), -np.inf),
    "row": np.random.default_rng(6).normal(size=(1, S)),
}
SHARE = 0.4


def draw(*sizes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(2, *size)) for size in sizes]


def torchs(scores, v, mask, factors=1.0):
    """Average by torch; `factors` stand for what dropout does to the weights."""
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    elif mask is not None:
        scores = scores + mask
    p = scores.softmax(-1) * factors
    return p @ v, p


def wanted_of(arrays, mask, douts, products, factors=1.0):
    """Return out, p and the gradients, that of a mask of floats last."""
    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    given = None if mask is None else torch.tensor(mask)
    if given is not None and given.dtype != torch.bool:
        inputs.append(given.requires_grad_())
    *first, v = inputs[: len(arrays)]
    scores = first[0] @ first[1].mT if products else first[0]
    found = torchs(scores, v, given, factors)
    return *found, by_autograd(found, [torch.tensor(d) for d in douts], inputs)


def agree(found, wanted):
    assert (found[-1] is None) == (len(wanted) < len(found))
    for got, right in zip(found, wanted, strict=False):
        close(got, right, scale=1 + right.abs().max().item())


@pytest.mark.parametrize("of_weights", [False, True])
@pytest.mark.parametrize("which", MASKS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_by_scores(library, which, of_weights):
    A, mask = LIBRARIES[library], MASKS[which]
    scores, v, dout, dp = draw((T, S), (S, O), (T, O), (T, S))
    dp *= of_weights
    out, p, grads = wanted_of([scores, v], mask, [dout, dp], False)
    ours, weights, cache = weigh(A(scores), A(v), None if mask is None else A(mask))
    close(ours, out)
    close(weights, p)
    agree(weigh_backward(A(dout), A(dp) if of_weights else None, cache), grads)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("dropout", [0.0, SHARE])
@pytest.mark.parametrize("which", MASKS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_by_products(library, which, dropout, keep):
    A, mask = LIBRARIES[library], MASKS[which]
    q, k, v, dout, dp = draw((T, D), (S, D), (S, O), (T, O), (T, S))
    arrays, given = [A(a) for a in (q, k, v)], None if mask is None else A(mask)
    ours, weights, cache = weigh_products(
        *arrays, given, dropout, np.random.default_rng(1), keep
    )
    p = wanted_of([q, k, v], mask, [dout, dp], True)[1].detach().numpy()
    factors = np.ones_like(p)
    if dropout:  # which were dropped can be read off the weights
        factors = (to_numpy(weights) != 0) / (1 - dropout)
        assert 0 < factors[p != 0].mean() * (1 - dropout) < 1
    out, p, grads = wanted_of([q, k, v], mask, [dout, dp], True, torch.tensor(factors))
    close(ours, out)
    close(weights, p)
    back = weigh_products_backward(A(dout), A(dp), cache)
    agree(back, grads)
    for array, copy in zip(arrays, (q, k, v), strict=True):
        np.testing.assert_array_equal(to_numpy(array), copy)


@pytest.mark.parametrize("library", LIBRARIES)
def test_nothing_is_dropped_unless_told(library):
    A = LIBRARIES[library]
    q, k, v = map(A, draw((T, D), (S, D), (S, O)))
    _, p, _ = weigh_products(q, k, v, None)
    for options in ((0.0, np.random.default_rng(0)), (SHARE, None)):
        _, again, _ = weigh_products(q, k, v, None, *options)
        np.testing.assert_array_equal(to_numpy(again), to_numpy(p))


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_weights_are_made_anew_where_that_is_cheap(library):
    A = LIBRARIES[library]
    q, k, v = map(A, draw((T, D), (S, D), (S, O)))
    rng = np.random.default_rng(0)
    *_, free = weigh_products(q, k, v, None)[2]
    assert (free is None) == (library == "torch")
    for options in ({"keep": True}, {"dropout": SHARE, "rng": rng}):
        *_, kept = weigh_products(q, k, v, None, **options)[2]
        assert kept is not None


@pytest.mark.parametrize("which", range(3))
def test_what_autograd_records_is_kept_and_not_overwritten(which, monkeypatch):
    arrays = list(map(torch.tensor, draw((T, D), (S, D), (S, O))))
    arrays[which].requires_grad_()
    monkeypatch.setattr(_fused, "softmax_backward_", None)
    monkeypatch.setattr(_fused, "masked_softmax", None if which < 2 else one_pass)
    out, _, cache = weigh_products(*arrays, None)
    assert cache[-1] is not None
    weigh_products_backward(torch.ones_like(out), None, cache)


one_pass = _fused.masked_softmax


def test_a_mask_or_a_gradient_that_is_recorded(monkeypatch):
    q, k, v, mask = map(torch.tensor, draw((T, D), (S, D), (S, O), (T, S)))
    *_, cache = weigh_products(q, k, v, None)
    dout = torch.ones(2, T, O, dtype=torch.float64, requires_grad=True)
    monkeypatch.setattr(_fused, "softmax_backward_", None)
    dq, *_ = weigh_products_backward(dout, None, cache)
    assert dq.requires_grad
    monkeypatch.setattr(_fused, "masked_softmax", None)
    out, *_ = weigh_products(q, k, v, mask.requires_grad_())
    assert out.requires_grad


def test_scores_of_its_own_are_overwritten_and_no_others(monkeypatch):
    taken = []

    def spy(scores, *rest, **options):
        taken.append((scores, options.get("own", False)))
        return one_pass(scores, *rest, **options)

    monkeypatch.setattr(_fused, "masked_softmax", spy)
    q, k, v = map(torch.tensor, draw((T, D), (S, D), (S, O)))
    _, p, cache = weigh_products(q, k, v, torch.tensor(SOME))
    weigh_products_backward(torch.ones(2, T, O).double(), None, cache)
    assert [own for _, own in taken] == [True, True]
    assert taken[0][0].data_ptr() == p.data_ptr()
    out, p, _ = weigh_products(q * torch.nan, k, v, None)  # it says None: the formula
    assert out.isnan().all()
    assert p.isnan().all()
    scores = q @ k.mT
    before = scores.clone()
    weigh(scores, v, None)
    assert torch.equal(scores, before)


def test_gradients_that_do_not_fit():
    scores, v = draw((T, S), (S, O))
    *_, cache = weigh(scores, v, None)
    with pytest.raises(ValueError, match=r"dout must have shape \(2, 3, 2\), got"):
        weigh_backward(scores, None, cache)
    with pytest.raises(ValueError, match=r"dweights must have shape \(2, 3, 5\), got"):
        weigh_backward(np.ones((2, T, O)), v, cache)
