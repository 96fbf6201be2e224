"""From text to numbers: a vocabulary, and a batch with its mask."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

SPECIAL = ["<pad>", "<sos>", "<eos>", "<unk>"]
WORDS = ["film", "plot", "cast", "good", "bad", "dull", "not", "is", "the", "was"]
WORDS += ["very", "music", "waste", "time", "half"]

# 1-1 ---------------------------------------------------------------------------------


def number_words(texts: list[str]) -> dict[str, int]:
    """Return the id of each word: the four special ones, then the alphabet."""
    words = {word for text in texts for word in text.lower().split()}
    return {word: i for i, word in enumerate([*SPECIAL, *sorted(words)])}


def _number_cases(rng: Rng) -> Iterator[Case]:
    def text(*words: str) -> str:
        return " ".join(words)

    def some(count: int) -> list[str]:
        return [str(word) for word in rng.permutation(WORDS)[:count]]

    a, b, c, d, e = some(5)
    yield Case("words", ([text("zebra", a, b), text(c, "apple")],), "no word twice")
    again = text("zebra", a, b, a), text(c, b, "apple")
    yield Case("repeated words", (list(again),), "words that come again")
    yield Case("repeated words", ([text(d, d, d), text("zebra", d, "apple")],))
    capital = text("Zebra", a, b.title()), text(b, e.upper(), "apple", "zebra")
    yield Case("upper case", (list(capital),), "capital letters")


def _numbered(words: list[str]) -> dict[str, int]:
    return {word: i for i, word in enumerate(words)}


def _all_words(texts: list[str]) -> list[str]:
    return [word for text in texts for word in text.lower().split()]


def _keeps_capitals(texts: list[str]) -> dict[str, int]:
    words = {word for text in texts for word in text.split()}
    return _numbered([*SPECIAL, *sorted(words)])


def _number_by_loop(texts: list[str]) -> dict[str, int]:
    number = dict(zip(SPECIAL, range(4), strict=True))
    for word in sorted(_all_words(texts)):
        if word not in number:
            number[word] = len(number)
    return number


def _number_by_numpy(texts: list[str]) -> dict[str, int]:
    words = np.unique(" ".join(texts).lower().split())
    return {**_numbered(SPECIAL), **{str(w): 4 + i for i, w in enumerate(words)}}


NUMBERS = Exercise(
    id="1-1",
    title="A number for each word",
    marks={"words": 1, "repeated words": 1, "upper case": 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("ids",),
    reference=number_words,
    cases=_number_cases,
    mistakes={
        "Capital letters make two words of one: use text.lower() before you split.": (
            _keeps_capitals
        ),
        "Ids count from 0: <pad> has id 0.": (
            lambda texts: {w: i + 1 for w, i in number_words(texts).items()}
        ),
        "The four special words are missing; they come first.": (
            lambda texts: _numbered(sorted(set(_all_words(texts))))
        ),
        "The special words come first, in the order given; here they come last.": (
            lambda texts: _numbered([*sorted(set(_all_words(texts))), *SPECIAL])
        ),
        "The special words were sorted, too: put them in front, in the order given, "
        "after sorting the others.": (
            lambda texts: _numbered(sorted({*SPECIAL, *_all_words(texts)}))
        ),
        "The words stand in the order in which they first come; sort them.": (
            lambda texts: _numbered([*SPECIAL, *dict.fromkeys(_all_words(texts))])
        ),
        "A word that comes again uses up a second id: make a set before you count.": (
            lambda texts: _numbered([*SPECIAL, *sorted(_all_words(texts))])
        ),
        "Only the first text was read.": lambda texts: number_words(texts[:1]),
        "These are letters: `for x in text` runs over letters, text.split() gives "
        "words.": lambda texts: number_words([" ".join(text) for text in texts]),
        "These are counts; an id is a word's place in the list.": (
            lambda texts: {w: _all_words(texts).count(w) for w in number_words(texts)}
        ),
    },
    also_right=(_number_by_loop, _number_by_numpy),
)

# 1-2 ---------------------------------------------------------------------------------


def to_batch(sentences: list[str], number: dict[str, int]) -> tuple[Array, Array]:
    """Return ids (B, T) and mask (B, T): <sos>, the words, <eos>, then <pad>."""
    return _to_batch(sentences, number)


def _to_batch(
    sentences: list[str],
    number: dict[str, int],
    start: bool = True,
    end: bool = True,
    front: bool = False,
    end_last: bool = False,
    unknown: str = "<unk>",
) -> tuple[Array, Array]:
    """Make the batch; the options are the mistakes that one can make."""
    rows = []
    for sentence in sentences:
        found = [number.get(word, number.get(unknown)) for word in sentence.split()]
        row = [number["<sos>"]] * start + [i for i in found if i is not None]
        rows.append(row + [number["<eos>"]] * (end and not end_last))
    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), number["<pad>"])
    mask = np.zeros(ids.shape, bool)
    for i, row in enumerate(rows):
        where = slice(longest - len(row), None) if front else slice(len(row))
        ids[i, where], mask[i, where] = row, True
    if end_last:
        column = np.full((len(rows), 1), number["<eos>"])
        ids, mask = np.hstack([ids, column]), np.hstack([mask, column > 0])
    return ids, mask


def _batch_cases(rng: Rng) -> Iterator[Case]:
    words = [str(word) for word in rng.permutation(WORDS)[:8]]
    number = _numbered([*SPECIAL, *sorted(words)])
    moved = dict(zip([*SPECIAL, *words], rng.permutation(np.arange(12)), strict=True))
    moved = {word: int(i) for word, i in moved.items()}  # <pad> is not 0
    if moved["<pad>"] == 0:
        moved["<pad>"], moved["<sos>"] = moved["<sos>"], 0

    def sentence(length: int, *others: str) -> str:
        chosen = [*rng.choice(words, length - len(others)), *others]
        return " ".join(str(word) for word in rng.permutation(chosen))

    n = int(rng.integers(3, 5))
    same = [sentence(n), sentence(n), sentence(n)]
    yield Case("one length", (same, number), "all of one length")
    ragged = [sentence(n), sentence(n + 3), sentence(1), sentence(n - 1)]
    yield Case("padding", (ragged, number), "unequal lengths")
    yield Case("padding", (ragged[::-1], moved), "another id for <pad>")
    strange = [sentence(n, "zebra"), sentence(n + 2, "yak", "zebra"), "quagga"]
    yield Case("unknown words", (strange, number), "words without an id")
    yield Case("one sentence", ([sentence(2)], number), "one sentence")


def _batch_cut(sentences: list[str], number: dict[str, int]) -> tuple[Array, Array]:
    ids, mask = to_batch(sentences, number)
    shortest = mask.sum(axis=1).min()
    return ids[:, :shortest], mask[:, :shortest]


def _batch_zero(sentences: list[str], number: dict[str, int]) -> tuple[Array, Array]:
    ids, mask = to_batch(sentences, number)
    return np.where(mask, ids, 0), mask


def _batch_guess(sentences: list[str], number: dict[str, int]) -> tuple[Array, Array]:
    ids, _ = to_batch(sentences, number)
    return ids, ids != 0


def _batch_words(sentences: list[str], number: dict[str, int]) -> tuple[Array, Array]:
    ids, mask = to_batch(sentences, number)
    return ids, mask & (ids != number["<sos>"]) & (ids != number["<eos>"])


def _batch_known(sentences: list[str], number: dict[str, int]) -> tuple[Array, Array]:
    return to_batch(sentences, number | {"<unk>": 0})


def _batch_by_lists(sentences: list[str], number: dict[str, int]) -> tuple[list, Array]:
    texts = [["<sos>", *sentence.split(), "<eos>"] for sentence in sentences]
    T = max(len(text) for text in texts)
    lengths = np.array([len(text) for text in texts])
    texts = [text + ["<pad>"] * (T - len(text)) for text in texts]
    ids = [[number[w] if w in number else number["<unk>"] for w in t] for t in texts]
    return ids, np.arange(T) < lengths[:, None]


BATCH = Exercise(
    id="1-2",
    title="A batch and its mask",
    marks={"one length": 1, "padding": 2, "unknown words": 1, "one sentence": 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("ids", "mask"),
    reference=to_batch,
    cases=_batch_cases,
    mistakes={
        "<sos> and <eos> are missing: each sentence stands between them.": (
            lambda s, n: _to_batch(s, n, start=False, end=False)
        ),
        "<sos> is missing at the start.": lambda s, n: _to_batch(s, n, start=False),
        "<eos> is missing at the end.": lambda s, n: _to_batch(s, n, end=False),
        "<eos> comes right after the last word; here it comes after the padding.": (
            lambda s, n: _to_batch(s, n, end_last=True)
        ),
        "The padding stands in front; it belongs at the end.": (
            lambda s, n: _to_batch(s, n, front=True)
        ),
        "The mask is the other way round: True is real, False is padding.": (
            lambda s, n: (to_batch(s, n)[0], ~to_batch(s, n)[1])
        ),
        "The mask is True on <sos> and <eos> as well; only padding is False.": (
            _batch_words
        ),
        "All sentences were cut to the length of the shortest; fill the short ones up "
        "instead.": _batch_cut,
        "Words without an id were left out; they get the id of <unk>.": (
            lambda s, n: _to_batch(s, n, unknown="")
        ),
        "Words without an id got 0, which is padding; they get the id of <unk>.": (
            _batch_known
        ),
        "The padding is filled with 0; ask `number` for the id of <pad>, which may be "
        "another.": _batch_zero,
        "`ids != 0` finds the padding only as long as <pad> has id 0: make the mask "
        "from the lengths.": _batch_guess,
        "The two results are exchanged: ids first, then the mask.": (
            lambda s, n: to_batch(s, n)[::-1]
        ),
    },
    also_right=(
        _batch_by_lists,
        lambda s, n: (to_batch(s, n)[0], to_batch(s, n)[1].astype(int)),
    ),
)
