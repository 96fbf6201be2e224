"""Words, numbers, padding, and the sentences that the chapters read."""

from itertools import pairwise

import array_api_strict
import numpy as np
import pytest
import torch

from seqlib.data import (
    Vocabulary,
    film_reviews,
    missing_pronouns,
    one_hot,
    pad,
    tokens,
)
from seqlib.data.sentences import BLAME, CLUES, NAMES, OTHERS, PRAISE


def test_tokens_cut_words_and_marks():
    text = "The film is not good, it’s bad! I wanted ___ to call. <eos>"
    expected = "the film is not good , it 's bad ! i wanted ___ to call . <eos>"
    assert tokens(text) == expected.split()
    assert tokens("") == []


def test_vocabulary_goes_there_and_back():
    vocabulary = Vocabulary([["b", "a"], ["c", "a"]], special=["<unk>"])
    assert vocabulary.words == ["<pad>", "<unk>", "a", "b", "c"]
    assert len(vocabulary) == 5
    assert "a" in vocabulary
    assert vocabulary.ids(["a", "zebra", "c"]) == [2, 1, 4]
    assert vocabulary.text(np.array([2, 4, 0, 0])) == ["a", "c"]


def test_vocabulary_does_not_depend_on_the_order_of_the_texts():
    texts = [["the", "quick", "brown", "fox"], ["jumps", "over", "a", "lazy", "dog"]]
    for each in (texts, texts[::-1]):
        expected = [
            "<pad>",
            "a",
            "brown",
            "dog",
            "fox",
            "jumps",
            "lazy",
            "over",
            "quick",
            "the",
        ]
        assert Vocabulary(each).words == expected


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda v: v.ids(["zebra"]), "'zebra' is not among the 3 words"),
        (lambda v: v.text([1, 3]), "ids must be 0 to 2, got 3"),
    ],
)
def test_vocabulary_explains(act, sentence):
    with pytest.raises(ValueError, match=sentence):
        act(Vocabulary([["a", "b"]]))


def test_a_string_is_no_list_of_words():
    with pytest.raises(TypeError, match="texts must be a list of words, got the str"):
        Vocabulary(["a b"])
    with pytest.raises(TypeError, match="text must be a list of words, got the str"):
        Vocabulary([["a"]]).ids("a")


@pytest.mark.parametrize("library", [np, torch, array_api_strict])
def test_one_hot_is_a_row_of_the_identity(library):
    ids = [[0, 2], [1, 1]]
    hot = one_hot(library.asarray(ids), 3)
    assert tuple(hot.shape) == (2, 2, 3)
    assert hot.dtype == library.asarray(0.0).dtype
    np.testing.assert_array_equal(np.asarray(hot), np.eye(3)[ids])


def test_one_hot_takes_lists_and_a_type():
    assert one_hot([1, 0], 2, np.float32).dtype == np.float32
    assert one_hot(2, 3).tolist() == [0, 0, 1]


@pytest.mark.parametrize(("ids", "wrong"), [([0, 3], 3), ([-1, 0], -1)])
def test_one_hot_refuses_numbers_outside(ids, wrong):
    with pytest.raises(ValueError, match=f"ids must be 0 to 2, got {wrong}"):
        one_hot(ids, 3)


def test_one_hot_refuses_fractions():
    with pytest.raises(TypeError, match="ids must hold integers, got float64"):
        one_hot([0.5], 3)


def test_pad_fills_and_marks():
    array, mask = pad([[1, 2, 3], [4]], value=9)
    assert array.tolist() == [[1, 2, 3], [4, 9, 9]]
    assert mask.tolist() == [[True, True, True], [True, False, False]]
    assert array.dtype.kind == "i"


def test_pad_keeps_vectors_and_their_type():
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(n, 4)).astype(np.float32) for n in (2, 5, 1)]
    array, mask = pad(rows, value=7)
    assert array.shape == (3, 5, 4)
    assert array.dtype == np.float32
    assert (array[~mask] == 7).all()
    for row, out, real in zip(rows, array, mask, strict=True):
        np.testing.assert_array_equal(out[real], row)


@pytest.mark.parametrize(
    ("sequences", "sentence"),
    [
        ([], "at least one sequence, got none"),
        ([[1], []], r"sequences\[1\] must hold at least one step"),
        (
            [np.ones((2, 3)), np.ones((2, 4))],
            r"steps of shape \(3,\) as sequences\[0\] has, got \(4,\)",
        ),
    ],
)
def test_pad_explains(sequences, sentence):
    with pytest.raises(ValueError, match=sentence):
        pad(sequences)


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_pad_never_rounds_the_filling(value):
    with pytest.raises(ValueError, match="value must be whole, as the sequences are"):
        pad([[1], [1, 2]], value=value)


def test_what_is_no_text_and_no_generator():
    with pytest.raises(TypeError, match="text must be a string, got NoneType"):
        tokens(None)
    with pytest.raises(TypeError, match="rng must be a numpy generator"):
        film_reviews(1, 0)


def test_reviews_mean_what_their_label_says():
    reviews = film_reviews(400, np.random.default_rng(1))
    for words, label in reviews:
        for before, word in pairwise(words):
            if word in PRAISE + BLAME:
                assert (word in PRAISE) == (label == (before != "not"))
    assert 150 < sum(r.label for r in reviews) < 250
    words = {
        label: {w for r in reviews if r.label == label for w in r.words}
        for label in (0, 1)
    }
    assert words[0] == words[1]  # the words alone tell nothing


@pytest.mark.parametrize("between", [0, 2])
def test_pronouns_follow_who_was_missed(between):
    texts = missing_pronouns(1000, np.random.default_rng(2), between=between)
    missed = {clue.split()[1] for clue in CLUES}
    there = {other.split()[1] for other in OTHERS}
    every = NAMES["him"] + NAMES["her"]
    same = 0
    for words, gap, name, answer in texts:
        assert words[gap] == "___"
        assert words[name] in NAMES[answer]
        assert words[name + 1] in missed
        (other,) = [i for i, w in enumerate(words) if w in every and i != name]
        assert words[other + 1] in there
        assert (name < gap) == (gap < other)
        assert words.count(".") == 3 + 2 * between
        same += words[other] in NAMES[answer]
    assert 0.45 < same / len(texts) < 0.55  # so a bag of words is right in 3 of 4
    assert 0.45 < np.mean([t.name > t.gap for t in texts]) < 0.55
    assert 0.45 < np.mean([t.answer == "her" for t in texts]) < 0.55


@pytest.mark.parametrize("make", [film_reviews, missing_pronouns])
def test_one_seed_one_text(make):
    first, again = (make(20, np.random.default_rng(3)) for _ in range(2))
    assert first == again
    assert first != make(20, np.random.default_rng(4))
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        make(0, np.random.default_rng(0))


def test_between_has_a_limit():
    with pytest.raises(
        ValueError, match="between must be at least 0 and at most 4, got 5"
    ):
        missing_pronouns(1, np.random.default_rng(0), between=5)
