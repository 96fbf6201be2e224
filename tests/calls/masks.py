"""Good calls of `seqlib.masks`."""

import numpy as np

from calls.trees import BROADCAST, booleans, drawn, integers
from seqlib import masks as M

ADDED = np.where(booleans(5, 3), drawn(5, 3), -np.inf)

CALLS = {
    M.causal_mask: {"T": 3, "like": drawn(2)},
    M.padding_mask: {"lengths": integers(5, 4), "S": 4},
    M.masked_softmax: {"scores": drawn(2, 5, 3), "mask": booleans(2, 5, 3)},
}
VARIANTS = {
    M.causal_mask: [{"S": 5}],
    M.masked_softmax: [{"mask": ADDED}, {"mask": None}],
}
ELSEWHERE = {
    "seqlib.masks.check_mask*": "the checks themselves, seen through all of attention",
    "seqlib.masks.sum_to": "what backward passes call, and only with what is checked",
    "seqlib.masks.is_array": "takes anything, and answers yes or no",
}
EXCEPTIONS = {
    (M.causal_mask, "like", "an axis *"): "its library and device are all that counts",
    (M.masked_softmax, "scores", "an axis more"): "any axes in front",
    (M.masked_softmax, "scores", "torch|*strict"): "the sentence says: the input",
    (M.masked_softmax, "mask", BROADCAST): "any mask that broadcasts to the scores",
}
