"""Bits per character."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 7-9 ---------------------------------------------------------------------------------


def pair_bits(text: Array, unseen: Array, V: int, alpha: float) -> float:
    """Return the bits a character that counting pairs needs for an unseen text."""
    C = np.full((V, V), float(alpha))
    np.add.at(C, (text[:-1], text[1:]), 1)
    P = C / C.sum(axis=1, keepdims=True)
    return float(-np.log2(P[unseen[:-1], unseen[1:]]).mean())


def _bits_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, N: int, V: int, alpha: float, note: str = "") -> Case:
        step = rng.integers(0, V, V)  # a favourite successor for each character

        def draw(n: int) -> Array:
            ids = [0]
            for _ in range(n - 1):
                new = rng.integers(0, V) if rng.random() < 0.5 else step[ids[-1]]
                ids.append(int(new))
            return np.array(ids)

        return Case(aspect, (draw(N), draw(N // 3), V, alpha), note)

    yield case("values", 120, 5, 0.5)
    yield case("values", 200, 7, 1.0)
    yield case("never seen", 12, 9, 0.3, "most pairs are new")
    yield Case("never seen", (np.array([0, 1, 0]), np.array([2, 2, 0]), 4, 0.1))
    yield Case("short texts", (np.array([1, 0]), np.array([1, 0]), 2, 0.5), "one pair")


def _bits(
    text: Array,
    unseen: Array,
    V: int,
    alpha: float,
    *,
    axis: int = 1,
    lost: bool = False,
    both: bool = False,
    log: Callable[[Array], Array] = np.log2,
) -> float:
    C = np.zeros((V, V))
    if lost:
        C[text[:-1], text[1:]] += 1
    else:
        np.add.at(C, (text[:-1], text[1:]), 1)
    if both:
        np.add.at(C, (unseen[:-1], unseen[1:]), 1)
    P = (C + alpha) / (C + alpha).sum(axis=axis, keepdims=True)
    return float(-log(P[unseen[:-1], unseen[1:]]).mean())


def _bits_alone(text: Array, unseen: Array, V: int, alpha: float) -> float:
    P = (np.bincount(text, minlength=V) + alpha) / (len(text) + alpha * V)
    return float(-np.log2(P[unseen[1:]]).mean())


def _bits_no_alpha_below(text: Array, unseen: Array, V: int, alpha: float) -> float:
    C = np.zeros((V, V))
    np.add.at(C, (text[:-1], text[1:]), 1)
    below = np.maximum(C.sum(axis=1, keepdims=True), 1)
    return float(-np.log2(((C + alpha) / below)[unseen[:-1], unseen[1:]]).mean())


def _bits_one_alpha(text: Array, unseen: Array, V: int, alpha: float) -> float:
    C = np.zeros((V, V))
    np.add.at(C, (text[:-1], text[1:]), 1)
    P = (C + alpha) / (C.sum(axis=1, keepdims=True) + alpha)
    return float(-np.log2(P[unseen[:-1], unseen[1:]]).mean())


def _bits_by_dictionary(text: Array, unseen: Array, V: int, alpha: float) -> float:
    seen: dict[tuple[int, int], int] = {}
    before: dict[int, int] = {}
    for a, b in zip(text.tolist(), text.tolist()[1:], strict=False):
        seen[a, b] = seen.get((a, b), 0) + 1
        before[a] = before.get(a, 0) + 1
    bits = 0.0
    for a, b in zip(unseen.tolist(), unseen.tolist()[1:], strict=False):
        p = (seen.get((a, b), 0) + alpha) / (before.get(a, 0) + alpha * V)
        bits -= np.log2(p)
    return bits / (len(unseen) - 1)


BITS = Exercise(
    id="7-9",
    title="Predict, then measure: what do pairs know?",
    marks={"values": 2, "never seen": 1, "short texts": 1},
    difficulty=2,
    importance=2,
    minutes=25,
    returns=("bits",),
    reference=pair_bits,
    cases=_bits_cases,
    mistakes={
        "These are nats: bits take the logarithm to base 2.": (
            lambda text, unseen, V, alpha: _bits(text, unseen, V, alpha, log=np.log)
        ),
        "`C[a, b] += 1` with arrays counts each pair once, however often it comes: use "
        "np.add.at, or a loop.": (
            lambda text, unseen, V, alpha: _bits(text, unseen, V, alpha, lost=True)
        ),
        "Each row must sum to 1: given the first character, the second is drawn. Here "
        "the columns do.": (
            lambda text, unseen, V, alpha: _bits(text, unseen, V, alpha, axis=0)
        ),
        "The unseen text was counted as well. Then it is not unseen, and the score "
        "flatters.": (
            lambda text, unseen, V, alpha: _bits(text, unseen, V, alpha, both=True)
        ),
        "This counts single characters; the one before tells more.": _bits_alone,
        "alpha is added to each of the V counts of a row, so the sum of the row grows "
        "by alpha times V; here the sum stays as it was.": _bits_no_alpha_below,
        "The sum of a row grows by alpha times V, not by alpha alone.": _bits_one_alpha,
        "This is the whole file; bits per character divide by the number of "
        "predictions.": lambda text, unseen, V, alpha: (
            pair_bits(text, unseen, V, alpha) * (len(unseen) - 1)
        ),
        "The first character is not predicted: there is one prediction less than there "
        "are characters.": lambda text, unseen, V, alpha: (
            pair_bits(text, unseen, V, alpha) * (len(unseen) - 1) / len(unseen)
        ),
        "The sign is wrong: the logarithm of a probability is negative, bits are "
        "not.": (lambda text, unseen, V, alpha: -pair_bits(text, unseen, V, alpha)),
        "This is the perplexity, 2 to the bits.": (
            lambda text, unseen, V, alpha: 2 ** pair_bits(text, unseen, V, alpha)
        ),
        "This is a share of right answers or a mean probability; take the logarithm of "
        "each probability first.": lambda text, unseen, V, alpha: float(
            -np.log2(
                np.mean(
                    2
                    ** -np.array(
                        [
                            pair_bits(text, unseen[i : i + 2], V, alpha)
                            for i in range(len(unseen) - 1)
                        ]
                    )
                )
            )
        ),
    },
    also_right=(_bits_by_dictionary,),
)
