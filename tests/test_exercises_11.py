"""Chapter 11's references against torch, seqlib's own functions, and enumeration."""

from itertools import product
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from seqlib.decode import sampling_distribution
from seqlib.experiments.next_character import count_grams, kneser_ney
from seqlib.grading import CheckError, check
from seqlib.grading.exercises.language import (
    backward,
    chances,
    counting,
    drawing,
    mixing,
    writing,
)
from seqlib.metrics import bits_per_character, perplexity

rng = np.random.default_rng(11)


def test_all_short_texts_have_probability_one_with_the_open_ones():
    P, length = chances.rows(rng, 3), 7
    texts = [np.array(t, int) for n in range(length) for t in product([1, 2], repeat=n)]
    ended = sum(np.exp(chances.text_log_prob(text, P)) for text in texts)
    inside = np.linalg.matrix_power(P[1:, 1:], length - 1)
    np.testing.assert_allclose(ended + (P[0, 1:] @ inside).sum(), 1)


def test_the_scores_are_those_of_the_package():
    log_p, lengths = -rng.uniform(0.1, 5, 30), rng.integers(1, 9, 30)
    bits = bits_per_character(log_p, characters=int(lengths.sum()))
    np.testing.assert_allclose(
        chances.scores(log_p, lengths), (perplexity(log_p), bits)
    )


def test_smoothed_pairs_against_the_grams_of_a_text():
    V, d = 7, 0.7
    ids = np.concatenate([rng.integers(0, V - 1, 60), np.arange(V)])
    C = np.zeros((V, V), int)
    np.add.at(C, (ids[:-1], ids[1:]), 1)
    P = counting.smooth_pairs(C, d)
    before, after = np.arange(V)[:, None], np.tile(np.arange(V), (V, 1))
    ours = kneser_ney(count_grams(ids, 1, V), before, after, V, d)
    np.testing.assert_allclose(P, ours)
    np.testing.assert_allclose(P.sum(axis=1), 1)
    np.testing.assert_allclose(C.sum(axis=1) @ P, C.sum(axis=0))  # what it is made for


def test_what_is_drawn_from():
    for options in ((0.6, 4, 0.8), (2.0, 9, 1.0), (1.0, 1, 0.3)):
        logits = rng.normal(size=9)
        right = sampling_distribution(logits, *options)
        np.testing.assert_allclose(drawing.narrow(logits, *options), right)


def test_texts_come_as_often_as_they_should():
    P, counts, N = chances.rows(rng, 3), {}, 20_000
    for u in rng.random((N, 30)):
        text = tuple(writing.write(P, u).tolist())
        counts[text] = counts.get(text, 0) + 1
    for text in ((0,), (1, 0), (2, 0), (2, 1, 0)):
        p = np.exp(chances.text_log_prob(np.array(text[:-1], int), P))
        assert abs(counts[text] / N - p) < 4 * np.sqrt(p / N)


def test_no_round_makes_the_mixture_worse_and_the_end_is_best():
    p, q = rng.uniform(0.05, 0.9, (2, 40))

    def score(w):
        return np.log(w * p + (1 - w) * q).sum()

    found = [score(mixing.mix_weight(p, q, rounds)) for rounds in range(30)]
    assert (np.diff(found) >= -1e-12).all()
    best = max(score(w) for w in np.linspace(0, 1, 1001))
    assert score(mixing.mix_weight(p, q, 3000)) > best - 1e-6


def test_the_ways_back_against_autograd():
    V, D, H, T = 6, 3, 4, 8
    shapes = (V, D), (H, D), (H, H), (V, H)
    weights = [rng.normal(size=shape) for shape in shapes]
    ids = rng.integers(0, V, T + 1)
    leaves = [torch.tensor(w, requires_grad=True) for w in weights]
    E, W_ih, W_hh, W_hy = leaves
    x = torch.nn.functional.embedding(torch.tensor(ids[:-1]), E)
    x.retain_grad()
    h, logits = torch.zeros(H, dtype=torch.float64), []
    for x_t in x:
        h = torch.tanh(W_ih @ x_t + W_hh @ h)
        logits.append(W_hy @ h)
    loss = cross_entropy(torch.stack(logits), torch.tensor(ids[1:]))
    loss.backward()
    got = backward.model_back(ids, *weights)
    for ours, theirs in zip(got, (loss, E.grad, W_hh.grad, W_hy.grad), strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9, atol=1e-12)
    dE = backward.rows_back(x.grad.numpy()[None], ids[None, :-1], V)
    np.testing.assert_allclose(dE, E.grad, rtol=1e-9, atol=1e-12)


def test_the_broken_writer_has_both_of_its_faults():
    path = Path(__file__).parents[1] / "exercises" / "11-language-models.ipynb"
    cells = [c.source for c in nbformat.read(path, as_version=4).cells]
    (source,) = [text for text in cells if text.startswith("def broken(")]
    space = {"np": np}
    exec(source, space)
    with pytest.raises(CheckError, match="Hint: Both faults are still there"):
        check("11-6", space["broken"])
