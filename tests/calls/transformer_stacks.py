"""One good call for each public function of the Transformer's blocks and stacks."""

import numpy as np

from seqlib.transformer import (
    decoder_block,
    encoder_block,
    seq2seq_transformer,
    seq2seq_transformer_start,
    seq2seq_transformer_step,
    transformer,
    transformer_decoder,
    transformer_encoder,
)

B, S, T, E, H, F, V = 2, 3, 2, 4, 2, 3, 5
rng = np.random.default_rng(17)


def normal(*shape):
    return rng.normal(size=shape) * 0.7


def block(attentions):
    params = {}
    for name in attentions:
        params[f"{name}.in_proj_weight"] = normal(3 * E, E)
        params[f"{name}.in_proj_bias"] = normal(3 * E)
        params[f"{name}.out_proj.weight"] = normal(E, E)
        params[f"{name}.out_proj.bias"] = normal(E)
    params |= {"linear1.weight": normal(F, E), "linear1.bias": normal(F)}
    params |= {"linear2.weight": normal(E, F), "linear2.bias": normal(E)}
    for i in range(1, len(attentions) + 2):
        params |= {f"norm{i}.weight": normal(E), f"norm{i}.bias": normal(E)}
    return params


def stack(attentions, layers=2):
    params = {"norm.weight": normal(E), "norm.bias": normal(E)}
    for i in range(layers):
        params |= under(f"layers.{i}.", block(attentions))
    return params


def under(prefix, params):
    return {prefix + name: a for name, a in params.items()}


ENCODER, DECODER = ("self_attn",), ("self_attn", "multihead_attn")
BOTH = under("encoder.", stack(ENCODER)) | under("decoder.", stack(DECODER))
TOKENS = {
    **BOTH,
    "shared.weight": normal(V, E),
    "decoder.embed_positions.weight": normal(T + 1, E),
    "encoder.layernorm_embedding.weight": normal(E),
    "encoder.layernorm_embedding.bias": normal(E),
    "final_logits_bias": normal(V),
}
SOURCE = np.array([[True, True, True], [True, True, False]])
IDS = np.array([[3, 1, 4], [2, 2, 0]])
START = seq2seq_transformer_start(IDS, TOKENS, H, SOURCE)

CALLS = {
    encoder_block: {
        "x": normal(B, T, E),
        "params": block(ENCODER),
        "num_heads": H,
        "mask": normal(T, T),
        "activation": "silu",
    },
    decoder_block: {
        "x": normal(B, T, E),
        "memory": normal(B, S, E),
        "params": block(DECODER),
        "num_heads": H,
        "mask": normal(T, T),
        "memory_mask": normal(B, T, S),
        "memory_key_mask": SOURCE,
        "norm_first": True,
        "activation": "gelu",
    },
    transformer_encoder: {
        "x": normal(B, S, E),
        "params": stack(ENCODER),
        "num_heads": H,
        "mask": normal(S, S),
        "key_mask": SOURCE,
        "norm_first": True,
        "activation": "gelu",
    },
    transformer_decoder: {
        "x": normal(B, T, E),
        "memory": normal(B, S, E),
        "params": stack(DECODER),
        "num_heads": H,
        "mask": np.tri(T, dtype=bool),
        "memory_mask": normal(T, S),
        "memory_key_mask": SOURCE,
        "activation": "gelu",
    },
    transformer: {
        "src": normal(B, S, E),
        "tgt": normal(B, T, E),
        "params": BOTH,
        "num_heads": H,
        "src_mask": normal(S, S),
        "tgt_mask": np.tri(T, dtype=bool),
        "memory_mask": normal(T, S),
        "src_key_mask": SOURCE,
        "memory_key_mask": SOURCE,
        "activation": "gelu",
    },
    seq2seq_transformer: {
        "ids": IDS,
        "decoder_ids": np.array([[1, 4], [1, 0]]),
        "params": TOKENS,
        "num_heads": H,
        "key_mask": SOURCE,
        "layout": "halves",
        "activation": "silu",
    },
    seq2seq_transformer_start: {
        "ids": IDS,
        "params": TOKENS,
        "num_heads": H,
        "key_mask": SOURCE,
    },
    seq2seq_transformer_step: {
        "state": START,
        "token": np.array([1, 3]),
        "params": TOKENS,
        "num_heads": H,
    },
}
