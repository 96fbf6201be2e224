"""One step back, and the recursion solved.

Batches are rows, so W_hh h is `h @ W_hh.T`: B sequences, T steps, H units.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states

# 6-1 ---------------------------------------------------------------------------------


def step_backward(dh: Array, h: Array, W_hh: Array) -> tuple[Array, Array]:
    """Go back through one step: dz (B, H) and dh_prev (B, H)."""
    dz = dh * (1 - h**2)
    return dz, dz @ W_hh


def _step_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, H: int) -> Case:
        dh, h = rng.normal(size=(B, H)), states(rng, B, H)
        return Case(aspect, (dh, h, matrix(rng, H)))

    yield case("values", *sizes(rng, 2, 2))
    yield case("values", *sizes(rng, 3, 3))
    yield case("sizes of 1", 1, 1)
    yield case("sizes of 1", 1, 3)


def _step_in_place(dh: Array, h: Array, W_hh: Array) -> tuple[Array, Array]:
    dh *= 1 - h**2
    return dh, dh @ W_hh


def _step_by_entries(dh: Array, h: Array, W_hh: Array) -> tuple[Array, Array]:
    dz, dh_prev = np.zeros_like(dh), np.zeros_like(dh)
    B, H = dh.shape
    for b in range(B):
        for i in range(H):
            dz[b, i] = dh[b, i] - dh[b, i] * h[b, i] * h[b, i]
            for j in range(H):
                dh_prev[b, j] += W_hh[i, j] * dz[b, i]
    return dz, dh_prev


ONE_STEP = Exercise(
    id="6-1",
    title="One step back",
    marks={"values": 1, "sizes of 1": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("dz", "dh_prev"),
    reference=step_backward,
    cases=_step_cases,
    mistakes={
        "The slope of tanh is missing: dz is dh times 1 - h².": (
            lambda dh, h, W: (dh, dh @ W)
        ),
        "The slope of tanh is 1 - h², with a square.": (
            lambda dh, h, W: (dh * (1 - h), dh * (1 - h) @ W)
        ),
        "h is tanh(z) already, so the slope is 1 - h²; no second tanh is needed.": (
            lambda dh, h, W: step_backward(dh, np.tanh(h), W)
        ),
        "h (1 - h) is the slope of the logistic function; this cell uses tanh.": (
            lambda dh, h, W: (dh * h * (1 - h), dh * h * (1 - h) @ W)
        ),
        "In dh_prev, W_hh is turned round: forward was h_prev @ W_hh.T, so the way "
        "back is dz @ W_hh.": lambda dh, h, W: (dh * (1 - h**2), dh * (1 - h**2) @ W.T),
        "dh_prev must start from dz, not from dh: the gradient goes through tanh "
        "before it meets W_hh.": lambda dh, h, W: (dh * (1 - h**2), dh @ W),
        "In dh_prev, the slope comes first and W_hh second: the slope belongs to the "
        "units of this step.": (
            lambda dh, h, W: (dh * (1 - h**2), (dh @ W) * (1 - h**2))
        ),
        "A batch stacks its states as rows, so W_hh stands on the right: dz @ W_hh.": (
            lambda dh, h, W: (dh * (1 - h**2), W.T @ (dh * (1 - h**2)))
        ),
        "`dh *= …` writes into the caller's array. `dz = dh * …` makes a new one.": (
            _step_in_place
        ),
    },
    also_right=(
        _step_by_entries,
        lambda dh, h, W: (dz := np.einsum("bh,bh->bh", dh, 1 - h * h), (W.T @ dz.T).T),
        lambda dh, h, W: step_backward(*(a.astype("float32") for a in (dh, h, W))),
    ),
)

# 6-2 ---------------------------------------------------------------------------------


def contributions(b: Array, c: Array) -> Array:
    """Return what each b_i adds to a_T, (T, H), where a_t = b_t + c_t a_{t-1}."""
    terms = np.empty_like(b)
    product = np.eye(b.shape[1], dtype=b.dtype)
    for i in reversed(range(len(b))):
        terms[i] = product @ b[i]
        product = product @ c[i]
    return terms


def _contribution_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, H: int) -> Case:
        c = np.stack([matrix(rng, H) for _ in range(T)])
        return Case(aspect, (rng.normal(size=(T, H)), c))

    yield case("values", *sizes(rng, 3, 2))
    yield case("values", *sizes(rng, 3, 3))
    yield case("sizes of 1", 1, 3)
    yield case("sizes of 1", 4, 1)


def _products(b: Array, c: Array, start: int, stop: int, flip: bool = False) -> Array:
    """Return the terms with factors c[i + start] to c[T - 1 + stop], times b[i]."""
    terms = b.copy()
    for i in range(len(b)):
        chosen = range(i + start, len(b) + stop)
        for j in reversed(chosen) if flip else chosen:
            terms[i] = c[j] @ terms[i]
    return terms


CLOSED_FORM = Exercise(
    id="6-2",
    title="The recursion, solved",
    marks={"values": 2, "sizes of 1": 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("terms",),
    reference=contributions,
    cases=_contribution_cases,
    mistakes={
        "The factors stand in the wrong order. Matrices do not commute: c_{i+1} "
        "touches b_i first, so it stands next to it, and c_T stands outermost.": (
            lambda b, c: _products(b, c, 1, 0, flip=True)
        ),
        "One factor too many: b_i joins the sum after c_i has acted, so its product "
        "begins with c_{i+1}.": lambda b, c: _products(b, c, 0, 0),
        "One factor too few: the last step multiplies by c_T too.": (
            lambda b, c: _products(b, c, 1, -1)
        ),
        "These are the states a_1 … a_T themselves; asked is what each b_i adds to the "
        "last of them.": lambda b, c: np.cumsum(_products(b, c, 1, 0), axis=0),
        "No factor acts on b_i at all: on its way to a_T it passes every later step.": (
            lambda b, c: b.copy()
        ),
        "This is the last a itself; asked are its terms, one row for each b.": (
            lambda b, c: contributions(b, c).sum(axis=0)
        ),
        "The terms come in reverse: entry 0 belongs to b_1, the oldest.": (
            lambda b, c: contributions(b, c)[::-1]
        ),
    },
    also_right=(
        lambda b, c: _products(b, c, 1, 0),
        lambda b, c: [
            np.linalg.multi_dot([np.eye(b.shape[1]), *c[:i:-1], b[i]])
            for i in range(len(b))
        ],
    ),
)
