"""What the cells with gates share, against numpy's and torch's own operations."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, close, to_numpy

from seqlib._gates import affine, by_state, split


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("shape", "axis"), [((2, 6), -1), ((2, 6, 5, 9), 1)])
def test_blocks_one_for_each_gate(library, shape, axis):
    z = np.random.default_rng(0).normal(size=shape)
    for n in (1, 2, 3):
        wanted = np.split(z, n, axis)
        found = split(LIBRARIES[library](z), n, axis)
        for got, right in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(to_numpy(got), right)
    if axis == -1:
        assert len(split(LIBRARIES[library](z), 3)) == 3
        three = split(LIBRARIES[library](z[:, None, :]), 2)  # the last, not the second
        assert [tuple(a.shape) for a in three] == [(2, 1, 3)] * 2


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_product_and_what_a_weight_multiplied(library):
    """W h + b, the last block of rows having multiplied something else, or not."""
    A, rng = LIBRARIES[library], np.random.default_rng(0)
    h, last, b, dg = (rng.normal(size=s) for s in ((4, 3), (4, 3), (9,), (4, 9)))
    W = torch.tensor(rng.normal(size=(9, 3)), requires_grad=True)
    by_h = torch.tensor(h) @ W.T
    weight = A(W.detach().numpy())
    close(affine(A(h), weight, A(b)), by_h + torch.tensor(b))
    close(affine(A(h), weight, None), by_h)
    for other in (None, last):
        by_other = torch.tensor(h if other is None else other) @ W.T
        product = torch.cat([(torch.tensor(h) @ W.T)[:, :6], by_other[:, 6:]], 1)
        (wanted,) = by_autograd([product], [torch.tensor(dg)], [W])
        close(by_state(A(dg), A(h), None if other is None else A(other)), wanted)
