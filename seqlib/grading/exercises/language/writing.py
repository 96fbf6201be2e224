"""A text, drawn word by word."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

from .chances import rows

# 11-6 --------------------------------------------------------------------------------


def write(P: Array, u: Array) -> Array:
    """Return a text drawn with the numbers u: tokens until 0, which ends it."""
    return _write(P, u)


def _write(
    P: Array,
    u: Array,
    *,
    feed: bool = True,
    stop: bool = True,
    keep_end: bool = True,
    pick: str = "draw",
    first: int = 0,
) -> Array:
    said, token = [], first
    for x in u:
        row = P[token] if feed else P[first]
        if pick == "draw":
            new = int((np.cumsum(row) <= x).sum())
        elif pick == "likeliest":
            new = int(row.argmax())
        else:  # the first whose own probability exceeds x
            new = int((row > x).argmax())
        token = min(new, len(P) - 1)
        if token or not stop or keep_end:
            said.append(token)
        if not token and stop:
            break
    return np.array(said, dtype=np.int64)


def _write_cases(rng: Rng) -> Iterator[Case]:
    def table(V: int, ends: float) -> Array:
        P = rows(rng, V) ** 2
        P[:, 0] = 0
        P = (1 - ends) * P / P.sum(axis=1, keepdims=True)
        P[:, 0] = ends
        return P

    def numbers(P: Array, length: int, N: int) -> Array:
        """Draw numbers with which the text ends after so many words, or never."""
        u = rng.uniform(P[0, 0] + 0.01, 0.99, N)
        u[length:] = rng.uniform(0, 0.99, max(N - length, 0))
        if length < N:
            u[length] = P[0, 0] / 2
        return u

    for V, length in ((5, 6), (7, 9)):
        P = table(V, 0.15)
        yield Case("values", (P, numbers(P, length, 20)), "it ends early")
    P = table(6, 0.1)
    yield Case("never ends", (P, numbers(P, 12, 12)), "the numbers run out")
    P = table(4, 0.3)
    yield Case("empty text", (P, numbers(P, 0, 5)), "it ends at once")


def _write_by_search(P: Array, u: Array) -> Array:
    F, said = np.cumsum(P, axis=1), [0]
    for x in u:
        said.append(int(np.searchsorted(F[said[-1]], x, side="right")))
        if said[-1] == 0:
            break
    return np.array(said[1:])


WRITE = Exercise(
    id="11-6",
    title="Mend it: a writer who never finishes",
    marks={"values": 3, "never ends": 1, "empty text": 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("ids",),
    reference=write,
    cases=_write_cases,
    mistakes={
        "Both faults are still there: what was drawn is not read, and the text goes on "
        "after its end.": lambda P, u: _write(P, u, feed=False, stop=False),
        "Each token is drawn as if it were the first: what was drawn is read next, so "
        "take the row of the last token.": lambda P, u: _write(P, u, feed=False),
        "The text goes on after its end: token 0 ends it.": (
            lambda P, u: _write(P, u, stop=False)
        ),
        "The end belongs to the text: return the 0 too.": (
            lambda P, u: _write(P, u, keep_end=False)
        ),
        "This takes the likeliest token and never looks at u: draw.": (
            lambda P, u: _write(P, u, pick="likeliest")
        ),
        "Compare u with the running sum of the probabilities, not with each of "
        "them.": lambda P, u: _write(P, u, pick="own"),
        "The text begins after token 0, not after token 1.": (
            lambda P, u: _write(P, u, first=1)
        ),
        "Rows and columns are exchanged: row a of P says what comes after a.": (
            lambda P, u: _write(P.T / P.T.sum(axis=1, keepdims=True), u)
        ),
    },
    also_right=(_write_by_search,),
)
