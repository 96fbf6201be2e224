"""Reading captchas of two or three digits: pixels in, digits and <eos> out.

The encoder slides a window over what two convolutions make of the picture and reads the
windows in both directions; the decoder is that of a translator, the vector being an
input at every step. Training begins with single digits, and each picture is turned,
stretched and slanted a little. Measured: whole captchas right, on fresh captchas of the
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
SETTINGS: tuple[dict[str, Any], ...] = ({"steps": 1200},)
LOOK: dict[str, Any] = {"overlap": 1, "jitter": 1, "noise": 0.05}
LENGTH, SOS, EOS, IGNORED = (2, 3), 10, 11, -100
WINDOW, STRIDE = 4, 1  # of columns that are pixels two by two
TURN, STRETCH, SLANT = 0.06, 0.08, 0.1  # at most; the turn in radians


class CaptchaReader(nn.Module):
    """Convolutions, windows, an encoder both ways, and a decoder of digits.

    Parameters
    ----------
    height : of the pictures, in pixels
    units : of the encoder in each direction; the decoder has twice as many
    """

    def __init__(self, height: int, units: int = 64, features: int = 96) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.see = nn.Sequential(
            nn.Linear(32 * (height // 2) * WINDOW, features),
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
        maps = self.maps(3 * (images[:, None] - 0.25))
        windows = maps.unfold(3, WINDOW, STRIDE).permute(0, 3, 1, 2, 4).flatten(2)
        _, last = self.encoder(self.see(windows))
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


def shaken(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the pictures (B, H, W), each turned, stretched and slanted by chance."""
    B, H, W = images.shape
    turn, slant, wide, high = rng.uniform(-1, 1, (4, B))
    sines, cosines = np.sin(TURN * turn), np.cos(TURN * turn)
    wide, high = 1 + STRETCH * wide, 1 + STRETCH * high
    over, none = (SLANT * slant - sines) * high * H / W, np.zeros(B)
    rows = [[cosines * wide, over, none], [sines * wide * W / H, cosines * high, none]]
    moves = torch.tensor(np.array(rows, np.float32)).permute(2, 0, 1)  # (B, 2, 3)
    places = nn.functional.affine_grid(moves, [B, 1, H, W], False)
    return nn.functional.grid_sample(images[:, None], places, align_corners=False)[:, 0]


def learn(seed: int, steps: int, batch: int = 64, lr: float = 0.005) -> CaptchaReader:
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
            images = shaken(torch.tensor(drawn.images), rng)
            logits = model(images, y[:, :-1].clamp(min=0))
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
