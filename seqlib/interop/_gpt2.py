"""GPT-2 from Hugging Face."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from seqlib.interop._refuse import ACTIVATIONS, activation, filled, only
from seqlib.nn import GPT, GPTConfig

PARTS = {  # ours, theirs: Conv1D, whose weight stands on the other side
    "self_attn.in_proj_": "attn.c_attn.",
    "self_attn.out_proj.": "attn.c_proj.",
    "linear1.": "mlp.c_fc.",
    "linear2.": "mlp.c_proj.",
}


def convert(model: Any) -> GPT:
    """Return a GPT with the weights of a GPT2LMHeadModel or a GPT2Model."""
    c = model.config
    only(
        c,
        scale_attn_weights=True,
        scale_attn_by_inverse_layer_idx=False,
        reorder_and_upcast_attn=False,
        add_cross_attention=False,
    )
    form = activation(c, "activation_function", ACTIVATIONS.values())
    core = getattr(model, "transformer", model)
    head = "none"
    if core is not model:
        head = "tied" if model.lm_head.weight is core.wte.weight else "own"
    config = GPTConfig(
        vocab_size=c.vocab_size,
        max_len=c.n_positions,
        num_layers=c.n_layer,
        num_heads=c.n_head,
        d_model=c.n_embd,
        dim_feedforward=c.n_inner,
        dropout=c.resid_pdrop,
        activation=form,
        eps=c.layer_norm_epsilon,
        head=head,
    )
    weights: dict[str, Tensor] = {
        "wte.weight": core.wte.weight,
        "wpe.weight": core.wpe.weight,
        "norm.weight": core.ln_f.weight,
        "norm.bias": core.ln_f.bias,
    }
    if head == "own":
        weights["lm_head.weight"] = model.lm_head.weight
    for i, block in enumerate(core.h):
        for ours, theirs in PARTS.items():
            part = block.get_submodule(theirs[:-1])
            weights[f"blocks.{i}.{ours}weight"] = part.weight.T
            weights[f"blocks.{i}.{ours}bias"] = part.bias
        for n, norm in enumerate((block.ln_1, block.ln_2), 1):
            weights[f"blocks.{i}.norm{n}.weight"] = norm.weight
            weights[f"blocks.{i}.norm{n}.bias"] = norm.bias
    W = core.wte.weight
    return filled(GPT(config, device=W.device, dtype=W.dtype), weights, model)
