"""One good call of each function of seqlib.diagonal_ssm."""

import numpy as np

from seqlib import diagonal_ssm as ours

rng = np.random.default_rng(0)
PARAMS = {
    "log_decay": rng.normal(size=3),
    "angle": rng.normal(size=3),
    "B_re": rng.normal(size=(3, 2)),
    "B_im": rng.normal(size=(3, 2)),
    "C_re": rng.normal(size=(2, 3)),
    "C_im": rng.normal(size=(2, 3)),
    "D": rng.normal(size=(2, 2)),
}
CALLS = {
    ours.diagonal_ssm: {
        "x": rng.normal(size=(2, 5, 2)),
        "params": PARAMS,
        "state": (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))),
    },
    ours.ssm_kernel: {"params": PARAMS, "length": 4},
    ours.zero_order_hold: {
        "log_decay": rng.normal(size=3),
        "frequency": rng.normal(size=3),
        "B_re": rng.normal(size=(3, 2)),
        "B_im": rng.normal(size=(3, 2)),
        "log_step": rng.normal(size=3),
    },
    ours.s4d_lin: {"state_size": 4},
    ours.s4d_legs: {"state_size": 4},
    ours.lru_ring: {"state_size": 4, "rng": np.random.default_rng(0)},
    ours.init_params: {
        "kind": "lru",
        "input_size": 2,
        "state_size": 4,
        "output_size": 3,
        "rng": np.random.default_rng(0),
    },
}
VARIANTS = {
    ours.diagonal_ssm: [
        {"params": {k: a for k, a in PARAMS.items() if k != "D"}},
        {"form": "convolution"},
    ],
}
EXCEPTIONS = {
    (f, "params", "without D"): "optional: nothing passes by the state"
    for f in (ours.diagonal_ssm, ours.ssm_kernel)
}
