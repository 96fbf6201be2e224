"""Each chapter lets its reader try: a few questions, an explained answer to each."""

import math
import re

import numpy as np
import pages
import pytest

BOOKS = pages.chapters(pages.Path(__file__).parents[1])
TRY = re.compile(
    r"(?s)\n## Try it\n(.*?)<details><summary>Answers</summary>\n(.*?)\n</details>"
)


def tried(book):
    """Return the questions and the answers of a chapter."""
    cells = [c for c in book.cells if c["cell_type"] == "markdown"]
    text = "\n" + "\n\n".join("".join(c["source"]) for c in cells)
    (found,) = TRY.findall(text)
    return [re.findall(r"(?m)^\d\. (.*)", part) for part in found]


@pytest.mark.parametrize("book", BOOKS.values(), ids=lambda book: book.stem)
def test_a_chapter_asks_and_explains(book):
    questions, answers = tried(book)
    assert 3 <= len(questions) <= 6
    assert len(answers) == len(questions)
    for answer in answers:
        reckoned = answer.count("=") + answer.count(r"\cdot") > 1
        assert reckoned or len(re.findall(r"\w{2,}", answer)) >= 5, answer


def test_the_answers_of_chapter_6():
    assert sum(t for t in range(1, 5)) == 10
    assert 0.9**66 < 1e-3 < 0.9**65
    assert round(math.log(1000) / math.log(1 / 0.9), 1) == 65.6
    W = np.array([[0.5, 1.875], [0, 0.5]])
    assert np.allclose(np.linalg.svd(W, compute_uv=False)[0], 2)
    assert np.allclose(np.abs(np.linalg.eigvals(W)), 0.5)
    power = np.linalg.matrix_power(W, 40)
    assert np.allclose(power[0, 1] / (40 * 0.5**40), 3.75)
    g, by_value = np.array([3.0, -4.0]), np.array([1.0, -1.0])
    assert np.allclose(g / np.linalg.norm(g), [0.6, -0.8])
    cosine = g @ by_value / np.linalg.norm(g) / np.linalg.norm(by_value)
    assert round(math.degrees(math.acos(cosine))) == 8
