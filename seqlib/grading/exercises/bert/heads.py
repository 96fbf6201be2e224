"""A classifier on the pooled vector, to be mended."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 19-6 --------------------------------------------------------------------------------


def classify(
    hidden: Array, labels: Array, W_c: Array, b_c: Array, W: Array, b: Array
) -> tuple[float, Array]:
    """Return the mean loss, and its gradient at hidden (B, T, E)."""
    return _classify(hidden, labels, W_c, b_c, W, b)


def _classify(
    hidden: Array,
    labels: Array,
    W_c: Array,
    b_c: Array,
    W: Array,
    b: Array,
    place: int = 0,
    axis: int = 1,
    slope: bool = True,
    share: bool = True,
    everywhere: bool = False,
    squash: bool = True,
    turned: bool = False,
) -> tuple[float, Array]:
    """Classify; the options are the mistakes that one can make."""
    B = len(hidden)
    z = hidden[:, place] @ W_c.T + b_c
    c = np.tanh(z) if squash else z
    o = c @ W.T + b
    p = np.exp(o - o.max()) / np.exp(o - o.max()).sum(axis=axis, keepdims=True)
    loss = -np.log(p[np.arange(B), labels]).mean()
    do = (p - np.eye(len(b))[labels]) / (B if share else 1)
    dz = do @ W * ((1 - c * c) if slope and squash else 1)
    dh = dz @ (W_c.T if turned else W_c)
    dhidden = np.zeros_like(hidden)
    if everywhere:
        dhidden += dh[:, None]
    else:
        dhidden[:, place] = dh
    return float(loss), dhidden


def _cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, E: int, C: int, *, note: str = "") -> Case:
        W_c, W = rng.normal(size=(E, E)), rng.normal(size=(C, E))
        b_c, b = rng.normal(size=E) / 2, rng.normal(size=C)
        hidden, labels = rng.normal(size=(B, T, E)) / 2, rng.integers(0, C, B)
        return Case(aspect, (hidden, labels, W_c, b_c, W, b), note)

    yield case("values", *sizes(rng, 2, 3, 4, 2))
    yield case("values", *sizes(rng, 3, 4, 2, 2))
    yield case("sizes of 1", 1, 4, 3, 2, note="one text")


def _text_by_text(
    hidden: Array, labels: Array, W_c: Array, b_c: Array, W: Array, b: Array
) -> tuple[float, Array]:
    dhidden, losses = np.zeros(hidden.shape), []
    for n, (h, y) in enumerate(zip(hidden, labels, strict=True)):
        c = np.tanh(W_c @ h[0] + b_c)
        o = W @ c + b
        total = o.max() + np.log(np.exp(o - o.max()).sum())
        losses.append(total - o[y])
        do = np.exp(o - total)
        do[y] -= 1
        dhidden[n, 0] = W_c.T @ ((1 - c**2) * (W.T @ do)) / len(hidden)
    return float(np.mean(losses)), dhidden


_broken = partial(_classify, place=-1, slope=False, share=False)

MEND = Exercise(
    id="19-6",
    title="Mend it: a classifier with three faults",
    marks={"values": 3, "sizes of 1": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("loss", "dhidden"),
    reference=classify,
    cases=_cases,
    mistakes={
        "All three faults are still there: one in the forward pass, two on the way "
        "back.": _broken,
        "Two faults are left, both on the way back.": (
            partial(_classify, slope=False, share=False)
        ),
        "Two faults are left: which token is read, and what the loss is the mean of.": (
            partial(_classify, place=-1, share=False)
        ),
        "Two faults are left: which token is read, and what lies between c and the "
        "linear layer.": partial(_classify, place=-1, slope=False),
        "One fault is left: the last token is read, and it is [CLS], the first, that "
        "the pooler reads.": partial(_classify, place=-1),
        "One fault is left: the way back passes the tanh, with the slope 1 - c².": (
            partial(_classify, slope=False)
        ),
        "One fault is left: the loss is a mean over the texts, so each text's "
        "gradient is divided by their number.": partial(_classify, share=False),
        "The gradient lands on [CLS] alone; the head reads no other state.": (
            partial(_classify, everywhere=True)
        ),
        "The softmax runs over the classes of one text, not over the texts.": (
            partial(_classify, axis=0)
        ),
        "The pooler squashes: the tanh is gone.": partial(_classify, squash=False),
        "Backwards the pooler's matrix is transposed: rows dz times W_c.": (
            partial(_classify, turned=True)
        ),
    },
    also_right=(_text_by_text,),
)
