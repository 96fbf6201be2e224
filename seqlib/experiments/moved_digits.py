"""What it costs a network that knows places to learn not to care about them.

Digits stand anywhere on a canvas of 16 by 16, up to 4 pixels from the middle in either
direction, in training as in the test. Three networks learn to read them: an MLP on the
whole canvas; a CNN, windows of 8 by 8, flattened, with a layer of an MLP on top; and
the same with the maximum on top, and room around the canvas. Measured is the accuracy
on digits of other writers after more and more steps of training.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SEEDS = range(5)
MODELS = ("MLP", "CNN, layer of an MLP", "CNN, maximum, room")
SETTINGS = tuple({"model": model} for model in MODELS)
STEPS = (100, 200, 400, 800, 1600)


def run(seed: int, model: str, steps: tuple[int, ...] = STEPS) -> dict[str, Any]:
    """Train one network; return its accuracy after each number of steps."""
    import torch
    from torch.nn import functional as F

    from seqlib.data import shifted_digits
    from seqlib.mlp import init_params

    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)

    def pictures(count: int, part: str) -> tuple:
        drawn = shifted_digits(count, rng, 16, 4, part)
        return torch.tensor(drawn.images)[:, None], torch.tensor(drawn.labels)

    x, y = pictures(4000, "train")
    x_test, y_test = pictures(400, "test")
    sizes = {"MLP": [[256, 32, 10]], "CNN, layer of an MLP": [[64, 8], [648, 10]]}
    layers = [
        tuple(torch.tensor(a, dtype=torch.float32, requires_grad=True) for a in pair)
        for part in sizes.get(model, [[64, 24, 10]])
        for pair in init_params(part, rng)
    ]
    optimiser = torch.optim.Adam([p for pair in layers for p in pair], lr=0.01)
    accuracy = []
    for step in range(1, max(steps) + 1):
        i = torch.tensor(rng.integers(len(x), size=16))
        loss = F.cross_entropy(answer(model, x[i], layers), y[i])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step in steps:
            with torch.no_grad():
                guess = answer(model, x_test, layers).argmax(dim=1)
            accuracy.append(float((guess == y_test).float().mean()))
    return {"steps": list(steps), "accuracy": accuracy}


def answer(model: str, x: Any, layers: list) -> Any:
    """Return the logits (B, 10) of pictures x (B, 1, 16, 16)."""
    from torch.nn import functional as F

    from seqlib.mlp import mlp
    from seqlib.scanning import scan

    if model == "MLP":
        return mlp(x.flatten(1), layers, ["relu", "linear"])[0]
    if model == "CNN, layer of an MLP":
        maps, _ = scan(x, layers[:1], (8, 8), "relu")
        return mlp(maps.flatten(1), layers[1:], "linear")[0]
    (W, b), top = layers  # `scan` does the same, and takes longer
    hidden = F.relu(F.conv2d(x, W.unflatten(1, (1, 8, 8)), b, padding=7))
    return F.conv2d(hidden, top[0][..., None, None], top[1]).amax(dim=(2, 3))
