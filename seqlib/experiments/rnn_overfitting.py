"""Held-out and training loss of a small network, by the number of training reviews.

The texts are the distinct reviews of `film_reviews`, 576 of them; the last 200 are held
out. A network of 16 units reads the first `count` of them again and again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqlib.data import Review, Vocabulary, film_reviews, pad
from seqlib.train import fit, seeded

from ._reader import Reader, verdict_loss

SEEDS = range(5)
SETTINGS = tuple({"count": count} for count in (20, 40, 80, 160, 320))
HELD_OUT = 200


def distinct_reviews() -> list[Review]:
    """Return all reviews that the grammar can write, each once, in a drawn order."""
    rng = np.random.default_rng(7)
    drawn = {" ".join(r.words): r for r in film_reviews(9000, rng)}
    texts = sorted(drawn)
    return [drawn[texts[i]] for i in rng.permutation(len(texts))]


def arrays(reviews: list[Review], vocabulary: Vocabulary) -> tuple[torch.Tensor, ...]:
    """Return ids (N, T), mask (N, T) and labels (N,)."""
    ids, mask = pad([vocabulary.ids(review.words) for review in reviews])
    labels = np.array([review.label for review in reviews])
    return torch.tensor(ids), torch.tensor(mask), torch.tensor(labels)


def run(seed: int, count: int, steps: int = 200, every: int = 10) -> dict[str, Any]:
    """Train on `count` reviews; return losses and accuracy along the way."""
    reviews = distinct_reviews()
    data = arrays(reviews, Vocabulary([review.words for review in reviews]))
    train = tuple(column[:count] for column in data)
    held = tuple(column[-HELD_OUT:] for column in data)
    with seeded(seed):
        model = Reader(int(data[0].max()) + 1, 16, 2)
    curves: dict[str, list] = {"train": [], "held_out": [], "accuracy": []}

    def look(model: Reader) -> float:
        curves["train"].append(verdict_loss(model, train).item())
        curves["held_out"].append(verdict_loss(model, held).item())
        guess = model(*held[:2])[1].argmax(dim=1)
        curves["accuracy"].append((guess == held[2]).float().mean().item())
        return curves["held_out"][-1]

    with torch.no_grad():
        look(model)
    fit(
        model,
        verdict_loss,
        train,
        steps=steps,
        lr=0.02,
        max_norm=1.0,
        seed=seed,
        validation=look,
        validate_every=every,
        progress=False,
    )
    return {"steps_seen": list(range(0, steps + 1, every)), **curves}
