"""The decoder of option 1, with a teacher.

A single sentence, so that all is vectors: H units, E numbers a word, K words.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states

# 12-3 --------------------------------------------------------------------------------


def decode_once(
    y: Array,
    h_S: Array,
    e: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    V: Array,
    c: Array,
) -> Array:
    """Return the logits (T, K) of option 1, fed with y (T,): <sos> y_1 … y_{T-1}.

    h_S (H,), e (K, E) the embeddings, W_ih (H, E), W_hh (H, H), b (H,), V (K, H)
    and c (K,)
    """
    return _teach(y, h_S, e, W_ih, W_hh, b, V, c)


def _teach(
    y: Array,
    h_S: Array,
    e: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    V: Array,
    c: Array,
    *,
    start: bool = True,
    late: bool = False,
    squash: bool = True,
    fault: str = "",
) -> Array:
    s = h_S if start else np.zeros_like(h_S)
    U = W_hh.T if fault == "turned" else W_hh
    rows, own = [], y[0]
    for t, word in enumerate(y):
        if fault == "own words" and t:
            word = own
        if fault == "not fed":
            word = y[0]
        z = W_ih @ e[word] + U @ s + (0 if fault == "no bias" else b)
        if fault == "option 2":
            z = z + h_S
        new = np.tanh(z) if squash else z
        rows.append(V @ (s if late else new) + (0 if fault == "no c" else c))
        own = (rows[-1] + 0).argmax()
        s = h_S if fault == "forgets" else new
    answer = np.array(rows)
    if fault == "softmax":
        p = np.exp(answer - answer.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)
    return answer


def network(rng: Rng, E: int, H: int, K: int) -> tuple[Array, ...]:
    """Draw e, W_ih, W_hh, b, V and c."""
    bias = rng.choice([-1, 1], H) * rng.uniform(0.3, 0.9, H)
    e, W_ih = rng.normal(size=(K, E)), rng.normal(size=(H, E)) / np.sqrt(E)
    return e, W_ih, matrix(rng, H), bias, rng.normal(size=(K, H)), rng.normal(size=K)


def _once_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, E: int, H: int, K: int) -> Case:
        while True:
            args = states(rng, H), *network(rng, E, H, K)
            y = np.r_[0, rng.integers(1, K, T - 1)]
            said = _teach(y, *args).argmax(axis=1)[:-1]  # what it would have fed itself
            if T == 1 or (said != y[1:]).any():
                break
        dtype = "float32" if aspect == FLOAT32 else "float64"
        return Case(aspect, (y, *(a.astype(dtype) for a in args)))

    yield case("values", *sizes(rng, 4, 2, 3, 5))
    yield case("values", *sizes(rng, 5, 3, 4, 6))
    yield case("one word", 1, 3, 4, 5)
    yield case(FLOAT32, *sizes(rng, 4, 2, 3, 5))


def _once_in_place(
    y: Array,
    h_S: Array,
    e: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    V: Array,
    c: Array,
) -> Array:
    answer, s = [], h_S
    for word in y:
        s[:] = np.tanh(W_ih @ e[word] + W_hh @ s + b)
        answer.append(V @ s + c)
    return np.array(answer)


def _once_in_blocks(
    y: Array,
    h_S: Array,
    e: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    V: Array,
    c: Array,
) -> Array:
    """Take all products that need no state before the loop, and all after it."""
    inputs, all_states = e[y] @ W_ih.T + b, [h_S]
    for z in inputs:
        all_states.append(np.tanh(z + all_states[-1] @ W_hh.T))
    return np.stack(all_states[1:]) @ V.T + c


DECODE = Exercise(
    id="12-3",
    title="Option 1, with a teacher",
    marks={"values": 3, "one word": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("logits",),
    reference=decode_once,
    cases=_once_cases,
    mistakes={
        "The decoder starts from zeros: it has not heard a word of the source. Start "
        "from h_S.": lambda *a: _teach(*a, start=False),
        "The logits come from the state before the step; use the new one.": (
            lambda *a: _teach(*a, late=True)
        ),
        "The squashing is missing: s = tanh(…).": lambda *a: _teach(*a, squash=False),
        "The decoder is fed with its own likeliest words. Asked is the teacher's "
        "word, y[t].": lambda *a: _teach(*a, fault="own words"),
        "The same word is fed at every step: take y[t].": (
            lambda *a: _teach(*a, fault="not fed")
        ),
        "Every step starts from h_S again; carry the state on.": (
            lambda *a: _teach(*a, fault="forgets")
        ),
        "The context enters at every step: that is option 2.": (
            lambda *a: _teach(*a, fault="option 2")
        ),
        "The bias b is missing.": lambda *a: _teach(*a, fault="no bias"),
        "The bias of the output, c, is missing.": lambda *a: _teach(*a, fault="no c"),
        "W_hh is turned round: the state enters as W_hh @ s.": (
            lambda *a: _teach(*a, fault="turned")
        ),
        "These are probabilities; asked are the logits, before the softmax.": (
            lambda *a: _teach(*a, fault="softmax")
        ),
        "`s[:] = …` writes into the caller's h_S: make a new array.": _once_in_place,
        "The answer is float64 though the arguments are float32: let numpy keep the "
        "type.": lambda y, *a: _teach(y, *(v.astype(float) for v in a)),
    },
    also_right=(_once_in_blocks,),
)
