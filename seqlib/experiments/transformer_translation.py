"""Translating with a Transformer (chapter 17), where chapter 15 had attention and GRUs.

The sentences, the test sets and the budget of floating point operations are those of
`long_sentences`, whose stored runs are what the Transformer is held against. It takes
smaller batches and so makes more updates than those did; `small_batches` gives the
better of the two networks with attention the same. Measured is the share of sentences
of each length that are translated without a mistake.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from seqlib.data import Pair
from seqlib.experiments.long_sentences import BUDGET, Corpus
from seqlib.nn import Seq2SeqTransformer

SEEDS = range(5)
SETTINGS: tuple[dict[str, Any], ...] = ({"layers": 1},)
SIZE = 32  # sentences a batch


def translator(
    corpus: Corpus,
    width: int = 48,
    layers: int = 1,
    heads: int = 4,
    hidden: int = 96,
    norm_first: bool = False,
) -> Seq2SeqTransformer:
    """Return a fresh Transformer; each language has an embedding of its own."""
    return Seq2SeqTransformer(
        len(corpus.src),
        width,
        heads,
        layers,
        layers,
        hidden,
        0.0,
        norm_first=norm_first,
        tgt_vocab_size=len(corpus.tgt),
        backward="autograd",
    )


def flops(model: Seq2SeqTransformer, B: int, S: int, T: int) -> int:
    """Count the operations of one update's matrix products, forward and backward.

    As `long_sentences.flops`: a product of (n, m) with (m, k) takes 2 n m k, and the
    way back twice as many. Equation (17.24) of the book.
    """
    d, V = model.d_model, model.vocab_size
    total = T * V * d
    encoder: Any = model.encoder.layers
    decoder: Any = model.decoder.layers
    for layer in encoder:
        F = layer.linear1.out_features
        total += S * (4 * d * d + 2 * d * F) + 2 * S * S * d
    for layer in decoder:
        F = layer.linear1.out_features
        total += T * (6 * d * d + 2 * d * F) + 2 * S * d * d + 2 * T * (T + S) * d
    return 3 * 2 * B * total


def train(
    model: Seq2SeqTransformer,
    corpus: Corpus,
    budget: float,
    rate: float,
    warmup: float = 0.1,
    size: int = SIZE,
) -> tuple[int, float]:
    """Train until the budget is spent; return how many updates, and what was spent.

    The rate rises over the share `warmup` of the budget, stays, and falls to zero over
    the second half, as that of `long_sentences.train`, which does not rise.
    """
    adam = torch.optim.Adam(model.parameters(), rate, betas=(0.9, 0.98))
    updates, spent = 0, 0.0
    for src, src_mask, tgt, tgt_mask in corpus.batches(size):
        if spent >= budget:
            break
        cost = flops(model, len(src), src.shape[1], tgt.shape[1] - 1)
        rise = min(1.0, (spent + cost) / (warmup * budget)) if warmup else 1.0
        adam.param_groups[0]["lr"] = rate * rise * min(1.0, 2 * (1 - spent / budget))
        logits = model(src, tgt[:, :-1], src_mask, tgt_mask[:, :-1])
        real = tgt_mask[:, 1:]
        loss = cross_entropy(logits[real], tgt[:, 1:][real])
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        spent += cost
        updates += 1
    return updates, spent


def exact(model: Seq2SeqTransformer, corpus: Corpus, pairs: list[Pair]) -> float:
    """Return the share of sentences that greedy search translates word for word."""
    src, mask, _, _ = corpus.arrays(pairs)
    sos, eos = corpus.tgt.ids(["<sos>", "<eos>"])
    longest = max(len(p.target) for p in pairs) + 2
    found, _ = model.generate(src, sos, eos, longest, mask)
    right = 0
    for ids, pair in zip(found[:, 0].tolist(), pairs, strict=True):
        ids = ids[: ids.index(eos)] if eos in ids else ids
        right += [corpus.tgt.words[i] for i in ids] == pair.target
    return right / len(pairs)


def run(
    seed: int,
    layers: int = 1,
    budget: float = BUDGET,
    rate: float = 0.004,
    count: int = 20_000,
) -> dict[str, Any]:
    """Train one network, and return what it can do.

    Returns
    -------
    updates, flops, parameters : how many
    exact : share of sentences translated without a mistake, for each of LENGTHS
    """
    torch.manual_seed(seed)
    corpus = Corpus("german", 22, count, seed)
    model = translator(corpus, layers=layers)
    updates, spent = train(model, corpus, budget, rate)
    return {
        "updates": updates,
        "flops": spent,
        "parameters": sum(w.numel() for w in model.parameters()),
        "exact": [exact(model, corpus, test) for test in corpus.tests.values()],
    }
