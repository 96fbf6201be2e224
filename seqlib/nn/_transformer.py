"""Encoder, decoder and Transformer, as torch.nn has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqlib._check import whole
from seqlib.functional import layer_norm, layer_norm_backward
from seqlib.nn._by_hand import by_hand
from seqlib.nn._transformer_layers import (
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    masks_for_us,
)


class TransformerEncoder(torch.nn.TransformerEncoder):
    """Copies of one layer in a row; arguments as `torch.nn.TransformerEncoder`.

    Parameters
    ----------
    encoder_layer : the layer, which is copied, and not used itself
    num_layers : how many copies
    norm : what comes after the last one, such as a LayerNorm, or None
    enable_nested_tensor, mask_check : of no effect, there is one way of computing

    Notes
    -----
    Masks follow torch: **True = not attended**. Source: Vaswani et al. (2017).
    """

    def __init__(
        self,
        encoder_layer: torch.nn.Module,
        num_layers: int,
        norm: torch.nn.Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        _check("encoder_layer", encoder_layer, num_layers, norm)
        layer: Any = encoder_layer
        super().__init__(layer, num_layers, norm, False, mask_check)

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Return what all layers in turn make of src, and the norm of it.

        Shapes and errors: as for `TransformerEncoderLayer`, mask being its src_mask.
        """
        given = mask, "src_key_padding_mask", src_key_padding_mask, is_causal
        _check_masks(self.layers[0], {"src": src}, {"mask": ("src", "src", *given)})
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal=bool(is_causal))
        return _norm(self, src)


class TransformerDecoder(torch.nn.TransformerDecoder):
    """Copies of one layer in a row; arguments as `torch.nn.TransformerDecoder`.

    Parameters and notes: as `TransformerEncoder`.
    """

    def __init__(
        self,
        decoder_layer: torch.nn.Module,
        num_layers: int,
        norm: torch.nn.Module | None = None,
    ) -> None:
        _check("decoder_layer", decoder_layer, num_layers, norm)
        layer: Any = decoder_layer
        super().__init__(layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return what all layers in turn make of tgt and memory, and the norm of it.

        Shapes and errors: as for `TransformerDecoderLayer`.
        """
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask,
                memory_mask,
                tgt_key_padding_mask,
                memory_key_padding_mask,
                bool(tgt_is_causal),
                memory_is_causal,
            )
        return _norm(self, tgt)


class Transformer(torch.nn.Transformer):
    """Encoder and decoder; arguments and state_dict as `torch.nn.Transformer`.

    Parameters
    ----------
    d_model, nhead, num_encoder_layers, num_decoder_layers, dim_feedforward : sizes, as
        `torch.nn.Transformer`
    dropout, custom_encoder, custom_decoder, layer_norm_eps, norm_first, bias : likewise
    activation : as for `TransformerEncoderLayer`
    batch_first : True unless said (torch: False), so that input is (B, S, E)
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    Masks follow torch: **True = not attended**, and no mask is causal unless given; the
    inherited `generate_square_subsequent_mask` makes one. As in torch there is a norm
    after the last layer of each stack, which the paper does not have. Source: Vaswani
    et al. (2017).
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        backward: str = "hand",
    ) -> None:
        whole("num_encoder_layers", num_encoder_layers, 1)
        whole("num_decoder_layers", num_decoder_layers, 1)
        widths = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps
        rest: dict[str, Any] = {
            "batch_first": batch_first,
            "norm_first": norm_first,
            "bias": bias,
            "device": device,
            "dtype": dtype,
            "backward": backward,
        }
        like = {"bias": bias, "device": device, "dtype": dtype}
        encoder, decoder = custom_encoder, custom_decoder
        if encoder is None:
            layer: Any = TransformerEncoderLayer(*widths, **rest)
            norm = torch.nn.LayerNorm(d_model, layer_norm_eps, **like)
            encoder = TransformerEncoder(layer, num_encoder_layers, norm)
        if decoder is None:
            layer = TransformerDecoderLayer(*widths, **rest)
            norm = torch.nn.LayerNorm(d_model, layer_norm_eps, **like)
            decoder = TransformerDecoder(layer, num_decoder_layers, norm)
        super().__init__(
            d_model,
            nhead,
            custom_encoder=encoder,
            custom_decoder=decoder,
            batch_first=batch_first,
        )

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return what the decoder makes of tgt and of the encoder's memory of src.

        Shapes: src (B, S, E), tgt and the result (B, T, E), with batch_first=False
        (S, B, E) and (T, B, E), without a batch (S, E) and (T, E); src_mask (S, S),
        tgt_mask (T, T), memory_mask (T, S), or with (B * nhead, ...); the
        key_padding_masks (B, S), (B, T), (B, S), without a batch (S,), (T,), (S,):
        booleans, True = not attended, or floats, which are added. The three `is_causal`
        are hints. Errors: a ValueError or TypeError where one of them does not fit.
        """
        names = [f"{name}_key_padding_mask" for name in ("src", "tgt", "memory")]
        own = src_mask, names[0], src_key_padding_mask, src_is_causal
        target = tgt_mask, names[1], tgt_key_padding_mask, tgt_is_causal
        across = memory_mask, names[2], memory_key_padding_mask, memory_is_causal
        wanted = {
            "src_mask": ("src", "src", *own),
            "tgt_mask": ("tgt", "tgt", *target),
            "memory_mask": ("tgt", "src", *across),
        }
        first = getattr(self.encoder, "layers", [self.encoder])[0]
        _check_masks(first, {"src": src, "tgt": tgt}, wanted)
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            tgt_is_causal,
            memory_is_causal,
        )


def _check(name: str, layer: Any, num_layers: int, norm: Any) -> None:
    """Raise unless a stack can be made of these."""
    whole("num_layers", num_layers, 1)
    for what, module in {name: layer, "norm": norm}.items():
        if not isinstance(module, torch.nn.Module) and (module, what) != (None, "norm"):
            got = type(module).__name__
            raise TypeError(f"{what} must be a torch module, got {got}")


def _check_masks(layer: Any, arrays: dict[str, Tensor], wanted: dict) -> None:
    """Check all that goes into a stack, under the names that its caller knows."""
    if isinstance(layer, TransformerEncoderLayer | TransformerDecoderLayer):
        masks_for_us(layer, arrays, wanted)


def _norm(stack: Any, x: Tensor) -> Tensor:
    """Put the stack's norm after its layers, our own backward pass where we have one.

    Any module may be there, and is called; a plain LayerNorm, of which we have both
    passes, is taken over from torch.
    """
    norm, backward = stack.norm, getattr(stack.layers[0], "backward", "autograd")
    plain = type(norm) is torch.nn.LayerNorm and len(norm.normalized_shape) == 1
    if norm is None or not plain or norm.weight is None or backward == "autograd":
        return x if norm is None else norm(x)
    bias = torch.zeros_like(norm.weight) if norm.bias is None else norm.bias

    def forwards(x: Tensor, params: dict[str, Tensor]) -> tuple:
        return layer_norm(x, params["weight"], params["bias"], norm.eps)

    def backwards(dout: Tensor, cache: tuple) -> tuple:
        dx, dweight, dbias = layer_norm_backward(dout, cache)
        return dx, {"weight": dweight, "bias": dbias}

    params = {"weight": norm.weight, "bias": bias}
    return by_hand(forwards, backwards, [x], params)[0]
