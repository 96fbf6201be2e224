"""Naming the pose in each frame and the exercise of a clip, at several speeds.

A stick figure exercises, and each clip has a speed of its own. First a small CNN learns
to name the pose in single frames; then it is kept as it is, and what it makes of each
frame, a list of features, goes to a bag (the mean over all frames) or to an LSTM. They
learn from clips of medium pace and are tested at four paces. Two of the eight
exercises hold the same poses in another order: no bag can tell these twins apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqlib.data import pose_clips
from seqlib.data.poses import EXERCISES, POSES
from seqlib.nn import LSTM

SEEDS = range(5)
SETTINGS: tuple[dict[str, Any], ...] = ({"noise": 0.05},)
PACES = {"fast": (1, 2), "as trained": (2, 4), "slow": (6, 8), "very slow": (16, 20)}
SIZE, FEATURES = 16, 24
TWINS = [EXERCISES.index(name) for name in ("reach and bow", "bow and reach")]


class Clips:
    """Clips as tensors: frames (N, T, S, S), mask and poses (N, T), exercises (N,)."""

    def __init__(self, count: int, seed: int, pace: str, noise: float) -> None:
        rng = np.random.default_rng([10, seed])
        drawn = pose_clips(count, rng, size=SIZE, pace=PACES[pace], noise=noise)
        self.frames, self.mask, self.poses, self.exercises = map(
            torch.tensor, drawn[:4]
        )

    def features(self, see: nn.Module) -> Tensor:
        """Return what a CNN makes of each frame, (N, T, FEATURES)."""
        with torch.no_grad():
            return see(self.frames.flatten(0, 1)[:, None]).unflatten(0, self.mask.shape)


def eye(maps: int = 8) -> nn.Sequential:
    """Make a CNN that turns a frame (B, 1, 16, 16) into a list of features."""
    return nn.Sequential(
        nn.Conv2d(1, maps, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(maps, 2 * maps, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * maps * (SIZE // 4) ** 2, FEATURES),
        nn.ReLU(),
    )


class Reader(nn.Module):
    """An LSTM over the features, or a bag of them, and one linear layer."""

    def __init__(self, kind: str, names: int, units: int = 24) -> None:
        super().__init__()
        self.kind = kind
        both = kind == "both ways"
        self.body = None if kind == "bag" else LSTM(FEATURES, units, bidirectional=both)
        inside = FEATURES if kind == "bag" else units * (2 if both else 1)
        self.name = nn.Linear(inside, names)

    def forward(self, e: Tensor, mask: Tensor) -> Tensor:
        """Return logits: a clip's (N, O) or, for the kinds of labelling, (N, T, O)."""
        if self.body is not None:
            e, (last, _) = self.body(e, mask=mask)
        if self.kind in ("each frame", "both ways"):
            return self.name(e)
        if self.kind == "last state":
            return self.name(last[0])
        real = mask[:, :, None]
        return self.name((e * real).sum(1) / real.sum(1))  # the mean of what is real


def fit(model: nn.Module, draw: Any, steps: int, lr: float = 0.01) -> None:
    """Teach a model; `draw` gives some of its input and the targets."""
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, steps)
    for _ in range(steps):
        given, target = draw()
        logits = model(*given)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, -2), target.flatten(), ignore_index=-100
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()


def learn_frames(clips: Clips, steps: int) -> nn.Sequential:
    """Train a CNN to name the pose in single frames; its last layer names."""
    model = nn.Sequential(eye(), nn.Linear(FEATURES, len(POSES)))
    frames, poses = clips.frames[clips.mask][:, None], clips.poses[clips.mask]

    def draw() -> tuple:
        i = torch.randint(len(frames), (128,))
        return (frames[i],), poses[i]

    fit(model, draw, steps)
    return model


def learn_clips(kind: str, e: Tensor, clips: Clips, steps: int) -> Reader:
    """Train a reader of features: to name each frame, or the clip."""
    each = kind in ("each frame", "both ways")
    target = torch.where(clips.mask, clips.poses, -100) if each else clips.exercises
    model = Reader(kind, len(POSES if each else EXERCISES))

    def draw() -> tuple:
        i = torch.randint(len(e), (64,))
        return (e[i], clips.mask[i]), target[i]

    fit(model, draw, steps)
    return model


def run(
    seed: int,
    noise: float,
    count: int = 250,
    first: int = 200,
    then: int = 250,
    tests: int = 120,
) -> dict[str, Any]:
    """Train the CNN and all readers; return their accuracies at each pace."""
    torch.manual_seed(seed)
    clips = Clips(count, seed, "as trained", noise)
    model = learn_frames(clips, first)
    e = clips.features(model[0])
    kinds = ("each frame", "both ways", "bag", "last state")
    readers = {kind: learn_clips(kind, e, clips, then) for kind in kinds}
    found: dict[str, Any] = {"poses": {}, "exercises": {}, "twins": {}}
    for pace in PACES:
        test = Clips(tests, 1000 + seed, pace, noise)
        e, m = test.features(model[0]), test.mask
        twin = torch.isin(test.exercises, torch.tensor(TWINS))
        with torch.no_grad():
            said = {"frames alone": model[1](e).argmax(-1)}
            said |= {kind: r(e, m).argmax(-1) for kind, r in readers.items()}
        for kind, answer in said.items():
            if answer.ndim == 2:
                right = (answer == test.poses)[m]
                found["poses"].setdefault(kind, {})[pace] = right.float().mean().item()
                continue
            right = (answer == test.exercises).float()
            found["exercises"].setdefault(kind, {})[pace] = right.mean().item()
            found["twins"].setdefault(kind, {})[pace] = right[twin].mean().item()
    return found
