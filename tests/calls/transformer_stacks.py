"""Good calls of the stacks of `seqlib.transformer`, and of the one for translation."""

import numpy as np

from calls.trees import BROADCAST
from seqlib.transformer import (
    seq2seq_transformer,
    seq2seq_transformer_start,
    seq2seq_transformer_step,
    transformer,
    transformer_decoder,
    transformer_encoder,
)

B, S, T, E, H, F, V = 3, 7, 5, 4, 2, 6, 11
random = np.random.default_rng(17)


def normal(*shape):
    return random.normal(size=shape) * 0.7


def added(*shape):
    mask = np.where(random.random(shape) < 0.7, random.normal(size=shape), -np.inf)
    mask[..., 0] = 0.5
    return mask


def booleans(*shape):
    mask = random.random(shape) < 0.7
    mask[..., 0] = True
    return mask


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
    **under("encoder.", stack(ENCODER, 1)),
    **under("decoder.", stack(DECODER, 1)),
    "shared.weight": normal(V, E),
    "decoder.embed_positions.weight": normal(T + 4, E),
    "encoder.layernorm_embedding.weight": normal(E),
    "encoder.layernorm_embedding.bias": normal(E),
    "final_logits_bias": normal(V),
}
APART = {k: a for k, a in TOKENS.items() if k != "shared.weight"}
APART |= {f"{s}.embed_tokens.weight": normal(V, E) for s in ("encoder", "decoder")}
APART["lm_head.weight"] = normal(V, E)
REAL = np.arange(S) < np.array([[7], [4], [6]])
IDS, TARGET = random.integers(0, V, (B, S)), random.integers(0, V, (B, T))
CHANCE = {"dropout": 0.3, "rng": np.random.default_rng(5)}
_, STATE = seq2seq_transformer_step(
    seq2seq_transformer_start(IDS, TOKENS, H, REAL), TARGET[:, 0], TOKENS, H
)

CALLS = {
    transformer_encoder: {
        "x": normal(B, S, E),
        "params": stack(ENCODER),
        "num_heads": H,
        "mask": booleans(B, S, S),
        "key_mask": REAL,
        **CHANCE,
    },
    transformer_decoder: {
        "x": normal(B, T, E),
        "memory": normal(B, S, E),
        "params": stack(DECODER),
        "num_heads": H,
        "mask": np.tri(T, dtype=bool),
        "key_mask": booleans(B, T),
        "memory_mask": booleans(B, T, S),
        "memory_key_mask": REAL,
        **CHANCE,
    },
    transformer: {
        "src": normal(B, S, E),
        "tgt": normal(B, T, E),
        "params": BOTH,
        "num_heads": H,
        "src_mask": booleans(B, S, S),
        "tgt_mask": np.tri(T, dtype=bool),
        "memory_mask": booleans(B, T, S),
        "src_key_mask": REAL,
        "tgt_key_mask": booleans(B, T),
        "memory_key_mask": REAL,
        **CHANCE,
    },
    seq2seq_transformer: {
        "ids": IDS,
        "decoder_ids": TARGET,
        "params": TOKENS,
        "num_heads": H,
        "key_mask": REAL,
        "decoder_key_mask": booleans(B, T),
        **CHANCE,
    },
    seq2seq_transformer_start: {
        "ids": IDS,
        "params": TOKENS,
        "num_heads": H,
        "key_mask": REAL,
    },
    seq2seq_transformer_step: {
        "state": STATE,
        "token": TARGET[:, 1],
        "params": TOKENS,
        "num_heads": H,
    },
}
PRE = {"norm_first": True, "activation": "gelu"}
VARIANTS = {
    transformer_encoder: [{"mask": added(S, S), **PRE}],
    transformer_decoder: [{"mask": added(T, T), "memory_mask": added(T, S), **PRE}],
    transformer: [
        {
            "src_mask": added(S, S),
            "tgt_mask": added(T, T),
            "memory_mask": added(T, S),
            **PRE,
        }
    ],
    seq2seq_transformer: [
        {"params": APART, "layout": "halves", "activation": "silu"},
    ],
    seq2seq_transformer_start: [{"params": APART, **PRE}],
    seq2seq_transformer_step: [{"params": APART, **PRE}],
}
STACKS = transformer_encoder, transformer_decoder, transformer
TOKENWISE = (
    seq2seq_transformer,
    seq2seq_transformer_start,
    seq2seq_transformer_step,
)
MAY_LACK = "without *bias|without *embed_positions.weight|without lm_head.weight"
MASKS = "any mask that broadcasts to the scores"
EXCEPTIONS = {
    **{(f, "*mask", BROADCAST): MASKS for f in STACKS},
    **{(f, "params", "without *bias"): "biases may be left out" for f in STACKS},
    **{(f, "rng", "None"): "there is dropout" for f in (*STACKS, seq2seq_transformer)},
    **{(f, "params", MAY_LACK): "optional" for f in TOKENWISE},
    **{
        (f, "params['encoder.embed_tokens.weight']", "axis 0 *"): "its own vocabulary"
        for f in TOKENWISE
    },
    (seq2seq_transformer_step, "state[1]", "None"): "no mask: all of it is real",
}
