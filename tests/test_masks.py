"""The softmax that keeps to a mask, against torch's over the allowed keys."""

import array_api_compat
import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import _fused, masks
from seqlib.masks import (
    causal_mask,
    check_mask,
    check_masks,
    masked_softmax,
    masked_softmax_backward,
    padding_mask,
)

LEADS = st.sampled_from([(), (2,), (2, 3)])
KINDS = st.sampled_from(["none", "bool", "floats", "-inf", "row", "column", "number"])


def draw_mask(rng, kind, shape):
    some = rng.random(shape) < 0.6
    added = rng.normal(size=shape)
    return {
        "none": None,
        "bool": some,
        "floats": added,
        "-inf": np.where(some, added, -np.inf),
        "row": added[..., :1, :],
        "column": added[..., :1],
        "number": np.array(added.flat[0]),
    }[kind]


def torchs(scores, mask):
    """Fill what is forbidden with -inf; a row of nothing else is zeros."""
    if mask is None:
        return scores.softmax(-1)
    if mask.dtype == torch.bool:
        filled = scores.masked_fill(~mask, -torch.inf)
    else:
        filled = scores + mask
    empty = (filled == -torch.inf).all(-1, keepdim=True)
    return filled.masked_fill(empty, 0.0).softmax(-1).masked_fill(empty, 0.0)


@pytest.mark.referee("seqlib.masks.masked_softmax", by="torch.softmax")
@pytest.mark.referee("seqlib.masks.masked_softmax_backward", by="torch autograd")
@given(
    lead=LEADS,
    T=st.integers(1, 3),
    S=st.integers(1, 4),
    kind=KINDS,
    seed=st.integers(0, 2**32 - 1),
)
def test_weights_and_their_gradients(lead, T, S, kind, seed):
    rng = np.random.default_rng(seed)
    scores, dout = 3 * rng.normal(size=(2, *lead, T, S))
    mask = draw_mask(rng, kind, (*lead, T, S))
    inputs = [torch.tensor(scores, requires_grad=True)]
    given_mask = None if mask is None else torch.tensor(mask)
    if mask is not None and mask.dtype != bool:
        inputs.append(given_mask.requires_grad_())
    wanted = torchs(inputs[0], given_mask)
    grads = by_autograd([wanted], [torch.tensor(dout)], inputs)
    for A in LIBRARIES.values():
        p, cache = masked_softmax(A(scores), None if mask is None else A(mask))
        close(p, wanted, scale=1)
        back = masked_softmax_backward(A(dout), cache)
        assert (back[1] is None) == (len(inputs) == 1)
        for got, right in zip(back, grads, strict=False):
            close(got, right, scale=1 + right.abs().max().item())


@pytest.mark.referee("seqlib.masks.masked_softmax", by="by hand")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("floats", [False, True])
def test_rows_far_apart_and_a_row_of_nothing(library, floats):
    """Each row has a largest score of its own, and none where nothing is allowed."""
    A, third = LIBRARIES[library], np.log(3)
    scores = np.array([[0, third, 9e9], [1e4, 1e4 + third, 0], [-1e4] * 3, [5, 6, 7.0]])
    allowed = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [0, 0, 0]], bool)
    mask = np.where(allowed, 0, -np.inf) if floats else allowed
    wanted = [[0.25, 0.75, 0], [0.25, 0.75, 0], [0, 0.5, 0.5], [0, 0, 0]]
    p, _ = masked_softmax(A(scores), A(mask))
    np.testing.assert_allclose(to_numpy(p), wanted, rtol=1e-11)
    p, _ = masked_softmax(A(np.array([[0, third], [1e4, 1e4 - third]])))
    np.testing.assert_allclose(to_numpy(p), [[0.25, 0.75], [0.75, 0.25]], rtol=1e-11)


def test_torch_takes_one_pass_where_it_can(monkeypatch):
    scores, taken = torch.ones(2, 3), []
    one_pass = _fused.masked_softmax
    monkeypatch.setattr(_fused, "masked_softmax", lambda *a: taken.append(one_pass(*a)))
    masked_softmax(scores.requires_grad_())
    assert not taken
    p, _ = masked_softmax(scores.detach())  # it says None, and the formula is taken
    assert torch.equal(p, taken[0])
    monkeypatch.undo()
    monkeypatch.setattr(masks, "_masked_softmax", None)
    masked_softmax(scores.detach(), torch.ones(2, 3).bool())


