"""Back through one step, and through all of them.

Batches are rows: B sequences, T steps, H units; the blocks of dz are i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[Array, Array]


def _gates(rng: Rng, *shape: int) -> list[Array]:
    """Draw i, f, g, o, each as its squashing leaves it, and none too near an end."""
    i, f, o = (rng.uniform(0.15, 0.9, shape) for _ in range(3))
    return [i, f, rng.choice([-1, 1], shape) * rng.uniform(0.2, 0.9, shape), o]


# 8-5 ---------------------------------------------------------------------------------


def lstm_step_backward(
    dh: Array,
    dc: Array,
    i: Array,
    f: Array,
    g: Array,
    o: Array,
    c_old: Array,
    c: Array,
) -> Pair:
    """Return dz (B, 4H) and dc_old (B, H) of one step."""
    return _back(dh, dc, i, f, g, o, c_old, c)


def _back(
    dh: Array,
    dc: Array,
    i: Array,
    f: Array,
    g: Array,
    o: Array,
    c_old: Array,
    c: Array,
    later: float = 1.0,
    own: float = 1.0,
    slope: Callable[[Array], Array] = lambda m: 1 - m * m,
    gate: Callable[[Array], Array] = lambda s: s * (1 - s),
    candidate: Callable[[Array], Array] = lambda g: 1 - g * g,
    shown: Callable[[Array], Array] = np.tanh,
    order: tuple[int, ...] = (0, 1, 2, 3),
    passed: str = "f * sum",
) -> Pair:
    """Go back one step; the options are the mistakes that one can make."""
    m = np.tanh(c)
    total = later * dc + own * dh * o * slope(m)
    dz_i, dz_f = total * g * gate(i), total * c_old * gate(f)
    dz_g, dz_o = total * i * candidate(g), dh * shown(c) * gate(o)
    dz = np.concatenate([(dz_i, dz_f, dz_g, dz_o)[k] for k in order], axis=-1)
    back = {"f * sum": f * total, "sum": total, "f * dc": f * dc, "i * sum": i * total}
    return dz, back[passed]


def _back_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, H: int) -> Case:
        gates = _gates(rng, B, H)
        i, f, g, _ = gates
        c_old = rng.choice([-1, 1], (B, H)) * rng.uniform(0.5, 1.5, (B, H))
        dh, dc = rng.normal(size=(2, B, H))
        return Case(aspect, (dh, dc, *gates, c_old, f * c_old + i * g))

    yield case("values", *sizes(rng, 2, 2))
    yield case("values", *sizes(rng, 3, 3))
    yield case("sizes of 1", 1, 1)
    yield case("sizes of 1", 1, 3)


def _back_in_place(dh: Array, dc: Array, *rest: Array) -> Pair:
    dz, dc_old = lstm_step_backward(dh, dc, *rest)
    _, _, _, o, _, c = rest
    dc += dh * o * (1 - np.tanh(c) ** 2)
    return dz, dc_old


def _back_new_memory(
    dh: Array,
    dc: Array,
    i: Array,
    f: Array,
    g: Array,
    o: Array,
    c_old: Array,
    c: Array,
) -> Pair:
    return lstm_step_backward(dh, dc, i, f, g, o, c, c)


def _back_by_named_steps(
    dh: Array,
    dc: Array,
    i: Array,
    f: Array,
    g: Array,
    o: Array,
    c_old: Array,
    c: Array,
) -> Pair:
    """Follow the chapter's list, an intermediate a line."""
    m = np.tanh(c)
    do, dm = dh * m, dh * o
    dc = dm - dm * m**2 + dc
    df, di, dg = dc * c_old, dc * g, dc * i
    blocks = [
        di * i - di * i**2,
        df * f - df * f**2,
        dg - dg * g**2,
        do * o - do * o**2,
    ]
    dz = np.stack(blocks, axis=1)
    return dz.reshape(len(dz), -1), np.einsum("bh,bh->bh", dc, f)


ONE_STEP_BACK = Exercise(
    id="8-5",
    title="One step back",
    marks={"values": 2, "sizes of 1": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("dz", "dc_old"),
    reference=lstm_step_backward,
    cases=_back_cases,
    mistakes={
        "The memory has two users: dc from the next step is left out, and only what "
        "comes through the output counts.": partial(_back, later=0.0),
        "The memory has two users: what comes through the output, dh * o * (1 - m²), "
        "is left out.": partial(_back, own=0.0),
        "The slope of tanh(c) is missing: on its way from h to c the blame is "
        "multiplied by 1 - tanh(c)².": partial(_back, slope=lambda m: 1 + 0 * m),
        "A forget gate is blamed in proportion to what there was to forget: c_old, "
        "not the new c.": _back_new_memory,
        "The slopes of the gates are missing: a logistic function with the value s has "
        "the slope s (1 - s).": partial(_back, gate=lambda s: 1 + 0 * s),
        "The candidate is a tanh, so its slope is 1 - g²; g (1 - g) belongs to a "
        "logistic function.": partial(_back, candidate=lambda g: g * (1 - g)),
        "The slope of the candidate is missing: 1 - g².": (
            partial(_back, candidate=lambda g: 1 + 0 * g)
        ),
        "The gates are logistic, so their slope is s (1 - s); 1 - s² belongs to "
        "tanh.": partial(_back, gate=lambda s: 1 - s * s),
        "The output gate multiplied tanh(c), not c: that is its blame's factor.": (
            partial(_back, shown=lambda c: c)
        ),
        "The blocks of dz are i, f, g, o, as in the forward pass; here the last two "
        "are exchanged.": partial(_back, order=(0, 1, 3, 2)),
        "dc_old goes back through the forget gate: multiply by f.": (
            partial(_back, passed="sum")
        ),
        "dc_old is f times the whole blame of c, with the part that came through the "
        "output.": partial(_back, passed="f * dc"),
        "dc_old goes back through the forget gate, not through the input gate.": (
            partial(_back, passed="i * sum")
        ),
        "`dc += …` writes into the caller's array; `dc = dc + …` makes a new one.": (
            _back_in_place
        ),
    },
    also_right=(_back_by_named_steps,),
)
