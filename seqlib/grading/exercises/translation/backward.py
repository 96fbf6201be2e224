"""What the encoder hears: gradients at the context, for option 2.

A single sentence. s (T + 1, H) are the decoder's states s_0 … s_T, and dlogits (T, K)
the gradient at the logits of steps 1 … T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states

Pair = tuple[Array, Array]


def deltas(s: Array, dlogits: Array, V: Array, W_hh: Array, fault: str = "") -> Array:
    """Return the gradients at what enters the tanh, (T, H), or a mistaken version."""
    T, U = len(dlogits), W_hh if fault == "turned" else W_hh.T
    delta, rows = np.zeros_like(s[0]), []
    for t in range(T)[::-1]:
        slope = 1 - (s[t] if fault == "old slope" else s[t + 1]) ** 2
        slope = np.ones_like(slope) if fault == "no slope" else slope
        later = 0 * delta if fault == "alone" else U @ delta
        ds = dlogits[t] @ V
        delta = slope * ds + later if fault == "late" else slope * (ds + later)
        rows.append(delta)
    return np.array(rows if fault == "order" else rows[::-1])


def typed(aspect: str, *args: Array) -> Case:
    """Return a case of these arrays, in float32 where the aspect asks for it."""
    dtype = "float32" if aspect == FLOAT32 else "float64"
    return Case(aspect, tuple(a.astype(dtype) for a in args))


# What may go wrong in the deltas, in both questions.
SHARED = {
    "The slope of tanh, 1 - s², is missing.": "no slope",
    "The slope of step t belongs to its own state, s[t] counted from s_0; here it is "
    "that of the state before.": "old slope",
    "W_hh is turned round: forward was W_hh @ s, so the way back is W_hh.T @ delta.": (
        "turned"
    ),
    "Each step hears only its own word. What comes back from the next step, "
    "W_hh.T @ delta, joins before the slope.": "alone",
    "What comes back from the next step must pass the slope, too.": "late",
}

# 12-7 --------------------------------------------------------------------------------


def back_to_context(
    s: Array, dlogits: Array, V: Array, W_hh: Array, W_c: Array
) -> Pair:
    """Return delta (T, H) and dh_S (M,) for option 2 with s_0 = h_S.

    V (K, H), W_hh (H, H), W_c (H, H)
    """
    return _context(s, dlogits, V, W_hh, W_c)


def _context(
    s: Array, dlogits: Array, V: Array, W_hh: Array, W_c: Array, *, fault: str = ""
) -> Pair:
    delta = deltas(s, dlogits, V, W_hh, fault)
    first = delta[-1] if fault == "order" else delta[0]
    at_start = W_hh.T @ first
    if fault == "raw start":
        at_start = first
    at_steps = delta @ W_c
    if fault == "W_c turned":
        at_steps = delta @ W_c.T
    together = {"mean": at_steps.mean(axis=0), "last": at_steps[-1]}
    dh = {"once": 0, "first": at_steps[0]}.get(
        fault, together.get(fault, at_steps.sum(axis=0))
    )
    if fault == "no start":
        return delta, np.asarray(dh)
    return delta, at_start + dh


def _context_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, H: int, K: int) -> Case:
        args = states(rng, T + 1, H), rng.normal(size=(T, K)), rng.normal(size=(K, H))
        return typed(aspect, *args, matrix(rng, H), matrix(rng, H))

    yield case("values", *sizes(rng, 3, 2, 4))
    yield case("values", *sizes(rng, 4, 3, 5))
    yield case("one word", 1, 3, 4)
    yield case(FLOAT32, *sizes(rng, 3, 2, 4))


def _of_context(fault: str) -> Callable[..., Pair]:
    return lambda *args: _context(*args, fault=fault)


def _context_in_place(
    s: Array, dlogits: Array, V: Array, W_hh: Array, W_c: Array
) -> Pair:
    answer = _context(s, dlogits, V, W_hh, W_c)
    s *= s
    return answer


def _context_forwards(
    s: Array, dlogits: Array, V: Array, W_hh: Array, W_c: Array
) -> Pair:
    """Send each word's blame back on its own, and add up."""
    T, H = len(dlogits), s.shape[1]
    delta = np.zeros((T, H), s.dtype)
    for t in range(T):
        d = V.T @ dlogits[t]
        for k in range(t, -1, -1):
            d = d - d * s[k + 1] * s[k + 1]
            delta[k] += d
            d = d @ W_hh
    return delta, delta[0] @ W_hh + sum(d @ W_c for d in delta)


BACK = Exercise(
    id="12-7",
    title="What the encoder hears",
    marks={"values": 3, "one word": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=25,
    returns=("delta", "dh_S"),
    reference=back_to_context,
    cases=_context_cases,
    mistakes={
        **{hint: _of_context(fault) for hint, fault in SHARED.items()},
        "This is option 1: the vector was also an input at every step, and each of "
        "them sends W_c.T @ delta back.": _of_context("once"),
        "The way through s_0 is missing: add W_hh.T @ delta_1.": (
            _of_context("no start")
        ),
        "The steps are averaged; a vector that is used T times gets the sum.": (
            _of_context("mean")
        ),
        "Only the first step's use of the context is counted; add up all of them.": (
            _of_context("first")
        ),
        "Only the last step's use of the context is counted; add up all of them.": (
            _of_context("last")
        ),
        "delta_1 stands behind W_hh: s_0 gets W_hh.T @ delta_1.": (
            _of_context("raw start")
        ),
        "W_c is turned round: forward was W_c @ h_S, so the way back is W_c.T.": (
            _of_context("W_c turned")
        ),
        "The rows of delta are in the order of the loop; asked is step 1 first.": (
            _of_context("order")
        ),
        "`s *= …` writes into the caller's states: make a new array.": (
            _context_in_place
        ),
        "The answer is float64 though the arguments are float32: let numpy keep the "
        "type.": lambda *a: _context(*(v.astype(float) for v in a)),
    },
    also_right=(_context_forwards,),
)
