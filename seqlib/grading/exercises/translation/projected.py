"""What the encoder hears through a projected first state, in option 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states

from .backward import SHARED, Pair, deltas, typed

# 12-8 --------------------------------------------------------------------------------


def back_projected(
    s: Array, dlogits: Array, V: Array, W_hh: Array, W_0: Array, h_S: Array
) -> Pair:
    """Return dh_S (M,) and dW_0 (H, M) for option 1 with s_0 = tanh(W_0 h_S + b_0)."""
    return _projected(s, dlogits, V, W_hh, W_0, h_S)


def _projected(
    s: Array,
    dlogits: Array,
    V: Array,
    W_hh: Array,
    W_0: Array,
    h_S: Array,
    *,
    fault: str = "",
) -> Pair:
    delta = deltas(s, dlogits, V, W_hh, fault)
    ds_0 = delta[0] if fault == "raw start" else W_hh.T @ delta[0]
    slope = 1 - s[1 if fault == "other slope" else 0] ** 2
    at = ds_0 if fault == "no slope of s_0" else slope * ds_0
    if fault == "every":
        at = slope * (W_hh.T @ delta.sum(axis=0))
    dW = np.outer(at, h_S)
    if fault == "outer s_0":
        dW = np.outer(at, np.resize(s[0], h_S.shape))
    return at @ W_0, dW.T if fault == "dW turned" else dW


def _projected_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, H: int, K: int, M: int) -> Case:
        args = states(rng, T + 1, H), rng.normal(size=(T, K)), rng.normal(size=(K, H))
        W_0 = rng.normal(size=(H, M)) / np.sqrt(M)
        return typed(aspect, *args, matrix(rng, H), W_0, states(rng, M))

    yield case("values", *sizes(rng, 3, 2, 4, 3))
    yield case("values", *sizes(rng, 4, 3, 5, 2))
    yield case("one word", 1, 3, 4, 2)
    yield case(FLOAT32, *sizes(rng, 3, 2, 4, 3))


def _of_projected(fault: str) -> Callable[..., Pair]:
    return lambda *args: _projected(*args, fault=fault)


def _projected_in_place(
    s: Array, dlogits: Array, V: Array, W_hh: Array, W_0: Array, h_S: Array
) -> Pair:
    answer = _projected(s, dlogits, V, W_hh, W_0, h_S)
    h_S *= 0.5
    return answer


def _projected_by_rows(
    s: Array, dlogits: Array, V: Array, W_hh: Array, W_0: Array, h_S: Array
) -> Pair:
    d, ds = np.zeros_like(s[0]), dlogits @ V
    for own, new in zip(ds[::-1], s[:0:-1], strict=True):
        d = ((own + d) * (1 - new * new)) @ W_hh
    d = d - d * s[0] ** 2
    return W_0.T @ d, d[:, None] * h_S[None]


PROJECTED = Exercise(
    id="12-8",
    title="Derive it: through a projected first state",
    marks={"values": 3, "one word": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=3,
    importance=2,
    minutes=25,
    returns=("dh_S", "dW_0"),
    reference=back_projected,
    cases=_projected_cases,
    mistakes={
        **{hint: _of_projected(fault) for hint, fault in SHARED.items()},
        "s_0 is itself a tanh: the slope 1 - s_0² is missing.": (
            _of_projected("no slope of s_0")
        ),
        "The slope at the first state is 1 - s_0², not 1 - s_1².": (
            _of_projected("other slope")
        ),
        "delta_1 stands behind W_hh: s_0 gets W_hh.T @ delta_1.": (
            _of_projected("raw start")
        ),
        "In option 1 only step 1 reads s_0: the later ones are in delta_1 already.": (
            _of_projected("every")
        ),
        "dW_0 is turned round: it has the shape of W_0, (H, M).": (
            _of_projected("dW turned")
        ),
        "W_0 was multiplied by h_S, so h_S is the second factor of dW_0, not s_0.": (
            _of_projected("outer s_0")
        ),
        "`h_S *= …` writes into the caller's vector: make a new array.": (
            _projected_in_place
        ),
        "The answer is float64 though the arguments are float32: let numpy keep the "
        "type.": lambda *a: _projected(*(v.astype(float) for v in a)),
    },
    also_right=(_projected_by_rows,),
)
