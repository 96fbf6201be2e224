"""The references of chapter 18's exercises, against torch and the package."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch.nn import functional

from seqlib.experiments import gpt_characters
from seqlib.grading import CheckError, check
from seqlib.grading.exercises.gpt import (
    backward,
    caching,
    counting,
    looking,
    mending,
    tuning,
)
from seqlib.nn import GPT, GPTConfig

SOURCE = Path(__file__).parents[1] / "exercises" / "18-gpt.ipynb"


def close(ours, theirs):
    theirs = torch.as_tensor(theirs).detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


def test_looking_back_against_torch():
    scores = 300 * np.random.default_rng(0).normal(size=(5, 5))
    past = torch.ones(5, 5, dtype=torch.bool).tril()
    hidden = torch.tensor(scores).masked_fill(~past, -torch.inf)
    close(looking.look_back(scores), hidden.softmax(dim=1))


@pytest.mark.parametrize("tied", [True, False])
def test_counts_against_the_module(tied):
    config = GPTConfig(11, 7, 3, 2, 8, head="tied" if tied else "own")
    built = sum(p.numel() for p in GPT(config, device="meta").parameters())
    assert counting.parameters(11, 7, 3, 8, tied) == built


def test_the_cache_against_torch():
    rng = np.random.default_rng(1)
    q, k, v = rng.normal(size=(3, 6, 4))
    whole = functional.scaled_dot_product_attention(
        *(torch.tensor(a)[None] for a in (q, k, v)), is_causal=True
    )[0]
    K, V = np.zeros((0, 4)), np.zeros((0, 4))
    for t in range(6):
        c, K, V = caching.attend_next(q[t], k[t], v[t], K, V)
        close(c, whole[t])
    close(K, k)
    close(V, v)


@pytest.mark.parametrize("n", [1, 2, 9])
def test_operations_against_the_experiments_formula(n):
    each = [gpt_characters.multiplications(3, 8, t, 11) for t in range(1, n + 1)]
    assert counting.multiplications(n, 11, 3, 8, True) == sum(each)
    without = sum(t * m for t, m in enumerate(each, 1))
    assert counting.multiplications(n, 11, 3, 8, False) == without


def test_the_block_against_torch():
    rng = np.random.default_rng(2)
    T, E, F = 5, 4, 7
    x, squares = rng.normal(size=(T, E)), rng.normal(size=(3, E, E))
    W_1, W_2 = rng.normal(size=(F, E)), rng.normal(size=(E, F))
    layer = torch.nn.TransformerEncoderLayer(
        E, 1, F, 0.0, "relu", batch_first=True, norm_first=True, bias=False
    ).double()
    layer.requires_grad_(False)
    layer.self_attn.in_proj_weight[:] = torch.tensor(np.concatenate(squares))
    layer.self_attn.out_proj.weight[:] = torch.eye(E)
    layer.linear1.weight[:], layer.linear2.weight[:] = map(torch.tensor, (W_1, W_2))
    mask = torch.full((T, T), -torch.inf, dtype=torch.float64).triu(1)
    right = layer(torch.tensor(x)[None], mask)[0]
    close(mending.block(x, *squares, W_1, W_2), right)


def test_the_tied_table_against_autograd():
    rng = np.random.default_rng(3)
    W = torch.tensor(rng.normal(size=(5, 3)), requires_grad=True)
    mix = torch.tensor(rng.normal(size=(6, 6)))
    ids, right = rng.integers(0, 4, 6), rng.integers(0, 5, 6)
    x = W[torch.tensor(ids)]
    h = (mix @ x).tanh()
    o = h @ W.T
    loss = functional.cross_entropy(o, torch.tensor(right))
    x.retain_grad()
    loss.backward()
    given = [a.detach().numpy() for a in (o, h, x.grad)]
    close(backward.tied_backward(given[0], right, given[1], ids, given[2]), W.grad)


def test_the_loss_against_torch():
    rng = np.random.default_rng(4)
    o, ids, label = 400 * rng.normal(size=(5, 7)), rng.integers(0, 7, 5), 1
    of_label = rng.normal(size=3)
    words = functional.cross_entropy(torch.tensor(o[:-1]), torch.tensor(ids[1:]))
    right = functional.cross_entropy(torch.tensor(of_label), torch.tensor(label))
    close(tuning.tuning_loss(o, ids, of_label, label, 0.3), right + 0.3 * words)


def test_the_broken_block_has_the_three_faults_of_the_bank():
    cells = nbformat.read(SOURCE, 4).cells
    (text,) = [c.source for c in cells if "def broken(" in c.source]
    space = {"np": np}
    exec(text, space)
    with pytest.raises(CheckError, match="All three faults are still there"):
        check("18-5", space["broken"])
