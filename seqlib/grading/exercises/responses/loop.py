"""A network that hears its own outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 4-4 ---------------------------------------------------------------------------------


def hear_itself(
    x: Array, x_past: Array, y_past: Array, W: Array, b: Array, V: Array
) -> Array:
    """Return the outputs (T, O) of a NARX with a hidden layer, its loop closed."""
    return _hear(x, x_past, y_past, W, b, V)


def _hear(
    x: Array,
    x_past: Array,
    y_past: Array,
    W: Array,
    b: Array,
    V: Array,
    latest_first: bool = True,
    outputs_latest_first: bool = True,
    outputs_in_front: bool = False,
    closed: bool = True,
    activation: Callable[[Array], Array] = np.tanh,
) -> Array:
    """Run day by day; the options are the mistakes that one can make."""
    xs, ys = list(x_past), list(y_past)
    K, L = len(xs), len(ys)
    out = []
    for x_t in x:
        xs.append(x_t)
        inputs = xs[len(xs) - K - 1 :]
        outputs = ys[len(ys) - L :]
        inputs = inputs[::-1] if latest_first else inputs
        outputs = outputs[::-1] if outputs_latest_first else outputs
        seen = outputs + inputs if outputs_in_front else inputs + outputs
        y = V @ activation(W @ np.concatenate(seen) + b)
        out.append(y)
        if closed:
            ys.append(y)
    return np.stack(out)


def _hear_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, K: int, L: int, D: int, O: int, note: str) -> Case:
        H = 4
        x, x_past = rng.normal(size=(T, D)), rng.normal(size=(K, D))
        y_past, n = rng.normal(size=(L, O)), (K + 1) * D + L * O
        W = 1.2 * rng.normal(size=(H, n)) / np.sqrt(n)
        b, V = rng.uniform(0.3, 0.9, H), rng.normal(size=(O, H))
        return Case(aspect, (x, x_past, y_past, W, b, V), note)

    D, O = sizes(rng, 2, 2)
    yield case("values", 7, 2, 3, D, O, "K = 2, L = 3")
    yield case("values", 6, 3, 2, 2, 2, "K = 3, L = 2")
    yield case("one output", 5, 0, 1, 3, 1, "K = 0, L = 1")
    yield case("no feedback", 5, 2, 0, 2, 1, "L = 0")
    yield case("one day", 1, 2, 2, 2, 1, "one day")


def _hear_start_again(
    x: Array, x_past: Array, y_past: Array, W: Array, b: Array, V: Array
) -> Array:
    """Give every day the pasts of the first."""
    return np.concatenate(
        [hear_itself(x_t[None], x_past, y_past, W, b, V) for x_t in x]
    )


def _hear_hidden(
    x: Array, x_past: Array, y_past: Array, W: Array, b: Array, V: Array
) -> Array:
    """Feed tanh of the output back."""
    xs, ys, out = list(x_past), list(y_past), []
    for x_t in x:
        xs.append(x_t)
        seen = xs[::-1][: len(x_past) + 1] + ys[::-1][: len(y_past)]
        out.append(V @ np.tanh(W @ np.concatenate(seen) + b))
        ys.append(np.tanh(out[-1]))
    return np.stack(out)


def _hear_in_dicts(
    x: Array, x_past: Array, y_past: Array, W: Array, b: Array, V: Array
) -> Array:
    """Keep a book of days, with negative numbers before the first."""
    K, L = len(x_past), len(y_past)
    xs = {t - K: row for t, row in enumerate(np.concatenate([x_past, x]))}
    ys = {t - L: row for t, row in enumerate(y_past)}
    for t in range(len(x)):
        z = b.copy()
        place = 0
        for row in [xs[t - k] for k in range(K + 1)] + [
            ys[t - j - 1] for j in range(L)
        ]:
            z += W[:, place : place + len(row)] @ row
            place += len(row)
        ys[t] = V @ np.tanh(z)
    return np.array([ys[t] for t in range(len(x))])


LOOP = Exercise(
    id="4-4",
    title="A network that hears itself",
    marks={"values": 2, "one output": 1, "no feedback": 1, "one day": 1},
    difficulty=2,
    importance=3,
    minutes=25,
    returns=("y",),
    reference=hear_itself,
    cases=_hear_cases,
    mistakes={
        "The inputs stand the wrong way round: today first, then yesterday, and so on "
        "back.": partial(_hear, latest_first=False),
        "The outputs that come back stand the wrong way round: y_{t-1} first.": (
            partial(_hear, outputs_latest_first=False)
        ),
        "Both windows stand the wrong way round: the latest day comes first.": (
            partial(_hear, latest_first=False, outputs_latest_first=False)
        ),
        "W's columns belong to the inputs first and to the outputs after them.": (
            partial(_hear, outputs_in_front=True)
        ),
        "The new output never comes back: append it to what the next day hears.": (
            partial(_hear, closed=False)
        ),
        "Every day starts with the pasts of the first day; they must move on.": (
            _hear_start_again
        ),
        "What comes back is the output itself, without another tanh.": _hear_hidden,
        "The outputs before the first day are given in y_past; here they are zero.": (
            lambda x, xp, yp, W, b, V: hear_itself(x, xp, 0 * yp, W, b, V)
        ),
        "The inputs before the first day are given in x_past; here they are zero.": (
            lambda x, xp, yp, W, b, V: hear_itself(x, 0 * xp, yp, W, b, V)
        ),
        "The bias b is left out.": lambda x, xp, yp, W, b, V: hear_itself(
            x, xp, yp, W, 0 * b, V
        ),
        "The tanh of the hidden layer is missing.": (
            partial(_hear, activation=lambda z: z)
        ),
        "The tanh belongs to the hidden layer; the output is a plain weighted sum.": (
            lambda *args: np.tanh(hear_itself(*args))
        ),
    },
    also_right=(_hear_in_dicts,),
)
