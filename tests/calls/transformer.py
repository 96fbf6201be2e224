"""Good calls of `seqlib.transformer`."""

import numpy as np

from calls.trees import BROADCAST, booleans, drawn, rng
from seqlib.transformer import decoder_block, encoder_block


def block(attentions, E=4, F=6):
    found = {}
    for name in attentions:
        found[f"{name}.in_proj_weight"] = drawn(3 * E, E)
        found[f"{name}.in_proj_bias"] = drawn(3 * E)
        found[f"{name}.out_proj.weight"] = drawn(E, E)
        found[f"{name}.out_proj.bias"] = drawn(E)
    found |= {"linear1.weight": drawn(F, E), "linear1.bias": drawn(F)}
    found |= {"linear2.weight": drawn(E, F), "linear2.bias": drawn(E)}
    for i in range(1, len(attentions) + 2):
        found[f"norm{i}.weight"] = drawn(E, seed=i)
        found[f"norm{i}.bias"] = drawn(E, seed=i + 5)
    return found


ADDED = np.where(booleans(5, 5), drawn(5, 5), -np.inf)
CALLS = {
    encoder_block: {
        "x": drawn(3, 5, 4),
        "params": block(["self_attn"]),
        "num_heads": 2,
        "mask": booleans(3, 5, 5),
        "key_mask": booleans(3, 5),
        "dropout": 0.3,
        "rng": rng(),
    },
    decoder_block: {
        "x": drawn(3, 5, 4),
        "memory": drawn(3, 7, 4),
        "params": block(["self_attn", "multihead_attn"]),
        "num_heads": 2,
        "mask": booleans(3, 5, 5),
        "key_mask": booleans(3, 5),
        "memory_mask": booleans(3, 5, 7),
        "memory_key_mask": booleans(3, 7),
        "dropout": 0.3,
        "rng": rng(),
    },
}
VARIANTS = {
    encoder_block: [{"mask": ADDED, "norm_first": True, "activation": "gelu"}],
    decoder_block: [
        {
            "mask": ADDED,
            "memory_mask": np.where(booleans(5, 7), drawn(5, 7), -np.inf),
            "norm_first": True,
            "activation": "gelu_tanh",
        }
    ],
}
EXCEPTIONS = {
    **{
        (f, "*mask", BROADCAST): "any mask that broadcasts to the scores" for f in CALLS
    },
    **{(f, "params", "without *bias"): "biases may be left out" for f in CALLS},
    **{(f, "rng", "None"): "there is dropout" for f in CALLS},
}
