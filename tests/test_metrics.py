"""Measures of success, against loops, scikit-learn, torch and sacrebleu."""

import math
import subprocess
import sys

import array_api_strict
import numpy as np
import pytest
import sacrebleu
import sklearn.metrics
import torch
from comparing import LIBRARIES, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib.metrics import (
    accuracy,
    bits_per_character,
    bleu,
    confusion_matrix,
    per_class_accuracy,
    perplexity,
)

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)

RIGHT = [[1, 2, 0], [2, 2, 1]]
GUESS = [[1, 0, 0], [2, 1, 1]]  # 4 of 6
REAL = [[True, True, False], [True, False, False]]  # 2 of 3


@pytest.mark.referee("seqlib.metrics.accuracy", by="by hand")
@pytest.mark.parametrize("library", [np, torch, array_api_strict])
def test_accuracy_counts(library):
    guess, right = library.asarray(GUESS), library.asarray(RIGHT)
    assert accuracy(guess, right) == pytest.approx(4 / 6)
    assert accuracy(guess, right, library.asarray(REAL)) == pytest.approx(2 / 3)
    assert isinstance(accuracy(guess, right), float)


def test_padding_never_matters():
    guess, right, real = map(np.array, (GUESS, RIGHT, REAL))
    other = np.where(real, guess, 99)
    assert accuracy(other, right, real) == accuracy(guess, right, real)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((GUESS, [1, 2]), ValueError, r"target must have shape \(2, 3\).*got \(2,\)"),
        ((GUESS, RIGHT, [True]), ValueError, "mask must have shape"),
        ((GUESS, RIGHT, [[False] * 3] * 2), ValueError, "mask leaves nothing to count"),
        ((GUESS, RIGHT, GUESS), TypeError, "mask must hold booleans"),
        (([[0.2]], [[1]]), TypeError, "predicted must hold integers"),
    ],
)
def test_accuracy_explains(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        accuracy(*map(np.array, arguments))


def test_lists_are_no_arrays():
    with pytest.raises(TypeError, match="predicted must be an array"):
        accuracy([1], np.array([1]))


def test_of_few_bits_are_compared_as_numbers():
    """In uint8, 200 classes would make cells beyond 255."""
    ids = np.array([199, 3, 3], "uint8")
    counts = confusion_matrix(ids, ids, 200)
    assert (counts[199, 199], counts[3, 3], counts.sum()) == (1, 2, 3)


# --- classes -------------------------------------------------------------------------


def predictions(seed, shape, classes):
    rng = np.random.default_rng(seed)
    guess, right = rng.integers(0, classes, (2, *shape))
    mask = rng.random(shape) < 0.7
    if not mask.any():
        mask = np.ones(shape, bool)
    return guess, right, mask


@pytest.mark.referee(
    "seqlib.metrics.confusion_matrix",
    "seqlib.metrics.per_class_accuracy",
    by="scikit-learn",
)
@given(seed=SEEDS, shape=SHAPES, classes=st.integers(1, 5), masked=st.booleans())
def test_confusion_by_loops_and_scikit_learn(seed, shape, classes, masked):
    guess, right, mask = predictions(seed, shape, classes)
    guess, right = np.asarray(guess), np.asarray(right)
    counted = mask if masked else np.ones(shape, bool)
    wanted = np.zeros((classes, classes), int)
    for i in np.ndindex(shape):
        wanted[right[i], guess[i]] += counted[i]
    labels = range(classes)
    if classes > 1:  # of one class alone scikit-learn warns
        theirs = sklearn.metrics.confusion_matrix(
            right[counted], guess[counted], labels=labels
        )
        np.testing.assert_array_equal(theirs, wanted)
    recall = sklearn.metrics.recall_score(
        right[counted],
        guess[counted],
        labels=labels,
        average=None,
        zero_division=np.nan,
    )
    if masked:  # whatever stands where nothing counts
        guess, right = np.where(mask, guess, 99), np.where(mask, right, -100)
    for A in LIBRARIES.values():
        arrays = [A(guess), A(right), classes, A(np.asarray(mask)) if masked else None]
        counts = confusion_matrix(*arrays)
        assert type(counts) is type(arrays[0])
        assert "int64" in str(counts.dtype)
        np.testing.assert_array_equal(to_numpy(counts), wanted)
        share = per_class_accuracy(*arrays)
        assert type(share) is type(arrays[0])
        assert "float64" in str(share.dtype)
        np.testing.assert_allclose(to_numpy(share), recall, rtol=1e-15)
        total = accuracy(arrays[0], arrays[1], arrays[3])
        assert total == pytest.approx(np.trace(wanted) / wanted.sum())
        np.testing.assert_array_equal(to_numpy(arrays[0]), guess)  # not changed
        np.testing.assert_array_equal(to_numpy(arrays[1]), right)


def test_a_common_class_hides_a_rare_one():
    right = np.array([0] * 95 + [1] * 5)
    guess = np.zeros(100, int)
    assert accuracy(guess, right) == 0.95
    assert confusion_matrix(guess, right, 3).tolist() == [
        [95, 0, 0],
        [5, 0, 0],
        [0] * 3,
    ]
    np.testing.assert_array_equal(per_class_accuracy(guess, right, 3), [1, 0, np.nan])


def test_of_one_class_what_does_not_count_is_in_range_too():
    ids, counted = np.array([0, 7]), np.array([True, False])
    np.testing.assert_array_equal(confusion_matrix(ids, ids, 1, counted), [[1]])


@pytest.mark.parametrize("f", [confusion_matrix, per_class_accuracy])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"classes": 0}, "classes must be at least 1, got 0"),
        ({"classes": 2.0}, "classes must be a whole number, got 2.0"),
        ({"classes": 2}, "predicted must be 0 to 1, got 2"),
        ({"target": np.array([0, -1])}, "target must be 0 to 2, got -1"),
        ({"predicted": [0, 2]}, "predicted must be an array (of numpy or torch), got "),
        ({"predicted": np.ones(2)}, "predicted must hold integers, got float64"),
        (
            {"predicted": np.zeros(0, int)},
            "predicted must not be empty, got shape (0,)",
        ),
        (
            {"target": np.zeros(1, int)},
            "target must have shape (2,) as predicted, got ",
        ),
        (
            {"target": torch.tensor([0, 1])},
            "target must come from numpy as predicted does, got torch",
        ),
        ({"mask": np.array([1, 0])}, "mask must hold booleans, got int64"),
        ({"mask": np.array(True)}, "mask must have shape (2,) as predicted, got ()"),
        ({"mask": np.zeros(2, bool)}, "mask leaves nothing to count"),
    ],
    ids=str,
)
def test_sentences_on_classes(f, change, sentence):
    given = {"predicted": np.array([0, 2]), "target": np.array([0, 1]), "classes": 3}
    with pytest.raises((ValueError, TypeError)) as caught:
        f(**{**given, **change})
    assert str(caught.value).startswith(sentence)