@pytest.mark.referee("seqlib.masks.causal_mask", by="numpy tri")
@pytest.mark.referee("seqlib.masks.padding_mask", by="by hand")
@pytest.mark.parametrize("library", LIBRARIES)
def test_masks_as_functions(library):
    A = LIBRARIES[library]
    like = A(np.zeros(1))
    np.testing.assert_array_equal(to_numpy(causal_mask(3, like)), np.tri(3, dtype=bool))
    np.testing.assert_array_equal(
        to_numpy(causal_mask(2, like, 4)), [[1, 1, 1, 0], [1, 1, 1, 1]]
    )
    real = padding_mask(A(np.array([2, 0, 3])), 3)
    np.testing.assert_array_equal(to_numpy(real), [[1, 1, 0], [0, 0, 0], [1, 1, 1]])
    for mask in (causal_mask(2, like), real):
        assert type(mask) is type(like)
        assert mask.dtype == array_api_compat.array_namespace(mask).bool


def test_masks_are_on_the_device_of_what_they_are_like(monkeypatch):
    """The device "meta" computes nothing; the lengths there cannot be read."""
    like = torch.ones(2, 3, device="meta")
    monkeypatch.setattr(masks, "in_range", lambda *_: None)
    lengths = torch.ones(2, dtype=torch.int64, device="meta")
    for mask in (causal_mask(2, like, 3), padding_mask(lengths, 3)):
        assert mask.device.type == "meta"
        assert mask.shape == (2, 3)


@pytest.mark.parametrize("shape", [(), (1,), (3, 1), (1, 1, 4), (2, 3, 4)])
def test_a_sum_is_an_array_whatever_is_left(shape):
    gradient = np.arange(24.0).reshape(2, 3, 4)
    leaf = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    wanted = by_autograd([leaf.expand(2, 3, 4)], [torch.tensor(gradient)], [leaf])[0]
    for A in LIBRARIES.values():
        found = masks.sum_to(A(gradient), shape)
        assert type(found) is type(A(gradient))
        close(found, wanted)


S = np.ones((2, 3, 5))
WRONG = [
    (np.ones((3, 5), int), "mask must hold booleans, True = attend, or floats, which"),
    (np.ones((3, 4), bool), "mask must broadcast to the scores' (2, 3, 5), got (3, 4)"),
    (
        np.ones((1, 2, 3, 5), bool),
        "mask must broadcast to the scores' (2, 3, 5), got (1, 2, 3, 5)",
    ),
    (np.full((3, 5), np.inf), "mask must hold finite numbers or -inf, got NaN or +inf"),
    (np.full((3, 5), np.nan), "mask must hold finite numbers or -inf, got NaN or +inf"),
]


@pytest.mark.parametrize(("mask", "sentence"), WRONG)
def test_masks_that_do_not_fit(mask, sentence):
    for f in (
        lambda: masked_softmax(S, mask),
        lambda: check_mask(mask, S, S.shape),
    ):
        with pytest.raises((ValueError, TypeError)) as caught:
            f()
        assert str(caught.value).startswith(sentence)


def test_masks_of_several_heads():
    """Of B = 2, H = 4, T = 3, S = 5: three axes are (B, T, S), four (B, H, T, S)."""
    sizes = (2, 4, 3, 5)
    for shape in ((2, 3, 5), (2, 1, 5), (2, 4, 3, 5), (1, 4, 1, 5), (3, 5), (5,), ()):
        check_masks(S, sizes, np.ones(shape, bool), np.ones((2, 5), bool))
    check_masks(S, sizes, None, None)
    for mask, key_mask, sentence in (
        (
            np.ones((4, 3, 5), bool),
            None,
            "mask must broadcast to the scores' (2, 3, 5)",
        ),
        (np.ones((2, 2, 3, 5), bool), None, "mask must broadcast to the scores' (2, 4"),
        ([[True]], None, "mask must be an array (of numpy or torch), got list"),
        (None, np.ones((2, 3), bool), "key_mask must have shape (2, 5), got (2, 3)"),
    ):
        for prefix in ("", "tgt_"):
            with pytest.raises((ValueError, TypeError)) as caught:
                check_masks(S, sizes, mask, key_mask, *([prefix] if prefix else []))
            assert str(caught.value).startswith(prefix + sentence)
