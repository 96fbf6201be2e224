"""One update of a whole network: forward, loss, backward through time, step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, weights

# 7-3 ---------------------------------------------------------------------------------

Numbers = tuple[float, Array, Array, Array, Array, Array]


def train_step(
    x: Array,
    y: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    W_hy: Array,
    b_y: Array,
    lr: float,
) -> Numbers:
    """Return the loss before the update, and the five parameters after it."""
    return _train(x, y, W_ih, W_hh, b, W_hy, b_y, lr)


def _train(
    x: Array,
    y: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    W_hy: Array,
    b_y: Array,
    lr: float,
    *,
    divide: bool = True,
    through: bool = True,
    slope: bool = True,
    turned: bool = False,
    shift: int = 0,
    up: bool = False,
    late: bool = False,
) -> Numbers:
    """Do the step; every option is a way to get it wrong."""
    T, H = len(x), len(b)
    h = np.zeros((T + 1, H))
    for t in range(T):
        h[t + 1] = np.tanh(W_ih @ x[t] + W_hh @ h[t] + b)
    o = h[1:] @ W_hy.T + b_y
    p = np.exp(o - o.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(T), y]).mean()
    do = (p - np.eye(len(b_y))[y]) / (T if divide else 1)
    step = -lr if up else lr
    new_W_hy = W_hy - step * do.T @ h[1:]
    dz = np.zeros((T + 1, H))  # dz[T] stays zero: nothing comes after the end
    for t in reversed(range(T)):
        dh = (new_W_hy if late else W_hy).T @ do[t]
        if through:
            dh = dh + (W_hh if turned else W_hh.T) @ dz[t + 1]
        dz[t] = dh * (1 - h[t + 1] ** 2) if slope else dh
    before = h[shift : T + shift]
    return (
        float(loss),
        W_ih - step * dz[:T].T @ x,
        W_hh - step * dz[:T].T @ before,
        b - step * dz.sum(axis=0),
        new_W_hy,
        b_y - step * do.sum(axis=0),
    )


def _wrong(**option: Any) -> Any:
    def step(
        x: Array,
        y: Array,
        W_ih: Array,
        W_hh: Array,
        b: Array,
        W_hy: Array,
        b_y: Array,
        lr: float,
    ) -> Numbers:
        return _train(x, y, W_ih, W_hh, b, W_hy, b_y, lr, **option)

    return step


def _case(rng: Rng, aspect: str, T: int, D: int, H: int, O: int) -> Case:
    x, y = rng.normal(size=(T, D)), rng.integers(0, O, T)
    W_hy, b_y = rng.normal(size=(O, H)), rng.uniform(-0.5, 0.5, O)
    return Case(aspect, (x, y, *weights(rng, D, H), W_hy, b_y, 0.7))


def _cases(rng: Rng) -> Iterator[Case]:
    yield _case(rng, "values", *sizes(rng, 4, 2, 3, 3))
    yield _case(rng, "values", 6, 4, 4, 4)
    yield _case(rng, "long sequences", 40, 2, 3, 3)
    yield _case(rng, "sizes of 1", 1, 3, 2, 4)
    yield _case(rng, "sizes of 1", 4, 1, 1, 2)


def _in_place(
    x: Array,
    y: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    W_hy: Array,
    b_y: Array,
    lr: float,
) -> Numbers:
    loss, *new = _train(x, y, W_ih, W_hh, b, W_hy, b_y, lr)
    for old, value in zip((W_ih, W_hh, b, W_hy, b_y), new, strict=True):
        old[:] = value
    return loss, W_ih, W_hh, b, W_hy, b_y


def _loss_after(
    x: Array,
    y: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    W_hy: Array,
    b_y: Array,
    lr: float,
) -> Numbers:
    new = _train(x, y, W_ih, W_hh, b, W_hy, b_y, lr)[1:]
    return _train(x, y, *new, lr)[0], *new


def _by_steps(
    x: Array,
    y: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    W_hy: Array,
    b_y: Array,
    lr: float,
) -> Numbers:
    """Keep lists, and add outer products one step at a time."""
    T, states, errors, loss = len(x), [np.zeros(len(b))], [], 0.0
    for x_t, y_t in zip(x, y, strict=True):
        states.append(np.tanh(W_ih @ x_t + b + W_hh @ states[-1]))
        o = W_hy @ states[-1] + b_y
        loss += (np.logaddexp.reduce(o) - o[y_t]) / T
        error = np.exp(o - np.logaddexp.reduce(o)) / T
        error[y_t] -= 1 / T
        errors.append(error)
    total = [np.zeros_like(a) for a in (W_ih, W_hh, b, W_hy, b_y)]
    carried = np.zeros(len(b))
    for t in range(T - 1, -1, -1):
        h = states[t + 1]
        dz = (errors[t] @ W_hy + carried) * (1 - h * h)
        parts = [np.outer(dz, x[t]), np.outer(dz, states[t]), dz]
        parts += [np.outer(errors[t], h), errors[t]]
        total = [a + part for a, part in zip(total, parts, strict=True)]
        carried = dz @ W_hh
    new = (a - lr * g for a, g in zip((W_ih, W_hh, b, W_hy, b_y), total, strict=True))
    return (float(loss), *new)  # type: ignore[return-value]


TRAIN_STEP = Exercise(
    id="7-3",
    title="One update of everything",
    marks={"values": 3, "long sequences": 1, "sizes of 1": 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=35,
    returns=("loss", "W_ih", "W_hh", "b", "W_hy", "b_y"),
    reference=train_step,
    cases=_cases,
    mistakes={
        "The factor 1/T of the mean is missing in the gradient: the loss is a mean "
        "over the steps.": _wrong(divide=False),
        "No blame goes back in time: dh_t is W_hy' do_t plus W_hh' dz_{t+1}.": (
            _wrong(through=False)
        ),
        "The slope of tanh is missing: dz_t is dh_t times 1 - h_t².": _wrong(
            slope=False
        ),
        "On the way back W_hh is to be transposed: W_hh' dz_{t+1}.": _wrong(
            turned=True
        ),
        "The gradient of W_hh pairs dz_t with the state before, h_{t-1}, which W_hh "
        "multiplied; here it is h_t.": _wrong(shift=1),
        "This walks uphill: subtract the gradient.": _wrong(up=True),
        "W_hy is updated too early: the blame must go back through the weights that "
        "made the prediction, the old ones.": _wrong(late=True),
        "This is the loss after the update; asked is the one before.": _loss_after,
        "`W -= …` and `W[:] = …` change the caller's arrays: return new "
        "ones.": _in_place,
    },
    also_right=(_by_steps,),
)
