"""Chapter 15's translator with smaller batches (chapter 17).

The network of `long_sentences` with attention over annotations in one direction, the
same budget of floating point operations, but batches of 32 sentences where those had
64: so it makes twice as many updates. Measured is the share of sentences of each length
that are translated without a mistake.
"""

from __future__ import annotations

from typing import Any

import torch

from seqlib.experiments.long_sentences import BUDGET, Corpus, exact, train, translator

SEEDS = range(5)
SETTINGS: tuple[dict[str, Any], ...] = ({"size": 32},)


def run(
    seed: int,
    size: int = 32,
    budget: float = BUDGET,
    rate: float = 0.008,
    count: int = 20_000,
) -> dict[str, Any]:
    """Train one network, and return what it can do: updates, flops, parameters, exact.

    `exact` is the share of sentences translated without a mistake, for each of LENGTHS.
    """
    torch.manual_seed(seed)
    corpus = Corpus("german", 22, count, seed)
    model = translator(corpus, "attention", 64, both=False)
    updates, spent = train(model, corpus, budget, rate, size)
    return {
        "updates": updates,
        "flops": spent,
        "parameters": sum(w.numel() for w in model.parameters()),
        "exact": [exact(model, corpus, test) for test in corpus.tests.values()],
    }
