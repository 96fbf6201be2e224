"""The glossary: enough terms, in their order, each with a sentence and a home."""

import re
from pathlib import Path

import glossary
import pages
import pytest
from docutils import nodes
from sphinx import addnodes

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "appendices" / "glossary.md").read_text("utf-8")


def entries():
    """Return the entries: terms, and what is said of them."""
    found = []
    for block in re.findall(r"```\{glossary\}\n(.*?)```", PAGE, re.S):
        for entry in block.strip("\n").split("\n\n"):
            lines = entry.splitlines()
            terms = [line for line in lines if not line.startswith(" ")]
            said = [line.strip() for line in lines if line.startswith(" ")]
            found.append((terms, " ".join(said)))
    return found


def key(term):
    """Return what a term is sorted by."""
    return re.sub(r"[^a-z0-9 ]", "", term.lower())


def test_there_are_enough_terms_and_none_twice():
    terms = [term for terms, _ in entries() for term in terms]
    assert len(entries()) >= 120
    assert len(terms) == len(set(map(str.lower, terms)))


def test_terms_are_in_their_order_below_their_letter():
    firsts = [key(terms[0]) for terms, _ in entries()]
    assert firsts == sorted(firsts)
    for letter, block in re.findall(
        r"(?m)^## (\w)\n\n```\{glossary\}\n((?:.*\n)*?)```", PAGE
    ):
        assert key(block)[0] == letter.lower()


def test_every_term_has_a_sentence_and_a_home():
    for terms, said in entries():
        sentence, _, home = said.rpartition(" {home}`")
        assert re.fullmatch(r"\d+`", home), terms
        assert 1 <= int(home[:-1]) <= 20, terms
        assert sentence[0].isupper(), terms
        assert sentence[-1] in ".?", terms
        assert len(sentence) < 200, terms


def test_every_chapter_is_the_home_of_some_term():
    homes = {int(n) for n in re.findall(r"\{home\}`(\d+)`", PAGE)}
    assert homes == set(range(1, 21))


@pytest.mark.parametrize("number", sorted(pages.chapters(ROOT)))
def test_a_home_speaks_of_its_terms(number):
    book = pages.chapters(ROOT)[number]
    text = " ".join("".join(c["source"]) for c in book.cells)
    there = words(text)
    silent = [
        terms
        for terms, said in entries()
        if said.endswith(f"{{home}}`{number}`")
        and not any(words(term) <= there for term in terms)
        and terms != ["length normalisation"]  # chapter 13 says it in other words
    ]
    assert silent == []


def words(text):
    """Return the beginnings of all words: vanishing gradients are "vanis", "gradi"."""
    return {word[:5] for word in re.findall(r"[a-z]+", text.lower())}


def test_the_search_is_led_to_the_section_where_the_term_is_bold():
    bold = nodes.strong("", "forget gates")
    inner = nodes.section("", nodes.paragraph("", "", bold), ids=["gates"])
    tree = nodes.section("", nodes.paragraph("", "the forget gate"), inner, ids=["top"])
    assert glossary.section_of(tree, ["gate", "forget gate"]) == "gates"
    assert glossary.section_of(tree, ["update gate"]) == ""


def test_index_entries_move_to_the_chapters():
    class App:
        class env:
            glossary_homes = {"chapters/08-lstm": [["LSTM"]]}  # noqa: RUF012

    page, chapter = nodes.section(ids=["a"]), nodes.section(ids=["b"])
    page += addnodes.index(entries=[])
    glossary.move_entries(App, page, glossary.PAGE)
    glossary.move_entries(App, chapter, "chapters/08-lstm")
    assert not list(page.findall(addnodes.index))
    (made,) = chapter.findall(addnodes.index)
    assert made["entries"] == [("single", "LSTM", "", "main", None)]
