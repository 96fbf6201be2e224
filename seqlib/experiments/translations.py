"""English to German through one vector: four ways to use it, by sentence length.

The encoder's last state is the decoder's first state ("once"), or that and an input at
every step ("every"). The first state is copied, or projected through a layer of its
own, and the encoder may read in both directions, with half of the units in each, so
that the vector is as large. Measured on held-out sentences: exact match by source
length, BLEU, and what a mistake of its own does to the next word (exposure bias).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch

from seqlib.data import ATE_AN_APPLE, sentence_pairs
from seqlib.metrics import bleu
from seqlib.nn import Seq2Seq
from seqlib.train import seeded

from ._sequence_pairs import EOS, PAD, Corpus, corpus, learn, said, tensors, whole

SEEDS = range(5)
SETTINGS: tuple[dict[str, Any], ...] = (
    {"context": "once", "init": "copy", "both": False},
    {"context": "every", "init": "copy", "both": False},
    {"context": "every", "init": "project", "both": False},
    {"context": "every", "init": "project", "both": True},
)
UNITS, EMBED, BATCH, STEPS, RATE = 128, 32, 32, 500, 0.008
LENGTHS = tuple(range(4, 13))  # English words
HELD = 1000


@cache
def sentences(count: int = 12_000) -> Corpus:
    """Return English and German, 3 to 12 English words, the last held out."""
    rng = np.random.default_rng(12)
    pairs = sentence_pairs("german", count, rng, words=(3, 12), distinct=True)
    apple = ATE_AN_APPLE.source
    return corpus([(p.source, p.target) for p in pairs if p.source != apple], HELD)


def model_of(known: Corpus, context: str, init: str, both: bool, units: int) -> Seq2Seq:
    """Return a fresh model whose context vector has `units` entries."""
    sizes = len(known.source), len(known.target), EMBED, units // (1 + both)
    options: dict[str, Any] = {"context": context, "init": init}
    return Seq2Seq(*sizes, bidirectional=both, decoder_size=units, **options)


def run(
    seed: int,
    context: str,
    init: str,
    both: bool,
    steps: int = STEPS,
    count: int = 12_000,
) -> dict[str, Any]:
    """Train one model and judge it on the sentences held out."""
    known = sentences(count)
    with seeded(seed):
        model = model_of(known, context, init, both, UNITS)
    learn(model, known, seed, steps, BATCH, RATE)
    src, tgt = tensors(known.test, known)
    found = said(model, src, tgt.shape[1] + 2)
    right = whole(found, tgt[:, 1:])
    words = [" ".join(known.target.text([i for i in r if i != EOS])) for r in found]
    truth = [" ".join(t) for _, t in known.test]
    long = np.array([len(s) for s, _ in known.test])
    apple = torch.tensor([known.source.ids(ATE_AN_APPLE.source)])
    spoken = said(model, apple, 12)[0]
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "exact": float(right.mean()),
        "bleu": bleu(words, truth, tokenize="none"),
        "by_length": [float(right[long == n].mean()) for n in LENGTHS],
        "apple": " ".join(known.target.text([i for i in spoken if i != EOS])),
        **exposure(model, src, tgt, found),
    }


@torch.no_grad()
def exposure(
    model: Seq2Seq, src: torch.Tensor, tgt: torch.Tensor, found: torch.Tensor
) -> dict[str, float]:
    """Ask how often a word is right, and how often the one after a first mistake.

    Up to its first mistake the model is fed with the same words, whoever feeds it. One
    word later its own word and the teacher's differ: "after_own" and "after_true".
    """
    truth = tgt[:, 1:]
    real = truth != PAD
    forced = model(src, tgt[:, :-1], src_mask=src != PAD).argmax(2)
    free = found[:, : truth.shape[1]]
    wrong = (free != truth) & real
    first = wrong.int().argmax(1)
    rows = torch.nonzero(wrong.any(1) & (first + 1 < real.sum(1)))[:, 0]
    after = first[rows] + 1
    return {
        "forced": float((forced == truth)[real].float().mean()),
        "free": float((free == truth)[real].float().mean()),
        "after_true": float((forced == truth)[rows, after].float().mean()),
        "after_own": float((free == truth)[rows, after].float().mean()),
        "mistaken": len(rows),
    }
