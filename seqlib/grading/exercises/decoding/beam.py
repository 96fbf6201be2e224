"""One step of a beam, and the whole search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

from .scores import table

# 13-4 --------------------------------------------------------------------------------


def beam_step(
    scores: Array, log_probs: Array, width: int
) -> tuple[Array, Array, Array]:
    """Return parent, token and score (width,) of the best candidates, best first."""
    total = (scores[:, None] + log_probs).ravel()
    best = np.argsort(-total, kind="stable")[:width]
    return best // log_probs.shape[1], best % log_probs.shape[1], total[best]


def _step_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, k: int, V: int, width: int, note: str = "") -> Case:
        scores = -rng.permutation(np.arange(1, k + 1)) * rng.uniform(0.2, 0.5)
        return Case(aspect, (scores, table(rng, V, k)[:, 0], width), note)

    yield case("values", 4, 6, 4)
    yield case("values", 5, 4, 5)
    yield case("values", 6, 9, 6)
    yield case("sizes of 1", 1, 7, 3, "the first step: one hypothesis")
    yield case("sizes of 1", 3, 5, 1, "a beam of 1")
    scores, log_probs, width = case("hopeless tokens", 3, 6, 3).args
    log_probs[:, 1] = -1e6
    log_probs[1, 2:] = -1e6
    yield Case("hopeless tokens", (scores, log_probs, width), "some have -1e6")


def _step_each(scores: Array, log_probs: Array, width: int) -> tuple:
    """Take the best token of each hypothesis."""
    token = log_probs.argmax(axis=1)
    total = scores + log_probs.max(axis=1)
    parent = np.argsort(-total)[:width]
    return parent, token[parent], total[parent]


def _step_exchanged(scores: Array, log_probs: Array, width: int) -> tuple:
    parent, token, total = beam_step(scores, log_probs, width)
    place = parent * log_probs.shape[1] + token
    return place % len(scores), place // len(scores), total


def _step_worst(scores: Array, log_probs: Array, width: int) -> tuple:
    total = (scores[:, None] + log_probs).ravel()
    best = np.argsort(total, kind="stable")[:width]
    return best // log_probs.shape[1], best % log_probs.shape[1], total[best]


def _step_sorted_in_lists(scores: Array, log_probs: Array, width: int) -> tuple:
    candidates = [
        (scores[i] + log_probs[i, v], -i, -v)
        for i in range(len(scores))
        for v in range(log_probs.shape[1])
    ]
    best = sorted(candidates, reverse=True)[:width]
    return [-i for _, i, _ in best], [-v for *_, v in best], [s for s, *_ in best]


STEP = Exercise(
    id="13-4",
    title="One step of a beam",
    marks={"values": 2, "sizes of 1": 1, "hopeless tokens": 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("parent", "token", "score"),
    reference=beam_step,
    cases=_step_cases,
    mistakes={
        "The scores of the hypotheses are forgotten: a candidate has its parent's "
        "score plus its own log P.": lambda s, *a: beam_step(0 * s, *a),
        "Each hypothesis has kept its own best token. All candidates compete, and one "
        "parent may have several children.": _step_each,
        "index // V is the parent and index % V the token; here the division is by "
        "the number of hypotheses.": _step_exchanged,
        "These are the worst candidates: argsort rises.": _step_worst,
        "The right candidates, the worst of them first: best first is asked for.": (
            lambda *a: tuple(v[::-1] for v in beam_step(*a))
        ),
        "Multiplied: probabilities are multiplied, their logarithms added.": (
            lambda s, log_probs, width: beam_step(
                0 * s, -np.abs(s[:, None] * log_probs), width
            )
        ),
        "parent and token are exchanged.": (
            lambda *a: tuple(beam_step(*a)[i] for i in (1, 0, 2))
        ),
        "The score returned is the last step's log P; the sum is asked for.": (
            lambda s, log_probs, width: (
                *(found := beam_step(s, log_probs, width)[:2]),
                log_probs[found],
            )
        ),
    },
    also_right=(_step_sorted_in_lists,),
)

# 13-7 --------------------------------------------------------------------------------


def beam_search(
    log_p: Array, first: int, eos: int, width: int, max_len: int
) -> tuple[Array, float]:
    """Return the best sequence (T,) that a beam finds, with its eos, and its score."""
    return _search(log_p, first, eos, width, max_len)


def _search(
    log_p: Array,
    first: int,
    eos: int,
    width: int,
    max_len: int,
    *,
    cut: bool = True,
    keep: bool = True,
    hasty: bool = False,
    all_ends: bool = False,
    divide: bool = False,
    narrow: bool = False,
) -> tuple[Array, float]:
    width, rows = 1 if narrow else width, log_p.tolist()
    running: list[tuple[list[int], float]] = [([], 0.0)]
    done: list[tuple[list[int], float]] = []
    for t in range(1, max_len + 1):
        candidates = [
            ([*y, v], s + p)
            for y, s in running
            for v, p in enumerate(rows[y[-1] if y else first])
        ]
        candidates.sort(key=lambda c: -c[1])
        pool = candidates if all_ends else candidates[:width]
        ends = [c for c in pool if c[0][-1] == eos or (cut and t == max_len)]
        done = [*done, *ends] if keep or t == max_len else done
        last = candidates[:1]
        running = [c for c in candidates if c[0][-1] != eos and t < max_len][:width]
        if (hasty and done) or not running:
            break
    done = done or last
    best = max(done, key=lambda c: c[1] / (len(c[0]) if divide else 1))
    return np.array(best[0], int), float(best[1])


_MISTAKES: dict[str, dict[str, Any]] = {
    "cut": {"cut": False},
    "hasty": {"hasty": True},
    "keep": {"keep": False},
    "all_ends": {"all_ends": True},
    "divide": {"divide": True},
    "narrow": {"narrow": True},
}


def _found(case: Case, name: str = "") -> str:
    """Say what the search finds, or what it finds with a mistake."""
    return str(_search(*case.args, **_MISTAKES.get(name, {}))[0])


def _clear(log_p: Array, first: int, eos: int, width: int, max_len: int) -> bool:
    """Say whether no two of the candidates that matter are equally probable."""
    last, scores = np.array([first]), np.zeros(1)
    for _ in range(max_len):
        _, token, total = beam_step(scores, log_p[last], 2 * width + 1)
        if (np.diff(total) > -1e-9).any():
            return False
        last, scores = token[token != eos][:width], total[token != eos][:width]
    return True


def _search_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, V: int, width: int, T: int, note: str = "") -> Case:
        log_p = table(rng, V, alpha=0.3 if T == 4 else 0.7)
        eos, first = (int(v) for v in rng.permutation(V)[:2])
        return Case(aspect, (log_p, first, eos, width, T), note)

    def telling(names: str, aspect: str, V: int, width: int, T: int) -> Case:
        """Draw until the first shows, not as the second, and one answer is right."""
        name, _, other = names.partition(", not ")
        while True:
            drawn = case(aspect, V, width, T)
            found = _found(drawn, name)
            if found == _found(drawn) or not _clear(*drawn.args):
                continue
            if not other or found != _found(drawn, other):
                return drawn

    ways: set[tuple[str, ...]] = set()
    while len(ways) <= len(_MISTAKES):  # until all show, each in its own way
        drawn = [
            telling("cut", "the end", 5, 3, 4),
            telling("hasty, not cut", "the end", 5, 3, 4),
            telling("keep, not narrow", "the end", 5, 2, 4),
            telling("all_ends", "the end", 5, 2, 6),
            telling("divide, not keep", "values", 5, 3, 6),
            telling("narrow, not divide", "values", 6, 3, 5),
        ]
        ways = {tuple(_found(c, name) for c in drawn) for name in ("", *_MISTAKES)}
    yield from drawn
    yield case("a beam of 1", 5, 1, 6, "this is greedy")
    yield case("one step", 6, 3, 1, "max_len is 1")


def _search_in_arrays(
    log_p: Array, first: int, eos: int, width: int, max_len: int
) -> tuple[list[int], float]:
    V = len(log_p)
    tokens, last, scores = np.zeros((1, 0), int), np.array([first]), np.zeros(1)
    best: tuple[list[int], float] = ([], -np.inf)
    for t in range(1, max_len + 1):
        total = (scores[:, None] + log_p[last]).ravel()
        order = np.argsort(-total)
        for place in order[:width]:
            if (place % V == eos or t == max_len) and total[place] > best[1]:
                best = ([*tokens[place // V].tolist(), int(place % V)], total[place])
        order = order[order % V != eos][:width]
        tokens = np.column_stack([tokens[order // V], order % V])
        last, scores = order % V, total[order]
    return best[0], float(best[1])


BEAM = Exercise(
    id="13-7",
    title="The whole search",
    marks={"values": 2, "the end": 3, "a beam of 1": 1, "one step": 1},
    difficulty=3,
    importance=3,
    minutes=35,
    returns=("tokens", "score"),
    reference=beam_search,
    cases=_search_cases,
    mistakes={
        "At max_len a sequence counts even if it has not ended.": (
            lambda *a: _search(*a, cut=False)
        ),
        "What has ended is forgotten: keep it, and compare it at the end.": (
            lambda *a: _search(*a, keep=False)
        ),
        "Stopped at the first end: what still runs may be better.": (
            lambda *a: _search(*a, hasty=True)
        ),
        "An end counts only if it is among the first `width` candidates of its step.": (
            lambda *a: _search(*a, all_ends=True)
        ),
        "The scores are divided by the length; here log P itself decides.": (
            lambda *a: _search(*a, divide=True)
        ),
        "This is greedy: the width plays no part.": (
            lambda *a: _search(*a, narrow=True)
        ),
        "Rows and columns are exchanged: log_p[a, b] is for b after a.": (
            lambda log_p, *a: _search(log_p.T, *a)
        ),
        "The score is a probability; log P is asked for.": (
            lambda *a: (_search(*a)[0], float(np.exp(_search(*a)[1])))
        ),
    },
    also_right=(_search_in_arrays,),
)
