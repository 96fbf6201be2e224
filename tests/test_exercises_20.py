"""The references of chapter 20's exercises, against torch and the package."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import scipy.signal
import torch
from torch.nn import functional

from seqlib.grading import CheckError, check
from seqlib.grading.exercises.beyond import graph, hops, linear, shards, spaces
from seqlib.graph_attention import graph_attention

SOURCE = Path(__file__).parents[1] / "exercises" / "20-beyond.ipynb"


def close(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        other = other.detach().numpy() if hasattr(other, "detach") else other
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-13)


def leaves(*arrays):
    return [torch.tensor(a, requires_grad=True) for a in arrays]


def test_hops_against_torch():
    rng = np.random.default_rng(0)
    u, (m, c) = rng.normal(size=4), rng.normal(size=(2, 3, 5, 4))
    asks, weights = torch.tensor(u), []
    for keys, values in zip(torch.tensor(m), torch.tensor(c), strict=True):
        one = functional.scaled_dot_product_attention
        weights.append((keys @ asks).softmax(dim=0))
        asks = asks + one(asks[None], keys, values, scale=1.0)[0]
    close(hops.hops(u, m, c), [asks, torch.stack(weights)])


def test_graph_attention_against_the_package():
    rng = np.random.default_rng(1)
    x, near, W = (
        rng.normal(size=(5, 3)),
        rng.random((5, 5)) < 0.5,
        rng.normal(size=(2, 3)),
    )
    a_q, a_k = rng.normal(size=(2, 2))
    params = {"W": W[None], "a_q": a_q[None], "a_k": a_k[None]}
    out, weights, _ = graph_attention(x, near, params, return_weights=True)
    close(graph.attend(x, near, W, a_q, a_k), [out, weights[0]])


def test_linear_attention_against_a_softmax_of_logarithms():
    rng = np.random.default_rng(2)
    fq, fk = np.exp(rng.normal(size=(2, 6, 3)))
    v = rng.normal(size=(6, 2))
    scores = torch.tensor(fq @ fk.T).log()
    hidden = scores.masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf)
    out = hidden.softmax(dim=1) @ torch.tensor(v)
    close(linear.run(fq, fk, v), [out, fk.T @ v, fk.sum(axis=0)])


def test_the_crossing_by_counting():
    for D in range(1, 30):
        for O in range(1, 30):
            t = linear.first_dearer(D, O)
            assert 2 * t * (D + O) > 4 * D * (O + 1) >= 2 * (t - 1) * (D + O)


def layer(rng, T=9, D=2, N=4, O=3):
    a, B, C = rng.uniform(-1, 1, N), rng.normal(size=(N, D)), rng.normal(size=(O, N))
    return rng.normal(size=(T, D)), a, B, C


def test_the_convolution_against_scipy():
    rng = np.random.default_rng(3)
    x, a, B, C = layer(rng)
    states = [scipy.signal.lfilter([1], [1, -a[n]], x @ B[n]) for n in range(len(a))]
    _, y = spaces.convolve(x, a, B, C)
    close([y], [np.stack(states, axis=1) @ C.T])


def test_the_way_back_against_autograd():
    rng = np.random.default_rng(4)
    given = layer(rng)
    dy = rng.normal(size=(9, 3))
    x, a, B, C = leaves(*given)
    h, out = torch.zeros(4).double(), []
    for step in x:
        h = a * h + B @ step
        out.append(C @ h)
    right = torch.autograd.grad(torch.stack(out), [x, a, B, C], torch.tensor(dy))
    close(spaces.backward(dy, *given), right)


def test_joined_shards_against_torch():
    rng = np.random.default_rng(5)
    logits, targets = rng.normal(size=(2, 2, 4, 3)), rng.integers(0, 3, (2, 2, 4))
    mask = np.arange(4) < np.array([[[4], [3]], [[1], [2]]])
    (w,) = leaves(np.ones(3))
    every = functional.cross_entropy(
        (torch.tensor(logits) * w).reshape(-1, 3),
        torch.tensor(targets).reshape(-1),
        reduction="none",
    )
    grads = [torch.autograd.grad(one, w, retain_graph=True)[0] for one in every]
    grads = torch.stack(grads).reshape(2, 2, 4, 3).numpy()
    losses = every.detach().numpy().reshape(2, 2, 4)
    hidden = torch.tensor(np.where(mask, targets, -100)).reshape(-1)
    loss = functional.cross_entropy((torch.tensor(logits) * w).reshape(-1, 3), hidden)
    (right,) = torch.autograd.grad(loss, w)
    close(shards.join(losses, grads, mask), [loss, right])


def test_the_broken_average_is_in_the_bank():
    cells = nbformat.read(SOURCE, 4).cells
    (source,) = [c.source for c in cells if c.source.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: Both faults are still there"):
        check("20-6", space["broken"])
