"""Bits a character of three recurrent language models at equal training FLOPs.

The text is `english_text()`: the first eight tenths train, the ninth is for choosing,
and the last, the one that chapter 7 holds out too, is for the final score alone. Every
cell sees the same characters in the same order, in rows whose state is carried from
piece to piece; its hidden size is the one whose FLOPs come nearest to those of 160
plain units. The cells are torch's, which are those of the book and faster on small
sizes. The learning rates were settled on the ninth tenth with seed 100: the best of
0.004, 0.008, 0.016 and 0.03, and for the LSTM 0.06 too.

The rival counts: interpolated Kneser-Ney, its order and its discount settled on the
ninth tenth. `mixed` is the average of both models' probabilities, its weight settled
there too.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqlib.data import english_text
from seqlib.decode import sample
from seqlib.train import cosine, seeded

from ._ngrams import count_grams, kneser_ney, of_text

__all__ = ["count_grams", "kneser_ney", "of_text"]  # chapter 11 takes them from here

CELLS = {"rnn": (nn.RNN, 1), "gru": (nn.GRU, 3), "lstm": (nn.LSTM, 4)}
RATES = {"rnn": 0.008, "gru": 0.008, "lstm": 0.03}
SEEDS = range(5)
SETTINGS = tuple({"cell": cell} for cell in CELLS)
EMBED, PLAIN = 32, 160  # size of a character's vector; units of the plain cell
BATCH, T = 16, 64
STEPS = 1000
ORDERS, DISCOUNTS = range(2, 9), (0.5, 0.6, 0.7, 0.8, 0.9)
WEIGHTS = np.linspace(0, 1, 21)
TEMPERATURES = (0.5, 1.0, 1.5)

Array = np.ndarray


@cache
def texts() -> tuple[list[str], Array, Array, Array]:
    """Return the alphabet, and the ids of the training, choosing and final parts."""
    text = english_text()
    alphabet = sorted(set(text))
    number = {character: i for i, character in enumerate(alphabet)}
    ids = np.array([number[character] for character in text])
    first, ninth, last = np.split(ids, [len(ids) * 8 // 10, len(ids) * 9 // 10])
    return alphabet, first, ninth, last


def multiplications(cell: str, H: int, V: int) -> int:
    """Return the multiplications of one step: the cell's and the output's, (11.11)."""
    return CELLS[cell][1] * H * (EMBED + H) + H * V


def training_flops(cell: str, H: int, V: int, characters: int) -> int:
    """Return 2 operations a multiplication, forward once and backward twice."""
    return 6 * multiplications(cell, H, V) * characters


def hidden(cell: str, V: int, plain: int = PLAIN) -> int:
    """Return the hidden size whose cost comes nearest to that of the plain cell."""
    goal = multiplications("rnn", plain, V)
    return min(range(1, 600), key=lambda H: abs(multiplications(cell, H, V) - goal))


class LanguageModel(nn.Module):
    """Embedding, cell, output: logits of what comes next, after every character.

    Parameters
    ----------
    cell : "rnn", "gru" or "lstm"
    V : the number of characters
    H : units of the cell
    """

    def __init__(self, cell: str, V: int, H: int) -> None:
        super().__init__()
        self.enc = nn.Embedding(V, EMBED)
        self.g = CELLS[cell][0](EMBED, H, batch_first=True)
        self.dec = nn.Linear(H, V)

    def forward(self, ids: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Read ids (B, T) on from a state; return logits (B, T, V) and the state."""
        h, state = self.g(self.enc(ids), state)
        return self.dec(h), state


