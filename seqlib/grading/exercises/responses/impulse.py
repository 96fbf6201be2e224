"""What a linear NARX makes of an impulse, day by day."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 4-3 ---------------------------------------------------------------------------------


def respond(b: Array, a: Array, T: int) -> Array:
    """Return the impulse response r_0 to r_{T-1} of a linear NARX(K, L)."""
    return _respond(b, a, T)


def _respond(
    b: Array,
    a: Array,
    T: int,
    late: int = 1,
    sign: float = 1.0,
    held: bool = False,
) -> Array:
    """Go day by day; the options are the mistakes that one can make."""
    r = np.zeros(T, np.result_type(b, a))
    for n in range(T):
        if n < len(b):
            r[n] = b[n]
        elif held:
            r[n] = b[-1]
        for i in range(len(a)):
            if n - i - late >= 0:
                r[n] += sign * a[i] * r[n - i - late]
    return r


def stable(rng: Rng, L: int) -> Array:
    """Draw a_1 to a_L of both signs, so that the response neither ends nor explodes."""
    poles = rng.uniform(0.5, 0.95, L) * rng.choice([-1, 1], L)
    return -np.atleast_1d(np.poly(poles))[1:]


def _respond_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, K: int, L: int, T: int, note: str = "") -> Case:
        b = rng.uniform(0.5, 1.5, K + 1) * rng.choice([-1, 1], K + 1)
        return Case(aspect, (b, stable(rng, L), T), note)

    yield case("values", 2, 2, 9)
    yield case("values", 1, 3, 12)
    yield case("one of each", 0, 1, 6, "K = 0, L = 1")
    yield case("short", 3, 3, 2, "fewer days than weights")
    yield case("no feedback", 2, 0, 6, "L = 0")


def _respond_without(b: Array, a: Array, T: int) -> Array:
    return _respond(b, 0 * a, T)


def _respond_inputs_of_first_day(b: Array, a: Array, T: int) -> Array:
    return _respond(b[:1], a, T)


def _respond_to_step(b: Array, a: Array, T: int) -> Array:
    return np.cumsum(respond(b, a, T))


def _respond_turned(b: Array, a: Array, T: int) -> Array:
    return respond(b, a[::-1], T)


def _respond_in_place(b: Array, a: Array, T: int) -> Array:
    r = respond(b, a, T)
    n = min(T, len(b))
    b[:n] = r[:n]
    return r


def _respond_by_matrix(b: Array, a: Array, T: int) -> Array:
    """Solve (I - A) r = B e_0 with A and B as bands."""
    A = sum((a[i] * np.eye(T, k=-i - 1) for i in range(len(a))), np.zeros((T, T)))
    right = np.zeros(T)
    right[: len(b)] = b[:T]
    return np.linalg.solve(np.eye(T) - A, right)


def _respond_by_division(b: Array, a: Array, T: int) -> Array:
    """Divide the polynomial b by 1 - a, as on paper."""
    rest = np.concatenate([b, np.zeros(T + len(a))])
    r = []
    for n in range(T):
        r.append(rest[n])
        rest[n + 1 : n + 1 + len(a)] += rest[n] * np.asarray(a)
    return np.array(r)


RESPOND = Exercise(
    id="4-3",
    title="What becomes of one day",
    marks={"values": 2, "one of each": 1, "short": 1, "no feedback": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("r",),
    reference=respond,
    cases=_respond_cases,
    mistakes={
        "The outputs that come back are missing: add a[l - 1] * r[n - l] for each l "
        "from 1 to L.": _respond_without,
        "After day 0 the impulse is still in the window of inputs: on day n it meets "
        "b[n], as long as n is at most K.": _respond_inputs_of_first_day,
        "After day K the impulse has left the window: then nothing comes from b.": (
            lambda b, a, T: _respond(b, a, T, held=True)
        ),
        "The weights of the outputs stand the wrong way round: a[0] belongs to the "
        "output of the day before.": _respond_turned,
        "The outputs come back a day late: a[0] meets r[n - 1], not r[n - 2].": (
            lambda b, a, T: _respond(b, a, T, late=2)
        ),
        "The sign of the outputs is turned. In the chapter they are added; in "
        "scipy's `lfilter` they stand on the other side.": (
            lambda b, a, T: _respond(b, a, T, sign=-1.0)
        ),
        "This is the response to a 1 on every day; an impulse is 1 on day 0 alone.": (
            _respond_to_step
        ),
        "T numbers are asked for, r_0 to r_{T-1}; here there is one more.": (
            lambda b, a, T: respond(b, a, T + 1)
        ),
        "r_0 is left out: on day 0 the impulse is in the window already.": (
            lambda b, a, T: respond(b, a, T + 1)[1:]
        ),
        "r shares its memory with the caller's b; fill an array of your own.": (
            _respond_in_place
        ),
    },
    also_right=(_respond_by_matrix, _respond_by_division),
)
