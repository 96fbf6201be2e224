"""The cell over time, broken and mended: B sequences, T steps, D inputs, H units."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

from .step import draw, lstm_step, σ

# 8-4 ---------------------------------------------------------------------------------


def lstm_over_time(
    x: Array, h0: Array, c0: Array, W_ih: Array, W_hh: Array, b: Array
) -> tuple[Array, Array]:
    """Return the outputs y (B, T, H) of x (B, T, D), and the last memory (B, H)."""
    return _run(x, h0, c0, W_ih, W_hh, b)


def _run(
    x: Array,
    h0: Array,
    c0: Array,
    W: Array,
    U: Array,
    b: Array,
    order: str = "ifgo",
    keeps: str = "c",
    squash: Callable[[Array], Array] = np.tanh,
    carries: str = "hc",
) -> tuple[Array, Array]:
    """Run over time; the options are the mistakes that one can make."""
    h, c, outputs = h0, c0, []
    for t in range(x.shape[1]):
        blocks = np.split(x[:, t] @ W.T + h @ U.T + b, 4, axis=1)
        z = dict(zip(order, blocks, strict=True))
        old = c if keeps == "c" else h
        c = σ(z["f"]) * old + σ(z["i"]) * np.tanh(z["g"])
        h = σ(z["o"]) * squash(c)
        outputs.append(h)
        last, h, c = c, h if "h" in carries else h0, c if "c" in carries else c0
    return np.stack(outputs, axis=1), last


def _mend_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, D: int, H: int, *, note: str = "") -> Case:
        _, *rest = draw(rng, B, D, H)
        return Case(aspect, (rng.normal(size=(B, T, D)), *rest), note)

    yield case("values", *sizes(rng, 2, 3, 2, 2))
    yield case("values", *sizes(rng, 3, 4, 2, 3))
    yield case("one step", 2, 1, 3, 4, note="one step")
    yield case("one unit", 1, 4, 2, 1, note="one unit")


def _bare(c: Array) -> Array:
    return c


def _mend_by_sequence(x: Array, h0: Array, c0: Array, *weights: Array) -> list:
    """Take each sequence alone."""
    ys, last = [], []
    for x_n, h, c in zip(x, h0, c0, strict=True):
        h, c, row = h[None], c[None], []
        for x_t in x_n:
            h, c = lstm_step(x_t[None], h, c, *weights)
            row.append(h[0])
        ys.append(row)
        last.append(c[0])
    return [ys, last]


def _mend_shares_first(
    x: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    z, h, c = x @ W.T + b, h0, c0
    y, H = np.empty((*x.shape[:2], h0.shape[1])), h0.shape[1]
    for t in range(x.shape[1]):
        a = z[:, t] + np.einsum("gh,bh->bg", U, h)
        i, f, o = (σ(a[:, k * H : (k + 1) * H]) for k in (0, 1, 3))
        c = f * c + i * np.tanh(a[:, 2 * H : 3 * H])
        h = y[:, t] = o * np.tanh(c)
    return y, c


MEND = Exercise(
    id="8-4",
    title="Mend it: three faults in one loop",
    marks={"values": 2, "one step": 1, "one unit": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("y", "c"),
    reference=lstm_over_time,
    cases=_mend_cases,
    mistakes={
        "All three faults are still there: compare the order of the blocks, what the "
        "forget gate multiplies, and how the memory is shown, with the equations.": (
            partial(_run, order="ifog", keeps="h", squash=_bare)
        ),
        "Two faults are left: in the order of the blocks, and in what the forget gate "
        "multiplies.": partial(_run, order="ifog", keeps="h"),
        "Two faults are left: in the order of the blocks, and in how the memory is "
        "shown.": partial(_run, order="ifog", squash=_bare),
        "Two faults are left: in what the forget gate multiplies, and in how the "
        "memory is shown.": partial(_run, keeps="h", squash=_bare),
        "One fault is left, in the order of the blocks: torch's is i, f, g, o.": (
            partial(_run, order="ifog")
        ),
        "One fault is left: the forget gate multiplies the old memory c, not the old "
        "output h.": partial(_run, keeps="h"),
        "One fault is left: the memory is shown without its tanh.": (
            partial(_run, squash=_bare)
        ),
        "The memory is not carried on: every step starts from c0.": (
            partial(_run, carries="h")
        ),
        "The output is not carried on: every step starts from h0.": (
            partial(_run, carries="c")
        ),
        "Time stands in front: np.stack(outputs, axis=1) makes (B, T, H).": (
            lambda *args: (lstm_over_time(*args)[0].swapaxes(0, 1), _run(*args)[1])
        ),
        "The second result is the last memory c; this is the last output h.": (
            lambda *args: (y := lstm_over_time(*args)[0], y[:, -1])
        ),
        "The loop starts from zeros, not from h0 and c0.": (
            lambda x, h0, c0, *w: lstm_over_time(x, 0 * h0, 0 * c0, *w)
        ),
    },
    also_right=(_mend_by_sequence, _mend_shares_first),
)
