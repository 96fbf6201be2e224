"""Weights of another library, made to fit torch's cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

from .step import gru_weights

Arrays = tuple[Array, Array, Array, Array]

# 9-4 ---------------------------------------------------------------------------------


def to_torch(kernel: Array, recurrent: Array, b_in: Array, b_rec: Array) -> Arrays:
    """Return W_ih, W_hh, b_ih, b_hh in torch's form, from blocks z, r, n, z taking.

    kernel (D, 3H) and recurrent (H, 3H) for rows, x @ kernel; b_in, b_rec (3H,).
    """
    return _translated(kernel, recurrent, b_in, b_rec)


def _translated(
    kernel: Array,
    recurrent: Array,
    b_in: Array,
    b_rec: Array,
    *,
    negate: tuple[int, ...] = (0, 1, 2, 3),
    order: tuple[int, int, int] = (1, 0, 2),
    gate: int = 0,
) -> Arrays:
    """Turn, negate one gate's block in the arrays of `negate`, put in another order."""
    answer = []
    for k, array in enumerate((kernel.T, recurrent.T, b_in, b_rec)):
        blocks = np.split(array, 3)
        if k in negate:
            blocks[gate] = -blocks[gate]
        answer.append(np.concatenate([blocks[i] for i in order]))
    W_ih, W_hh, b_ih, b_hh = answer
    return W_ih, W_hh, b_ih, b_hh


def _cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, D: int, H: int) -> Case:
        W_ih, W_hh, b_ih, b_hh = gru_weights(rng, D, H)
        return Case(aspect, (W_ih.T.copy(), W_hh.T.copy(), b_ih, b_hh))

    yield case("values", *sizes(rng, 2, 2))
    yield case("values", *sizes(rng, 3, 4))
    yield case("sizes of 1", 1, 2)
    yield case("sizes of 1", 3, 1)


def _in_place(kernel: Array, recurrent: Array, b_in: Array, b_rec: Array) -> Arrays:
    H = len(recurrent)
    for array in (kernel, recurrent, b_in, b_rec):
        array[..., :H] *= -1
    return _translated(kernel, recurrent, b_in, b_rec, negate=())


def _by_columns(kernel: Array, recurrent: Array, b_in: Array, b_rec: Array) -> list:
    H = len(recurrent)
    column = np.r_[H : 2 * H, :H, 2 * H : 3 * H]
    sign = np.repeat([1.0, -1.0, 1.0], H).astype(kernel.dtype)
    return [(array[..., column] * sign).T for array in (kernel, recurrent, b_in, b_rec)]


TRANSLATE = Exercise(
    id="9-4",
    title="Translate the weights",
    marks={"values": 3, "sizes of 1": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=15,
    returns=("W_ih", "W_hh", "b_ih", "b_hh"),
    reference=to_torch,
    cases=_cases,
    mistakes={
        "Nothing is negated. There z takes, here it keeps: sigmoid(-a) is "
        "1 - sigmoid(a).": lambda *a: _translated(*a, negate=()),
        "The weights of the update gate are negated, its biases are not: all that "
        "stands inside the logistic function changes its sign.": (
            lambda *a: _translated(*a, negate=(0, 1))
        ),
        "Only the recurrent weights are negated: the input's weights and both biases "
        "stand inside the same logistic function.": (
            lambda *a: _translated(*a, negate=(1,))
        ),
        "One of the update gate's two biases keeps its sign.": (
            lambda *a: _translated(*a, negate=(0, 1, 2))
        ),
        "The reset gate is negated instead of the update gate: look at the order of "
        "the blocks, z, r, n.": lambda *a: _translated(*a, gate=1),
        "The blocks are still in the order z, r, n; torch wants r, z, n.": (
            lambda *a: _translated(*a, order=(0, 1, 2))
        ),
        "All three blocks are negated; only the update gate's is.": lambda *a: tuple(
            -array for array in _translated(*a, negate=())[:]
        ),
        "The matrices are not turned: there x @ kernel, so kernel is (D, 3H); torch "
        "keeps (3H, D).": lambda *a: tuple(array.T for array in _translated(*a)),
        "1 - W is not the way: the gate is 1 - sigmoid(a), which is sigmoid(-a).": (
            lambda *a: tuple(
                np.concatenate(
                    [
                        w[: len(w) // 3],
                        1 + w[len(w) // 3 :][: len(w) // 3],
                        w[-(len(w) // 3) :],
                    ]
                )
                for w in _translated(*a)
            )
        ),
        "`*= -1` writes into the caller's arrays: copy them first.": _in_place,
    },
    also_right=(_by_columns,),
)
