"""Two texts as one input, and the way back into the three tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Three = tuple[Array, Array, Array]

# 19-1 --------------------------------------------------------------------------------


def pack(first: Array, second: Array, T: int, cls: int, sep: int) -> Three:
    """Return ids, segments and mask (T,) of [CLS] first [SEP] second [SEP] padding."""
    return _pack(first, second, T, cls, sep)


def _pack(
    first: Array,
    second: Array,
    T: int,
    cls: int,
    sep: int,
    begins: bool = True,
    last: bool = True,
    middle: int = 0,
    opener: int = 0,
    padding: int = 0,
    real: bool = True,
    left: bool = False,
) -> Three:
    """Join the texts; the options are the mistakes that one can make."""
    a = [*([cls] if begins else []), *first, sep]
    b = [*second, *([sep] if last else [])]
    segments = [opener, *[0] * (len(a) - 2), middle, *[1] * len(b)]
    n = len(a) + len(b)
    gap = T - n
    ids, segments = [*a, *b], segments[:n]
    mask = [True] * n + [not real] * gap
    ids = [0] * gap + ids if left else ids + [0] * gap
    segments += [padding] * gap
    if left:
        segments, mask = segments[n:] + segments[:n], mask[n:] + mask[:n]
    return np.array(ids), np.array(segments), np.array(mask)


def _pack_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, A: int, B: int, gap: int, note: str = "") -> Case:
        cls, sep = 100 + int(rng.integers(9)), 200 + int(rng.integers(9))
        first, second = rng.integers(5, 99, A), rng.integers(5, 99, B)
        return Case(aspect, (first, second, A + B + 3 + gap, cls, sep), note)

    yield case("values", 4, 3, 2)
    yield case("values", 2, 5, 3)
    yield case("full", 3, 4, 0, "no room left for padding")
    yield case("one word each", 1, 1, 4, "one word each")


def _pack_in_place(first: Array, second: Array, T: int, cls: int, sep: int) -> Three:
    ids, segments = np.zeros(T, int), np.zeros(T, int)
    cut, end = len(first) + 2, len(first) + len(second) + 3
    ids[0], ids[1 : cut - 1], ids[cut - 1] = cls, first, sep
    ids[cut : end - 1], ids[end - 1] = second, sep
    segments[cut:end] = 1
    return ids, segments, np.arange(T) < end


PACK = Exercise(
    id="19-1",
    title="Two texts, one input",
    marks={"values": 2, "full": 1, "one word each": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("ids", "segments", "mask"),
    reference=pack,
    cases=_pack_cases,
    mistakes={
        "The last [SEP] is missing: each of the two texts ends with one.": (
            partial(_pack, last=False)
        ),
        "The first [SEP] ends the first text, and belongs to it: segment 0.": (
            partial(_pack, middle=1)
        ),
        "[CLS] belongs to the first text: segment 0.": partial(_pack, opener=1),
        "On padding the segment is 0; the mask says that nothing is there.": (
            partial(_pack, padding=1)
        ),
        "The mask is False on padding, and True on every real token, the special ones "
        "among them.": partial(_pack, real=False),
        "The padding comes after the texts, not before: [CLS] stands at place 0.": (
            partial(_pack, left=True)
        ),
    },
    also_right=(_pack_in_place,),
)

# 19-7 --------------------------------------------------------------------------------


def input_backward(
    du: Array, ids: Array, segments: Array, V: int, K: int, P: int
) -> Three:
    """Return dW_e (V, E), dW_s (K, E), dW_p (P, E) for du (B, T, E)."""
    return _input_back(du, ids, segments, V, K, P)


def _input_back(
    du: Array,
    ids: Array,
    segments: Array,
    V: int,
    K: int,
    P: int,
    adds: bool = True,
    over: str = "sum",
    first: bool = False,
    mean: bool = False,
    skip: int | None = None,
) -> Three:
    """Go back; the options are the mistakes that one can make."""
    E = du.shape[-1]
    tables = np.zeros((V, E)), np.zeros((K, E)), np.zeros((P, E))
    for table, rows in zip(tables, (ids, segments), strict=False):
        if adds:
            np.add.at(table, rows, du)
        else:
            table[rows] += du
        if mean:
            table /= np.maximum(np.bincount(rows.ravel(), minlength=len(table)), 1)[
                :, None
            ]
    through = {"sum": du.sum(axis=0), "mean": du.mean(axis=0), "one": du[0]}[over]
    if first:
        tables[2][-len(through) :] = through
    else:
        tables[2][: len(through)] = through
    if skip is not None:
        tables[0][skip] = 0
    return tables


def _input_back_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, E: int, *, note: str = "") -> Case:
        V, K, P = 5, 2, T + 2
        ids = rng.integers(1, V, (B, T))
        ids[:, 0], ids[:, 1] = 0, ids[:, -1]  # some come twice in a row
        segments = np.sort(rng.integers(0, K, (B, T)))
        segments[:, 0], segments[:, -1] = 0, 1
        return Case(aspect, (rng.normal(size=(B, T, E)), ids, segments, V, K, P), note)

    yield case("values", *sizes(rng, 2, 5, 3))
    yield case("values", *sizes(rng, 3, 4, 2))
    yield case("sizes of 1", 1, 5, 3, note="one text")
    yield case("sizes of 1", 3, 6, 1, note="vectors of one number")


def _input_back_by_one_hot(
    du: Array, ids: Array, segments: Array, V: int, K: int, P: int
) -> Three:
    T = du.shape[1]
    words, kinds = np.eye(V)[ids], np.eye(K)[segments]
    return (
        np.einsum("btv,bte->ve", words, du),
        np.einsum("btk,bte->ke", kinds, du),
        np.concatenate([du.sum(axis=0), np.zeros((P - T, du.shape[-1]))]),
    )


INPUT_BACK = Exercise(
    id="19-7",
    title="Back into the three tables",
    marks={"values": 3, "sizes of 1": 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=20,
    returns=("dW_e", "dW_s", "dW_p"),
    reference=input_backward,
    cases=_input_back_cases,
    mistakes={
        "A row that is looked up twice collects from both uses; `dW[ids] += du` keeps "
        "only the last of them. See np.add.at.": partial(_input_back, adds=False),
        "A row collects the sum of its uses, not their mean.": (
            partial(_input_back, mean=True)
        ),
        "Every text of the batch used the position's row: add over the batch.": (
            partial(_input_back, over="one")
        ),
        "Add over the batch; the mean makes the gradient B times too small.": (
            partial(_input_back, over="mean")
        ),
        "The text stands at positions 0 to T-1; later rows of W_p were not used.": (
            partial(_input_back, first=True)
        ),
        "Word 0 gets its gradient like every other: here it is a word, and no "
        "padding.": partial(_input_back, skip=0),
    },
    also_right=(_input_back_by_one_hot,),
)
