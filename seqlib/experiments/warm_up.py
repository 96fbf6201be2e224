"""Warm-up and label smoothing, on and off, with post-norm and pre-norm (chapter 17).

Encoders of several blocks learn to write numbers of six digits backwards. Three
networks train side by side from the same start: with warm-up, without it, and with both
warm-up and smoothed labels. Measured is how many new numbers are right, and the
cross-entropy of their digits, which is not smoothed.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SEEDS = range(5)
SETTINGS: tuple[dict[str, Any], ...] = ({"norm_first": False}, {"norm_first": True})
NETS = ("warm-up", "no warm-up", "warm-up, smoothed labels")
WARM, SMOOTH = (True, False, True), (0.0, 0.0, 0.1)
T, V, d, HEADS, HIDDEN = 6, 10, 32, 4, 64
Params = dict[str, Tensor]


def shapes(layers: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter."""
    found: dict[str, tuple[int, ...]] = {"tokens": (V, d), "places": (T, d)}
    for i in range(layers):
        found |= {f"{name}{i}": (d, d) for name in ("q", "k", "v", "o")}
        found |= {f"in{i}": (d, HIDDEN), f"out{i}": (HIDDEN, d)}
        found |= {f"{name}{i}": (1, d) for name in ("g1", "g2", "b1", "b2")}
    return found


def start(layers: int) -> Tensor:
    """Draw all parameters of one network as a row: Glorot, norms of 1 and 0."""
    rows = []
    for name, shape in shapes(layers).items():
        edge = sqrt(6 / sum(shape))
        value = {"g": torch.ones(shape), "b": torch.zeros(shape)}.get(name[0])
        drawn = torch.empty(shape).uniform_(-edge, edge)
        drawn = torch.randn(shape) / sqrt(d) if len(name) == 6 else drawn
        rows.append((drawn if value is None else value).flatten())
    return torch.cat(rows)


def unpack(rows: Tensor, layers: int) -> Params:
    """Cut rows (N, all) into arrays (N, 1, ...)."""
    sizes = shapes(layers)
    cut = rows.split([prod(shape) for shape in sizes.values()], dim=1)
    return {
        name: a.unflatten(1, (1, *shape))
        for (name, shape), a in zip(sizes.items(), cut, strict=True)
    }


def logits(p: Params, ids: Tensor, layers: int, norm_first: bool) -> Tensor:
    """Run N networks on the same digits (B, T); return (N, B, T, V)."""

    def norm(x: Tensor, i: int, k: int) -> Tensor:
        return F.layer_norm(x, (d,)) * p[f"g{k}{i}"] + p[f"b{k}{i}"]

    def attend(x: Tensor, i: int) -> Tensor:
        heads = (x @ p[f"{n}{i}"] for n in "qkv")
        q, k, v = (a.unflatten(3, (HEADS, -1)).transpose(2, 3) for a in heads)
        weights = (q @ k.mT / sqrt(d / HEADS)).softmax(dim=-1)
        return (weights @ v).transpose(2, 3).flatten(3) @ p[f"o{i}"]

    def feed(x: Tensor, i: int) -> Tensor:
        return (x @ p[f"in{i}"]).relu() @ p[f"out{i}"]

    x = sqrt(d) * (p["tokens"][:, 0][:, ids] + p["places"])
    for i in range(layers):
        for k, f in ((1, attend), (2, feed)):
            x = x + f(norm(x, i, k), i) if norm_first else norm(x + f(x, i), i, k)
    x = F.layer_norm(x, (d,)) if norm_first else x
    return x @ p["tokens"].mT


def losses(o: Tensor, y: Tensor, smooth: Tensor) -> Tensor:
    """Return each network's mean cross-entropy, its own ε of the labels smoothed."""
    log_p = o.log_softmax(dim=3)
    right = log_p.gather(3, y.expand(len(o), *y.shape)[..., None])[..., 0]
    mixed = (1 - smooth) * right.mean((1, 2)) + smooth * log_p.mean((1, 2, 3))
    return -mixed


def run(
    seed: int,
    norm_first: bool = False,
    layers: int = 6,
    updates: int = 150,
    rate: float = 0.006,
    size: int = 32,
) -> dict[str, Any]:
    """Train the three networks, and return `right` and `loss` of each, after NETS.

    The rate rises over a fifth of the updates where there is warm-up, stays, and falls
    to zero over the second half.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    rows = start(layers).repeat(len(NETS), 1).requires_grad_()
    smooth, warm = torch.tensor(SMOOTH), torch.tensor(WARM)
    m, v = torch.zeros_like(rows), torch.zeros_like(rows)
    for s in range(1, updates + 1):
        ids = torch.from_numpy(rng.integers(V, size=(size, T)))
        o = logits(unpack(rows, layers), ids, layers, norm_first)
        (g,) = torch.autograd.grad(losses(o, ids.flip(1), smooth).sum(), rows)
        g = g / g.norm(dim=1, keepdim=True).clamp(min=1.0)
        m, v = 0.9 * m + 0.1 * g, 0.98 * v + 0.02 * g * g
        rise = torch.where(warm, min(1.0, 5 * s / updates), 1.0)
        lr = rate * rise * min(1.0, 2 * (1 - (s - 1) / updates))
        step = m / (1 - 0.9**s) / ((v / (1 - 0.98**s)).sqrt() + 1e-8)
        rows = (rows - lr[:, None] * step).detach().requires_grad_()
    ids = torch.from_numpy(np.random.default_rng(1000).integers(V, size=(500, T)))
    with torch.no_grad():
        o = logits(unpack(rows, layers), ids, layers, norm_first)
        loss = losses(o, ids.flip(1), torch.zeros(len(NETS)))
    right = (o.argmax(dim=3) == ids.flip(1)).all(dim=2).float().mean(dim=1)
    return {"right": right.tolist(), "loss": loss.tolist()}
