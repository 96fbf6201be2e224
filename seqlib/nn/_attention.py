"""Multi-head attention as a module, with torch.nn's conventions for its masks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqlib._check import number, one_of, shapes, whole
from seqlib._multi_head import multi_head_attention, multi_head_attention_backward
from seqlib.nn._by_hand import by_hand, chance

OWN = (
    "in_proj_weight",
    "q_proj_weight",
    "k_proj_weight",
    "v_proj_weight",
    "in_proj_bias",
    "bias_k",
    "bias_v",
)


class MultiheadAttention(torch.nn.MultiheadAttention):
    """Multi-head attention; arguments and state_dict as `torch.nn.MultiheadAttention`.

    Parameters
    ----------
    embed_dim, num_heads, dropout, bias, add_bias_kv, add_zero_attn, kdim, vdim
        As `torch.nn.MultiheadAttention`.
    batch_first : True unless said (torch: False), so that input is (B, T, E)
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    Masks follow torch here: **True = not attended**, in `attn_mask` as in
    `key_padding_mask`, the opposite of `seqlib.attention`. One thing differs from
    torch, where a query with no key left may become NaN: it receives the output's bias.
    Source: Vaswani et al. (2017), section 3.2.2.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        backward: str = "hand",
    ) -> None:
        sizes = {"embed_dim": embed_dim, "kdim": kdim, "vdim": vdim}
        for name, size in {**sizes, "num_heads": num_heads}.items():
            if size is not None or name not in ("kdim", "vdim"):
                whole(name, size, 1)
        if embed_dim % num_heads:
            raise ValueError(
                f"num_heads must divide embed_dim={embed_dim}, got {num_heads}"
            )
        number("dropout", dropout, 0, 1, below=True)
        one_of("backward", backward, ("hand", "autograd"))
        super().__init__(
            embed_dim,
            num_heads,
            dropout=dropout,
            bias=bias,
            add_bias_kv=add_bias_kv,
            add_zero_attn=add_zero_attn,
            kdim=kdim,
            vdim=vdim,
            batch_first=batch_first,
            device=device,
            dtype=dtype,
        )
        self.backward = backward

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the result and the weights, or None for them, as torch does.

        Shapes: query (B, T, E), key (B, S, kdim), value (B, S, vdim), with
        batch_first=False (T, B, E) and so on, or without a batch (T, E) and so on;
        attn_mask (T, S) or (B * num_heads, T, S), key_padding_mask (B, S) or without a
        batch (S,): booleans, True = not attended, or floats, which are added; result as
        query, weights (B, T, S), the mean over the heads, or (B, num_heads, T, S).
        `is_causal` is a hint that attn_mask is causal: the mask is what counts. Errors:
        a ValueError or TypeError where one of them does not fit.
        """
        batched = getattr(query, "ndim", 3) != 2
        B, S = self._check(query, key, value, batched)
        T = query.shape[0 if not (batched and self.batch_first) else 1]
        _check_mask(
            "key_padding_mask", key_padding_mask, query, [(B, S)[not batched :]]
        )
        wanted = [(T, S), (B * self.num_heads, T, S)]
        _check_mask("attn_mask", attn_mask, query, wanted)
        if is_causal and attn_mask is None:
            raise ValueError("attn_mask must be given where is_causal is True")
        inputs: list[Any] = [query, key, value]
        if key is value and self.kdim == self.vdim:
            inputs[2] = None
            if query is key and self.kdim == self.embed_dim:
                inputs[1] = None  # one product for all three
        if not batched:
            inputs = [None if a is None else a[None] for a in inputs]
            padding = None if key_padding_mask is None else key_padding_mask[None]
        else:
            padding = key_padding_mask
            if not self.batch_first:
                inputs = [None if a is None else a.transpose(0, 1) for a in inputs]
        if attn_mask is not None and attn_mask.ndim == 3:
            attn_mask = attn_mask.reshape(B, self.num_heads, T, S)
        out, p = self._run(inputs, *_for_us(attn_mask, padding))
        if batched and not self.batch_first:
            out = out.transpose(0, 1)
        if not need_weights:
            return (out if batched else out[0]), None
        p = p.mean(1) if average_attn_weights else p
        return (out, p) if batched else (out[0], p[0])

    def _check(
        self, query: Tensor, key: Tensor, value: Tensor, batched: bool
    ) -> tuple[int, int]:
        """Check the three inputs; return the sizes B (1 without a batch) and S."""
        for name, a in {"query": query, "key": key, "value": value}.items():
            if getattr(a, "is_nested", False):
                raise TypeError(
                    f"{name} must be padded, with a key_padding_mask, got a nested "
                    f"tensor"
                )
        lead = "{}" if not batched else "B {}" if self.batch_first else "{} B"
        n = shapes(
            **{"out_proj.weight": (self.out_proj.weight, "E E")},
            query=(query, f"{lead.format('T')} E"),
            key=(key, f"{lead.format('S')} {self.kdim}"),
            value=(value, f"{lead.format('S')} {self.vdim}"),
        )
        return n.get("B", 1), n["S"]

    def _run(
        self, inputs: list[Any], mask: Tensor | None, key_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        some = {name: getattr(self, name) for name in OWN}
        some["out_proj.weight"] = self.out_proj.weight
        some["out_proj.bias"] = self.out_proj.bias
        params = {name: p for name, p in some.items() if p is not None}
        options: dict[str, Any] = {
            "num_heads": self.num_heads,
            "key_mask": key_mask,
            "add_zero_attn": self.add_zero_attn,
            "return_weights": True,
            **chance(self, self.dropout),
        }

        def forwards(*tensors: Any) -> tuple:
            *qkv, mask, params = tensors
            query, key, value = qkv
            return multi_head_attention(query, key, value, params, mask=mask, **options)

        def backwards(dout: Any, dp: Any, cache: tuple) -> tuple:
            dout = dp.new_zeros(shape) if dout is None else dout
            *dqkv, grads, dmask = multi_head_attention_backward(dout, cache, dp)
            return *dqkv, dmask, grads

        shape = (*inputs[0].shape[:2], self.embed_dim)
        out, p = by_hand(forwards, backwards, [*inputs, mask], params, self.backward)
        return out, p

    def extra_repr(self) -> str:
        """Show the sizes and which backward pass is used."""
        return f"{self.embed_dim}, {self.num_heads}, backward={self.backward!r}"


def _check_mask(
    name: str, mask: Any, like: Tensor, wanted: list[tuple], of: str = "query"
) -> None:
    """Raise unless the mask is None or has torch's kinds and one of these shapes."""
    if mask is None:
        return
    kind = "bool" if getattr(mask, "dtype", None) == torch.bool else "float"
    if isinstance(mask, Tensor) and kind == "float" and not mask.is_floating_point():
        raise TypeError(
            f"{name} must hold booleans, True = not attended, or floats, which are "
            f"added, got {mask.dtype}"
        )
    shapes(**{of: (like, "..."), name: (mask, "...", kind)})
    if tuple(mask.shape) not in wanted:
        listed = " or ".join(map(str, wanted))
        raise ValueError(f"{name} must have shape {listed}, got {tuple(mask.shape)}")
    if kind == "float" and not bool((mask < torch.inf).all()):
        raise ValueError(f"{name} must hold finite numbers or -inf, got NaN or +inf")


def _for_us(
    attn_mask: Tensor | None, padding: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Turn torch's masks into `multi_head_attention`'s mask and key_mask."""
    if padding is None or padding.dtype == torch.bool:
        key_mask = None if padding is None else ~padding
        turn = attn_mask is not None and attn_mask.dtype == torch.bool
        return (~attn_mask if turn and attn_mask is not None else attn_mask), key_mask
    bias = padding[:, None, None, :]
    if attn_mask is None:
        return bias, None
    if attn_mask.dtype == torch.bool:
        return torch.where(attn_mask, -torch.inf, bias), None
    return attn_mask + bias, None
