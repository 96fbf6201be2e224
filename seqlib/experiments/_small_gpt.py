"""A GPT much narrower than GPT-2, drawn so that it begins to learn at once.

GPT-2's weights are drawn with the deviation 0.02 at a width of 768 and more. At a width
of 36 such weights make products twenty times smaller, and the first hundreds of updates
go by before attention attends to anything.
"""

from __future__ import annotations

import math

import torch

from seqlib.nn import GPT, GPTConfig


def small_gpt(V: int, T: int, blocks: int, heads: int, width: int) -> GPT:
    """Return a GPT whose matrices and tables are drawn sqrt(768 / width) larger."""
    model = GPT(GPTConfig(V, T, blocks, heads, width, dropout=0.0))
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 2:
                p *= math.sqrt(768 / width)
    return model
