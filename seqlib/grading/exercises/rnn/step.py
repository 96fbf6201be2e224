"""One step, and what a product with a one-hot vector is.

Batches are rows, so W_hh h is `h @ W_hh.T`: B sequences, T steps, D inputs, H units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, states, weights

# 5-1 ---------------------------------------------------------------------------------


def rnn_step(
    x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> Array:
    """Return the new state (B, H) of a simple recurrent network."""
    return np.tanh(x @ W_ih.T + b_ih + h @ W_hh.T + b_hh)


def _step_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, D: int, H: int) -> Case:
        x, h = rng.normal(size=(B, D)), states(rng, B, H)
        W_ih, W_hh, b_ih = weights(rng, D, H)
        return Case(aspect, (x, h, W_ih, W_hh, b_ih, rng.uniform(0.3, 0.9, H)))

    yield case("values", *sizes(rng, 2, 2, 2))
    yield case("values", *sizes(rng, 3, 3, 3))
    yield case("sizes of 1", 1, 1, 1)
    yield case("sizes of 1", 1, 3, 2)


def _step_with(f: Callable[[Array], Array]) -> Callable:
    """Return a step with f in the place of tanh."""

    def step(
        x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
    ) -> Array:
        return f(x @ W_ih.T + b_ih + h @ W_hh.T + b_hh)

    return step


def _step_two_tanhs(
    x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> Array:
    return np.tanh(x @ W_ih.T + b_ih) + np.tanh(h @ W_hh.T + b_hh)


def _step_in_place(
    x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> Array:
    h[:] = rnn_step(x, h, W_ih, W_hh, b_ih, b_hh)
    return h


def _step_by_entries(
    x: Array, h: Array, W_ih: Array, W_hh: Array, b_ih: Array, b_hh: Array
) -> Array:
    z = np.zeros_like(h)
    for b in range(len(x)):
        for i in range(len(W_hh)):
            from_input = sum(W_ih[i, j] * x[b, j] for j in range(x.shape[1]))
            from_state = sum(W_hh[i, j] * h[b, j] for j in range(h.shape[1]))
            z[b, i] = from_input + b_ih[i] + from_state + b_hh[i]
    return np.tanh(z)


STEP = Exercise(
    id="5-1",
    title="One step",
    marks={"values": 1, "sizes of 1": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("h_new",),
    reference=rnn_step,
    cases=_step_cases,
    mistakes={
        "This is z; the state is tanh(z).": _step_with(lambda z: z),
        "This is the logistic function; the cell of the chapter uses np.tanh.": (
            _step_with(lambda z: 1 / (1 + np.exp(-z)))
        ),
        "The bias b_hh is left out; both count.": (
            lambda x, h, W, U, b, c: rnn_step(x, h, W, U, b, 0 * c)
        ),
        "The bias b_ih is left out; both count.": (
            lambda x, h, W, U, b, c: rnn_step(x, h, W, U, 0 * b, c)
        ),
        "Both biases are left out.": (
            lambda x, h, W, U, b, c: rnn_step(x, h, W, U, 0 * b, 0 * c)
        ),
        "W_hh is turned round: a batch has its states as rows, so W_hh h becomes "
        "h @ W_hh.T.": lambda x, h, W, U, b, c: rnn_step(x, h, W, U.T, b, c),
        "Each unit hears only itself. In W_hh h it hears all units: use @, not *.": (
            lambda x, h, W, U, b, c: np.tanh(x @ W.T + b + h * U.sum(axis=1) + c)
        ),
        "The old state plays no part: add h @ W_hh.T.": (
            lambda x, h, W, U, b, c: rnn_step(x, 0 * h, W, U, b, c)
        ),
        "There is one tanh, around the sum of all four parts; here each share has a "
        "tanh of its own.": _step_two_tanhs,
        "A batch has its vectors as rows, so the weights stand on the right and are "
        "transposed: x @ W_ih.T.": (
            lambda x, h, W, U, b, c: np.tanh(W @ x + b + U @ h + c)
        ),
        "`h[:] = …` and `h += …` write into the caller's array; `h = …` makes a new "
        "one.": _step_in_place,
    },
    also_right=(
        _step_by_entries,
        lambda x, h, W, U, b, c: np.tanh(  # one product of stacked weights
            np.hstack([x, h]) @ np.hstack([W, U]).T + (b + c)
        ),
        lambda x, h, W, U, b, c: np.tanh(
            np.einsum("hd,bd->bh", W, x) + np.einsum("hk,bk->bh", U, h) + b + c
        ),
    ),
)

# 5-2 ---------------------------------------------------------------------------------


def word_shares(ids: Array, W_ih: Array) -> Array:
    """Return W_ih x (B, T, H) for one-hot x, given as ids (B, T)."""
    return W_ih.T[ids]


def _word_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, V: int, H: int) -> Case:
        ids = rng.integers(0, V - 1, (B, T))
        ids[0, 0], ids[-1, -1] = 0, V - 2  # the last word does not occur
        W = rng.uniform(0.5, 2, (H, V)) * rng.choice([-1, 1], (H, V))
        return Case(aspect, (ids, W.astype("float32" if aspect == FLOAT32 else float)))

    B, T, V, H = sizes(rng, 2, 3, 6, 2)
    yield case("values", B, T, V, H)
    yield case("values", B, T, V, V)
    yield case("sizes of 1", 1, 1, 4, 3)
    yield case("sizes of 1", 1, 3, 5, 1)
    yield case(FLOAT32, B, T, V, H)


def _word_shares_in_float64(ids: Array, W_ih: Array) -> Array:
    return np.eye(W_ih.shape[1])[ids] @ W_ih.T


def _word_shares_reshaped(ids: Array, W_ih: Array) -> Array:
    return W_ih[:, ids].reshape(*ids.shape, len(W_ih))


def _word_shares_one_by_one(ids: Array, W_ih: Array) -> Array:
    shares = np.empty((*ids.shape, len(W_ih)), W_ih.dtype)
    for place, word in np.ndenumerate(ids):
        shares[place] = W_ih[:, word]
    return shares


LOOK_UP = Exercise(
    id="5-2",
    title="A word picks a column",
    marks={"values": 1, "sizes of 1": 1, FLOAT32: 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("shares",),
    reference=word_shares,
    cases=_word_cases,
    mistakes={
        "W_ih[ids] picks rows, which belong to units; a word's numbers stand in its "
        "column.": lambda ids, W: W[ids],
        "W_ih[:, ids] has the units in front, (H, B, T); they belong last.": (
            lambda ids, W: W[:, ids]
        ),
        "reshape only cuts the numbers anew; moving an axis is the work of .T, "
        "np.transpose or np.moveaxis.": _word_shares_reshaped,
        "Ids count from 0, so word 0 has column 0.": (
            lambda ids, W: word_shares(ids - 1, W)
        ),
        "An id is a name, not a quantity: word 4 is not twice word 2. Pick a column, "
        "do not multiply by the id.": lambda ids, W: ids[..., None] * W.sum(axis=1),
        "One vector for each word is asked for; a sum over the words forgets their "
        "order.": lambda ids, W: word_shares(ids, W).sum(axis=1),
        "np.take without axis=1 goes through W_ih as if it were one long row.": (
            lambda ids, W: np.take(W, ids)
        ),
        "The one-hot vectors are too short: their size is that of the vocabulary, "
        "W_ih.shape[1], even if its last words do not occur.": (
            lambda ids, W: np.eye(ids.max() + 1)[ids] @ W.T
        ),
        "The one-hot vectors are float64, and so is the product; looking up makes no "
        "new numbers and keeps the type.": _word_shares_in_float64,
    },
    also_right=(
        _word_shares_one_by_one,
        lambda ids, W: np.moveaxis(W[:, ids], 0, -1),
        lambda ids, W: np.eye(W.shape[1], dtype=W.dtype)[ids] @ W.T,
    ),
)
