"""Scores of classes, when to stop, and bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 7-7 ---------------------------------------------------------------------------------

Scores = tuple[Array, Array, Array]


def report(predicted: Array, y: Array, mask: Array, classes: int) -> Scores:
    """Return recall, precision and F of each class, 0 where there is nothing."""
    C = _matrix(predicted, y, mask, classes)
    right, of_class, so_called = C.diagonal(), C.sum(axis=1), C.sum(axis=0)
    return _scores(right, of_class, so_called)


def _matrix(predicted: Array, y: Array, mask: Array, classes: int) -> Array:
    C = np.zeros((classes, classes))
    np.add.at(C, (y[mask], predicted[mask]), 1)
    return C


def _ratio(a: Array, b: Array) -> Array:
    return np.where(b > 0, a / np.where(b > 0, b, 1), 0.0)


def _scores(right: Array, of_class: Array, so_called: Array) -> Scores:
    R, P = _ratio(right, of_class), _ratio(right, so_called)
    return R, P, _ratio(2 * P * R, P + R)


def _report_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, O: int, note: str, some: int = 0) -> Case:
        y = rng.integers(0, some or O, (B, T))
        guess = rng.integers(0, some or O, (B, T))
        keep = rng.random((B, T)) < 0.6
        lengths = rng.integers(2, T + 1, B)
        mask = np.arange(T) < lengths[:, None]
        # every class occurs, is right once, and is taken for another
        first = np.arange(some or O)
        y[0, : len(first)] = guess[0, : len(first)] = first
        y[1, : len(first)], guess[1, : len(first)] = first, np.roll(first, 1)
        mask[:2, : len(first)] = True
        guess[2:] = np.where(keep, y, guess)[2:]
        return Case(aspect, (guess, y, mask, O), note)

    yield case("values", 6, 9, 4, "padding at the end")
    yield case("values", 5, 8, 3, "padding at the end")
    yield case("absent classes", 5, 8, 6, "two classes never occur", some=4)
    y = np.array([[0, 0, 1, 1]])
    guess, mask = np.array([[0, 0, 0, 2]]), np.ones((1, 4), bool)
    yield Case("absent classes", (guess, y, mask, 3), "class 1 is never right")


def _report_by_sets(predicted: Array, y: Array, mask: Array, classes: int) -> list:
    rows = []
    for k in range(classes):
        is_, said = (y == k) & mask, (predicted == k) & mask
        both = float((is_ & said).sum())
        R = both / is_.sum() if is_.any() else 0.0
        P = both / said.sum() if said.any() else 0.0
        total = is_.sum() + said.sum()
        rows.append((R, P, 2 * both / total if total else 0.0))
    return [np.array(column) for column in zip(*rows, strict=True)]


def _report_with(mean: Callable[[Array, Array], Array]) -> Callable:
    def wrong(predicted: Array, y: Array, mask: Array, classes: int) -> Scores:
        R, P, _ = report(predicted, y, mask, classes)
        return R, P, mean(R, P)

    return wrong


def _report_nan(predicted: Array, y: Array, mask: Array, classes: int) -> Scores:
    C = _matrix(predicted, y, mask, classes)
    with np.errstate(all="ignore"):
        R, P = C.diagonal() / C.sum(axis=1), C.diagonal() / C.sum(axis=0)
        return R, P, 2 * P * R / (P + R)


def _report_lost(predicted: Array, y: Array, mask: Array, classes: int) -> Scores:
    C = np.zeros((classes, classes))
    C[y[mask], predicted[mask]] += 1
    return _scores(C.diagonal(), C.sum(axis=1), C.sum(axis=0))


def _report_shares(predicted: Array, y: Array, mask: Array, classes: int) -> Scores:
    C = _matrix(predicted, y, mask, classes)
    share = C.diagonal() / C.sum()
    return share, share, share


REPORT = Exercise(
    id="7-7",
    title="A report for every class",
    marks={"values": 2, "absent classes": 2},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("recall", "precision", "F"),
    reference=report,
    cases=_report_cases,
    mistakes={
        "The padding is counted too: look only where mask is True.": (
            lambda predicted, y, mask, classes: report(
                predicted, y, np.ones_like(mask), classes
            )
        ),
        "Recall and precision are exchanged: recall divides by how often the class "
        "occurs, precision by how often it was called.": (
            lambda predicted, y, mask, classes: report(y, predicted, mask, classes)
        ),
        "F is not the plain mean of recall and precision: it is 2PR / (P + R).": (
            _report_with(lambda R, P: (R + P) / 2)
        ),
        "F is not the root of the product: it is 2PR / (P + R).": (
            _report_with(lambda R, P: np.sqrt(R * P))
        ),
        "In F the factor 2 is missing: a perfect class has F = 1.": (
            _report_with(lambda R, P: _ratio(P * R, P + R))
        ),
        "0 / 0 is nan. A class that never occurs, or is never called, gets a 0.": (
            _report_nan
        ),
        "`C[y, predicted] += 1` counts a pair once, however often it comes: use "
        "np.add.at, or a loop.": _report_lost,
        "These are shares of all words; recall is a share of the words of its class.": (
            _report_shares
        ),
    },
    also_right=(_report_by_sets,),
)

# 7-8 ---------------------------------------------------------------------------------


def early_stop(losses: Array, patience: int) -> tuple[int, int]:
    """Return the look with the lowest loss, and the look at which training stops."""
    best, waited = 0, 0
    for look in range(1, len(losses)):
        if losses[look] < losses[best]:
            best, waited = look, 0
        else:
            waited += 1
        if waited == patience:
            return best, look
    return best, len(losses) - 1


def _early_cases(rng: Rng) -> Iterator[Case]:
    a, b = rng.uniform(0.3, 0.4, 2)
    wave = np.array([2, 1.5, 1.7, 1.6, 1.2, 1.4, 1.3, 1.25, 0.2, 0.1])
    yield Case("values", (wave + a, 3), "it falls, waves and would fall again")
    wave = np.array([2, 1.0, 1.5, 1.2, 1.1, 0.8, 0.9, 0.85, 0.95, 0.9, 0.1])
    yield Case("values", (wave + b, 4))
    yield Case("values", (np.array([1.0, 0.9, 0.95, 0.8, 0.85, 0.7]) + a, 1))
    yield Case("to the end", (np.array([2, 1.6, 1.4, 1.5, 1.2]) + b, 3), "no stop")
    yield Case("to the end", (np.array([1.0, 1.2, 1.1]) + a, 5), "no stop")
    yield Case("to the end", (np.array([0.7]), 2), "one look")
    yield Case(
        "ties", (np.array([2, 1, 1, 1, 1, 0.5]), 3), "an equal loss is not lower"
    )


def _early(
    losses: Array,
    patience: int,
    *,
    before: bool = False,
    more: int = 0,
    reset: bool = True,
    equal: bool = False,
) -> tuple[int, int]:
    best, waited = 0, 0
    for look in range(1, len(losses)):
        to_beat = losses[look - 1] if before else losses[best]
        if losses[look] < to_beat or (equal and losses[look] == to_beat):
            best, waited = look, 0 if reset else waited
        else:
            waited += 1
        if waited == patience + more:
            return best, look
    return best, len(losses) - 1


def _early_by_array(losses: Array, patience: int) -> list[int]:
    for stop in range(len(losses)):
        best = int(np.argmin(losses[: stop + 1]))
        if stop - best >= patience:
            break
    return [best, stop]


EARLY = Exercise(
    id="7-8",
    title="Mend it: stop in time",
    marks={"values": 2, "to the end": 1, "ties": 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("best", "stop"),
    reference=early_stop,
    cases=_early_cases,
    mistakes={
        "Both faults are still there: each loss is compared with the one before it, "
        "and the loop waits one look too long.": (
            lambda losses, patience: _early(losses, patience, before=True, more=1)
        ),
        "One fault is left: a loss that is lower than the one before it need not be "
        "the lowest so far. Compare with the best.": (
            lambda losses, patience: _early(losses, patience, before=True)
        ),
        "One fault is left: it waits one look too long. After `patience` looks without "
        "progress it stops.": (
            lambda losses, patience: _early(losses, patience, more=1)
        ),
        "It stops one look too early.": (
            lambda losses, patience: (
                _early(losses, patience, more=-1) if patience > 1 else (0, 0)
            )
        ),
        "The looks without progress must come in a row: with a new best the count "
        "begins again.": lambda losses, patience: _early(losses, patience, reset=False),
        "This knows the future: the lowest loss of all may come after the stop.": (
            lambda losses, patience: (
                int(np.argmin(losses)),
                early_stop(losses, patience)[1],
            )
        ),
        "An equal loss is no progress: only a lower one counts.": (
            lambda losses, patience: _early(losses, patience, equal=True)
        ),
        "These are the last weights; asked is the look at which the loss was lowest.": (
            lambda losses, patience: (early_stop(losses, patience)[1],) * 2
        ),
        "The two results are exchanged: first the best look, then the last.": (
            lambda losses, patience: early_stop(losses, patience)[::-1]
        ),
        "The looks are counted from 0.": (
            lambda losses, patience: tuple(1 + i for i in early_stop(losses, patience))
        ),
    },
    also_right=(_early_by_array,),
)
