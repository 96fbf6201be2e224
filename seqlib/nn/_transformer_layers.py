"""One layer of the encoder and one of the decoder, as torch.nn has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from seqlib._check import number, one_of, shapes, whole
from seqlib.nn._attention import _check_mask, _for_us
from seqlib.nn._by_hand import by_hand, chance
from seqlib.nn._parameters import parameters_of
from seqlib.transformer import (
    decoder_block,
    decoder_block_backward,
    encoder_block,
    encoder_block_backward,
)

FUNCTIONS: dict[str, Callable] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
}
Masks: TypeAlias = "list[Tensor | None]"  # a text, for the pages are made without torch


class TransformerEncoderLayer(torch.nn.TransformerEncoderLayer):
    """`encoder_block`; arguments and state_dict as `torch.nn.TransformerEncoderLayer`.

    Parameters
    ----------
    d_model, nhead, dim_feedforward, dropout, layer_norm_eps, norm_first, bias
        As `torch.nn.TransformerEncoderLayer`.
    activation : "relu", "gelu", or their functions as in torch; "gelu_tanh", "silu" too
    batch_first : True unless said (torch: False), so that input is (B, T, E)
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    Masks follow torch here: **True = not attended**, the opposite of
    `seqlib.transformer`. The modules inside, such as `self_attn`, hold parameters and
    are not called. Source: Vaswani et al. (2017).
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        backward: str = "hand",
    ) -> None:
        name = check_layer(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps
        )
        one_of("backward", backward, ("hand", "autograd"))
        super().__init__(
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            FUNCTIONS[name],
            layer_norm_eps,
            batch_first,
            norm_first,
            bias,
            device=device,
            dtype=dtype,
        )
        self.activation_relu_or_gelu = 0  # torch's encoder must not go past forward
        self.activation_name, self.backward = name, backward

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Return what the block makes of src.

        Shapes: src and the result (B, T, E), with batch_first=False (T, B, E), without
        a batch (T, E); src_mask (T, T) or (B * nhead, T, T), src_key_padding_mask
        (B, T) or without a batch (T,): booleans, True = not attended, or floats, which
        are added. `is_causal` is a hint that src_mask is causal: the mask is what
        counts. Errors: a ValueError or TypeError where one of them does not fit.
        """
        given = "src_key_padding_mask", src_key_padding_mask, is_causal
        wanted = {"src_mask": ("src", "src", src_mask, *given)}
        masks = masks_for_us(self, {"src": src}, wanted)
        return run(self, encoder_block, encoder_block_backward, [src], masks)

    def extra_repr(self) -> str:
        """Show which backward pass is used."""
        return f"backward={self.backward!r}"


class TransformerDecoderLayer(torch.nn.TransformerDecoderLayer):
    """`decoder_block`; arguments and state_dict as `torch.nn.TransformerDecoderLayer`.

    Parameters and notes: as `TransformerEncoderLayer`.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        backward: str = "hand",
    ) -> None:
        name = check_layer(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps
        )
        one_of("backward", backward, ("hand", "autograd"))
        super().__init__(
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            FUNCTIONS[name],
            layer_norm_eps,
            batch_first,
            norm_first,
            bias,
            device=device,
            dtype=dtype,
        )
        self.activation_name, self.backward = name, backward

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return what the block makes of tgt and the encoder's memory.

        Shapes: tgt and the result (B, T, E), memory (B, S, E), with batch_first=False
        (T, B, E) and (S, B, E), without a batch (T, E) and (S, E); tgt_mask (T, T),
        memory_mask (T, S), or with (B * nhead, ...); tgt_key_padding_mask (B, T),
        memory_key_padding_mask (B, S), without a batch (T,) and (S,): booleans,
        True = not attended, or floats, which are added. The two `is_causal` are hints.
        Errors: a ValueError or TypeError where one of them does not fit.
        """
        arrays = {"tgt": tgt, "memory": memory}
        own = "tgt_key_padding_mask", tgt_key_padding_mask, tgt_is_causal
        other = "memory_key_padding_mask", memory_key_padding_mask, memory_is_causal
        wanted = {
            "tgt_mask": ("tgt", "tgt", tgt_mask, *own),
            "memory_mask": ("tgt", "memory", memory_mask, *other),
        }
        masks = masks_for_us(self, arrays, wanted)
        inputs = [tgt, memory]
        return run(self, decoder_block, decoder_block_backward, inputs, masks)

    def extra_repr(self) -> str:
        """Show which backward pass is used."""
        return f"backward={self.backward!r}"


def check_layer(
    d_model: int,
    nhead: int,
    dim_feedforward: int,
    dropout: float,
    activation: Any,
    layer_norm_eps: float,
) -> str:
    """Check a layer's arguments; return the name of its activation."""
    whole("d_model", d_model, 1)
    whole("nhead", nhead, 1)
    if d_model % nhead:
        raise ValueError(f"nhead must divide d_model={d_model}, got {nhead}")
    whole("dim_feedforward", dim_feedforward, 1)
    number("dropout", dropout, 0, 1, below=True)
    number("layer_norm_eps", layer_norm_eps, 0)
    for name, function in FUNCTIONS.items():
        if activation is function:
            return name
    kinds = {torch.nn.ReLU: "relu", torch.nn.SiLU: "silu"}
    if isinstance(activation, torch.nn.GELU):
        return {"none": "gelu", "tanh": "gelu_tanh"}[activation.approximate]
    one_of("activation", kinds.get(type(activation), activation), FUNCTIONS)
    return kinds.get(type(activation), activation)


