"""Tagging with few labels, with and without pre-training on unlabelled text.

A small BERT guesses hidden words in unlabelled sentences for a number of updates, none
for "from scratch". Then it is fine-tuned on a few labelled sentences, always for the
same number of updates, to tag each word with its class, and, as a task that guessing
words has nothing to do with, with whether it is in the second half of the dictionary.
Measured on fresh sentences: right tags of all words, of words of two classes, and of
words that no labelled sentence showed; beside it the tag that a word had most often.
Of the guesser: its loss on hidden words, and how often it names a word it can see.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqlib.data import AMBIGUOUS, TAGS, Tagged, Vocabulary, pad, tagged_sentences
from seqlib.nn import BERT, BERTConfig, BERTMaskedLM, BERTTagger
from seqlib.train import cosine, seeded
from seqlib.transformer import mask_tokens

SEEDS = range(5)
LABELS = [5, 10, 20, 50, 200, 1000]
SETTINGS: tuple[dict[str, Any], ...] = (
    {"updates": 0, "rule": "none", "tuning": 100, "labels": LABELS, "half": [20]},
    {
        "updates": 600,
        "rule": "80/10/10",
        "tuning": 100,
        "labels": LABELS,
        "half": [20],
    },
    {
        "updates": 600,
        "rule": "100/0/0",
        "tuning": 100,
        "labels": [5, 20, 200],
        "half": [],
    },
    {"updates": 0, "rule": "none", "tuning": 700, "labels": [20, 1000], "half": []},
)
SPECIAL = ("[CLS]", "[SEP]", "[MASK]")
CLS, SEP, MASK = 1, 2, 3
VOCABULARY = Vocabulary(
    [s.words for s in tagged_sentences(6000, np.random.default_rng(0))], SPECIAL
)
HALF = sorted(VOCABULARY.words[4:])[len(VOCABULARY.words[4:]) // 2]


def encode(words: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of `[CLS] words [SEP]` (B, T), padded, and the mask."""
    return pad([[CLS, *VOCABULARY.ids(s), SEP] for s in words])


def targets(sentences: list[Tagged], task: str) -> np.ndarray:
    """Return a class for each word (B, T), -100 for `[CLS]`, `[SEP]` and padding."""
    rows = [
        [
            TAGS.index(t) if task == "class" else int(w >= HALF)
            for w, t in zip(*s, strict=True)
        ]
        for s in sentences
    ]
    return pad([[-100, *row, -100] for row in rows], -100)[0]


