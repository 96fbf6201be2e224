"""One good call of each function of GPT and BERT."""

import numpy as np

from seqlib.transformer import (
    bert,
    bert_shapes,
    classification_head,
    gpt,
    gpt_shapes,
    gpt_step,
    init_bert,
    init_gpt,
    mask_tokens,
    masked_lm_head,
    positions_from,
)

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape) / 2


def drawn(shapes):
    return {name: normal(*shape) for name, shape in shapes.items()}


SIZES = {"vocab_size": 7, "max_len": 5, "num_layers": 2, "d_model": 4}
SIZES |= {"dim_feedforward": 3}
IDS = RNG.integers(0, 7, (2, 4))
REAL = np.array([[False, True, True, True], [True, True, True, False]])
GPT, BERT = drawn(gpt_shapes(**SIZES)), drawn(bert_shapes(**SIZES, token_types=6))
HEAD = {
    "dense.weight": normal(4, 4),
    "dense.bias": normal(4),
    "norm.weight": normal(4),
    "norm.bias": normal(4),
    "decoder.weight": normal(7, 4),
    "decoder.bias": normal(7),
}
_, PAST = gpt_step(IDS[:, :2], GPT, 2)
CALLS = {
    gpt: {
        "ids": IDS,
        "params": GPT,
        "num_heads": 2,
        "key_mask": REAL,
        "positions": np.array([[0, 0, 1, 2], [0, 1, 2, 3]]),
    },
    gpt_step: {"ids": IDS[:, 2:], "params": GPT, "num_heads": 2, "past": PAST},
    positions_from: {"key_mask": REAL},
    gpt_shapes: SIZES,
    init_gpt: {**SIZES, "rng": np.random.default_rng(0)},
    bert: {
        "ids": IDS,
        "params": BERT,
        "num_heads": 2,
        "key_mask": REAL,
        "token_type_ids": np.array([[0, 0, 1, 1], [0, 1, 1, 1]]),
    },
    bert_shapes: SIZES,
    init_bert: {**SIZES, "rng": np.random.default_rng(0)},
    masked_lm_head: {"x": normal(2, 3, 4), "params": HEAD},
    classification_head: {
        "x": normal(2, 4),
        "params": {"weight": normal(3, 4), "bias": normal(3)},
    },
    mask_tokens: {
        "ids": IDS,
        "rng": np.random.default_rng(0),
        "vocab_size": 7,
        "mask_id": 6,
        "special_ids": (0, 1),
        "key_mask": REAL,
        "p": 0.5,
    },
}
VARIANTS = {
    gpt: [
        {"positions": None, "key_mask": None, "activation": "relu"},
        {"head": False, "dropout": 0.3, "rng": np.random.default_rng(1)},
        {"params": {**GPT, "lm_head.weight": normal(7, 4)}},
    ],
    gpt_step: [
        {
            "past": {**PAST, "key_mask": REAL[:, :2]},
            "key_mask": REAL[:, 2:],
            "positions": np.array([[1, 2], [2, 3]]),
        },
        {"past": None},
    ],
    bert: [{"dropout": 0.3, "rng": np.random.default_rng(1)}],
    classification_head: [{"dropout": 0.3, "rng": np.random.default_rng(1)}],
}
ANY = "any axes before the last"
BIAS = "biases may be left out"
DROPS = "there is dropout"
EXCEPTIONS = {
    **{(f, "params", "without *bias"): BIAS for f in (gpt, gpt_step, bert)},
    **{(f, "rng", "None"): DROPS for f in (gpt, bert, classification_head)},
    **{(f, "x", "an axis *"): ANY for f in (masked_lm_head, classification_head)},
    (gpt, "params", "without lm_head.weight"): "then it is tied",
    (gpt_step, "ids", "axis 1 *"): "any number of new tokens",
    (mask_tokens, "special_ids", "empty|one *"): "any number of them",
}
GRADIENTS = {gpt: ("params",), bert: ("params",)}
ELSEWHERE = {"seqlib.interop.from_hf": "takes modules: tests/test_interop_hf.py"}