def masks_for_us(
    layer: Any, arrays: dict[str, Tensor], wanted: dict[str, tuple]
) -> Masks:
    """Check input and masks; return our mask and key_mask of each attention, in turn.

    `wanted` says of each attention, by the name of torch's mask, which array asks and
    which answers, the mask, the key_padding_mask with its name before it, is_causal.
    """
    for name, a in arrays.items():
        if getattr(a, "is_nested", False):
            raise TypeError(
                f"{name} must be padded, with a key_padding_mask, got a nested tensor"
            )
    first, like = next(iter(arrays.items()))
    H, batched = layer.self_attn.num_heads, getattr(like, "ndim", 3) != 2
    axes = (
        "{} E" if not batched else "B {} E" if layer.self_attn.batch_first else "{} B E"
    )
    given: dict[str, Any] = {"norm1.weight": (layer.norm1.weight, "E")}
    given |= {name: (a, axes.format(f"T_{name}")) for name, a in arrays.items()}
    n = shapes(**given)
    B = n.get("B", 1)
    masks: Masks = []
    for name, (asks, answers, mask, other, padding, is_causal) in wanted.items():
        T, S = n[f"T_{asks}"], n[f"T_{answers}"]
        _check_mask(other, padding, like, [(B, S)[not batched :]], first)
        _check_mask(name, mask, like, [(T, S), (B * H, T, S)], first)
        if is_causal and mask is None:
            raise ValueError(f"{name} must be given where is_causal is True")
        if mask is not None and mask.ndim == 3:
            mask = mask.reshape(B, H, T, S)
        padding = padding[None] if padding is not None and not batched else padding
        masks += _for_us(mask, padding)
    return masks


def run(
    layer: Any, f: Callable, f_backward: Callable, inputs: list[Tensor], masks: Masks
) -> Tensor:
    """Run a layer's block on input that may have its axes as torch has them."""
    batched = inputs[0].ndim == 3
    turned = batched and not layer.self_attn.batch_first
    if turned:
        inputs = [a.transpose(0, 1) for a in inputs]
    inputs = inputs if batched else [a[None] for a in inputs]
    options = {
        "norm_first": layer.norm_first,
        "activation": layer.activation_name,
        "eps": layer.norm1.eps,
        **chance(layer, layer.dropout.p),
    }
    params, n = parameters_of(layer), len(inputs)

    def forwards(*tensors: Any) -> tuple:
        *given, params = tensors
        heads = layer.self_attn.num_heads
        return f(*given[:n], params, heads, *given[n:], **options)

    def backwards(dout: Tensor, cache: tuple) -> tuple:
        back = f_backward(dout, cache)  # of masks, but not of key_masks
        dmasks = (d for dmask in back[n + 1 :] for d in (dmask, None))
        return *back[:n], *dmasks, back[n]

    tensors = [*inputs, *masks]
    (out,) = by_hand(forwards, backwards, tensors, params, layer.backward)
    return out.transpose(0, 1) if turned else out if batched else out[0]
