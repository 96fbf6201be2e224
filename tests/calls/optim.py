"""One good call of each function of seqlib.optim."""

import numpy as np

from seqlib import optim

rng = np.random.default_rng(0)


def arrays():
    return {"W": rng.normal(size=(2, 3)), "b": rng.normal(size=3)}


GOOD = {"params": arrays(), "grads": arrays(), "lr": 0.1}
CALLS = {
    optim.sgd: GOOD | {"momentum": 0.9},
    optim.adam: GOOD | {"betas": (0.8, 0.9)},
    optim.adamw: GOOD | {"weight_decay": 0.2},
    optim.clip_by_norm: {"grads": arrays(), "max_norm": 0.5},
    optim.clip_by_value: {"grads": arrays(), "limit": 0.5},
}
STATES = {f: f(**call)[1] for f, call in list(CALLS.items())[:3]}
VARIANTS = {f: [{"state": state}] for f, state in STATES.items()}
ANY = "gradients of any names and shapes"
EXCEPTIONS = {
    (f, "grads*", "an axis *|axis ? longer|axis ? of 1|one more|without *"): ANY
    for f in (optim.clip_by_norm, optim.clip_by_value)
}
