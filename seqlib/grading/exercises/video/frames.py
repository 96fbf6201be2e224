"""Baselines for the next frame, and what a clip of unequal length leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[Array, Array]

# 10-1 --------------------------------------------------------------------------------


def baseline_errors(films: Array) -> Pair:
    """Return the errors of the copy and of the line, (B,) each, for (B, T, H, W)."""
    return _errors(films)


def _errors(
    films: Array,
    copy_from: int = 2,
    line: Callable[[Array, Array], Array] = lambda now, old: 2 * now - old,
    size: Callable[[Array], Array] = np.square,
    axes: tuple[int, ...] = (1, 2, 3),
    total: Callable[..., Array] = np.mean,
) -> Pair:
    """Compare; `copy_from` is the first frame that the copy must predict."""
    now, old, new = films[:, 1:-1], films[:, :-2], films[:, 2:]
    copied = films[:, copy_from - 1 : -1] - films[:, copy_from:]
    both = size(copied), size(line(now, old) - new)
    return total(both[0], axis=axes), total(both[1], axis=axes)


def _baseline_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, H: int, W: int, *, note: str = "") -> Case:
        return Case(aspect, (rng.uniform(size=(B, T, H, W)),), note)

    yield case("values", *sizes(rng, 2, 4, 3, 3))
    yield case("values", *sizes(rng, 2, 5, 2, 2))
    yield case("three frames", 2, 3, 4, 5, note="films of three frames")
    yield case("three frames", 1, 3, 1, 1, note="one film of one pixel")


def _baselines_by_loops(films: Array) -> tuple[list, list]:
    copy, line = [], []
    for film in films:
        steps = list(zip(film, film[1:], film[2:], strict=False))
        copy.append(np.mean([(new - now) ** 2 for _, now, new in steps]))
        line.append(np.mean([(new - 2 * now + old) ** 2 for old, now, new in steps]))
    return copy, line


BASELINES = Exercise(
    id="10-1",
    title="Two predictors that learn nothing",
    marks={"values": 2, "three frames": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("copy", "line"),
    reference=baseline_errors,
    cases=_baseline_cases,
    mistakes={
        "The copy is judged from the second frame on, the line from the third. Judge "
        "both on the same frames, or the comparison is not fair.": (
            lambda films: _errors(films, copy_from=1)
        ),
        "The line goes on by as much as it came: 2 * now - before, not (now + before) "
        "/ 2.": lambda films: _errors(films, line=lambda now, old: (now + old) / 2),
        "The sign of the line is turned: now + (now - before), not now - (now - "
        "before), which is the frame before.": (
            lambda films: _errors(films, line=lambda now, old: old)
        ),
        "The squares are missing: the plain differences cancel out.": (
            lambda films: _errors(films, size=lambda d: d)
        ),
        "The error is squared, not its size |·|.": (
            lambda films: _errors(films, size=np.abs)
        ),
        "The mean is taken over steps and pixels, the sum grows with the frame.": (
            lambda films: _errors(films, total=np.sum)
        ),
        "One number a film is asked for: do not average over the batch.": (
            lambda films: tuple(np.mean(e) for e in _errors(films))
        ),
        "This is the square root of the error; leave it squared.": (
            lambda films: tuple(np.sqrt(e) for e in _errors(films))
        ),
        "The two results are exchanged: first the copy, then the line.": (
            lambda films: _errors(films)[::-1]
        ),
    },
    also_right=(_baselines_by_loops,),
)

# 10-8 --------------------------------------------------------------------------------


def sum_up(e: Array, mask: Array) -> Pair:
    """Return the mean and the last of the real frames' features, (B, D) each."""
    return _sum_up(e, mask)


def _sum_up(
    e: Array,
    mask: Array,
    real_mean: bool = True,
    real_last: bool = True,
    zeroes: bool = True,
    copies: bool = True,
) -> Pair:
    """Sum up; where a switch is off, its fault is left."""
    e = e.copy() if copies else e
    if zeroes:
        e[~mask] = 0
    count = mask.sum(axis=1, keepdims=True) if real_mean else e.shape[1]
    last = np.where(mask, np.arange(e.shape[1]), -1).max(axis=1)
    last = last if real_last else np.full(len(e), e.shape[1] - 1)
    return e.sum(axis=1) / count, e[np.arange(len(e)), last].copy()


def _sum_up_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, D: int, *, note: str = "") -> Case:
        e = rng.normal(size=(B, T, D))
        lengths = rng.integers(1, T, size=B)  # no clip fills the batch
        mask = np.arange(T) < lengths[:, None]
        if aspect == "gaps":
            mask[:, :] = rng.random((B, T)) < 0.5
            mask[:, 1], mask[:, 0], mask[:, -1] = True, False, False
        return Case(aspect, (e, mask), note)

    yield case("values", *sizes(rng, 3, 5, 2))
    yield case("values", *sizes(rng, 4, 4, 3))
    yield case("gaps", 4, 7, 3, note="a camera that drops frames: gaps in the mask")
    whole = np.ones((2, 4), bool)
    yield Case("no padding", (rng.normal(size=(2, 4, 3)), whole), "no padding at all")


def _last_by_count(e: Array, mask: Array) -> Pair:
    n = mask.sum(axis=1)
    return _sum_up(e, mask)[0], e[np.arange(len(e)), n - 1]


def _sum_up_by_rows(e: Array, mask: Array) -> tuple[list, list]:
    rows = [row[real] for row, real in zip(e, mask, strict=True)]
    return [row.mean(axis=0) for row in rows], [row[-1] for row in rows]


MEND = Exercise(
    id="10-8",
    title="Mend it: what a clip leaves behind",
    marks={"values": 2, "gaps": 1, "no padding": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=15,
    returns=("bag", "last"),
    reference=sum_up,
    cases=_sum_up_cases,
    mistakes={
        "Nothing is mended yet: the mean divides by the width of the batch, the last "
        "frame is padding, and the caller's array is overwritten.": (
            lambda e, mask: _sum_up(e, mask, False, False, copies=False)
        ),
        "One fault is left: the mean divides by the width of the batch. Divide by the "
        "number of real frames.": lambda e, mask: _sum_up(e, mask, real_mean=False),
        "One fault is left: the last column is padding for a short clip. Find the last "
        "real frame of each row.": lambda e, mask: _sum_up(e, mask, real_last=False),
        "One fault is left: e[~mask] = 0 writes into the caller's array. Work on a "
        "copy, or multiply.": lambda e, mask: _sum_up(e, mask, copies=False),
        "The last real frame is not the one at place (number of real frames - 1) if "
        "the mask has gaps.": _last_by_count,
        "The padding is in the sum: set it to zero before you add, or add the real "
        "frames alone.": lambda e, mask: _sum_up(e, mask, zeroes=False),
        "This is the first real frame, not the last.": (
            lambda e, mask: (
                _sum_up(e, mask)[0],
                e[np.arange(len(e)), mask.argmax(axis=1)],
            )
        ),
        "The two results are exchanged: first the mean, then the last.": (
            lambda e, mask: _sum_up(e, mask)[::-1]
        ),
    },
    also_right=(_sum_up_by_rows,),
)
