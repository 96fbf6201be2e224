"""The decoder of option 2 on its own words, broken and mended: one sentence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, states

from .decoders import network

Weights = dict[str, Array]
NAMES = "e", "W_e", "W_c", "W_hh", "b", "V"

# 12-5 --------------------------------------------------------------------------------


def interpret(h_S: Array, p: Weights, eos: int, max_len: int) -> tuple[Array, float]:
    """Return the words that option 2 says, greedily, and their log-probability.

    p has the arrays e (K, E), W_e (H, E), W_c and W_hh (H, H), b (H,) and V (K, H).

    Word 0 is <sos>. It stops after <eos>, which it returns, or after max_len words.
    """
    return _interpret(h_S, p, eos, max_len)


def _interpret(
    h_S: Array,
    p: Weights,
    eos: int,
    max_len: int,
    *,
    feeds: bool = True,
    every: bool = True,
    stops: bool = True,
    start: bool = True,
    raw: bool = False,
    best: bool = True,
) -> tuple[Array, float]:
    e, W_e, W_c, W_hh, b, V = (p[name] for name in NAMES)
    s, word, words, score = (h_S if start else 0 * h_S), 0, [], 0.0
    for t in range(max_len):
        c = W_c @ h_S if every or t == 0 else 0
        s = np.tanh(W_e @ e[word] + c + W_hh @ s + b)
        z = V @ s
        log_p = z - z.max() - np.log(np.exp(z - z.max()).sum())
        said = int(log_p.argmax() if best else log_p.argmin())
        score += float(z[said] if raw else log_p[said])
        words.append(said)
        word = said if feeds else 0
        if stops and said == eos:
            break
    return np.array(words), score


def _interpret_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, H: int, E: int, K: int, end: int, max_len: int) -> Case:
        while True:
            e, W_e, W_hh, b, V, _ = network(rng, E, H, K)
            arrays = e, 2 * W_e, matrix(rng, H), W_hh, b, 2 * V
            args = states(rng, H), dict(zip(NAMES, arrays, strict=True))
            said, _ = _interpret(*args, -1, max_len)
            eos = int(said[end]) if end < max_len else K
            if 0 not in said and np.argmax(said == eos) == end % max_len:
                return Case(aspect, (*args, eos, max_len))

    yield case("values", 5, 3, 8, 3, 9)
    yield case("values", 6, 4, 9, 2, 7)
    yield case("one word", 4, 3, 6, 0, 5)
    yield case("no <eos>", 5, 3, 8, 6, 6)


def _no_eos(*args: object) -> tuple[Array, float]:
    words, score = interpret(*args)  # type: ignore[arg-type]
    eos = args[2]
    return (words[:-1] if words[-1] == eos else words), score


def _interpret_by_pieces(
    h_S: Array,
    p: Weights,
    eos: int,
    max_len: int,
) -> tuple[list[int], float]:
    """Use that the context is a bias, which the source has chosen."""
    inputs = p["e"] @ p["W_e"].T + (p["W_c"] @ h_S + p["b"])
    s, words, score = h_S, [0], 0.0
    while len(words) <= max_len and (len(words) == 1 or words[-1] != eos):
        s = np.tanh(inputs[words[-1]] + p["W_hh"] @ s)
        P = np.exp(p["V"] @ s) / np.exp(p["V"] @ s).sum()
        words.append(int(P.argmax()))
        score += float(np.log(P.max()))
    return words[1:], score


MEND = Exercise(
    id="12-5",
    title="Mend it: an interpreter who does not listen",
    marks={"values": 3, "one word": 1, "no <eos>": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("words", "log_p"),
    reference=interpret,
    cases=_interpret_cases,
    mistakes={
        "All three faults are still there: it does not hear its own words, it forgets "
        "the source after one step, and it does not stop.": (
            lambda *a: _interpret(*a, feeds=False, every=False, stops=False)
        ),
        "Two faults are left: feed back the word that was said, and give the context "
        "at every step.": lambda *a: _interpret(*a, feeds=False, every=False),
        "Two faults are left: feed back the word that was said; stop after <eos>.": (
            lambda *a: _interpret(*a, feeds=False, stops=False)
        ),
        "Two faults are left: give the context at every step, and stop after <eos>.": (
            lambda *a: _interpret(*a, every=False, stops=False)
        ),
        "One fault is left: the word that was said is not fed back.": (
            lambda *a: _interpret(*a, feeds=False)
        ),
        "One fault is left: the context enters at the first step only.": (
            lambda *a: _interpret(*a, every=False)
        ),
        "One fault is left: it goes on talking after <eos>.": (
            lambda *a: _interpret(*a, stops=False)
        ),
        "<eos> is missing from the answer: it is a word like any other.": _no_eos,
        "The first state is h_S, not zeros.": lambda *a: _interpret(*a, start=False),
        "The score adds logits; log-probabilities are asked for, behind a softmax.": (
            lambda *a: _interpret(*a, raw=True)
        ),
    },
    also_right=(_interpret_by_pieces,),
)
