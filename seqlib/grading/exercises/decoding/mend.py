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
    gaps: list[float] | None = None,
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
        best = np.argsort(-total, kind="stable")[: width + 1]
        if gaps is not None:
            top = total[best][total[best] > -np.inf]
            gaps.append(float(np.diff(top).max(initial=-np.inf)))
        best = best[:width]
        parent, token = best // V, best % V
        tokens = np.column_stack([tokens[parent], token])
        before = last[parent] if parents == "right" else np.resize(last, len(best))
        last, scores = token, total[best]
        ended = ended[parent] | (token == eos)
    return tokens[0], float(scores[0])


_FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "forgotten": {"parents": "forgotten"},
    "open": {"ends": "open"},
    "paid": {"ends": "paid"},
    "dropped": {"ends": "dropped"},
    "both": {"parents": "forgotten", "ends": "open"},
}


def _found(case: Case, name: str) -> str:
    """Say what the search finds with a fault."""
    tokens, score = _search(*case.args, **_FAULTS[name])
    return f"{tokens} {score:.9f}"


def _clear(case: Case) -> bool:
    """Say whether no two of the candidates that matter are equally probable."""
    gaps: list[float] = []
    _search(*case.args, gaps=gaps)
    return max(gaps) < -1e-9


def _cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, V: int, width: int, T: int, note: str = "") -> Case:
        log_p, eos = table(rng, V, V), int(rng.integers(V))
        if aspect == "memory":  # long sequences have more to remember
            log_p[:, :, eos] += np.log(0.2)
            log_p -= np.log(np.exp(log_p).sum(axis=-1, keepdims=True))
        return Case(aspect, (log_p, eos, width, T), note)

    def telling(names: str, aspect: str, V: int, width: int, T: int) -> Case:
        """Draw until these show, each in its own way, and one answer alone is right."""
        while True:
            drawn = case(aspect, V, width, T)
            seen: set[str] = set()
            for n, name in enumerate(["none", *names.split()]):
                seen.add(_found(drawn, name))
                if len(seen) == n:
                    break  # it looks like one of those before
            else:
                if _clear(drawn) and "inf" not in _found(drawn, "dropped"):
                    return drawn  # and who drops what has ended has something left

    ways: set[tuple[str, ...]] = set()
    while len(ways) < len(_FAULTS):  # until all show, each in its own way
        drawn = [
            telling("forgotten", "memory", 4, 3, 5),
            telling("forgotten", "memory", 5, 3, 6),
            telling("paid dropped open", "the end", 4, 2, 6),
            telling("paid dropped open", "the end", 4, 3, 6),
        ]
        ways = {tuple(_found(c, name) for c in drawn) for name in _FAULTS}
    yield from drawn
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
