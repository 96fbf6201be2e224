"""The way back: to the rows of the table, and through the whole language model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states

# 11-5 --------------------------------------------------------------------------------


def rows_back(dx: Array, ids: Array, V: int) -> Array:
    """Return dE (V, D) from dx (B, T, D) and the tokens ids (B, T)."""
    dE = np.zeros((V, dx.shape[-1]), dx.dtype)
    np.add.at(dE, ids, dx)
    return dE


def _rows_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, D: int, V: int, note: str = "") -> Case:
        ids = rng.integers(0, V - 1, (B, T))  # the last token never occurs
        ids[0, 0], ids[-1, -1], ids[0, -1] = 1, 1, 0
        ids[:, 1 % T] = 1
        return Case(aspect, (states(rng, B, T, D), ids, V), note)

    B, T, D = sizes(rng, 2, 4, 2)
    yield case("values", B, T, D, 5, note="words that come again")
    B, T, D = sizes(rng, 3, 5, 2)
    yield case("values", B, T, D, 9)
    yield case("sizes of 1", 1, 4, 1, 3, note="one text, one number a word")
    yield case("sizes of 1", 3, 1, 2, 3, note="one word a text")
    B, T, D = sizes(rng, 2, 3, 4)
    dx, ids, V = case(FLOAT32, B, T, D, 6).args
    yield Case(FLOAT32, (dx.astype(np.float32), ids, V))


def _rows_once(dx: Array, ids: Array, V: int) -> Array:
    dE = np.zeros((V, dx.shape[-1]), dx.dtype)
    dE[ids] += dx
    return dE


def _rows_mean(dx: Array, ids: Array, V: int) -> Array:
    times = np.bincount(ids.ravel(), minlength=V)[:, None]
    return rows_back(dx, ids, V) / np.maximum(times, 1).astype(dx.dtype)


def _rows_by_product(dx: Array, ids: Array, V: int) -> Array:
    chosen = (ids[..., None] == np.arange(V)).astype(dx.dtype)  # (B, T, V)
    return np.einsum("btv,btd->vd", chosen, dx)


ROWS = Exercise(
    id="11-5",
    title="The way back to the table",
    marks={"values": 2, "sizes of 1": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=15,
    returns=("dE",),
    reference=rows_back,
    cases=_rows_cases,
    mistakes={
        "`dE[ids] += dx` adds one place for each word, however often it stands there: "
        "use np.add.at, a loop, or a one-hot product.": _rows_once,
        "This is the mean over the places where a word stands; the gradient is their "
        "sum.": _rows_mean,
        "Only the first text of the batch is there: all of them use the table.": (
            lambda dx, ids, V: rows_back(dx[:1], ids[:1], V)
        ),
        "The last step of each text is missing.": (
            lambda dx, ids, V: rows_back(dx[:, :-1], ids[:, :-1], V)
        ),
        "This is the mean over the batch; asked is the sum: dx holds what the loss "
        "says already.": lambda dx, ids, V: (
            rows_back(dx, ids, V) / dx.dtype.type(2 * len(dx))
        ),
        "The table has a row for every word of the vocabulary, also for those that did "
        "not come.": lambda dx, ids, V: rows_back(dx, ids, int(ids.max()) + 1),
        "It must be (V, D), a row for each word; here it lies on its side.": (
            lambda dx, ids, V: rows_back(dx, ids, V).T
        ),
    },
    also_right=(_rows_by_product,),
)

# 11-8 --------------------------------------------------------------------------------

Gradients = tuple[float, Array, Array, Array]


def model_back(
    ids: Array, E: Array, W_ih: Array, W_hh: Array, W_hy: Array
) -> Gradients:
    """Return the loss of a text (T + 1,) and dE, dW_hh, dW_hy; h_0 is zero."""
    return _model(ids, E, W_ih, W_hh, W_hy)


def _model(
    ids: Array,
    E: Array,
    W_ih: Array,
    W_hh: Array,
    W_hy: Array,
    *,
    shift: int = 1,
    mean: bool = True,
    through: bool = True,
    slope: bool = True,
    target: bool = True,
    once: bool = False,
    outputs: bool = False,
) -> Gradients:
    read, wanted = ids[:-1], ids[1:] if shift else ids[:-1]
    T, H = len(read), len(W_hh)
    hs, logs = np.zeros((T + 1, H)), np.empty((T, len(E)))
    for t, w in enumerate(read):
        hs[t + 1] = np.tanh(W_ih @ E[w] + W_hh @ hs[t])
        o = W_hy @ hs[t + 1]
        logs[t] = o - o.max() - np.log(np.exp(o - o.max()).sum())
    share = 1 / T if mean else 1.0
    do = np.exp(logs) * share
    if target:
        do[np.arange(T), wanted] -= share
    dE, dW_hh, dh = np.zeros_like(E), np.zeros_like(W_hh), np.zeros(H)
    for t in reversed(range(T)):
        dh = W_hy.T @ do[t] + (dh if through else 0)
        dz = dh * (1 - hs[t + 1] ** 2) if slope else dh
        dW_hh += np.outer(dz, hs[t])
        dx = W_ih.T @ dz
        dE[read[t]] = dx if once else dE[read[t]] + dx
        dh = W_hh.T @ dz
    dW_hy = do.T @ (hs[:-1] if outputs else hs[1:])
    loss = -logs[np.arange(T), wanted].sum() * share
    return float(loss), dE, dW_hh, dW_hy


def _model_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, V: int, D: int, H: int, note: str = "") -> Case:
        ids = rng.integers(0, V, T + 1)
        ids[-2:] = 0, 1  # so that no word is predicted by itself alone
        if T > 3:
            ids[:2] = 1, 0  # a word that is read twice, for certain
        weights = (
            rng.normal(size=(V, D)),
            rng.normal(size=(H, D)) / np.sqrt(D),
            matrix(rng, H),
            rng.normal(size=(V, H)),
        )
        return Case(aspect, (ids, *weights), note)

    yield case("values", 6, 5, 3, 4)
    yield case("values", 9, 4, 5, 3)
    yield case("short texts", 1, 4, 3, 2, note="one prediction")
    yield case("short texts", 2, 6, 2, 3, note="two predictions")


def _model_by_columns(
    ids: Array, E: Array, W_ih: Array, W_hh: Array, W_hy: Array
) -> Gradients:
    """Run all paths forward, one Jacobian a weight, and go back never."""
    V, H, T = len(E), len(W_hh), len(ids) - 1
    h, loss = np.zeros(H), 0.0
    J_E, J_W = np.zeros((H, *E.shape)), np.zeros((H, H, H))
    dE, dW_hh, dW_hy = np.zeros_like(E), np.zeros_like(W_hh), np.zeros_like(W_hy)
    for w, right in pairwise(ids):
        old, h = h, np.tanh(W_ih @ E[w] + W_hh @ h)
        J_E, J_W = np.tensordot(W_hh, J_E, 1), np.tensordot(W_hh, J_W, 1)
        J_E[:, w] += W_ih
        J_W[np.arange(H), np.arange(H)] += old
        slope = (1 - h**2)[:, None, None]
        J_E, J_W = slope * J_E, slope * J_W
        p = np.exp(W_hy @ h)
        p /= p.sum()
        loss -= np.log(p[right]) / T
        do = (p - (np.arange(V) == right)) / T
        dh = W_hy.T @ do
        dE, dW_hh = dE + np.tensordot(dh, J_E, 1), dW_hh + np.tensordot(dh, J_W, 1)
        dW_hy += np.outer(do, h)
    return float(loss), dE, dW_hh, dW_hy


def _wrong(**changes: Any) -> Callable[..., Gradients]:
    return lambda *arguments: _model(*arguments, **changes)


THROUGH = Exercise(
    id="11-8",
    title="Through the whole model",
    marks={"values": 5, "short texts": 2},
    difficulty=3,
    importance=3,
    minutes=45,
    returns=("loss", "dE", "dW_hh", "dW_hy"),
    reference=model_back,
    cases=_model_cases,
    mistakes={
        "The target is the word that is read; it must be the next one, ids[1:].": (
            _wrong(shift=0)
        ),
        "This is the sum over the predictions; the loss is their mean.": (
            _wrong(mean=False)
        ),
        "The blame from later steps is missing: dh has a second part, W_hh.T @ dz of "
        "the step after.": _wrong(through=False),
        "The slope of tanh, 1 - h², is missing.": _wrong(slope=False),
        "The gradient at the logits is the probabilities minus 1 at the right word; "
        "here the minus 1 is missing.": _wrong(target=False),
        "A word that is read twice gets the blame of both places: add to its row.": (
            _wrong(once=True)
        ),
        "dW_hy takes the state from which the word was predicted, h_t, not the one "
        "before.": _wrong(outputs=True),
    },
    also_right=(_model_by_columns,),
)