def train(model: nn.Module, ids: Array, lr: float, steps: int, look: Any) -> list:
    """Train in place; return what `look()` says, ten times on the way."""
    rows = torch.tensor(ids[: len(ids) // BATCH * BATCH].reshape(BATCH, -1))
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    schedule, seen = cosine(steps, steps // 20), []
    at, state = 0, None
    for step in range(steps):
        if at + T + 1 > rows.shape[1]:
            at, state = 0, None
        piece, at = rows[:, at : at + T + 1], at + T
        logits, state = model(piece[:, :-1], state)
        state = tuple(h.detach() for h in state) if len(state) == 2 else state.detach()
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), piece[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.param_groups[0]["lr"] = lr * schedule(step)
        optimiser.step()
        if (step + 1) % (steps // 10) == 0:
            seen.append(look())
    return seen


@torch.no_grad()
def probabilities(model: nn.Module, ids: Array) -> Array:
    """Return the probability of each id of a text, which begins after a line's end.

    It is read in 16 rows, each from a zero state, for speed.
    """
    width = -(-len(ids) // BATCH)
    padded = np.zeros(BATCH * width + 1, np.int64)  # 0 is "\n"
    padded[1 : len(ids) + 1] = ids
    rows = torch.tensor(padded)
    p = model(rows[:-1].reshape(BATCH, width))[0].double().softmax(dim=-1)
    right = p.flatten(0, 1)[torch.arange(BATCH * width), rows[1:]]
    return right[: len(ids)].numpy()


def bits(p: Array) -> float:
    """Return the mean number of bits."""
    return float(-np.log2(p).mean())


@cache
def counted() -> dict[str, Any]:
    """Choose order and discount on the ninth tenth; return the counting model."""
    alphabet, first, ninth, last = texts()
    V, best = len(alphabet), (math.inf, 0, 0.0)
    for order in ORDERS:
        tables = count_grams(first, order, V)
        for d in DISCOUNTS:
            best = min(best, (bits(of_text(tables, ninth, V, d)), order, d))
    _, order, d = best
    tables = count_grams(first, order, V)
    parts = [of_text(tables, part, V, d) for part in (ninth, last)]
    return {"order": order, "discount": d, "tables": tables, "parts": parts}


def step_of(model: nn.Module) -> Any:
    """Return the model as `seqlib.decode` takes one; the state is (layers, B, H)."""

    def step(state: Any, token: Tensor) -> tuple[Tensor, Any]:
        with torch.no_grad():
            logits, state = model(token[:, None], state)
        return logits[:, 0].double().log_softmax(dim=-1), state

    return step


def write(model: nn.Module, seed: int, rows: int, length: int) -> dict[str, Any]:
    """Return texts that the model draws, and what it thinks of them, in bits."""
    alphabet, *_ = texts()
    start = torch.zeros(rows, dtype=torch.int64)  # after a line's end
    found: dict[str, Any] = {"samples": [], "drawn_bits": [], "new": []}
    for temperature in (*TEMPERATURES, 1e-6):  # the last is greedy
        rng = np.random.default_rng(seed)
        step, begin = step_of(model), (None, start)
        ids, log_p = sample(step, begin, None, length, rng, temperature=temperature)
        found["samples"].append("".join(alphabet[i] for i in ids[0].tolist()))
        found["drawn_bits"].append(float(-log_p.mean()) / length / math.log(2))
        found["new"].append(float(np.mean([fresh(row) for row in ids.tolist()])))
    return found


def fresh(ids: list[int], n: int = 10) -> float:
    """Return the share of runs of n ids that did not stand earlier in the text."""
    runs = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    return len(set(runs)) / len(runs)


def kinds(alphabet: list[str]) -> list[str]:
    """Return the kind of each character."""
    tests = {"digit": str.isdigit, "capital": str.isupper, "letter": str.islower}
    return [next((k for k, is_ in tests.items() if is_(c)), "sign") for c in alphabet]


def alike(E: Array) -> float:
    """Return the share of common characters whose nearest vector is of their kind."""
    alphabet, first, *_ = texts()
    common = np.flatnonzero(np.bincount(first, minlength=len(alphabet)) >= 50)
    unit = E[common] / np.linalg.norm(E[common], axis=1, keepdims=True)
    near = (unit @ unit.T - 9 * np.eye(len(common))).argmax(axis=1)
    kind = np.array(kinds(alphabet))[common]
    return float(np.mean(kind[near] == kind))


def run(
    seed: int, cell: str, steps: int = STEPS, plain: int = PLAIN, length: int = 300
) -> dict[str, Any]:
    """Train one model; return its scores, and texts that it wrote."""
    alphabet, first, ninth, last = texts()
    V = len(alphabet)
    with seeded(seed):
        model = LanguageModel(cell, V, H := hidden(cell, V, plain))
    before = alike(model.enc.weight.detach().numpy())
    curve = train(
        model, first, RATES[cell], steps, lambda: bits(probabilities(model, ninth))
    )
    p_ninth, p_last = probabilities(model, ninth), probabilities(model, last)
    rival = counted()
    q_ninth, q_last = rival["parts"]
    mixtures = [bits(w * p_ninth + (1 - w) * q_ninth) for w in WEIGHTS]
    w = float(WEIGHTS[int(np.argmin(mixtures))])
    E = model.enc.weight.detach().numpy()
    each = BATCH * T * steps // 10
    return {
        "hidden": H,
        "parameters": sum(p.numel() for p in model.parameters()),
        "flops": [training_flops(cell, H, V, each * k) for k in range(1, 11)],
        "curve": curve,
        "train": bits(probabilities(model, first[: len(ninth)])),
        "test": bits(p_last),
        "order": rival["order"],
        "discount": rival["discount"],
        "counting": [bits(q_ninth), bits(q_last)],
        "weight": w,
        "mixed": bits(w * p_last + (1 - w) * q_last),
        "characters": len(first),
        "alike": [before, alike(E)],
        **({"embedding": flat(E)} if seed == 0 else {}),
        **write(model, seed, 8, length),
    }


def flat(E: Array) -> list[list[float]]:
    """Return the vectors' two coordinates along which they differ most."""
    centred = E - E.mean(axis=0)
    _, _, axes = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    return (centred @ axes[:2].T).tolist()
