"""Back through one step, and through all of them.

Batches are rows: B sequences, T steps, H units; the blocks of dz are i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
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

# 8-8 ---------------------------------------------------------------------------------


def lstm_backward(
    dy: Array, i: Array, f: Array, g: Array, o: Array, c: Array, W_hh: Array
) -> tuple[Array, Array, Array]:
    """Return dz (B, T, 4H), dh0 (B, H) and dc0 (B, H); c (B, T + 1, H) has c_0."""
    return _all_back(dy, i, f, g, o, c, W_hh)


def _all_back(
    dy: Array,
    i: Array,
    f: Array,
    g: Array,
    o: Array,
    c: Array,
    W_hh: Array,
    through_h: float = 1.0,
    through_c: float = 1.0,
    only_last: bool = False,
    first: int = 0,
    before: int = 0,
    gate: int = 0,
) -> tuple[Array, Array, Array]:
    """Go back through all steps; the options are the mistakes that one can make."""
    B, T, H = dy.shape
    dz = np.zeros((B, T, 4 * H), dy.dtype)
    dh, dc = np.zeros_like(dy[:, 0]), np.zeros_like(dy[:, 0])
    for t in reversed(range(first, T)):
        dh = through_h * dh + (dy[:, t] if not only_last or t == T - 1 else 0)
        gates = i[:, t], f[:, t], g[:, t], o[:, t]
        dz[:, t], dc = lstm_step_backward(
            dh, through_c * dc, *gates, c[:, t + before], c[:, t + 1]
        )
        if gate:
            dc = dc / f[:, t] * (f[:, max(t - 1, 0)] if gate == 1 else 1)
        dh = dz[:, t] @ W_hh
    return dz, dh, dc


def _all_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, H: int) -> Case:
        gates = _gates(rng, B, T, H)
        i, f, g, _ = gates
        cs = [rng.choice([-1, 1], (B, H)) * rng.uniform(0.5, 1.5, (B, H))]
        for t in range(T):
            cs.append(f[:, t] * cs[-1] + i[:, t] * g[:, t])
        W = rng.normal(size=(4 * H, H)) / np.sqrt(H)
        args = rng.normal(size=(B, T, H)), *gates, np.stack(cs, axis=1), W
        dtype = "float32" if aspect == FLOAT32 else "float64"
        return Case(aspect, tuple(a.astype(dtype) for a in args), "c starts with c_0")

    yield case("values", *sizes(rng, 2, 3, 2))
    yield case("values", *sizes(rng, 2, 4, 3))
    yield case("sizes of 1", 3, 1, 2)
    yield case("sizes of 1", 1, 4, 1)
    yield case(FLOAT32, *sizes(rng, 2, 3, 2))


def _all_forward(dy: Array, *rest: Array) -> tuple[Array, Array, Array]:
    i, f, g, o, c, W = rest
    B, T, H = dy.shape
    dz, dh, dc = np.zeros((B, T, 4 * H)), 0 * dy[:, 0], 0 * dy[:, 0]
    for t in range(T):
        gates = i[:, t], f[:, t], g[:, t], o[:, t]
        dz[:, t], dc = lstm_step_backward(
            dh + dy[:, t], dc, *gates, c[:, t], c[:, t + 1]
        )
        dh = dz[:, t] @ W
    return dz, dh, dc


def _all_in_float64(*args: Array) -> tuple[Array, ...]:
    return tuple(a.astype(float) for a in lstm_backward(*args))


def _all_in_place(dy: Array, *rest: Array) -> tuple[Array, ...]:
    answer = lstm_backward(dy, *rest)
    dy[:, :-1] += answer[0][:, 1:] @ rest[-1]
    return answer


def _all_averaged(dy: Array, *rest: Array) -> tuple[Array, ...]:
    return lstm_backward(dy / dy.shape[1], *rest)


def _all_split_products(
    dy: Array, i: Array, f: Array, g: Array, o: Array, c: Array, W_hh: Array
) -> tuple[Array, Array, Array]:
    """Keep the blame of the gates apart until the end, one product for each gate."""
    H, m = dy.shape[2], np.tanh(c)
    W = np.split(W_hh, 4)
    dz = [np.zeros_like(dy) for _ in range(4)]
    dh, dc = np.zeros_like(dy[:, 0]), np.zeros_like(dy[:, 0])
    for t in range(dy.shape[1])[::-1]:
        dh = dh + dy[:, t]
        dc = dc + dh * o[:, t] * (1 - m[:, t + 1] ** 2)
        dz[0][:, t] = dc * g[:, t] * i[:, t] * (1 - i[:, t])
        dz[1][:, t] = dc * c[:, t] * f[:, t] * (1 - f[:, t])
        dz[2][:, t] = dc * i[:, t] * (1 - g[:, t] ** 2)
        dz[3][:, t] = dh * m[:, t + 1] * o[:, t] * (1 - o[:, t])
        dh = sum(block[:, t] @ part for block, part in zip(dz, W, strict=True))
        dc = dc * f[:, t]
    assert dz[0].shape[2] == H
    return np.concatenate(dz, axis=2), dh, dc


def _exchanged(*args: Any) -> tuple[Array, ...]:
    dz, dh, dc = lstm_backward(*args)
    return dz, dc, dh


THROUGH_TIME = Exercise(
    id="8-8",
    title="Back through time",
    marks={"values": 2, "sizes of 1": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=30,
    returns=("dz", "dh0", "dc0"),
    reference=lstm_backward,
    cases=_all_cases,
    mistakes={
        "Nothing comes back through the output: h_t feeds the gates of step t + 1, so "
        "dz of that step times W_hh joins dy_t.": partial(_all_back, through_h=0.0),
        "Nothing comes back through the memory: c_t feeds c_{t+1}, so f times its "
        "blame joins at step t.": partial(_all_back, through_c=0.0),
        "Only the last step's dy is counted: dy[:, t] joins at every step.": (
            partial(_all_back, only_last=True)
        ),
        "Step 0 is left out: range(T - 1, 0, -1) ends at 1.": (
            partial(_all_back, first=1)
        ),
        "c has a row more than the gates: before step t the memory is c[:, t], after "
        "it c[:, t + 1].": partial(_all_back, before=1),
        "The blame of the memory goes back through the forget gate of the step that it "
        "leaves, here it goes through that of a neighbour.": partial(_all_back, gate=1),
        "The blame of the memory goes back through the forget gate: multiply it by "
        "f[:, t] at the end of each round.": partial(_all_back, gate=2),
        "The loop runs forward in time; the blame comes from the future, so begin at "
        "the last step.": _all_forward,
        "The steps are averaged: divide by T in the loss, if at all, not here.": (
            _all_averaged
        ),
        "dh0 and dc0 are exchanged.": _exchanged,
        "`np.zeros(…)` makes float64 unless told; `np.zeros_like(dy)` keeps its "
        "type.": _all_in_float64,
        "`dy[:, t] += …` writes into the caller's array; keep the sum in a variable of "
        "its own.": _all_in_place,
    },
    also_right=(_all_split_products,),
)
