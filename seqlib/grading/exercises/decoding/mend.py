"""A beam that forgets whose children its hypotheses are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

from .scores import table

# 13-5 --------------------------------------------------------------------------------


def search(log_p: Array, eos: int, width: int, max_len: int) -> tuple[Array, float]:
    """Return the best sequence (max_len,), filled up with eos, and its log P.

    log_p (V, V, V): log_p[a, b, c] = log P(c | a, b); all begins with eos, eos.
    """
    return _search(log_p, eos, width, max_len)


def _search(
    log_p: Array,
    eos: int,
    width: int,
    max_len: int,
    *,
    parents: str = "right",
    ends: str = "kept",
) -> tuple[Array, float]:
    V = len(log_p)
    tokens = np.zeros((1, 0), int)
    before, last, scores = np.array([eos]), np.array([eos]), np.zeros(1)
    ended = np.zeros(1, bool)
    for _ in range(max_len):
        log_probs = log_p[before, last].copy()
        if ends == "kept":
            log_probs[ended] = -np.inf
            log_probs[ended, eos] = 0
        elif ends == "paid":
            price = log_probs[ended, eos]
            log_probs[ended] = -np.inf
            log_probs[ended, eos] = price
        elif ends == "dropped":
            log_probs[ended] = -np.inf
        total = (scores[:, None] + log_probs).ravel()
        best = np.argsort(-total, kind="stable")[:width]
        parent, token = best // V, best % V
        tokens = np.column_stack([tokens[parent], token])
        before = last[parent] if parents == "right" else np.resize(last, len(best))
        last, scores = token, total[best]
        ended = ended[parent] | (token == eos)
    return tokens[0], float(scores[0])


_FAULTS: tuple[dict[str, Any], ...] = (
    {},
    {"parents": "forgotten"},
    {"ends": "open"},
    {"ends": "paid"},
    {"ends": "dropped"},
    {"parents": "forgotten", "ends": "open"},
)


def _cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, V: int, width: int, T: int, note: str = "") -> Case:
        return Case(aspect, (table(rng, V, V), int(rng.integers(V)), width, T), note)

    def telling(aspect: str, V: int, width: int, T: int) -> Case:
        """Draw until every fault shows, each in its own way."""
        while True:
            drawn = case(aspect, V, width, T)
            results = [_search(*drawn.args, **options) for options in _FAULTS]
            if len({f"{y} {s:.9f}" for y, s in results}) == len(_FAULTS):
                return drawn

    yield telling("memory", 4, 3, 5)
    yield telling("memory", 5, 3, 6)
    yield telling("the end", 4, 2, 6)
    yield telling("the end", 4, 3, 6)
    yield case("one step", 6, 3, 1)


def _in_lists(log_p: Array, eos: int, width: int, max_len: int) -> tuple:
    beam: list[tuple[float, list[int]]] = [(0.0, [])]
    for _ in range(max_len):
        new = []
        for s, y in beam:
            if y and y[-1] == eos:
                new.append((s, [*y, eos]))
                continue
            a, b = [eos, eos, *y][-2:]
            new += [(s + log_p[a, b, c], [*y, c]) for c in range(len(log_p))]
        beam = sorted(new, key=lambda h: -h[0])[:width]
    return beam[0][1], float(beam[0][0])


MEND = Exercise(
    id="13-5",
    title="Mend it: a beam that forgets its parents",
    marks={"memory": 2, "the end": 2, "one step": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=25,
    returns=("tokens", "score"),
    reference=search,
    cases=_cases,
    mistakes={
        "Both faults are still there: the memory is not reordered by parent, and who "
        "has ended goes on.": lambda *a: _search(*a, parents="forgotten", ends="open"),
        "One fault is left: a child remembers its parent's token, `last[parent]`.": (
            lambda *a: _search(*a, parents="forgotten")
        ),
        "One fault is left: after its eos a hypothesis may only be followed by eos, "
        "at no cost.": lambda *a: _search(*a, ends="open"),
        "Who has ended still pays: another eos must cost nothing, log P = 0.": (
            lambda *a: _search(*a, ends="paid")
        ),
        "Who has ended is thrown away: it must stay in the beam with its score.": (
            lambda *a: _search(*a, ends="dropped")
        ),
        "The score is a probability; log P is asked for.": (
            lambda *a: (_search(*a)[0], float(np.exp(_search(*a)[1])))
        ),
        "The whole beam is returned; asked is its best, in one row.": (
            lambda *a: (np.stack([_search(*a)[0]] * a[2]), _search(*a)[1])
        ),
    },
    also_right=(_in_lists,),
)
