"""One good call of each function that makes a synthetic task."""

import numpy as np

from seqlib.data import adding_problem, copy_task, parity

CALLS = {
    adding_problem: {"count": 3, "rng": np.random.default_rng(1), "steps": 8},
    copy_task: {"count": 3, "rng": np.random.default_rng(2), "length": 4},
    parity: {"count": 3, "rng": np.random.default_rng(3), "steps": (3, 6)},
}
