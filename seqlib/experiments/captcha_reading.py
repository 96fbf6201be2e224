"""Reading captchas of two or three digits: pixels in, digits and <eos> out.

The encoder slides a window over the picture and reads the windows in both directions;
the decoder is that of a translator, the vector being an input at every step. Training
begins with single digits. Measured: whole captchas right, on fresh captchas of the
digits that it has learnt from, and of digits that other people have written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqlib.data import Captchas, captchas
from seqlib.train import cosine, seeded

SEEDS = range(5)
SETTINGS: tuple[dict[str, Any], ...] = ({"steps": 900},)
LOOK: dict[str, Any] = {"overlap": 1, "jitter": 1, "noise": 0.05}
LENGTH, SOS, EOS, IGNORED = (2, 3), 10, 11, -100
WINDOW, STRIDE = 8, 2


class CaptchaReader(nn.Module):
    """Windows of a picture, an encoder both ways, and a decoder of digits.

    Parameters
    ----------
    height : of the pictures, in pixels
    units : of the encoder in each direction; the decoder has twice as many
    """

    def __init__(self, height: int, units: int = 64, features: int = 96) -> None:
        super().__init__()
        self.see = nn.Sequential(
            nn.Linear(height * WINDOW, features),
            nn.LayerNorm(features),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(features, 48),
            nn.ReLU(),
        )
        self.encoder = nn.GRU(48, units, batch_first=True, bidirectional=True)
        self.init = nn.Linear(2 * units, 2 * units)
        self.embedding = nn.Embedding(12, 16)
        self.decoder = nn.GRU(16 + 2 * units, 2 * units, batch_first=True)
        self.output = nn.Linear(2 * units, 12)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vector (B, 2 units) and the decoder's first state."""
        windows = images.unfold(2, WINDOW, STRIDE).permute(0, 2, 1, 3).flatten(2)
        _, last = self.encoder(self.see(3 * (windows - 0.25)))
        vector = last.transpose(0, 1).flatten(1)
        return vector, torch.tanh(self.init(vector))[None]

    def step(self, y: Tensor, vector: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, 12) for what follows the digits y, and a state."""
        every = vector[:, None].expand(-1, y.shape[1], -1)
        out, s = self.decoder(torch.cat([self.embedding(y), every], 2), s)
        return self.output(out), s

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        """Return logits, the decoder being fed with the right digits."""
        return self.step(y, *self.encode(images))[0]

    @torch.no_grad()
    def read(self, images: Tensor, tokens: int) -> Tensor:
        """Return what it reads, greedily: (B, tokens)."""
        vector, s = self.encode(images)
        y, found = torch.full((len(images), 1), SOS), []
        for _ in range(tokens):
            logits, s = self.step(y, vector, s)
            y = logits.argmax(2)
            found.append(y)
        return torch.cat(found, 1)


def targets(drawn: Captchas) -> Tensor:
    """Return <sos>, the digits, <eos>, and IGNORED after it: (B, K + 2)."""
    N, K = drawn.labels.shape
    y = np.full((N, K + 2), IGNORED)
    y[:, 0] = SOS
    y[:, 1:-1] = np.where(drawn.mask, drawn.labels, IGNORED)
    y[np.arange(N), drawn.mask.sum(1) + 1] = EOS
    return torch.tensor(y)


def learn(seed: int, steps: int, batch: int = 64, lr: float = 0.01) -> CaptchaReader:
    """Train a reader: single digits first, then one or two, then two or three."""
    rng = np.random.default_rng(seed)
    with seeded(seed):
        model = CaptchaReader(8 + 2 * LOOK["jitter"])
        optimiser = torch.optim.Adam(model.parameters(), lr=lr)
        rate = torch.optim.lr_scheduler.LambdaLR(optimiser, cosine(steps, steps // 14))
        for step in range(steps):
            length = ((1, 1), (1, 2), *[LENGTH] * 4)[6 * step // steps]
            drawn = captchas(batch, rng, length, "train", **LOOK)
            y = targets(drawn)
            logits = model(torch.tensor(drawn.images), y[:, :-1].clamp(min=0))
            right = y[:, 1:].flatten()
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), right)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            rate.step()
    return model.eval()


def run(seed: int, steps: int) -> dict[str, Any]:
    """Train a reader and test it on 1000 fresh captchas of each kind."""
    model = learn(seed, steps)
    result: dict[str, Any] = {}
    for part, name in (("train", "same hands"), ("test", "other hands")):
        drawn = captchas(1000, np.random.default_rng([seed, 12]), LENGTH, part, **LOOK)
        y = targets(drawn)[:, 1:]
        same = (model.read(torch.tensor(drawn.images), y.shape[1]) == y).numpy()
        digits = drawn.mask
        result[name] = float((same | (y == IGNORED).numpy()).all(1).mean())
        result[f"digits, {name}"] = float(same[:, :-1][digits].mean())
    return result
