"""Bits a character of a tanh network on real English text, along its training.

The text is `english_text()`: the first nine tenths train, the last tenth is held out,
and is read in pieces of 64 characters, each from a zero state.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqlib.data import english_text
from seqlib.train import cosine, fit, seeded

from ._reader import Reader

SEEDS = range(5)
SETTINGS = ({"steps": 1500},)
T = 64


def characters() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the alphabet, and the ids of the training and the held-out text."""
    text = english_text()
    alphabet = sorted(set(text))
    number = {character: i for i, character in enumerate(alphabet)}
    ids = np.array([number[character] for character in text])
    cut = len(ids) * 9 // 10
    return alphabet, ids[:cut], ids[cut:]


def pieces(ids: np.ndarray) -> Tensor:
    """Cut a text into pieces (N, T + 1) that share one character with the next."""
    count = (len(ids) - 1) // T
    return torch.tensor(np.stack([ids[k * T : k * T + T + 1] for k in range(count)]))


def next_loss(model: nn.Module, batch: Tensor) -> Tensor:
    """Cross-entropy of the next character, in nats."""
    logits, _ = model(batch[:, :-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def speak(model: Reader, start: list[int], length: int, seed: int) -> list[int]:
    """Draw characters one by one, each fed back as the next input."""
    draw, said = torch.Generator().manual_seed(seed), list(start)
    state, new = None, torch.tensor([start])
    with torch.no_grad():
        for _ in range(length):
            h, state = model.g(model.enc(new), state)
            probability = model.dec(h[0, -1]).softmax(dim=0)
            said.append(int(torch.multinomial(probability, 1, generator=draw)))
            new = torch.tensor([[said[-1]]])
    return said


def run(
    seed: int, steps: int, hidden: int = 128, every: int = 150, length: int = 300
) -> dict[str, Any]:
    """Train; return held-out bits a character along the way, and a text it wrote."""
    alphabet, train, held = characters()
    with seeded(seed):
        model = Reader(len(alphabet), hidden, len(alphabet), embed=32)
    history = fit(
        model,
        next_loss,
        pieces(train),
        steps=steps,
        lr=0.004,
        schedule=cosine(steps, steps // 20),
        max_norm=1.0,
        seed=seed,
        validation=pieces(held),
        validate_every=every,
        progress=False,
    )
    said = speak(model, [alphabet.index(c) for c in "The "], length, seed)
    return {
        "steps_seen": history.validation_steps.tolist(),
        "bits": (history.validation / math.log(2)).tolist(),
        "text": "".join(alphabet[i] for i in said),
    }
