"""One update of a whole network: loss, backward through time, step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, weights

# 7-3 ---------------------------------------------------------------------------------

Params = dict[str, Array]


def update(x: Array, h: Array, y: Array, p: Params, lr: float) -> tuple[float, Params]:
    """Return the loss before the update, and the parameters after it."""
    return _update(x, h, y, p, lr)


def _update(
    x: Array,
    h: Array,
    y: Array,
    p: Params,
    lr: float,
    *,
    divide: bool = True,
    through: bool = True,
    slope: bool = True,
    old_slope: bool = False,
    turned: bool = False,
    after: bool = False,
    late: bool = False,
) -> tuple[float, Params]:
    """Do the step; every option is a way to get it wrong."""
    T = len(x)
    o = h[1:] @ p["W_hy"].T + p["b_y"]
    y_hat = np.exp(o - o.max(axis=1, keepdims=True))
    y_hat /= y_hat.sum(axis=1, keepdims=True)
    loss = -np.log(y_hat[np.arange(T), y]).mean()
    do = (y_hat - np.eye(o.shape[1])[y]) / (T if divide else 1)
    g = {"W_hy": do.T @ h[1:], "b_y": do.sum(axis=0)}
    W_hy = p["W_hy"] - lr * g["W_hy"] if late else p["W_hy"]
    dz = np.zeros_like(h)  # dz[T] stays zero: nothing comes after the end
    for t in reversed(range(T)):
        dh = do[t] @ W_hy
        if through:
            dh = dh + dz[t + 1] @ (p["W_hh"].T if turned else p["W_hh"])
        state = h[t] if old_slope else h[t + 1]
        dz[t] = dh * (1 - state**2) if slope else dh
    g["W_ih"] = dz[:T].T @ x
    g["W_hh"] = dz[:T].T @ (h[1:] if after else h[:-1])
    g["b"] = dz.sum(axis=0)
    return float(loss), {name: w - lr * g[name] for name, w in p.items()}


def _wrong(**option: bool) -> Callable:
    def wrong(
        x: Array, h: Array, y: Array, p: Params, lr: float
    ) -> tuple[float, Params]:
        return _update(x, h, y, p, lr, **option)

    return wrong


def _states(x: Array, h_0: Array, p: Params) -> Array:
    h = [h_0]
    for x_t in x:
        h.append(np.tanh(p["W_ih"] @ x_t + p["W_hh"] @ h[-1] + p["b"]))
    return np.array(h)


def _case(rng: Rng, aspect: str, T: int, D: int, H: int, O: int) -> Case:
    x, y = rng.normal(size=(T, D)), rng.integers(0, O, T)
    p = dict(zip(("W_ih", "W_hh", "b"), weights(rng, D, H), strict=True))
    p |= {"W_hy": rng.normal(size=(O, H)), "b_y": rng.uniform(-0.5, 0.5, O)}
    h = _states(x, rng.uniform(-0.5, 0.5, H), p)
    return Case(aspect, (x, h, y, p, 0.7))


def _cases(rng: Rng) -> Iterator[Case]:
    yield _case(rng, "values", *sizes(rng, 4, 2, 3, 3))
    yield _case(rng, "values", 6, 4, 4, 4)
    yield _case(rng, "long sequences", 40, 2, 3, 3)
    yield _case(rng, "sizes of 1", 1, 3, 2, 4)
    yield _case(rng, "sizes of 1", 4, 1, 1, 2)


def _in_place(
    x: Array, h: Array, y: Array, p: Params, lr: float
) -> tuple[float, Params]:
    loss, new = update(x, h, y, p, lr)
    for name, value in new.items():
        p[name][:] = value
    return loss, p


def _gradients(
    x: Array, h: Array, y: Array, p: Params, lr: float
) -> tuple[float, Params]:
    loss, new = update(x, h, y, p, 1.0)
    return loss, {name: w - new[name] for name, w in p.items()}


def _loss_after(
    x: Array, h: Array, y: Array, p: Params, lr: float
) -> tuple[float, Params]:
    _, new = update(x, h, y, p, lr)
    return update(x, _states(x, h[0], new), y, new, lr)[0], new


def _by_steps(
    x: Array, h: Array, y: Array, p: Params, lr: float
) -> tuple[Array, Params]:
    """Add outer products one step at a time, from the end."""
    new, loss, T = {name: w.copy() for name, w in p.items()}, 0.0, len(x)
    carried = np.zeros(h.shape[1])
    for t in range(T, 0, -1):
        o = p["W_hy"] @ h[t] + p["b_y"]
        top = np.logaddexp.reduce(o)
        loss += (top - o[y[t - 1]]) / T
        error = np.exp(o - top) / T
        error[y[t - 1]] -= 1 / T
        dz = (error @ p["W_hy"] + carried) * (1 - h[t] * h[t])
        carried = p["W_hh"].T @ dz
        parts = [np.outer(dz, x[t - 1]), np.outer(dz, h[t - 1]), dz]
        parts += [np.outer(error, h[t]), error]
        for name, part in zip(("W_ih", "W_hh", "b", "W_hy", "b_y"), parts, strict=True):
            new[name] -= lr * part
    return np.array(loss), new


UPDATE = Exercise(
    id="7-3",
    title="One update of everything",
    marks={"values": 3, "long sequences": 1, "sizes of 1": 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=35,
    returns=("loss", "p"),
    reference=update,
    cases=_cases,
    mistakes={
        "The factor 1/T is missing in the gradient: the loss is a mean over the "
        "steps.": (_wrong(divide=False)),
        "No blame goes back in time: dh_t is W_hy' do_t plus W_hh' dz_{t+1}.": (
            _wrong(through=False)
        ),
        "The slope of tanh is missing: dz_t is dh_t times 1 - h_t².": _wrong(
            slope=False
        ),
        "The slope belongs to the state that comes out of the step, h[t + 1] for x[t]; "
        "here it is the state before.": _wrong(old_slope=True),
        "On the way back W_hh is to be transposed: W_hh' dz_{t+1}.": _wrong(
            turned=True
        ),
        "The gradient of W_hh pairs dz_t with the state before, which W_hh multiplied; "
        "here it is the state after.": _wrong(after=True),
        "This walks uphill: subtract the gradient.": (
            lambda x, h, y, p, lr: update(x, h, y, p, -lr)
        ),
        "W_hy is updated too early: the blame must go back through the weights that "
        "made the prediction, the old ones.": _wrong(late=True),
        "These are the gradients; asked are the parameters after the step.": _gradients,
        "This is the loss after the update; asked is the one before.": _loss_after,
        "`p[name] -= …` changes the caller's arrays: make new ones.": _in_place,
    },
    also_right=(_by_steps,),
)
