"""Bits a character of a small GPT, at the training FLOPs of chapter 11's networks.

The text, its three parts and the budget are those of `next_character`: 2.8e11
operations, what a tanh cell of 160 units spends on a thousand updates. The GPT is the
book's, with its own backward pass. It reads pieces drawn from anywhere in the training
text, 1024 characters an update, and as many updates as the budget pays for.

Pieces of 8, 16, 32 and 64 characters were tried on the ninth tenth with seed 100, the
rates 0.005, 0.01 and 0.02 with pieces of 32. Held-out text is read in windows of which
the first half was seen before, so that a character has half a window before it or more.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from seqlib.nn import GPT
from seqlib.train import cosine, seeded

from ._small_gpt import small_gpt
from .next_character import bits, fresh, hidden, texts, training_flops

SEEDS = range(5)
SETTINGS: tuple[dict[str, Any], ...] = ({"blocks": 2, "width": 40, "T": 16},)
HEADS, RATE = 4, 0.01
CHARACTERS = 1024  # of one update
TEMPERATURE = 0.7

Array = np.ndarray


def multiplications(L: int, E: int, T: int, V: int) -> int:
    """Return the multiplications a character of a training piece: (18.9)."""
    return L * (12 * E**2 + 2 * T * E) + V * E


def budget(V: int) -> int:
    """Return the training FLOPs of chapter 11's plain cell of 160 units."""
    return training_flops("rnn", hidden("rnn", V), V, CHARACTERS * 1000)


def updates(L: int, E: int, T: int, V: int, flops: int) -> int:
    """Return the number of updates whose FLOPs come nearest to the budget."""
    return round(flops / (6 * multiplications(L, E, T, V) * CHARACTERS))


def train(
    model: GPT,
    ids: Array,
    T: int,
    steps: int,
    lr: float,
    seed: int,
    look: Any,
    looks: int = 10,
) -> list:
    """Train in place; return what `look()` says, so many times on the way."""
    rng, seen = np.random.default_rng(seed), []
    text, offsets = torch.tensor(ids), torch.arange(T + 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=lr, betas=(0.9, 0.99))
    schedule = cosine(steps, steps // 20)
    for step in range(steps):
        begins = torch.tensor(rng.integers(0, len(ids) - T, CHARACTERS // T))
        piece = text[begins[:, None] + offsets]  # (B, T + 1)
        logits = model(piece[:, :-1])
        loss = cross_entropy(logits.flatten(0, 1), piece[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimiser.param_groups[0]["lr"] = lr * schedule(step)
        optimiser.step()
        if (step + 1) % (steps // looks) == 0 and len(seen) < looks:
            seen.append(look())
    return seen


@torch.no_grad()
def probabilities(model: GPT, ids: Array, T: int, stride: int) -> Array:
    """Return the probability of each id of a text, which begins after a line's end.

    Windows of T begin every `stride` ids; each gives what no window gave before it.
    """
    padded = np.concatenate([[0], ids])  # 0 is "\n"
    begins = np.arange(0, max(len(ids) - T, 0) + stride, stride)
    begins = np.minimum(begins, max(len(ids) - T, 0))
    out = np.zeros(len(ids))
    for some in np.array_split(begins, max(1, len(begins) // 64)):
        rows = torch.tensor(padded[some[:, None] + np.arange(min(T, len(ids)) + 1)])
        p = model(rows[:, :-1]).double().softmax(dim=-1)
        right = p.gather(-1, rows[:, 1:, None])[..., 0].numpy()
        for begin, row in zip(some, right, strict=True):
            first = 0 if begin == 0 else T - stride
            out[begin + first : begin + len(row)] = row[first:]
    return out


@torch.no_grad()
def by_place(model: GPT, ids: Array, T: int, count: int = 2000) -> list[float]:
    """Return the mean bits at each place of a window: after 1, 2, ... T characters."""
    begins = np.linspace(0, len(ids) - T - 1, count).astype(int)
    rows = torch.tensor(ids[begins[:, None] + np.arange(T + 1)])
    log_p = model(rows[:, :-1]).double().log_softmax(dim=-1)
    right = log_p.gather(-1, rows[:, 1:, None])[..., 0]
    return (-right.mean(dim=0) / math.log(2)).tolist()


@torch.no_grad()
def watch(model: GPT, ids: Array, alphabet: list[str]) -> dict[str, Any]:
    """Return a line's beginning, and the six likeliest after each character."""
    count = model.config.max_len - 1
    newline, ends = alphabet.index("\n"), np.flatnonzero(ids == alphabet.index("\n"))
    begin = next(i for i in ends if newline not in ids[i + 1 : i + count + 2])
    row = torch.tensor(ids[begin : begin + count + 1])[None]
    p = model(row)[0, 1:].double().softmax(dim=-1)  # after 1, 2, ... characters
    best = p.topk(6, dim=-1)
    return {
        "line": "".join(alphabet[i] for i in ids[begin + 1 : begin + count + 2]),
        "likeliest": ["".join(alphabet[i] for i in some) for some in best.indices],
        "chances": best.values.tolist(),
    }


def write(model: GPT, seed: int, length: int, temperature: float) -> list[int]:
    """Return what the model writes after a line's end, re-reading half a window."""
    half, rng = model.config.max_len // 2, np.random.default_rng(seed)
    ids = torch.zeros(1, 1, dtype=torch.int64)
    while ids.shape[1] <= length:
        more: dict[str, Any] = {"rng": rng, "temperature": temperature}
        new, _ = model.generate(ids[:, -half:], half, method="sample", **more)
        ids = torch.cat([ids, new], dim=1)
    return ids[0, 1 : length + 1].tolist()


def run(
    seed: int,
    blocks: int,
    width: int,
    T: int,
    flops: int | None = None,
    lr: float = RATE,
    length: int = 300,
    looks: int = 5,
) -> dict[str, Any]:
    """Train one GPT; return its scores, and a text that it wrote."""
    alphabet, first, ninth, last = texts()
    V = len(alphabet)
    steps = updates(blocks, width, T, V, budget(V) if flops is None else flops)
    with seeded(seed):
        model = small_gpt(V, T, blocks, HEADS, width)

    def look() -> float:
        return bits(probabilities(model, ninth, T, T // 2))

    curve = train(model, first, T, steps, lr, seed, look, looks)
    wrote = write(model, seed, length, TEMPERATURE)
    return {
        "steps": steps,
        "parameters": sum(p.numel() for p in model.parameters()),
        "flops": 6 * multiplications(blocks, width, T, V) * CHARACTERS * steps,
        "curve": curve,
        "train": bits(probabilities(model, first[: len(ninth)], T, T // 2)),
        "test": bits(probabilities(model, last, T, T // 2)),
        "apart": bits(probabilities(model, last, T, T)),
        "places": by_place(model, last, T),
        "sample": "".join(alphabet[i] for i in wrote),
        "new": fresh(wrote),
        **({"watched": watch(model, last, alphabet)} if seed == 0 else {}),
    }
