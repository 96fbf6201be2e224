"""Good calls of `seqlib.attention`."""

import numpy as np

from calls.trees import BROADCAST, booleans, drawn, rng
from seqlib import attention as A

Q, K, V = drawn(2, 7, 3), drawn(2, 5, 4), drawn(2, 5, 6)
D = drawn(2, 5, 3)  # keys of the queries' size
MASK = booleans(2, 7, 5)
ADDED = np.where(booleans(7, 5), drawn(7, 5), -np.inf)
SMALL = {"W_q": drawn(8, 3), "W_k": drawn(8, 4), "w": drawn(8)}


def params(E, separate=None, more=True):
    if separate:
        sizes = zip("qkv", (E, *separate), strict=True)
        found = {f"{a}_proj_weight": drawn(E, n, seed=n) for a, n in sizes}
    else:
        found = {"in_proj_weight": drawn(3 * E, E)}
    found |= {"in_proj_bias": drawn(3 * E), "out_proj.weight": drawn(E, E)}
    found |= {"out_proj.bias": drawn(E)}
    if more:
        found |= {"bias_k": drawn(1, 1, E), "bias_v": drawn(1, 1, E, seed=1)}
    return found


CALLS = {
    A.additive_scores: {"q": Q, "k": K, **SMALL},
    A.bilinear_scores: {"q": Q, "k": K, "W": drawn(3, 4)},
    A.additive_attention: {"q": Q, "k": K, "v": V, **SMALL, "mask": MASK},
    A.bilinear_attention: {"q": Q, "k": K, "v": V, "W": drawn(3, 4), "mask": MASK},
    A.dot_attention: {"q": Q, "k": D, "v": V, "mask": MASK, "scale": 0.7},
    A.scaled_dot_product_attention: {"q": Q, "k": D, "v": V, "mask": MASK},
    A.multi_head_attention: {
        "query": drawn(3, 7, 4),
        "key": drawn(3, 5, 4),
        "value": drawn(3, 5, 4, seed=1),
        "params": params(4),
        "num_heads": 2,
        "mask": booleans(3, 2, 7, 5),
        "key_mask": booleans(3, 5),
        "dropout": 0.3,
        "rng": rng(),
        "add_zero_attn": True,
        "return_weights": True,
    },
}
VARIANTS = {
    f: [{"mask": ADDED, "return_weights": True}, {"mask": None}]
    for f in (
        A.additive_attention,
        A.bilinear_attention,
        A.dot_attention,
        A.scaled_dot_product_attention,
    )
} | {
    A.multi_head_attention: [
        {"mask": np.where(booleans(7, 5), drawn(7, 5), -np.inf)},
        {"mask": None, "key": None, "value": None, "key_mask": None},
        {
            "key": drawn(3, 5, 6),
            "value": drawn(3, 5, 8),
            "params": params(4, (6, 8), more=False),
            "add_zero_attn": False,
        },
    ]
}
EXCEPTIONS = {
    **{
        (f, "mask", BROADCAST): "any mask that broadcasts to the scores"
        for f in VARIANTS
    },
    (A.multi_head_attention, "key", "None"): "only together with the value",
    (A.multi_head_attention, "value", "None"): "only where keys have its size",
    (A.multi_head_attention, "rng", "None"): "there is dropout",
    (A.multi_head_attention, "params", "without *_proj*bias"): "biases may be left out",
}
