"""What a bag of windows can know at best."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 1-8 ---------------------------------------------------------------------------------


def best_accuracy(sentences: list[str], labels: Array, width: int) -> float:
    """Return the best accuracy of any classifier that sees only the bag of windows."""
    return _best(_bag)(sentences, labels, width)


def _windows(words: list[str], width: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + width]) for i in range(len(words) - width + 1)]


def _bag(words: list[str], width: int) -> Hashable:
    return tuple(sorted(_windows(words, width)))


def _best(
    key: Callable[[list[str], int], Hashable],
    value: Callable[[Counter], float] = lambda count: max(count.values()),
) -> Callable[[list[str], Array, int], float]:
    """Return the function for another idea of what the classifier sees."""

    def best(sentences: list[str], labels: Array, width: int) -> float:
        groups: dict = defaultdict(Counter)
        for sentence, label in zip(sentences, labels, strict=True):
            groups[key(sentence.split(), width)][int(label)] += 1
        return sum(value(count) for count in groups.values()) / len(labels)

    return best


def _bag_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, width: int, length: int, letters: str, count: int) -> Case:
        sizes = rng.integers(length - 1, length + 2, count)
        texts = [" ".join(map(str, rng.choice(list(letters), n))) for n in sizes]
        return Case(aspect, (texts, rng.integers(2, size=count), width))

    yield case("bags", 1, 4, "abc", 80)
    yield case("bags", 1, 3, "ab", 60)
    yield case("windows", 2, 5, "ab", 90)
    yield case("windows", 2, 5, "abc", 90)
    yield case("windows", 3, 7, "ab", 90)
    yield case("one sentence", 1, 3, "ab", 1)


def _overrun(words: list[str], width: int) -> Hashable:
    return tuple(sorted(tuple(words[i : i + width]) for i in range(len(words))))


def _mean_of_groups(sentences: list[str], labels: Array, width: int) -> float:
    groups: dict = defaultdict(list)
    for sentence, label in zip(sentences, labels, strict=True):
        groups[_bag(sentence.split(), width)].append(int(label))
    shares = [max(map(g.count, set(g))) / len(g) for g in groups.values()]
    return float(np.mean(shares))


def _best_joined(sentences: list[str], labels: Array, width: int) -> float:
    """Sort, count and compare with numpy."""
    keys = []
    for sentence in sentences:
        words = sentence.split()
        found = ["+".join(words[i:][:width]) for i in range(len(words))]
        found = found[: max(len(words) - width + 1, 0)]
        keys.append(" ".join(sorted(found)))
    _, group = np.unique(keys, return_inverse=True)
    table = np.zeros((group.max() + 1, max(labels) + 1))
    np.add.at(table, (group.ravel(), labels), 1)
    return table.max(axis=1).sum() / len(labels)


def _best_by_counters(sentences: list[str], labels: Array, width: int) -> float:
    found = [Counter(_windows(s.split(), width)) for s in sentences]
    right = 0
    for i, bag in enumerate(found):
        alike = [int(labels[k]) for k in range(len(found)) if found[k] == bag]
        right += labels[i] == max(sorted(set(alike)), key=alike.count)
    return float(right / len(labels))


BEST = Exercise(
    id="1-8",
    title="Predict, then measure: the blind spot of a bag",
    marks={"bags": 2, "windows": 2, "one sentence": 1},
    difficulty=3,
    importance=2,
    minutes=25,
    returns=("the best accuracy",),
    reference=best_accuracy,
    cases=_bag_cases,
    mistakes={
        "This tells apart sentences whose bags are equal: the classifier sees which "
        "windows there are and how many, but not where.": _best(
            lambda words, width: tuple(words)
        ),
        "A bag knows how often a window is in it; a set forgets that.": _best(
            lambda words, width: frozenset(_windows(words, width))
        ),
        "One answer for all sentences was chosen; a classifier may answer otherwise "
        "for each bag.": _best(lambda words, width: 0),
        "The width plays no part: these are bags of single words.": _best(
            lambda words, width: _bag(words, 1)
        ),
        "The windows are one word too wide: words[i : i + width].": _best(
            lambda words, width: _bag(words, width + 1)
        ),
        "At the end of a sentence windows of fewer words were counted: the last window "
        "begins at len(words) - width.": _best(_overrun),
        "Windows overlap: the next one begins one word later, not where the last one "
        "ended.": _best(
            lambda words, width: tuple(sorted(_windows(words, width)[::width]))
        ),
        "A bag that many sentences share counts as often as there are sentences; here "
        "each bag counts once.": _mean_of_groups,
        "A bag with both labels is not lost: the best classifier gives it the more "
        "frequent one and is right that often.": _best(
            _bag, lambda count: count.total() * (len(count) == 1)
        ),
        "For a bag with both labels one can do better than a coin: choose the more "
        "frequent label.": _best(_bag, lambda count: count.total() / len(count)),
        "This is the share of mistakes; the accuracy is 1 minus that.": (
            lambda s, labels, width: 1 - best_accuracy(s, labels, width)
        ),
        "This is the number of right answers; divide by the number of sentences.": (
            lambda s, labels, width: best_accuracy(s, labels, width) * len(labels)
        ),
    },
    also_right=(_best_joined, _best_by_counters),
)
