"""How probable an answer is, and what the teacher hands to the decoder."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Lists = list[list[int]]

# 12-1 --------------------------------------------------------------------------------


def answer_log_prob(P: Array, y: Array, eos: int) -> float:
    """Return log P(y | x) of an answer, up to and with its first <eos>.

    P (T, K) the distributions of each step, y (T,) words; after <eos> comes padding.
    """
    n = _ends(y, eos)
    return float(np.log(P[np.arange(n), y[:n]]).sum())


def _ends(y: Array, eos: int) -> int:
    return int(np.argmax(y == eos)) + 1


def _answers(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, end: int, sharp: float = 1.0) -> Case:
        K = int(rng.integers(5, 9))
        z = np.exp(sharp * rng.normal(size=(T, K)))
        y = rng.integers(2, K, T)
        y[end:] = rng.integers(2, K, T - end) if aspect == "padding" else 1
        y[end - 1] = 1
        return Case(aspect, (z / z.sum(axis=1, keepdims=True), y, 1))

    yield case("values", 6, 6)
    yield case("values", 4, 4)
    yield case("padding", 7, 4)
    yield case("padding", 6, 2)
    yield case("long answers", 600, 600)


def _log_of_product(P: Array, y: Array, eos: int) -> float:
    n = _ends(y, eos)
    return float(np.log(np.prod(P[np.arange(n), y[:n]]) + 1e-300))


def _answer_by_steps(P: Array, y: Array, eos: int) -> float:
    total = 0.0
    for row, word in zip(P, y, strict=True):
        total += float(np.log(row)[word])
        if word == eos:
            break
    return total


ANSWER = Exercise(
    id="12-1",
    title="How probable is an answer?",
    marks={"values": 2, "padding": 1, "long answers": 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("log_p",),
    reference=answer_log_prob,
    cases=_answers,
    mistakes={
        "<eos> is a word of the answer: its probability counts, too.": (
            lambda P, y, eos: (
                answer_log_prob(P, y, eos) - np.log(P[_ends(y, eos) - 1, eos])
            )
        ),
        "What comes after <eos> is padding and does not count.": (
            lambda P, y, eos: float(np.log(P[np.arange(len(y)), y]).sum())
        ),
        "This is the probability; asked is its logarithm.": (
            lambda P, y, eos: float(np.exp(answer_log_prob(P, y, eos)))
        ),
        "The sign is turned round: this is the loss, asked is log P.": (
            lambda P, y, eos: -answer_log_prob(P, y, eos)
        ),
        "This is the mean over the words; the product of (12.1) becomes a sum.": (
            lambda P, y, eos: answer_log_prob(P, y, eos) / _ends(y, eos)
        ),
        "The product of many small numbers is 0 to a computer, and a tiny number added "
        "does not help: add the logarithms instead.": _log_of_product,
        "These are the likeliest words' probabilities; asked are those of y.": (
            lambda P, y, eos: float(np.log(P.max(axis=1)[: _ends(y, eos)]).sum())
        ),
        "The logarithm is the natural one, np.log.": (
            lambda P, y, eos: answer_log_prob(P, y, eos) / float(np.log(2))
        ),
    },
    also_right=(_answer_by_steps,),
)

# 12-2 --------------------------------------------------------------------------------


def teacher_pairs(targets: Lists, sos: int, eos: int, pad: int) -> tuple[Array, Array]:
    """Return what the decoder is fed, and what is wanted of it, both (B, T + 1).

    targets: B lists of words without <sos> and <eos>, T the longest.
    """
    return _shifted([[sos, *t] for t in targets], [[*t, eos] for t in targets], pad)


def _shifted(
    fed: Lists, wanted: Lists, pad: int, left: bool = False
) -> tuple[Array, Array]:
    T = max(len(row) for row in [*fed, *wanted])

    def full(row: list[int]) -> list[int]:
        rest = [pad] * (T - len(row))
        return [*rest, *row] if left else [*row, *rest]

    return np.array([full(r) for r in fed]), np.array([full(r) for r in wanted])


def _targets(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, *lengths: int) -> Case:
        rows = [rng.integers(3, 30, n).tolist() for n in lengths]
        return Case(aspect, (rows, 1, 2, 0))

    yield case("values", 4)
    yield case("values", 3, 3)
    yield case("ragged", *sizes(rng, 1, 2, 4))
    yield case("ragged", 5, 2)
    yield case("no words", 0, 2)


def _append_in_place(
    targets: Lists, sos: int, eos: int, pad: int
) -> tuple[Array, Array]:
    answer = teacher_pairs(targets, sos, eos, pad)
    for row in targets:
        row.append(eos)
    return answer


def _teacher_by_arrays(
    targets: Lists, sos: int, eos: int, pad: int
) -> tuple[Array, Array]:
    T = max(map(len, targets)) + 1
    fed, wanted = (np.full((len(targets), T), pad) for _ in range(2))
    fed[:, 0] = sos
    for b, row in enumerate(targets):
        wanted[b, : len(row)] = fed[b, 1 : len(row) + 1] = row
        wanted[b, len(row)] = eos
    return fed, wanted


TEACHER = Exercise(
    id="12-2",
    title="What the teacher says",
    marks={"values": 2, "ragged": 1, "no words": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("fed", "wanted"),
    reference=teacher_pairs,
    cases=_targets,
    mistakes={
        "The decoder is fed with the very words that it is to say: it will copy them "
        "and learn nothing. What is fed comes one step later, after <sos>.": (
            lambda targets, sos, eos, pad: _shifted(
                [[*t, eos] for t in targets], [[*t, eos] for t in targets], pad
            )
        ),
        "Nobody asks for <eos>: then the network never learns to stop.": (
            lambda targets, sos, eos, pad: _shifted(
                [[sos, *t] for t in targets], [list(t) for t in targets], pad
            )
        ),
        "<sos> is missing: before the first word the decoder is fed with <sos>.": (
            lambda targets, sos, eos, pad: _shifted(
                [list(t) for t in targets], [[*t, eos] for t in targets], pad
            )
        ),
        "<eos> is fed, too. Nothing is wanted after it, so it is never an input.": (
            lambda targets, sos, eos, pad: _shifted(
                [[sos, *t, eos] for t in targets], [[*t, eos] for t in targets], pad
            )
        ),
        "The two results are exchanged: first what is fed, then what is wanted.": (
            lambda *args: teacher_pairs(*args)[::-1]
        ),
        "The padding stands at the left; fill up at the right.": (
            lambda targets, sos, eos, pad: _shifted(
                [[sos, *t] for t in targets], [[*t, eos] for t in targets], pad, True
            )
        ),
        "The two marks are exchanged: <sos> opens what is fed, <eos> closes what is "
        "wanted.": lambda targets, sos, eos, pad: teacher_pairs(targets, eos, sos, pad),
        "The rows are filled up with <eos>; after the one <eos> comes padding.": (
            lambda targets, sos, eos, pad: (
                teacher_pairs(targets, sos, eos, pad)[0],
                teacher_pairs(targets, sos, eos, eos)[1],
            )
        ),
        "`append` changes the caller's lists: make new ones.": _append_in_place,
    },
    also_right=(_teacher_by_arrays,),
)
