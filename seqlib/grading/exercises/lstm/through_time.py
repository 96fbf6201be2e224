"""Back through all steps of an LSTM."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

from .backward import _gates, lstm_step_backward

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
