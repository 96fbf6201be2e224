"""The references of chapter 17's exercises, against torch and the built models."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from seqlib.grading import CheckError, check
from seqlib.grading.exercises.transformer import count, decoder, norm, part, words
from seqlib.nn import Seq2SeqTransformer

SOURCE = Path(__file__).parents[1] / "exercises" / "17-transformer.ipynb"


def close(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=1e-9, atol=1e-12)


def leaves(*arrays):
    return [torch.tensor(a, requires_grad=True) for a in arrays]


@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_layer_norm_there_and_back(eps):
    rng = np.random.default_rng(0)
    x, gamma, beta, dout = (rng.normal(size=s) for s in ((4, 6), 6, 6, (4, 6)))
    given = leaves(x, gamma, beta)
    out = F.layer_norm(given[0], (6,), *given[1:], eps)
    close([norm.layer_norm(x, gamma, beta, eps)], [out])
    right = torch.autograd.grad(out, given, torch.tensor(dout))
    sigma = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    n = (x - x.mean(axis=1, keepdims=True)) / sigma
    close(norm.norm_backward(dout, n, sigma, gamma), right)


@pytest.mark.parametrize("norm_first", [False, True])
def test_the_feed_forward_part_against_torchs_layer(norm_first):
    rng = np.random.default_rng(1)
    layer = torch.nn.TransformerEncoderLayer(
        4, 1, 7, 0.0, batch_first=True, norm_first=norm_first, dtype=torch.float64
    ).requires_grad_(False)
    layer.self_attn.out_proj.weight[:] = 0  # so that attention adds nothing
    layer.norm1 = torch.nn.Identity()  # and its norm does nothing
    layer.eval()
    parts = layer.linear1, layer.linear2
    given = [a.numpy() for p in parts for a in (p.weight, p.bias)]
    x = rng.normal(size=(5, 4))
    ours = part.feed_part(x, *given, norm_first)
    y = torch.tensor(x)[None]
    right = y + layer._ff_block(layer.norm2(y)) if norm_first else None
    right = layer.norm2(y + layer._ff_block(y)) if right is None else right
    close([ours], right)


def test_feed_forward_backwards_against_autograd():
    rng = np.random.default_rng(2)
    sizes = (5, 4), (7, 4), 7, (4, 7), 4, (5, 4)
    U, W_1, b_1, W_2, b_2, dS = (rng.normal(size=s) for s in sizes)
    U_t, A, b, B = leaves(U, W_1, b_1, W_2)
    S = U_t + F.linear(F.linear(U_t, A, b).relu(), B, torch.tensor(b_2))
    right = torch.autograd.grad(S, [U_t, A, B], torch.tensor(dS))
    close(part.feed_backward(dS, U, W_1, b_1, W_2), right)


@pytest.mark.parametrize("eps", [0.0, 0.1, 0.4])
def test_smoothed_labels_against_torch(eps):
    rng = np.random.default_rng(3)
    logits, targets = 20 * rng.normal(size=(6, 5)), rng.integers(5, size=6)
    (o,) = leaves(logits)
    loss = F.cross_entropy(o, torch.tensor(targets), label_smoothing=eps)
    right = loss, torch.autograd.grad(loss, o)[0]
    close(words.smoothed_loss(logits, targets, eps), right)


def test_the_tied_gradient_against_autograd():
    rng = np.random.default_rng(4)
    ids, V, d = np.array([3, 1, 3, 3]), 5, 6
    h, dx, do = (rng.normal(size=s) for s in ((4, d), (4, d), (4, V)))
    (E,) = leaves(rng.normal(size=(V, d)))
    x = F.embedding(torch.tensor(ids), E) * d**0.5
    pieces = [x, torch.tensor(h) @ E.T]
    right = torch.autograd.grad(pieces, E, [torch.tensor(dx), torch.tensor(do)])
    close([words.tied_backward(ids, h, do, dx, V)], right)


def test_the_decoder_against_torchs_attention():
    rng = np.random.default_rng(5)
    X, M, W, W_m = (rng.normal(size=s) for s in ((4, 6), (3, 6), (3, 6, 6), (3, 6, 6)))
    u, memory, own, other = (torch.tensor(a) for a in (X, M, W, W_m))
    q, k, v = (u @ w.T for w in own)
    look = F.scaled_dot_product_attention
    u = u + look(q[None], k[None], v[None], is_causal=True)[0]
    q, k, v = u @ other[0].T, memory @ other[1].T, memory @ other[2].T
    right = u + look(q[None], k[None], v[None])[0]
    close([decoder.decoder_attentions(X, M, W, W_m)], [right])


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("biases", [True, False])
def test_the_count_against_the_built_model(tied, biases):
    V, N, d, hidden = 31, 2, 8, 12
    more = {} if tied else {"tgt_vocab_size": V, "tie_output": False}
    model = Seq2SeqTransformer(V, d, 2, N, N, hidden, attention_bias=biases, **more)
    built = sum(w.numel() for w in model.parameters())
    assert count.parameters(V, N, d, hidden, tied, biases) == built


def test_the_broken_decoder_is_in_the_bank():
    cells = nbformat.read(SOURCE, 4).cells
    (source,) = [c.source for c in cells if c.source.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: All three faults are still there"):
        check("17-4", space["broken"])
