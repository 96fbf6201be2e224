"""Terms of the glossary in later chapters: linked once, where they are running text."""

import json
import re

import audit
import pytest
import terms
from docutils import nodes

BOOK = audit.BOOK
CHAPTERS = sorted((BOOK / "chapters").glob("*.html"))
TERM = re.compile(r'<a class="term reference internal" href="([^"]*)">([^<]*)</a>')
KNOWN = {
    "gate": ("term-gate", "A factor.", "chapters/08-lstm"),
    "forget gate": ("term-forget-gate", "It keeps.", "chapters/08-lstm"),
    "LSTM": ("term-LSTM", "A cell.", "chapters/08-lstm"),
    "long short-term memory": ("term-long", "A cell.", "chapters/08-lstm"),
    "attention": ("term-attention", "An average.", "chapters/15-attention"),
    "value": ("term-value", "What is read.", "chapters/01-sequence-problems"),
}


def linked(docname, *parts):
    """Return what is linked on a page of these parts, and what the page carries."""

    class App:
        class env:
            glossary_terms = KNOWN

        class builder:
            format = "html"

            @staticmethod
            def get_relative_uri(*_):
                return "glossary.html"

    page = nodes.section("", *parts)
    terms.link_terms(App, page, docname)
    links = [link.astext() for link in page.findall(nodes.reference)]
    data = [
        json.loads(re.search(r"{.*}", raw.astext())[0])
        for raw in page.findall(nodes.raw)
    ]
    return links, data[0] if data else {}


def paragraph(*parts):
    return nodes.paragraph("", "", *parts)


def text(words):
    return paragraph(nodes.Text(words))


def test_the_first_mention_is_linked_and_the_longest_term_wins():
    links, carried = linked(
        "chapters/09-gru",
        text("Gates, a forget gate, a gate."),
        text("An LSTM. Gates."),
    )
    assert links == ["Gates", "forget gate", "LSTM"]
    assert carried["term-forget-gate"] == "It keeps."


def test_two_names_of_one_thing_are_linked_once():
    links, _ = linked("chapters/09-gru", text("An LSTM is a long short-term memory."))
    assert links == ["LSTM"]


def test_only_later_chapters_link_and_parts_of_words_do_not_count():
    assert linked("chapters/08-lstm", text("a gate"))[0] == []
    assert linked("chapters/09-gru", text("attention"))[0] == []
    assert linked("exercises/09-gru", text("a gate"))[0] == []
    assert linked("chapters/09-gru", text("agate, gate-like, LSTMCell"))[0] == []
    assert linked("chapters/09-gru", text("of value"))[0] == []  # its everyday sense


@pytest.mark.parametrize(
    "part",
    [
        nodes.title("", "A gate"),
        paragraph(nodes.literal("", "gate")),
        paragraph(nodes.math("", "gate")),
        paragraph(nodes.strong("", "gate")),
        paragraph(nodes.reference("", "gate", refuri="x")),
        nodes.literal_block("", "gate"),
    ],
    ids=lambda part: part.children[0].__class__.__name__,
)
def test_headings_code_formulas_and_links_stay_as_they_are(part):
    links, carried = linked("chapters/09-gru", part)
    assert links == [] or part.children[0]["refuri"] == "x"
    assert carried == {}


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter_explains_each_term_that_it_links(page):
    html = page.read_text("utf-8")
    links = TERM.findall(html)
    places = [href.partition("#")[2] for href, _ in links]
    assert len(places) == len(set(places))
    if page.stem.startswith("01"):
        assert places == []
        return
    assert len(places) >= 3
    carried = json.loads(
        re.search(r'id="seqlib-terms">(.*?)</script>', html, re.DOTALL)[1]
    )
    assert sorted(carried) == sorted(places)
    assert all(re.search(r"[.?;)]|\w$", said) for said in carried.values())
