"""The references of chapter 15's exercises, against torch and the package."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch.nn import functional

from seqlib.data import ATE_AN_APPLE, GOING_HOME, oracle, turned
from seqlib.experiments import long_sentences
from seqlib.grading import CheckError, check
from seqlib.grading.exercises.attention import align, average, backward, decoder, score

SOURCE = Path(__file__).parents[1] / "exercises" / "15-attention.ipynb"


def close(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-10, atol=1e-14)


def leaves(*arrays):
    return [torch.tensor(a, requires_grad=True) for a in arrays]


def test_attending_against_torch():
    rng = np.random.default_rng(0)
    scores, values = 300 * rng.normal(size=(4, 6)), rng.normal(size=(6, 2))
    mask = np.array([True, False, True, True, False, True])
    hidden = torch.tensor(scores).masked_fill(~torch.tensor(mask), -torch.inf)
    weights = hidden.softmax(dim=1)
    right = weights @ torch.tensor(values), weights
    close(average.attend(scores, values, mask), right)


def test_scores_and_their_way_back_against_torch():
    rng = np.random.default_rng(1)
    shapes = (3, 4), (5, 2), (6, 4), (6, 2), (6,)
    given = [rng.normal(size=shape) for shape in shapes]
    s, h, W_q, W_k, w = leaves(*given)
    pairs = torch.cat([s[:, None].expand(3, 5, 4), h.expand(3, 5, 2)], dim=2)
    e = functional.linear(pairs, torch.cat([W_q, W_k], dim=1)).tanh() @ w
    close([score.additive_scores(*given)], [e])
    de = rng.normal(size=(3, 5))
    right = torch.autograd.grad(e, [s, W_q, w], torch.tensor(de))
    close(backward.score_backward(de, *given), right)


def test_the_context_backwards_against_autograd():
    rng = np.random.default_rng(2)
    e, v = leaves(rng.normal(size=(3, 5)), rng.normal(size=(5, 2)))
    alpha, dc = e.softmax(dim=1), rng.normal(size=(3, 2))
    right = torch.autograd.grad(alpha @ v, [v, e], torch.tensor(dc))
    ours = backward.context_backward(dc, alpha.detach().numpy(), v.detach().numpy())
    close(ours, right)


def test_the_decoder_against_a_torch_cell():
    rng = np.random.default_rng(3)
    T, S, H = 4, 5, 3
    s0, x, h = rng.normal(size=H), rng.normal(size=(T, H)), rng.normal(size=(S, H))
    W, W_x, W_c, W_s = rng.normal(size=(4, H, H))
    cell = torch.nn.RNNCell(2 * H, H, bias=False).double().requires_grad_(False)
    cell.weight_ih[:] = torch.tensor(np.hstack([W_x, W_c]))
    cell.weight_hh[:] = torch.tensor(W_s)
    s, states, weights = torch.tensor(s0)[None], [], []
    for x_t in torch.tensor(x):
        e = functional.bilinear(s.expand(S, H), torch.tensor(h), torch.tensor(W)[None])
        weights.append(e[:, 0].softmax(dim=0))
        given = torch.cat([x_t, weights[-1] @ torch.tensor(h)])
        s = cell(given[None], s)
        states.append(s[0])
    ours = decoder.decode(s0, x, h, W, W_x, W_c, W_s)
    close(ours, [torch.stack(states), torch.stack(weights)])


@pytest.mark.parametrize("pair", [ATE_AN_APPLE, GOING_HOME, turned(GOING_HOME)])
def test_links_and_errors_against_the_package(pair):
    links = np.array(sorted(pair.alignment))
    T, S = len(pair.target), len(pair.source)
    np.testing.assert_array_equal(align.oracle_weights(links, T, S), oracle(pair))
    weights = np.random.default_rng(4).dirichlet(np.ones(S), T)
    right = long_sentences.alignment_error([weights], [pair])
    assert align.alignment_error(weights, links) == pytest.approx(right)


def test_the_broken_decoder_is_in_the_bank():
    cells = nbformat.read(SOURCE, 4).cells
    (source,) = [c.source for c in cells if c.source.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: All three faults are still there"):
        check("15-4", space["broken"])
