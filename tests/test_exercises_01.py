"""The references of chapter 1's exercises against other libraries."""

import warnings
from itertools import product

import numpy as np
import pytest
from test_exercises import FOLDER, code, read

from seqlib.grading import CheckError, check
from seqlib.grading.exercises.problems import (
    bags,
    gradient,
    losses,
    measures,
    tables,
    texts,
)


def test_ids_and_batches_against_the_vocabulary():
    from seqlib.data import FOUR_REVIEWS, Vocabulary, pad

    words = [review.words for review in FOUR_REVIEWS]
    special = ["<sos>", "<eos>", "<unk>"]
    vocabulary = Vocabulary(words, special)
    sentences = [" ".join(each) for each in words]
    number = texts.number_words([each.title() for each in sentences])
    assert number == vocabulary.number
    assert len(number) == 25  # the 24 of the chapter and <unk>
    ids, mask = texts.to_batch([*sentences, "the soup"], number)
    wrapped = [["<sos>", *each, "<eos>"] for each in [*words, ["the", "soup"]]]
    right = pad([vocabulary.ids(each) for each in wrapped])
    np.testing.assert_array_equal(ids, right[0])
    np.testing.assert_array_equal(mask, right[1])


def test_losses_and_gradients_against_torch():
    torch = pytest.importorskip("torch")
    cross_entropy = torch.nn.functional.cross_entropy
    rng = np.random.default_rng(1)
    B, T, O = 3, 5, 4
    logits, target = 30 * rng.normal(size=(B, T, O)), rng.integers(O, size=(B, T))
    mask = np.arange(T) < np.array([[5], [1], [3]])
    o = torch.tensor(logits, requires_grad=True)
    c = torch.where(torch.tensor(mask), torch.tensor(target), -100)
    every = cross_entropy(
        o.flatten(0, 1), torch.tensor(target).flatten(), reduction="none"
    )
    ours = losses.log_loss(logits.reshape(-1, O), target.ravel())
    np.testing.assert_allclose(ours, every.detach().numpy(), rtol=1e-10)

    alone = [cross_entropy(o[b], c[b]) for b in range(B)]  # leaves padding out
    totals = [cross_entropy(o[b], c[b], reduction="sum") for b in range(B)]
    three = {
        "sum": sum(totals) / B,
        "each": sum(alone) / B,
        "all": cross_entropy(o.flatten(0, 1), c.flatten()),
    }
    ours = losses.three_means(ours.reshape(B, T), mask)
    right = [loss.item() for loss in three.values()]
    np.testing.assert_allclose(ours, right, rtol=1e-10)
    for choice, loss in three.items():
        (right,) = torch.autograd.grad(loss, o, retain_graph=True)
        mine = gradient.loss_backward(logits, target, mask, choice)
        np.testing.assert_allclose(mine, right.numpy(), rtol=1e-10, atol=1e-15)


def test_the_table_against_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    ids, de = rng.integers(4, size=(3, 5)), rng.normal(size=(3, 5, 2))
    mask = rng.random((3, 5)) < 0.7
    table = torch.nn.Embedding(6, 2).double()
    table(torch.tensor(ids)).backward(torch.tensor(de * mask[..., None]))
    ours = tables.table_backward(de, ids, mask, 6)
    np.testing.assert_allclose(ours, table.weight.grad.numpy(), rtol=1e-12)


def test_measures_against_sklearn():
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    true, guess = rng.integers(4, size=(2, 6, 9))
    mask = rng.random((6, 9)) < 0.8
    right, said = true[mask], guess[mask]
    found, C, each = measures.measures(guess, true, mask, 4)
    assert found == sk.accuracy_score(right, said)
    np.testing.assert_array_equal(C, sk.confusion_matrix(right, said))
    np.testing.assert_allclose(each, sk.recall_score(right, said, average=None))


def test_the_best_bag_against_all_classifiers():
    """Try every function from bags to labels there is."""
    rng = np.random.default_rng(4)
    for width in (1, 2):
        sentences = [" ".join(rng.choice(["a", "b"], 3)) for _ in range(12)]
        labels = rng.integers(2, size=12)
        split = [s.split() for s in sentences]
        grams = [
            sorted("".join(w[i : i + width]) for i in range(4 - width)) for w in split
        ]
        kinds = sorted({"|".join(g) for g in grams})
        place = [kinds.index("|".join(g)) for g in grams]
        answers = product((0, 1), repeat=len(kinds))
        best = max(np.mean(np.array(answer)[place] == labels) for answer in answers)
        assert bags.best_accuracy(sentences, labels, width) == pytest.approx(best)


def test_the_broken_function_is_in_the_bank():
    notebook = read(FOLDER / "01-sequence-problems.ipynb")
    (source,) = [c.source for c in code(notebook) if c.source.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: All three faults are still there"):
        check("1-5", space["broken"])


def test_an_answer_of_nan_makes_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CheckError, match="nan times 0 is nan"):
            check("1-5", losses._means(losses._by_factor))
