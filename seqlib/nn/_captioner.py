"""The captioner as a module."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from seqlib.captioner import (
    captioner,
    captioner_backward,
    captioner_start,
    init_captioner,
)
from seqlib.nn._seq2seq import EncoderDecoder
from seqlib.seq2seq._checks import Form


class Captioner(EncoderDecoder):
    """A convnet and a recurrent decoder, `seqlib.captioner.captioner` as a module.

    Parameters
    ----------
    image_size : (C, H, W); without vector_size other H and W may come, too
    tgt_size : size of the captions' vocabulary
    channels : of the convolutions, a tuple, one number for each
    embedding_size, hidden_size, num_layers : of the decoder
    kind : "rnn", "lstm", "gru", or another that `recurrent` knows
    context : "once", "every", "first" or "attention"
    score : "additive", "bilinear" or "dot", where context is "attention"
    init : "project", "learned" or "zero"
    kernel_size : of all convolutions
    vector_size : size of the image's vector, made from the map by a layer of its own;
        None for the map's mean
    attention_size : of additive scores; hidden_size unless given
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    Parameters have the names that `captioner` gives them. Errors: a size is no whole
    number above 0, choices are unknown or do not go together. Sources: as there.
    """

    functions = (captioner, captioner_backward, captioner_start)

    def __init__(
        self,
        image_size: tuple[int, int, int],
        tgt_size: int,
        channels: tuple[int, ...],
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 1,
        kind: str = "gru",
        context: str = "once",
        score: str = "additive",
        init: str = "project",
        kernel_size: int = 3,
        vector_size: int | None = None,
        attention_size: int | None = None,
        device: Any = None,
        dtype: Any = None,
        *,
        backward: str = "hand",
    ) -> None:
        form = Form(kind, context, score, init)
        sizes = image_size, tgt_size, channels, embedding_size, hidden_size, num_layers
        more = *form[1:], kernel_size, vector_size, attention_size
        draw = partial(init_captioner, kind, *sizes, *more)
        super().__init__(form, draw, device, dtype, backward)

    def forward(
        self,
        images: Tensor,
        tgt: Tensor,
        tgt_mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> Any:
        """Return the logits (B, T, V), or with need_weights logits and weights.

        Shapes: images (B, C, H, W); tgt (B, T) integers, beginning with <sos>;
        tgt_mask (B, T) booleans, True = real; weights (B, T, H', W') over the map.
        Errors: a ValueError or TypeError where one of them does not fit.
        """
        return self._run(images, tgt, need_weights, {"tgt_mask": tgt_mask})

    def caption(
        self,
        images: Tensor,
        sos: int,
        eos: int | None,
        max_len: int,
        width: int = 1,
        length_penalty: float = 0.0,
    ) -> tuple[Tensor, Tensor]:
        """Return the likeliest captions found, (B, T) tokens, and their scores (B,).

        The search is `beam_search`, or `greedy` where width is 1; `start` and `step`
        serve all others in `seqlib.decode`. Errors: as there, and as for `forward`.
        """
        return self._search(images, sos, eos, max_len, width, length_penalty)
