"""Bits a token of a tanh network on melodies of the form A A B A, phrase by phrase.

The second A repeats the first, note for note. A reader who remembers four bars would
need no bit for it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqlib.data import Melody, Vocabulary, melodies, pad
from seqlib.train import cosine, fit, seeded

from ._reader import Reader, label_loss

SEEDS = range(5)
SETTINGS = ({"steps": 400},)
PHRASES = 4


def songs() -> tuple[list[Melody], list[Melody], Vocabulary]:
    """Return melodies to train on, melodies held out, and their vocabulary."""
    rng = np.random.default_rng(7)
    train, held = melodies(400, rng), melodies(150, rng)
    return train, held, Vocabulary([m.tokens for m in train + held], ["<sos>"])


def arrays(
    tunes: list[Melody], vocabulary: Vocabulary
) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs (N, T), mask (N, T) and what comes next (N, T)."""
    rows = [vocabulary.ids(["<sos>", *tune.tokens]) for tune in tunes]
    ids, mask = pad(rows)
    parts = (torch.tensor(a) for a in (ids[:, :-1], mask[:, 1:], ids[:, 1:]))
    return tuple(parts)  # type: ignore[return-value]


def phrase_of(tune: Melody) -> list[int]:
    """Return for every token the phrase that it is in, 0 to 3: four bars each."""
    bars = np.cumsum([token == "|" for token in ["", *tune.tokens[:-1]]])
    return (bars // PHRASES).tolist()


def bits_by_phrase(log2_p: np.ndarray, tunes: list[Melody]) -> list[float]:
    """Average -log2 P (N, T) over the tokens of each of the four phrases."""
    total, count = np.zeros(PHRASES), np.zeros(PHRASES)
    for row, tune in zip(log2_p, tunes, strict=True):
        where = phrase_of(tune)
        np.add.at(total, where, -row[: len(where)])
        np.add.at(count, where, 1)
    return (total / count).tolist()


def run(seed: int, steps: int, every: int = 50) -> dict[str, Any]:
    """Train; return held-out bits a token along the way, and at the end by phrase."""
    train, held, vocabulary = songs()
    model_data, test = arrays(train, vocabulary), arrays(held, vocabulary)
    with seeded(seed):
        model = Reader(len(vocabulary), 48, len(vocabulary), embed=16)
    history = fit(
        model,
        label_loss,
        model_data,
        steps=steps,
        lr=0.01,
        schedule=cosine(steps, steps // 20),
        max_norm=1.0,
        seed=seed,
        validation=lambda model: label_loss(model, test).item(),
        validate_every=every,
        progress=False,
    )
    with torch.no_grad():
        logits, _ = model(test[0], test[1])
        picked = nn.functional.log_softmax(logits, dim=-1).gather(2, test[2][..., None])
    return {
        "steps_seen": history.validation_steps.tolist(),
        "bits": (history.validation / math.log(2)).tolist(),
        "by_phrase": bits_by_phrase(picked[..., 0].numpy() / math.log(2), held),
    }
