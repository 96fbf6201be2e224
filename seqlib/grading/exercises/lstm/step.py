"""One step of the cell, and of the cell whose gates look at the memory.

Batches are rows, so W_hh h is `h @ W_hh.T`: B sequences, D inputs, H units; the row
blocks of the weights are i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[Array, Array]


def σ(z: Array) -> Array:
    """Return the logistic function."""
    return 1 / (1 + np.exp(-z))


def draw(rng: Rng, B: int, D: int, H: int) -> list[Array]:
    """Draw x, h, c, W_ih, W_hh, b, so that no block of them goes unseen."""
    x, h = rng.normal(size=(B, D)), np.tanh(rng.normal(size=(B, H)))
    c = rng.choice([-1, 1], (B, H)) * rng.uniform(0.5, 2, (B, H))
    W, U = (rng.normal(size=(4 * H, n)) / np.sqrt(n) for n in (D, H))
    b = rng.choice([-1, 1], 4 * H) * rng.uniform(0.3, 0.9, 4 * H)
    return [x, h, c, W, U, b]


# 8-1 ---------------------------------------------------------------------------------


def lstm_step(x: Array, h: Array, c: Array, W_ih: Array, W_hh: Array, b: Array) -> Pair:
    """Return the new output and the new memory, (B, H) each."""
    return _step(x, h, c, W_ih, W_hh, b)


def _step(
    x: Array,
    h: Array,
    c: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    order: str = "ifgo",
    candidate: Callable[[Array], Array] = np.tanh,
    squash: Callable[[Array], Array] = np.tanh,
    gate: Callable[[Array], Array] = σ,
    shown: str = "new",
) -> Pair:
    """Go one step; the options are the mistakes that one can make."""
    z = dict(zip(order, np.split(x @ W_ih.T + h @ W_hh.T + b, 4, axis=1), strict=True))
    new = gate(z["f"]) * c + gate(z["i"]) * candidate(z["g"])
    return gate(z["o"]) * squash(new if shown == "new" else c), new


def _step_cases(rng: Rng) -> Iterator[Case]:
    yield case_of(rng, "values", *sizes(rng, 2, 2, 2))
    yield case_of(rng, "values", *sizes(rng, 3, 3, 3))
    yield case_of(rng, "sizes of 1", 1, 1, 1)
    yield case_of(rng, "sizes of 1", 1, 3, 2)


def case_of(rng: Rng, aspect: str, B: int, D: int, H: int) -> Case:
    """Return a case for `lstm_step`."""
    return Case(aspect, tuple(draw(rng, B, D, H)))


def _step_forgets_all(x: Array, h: Array, c: Array, *weights: Array) -> Pair:
    return lstm_step(x, h, 0 * c, *weights)


def _step_never_forgets(
    x: Array, h: Array, c: Array, W: Array, U: Array, b: Array
) -> Pair:
    i, _, g, o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
    new = c + σ(i) * np.tanh(g)
    return σ(o) * np.tanh(new), new


def _step_in_place(x: Array, h: Array, c: Array, *weights: Array) -> Pair:
    h_new, c_new = lstm_step(x, h, c, *weights)
    c[:] = c_new
    return h_new, c


def _step_by_units(
    x: Array, h: Array, c: Array, W: Array, U: Array, b: Array
) -> list[list]:
    """Take each unit of each sequence alone."""
    B, H = c.shape
    answer = np.zeros((2, B, H))
    for n in range(B):
        for j in range(H):
            rows = [j + k * H for k in range(4)]
            z_i, z_f, z_g, z_o = (W[r] @ x[n] + U[r] @ h[n] + b[r] for r in rows)
            memory = σ(z_f) * c[n, j] + σ(z_i) * np.tanh(z_g)
            answer[:, n, j] = σ(z_o) * np.tanh(memory), memory
    return [*answer]


def _step_stacked(x: Array, h: Array, c: Array, W: Array, U: Array, b: Array) -> Pair:
    """Make one product of the stacked weights, and the logistic out of tanh."""
    z = np.hstack([x, h]) @ np.hstack([W, U]).T + b
    blocks = z.reshape(len(x), 4, -1)
    i, f, o = ((np.tanh(blocks[:, k] / 2) + 1) / 2 for k in (0, 1, 3))
    new = f * c + i * np.tanh(blocks[:, 2])
    return o * np.tanh(new), new


STEP = Exercise(
    id="8-1",
    title="One step",
    marks={"values": 2, "sizes of 1": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("h_new", "c_new"),
    reference=lstm_step,
    cases=_step_cases,
    mistakes={
        "The blocks are i, f, g, o in this order; here the third was taken for o and "
        "the last for g.": partial(_step, order="ifog"),
        "The input gate and the forget gate are exchanged: the first block is i, the "
        "second f.": partial(_step, order="figo"),
        "The candidate g has a tanh, so that it can be negative; the logistic function "
        "is for the three gates.": partial(_step, candidate=σ),
        "The memory is shown without its tanh: h_new is o times tanh(c_new).": (
            partial(_step, squash=lambda c: c)
        ),
        "h_new shows the old memory; forget and store first, then show the new one.": (
            partial(_step, shown="old")
        ),
        "A gate is a logistic function, between 0 and 1; here it is a tanh, which can "
        "be negative.": partial(_step, gate=np.tanh),
        "The output squashes with the logistic function; it is o times tanh(c_new).": (
            partial(_step, squash=σ)
        ),
        "The old memory is lost: c_new is f * c plus what is stored.": (
            _step_forgets_all
        ),
        "The forget gate is left out: the old memory is multiplied by f.": (
            _step_never_forgets
        ),
        "The two results are exchanged: the output h first, then the memory c.": (
            lambda *args: lstm_step(*args)[::-1]
        ),
        "The bias b is left out.": (
            lambda x, h, c, W, U, b: lstm_step(x, h, c, W, U, 0 * b)
        ),
        "The last output h plays no part: add h @ W_hh.T.": (
            lambda x, h, c, W, U, b: lstm_step(x, 0 * h, c, W, U, b)
        ),
        "The gates listen to h, the last output, and not to the memory c.": (
            lambda x, h, c, W, U, b: lstm_step(x, c, c, W, U, b)
        ),
        "`c *= …` and `c[:] = …` write into the caller's memory; make a new array.": (
            _step_in_place
        ),
    },
    also_right=(_step_by_units, _step_stacked),
)

# 8-7 ---------------------------------------------------------------------------------


def peephole_step(
    x: Array, h: Array, c: Array, W_ih: Array, W_hh: Array, b: Array, p: Array
) -> Pair:
    """Return h and c (B, H) after a step in which the gates see the memory.

    p (3, H) holds the weights p_i, p_f, p_o.
    """
    return _peep(x, h, c, W_ih, W_hh, b, p)


def _peep(
    x: Array,
    h: Array,
    c: Array,
    W: Array,
    U: Array,
    b: Array,
    p: Array,
    to_output: str = "new",
    rows: tuple[int, int, int] = (0, 1, 2),
    seen: Callable[[Array], Array] = lambda c: c,
) -> Pair:
    """Go one step; the options are the mistakes that one can make."""
    z_i, z_f, z_g, z_o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
    p_i, p_f, p_o = p[list(rows)]
    new = σ(z_f + p_f * seen(c)) * c + σ(z_i + p_i * seen(c)) * np.tanh(z_g)
    return σ(z_o + p_o * seen(new if to_output == "new" else c)) * np.tanh(new), new


def _peep_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, D: int, H: int) -> Case:
        p = rng.choice([-1, 1], (3, H)) * rng.uniform(0.5, 1.5, (3, H))
        return Case(aspect, (*draw(rng, B, D, H), p))

    yield case("values", *sizes(rng, 2, 2, 2))
    yield case("values", *sizes(rng, 3, 2, 3))
    yield case("sizes of 1", 1, 1, 1)
    yield case("sizes of 1", 1, 2, 3)


def _peep_outside(
    x: Array, h: Array, c: Array, W: Array, U: Array, b: Array, p: Array
) -> Pair:
    z_i, z_f, z_g, z_o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
    new = (σ(z_f) + p[1] * c) * c + (σ(z_i) + p[0] * c) * np.tanh(z_g)
    return (σ(z_o) + p[2] * new) * np.tanh(new), new


def _peep_without(gate: str) -> Callable:
    """Return a step in which one gate has no peephole."""
    kept = np.array([[float(name != gate)] for name in "ifo"])

    def step(
        x: Array, h: Array, c: Array, W: Array, U: Array, b: Array, p: Array
    ) -> Pair:
        return _peep(x, h, c, W, U, b, p * kept)

    return step


def _peep_by_shifted_bias(
    x: Array, h: Array, c: Array, W: Array, U: Array, b: Array, p: Array
) -> Pair:
    """Let each sequence have biases of its own, and take the plain step twice."""
    answer = []
    for n in range(len(x)):
        one = x[n : n + 1], h[n : n + 1], c[n : n + 1], W, U
        nothing = 0 * p[0]
        shift = np.concatenate([p[0] * c[n], p[1] * c[n], nothing, nothing])
        _, new = lstm_step(*one, b + shift)
        shift[-len(nothing) :] = p[2] * new[0]
        answer.append(lstm_step(*one, b + shift))
    h_new, c_new = map(np.vstack, zip(*answer, strict=True))
    return h_new, c_new


PEEPHOLES = Exercise(
    id="8-7",
    title="Peepholes",
    marks={"values": 2, "sizes of 1": 1},
    difficulty=2,
    importance=1,
    minutes=15,
    returns=("h_new", "c_new"),
    reference=peephole_step,
    cases=_peep_cases,
    mistakes={
        "The output gate looks at the old memory. When it opens, the new one is there "
        "already: p_o goes with c_new.": partial(_peep, to_output="old"),
        "The rows of p are p_i, p_f, p_o; here the first two are exchanged.": (
            partial(_peep, rows=(1, 0, 2))
        ),
        "The peepholes are missing: this is the plain cell.": (
            lambda *args: lstm_step(*args[:-1])
        ),
        "The output gate has no peephole here; p_o * c_new belongs into its sum.": (
            _peep_without("o")
        ),
        "The forget gate has no peephole here; p_f * c belongs into its sum.": (
            _peep_without("f")
        ),
        "The input gate has no peephole here; p_i * c belongs into its sum.": (
            _peep_without("i")
        ),
        "The peephole is added to the gate; it belongs into the sum inside the "
        "logistic function, or the gate leaves 0 to 1.": _peep_outside,
        "The gates look at the memory itself, not at its tanh.": (
            partial(_peep, seen=np.tanh)
        ),
        "The two results are exchanged: the output h first, then the memory c.": (
            lambda *args: peephole_step(*args)[::-1]
        ),
    },
    also_right=(_peep_by_shifted_bias,),
)
