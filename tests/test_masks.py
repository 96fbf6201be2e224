"""The softmax that keeps to a mask, against torch's over the allowed keys."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, close
from hypothesis import given
from hypothesis import strategies as st

from seqlib.masks import masked_softmax, masked_softmax_backward

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
