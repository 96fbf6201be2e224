"""What the eye hands over: a map as annotations, and an image as a first state."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[Array, Array]

# 14-1 --------------------------------------------------------------------------------


def map_to_list(maps: Array) -> Pair:
    """Return the annotations (B, N, F), row by row, and their mean (B, F)."""
    rows = _rows(maps)
    return rows, rows.mean(axis=1)


def _rows(maps: Array) -> Array:
    B, F, _, _ = maps.shape
    return maps.reshape(B, F, -1).swapaxes(1, 2).copy()


def _map_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, *shape: int, note: str = "") -> Case:
        return Case(aspect, (rng.normal(size=shape),), note)

    yield case("values", *sizes(rng, 2, 3, 2, 4))
    yield case("values", *sizes(rng, 3, 2, 4, 2))
    yield case("square maps", 2, 3, 4, 4, note="a square map")
    yield case("square maps", 1, 4, 2, 2, note="a square map of 2 by 2 places")


def _by_places(maps: Array) -> tuple[list, list]:
    B, _, H, W = maps.shape
    rows = [[maps[b, :, i, j] for i in range(H) for j in range(W)] for b in range(B)]
    return rows, [sum(row) / len(row) for row in rows]


def _by_einsum(maps: Array) -> Pair:
    B, F, H, W = maps.shape
    rows = np.einsum("bfij->bijf", maps).reshape(B, H * W, F)
    return rows, np.einsum("bnf->bf", rows) / (H * W)


def _in_place(maps: Array) -> Pair:
    found = map_to_list(maps)
    maps -= maps.mean(axis=(2, 3), keepdims=True)
    return found


ANNOTATIONS = Exercise(
    id="14-1",
    title="From the map to a list of places",
    marks={"values": 2, "square maps": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("annotations", "mean"),
    reference=map_to_list,
    cases=_map_cases,
    mistakes={
        "The shape is right and the numbers are mixed up: `reshape` alone cuts the "
        "channels into pieces. First (B, F, N), then exchange the last two axes.": (
            lambda maps: (
                r := maps.reshape(len(maps), -1, maps.shape[1]),
                r.mean(axis=1),
            )
        ),
        "The mean is right and the annotations are mixed up: `reshape` moves no "
        "number. First (B, F, N), then exchange the last two axes.": (
            lambda maps: (
                maps.reshape(len(maps), -1, maps.shape[1]),
                maps.mean(axis=(2, 3)),
            )
        ),
        "The places are read column by column; row by row is asked.": (
            lambda maps: (_rows(maps.swapaxes(2, 3)), maps.mean(axis=(2, 3)))
        ),
        "An annotation is what all channels say about one place, so the result is "
        "(B, N, F) and not (B, F, N).": (
            lambda maps: (_rows(maps).swapaxes(1, 2), maps.mean(axis=(2, 3)))
        ),
        "The mean is over the places, one number for each channel; this is over the "
        "channels.": lambda maps: (_rows(maps), _rows(maps).mean(axis=2)),
        "This is the sum over the places, not the mean.": (
            lambda maps: (_rows(maps), maps.sum(axis=(2, 3)))
        ),
        "This is the largest value of each channel, not its mean.": (
            lambda maps: (_rows(maps), maps.max(axis=(2, 3)))
        ),
        "Each image has a mean of its own: do not average over the batch.": (
            lambda maps: (_rows(maps), maps.mean(axis=(0, 2, 3)))
        ),
        "The places come from the last to the first.": (
            lambda maps: (_rows(maps)[:, ::-1], maps.mean(axis=(2, 3)))
        ),
        "The two results are exchanged: first the annotations, then the mean.": (
            lambda maps: map_to_list(maps)[::-1]
        ),
        "`maps -= …` writes into the caller's array.": _in_place,
    },
    also_right=(_by_places, _by_einsum),
)

# 14-3 --------------------------------------------------------------------------------


def as_first_state(
    W_ih: Array, b_ih: Array, b_hh: Array, W_f: Array, b_f: Array
) -> Pair:
    """Return W_s (H, M) and b_s (H,): the image as a first state."""
    return W_ih @ W_f, W_ih @ b_f + b_ih + b_hh


def _state_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, H: int, E: int, M: int, *, note: str = "") -> Case:
        shapes = (H, E), (H,), (H,), (E, M), (E,)
        return Case(aspect, tuple(rng.normal(size=shape) for shape in shapes), note)

    yield case("values", *sizes(rng, 3, 2, 4))
    yield case("values", *sizes(rng, 2, 4, 3))
    yield case("sizes of 1", 4, 1, 3, note="words of size 1")
    yield case("sizes of 1", 3, 3, 3, note="all sizes alike")


def _by_columns(W_ih: Array, b_ih: Array, b_hh: Array, W_f: Array, b_f: Array) -> Pair:
    """Ask the network what it makes of nothing, and of each unit vector."""
    columns = [W_ih @ (column + b_f) + b_ih + b_hh for column in W_f.T]
    rest = np.einsum("he,e->h", W_ih, b_f) + (b_ih + b_hh)
    return np.stack(columns, axis=1) - rest[:, None], rest


FIRST_STATE = Exercise(
    id="14-3",
    title="Derive: one option in the clothes of another",
    marks={"values": 2, "sizes of 1": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("W_s", "b_s"),
    reference=as_first_state,
    cases=_state_cases,
    mistakes={
        "The image's own bias b_f goes through W_ih too, before it meets the others.": (
            lambda W, b, b_2, W_f, b_f: (W @ W_f, b + b_2)
        ),
        "The cell has two biases, b_ih and b_hh; one is missing: b_hh acts although "
        "the state before is zero.": (
            lambda W, b, b_2, W_f, b_f: (W @ W_f, W @ b_f + b)
        ),
        "The cell has two biases, b_ih and b_hh; b_ih is missing.": (
            lambda W, b, b_2, W_f, b_f: (W @ W_f, W @ b_f + b_2)
        ),
        "The cell's biases are missing: b_ih + b_hh.": (
            lambda W, b, b_2, W_f, b_f: (W @ W_f, W @ b_f)
        ),
        "W_s is transposed: its shape is (H, M).": (
            lambda W, *rest: (
                as_first_state(W, *rest)[0].T,
                as_first_state(W, *rest)[1],
            )
        ),
        "The tanh belongs to option 1 itself, s_0 = tanh(W_s v + b_s), and not to its "
        "weights.": lambda *args: tuple(map(np.tanh, as_first_state(*args))),
        "The biases are added to the columns of W_s: keep them apart, in b_s.": (
            lambda *args: (
                as_first_state(*args)[0] + as_first_state(*args)[1][:, None],
                as_first_state(*args)[1],
            )
        ),
        "b_f is counted with the wrong sign.": (
            lambda W, b, b_2, W_f, b_f: (W @ W_f, b + b_2 - W @ b_f)
        ),
    },
    also_right=(_by_columns,),
)
