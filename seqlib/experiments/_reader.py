"""The network that chapter 7's experiments train: embedding, recurrence, output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seqlib.nn import RNN


class Reader(nn.Module):
    """Read a batch of ids (B, T), and answer at every step and at the end.

    Parameters
    ----------
    words : the size of the vocabulary, V
    hidden : units of the recurrent layer in each direction, H
    classes : the number of answers, O
    embed : size of a word's vector
    both : whether to read in both directions
    """

    def __init__(
        self, words: int, hidden: int, classes: int, embed: int = 8, both: bool = False
    ) -> None:
        super().__init__()
        self.enc = nn.Embedding(words, embed)
        self.g = RNN(embed, hidden, bidirectional=both)
        self.dec = nn.Linear(hidden * (1 + both), classes)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the logits of every step (B, T, O) and those of the end (B, O)."""
        h, last = self.g(self.enc(ids), mask=mask)  # (B, T, H), (directions, B, H)
        end = last.transpose(0, 1).flatten(1)  # both directions side by side
        return self.dec(h), self.dec(end)


def verdict_loss(model: nn.Module, batch: Any) -> Tensor:
    """Cross-entropy of one answer a sequence, given at its end."""
    ids, mask, y = batch
    return nn.functional.cross_entropy(model(ids, mask)[1], y)


def label_loss(model: nn.Module, batch: Any) -> Tensor:
    """Cross-entropy of an answer a step, averaged over the real steps: (7.1)."""
    ids, mask, y = batch
    logits = model(ids, mask)[0]
    counted = torch.where(mask, y, -100)  # torch leaves out the target -100
    return nn.functional.cross_entropy(logits.flatten(0, 1), counted.flatten())
