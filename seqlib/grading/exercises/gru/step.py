"""One step of the cell, and a loop of steps with two faults.

Batches are rows, so W h is `h @ W.T`: B sequences, D inputs, H units; row blocks r, z,
n. An answer written for another order or form is a mistake with a hint of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states


def sigmoid(a: Array) -> Array:
    """Return the logistic function of a."""
    return 1 / (1 + np.exp(-a))


def gru_weights(rng: Rng, D: int, H: int) -> tuple[Array, Array, Array, Array]:
    """Draw W_ih (3H, D), W_hh (3H, H) and biases (3H,) that do not go unseen."""
    W_hh = np.concatenate([1.5 * matrix(rng, H) for _ in range(3)])
    b_ih, b_hh = (
        rng.choice([-1, 1], 3 * H) * rng.uniform(0.4, 0.9, 3 * H) for _ in range(2)
    )
    b_hh[2 * H :] = np.sign(b_ih[2 * H :]) * np.abs(b_hh[2 * H :])
    return rng.normal(size=(3 * H, D)) / np.sqrt(D), W_hh, b_ih, b_hh


# 9-1 ---------------------------------------------------------------------------------


def gru_step(
    x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> Array:
    """Return the new state (B, H), the state being reset after the product."""
    return _step(x, h, W_ih, W_hh, b_ih, b_hh)


def _step(
    x: Array,
    h: Array,
    W_ih: Array,
    W_hh: Array,
    b_ih: Array,
    b_hh: Array,
    *,
    order: str = "rzn",
    take: bool = False,
    form: str = "after",
) -> Array:
    """Compute the step, or one of its cousins."""
    a = np.split(x @ W_ih.T + b_ih, 3, axis=1)
    g = np.split(h @ W_hh.T + b_hh, 3, axis=1)
    i, j, k = (order.index(gate) for gate in "rzn")
    r, z = sigmoid(a[i] + g[i]), sigmoid(a[j] + g[j])
    heard = r * g[k]
    H = h.shape[1]
    if form == "before":
        heard = (r * h) @ W_hh[k * H :][:H].T + b_hh[k * H :][:H]
    if form == "merged":
        heard = r * (g[k] - b_hh[k * H :][:H]) + b_hh[k * H :][:H]
    if form == "unheard":
        heard = g[k]
    if form == "whole":
        heard = r * (a[k] + g[k]) - a[k]
    n = sigmoid(a[k] + heard) if form == "logistic" else np.tanh(a[k] + heard)
    if form == "alone":
        return n
    return (1 - z) * h + z * n if take else (1 - z) * n + z * h


def _step_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, D: int, H: int) -> Case:
        args = rng.normal(size=(B, D)), states(rng, B, H), *gru_weights(rng, D, H)
        dtype = "float32" if aspect == FLOAT32 else "float64"
        return Case(aspect, tuple(a.astype(dtype) for a in args))

    yield case("values", *sizes(rng, 2, 2, 2))
    yield case("values", *sizes(rng, 3, 3, 3))
    yield case("sizes of 1", 1, 1, 1)
    yield case("sizes of 1", 1, 3, 2)
    yield case(FLOAT32, *sizes(rng, 2, 2, 2))


def _step_in_place(
    x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> Array:
    new = _step(x, h, W_ih, W_hh, b_ih, b_hh)
    h[:] = new
    return h


def _step_turned(
    x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> Array:
    turned = np.concatenate([W.T for W in np.split(W_hh, 3)])
    return _step(x, h, W_ih, turned, b_ih, b_hh)


def _step_by_entries(
    x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> list[list[float]]:
    H = h.shape[1]
    new = []
    for x_b, h_b in zip(x, h, strict=True):
        row = []
        for i in range(H):
            r, z = (
                sigmoid(W_ih[k] @ x_b + b_ih[k] + W_hh[k] @ h_b + b_hh[k])
                for k in (i, H + i)
            )
            k = 2 * H + i
            n = np.tanh(W_ih[k] @ x_b + b_ih[k] + r * (W_hh[k] @ h_b + b_hh[k]))
            row.append(n + z * (h_b[i] - n))
        new.append(row)
    return new


def _step_by_tanh(
    x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> Array:
    """Use that the logistic function is a tanh, moved."""
    a, g = x @ W_ih.T + b_ih, h @ W_hh.T + b_hh
    H = h.shape[1]
    gates = (1 + np.tanh((a + g)[:, : 2 * H] / 2)) / 2
    n = np.tanh(a[:, 2 * H :] + gates[:, :H] * g[:, 2 * H :])
    return h * gates[:, H:] + n * (1 - gates[:, H:])


STEP = Exercise(
    id="9-1",
    title="One step of a GRU",
    marks={"values": 2, "sizes of 1": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("h_new",),
    reference=gru_step,
    cases=_step_cases,
    mistakes={
        "The mixture is turned round: here z says how much is kept, so it multiplies "
        "the old state h.": lambda *args: _step(*args, take=True),
        "The blocks stand in torch's order, r, z, n; here the first is used for z and "
        "the second for r.": lambda *args: _step(*args, order="zrn"),
        "The state is reset before the product. Asked is torch's form: multiply h by "
        "W_hn, add b_hn, and then multiply by r.": (
            lambda *args: _step(*args, form="before")
        ),
        "b_hn belongs inside the bracket: r multiplies W_hn h + b_hn, the bias too.": (
            lambda *args: _step(*args, form="merged")
        ),
        "The reset gate is not used: r multiplies what the candidate hears of the old "
        "state.": lambda *args: _step(*args, form="unheard"),
        "r multiplies only what comes from the old state; the input's share and b_in "
        "stand outside.": lambda *args: _step(*args, form="whole"),
        "The candidate is a tanh; only the two gates are logistic.": (
            lambda *args: _step(*args, form="logistic")
        ),
        "The candidate alone is returned: mix it with the old state.": (
            lambda *args: _step(*args, form="alone")
        ),
        "b_hh is left out.": lambda x, h, W, U, b, c: _step(x, h, W, U, b, 0 * c),
        "The recurrent weights are turned round: a batch has its states as rows, so "
        "W h becomes h @ W.T.": _step_turned,
        "`h[:] = …` and `h *= …` write into the caller's state: make a new array.": (
            _step_in_place
        ),
        "The answer is float64 though the arguments are float32: let numpy keep the "
        "type.": lambda *args: _step(*(a.astype(float) for a in args)),
    },
    also_right=(_step_by_entries, _step_by_tanh),
)

# 9-5 ---------------------------------------------------------------------------------


def run_before(x: Array, h0: Array, W_ih: Array, W_hh: Array, b: Array) -> Array:
    """Return the states (T, H) of a GRU that keeps by z and resets before the product.

    x (T, D), h0 (H,), W_ih (3H, D), W_hh (3H, H), b (3H,), blocks r, z, n.
    """
    return _run(x, h0, W_ih, W_hh, b)


def _run(
    x: Array,
    h0: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    *,
    take: bool = False,
    form: str = "before",
    fresh: bool = False,
) -> Array:
    H, h, hs = len(h0), h0, []
    for x_t in x:
        a = W_ih @ x_t + b
        g = W_hh @ h
        r, z = sigmoid(a[:H] + g[:H]), sigmoid(a[H : 2 * H] + g[H : 2 * H])
        W_hn = W_hh[2 * H :]
        heard = {"before": W_hn @ (r * h), "after": r * (W_hn @ h), "none": W_hn @ h}
        n = np.tanh(a[2 * H :] + heard[form])
        old = n if fresh else h
        h = (1 - z) * old + z * n if take else (1 - z) * n + z * old
        hs.append(h)
    return np.array(hs)


def _run_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, D: int, H: int) -> Case:
        W_ih, W_hh, b, _ = gru_weights(rng, D, H)
        args = rng.normal(size=(T, D)), states(rng, H), W_ih, 1.5 * W_hh, b
        return Case(aspect, args)

    yield case("values", *sizes(rng, 4, 2, 3))
    yield case("values", *sizes(rng, 5, 3, 4))
    yield case("one step", 1, 2, 4)
    yield case("long sequences", 50, 2, 3)


def _run_by_blocks(x: Array, h0: Array, W_ih: Array, W_hh: Array, b: Array) -> list:
    (A_r, A_z, A_n), (U_r, U_z, U_n) = np.split(W_ih, 3), np.split(W_hh, 3)
    b_r, b_z, b_n = np.split(b, 3)
    states = [h0]
    for x_t in x:
        h = states[-1]
        quiet = h / (1 + np.exp(-(A_r @ x_t + U_r @ h + b_r)))
        taken = 1 / (1 + np.exp(A_z @ x_t + U_z @ h + b_z))
        states.append(h + taken * (np.tanh(A_n @ x_t + U_n @ quiet + b_n) - h))
    return states[1:]


MEND = Exercise(
    id="9-5",
    title="Mend it: four ways in one program",
    marks={"values": 2, "one step": 1, "long sequences": 1, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("h",),
    reference=run_before,
    cases=_run_cases,
    mistakes={
        "Both faults are still there: z takes where it should keep, and the state is "
        "reset after the product.": lambda *a: _run(*a, take=True, form="after"),
        "One fault is left: z must keep, so it multiplies the old state.": (
            lambda *a: _run(*a, take=True)
        ),
        "One fault is left: the reset comes before the product, W_hn (r * h).": (
            lambda *a: _run(*a, form="after")
        ),
        "The reset gate is gone altogether: W_hn multiplies r * h, not h.": (
            lambda *a: _run(*a, form="none")
        ),
        "Nothing of the old state is kept: z multiplies the state before the step, not "
        "the candidate.": lambda *a: _run(*a, fresh=True),
        "Only the last state is returned: asked are all of them, (T, H).": (
            lambda *a: _run(*a)[-1]
        ),
        "The first step must start from h0; here it starts from zeros.": (
            lambda x, h0, W, U, b: _run(x, 0 * h0, W, U, b)
        ),
    },
    also_right=(_run_by_blocks,),
)
