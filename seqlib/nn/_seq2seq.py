"""The encoder-decoder as a module, and what it shares with the captioner."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqlib._check import flag, one_of, whole
from seqlib.decode import beam_search, greedy
from seqlib.nn._by_hand import by_hand
from seqlib.nn._parameters import parameters_of
from seqlib.seq2seq import (
    DecoderState,
    decoder_step,
    init_seq2seq,
    seq2seq,
    seq2seq_backward,
    seq2seq_start,
)
from seqlib.seq2seq._checks import Form

Draw = Callable[..., dict[str, np.ndarray]]  # with an argument rng


class EncoderDecoder(torch.nn.Module):
    """A holder of parameters, around array functions that make a model of them.

    A subclass says how they are drawn, and gives the functions of its model.
    """

    functions: tuple[Callable, ...]  # forward, backward, start

    def __init__(
        self, form: Form, draw: Draw, device: Any, dtype: Any, backward: str
    ) -> None:
        one_of("backward", backward, ("hand", "autograd"))
        super().__init__()
        self.form, self.draw, self.backward = form, draw, backward
        seed = int(torch.randint(2**62, ()))  # torch.manual_seed decides this one too
        dtype = torch.get_default_dtype() if dtype is None else dtype
        for name, values in draw(rng=np.random.default_rng(seed)).items():
            *path, last = name.split(".")
            holder: torch.nn.Module = self
            for part in path:
                if part not in holder._modules:
                    holder.add_module(part, torch.nn.Module())
                holder = holder.get_submodule(part)
            tensor = torch.tensor(values, device=device, dtype=dtype)
            holder.register_parameter(last, torch.nn.Parameter(tensor))

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        seed = int(torch.randint(2**62, ()))
        with torch.no_grad():
            for name, values in self.draw(rng=np.random.default_rng(seed)).items():
                self.get_parameter(name).copy_(torch.from_numpy(values))

    def _run(
        self, source: Tensor, tgt: Tensor, need_weights: bool, masks: dict[str, Any]
    ) -> Any:
        """Return the logits, or logits and weights, with the gradient asked for."""
        flag("need_weights", need_weights)
        if need_weights and self.form.context != "attention":
            raise ValueError(
                f"need_weights must be False where context is {self.form.context!r}, "
                f"which has none, got True"
            )
        options = {**self.form._asdict(), **masks, "return_weights": need_weights}
        forward, backward, _ = self.functions

        def forwards(source: Tensor, params: dict[str, Tensor]) -> tuple:
            return forward(source, tgt, params, **options)

        def backwards(dlogits: Tensor | None, *rest: Any) -> tuple:
            *dweights, cache = rest
            back = backward(dlogits, cache, *dweights)
            return back if isinstance(back, tuple) else (None, back)

        params = parameters_of(self)
        out = by_hand(forwards, backwards, [source], params, self.backward)
        return out if need_weights else out[0]

    def start(
        self, source: Tensor, sos: int, **masks: Tensor | None
    ) -> tuple[DecoderState, Tensor]:
        """Return the `start` of `seqlib.decode`: the state before <sos>, and <sos>."""
        params = parameters_of(self)
        return self.functions[2](source, sos, params, **self.form._asdict(), **masks)

    def step(self, state: DecoderState, token: Tensor) -> tuple[Tensor, DecoderState]:
        """Return log P of every token that may follow (N, V), and the new state."""
        params = parameters_of(self)
        kind, context, score, _ = self.form
        return decoder_step(state, token, params, kind, context, score)

    @torch.no_grad()
    def _search(
        self,
        source: Tensor,
        sos: int,
        eos: int | None,
        max_len: int,
        width: int,
        length_penalty: float,
        **masks: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Return the best target found for each source, and its score."""
        whole("width", width, 1)
        start = self.start(source, sos, **masks)
        if width == 1:
            return greedy(self.step, start, eos, max_len)
        found = beam_search(self.step, start, eos, width, max_len, length_penalty)
        return found[0][:, 0], found[1][:, 0]

    def extra_repr(self) -> str:
        """Show the choices made, and which backward pass is used."""
        chosen = ", ".join(f"{name}={value!r}" for name, value in self._chosen())
        return f"{chosen}, backward={self.backward!r}"

    def _chosen(self) -> list[tuple[str, str]]:
        """Return the choices, without the score where nothing is compared."""
        chosen = self.form._asdict().items()
        attends = self.form.context == "attention"
        return [(n, v) for n, v in chosen if attends or n != "score"]


class Seq2Seq(EncoderDecoder):
    """A recurrent encoder-decoder, `seqlib.seq2seq.seq2seq` with its parameters.

    Parameters
    ----------
    src_size, tgt_size : sizes of the two vocabularies
    embedding_size, hidden_size, num_layers : of both networks
    kind : "rnn", "lstm", "gru", or another that `recurrent` knows
    bidirectional : True for an encoder in both directions
    context : "once", "every", "first" or "attention"
    score : "additive", "bilinear" or "dot", where context is "attention"
    init : "copy", "project", "learned" or "zero"
    decoder_size : the decoder's own hidden size; hidden_size unless given
    attention_size : of additive scores; the decoder's hidden size unless given
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    Parameters have the names that `seq2seq` gives them. Errors: a size is no whole
    number above 0, choices are unknown or do not go together. Sources: as there.
    """

    functions = (seq2seq, seq2seq_backward, seq2seq_start)

    def __init__(
        self,
        src_size: int,
        tgt_size: int,
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 1,
        kind: str = "gru",
        bidirectional: bool = False,
        context: str = "once",
        score: str = "additive",
        init: str = "copy",
        decoder_size: int | None = None,
        attention_size: int | None = None,
        device: Any = None,
        dtype: Any = None,
        *,
        backward: str = "hand",
    ) -> None:
        sizes = src_size, tgt_size, embedding_size, hidden_size, num_layers
        form = Form(kind, context, score, init)
        more = *form[1:], decoder_size, attention_size
        draw = partial(init_seq2seq, kind, *sizes, bidirectional, *more)
        super().__init__(form, draw, device, dtype, backward)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> Any:
        """Return the logits (B, T, V), or with need_weights logits and weights.

        Shapes: src (B, S), tgt (B, T) integers, the target beginning with <sos>;
        src_mask, tgt_mask booleans of these shapes, True = real; weights (B, T, S).
        Errors: a ValueError or TypeError where one of them does not fit.
        """
        masks = {"src_mask": src_mask, "tgt_mask": tgt_mask}
        return self._run(src, tgt, need_weights, masks)

    def translate(
        self,
        src: Tensor,
        sos: int,
        eos: int | None,
        max_len: int,
        width: int = 1,
        length_penalty: float = 0.0,
        src_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the likeliest targets found, (B, T) tokens, and their scores (B,).

        The search is `beam_search`, or `greedy` where width is 1; `start` and `step`
        serve all others in `seqlib.decode`. Errors: as there, and as for `forward`.
        """
        search = src, sos, eos, max_len, width, length_penalty
        return self._search(*search, src_mask=src_mask)
