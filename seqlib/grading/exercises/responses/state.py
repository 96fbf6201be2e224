"""A linear NARX written as a state-space model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

from .impulse import stable

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
        return Case(aspect, (b, stable(rng, L)), note)

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
