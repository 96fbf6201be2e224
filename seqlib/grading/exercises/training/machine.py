"""A finite machine meets more brackets than it has states."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 7-10 --------------------------------------------------------------------------------


def catch(step: Array) -> tuple[int, int]:
    """Return the first (i, j), i < j, after which the machine's state is the same."""
    met, state = [0], 0
    while True:
        state = int(step[state, 0])
        if state in met:
            return met.index(state), len(met)
        met.append(state)


def _path(rng: Rng, k: int, i: int, j: int) -> Array:
    """Draw a machine of k states that goes j different ones, and back to number i."""
    order = np.concatenate([[0], 1 + rng.permutation(k - 1)])
    step = rng.integers(0, k, (k, 2))
    step[order[: j - 1], 0] = order[1:j]
    step[order[j - 1], 0] = order[i]
    return step


def _cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, k: int, i: int, j: int, note: str) -> Case:
        return Case(aspect, (_path(rng, k, i, j),), note)

    i = int(rng.integers(2, 5))
    j = i + int(rng.integers(3, 6))
    yield case("values", 20, i, j, "some states are never met")
    yield case("values", 15, 3, 8, "some states are never met")
    yield case("values", 12, 0, 5, "it comes back to where it began")
    yield case("stands still", 10, 4, 5, "it stays where it is")
    yield case("all states", 9, 2, 9, "every state is met")
    yield case("all states", 1, 0, 1, "one state")


def _changed(change: Callable[[int, int], tuple[int, int]]) -> Callable:
    def wrong(step: Array) -> tuple[int, int]:
        return change(*catch(step))

    return wrong


def _closing(step: Array) -> tuple[int, int]:
    return catch(step[:, ::-1])


def _start_again(step: Array) -> tuple[int, int]:
    """Wait until the first state comes back."""
    state = 0
    for count in range(1, len(step) + 1):
        state = int(step[state, 0])
        if state == 0:
            return 0, count
    return 0, len(step)


def _still(step: Array) -> tuple[int, int]:
    """Wait until the state stays the same from one bracket to the next."""
    state = 0
    for count in range(len(step)):
        if int(step[state, 0]) == state:
            return count, count + 1
        state = int(step[state, 0])
    return len(step), len(step) + 1


def _forgets_start(step: Array) -> tuple[int, int]:
    met: list[int] = []
    state = 0
    while True:
        state = int(step[state, 0])
        if state in met:
            return met.index(state) + 1, len(met) + 1
        met.append(state)


def _by_dictionary(step: Array) -> list[int]:
    seen, state, count = {0: 0}, 0, 0
    for count in range(1, len(step) + 1):
        state = step[state][0].item()
        if state in seen:
            break
        seen[state] = count
    return [seen[state], count]


def _by_pairs(step: Array) -> tuple[Array, Array]:
    """Compare every two moments."""
    states = [0]
    for _ in range(len(step)):
        states.append(int(step[states[-1], 0]))
    pairs = [(j, i) for j in range(len(states)) for i in range(j)]
    j, i = min(pair for pair in pairs if states[pair[0]] == states[pair[1]])
    return np.array(i), np.array(j)


CAUGHT = Exercise(
    id="7-10",
    title="Catch the machine",
    marks={"values": 2, "stands still": 1, "all states": 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("i", "j"),
    reference=catch,
    cases=_cases,
    mistakes={
        "The machine reads closing brackets here: column 0 of step is for the opening "
        "ones.": _closing,
        "These are the states; asked is after how many brackets they are reached.": (
            lambda step: (int(_states(step)[catch(step)[0]]),) * 2
        ),
        "The state before any bracket counts too: after 0 brackets the machine is in "
        "state 0.": _forgets_start,
        "Both numbers are one too large: count the brackets, beginning with 0.": (
            _changed(lambda i, j: (i + 1, j + 1))
        ),
        "The second number is one too large.": _changed(lambda i, j: (i, j + 1)),
        "The second number is one too small: the repeat is seen after one more "
        "bracket.": (_changed(lambda i, j: (i, j - 1))),
        "The numbers stand the wrong way round: the smaller comes first.": (
            _changed(lambda i, j: (j, i))
        ),
        "This waits for state 0 to come back. Any state that was met before will do, "
        "and state 0 may never return.": _start_again,
        "This waits until the machine stands still. It may run in a circle for ever: "
        "compare with all the states before, not with the last one.": _still,
        "This gives the length of the circle; asked are the two moments.": (
            _changed(lambda i, j: (0, j - i))
        ),
        "This is what is certain for any machine, j at most the number of states; this "
        "machine repeats earlier.": lambda step: (0, len(step)),
    },
    also_right=(_by_dictionary, _by_pairs),
)


def _states(step: Array) -> list[int]:
    states = [0]
    for _ in range(len(step)):
        states.append(int(step[states[-1], 0]))
    return states
