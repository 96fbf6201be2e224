"""Marian and BART of Hugging Face, as our Transformer for translation."""

from __future__ import annotations

from typing import Any

import torch

from seqlib.interop._refuse import ACTIVATIONS, activation
from seqlib.nn import Seq2SeqTransformer

PARTS = {
    "self_attn": "self_attn",
    "encoder_attn": "multihead_attn",
    "fc1": "linear1",
    "fc2": "linear2",
}
NORMS = {
    "encoder": ("self_attn_layer_norm", "final_layer_norm"),
    "decoder": ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"),
}


def convert(model: Any) -> Seq2SeqTransformer:
    """Return a `seqlib.nn.Seq2SeqTransformer` with the weights of Marian or BART.

    `model` is a MarianMTModel or a BartForConditionalGeneration, with its lm_head. The
    weights are copies, of the same type and on the same device. What is no parameter
    there is frozen here: Marian's sinusoids, which it keeps rounded to float32, and the
    bias of the logits. BART's two rows of positions before the first one, which it
    never reads, are left out. One rate of dropout is kept, `config.dropout`, and the
    embedding of padding learns as all others do, which there it does not. Errors: a
    ValueError for what ours has no place for. Sources: Junczys-Dowmunt et al. (2018);
    Lewis et al. (2020).
    """
    config, stacks = model.config, {s: getattr(model.model, s) for s in NORMS}
    form = activation(config, "activation_function", ACTIVATIONS.values())
    _check_sides(config)
    tokens = {side: stack.embed_tokens.weight for side, stack in stacks.items()}
    shared = tokens["encoder"] is tokens["decoder"]
    tied = model.lm_head.weight is tokens["decoder"]
    marian = config.model_type == "marian"
    unread = 0 if marian else 2
    lengths = {s: stack.embed_positions.weight.shape[0] for s, stack in stacks.items()}
    like = tokens["decoder"]
    ours = Seq2SeqTransformer(
        tokens["encoder"].shape[0],
        config.d_model,
        config.encoder_attention_heads,
        config.encoder_layers,
        config.decoder_layers,
        config.encoder_ffn_dim,
        config.dropout,
        form,
        device=like.device,
        dtype=like.dtype,
        tgt_vocab_size=None if shared else like.shape[0],
        scale_embedding=bool(config.scale_embedding),
        positions="learned",
        max_len=lengths["encoder"] - unread,
        layernorm_embedding=not marian,
        tie_output=tied,
        logits_bias=True,
    )
    params = {"final_logits_bias": model.final_logits_bias[0]}
    if shared:
        params["shared.weight"] = like
    if not tied:
        params["lm_head.weight"] = model.lm_head.weight
    for side, stack in stacks.items():
        params |= _stack(side, stack.state_dict(), unread)
        if not shared:
            params[f"{side}.embed_tokens.weight"] = tokens[side]
    ours.load_state_dict(params)  # raises where one is missing, left over, or misshapen
    ours.final_logits_bias.requires_grad_(False)
    if marian:
        ours.encoder.embed_positions.requires_grad_(False)
        ours.decoder.embed_positions.requires_grad_(False)
    return ours.train(model.training)


def _stack(side: str, theirs: dict[str, Any], unread: int) -> dict[str, Any]:
    """Return the parameters of the encoder or decoder under our names."""
    ours, norms = {}, {n: f"norm{i}" for i, n in enumerate(NORMS[side], 1)}
    for name, p in theirs.items():
        if name.startswith("embed_tokens."):
            continue
        if name == "embed_positions.weight":
            ours[f"{side}.{name}"] = p[unread:]
            continue
        if not name.startswith("layers."):  # layernorm_embedding
            ours[f"{side}.{name}"] = p
            continue
        _, i, part, *rest = name.split(".")
        to = f"{side}.layers.{i}.{({**PARTS, **norms})[part]}"
        if rest[0] == "q_proj":  # and with it the keys' and values'
            three = [theirs[name.replace("q_proj", f"{x}_proj")] for x in "qkv"]
            ours[f"{to}.in_proj_{rest[1]}"] = torch.cat(three)
        elif rest[0] not in ("k_proj", "v_proj"):
            ours[".".join([to, *rest])] = p
    return ours


def _check_sides(config: Any) -> None:
    """Raise a ValueError where encoder and decoder differ in what ours has once."""
    for what in ("attention_heads", "ffn_dim"):
        of_encoder = getattr(config, f"encoder_{what}")
        of_decoder = getattr(config, f"decoder_{what}")
        if of_encoder != of_decoder:
            raise ValueError(
                f"model must have the same {what} in encoder and decoder, "
                f"got {of_encoder} and {of_decoder}"
            )
