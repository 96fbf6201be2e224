"""The references of chapter 16's exercises, against torch and the package."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from seqlib.grading import CheckError, check
from seqlib.grading.exercises.self_attention import (
    attend,
    backward,
    cost,
    heads,
    places,
)
from seqlib.positions import rotary, sinusoidal

SOURCE = Path(__file__).parents[1] / "exercises" / "16-self-attention.ipynb"


def close(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-10, atol=1e-13)


def leaves(*arrays):
    return [torch.tensor(a, requires_grad=True) for a in arrays]


@pytest.mark.parametrize("seed", range(3))
def test_self_attention_against_torch(seed):
    rng = np.random.default_rng(seed)
    x, W = rng.normal(size=(5, 6)), rng.normal(size=(3, 4, 6))
    mask = (rng.random((5, 5)) < 0.6) | np.eye(5, dtype=bool)
    q, k, v = (functional.linear(torch.tensor(x), torch.tensor(a))[None] for a in W)
    out, alpha = attend.self_attention(x, *W, mask)
    right = functional.scaled_dot_product_attention(
        q, k, v, attn_mask=torch.tensor(mask)
    )
    close([out], right)
    np.testing.assert_allclose(alpha.sum(axis=1), 1)
    assert (alpha[~mask] == 0).all()
    mask[2] = False
    out, alpha = attend.self_attention(x, *W, mask)
    assert (out[2] == 0).all()
    assert (alpha[2] == 0).all()


def test_places_against_complex_numbers_and_the_package():
    rng = np.random.default_rng(1)
    f = 10000.0 ** (-torch.arange(4).double() / 4)
    hands = torch.polar(torch.ones(6, 4).double(), torch.arange(3, 9)[:, None] * f)
    table = torch.stack([hands.imag, hands.real], dim=2).flatten(1)
    close([places.waves(6, 8, 3)], [table])
    np.testing.assert_allclose(table, sinusoidal(np.arange(3.0, 9.0), 8)[0])
    x = rng.normal(size=(6, 8))
    z = torch.view_as_complex(torch.tensor(x).view(6, 4, 2)) * hands
    close([places.turn(x, np.arange(3.0, 9.0))], [torch.view_as_real(z).flatten(1)])
    np.testing.assert_allclose(places.turn(x, np.arange(6.0)), rotary(x)[0])


@pytest.mark.parametrize("H", [1, 2, 3, 6])
def test_many_heads_against_torch(H):
    rng = np.random.default_rng(H)
    module = torch.nn.MultiheadAttention(6, H, bias=False, batch_first=True).double()
    x = rng.normal(size=(5, 6))
    x_ = torch.tensor(x)[None]
    W_in, W_out = (p.detach().numpy() for p in module.parameters())
    close([heads.multi_head(x, W_in, W_out, H)], module(x_, x_, x_)[0])


def test_the_way_back_against_autograd():
    rng = np.random.default_rng(2)
    shapes = (4, 3), (5, 3), (5, 2)
    q, k, v = leaves(*(rng.normal(size=shape) for shape in shapes))
    alpha, dz = (q @ k.T / 3**0.5).softmax(dim=1), rng.normal(size=(4, 2))
    right = torch.autograd.grad(alpha @ v, [q, k, v], torch.tensor(dz))
    given = [a.detach().numpy() for a in (q, k, v, alpha)]
    close(backward.attention_backward(dz, *given), right)

    x, *W = leaves(rng.normal(size=(2, 5, 4)), *rng.normal(size=(3, 4, 4)))
    blame = rng.normal(size=(3, 2, 5, 4))
    L = sum(
        (functional.linear(x, a) * torch.tensor(g)).sum()
        for a, g in zip(W, blame, strict=True)
    )
    right = torch.autograd.grad(L, [x, *W])
    given = [a.detach().numpy() for a in (x, *W)]
    close(backward.words_backward(*blame, *given), right)


@pytest.mark.parametrize("T", [1, 7, 50])
def test_the_budget_against_torchs_counter(T):
    module = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.zeros(1, T, 8)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(x, x, x)
    budget = counter.get_total_flops()
    assert cost.longest_text(8, budget) == T
    assert cost.longest_text(8, budget - 1) == T - 1


def test_the_broken_heads_are_in_the_bank():
    cells = nbformat.read(SOURCE, 4).cells
    (source,) = [c.source for c in cells if c.source.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: All three faults are still there"):
        check("16-4", space["broken"])