# --- probabilities -------------------------------------------------------------------


@pytest.mark.referee(
    "seqlib.metrics.perplexity",
    "seqlib.metrics.bits_per_character",
    by="torch.nn.functional.cross_entropy",
)
@given(seed=SEEDS, B=st.integers(1, 4), T=st.integers(1, 5), V=st.integers(1, 6))
def test_perplexity_by_torchs_cross_entropy(seed, B, T, V):
    rng = np.random.default_rng(seed)
    logits = torch.tensor(3 * rng.normal(size=(B, T, V)))
    _, right, mask = predictions(seed, (B, T), V)
    ignored = torch.tensor(np.where(mask, right, -100)).reshape(-1)
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, V), ignored).item()
    rows = logits.log_softmax(-1).numpy()
    log_probs = np.take_along_axis(rows, right[..., None], -1)[..., 0]
    garbage = np.where(mask, log_probs, np.resize([np.nan, 5.0, -np.inf], (B, T)))
    n = int(mask.sum())
    sums = np.where(mask, log_probs, 0).sum(1)  # log P of whole sequences
    for A in LIBRARIES.values():
        given = A(garbage), A(mask)
        assert perplexity(*given) == pytest.approx(math.exp(loss), rel=1e-12)
        bits = pytest.approx(loss / math.log(2), rel=1e-12, abs=1e-15)
        assert bits_per_character(*given) == bits
        assert perplexity(A(sums), tokens=n) == pytest.approx(perplexity(*given))
        assert bits_per_character(A(sums), characters=n) == bits
        twice = bits_per_character(*given, characters=2 * n)
        assert 2 * twice == pytest.approx(bits_per_character(*given))
        assert isinstance(perplexity(*given), float)
        assert isinstance(bits_per_character(*given), float)


