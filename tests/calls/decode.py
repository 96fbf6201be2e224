"""Good calls of `seqlib.decode`."""

import numpy as np
from array_api_compat import device

from calls.trees import drawn, rng
from seqlib import decode as D
from seqlib._arrays import array_namespace

TABLE = drawn(5, 4) - 5.0
TABLE -= np.log(np.exp(TABLE).sum(-1, keepdims=True))


def step(state, token):
    """Give what a table says may follow; the state adds up the tokens."""
    xp = array_namespace(token)
    table = xp.asarray(TABLE, device=device(token))
    rows = xp.astype(xp.take(table, token, axis=0), state.dtype)
    return rows, state + xp.astype(token, state.dtype)[:, None]


def reorder(state, rows):
    return array_namespace(state).take(state, rows, axis=0)


FIRST = {"step": step, "start": (drawn(3, 2), np.array([0, 2, 1])), "eos": 3}

SEARCHES = ("greedy", "sample", "beam_search", "exhaustive_search")
CALLS = {
    D.greedy: {**FIRST, "max_len": 5},
    D.sample: {**FIRST, "max_len": 5, "rng": rng(), "top_k": 3, "top_p": 0.9},
    D.sampling_distribution: {"log_probs": TABLE[:, :], "top_k": 3, "top_p": 0.9},
    D.beam_search: {**FIRST, "width": 2, "max_len": 5, "reorder": reorder},
    D.exhaustive_search: {**FIRST, "width": 2, "max_len": 4, "reorder": reorder},
    D.take_rows: {
        "state": (drawn(3, 2), drawn(3, 4)),
        "rows": np.array([2, 0, 0, 1, 2]),
    },
}
VARIANTS = {
    D.greedy: [{"eos": None}],
    D.beam_search: [{"reorder": None, "length_penalty": 1.0, "early_stopping": True}],
    D.exhaustive_search: [{"reorder": None, "length_penalty": 1.0}],
}
OWN = "the state is step's own: what fits it is for step to say"
EXCEPTIONS = {
    **{(f, "start[0]", "*"): OWN for f in CALLS if f.__name__ in SEARCHES},
    **{
        (f, "start[1]", "axis 0 *|torch|*strict"): OWN
        for f in CALLS
        if f.__name__ in SEARCHES
    },
    (D.beam_search, "early_stopping", "True"): "True, False or 'never'",
    (
        D.sampling_distribution,
        "log_probs",
        "an axis *",
    ): "the last axis; others are any",
    (D.take_rows, "state*", "*"): "a state may be anything; arrays in it lose rows",
    (
        D.take_rows,
        "rows",
        "torch|*strict",
    ): "it is said of the state, without what came",
}
