"""Can a tanh network learn whether brackets fit? Told once, or after every character.

`told` is "at the end", one verdict a program, or "at every character": broken, open or
closed. Then the network reads programs as long as those that it learned from, and
longer and deeper ones. Guessing is right in half of the cases.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqlib.data import Program, Vocabulary, bracket_programs, pad
from seqlib.data.brackets import CLOSING
from seqlib.train import cosine, fit, seeded

from ._reader import Reader, label_loss, verdict_loss

SEEDS = range(5)
SETTINGS = ({"told": "at the end"}, {"told": "at every character"})
KINDS = {
    "as trained": {},
    "longer": {"length": (60, 80)},
    "deeper": {"length": (60, 80), "deepest": 10},
}
BROKEN, OPEN, CLOSED = 0, 1, 2
LETTERS = sorted(set("main(){}[];=+0if" + "abcdnxyz"))


def so_far(text: str) -> list[int]:
    """Say after every character whether the brackets are broken, open or closed."""
    stack: list[str] = []
    found, broken = [], False
    for character in text:
        if character in CLOSING:
            stack.append(CLOSING[character])
        elif character in ")]}":
            broken = broken or not stack or stack.pop() != character
        found.append(BROKEN if broken else OPEN if stack else CLOSED)
    return found


def arrays(programs: list[Program]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ids (N, T), mask (N, T), what is true so far (N, T), and labels (N,)."""
    vocabulary = Vocabulary([LETTERS])
    ids, mask = pad([vocabulary.ids(list(p.text)) for p in programs])
    states, _ = pad([so_far(p.text) for p in programs])
    labels = np.array([p.label for p in programs])
    parts = (torch.tensor(a) for a in (ids, mask, states, labels))
    return tuple(parts)  # type: ignore[return-value]


def right(model: Reader, told: str, programs: list[Program]) -> float:
    """Return the share of programs whose verdict is right."""
    ids, mask, _, labels = arrays(programs)
    with torch.no_grad():
        guess = model(ids, mask)[1].argmax(dim=1)
    verdict = guess if told == "at the end" else (guess == CLOSED).long()
    return (verdict == labels).float().mean().item()


def run(
    seed: int, told: str, steps: int = 1500, every: int = 125, count: int = 6000
) -> dict[str, Any]:
    """Train; return accuracy along the way, and at the end on programs of each kind."""
    rng = np.random.default_rng([7, seed])
    ids, mask, states, labels = arrays(bracket_programs(count, rng))
    tests = {
        kind: bracket_programs(1000, rng, **options)  # type: ignore[arg-type]
        for kind, options in KINDS.items()
    }
    once = told == "at the end"
    with seeded(seed):
        model = Reader(len(LETTERS) + 1, 48, 2 if once else 3, embed=12)
    seen: list[float] = []

    def look(model: Reader) -> float:
        seen.append(right(model, told, tests["as trained"]))
        return -len(seen)  # so that the last weights are kept

    fit(
        model,
        verdict_loss if once else label_loss,
        (ids, mask, labels if once else states),
        steps=steps,
        batch_size=64,
        lr=0.005,
        schedule=cosine(steps, steps // 20),
        max_norm=1.0,
        seed=seed,
        validation=look,
        validate_every=every,
        progress=False,
    )
    return {
        "steps_seen": list(range(every, steps + 1, every)),
        "accuracy": seen,
        **{kind: right(model, told, programs) for kind, programs in tests.items()},
    }