@pytest.mark.referee(
    "seqlib.metrics.perplexity", "seqlib.metrics.bits_per_character", by="by hand"
)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_even_choice_among_k_has_perplexity_k(library, dtype):
    log_probs = LIBRARIES[library](np.full((300, 1000), -np.log(8), dtype))
    assert perplexity(log_probs) == pytest.approx(8, rel=1e-6)
    assert bits_per_character(log_probs) == pytest.approx(3, rel=1e-6)


def test_float32_is_summed_in_float64():
    log_probs = np.array([-(2.0**24), -1.0], "f4")  # float32 has no 2**24 + 1
    for a in (log_probs, torch.tensor(log_probs)):
        bits = bits_per_character(a)
        assert bits * math.log(2) == pytest.approx((2**24 + 1) / 2, rel=1e-14)


def test_the_extremes_of_probability():
    sure, never = np.zeros(3), np.array([-1.0, -np.inf])
    assert (perplexity(sure), bits_per_character(sure)) == (1, 0)
    assert math.copysign(1, bits_per_character(sure)) == 1
    assert perplexity(never) == bits_per_character(never) == math.inf
    assert perplexity(never, np.array([True, False])) == pytest.approx(math.e)
    assert perplexity(np.array([-1e4])) == math.inf


@pytest.mark.parametrize("f", [perplexity, bits_per_character])
@pytest.mark.parametrize(
    ("log_probs", "mask", "sentence"),
    [
        ([-1.0], None, "log_probs must be an array (of numpy or torch), got list"),
        (np.array([1]), None, "log_probs must hold floats, got int64"),
        (np.zeros(0), None, "log_probs must not be empty, got shape (0,)"),
        (np.array([-1, 0.5]), None, "log_probs must be at most 0, got 0.5"),
        (np.array([np.nan]), None, "log_probs must not be NaN"),
        (
            np.zeros(2),
            np.ones((2, 1), bool),
            "mask must have shape (2,) as log_probs, got (2, 1)",
        ),
        (np.zeros(2), np.zeros(2, bool), "mask leaves nothing to count"),
        (np.zeros(2), np.zeros(2), "mask must hold booleans, got float64"),
        (
            np.zeros(2),
            torch.ones(2).bool(),
            "mask must come from numpy as log_probs does, got torch",
        ),
    ],
    ids=str,
)
def test_sentences_on_probabilities(f, log_probs, mask, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        f(log_probs, mask)
    assert str(caught.value) == sentence


def test_sentences_on_counts():
    with pytest.raises(ValueError, match=r"^tokens must be at least 1, got 0$"):
        perplexity(np.zeros(2), tokens=0)
    with pytest.raises(
        TypeError, match=r"^characters must be a whole number, got 2\.5$"
    ):
        bits_per_character(np.zeros(2), characters=2.5)


# --- BLEU ----------------------------------------------------------------------------

SAID = ["The cat sat on the mat, didn't it?", "I ate an Apple", "我喜欢苹果,真的"]
RIGHT_FIRST = [
    "The cat sat on a mat, did it not?",
    "i ate an apple",
    "我很喜欢苹果,真的",
]
RIGHT_SECOND = ["A cat sat on the mat, didn't it?", "I had an Apple", "我爱苹果"]


@pytest.mark.referee("seqlib.metrics.bleu", by="sacrebleu")
@pytest.mark.parametrize("tokenize", ["13a", "intl", "zh", "char", "none"])
@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("smooth", ["exp", "floor", "add-k", "none"])
def test_bleu_is_sacrebleus(tokenize, lowercase, smooth):
    options = {"tokenize": tokenize, "lowercase": lowercase, "smooth_method": smooth}
    for streams in ([RIGHT_FIRST], [RIGHT_FIRST, RIGHT_SECOND]):
        theirs = sacrebleu.BLEU(**options).corpus_score(SAID, streams).score
        ours = bleu(SAID, list(zip(*streams, strict=True)), *options.values())
        assert ours == theirs
    assert isinstance(ours, float)
    assert bleu(SAID, RIGHT_FIRST, **options) == bleu(
        SAID, [[r] for r in RIGHT_FIRST], **options
    )


def test_bleus_options_matter():
    found = {bleu(SAID, RIGHT_FIRST, t) for t in ("13a", "intl", "zh", "char", "none")}
    assert len(found) > 3
    assert bleu(SAID, RIGHT_FIRST) != bleu(SAID, RIGHT_FIRST, lowercase=True)
    short = ["a b c d", "e f"], ["a b c e", "e f"]
    smooth = {bleu(*short, smooth_method=s) for s in ("exp", "floor", "add-k", "none")}
    assert len(smooth) == 4


@pytest.mark.referee("seqlib.metrics.bleu", by="by hand")
def test_bleu_by_hand():
    """Unigrams 5/6, bigrams 3/5, trigrams 2/4, 4-grams 1/3, and no brevity."""
    score = bleu(["the cat sat on a mat"], ["the cat sat on the mat"])
    wanted = 100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    assert score == pytest.approx(wanted, rel=1e-12)
    assert bleu(["a b c d"], ["a b c d e"]) == pytest.approx(100 * math.exp(1 - 5 / 4))
    assert bleu(SAID, SAID) == pytest.approx(100)
    assert bleu(["x"], ["y"], smooth_method="none") == 0


def test_references_may_differ_in_number():
    several = [[RIGHT_FIRST[0], SAID[0]], RIGHT_FIRST[1], [RIGHT_FIRST[2]]]
    theirs = sacrebleu.corpus_bleu(SAID, [RIGHT_FIRST, [SAID[0], None, None]]).score
    assert bleu(SAID, several) == theirs
    assert theirs > bleu(SAID, RIGHT_FIRST)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hypotheses": "a b"}, "hypotheses must be a list of texts, got str"),
        ({"hypotheses": None}, "hypotheses must be a list of texts, got NoneType"),
        ({"hypotheses": []}, "hypotheses must not be empty"),
        ({"hypotheses": [1]}, "hypotheses must be texts, got int"),
        ({"hypotheses": [["a"]]}, "hypotheses must be texts, got list"),
        ({"references": "a b"}, "references must be a list, got str"),
        ({"references": 3}, "references must be a list, got int"),
        ({"references": []}, "references must be as many as hypotheses, 1, got 0"),
        ({"references": [[]]}, "references[0] must not be empty"),
        ({"references": [None]}, "references[0] must be a list of texts, got NoneType"),
        ({"references": [["a", 2]]}, "references[0] must be texts, got int"),
        (
            {"tokenize": "words"},
            "tokenize must be one of '13a', 'intl', 'zh', 'char', 'none', got 'words'",
        ),
        ({"lowercase": "yes"}, "lowercase must be True or False, got 'yes'"),
        (
            {"smooth_method": None},
            "smooth_method must be one of 'exp', 'floor', 'add-k', 'none', got None",
        ),
    ],
    ids=str,
)
def test_sentences_on_bleu(change, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        bleu(**{"hypotheses": ["a b"], "references": ["a b"], **change})
    assert str(caught.value) == sentence


def test_without_sacrebleu_only_bleu_is_missing():
    code = (
        "import sys; sys.modules['sacrebleu'] = sys.modules['torch'] = None\n"
        "import numpy as np; from seqlib.metrics import *\n"
        "ids = np.array([0, 1])\n"
        "print(per_class_accuracy(ids, ids, 2), perplexity(ids - 1.0))\n"
        "try: bleu(['a'], ['a'])\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (
        "bleu needs the package sacrebleu: install it with `pip install sacrebleu`"
        in (done.stdout)
    )
