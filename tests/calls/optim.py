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
