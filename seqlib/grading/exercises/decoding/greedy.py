"""Greedy decoding, and a trap for it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

from .scores import table

# 13-3 --------------------------------------------------------------------------------


def greedy(log_p: Array, first: int, eos: int, max_len: int) -> Array:
    """Return the tokens (T,) of the greedy sequence: with its eos, max_len at most."""
    return _greedy(log_p, first, eos, max_len)


def _greedy(
    log_p: Array,
    first: int,
    eos: int,
    max_len: int,
    *,
    best: str = "argmax",
    stop: bool = True,
    end: bool = True,
    stay: bool = False,
) -> Array:
    token = first
    tokens: list[int] = []
    while len(tokens) < max_len:
        row = log_p[first if stay else token]
        token = int(row.argmax() if best == "argmax" else row.argmin())
        if token == eos and stop:
            tokens += [token] * end
            break
        tokens.append(token)
    return np.array(tokens, int)


def _greedy_cases(rng: Rng) -> Iterator[Case]:
    def chain(V: int, steps: int, stops: bool) -> tuple[Array, int, int]:
        """Draw a table whose greedy way has so many words, then the end or a circle."""
        log_p, way = table(rng, V), [int(v) for v in rng.permutation(V)[: steps + 2]]
        for a, b in pairwise(way):
            log_p[a, b] = log_p[a].max() + 0.1
        if not stops:
            log_p[way[-2], way[1]] = log_p[way[-2]].max() + 0.1
        log_p[way[-1], way[1]] = log_p[way[-1]].max() + 0.1
        log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
        return log_p, way[0], way[-1]

    for V, steps in ((7, 3), (9, 5)):
        yield Case("values", (*chain(V, steps, True), steps + 4))
    yield Case("never ends", (*chain(7, 4, False), 11), "greedy goes round in circles")
    yield Case("one step", (*chain(6, 3, True), 1), "max_len is 1")
    yield Case("one step", (*chain(5, 0, True), 4), "the end comes first")


def _greedy_by_next(log_p: Array, first: int, eos: int, max_len: int) -> list[int]:
    follows, tokens = log_p.argmax(axis=1), [first]
    for _ in range(max_len):
        tokens.append(int(follows[tokens[-1]]))
        if tokens[-1] == eos:
            break
    return tokens[1:]


GREEDY = Exercise(
    id="13-3",
    title="Greedy",
    marks={"values": 2, "never ends": 1, "one step": 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("tokens",),
    reference=greedy,
    cases=_greedy_cases,
    mistakes={
        "argmin takes the least likely token; log P is to be large.": (
            lambda *a: _greedy(*a, best="argmin")
        ),
        "Nothing comes after eos: stop there.": lambda *a: _greedy(*a, stop=False),
        "The eos belongs to the sequence: append it, then stop.": (
            lambda *a: _greedy(*a, end=False)
        ),
        "The same row is asked at every step; each token is to follow the one "
        "before it.": lambda *a: _greedy(*a, stay=True),
        "The sequence begins with what follows `first`; `first` is not part of it.": (
            lambda log_p, first, *a: np.append(first, _greedy(log_p, first, *a))
        ),
        "Rows and columns are exchanged: log_p[a] has what may follow a.": (
            lambda log_p, *a: _greedy(log_p.T, *a)
        ),
        "max_len counts all tokens; here there is one more.": (
            lambda log_p, first, eos, n: _greedy(log_p, first, eos, n + 1)
        ),
    },
    also_right=(_greedy_by_next,),
)

# 13-8 --------------------------------------------------------------------------------

LONGEST = 4


def trap(factor: float) -> Array:
    """Return P (4, 4) in which greedy's sequence is `factor` times too improbable."""
    return _trap(0.01)


def _trap(less: float) -> Array:
    """Let greedy go to 1, on between 1 and 2 for ever, and the best be 3, then end."""
    crowd = [0.25 - less, 0.25 + 2 * less, 0.25, 0.25 - less]
    start = [0.02, 0.49 + less / 2, 0.0, 0.49 - less / 2]
    return np.array([start, crowd, crowd, [1.0, 0.0, 0.0, 0.0]])


def judged(P: Array, factor: float) -> Array:
    """Say of a table: rows sum to 1, none below 0, and what greedy loses, 0 to 3."""
    P = np.asarray(P, float)
    if P.shape != (4, 4) or not np.isfinite(P).all():
        return np.array([0.0, 0.0, -1.0])
    fine = float(np.abs(P.sum(axis=1) - 1).max() < 1e-6), float(P.min() >= 0)
    if not all(fine):
        return np.array([*fine, -1.0])
    chances = {}
    for n in range(1, LONGEST + 1):
        for y in product(range(4), repeat=n):
            if 0 not in y[:-1] and (y[-1] == 0 or n == LONGEST):
                chances[y] = np.prod([P[a, b] for a, b in pairwise((0, *y))])
    token, walked, n = 0, 1.0, 0
    while n < LONGEST and (n == 0 or token):
        walked, token, n = walked * P[token].max(), int(P[token].argmax()), n + 1
    ratio = max(chances.values()) / walked
    lost = 3.0 if ratio >= factor else 2.0 if ratio > 1 + 1e-9 else 1.0
    return np.array([*fine, lost])


def _trap_cases(rng: Rng) -> Iterator[Case]:
    asked = {"twice": 2.0, "ten times": 9.0, "25 times": 23.0}
    for aspect, least in asked.items():
        factor = float(least * rng.uniform(1, 1.2))

        def table_and_trap(P: Array, factor: float = factor) -> Array:
            return judged(P, factor)

        yield Case(aspect, (factor,), view=table_and_trap)


_MILD = np.array(
    [[0.0, 0.55, 0.0, 0.45], [0.6, 0.4, 0, 0], [1.0, 0, 0, 0], [1.0, 0, 0, 0]]
)


TRAP = Exercise(
    id="13-8",
    title="Invent it: a trap for greedy",
    marks={"twice": 1, "ten times": 1, "25 times": 2},
    difficulty=3,
    importance=2,
    minutes=25,
    returns=("P",),
    reference=trap,
    cases=_trap_cases,
    mistakes={
        "Every row must sum to 1; here it is something else.": (
            lambda factor: trap(factor) / 2
        ),
        "These are logarithms, and the table is to hold probabilities: none is below "
        "0.": lambda factor: np.log(trap(factor) + 1e-9),
        "Greedy finds the best here. Its first word must lead into a crowd: many ways "
        "on, all of them weak.": lambda factor: np.eye(4)[[1, 0, 0, 0]],
        "Greedy loses, but by less than is asked for: let the crowd behind its first "
        "word go on for longer.": lambda factor: _MILD,
    },
    also_right=(lambda factor: _trap(0.001), lambda factor: _trap(0.003).tolist()),
)
