"""Predicting the next frame: a state that is a map against a state that is a list.

Circles and squares fly over a small frame and bounce off its walls. Each model has seen
the frames 1 to t and says what frame t + 1 will be. Measured is the mean squared error
on clips it was not trained on, from the fourth prediction on, beside two baselines that
learn nothing: the last frame again, and the last frame moved on as its ink moved last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqlib.data import bouncing_shapes
from seqlib.nn import LSTM, ConvLSTM

SEEDS = range(5)
SIZE, STEPS, WARM = 12, 10, 3
#: A model, how many shapes fly, and how many steps it learns.
SETTINGS: tuple[dict[str, Any], ...] = tuple(
    {"model": model, "shapes": shapes, "steps": steps}
    for model, shapes, steps in (
        ("ConvLSTM", 1, 150),
        ("CNN+LSTM", 1, 150),
        ("CNN+LSTM", 1, 600),
        ("large CNN+LSTM", 1, 600),
        ("ConvLSTM", 2, 150),
        ("CNN+LSTM", 2, 600),
        ("large CNN+LSTM", 2, 600),
    )
)


class MapPredictor(nn.Module):
    """A ConvLSTM, and a 1x1 convolution that reads each place of its state."""

    def __init__(self, maps: int = 8, kernel: int = 3) -> None:
        super().__init__()
        self.body = ConvLSTM(1, maps, kernel)
        self.head = nn.Conv2d(maps, 1, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits of the next frames for frames (B, T, 1, S, S)."""
        h, _ = self.body(frames)  # (B, T, F, S, S)
        return self.head(h.flatten(0, 1)).unflatten(0, h.shape[:2])


class ListPredictor(nn.Module):
    """A CNN makes a list of features, an LSTM carries them, and a CNN paints."""

    def __init__(self, units: int = 4, maps: int = 4, size: int = SIZE) -> None:
        super().__init__()
        m, side = maps, size // 4
        self.see = nn.Sequential(
            nn.Conv2d(1, m, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(m, 2 * m, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.body = LSTM(2 * m * side**2, units)
        self.paint = nn.Sequential(
            nn.Linear(units, 2 * m * side**2),
            nn.ReLU(),
            nn.Unflatten(1, (2 * m, side, side)),
            nn.ConvTranspose2d(2 * m, m, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(m, 1, 4, stride=2, padding=1),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits of the next frames for frames (B, T, 1, S, S)."""
        e = self.see(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        h, _ = self.body(e)  # (B, T, units)
        return self.paint(h.flatten(0, 1)).unflatten(0, frames.shape[:2])


#: Models with their learning rates: about 2,600 parameters, and one with 47,737.
MODELS: dict[str, tuple[Any, float]] = {
    "ConvLSTM": (lambda: MapPredictor(8, 3), 0.03),
    "CNN+LSTM": (lambda: ListPredictor(4, 4), 0.01),
    "large CNN+LSTM": (lambda: ListPredictor(48, 8), 0.01),
}


def clips(count: int, seed: int, shapes: int, size: int = SIZE) -> Tensor:
    """Draw clips (B, T + 1, 1, S, S): T inputs, and a last frame to predict."""
    rng = np.random.default_rng([10, seed])
    drawn = bouncing_shapes(count, rng, steps=STEPS + 1, size=size, shapes=shapes)
    return torch.tensor(drawn.frames)[:, :, None]


def train(
    model: nn.Module, frames: Tensor, steps: int, lr: float, batch: int = 16
) -> list[float]:
    """Teach a model to predict; return the loss of each step."""
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, steps)
    losses = []
    for _ in range(steps):
        some = frames[torch.randint(len(frames), (batch,))]
        loss = nn.functional.binary_cross_entropy_with_logits(
            model(some[:, :-1]), some[:, 1:]
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def error(predicted: Tensor, frames: Tensor) -> float:
    """Mean squared error of predictions (B, T, 1, S, S), the first three left out."""
    return ((predicted - frames[:, 1:])[:, WARM:] ** 2).mean().item()


def copied(frames: Tensor) -> Tensor:
    """Predict the last frame again."""
    return frames[:, :-1]


def extrapolated(frames: Tensor) -> Tensor:
    """Predict each pixel by a straight line through its last two values."""
    before = torch.cat([frames[:, :1], frames[:, :-2]], dim=1)
    return (2 * frames[:, :-1] - before).clamp(0, 1)


def moved_on(frames: Tensor) -> Tensor:
    """Predict the last frame, moved by as much as the middle of its ink moved last."""
    x = frames[:, :-1, 0]
    S = x.shape[-1]
    pixel, ink = torch.arange(S) + 0.5, x.sum((2, 3))
    middle = torch.stack([(x.sum(k) * pixel).sum(-1) / ink for k in (2, 3)], dim=-1)
    way = torch.diff(middle, dim=1, prepend=middle[:, :1])  # (B, T, 2): x and y
    place = torch.stack(torch.meshgrid(pixel, pixel, indexing="xy"), dim=-1)
    at = 2 * (place - way[:, :, None, None]) / S - 1  # grid_sample counts from -1 to 1
    seen = nn.functional.grid_sample(
        frames[:, :-1].flatten(0, 1), at.flatten(0, 1), align_corners=False
    )
    return seen.unflatten(0, x.shape[:2])


def run(
    seed: int, model: str, shapes: int, steps: int, lr: float | None = None
) -> dict[str, Any]:
    """Train one model and measure it; return the errors of it and of the baselines."""
    torch.manual_seed(seed)
    make, usual = MODELS[model]
    learner = make()
    train(learner, clips(512, seed, shapes), steps, usual if lr is None else lr)
    test = clips(200, 1000 + seed, shapes)
    with torch.no_grad():
        found = torch.sigmoid(learner(test[:, :-1]))
    return {
        "parameters": sum(p.numel() for p in learner.parameters()),
        "error": error(found, test),
        "by step": ((found - test[:, 1:]) ** 2).mean((0, 2, 3, 4)).tolist(),
        "copied": error(copied(test), test),
        "extrapolated": error(extrapolated(test), test),
        "moved on": error(moved_on(test), test),
    }
