"""A reader who searches a term of the field lands in the chapter that explains it.

The built book's own search page runs in Chromium, as in `test_book`. Terms of chapters
that are not there yet are asked for as soon as they are.
"""

from urllib.parse import quote

import pages
import pytest
from test_book import ROOT, browser, opened

__all__ = ["browser"]  # the fixture
TERMS = {
    "backpropagation through time": 6,
    "vanishing gradient": 6,
    "forget gate": 8,
    "LSTM": 8,
    "update gate": 9,
    "beam search": 13,
    "teacher forcing": 12,
    "perplexity": 11,
    "receptive field": 3,
    "XOR": 2,
    "attention": 15,
    "multi-head attention": 16,
    "positional encoding": 16,
    "layer normalisation": 17,
    "layer normalization": 17,
    "label smoothing": 17,
    "KV cache": 18,
    "masked language model": 19,
    "linear attention": 20,
}
THERE = pages.chapters(ROOT)
ASKED = [(term, number) for term, number in TERMS.items() if number in THERE]


@pytest.mark.parametrize(("term", "number"), ASKED, ids=[term for term, _ in ASKED])
def test_the_first_result_is_the_chapter(browser, term, number):
    with opened(browser, f"search.html?q={quote(term)}") as page:
        first = page.locator("#search-results li a").first
        first.wait_for()
        there = f"{pages.page_of(THERE[number])}.html"
        assert there in first.get_attribute("href")
        first.click()
        page.wait_for_load_state()
        assert there in page.url
        assert page.troubles == []


def test_enough_terms_are_asked_for():
    assert len(ASKED) >= 10
