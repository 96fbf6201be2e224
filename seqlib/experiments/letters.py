"""Names in Latin letters, written in Malayalam script letter by letter.

The encoder reads Latin letters, the decoder writes code points of Unicode; the vector
is an input at every step. Held-out names are made by the same rules. Measured: exact
match, the share of code points that are right up to the end, and what the network
makes of a few names. `INDIA` is never among the names that it learns from.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch

from seqlib.data import Transliteration, pad, to_malayalam, transliterations
from seqlib.nn import Seq2Seq
from seqlib.train import seeded

from ._sequence_pairs import EOS, PAD, Corpus, corpus, learn, said, tensors, whole

SEEDS = range(5)
SETTINGS: tuple[dict[str, Any], ...] = ({"steps": 500},)
SHOWN = ("india", "kamala", "amma", "vidya", "arjun", "ganga", "meera", "kerala")


@cache
def names_of(count: int = 9_000) -> Corpus:
    """Return distinct names, 500 held out; none is shown, a few end as India does."""
    rng = np.random.default_rng(12)
    drawn = dict.fromkeys(transliterations(count, rng, syllables=(2, 3)))
    for stem, _ in transliterations(count // 6, rng, syllables=(1, 2)):
        if stem[-1] in "aiueo":
            drawn[Transliteration(stem + "ndia", to_malayalam(stem + "ndia"))] = None
    names = [name for name in drawn if name.latin not in SHOWN]
    order = rng.permutation(len(names))
    return corpus([names[i] for i in order], 500)


def fresh(known: Corpus, units: int = 128) -> Seq2Seq:
    """Return a model that has learnt nothing yet."""
    return Seq2Seq(len(known.source), len(known.target), 32, units, context="every")


def write(model: Seq2Seq, known: Corpus, names: tuple[str, ...]) -> list[str]:
    """Return what the model makes of these names."""
    src, _ = pad([known.source.ids(list(name)) for name in names])
    found = said(model, torch.tensor(src), 24).tolist()
    return ["".join(known.target.text([i for i in r if i != EOS])) for r in found]


def run(seed: int, steps: int) -> dict[str, Any]:
    """Learn to write, and be judged on names held out."""
    known = names_of()
    with seeded(seed):
        model = fresh(known)
    losses = learn(model, known, seed, steps, batch=48, lr=0.01)
    src, tgt = tensors(known.test, known)
    right = tgt[:, 1:]
    found = said(model, src, right.shape[1] + 2)
    real = right != PAD
    same = found[:, : right.shape[1]] == right
    return {
        "loss": float(np.mean(losses[-20:])),
        "exact": float(whole(found, right).mean()),
        "points": float(same[real].float().mean()),
        "written": write(model, known, SHOWN),
    }