def hide(
    ids: np.ndarray, mask: np.ndarray, rng: np.random.Generator, rule: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the model sees, and what it is to guess, -100 elsewhere."""
    inputs, wanted = mask_tokens(ids, rng, len(VOCABULARY), MASK, (CLS, SEP), mask)
    if rule == "100/0/0":
        inputs = np.where(wanted == -100, ids, MASK)
    return inputs, wanted


def guesser(seed: int, size: int = 32, layers: int = 2) -> BERTMaskedLM:
    """Return a small BERT with the head that guesses words."""
    with seeded(seed):
        config = BERTConfig(len(VOCABULARY), 16, layers, 4, size, 2 * size, dropout=0.0)
        return BERTMaskedLM(BERT(config))


def descend(model: nn.Module, updates: int, lr: float, batch: Any) -> None:
    """Adam with a warm-up; `batch()` gives the model's inputs and the targets."""
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    factor = cosine(updates, updates // 10)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    for _ in range(updates):
        ids, mask, wanted = map(torch.from_numpy, batch())
        logits = model(ids, mask)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rate.step()


def pretrained(
    seed: int, updates: int, rule: str = "80/10/10", lr: float = 5e-3, size: int = 32
) -> BERTMaskedLM:
    """Return a guesser that has read unlabelled sentences for so many updates."""
    model, rng = guesser(seed, size), np.random.default_rng([seed, 19])
    text = [s.words for s in tagged_sentences(4000, rng)]

    def batch() -> tuple[np.ndarray, ...]:
        ids, mask = encode([text[i] for i in rng.integers(0, len(text), 48)])
        inputs, wanted = hide(ids, mask, rng, rule)
        return inputs, mask, wanted

    if updates:
        descend(model, updates, lr, batch)
    return model


def fine_tuned(
    start: BERTMaskedLM,
    labelled: list[Tagged],
    seed: int,
    task: str = "class",
    updates: int = 100,
    lr: float = 3e-3,
) -> BERTTagger:
    """Return a tagger that starts from a copy of that guesser's BERT."""
    with seeded(seed):
        model = BERTTagger(deepcopy(start.bert), len(TAGS), dropout=0.0)
    ids, mask = encode([s.words for s in labelled])
    wanted, rng = targets(labelled, task), np.random.default_rng([seed, 20])

    def batch() -> tuple[np.ndarray, ...]:
        some = rng.permutation(len(labelled))[:32]
        return ids[some], mask[some], wanted[some]

    descend(model, updates, lr, batch)
    return model.eval()


def most_frequent(labelled: list[Tagged], words: list[str], task: str) -> list[int]:
    """Return for each word the class it had most often; of a new word, of all."""
    rows = targets(labelled, task)
    seen: Counter = Counter(
        (w, int(c))
        for s, row in zip(labelled, rows, strict=True)
        for w, c in zip(s.words, row[1:], strict=False)
    )
    every = Counter(c for _, c in seen)  # most words that are new are as most words are
    best = {w: c for (w, c), _ in reversed(seen.most_common())}
    return [best.get(w, every.most_common(1)[0][0]) for w in words]


@torch.no_grad()
def tags(model: BERTTagger, test: list[Tagged]) -> Tensor:
    """Return the classes it gives, of all words of all sentences in a row."""
    ids, mask = encode([s.words for s in test])
    real = torch.from_numpy(targets(test, "class") != -100)
    return model(torch.from_numpy(ids), torch.from_numpy(mask)).argmax(2)[real]


def shares(
    found: Any, test: list[Tagged], labelled: list[Tagged], task: str
) -> dict[str, float]:
    """Return the share of right tags, of all words and of two kinds of them."""
    wanted = targets(test, task)
    right = np.asarray(found) == wanted[wanted != -100]
    words = [w for s in test for w in s.words]
    shown = {w for s in labelled for w in s.words}
    kinds = {
        "all": np.ones(len(words), bool),
        "ambiguous": np.array([w in AMBIGUOUS for w in words]),
        "new": np.array([w not in shown for w in words]),
    }
    return {k: float(right[of].mean()) if of.any() else -1.0 for k, of in kinds.items()}


@torch.no_grad()
def guesses(model: BERTMaskedLM, test: list[Tagged], seed: int) -> dict[str, float]:
    """Return the loss on words behind [MASK], and how many visible words it names."""
    ids, mask = encode([s.words for s in test])
    inputs, wanted = hide(ids, mask, np.random.default_rng([seed, 22]), "100/0/0")
    logits = model(torch.from_numpy(inputs), torch.from_numpy(mask))
    hidden = torch.from_numpy(wanted)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), hidden.flatten())
    seen = mask & (inputs > MASK)
    named = (logits.argmax(2).numpy() == ids)[seen]
    return {"loss": float(loss), "visible": float(named.mean())}


def run(
    seed: int, updates: int, rule: str, tuning: int, labels: list[int], half: list[int]
) -> dict[str, Any]:
    """Pre-train, then fine-tune with each number of labels; lists over these."""
    start = pretrained(seed, updates, rule)
    rng = np.random.default_rng([seed, 21])
    pool, test = tagged_sentences(max(labels), rng), tagged_sentences(500, rng)
    words = [w for s in test for w in s.words]
    result: dict[str, Any] = guesses(start, test, seed) if updates else {}
    for task, counts in (("class", labels), ("half", half)):
        for n in counts:
            some = pool[:n]
            tagger = fine_tuned(start, some, seed, task, tuning)
            for name, found in (
                ("model", tags(tagger, test)),
                ("most frequent", most_frequent(some, words, task)),
            ):
                for kind, share in shares(found, test, some, task).items():
                    result.setdefault(f"{task}, {name}, {kind}", []).append(share)
    return result
