"""The Transformer for translation as a module."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqlib._check import in_range, one_of, shapes, whole
from seqlib.decode import beam_search
from seqlib.nn._by_hand import by_hand, chance
from seqlib.nn._parameters import parameters_of
from seqlib.nn._transformer_layers import (
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    check_layer,
)
from seqlib.transformer import (
    seq2seq_transformer,
    seq2seq_transformer_backward,
    seq2seq_transformer_start,
    seq2seq_transformer_step,
)


class Seq2SeqTransformer(torch.nn.Module):
    """`seq2seq_transformer`: from source and target tokens to logits.

    The defaults are the base model of the paper.

    Parameters
    ----------
    vocab_size : V, of source and target, which share one embedding
    d_model, nhead, num_encoder_layers, num_decoder_layers, dim_feedforward : sizes, as
        for `seqlib.nn.Transformer`
    dropout, activation, layer_norm_eps, norm_first, bias, device, dtype : likewise
    tgt_vocab_size : given, source and target have an embedding each
    attention_bias : False for projections of attention without biases
    scale_embedding : False to leave the factor sqrt(d_model) out
    positions : sinusoids, "interleaved" (paper) or "halves" (Marian), or "learned"
    max_len : how many positions are learned
    layernorm_embedding : True for a layer norm of what the embedding gives (BART)
    final_norm : whether the stacks end with a layer norm; None: with pre-norm only
    tie_output : False for an output matrix of its own, not the decoder's embedding
    logits_bias : True for a bias of the logits
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    Sources: as for `seq2seq_transformer`.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        layer_norm_eps: float = 1e-5,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        tgt_vocab_size: int | None = None,
        attention_bias: bool = True,
        scale_embedding: bool = True,
        positions: str = "interleaved",
        max_len: int | None = None,
        layernorm_embedding: bool = False,
        final_norm: bool | None = None,
        tie_output: bool = True,
        logits_bias: bool = False,
        backward: str = "hand",
    ) -> None:
        widths = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps
        name = check_layer(*widths)
        whole("vocab_size", vocab_size, 1)
        whole("num_encoder_layers", num_encoder_layers, 1)
        whole("num_decoder_layers", num_decoder_layers, 1)
        if tgt_vocab_size is not None:
            whole("tgt_vocab_size", tgt_vocab_size, 1)
        one_of("positions", positions, ("interleaved", "halves", "learned"))
        one_of("backward", backward, ("hand", "autograd"))
        if positions == "learned":
            whole("max_len", max_len, 1)
        elif d_model % 2:
            raise ValueError(f"d_model must be even for sinusoids, got {d_model}")
        super().__init__()
        like: dict[str, Any] = {"device": device, "dtype": dtype}
        if tgt_vocab_size is None:
            self.shared = torch.nn.Embedding(vocab_size, d_model, **like)
        separate = tgt_vocab_size is not None
        more = {"norm_first": norm_first, "bias": bias, **like}
        make = partial(
            _side,
            positions=max_len if positions == "learned" else None,
            embedding_norm=layernorm_embedding,
            last_norm=norm_first if final_norm is None else final_norm,
        )
        layer: Any = TransformerEncoderLayer(*widths, **more)
        V = vocab_size if separate else None
        self.encoder = make(layer, num_encoder_layers, V)
        layer = TransformerDecoderLayer(*widths, **more)
        self.decoder = make(layer, num_decoder_layers, tgt_vocab_size)
        self.vocab_size = vocab_size if tgt_vocab_size is None else tgt_vocab_size
        if not tie_output:
            self.lm_head = torch.nn.Linear(d_model, self.vocab_size, False, **like)
        if logits_bias:
            zeros = torch.zeros(self.vocab_size, **like)
            self.final_logits_bias = torch.nn.Parameter(zeros)
        if not attention_bias:
            for module in self.modules():
                if isinstance(module, torch.nn.MultiheadAttention):
                    module.register_parameter("in_proj_bias", None)
                    module.out_proj.register_parameter("bias", None)
        self.d_model, self.dropout, self.backward = d_model, dropout, backward
        self.options: dict[str, Any] = {
            "num_heads": nhead,
            "scale_embedding": scale_embedding,
            "layout": "halves" if positions == "halves" else "interleaved",
            "norm_first": norm_first,
            "activation": name,
            "eps": layer_norm_eps,
        }
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all matrices anew: Glorot's for the blocks, d_model**-0.5 for tokens."""
        for name, p in self.named_parameters():
            if p.ndim == 2 and ".layers." in name:
                torch.nn.init.xavier_uniform_(p)
            elif p.ndim == 2:
                torch.nn.init.normal_(p, std=self.d_model**-0.5)

    def forward(
        self,
        ids: Tensor,
        decoder_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the logits (B, T, V) of the token after each of decoder_ids.

        Shapes: ids (B, S), decoder_ids (B, T), which begin with a start token; the
        masks (B, S) and (B, T), as Hugging Face has them: True or 1 = real. Errors: a
        ValueError or TypeError where one of them does not fit.
        """
        masks: dict[str, Any] = {
            "key_mask": _real("attention_mask", attention_mask),
            "decoder_key_mask": _real("decoder_attention_mask", decoder_attention_mask),
        }
        more = {**self.options, **chance(self, self.dropout)}

        def forwards(params: dict[str, Tensor]) -> tuple:
            return seq2seq_transformer(ids, decoder_ids, params, **masks, **more)

        def backwards(dout: Tensor, cache: tuple) -> tuple:
            return (seq2seq_transformer_backward(dout, cache),)

        params = parameters_of(self)
        return by_hand(forwards, backwards, (), params, self.backward)[0]

    @torch.no_grad()
    def start(
        self, ids: Tensor, token: int, attention_mask: Tensor | None = None
    ) -> tuple[Any, Tensor]:
        """Encode ids; return state and first tokens (B,), `start` of `seqlib.decode`.

        Shapes: as for `forward`. Errors: an argument does not fit.
        """
        whole("token", token, 0, self.vocab_size - 1)
        mask, params = _real("attention_mask", attention_mask), self._params()
        state = seq2seq_transformer_start(ids, params, key_mask=mask, **self.options)
        return state, torch.full_like(ids[:, 0], token)

    @torch.no_grad()
    def step(self, state: Any, token: Tensor) -> tuple[Tensor, Any]:
        """Read one token more; return log P(next token), state: for `seqlib.decode`.

        Shapes: token (N,), log_probs (N, V). Errors: an argument does not fit.
        """
        return seq2seq_transformer_step(state, token, self._params(), **self.options)

    def generate(
        self,
        ids: Tensor,
        start_token: int,
        eos: int | None,
        max_len: int,
        attention_mask: Tensor | None = None,
        width: int = 1,
        length_penalty: float = 0.0,
        early_stopping: bool | str = "never",
        suppress: Sequence[int] = (),
    ) -> tuple[Tensor, Tensor]:
        """Find the likeliest targets by `beam_search`; with a width of 1, greedily.

        Shapes: ids and attention_mask (B, S); tokens (B, width, T), without the start
        token, and scores (B, width). Tokens in `suppress`, such as padding, are never
        chosen. Errors: as `beam_search`; a token does not exist. Source: as there.
        """
        never = torch.zeros(self.vocab_size, dtype=torch.bool, device=ids.device)
        for token in suppress:
            whole("suppress", token, 0, self.vocab_size - 1)
            never[token] = True

        def step(state: Any, token: Tensor) -> tuple[Tensor, Any]:
            log_probs, state = self.step(state, token)
            return log_probs.masked_fill(never, -torch.inf), state

        start = self.start(ids, start_token, attention_mask)
        options = length_penalty, early_stopping
        return beam_search(step, start, eos, width, max_len, *options)

    def _params(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in parameters_of(self).items()}

    def extra_repr(self) -> str:
        """Show which backward pass is used, and what the array functions are told."""
        told = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{told}, backward={self.backward!r}"


def _side(
    layer: Any,
    count: int,
    vocab_size: int | None,
    positions: int | None,
    embedding_norm: bool,
    last_norm: bool,
) -> torch.nn.Module:
    """Make what holds the parameters of the encoder or decoder, under their names."""
    side, d_model = torch.nn.Module(), layer.norm1.weight.shape[0]
    like = {"device": layer.norm1.weight.device, "dtype": layer.norm1.weight.dtype}
    if vocab_size is not None:
        side.embed_tokens = torch.nn.Embedding(vocab_size, d_model, **like)
    if positions is not None:
        side.embed_positions = torch.nn.Embedding(positions, d_model, **like)
    if embedding_norm:
        side.layernorm_embedding = deepcopy(layer.norm1)
    side.layers = torch.nn.ModuleList([deepcopy(layer) for _ in range(count)])
    if last_norm:
        side.norm = deepcopy(layer.norm1)
    return side


def _real(name: str, mask: Any) -> Tensor | None:
    """Turn a mask of Hugging Face's, 1 = real, into ours."""
    if mask is None or getattr(mask, "dtype", None) == torch.bool:
        return mask
    shapes(**{name: (mask, "B T", "int")})
    in_range(name, mask, 2)
    return mask.bool()
