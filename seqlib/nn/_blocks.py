"""The blocks of a GPT, each a step of autograd."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from seqlib.nn._by_hand import by_hand
from seqlib.transformer._blocks import encoder_block, encoder_block_backward
from seqlib.transformer._model import blocks_of


def run_blocks(
    x: Tensor,
    params: dict[str, Tensor],
    backward: str,
    num_heads: int,
    mask: Tensor | None,
    **options: Any,
) -> Tensor:
    """Put x through all blocks; options as for `encoder_block`.

    One step for each, so that torch frees what a block kept as soon as its gradient is
    made: one step for all would keep everything to the end.
    """
    forwards = partial(encoder_block, num_heads=num_heads, mask=mask, **options)
    for block in blocks_of(params):
        (x,) = by_hand(forwards, _backward, [x], block, backward)
    return x


def _backward(dout: Tensor, cache: tuple) -> tuple[Tensor, dict[str, Tensor]]:
    """Gradients of a block but the mask's, which holds booleans."""
    dx, grads, _ = encoder_block_backward(dout, cache)
    return dx, grads
