"""The references of chapter 19's exercises, against torch and the package."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch.nn import functional

from seqlib.grading import CheckError, check
from seqlib.grading.exercises.bert import heads, inputs, loss, words
from seqlib.nn import BERT, BERTConfig
from seqlib.transformer import mask_tokens

SOURCE = Path(__file__).parents[1] / "exercises" / "19-bert.ipynb"


def close(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        other = other.detach().numpy() if hasattr(other, "detach") else other
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-14)


def leaf(array):
    return torch.tensor(array, requires_grad=True)


def test_packing_as_hugging_face_documents_it():
    ids, segments, mask = inputs.pack(np.array([7, 8]), np.array([9]), 8, 1, 2)
    assert ids.tolist() == [1, 7, 8, 2, 9, 2, 0, 0]
    assert segments.tolist() == [0, 0, 0, 0, 1, 1, 0, 0]
    assert mask.tolist() == [True] * 6 + [False] * 2


def test_counting_against_the_built_model():
    for numbers in ((30, 9, 2, 12, 20, 2), (50, 7, 3, 24, 96, 1)):
        V, P, K, E, F, L = numbers
        config = BERTConfig(V, P, L, 3, E, F, K)
        built = sum(p.numel() for p in BERT(config, device="meta").parameters())
        assert words.count(*numbers) == built
    assert words.count(30522, 512, 2, 768, 3072, 12) == 109_482_240


def test_hiding_gives_the_package_s_shares():
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 20, (200, 500))
    free, luck, fate = np.ones(ids.shape, bool), *rng.random((2, *ids.shape))
    strangers = rng.integers(0, 20, ids.shape)
    ours = words.hide(ids, free, luck, fate, strangers, 4)
    theirs = mask_tokens(ids, rng, 20, 4)
    for seen, asked in (ours, theirs):
        chosen = asked != -100
        assert abs(chosen.mean() - 0.15) < 0.01
        assert abs((seen[chosen] == 4).mean() - 0.805) < 0.02
        np.testing.assert_array_equal(asked[chosen], ids[chosen])


def test_the_loss_against_torch():
    rng = np.random.default_rng(1)
    logits, targets = leaf(300 * rng.normal(size=(3, 4, 5))), rng.integers(0, 5, (3, 4))
    targets[:, ::2] = -100
    wanted = functional.cross_entropy(
        logits.transpose(1, 2), torch.tensor(targets), ignore_index=-100
    )
    right = wanted, torch.autograd.grad(wanted, logits)[0]
    close(loss.masked_loss(logits.detach().numpy(), targets), right)


def test_belief_against_a_simulation():
    rng = np.random.default_rng(2)
    prior, V, n = np.array([0.5, 0.3, 0.2, 0.0]), 4, 400_000
    stood = rng.choice(V, n, p=prior)
    seen, _ = mask_tokens(stood, rng, V, 3, p=1.0)
    for v in range(V):
        counted = np.bincount(stood[seen == v], minlength=V) / (seen == v).sum()
        ours = loss.belief(prior, v, 3, 0.1, 0.1)
        np.testing.assert_allclose(ours, counted, atol=0.01)


def test_the_classifier_against_autograd():
    rng = np.random.default_rng(3)
    B, T, E, C = 3, 4, 5, 2
    W_c, W = rng.normal(size=(E, E)), rng.normal(size=(C, E))
    b_c, b, labels = rng.normal(size=E), rng.normal(size=C), rng.integers(0, C, B)
    hidden = leaf(rng.normal(size=(B, T, E)))
    t = torch.tensor
    c = functional.linear(hidden[:, 0], t(W_c), t(b_c)).tanh()
    wanted = functional.cross_entropy(functional.linear(c, t(W), t(b)), t(labels))
    right = wanted, torch.autograd.grad(wanted, hidden)[0]
    close(heads.classify(hidden.detach().numpy(), labels, W_c, b_c, W, b), right)


def test_the_way_back_into_the_tables_against_autograd():
    rng = np.random.default_rng(4)
    B, T, E, V, K, P = 3, 5, 4, 6, 2, 7
    ids, segments = rng.integers(0, V, (B, T)), rng.integers(0, K, (B, T))
    tables = [leaf(rng.normal(size=(n, E))) for n in (V, K, P)]
    rows = ids, segments, np.broadcast_to(np.arange(T), (B, T)).copy()
    u = sum(
        functional.embedding(torch.tensor(row), table)
        for row, table in zip(rows, tables, strict=True)
    )
    du = rng.normal(size=(B, T, E))
    right = torch.autograd.grad(u, tables, torch.tensor(du))
    close(inputs.input_backward(du, ids, segments, V, K, P), right)


def test_the_broken_classifier_is_in_the_bank():
    cells = nbformat.read(SOURCE, 4).cells
    (source,) = [c.source for c in cells if c.source.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: All three faults are still there"):
        check("19-6", space["broken"])
