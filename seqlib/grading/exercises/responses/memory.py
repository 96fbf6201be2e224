"""How long a linear NARX remembers: its largest pole."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 4-5 ---------------------------------------------------------------------------------


def memory(a: Array, share: float) -> int:
    """Return the first n with |p|^n <= share, p the largest pole; -1 if it never is."""
    return _memory(_largest(a), share)


def _largest(a: Array) -> float:
    return float(np.abs(np.roots([1.0, *(-np.asarray(a, float))])).max())


def _memory(
    size: float, share: float, whole: Callable[[float], float] = np.ceil
) -> int:
    if size >= 1:
        return -1
    return int(whole(np.log(share) / np.log(size)))


def _memory_cases(rng: Rng) -> Iterator[Case]:
    def share(size: float) -> float:
        """Choose a share well between two powers, whatever the rounding."""
        return float(size ** (rng.integers(4, 30) + rng.uniform(0.3, 0.7)))

    def case(aspect: str, poles: Array, note: str = "") -> Case:
        size = float(np.abs(poles).max())
        a = -np.poly(poles).real[1:]
        level = share(size) if size < 1 else float(rng.uniform(0.05, 0.5))
        return Case(aspect, (a, level), note)

    yield case("one output", np.array([rng.uniform(0.6, 0.97)]))
    yield case("one output", -np.array([rng.uniform(0.6, 0.97)]), "a pole below zero")
    large = rng.uniform(0.85, 0.95)
    yield case("several", np.array([large, -0.7 * large, 0.4]))
    yield case("several", np.array([-large, 0.6 * large]), "a pole below zero")
    turn = np.exp(1j * rng.uniform(0.5, 1.0))
    yield case("several", large * np.array([turn, turn.conj()]), "complex poles")
    yield case("never", np.array([rng.uniform(1.05, 1.2), 0.5]), "a growing response")


def _memory_first_weight(a: Array, share: float) -> int:
    return _memory(abs(float(a[0])), share)


def _memory_signed(a: Array, share: float) -> int:
    p = np.roots([1.0, *-np.asarray(a, float)])
    return _memory(float(p.real.max()), share)


def _memory_without_never(a: Array, share: float) -> int:
    return int(np.ceil(np.log(share) / np.log(_largest(a))))


def _memory_smallest(a: Array, share: float) -> int:
    p = np.abs(np.roots([1.0, *-np.asarray(a, float)]))
    return -1 if p.max() >= 1 else _memory(float(p.min()), share)


def _memory_polynomial(a: Array, share: float) -> int:
    p = np.abs(np.roots([1.0, *np.asarray(a, float)]))
    return _memory(float(p.max()), share)


def _memory_of_sum(a: Array, share: float) -> int:
    return _memory(abs(float(np.sum(a))), share)


def _memory_by_eigenvalues(a: Array, share: float) -> int:
    L = len(a)
    A = np.eye(L, k=-1)
    A[0] = a
    size, n = np.abs(np.linalg.eigvals(A)).max(), 0
    if size >= 1:
        return -1
    while size**n > share:
        n += 1
    return n


MEMORY = Exercise(
    id="4-5",
    title="How long does it remember?",
    marks={"one output": 1, "several": 2, "never": 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("days",),
    reference=memory,
    cases=_memory_cases,
    mistakes={
        "With several outputs coming back it is not a[0] that decides but the largest "
        "pole, a root of z^L - a_1 z^(L-1) - … - a_L.": _memory_first_weight,
        "The size of a pole counts, |p|: it may be negative or complex.": (
            _memory_signed
        ),
        "The slowest part of the response decides: take the largest pole, not the "
        "smallest.": _memory_smallest,
        "The signs in the polynomial: a stands on the other side of the equation, so "
        "np.roots wants 1, -a_1, …, -a_L.": _memory_polynomial,
        "The weights do not add up to a pole; find the roots of the polynomial.": (
            _memory_of_sum
        ),
        "The number of days is rounded down; on that day the response is still above "
        "the share.": lambda a, share: _memory(_largest(a), share, np.floor),
        "One day too many: the first day with |p|^n at or below the share is asked "
        "for.": lambda a, share: _memory(_largest(a), share, lambda n: np.ceil(n) + 1),
        "With a pole of size 1 or more the response never fades: return -1.": (
            _memory_without_never
        ),
        "The two logarithms are exchanged: divide that of the share by that of the "
        "pole.": lambda a, share: (
            -1
            if _largest(a) >= 1
            else int(np.ceil(np.log(_largest(a)) / np.log(share)))
        ),
    },
    also_right=(_memory_by_eigenvalues,),
)
