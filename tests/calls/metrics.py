"""Good calls of `seqlib.metrics`."""

import numpy as np

from calls.trees import booleans, drawn, integers
from seqlib import metrics as M

IDS, MASK = integers(4, 2, 5), booleans(2, 5)
PAIR = {"predicted": IDS, "target": integers(4, 2, 5, seed=1), "mask": MASK}
LOG_PROBS = -np.abs(drawn(2, 5))

CALLS = {
    M.accuracy: PAIR,
    M.confusion_matrix: {**PAIR, "classes": 4},
    M.per_class_accuracy: {**PAIR, "classes": 4},
    M.perplexity: {"log_probs": LOG_PROBS, "mask": MASK, "tokens": 9},
    M.bits_per_character: {"log_probs": LOG_PROBS, "mask": MASK, "characters": 9},
    M.bleu: {
        "hypotheses": ["the cat sat on the mat", "a dog"],
        "references": ["the cat sat on a mat", ["a dog", "one dog"]],
    },
}
TEXT = "any text is a text"
EXCEPTIONS = {
    (M.bleu, "hypotheses[*]", "'nonsense'"): TEXT,
    (M.bleu, "references[*]", "'nonsense'|a string"): TEXT,
    (M.bleu, "hypotheses|references[*]", "empty"): "must not be empty: no more to say",
    (M.per_class_accuracy, "", "float32"): "shares, always float64",
}
