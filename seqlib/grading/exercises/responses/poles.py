"""What a linear network makes of an impulse: day by day, by poles, and as a state."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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


def _stable(rng: Rng, L: int) -> Array:
    """Draw a_1 to a_L of both signs, so that the response neither ends nor explodes."""
    poles = rng.uniform(0.5, 0.95, L) * rng.choice([-1, 1], L)
    return -np.atleast_1d(np.poly(poles))[1:]


def _respond_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, K: int, L: int, T: int, note: str = "") -> Case:
        b = rng.uniform(0.5, 1.5, K + 1) * rng.choice([-1, 1], K + 1)
        return Case(aspect, (b, _stable(rng, L), T), note)

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

# 4-6 ---------------------------------------------------------------------------------


def as_state_space(b: Array, a: Array) -> tuple[Array, Array, Array]:
    """Return A, B, C of the state (y_t, ..., y_{t-L+1}, x_t, ..., x_{t-K+1})."""
    K, L = len(b) - 1, len(a)
    A, B, C = np.zeros((L + K, L + K)), np.zeros((L + K, 1)), np.zeros((1, L + K))
    A[0, :L], A[0, L:] = a, b[1:]
    for i in range(1, L):
        A[i, i - 1] = 1
    for i in range(L + 1, L + K):
        A[i, i - 1] = 1
    B[0, 0] = b[0]
    if K:
        B[L, 0] = 1
    C[0, 0] = 1
    return A, B, C


def _state_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, K: int, L: int, note: str = "") -> Case:
        b = rng.uniform(0.5, 1.5, K + 1) * rng.choice([-1, 1], K + 1)
        return Case(aspect, (b, _stable(rng, L)), note)

    yield case("outputs alone", 0, 2, "K = 0")
    yield case("outputs alone", 0, 4, "K = 0")
    yield case("inputs too", 2, 2)
    yield case("inputs too", 3, 2)
    yield case("inputs too", 2, 4)
    yield case("sizes of 1", 0, 1, "K = 0, L = 1")
    yield case("sizes of 1", 1, 1, "K = 1, L = 1")


Matrices = tuple[Array, Array, Array]


def _state_changed(change: Callable[[Array, Array, Array, int], None]) -> Callable:
    """Return the right answer with one thing spoilt; `change` gets A, B, C and L."""

    def spoilt(b: Array, a: Array) -> Matrices:
        A, B, C = as_state_space(b, a)
        change(A, B, C, len(a))
        return A, B, C

    return spoilt


def _no_shift(A: Array, B: Array, C: Array, L: int) -> None:
    A[1:] = 0


def _leaky_shift(A: Array, B: Array, C: Array, L: int) -> None:
    """Let the shift run on from the oldest output into the inputs."""
    if len(A) > L:
        A[L, L - 1] = 1


def _no_new_input(A: Array, B: Array, C: Array, L: int) -> None:
    B[L:] = 0


def _output_not_fed(A: Array, B: Array, C: Array, L: int) -> None:
    A[0, :L] = 0


def _inputs_not_heard(A: Array, B: Array, C: Array, L: int) -> None:
    A[0, L:] = 0


def _reads_all(A: Array, B: Array, C: Array, L: int) -> None:
    C[:] = 1


def _shift_up(A: Array, B: Array, C: Array, L: int) -> None:
    first = A[0].copy()
    A[:] = A.T
    A[:, 0] = 0
    A[0, :] = first


def _state_turned(b: Array, a: Array) -> Matrices:
    return as_state_space(b, a[::-1])


def _state_b_shifted(b: Array, a: Array) -> Matrices:
    A, B, C = as_state_space(b, a)
    A[0, len(a) :] = b[:-1]
    return A, B, C


def _state_by_blocks(b: Array, a: Array) -> Matrices:
    K, L = len(b) - 1, len(a)
    shift = np.eye(L + K, k=-1)
    if K:
        shift[L] = 0
    shift[0] = np.concatenate([a, b[1:]])
    B = np.zeros(L + K)
    B[0] = b[0]
    B[L : L + 1] = 1
    return shift, B[:, None], np.eye(1, L + K)


def _state_by_trial(b: Array, a: Array) -> Matrices:
    """Run the delay lines on unit states: their columns are A and B."""
    K, L = len(b) - 1, len(a)

    def step(h: Array, x: float) -> Array:
        y = b[0] * x + h[:L] @ a + h[L:] @ b[1:]
        return np.concatenate([[y], h[: L - 1], [x] * bool(K), h[L : L + K - 1][:K]])[
            : L + K
        ]

    nothing = np.zeros(L + K)
    columns = [step(unit, 0.0) for unit in np.eye(L + K)]
    return np.array(columns).T, step(nothing, 1.0)[:, None], np.eye(1, L + K)


STATE = Exercise(
    id="4-6",
    title="Derive: the same network as a state",
    marks={"outputs alone": 2, "inputs too": 2, "sizes of 1": 1},
    difficulty=3,
    importance=2,
    minutes=30,
    returns=("A", "B", "C"),
    reference=as_state_space,
    cases=_state_cases,
    mistakes={
        "The delay lines stand still: each row below the first must take over what "
        "stood one place above it.": _state_changed(_no_shift),
        "The oldest output slides into the place of the newest input. The two delay "
        "lines are separate; the first place of the inputs gets x_t, through B.": (
            _state_changed(_leaky_shift)
        ),
        "Nothing puts x_t into the delay line of the inputs: B needs a 1 there.": (
            _state_changed(_no_new_input)
        ),
        "The outputs do not come back: the first row of A begins with a.": (
            _state_changed(_output_not_fed)
        ),
        "The earlier inputs are kept but not heard: the first row of A ends with b_1 "
        "to b_K.": _state_changed(_inputs_not_heard),
        "The output is the first entry of the state alone: C is 1, 0, …, 0.": (
            _state_changed(_reads_all)
        ),
        "The shift goes the wrong way: row i takes over from column i - 1.": (
            _state_changed(_shift_up)
        ),
        "a stands the wrong way round: y_{t-1} is the first entry of h_{t-1}, so a_1 "
        "comes first.": _state_turned,
        "The inputs in h_{t-1} begin with x_{t-1}, whose weight is b_1; b_0 belongs "
        "into B.": _state_b_shifted,
        "B and C are exchanged: B is a column, (L + K, 1), and C a row.": (
            lambda b, a: tuple(as_state_space(b, a)[i] for i in (0, 2, 1))
        ),
        "A is transposed: A h has in its first entry the first row of A times h.": (
            _state_changed(lambda A, B, C, L: np.copyto(A, A.T.copy()))
        ),
    },
    also_right=(_state_by_blocks, _state_by_trial),
)
