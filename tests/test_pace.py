"""Notebooks stay within their budgets, and long tests come first."""

import json
from types import SimpleNamespace

import audit
import colab
import conftest
import pace
import pytest
import times
from docutils import nodes
from sphinx.addnodes import toctree

RECORD = json.loads((audit.ROOT / times.TIMES).read_text("utf-8"))["notebooks"]


def test_every_notebook_is_within_its_budget():
    assert times.over(RECORD) == []
    assert times.MOST == colab.SECONDS


def test_every_notebook_has_its_time_on_record():
    names = {
        path.relative_to(audit.ROOT).as_posix().removesuffix(".ipynb")
        for folder in ("chapters", "exercises", "appendices")
        for path in (audit.ROOT / folder).glob("*.ipynb")
    }
    assert names == set(RECORD)


def test_a_notebook_over_its_budget_is_named():
    (said,) = times.over({"chapters/01-a": 45.1, "exercises/01-a": 44.9})
    assert said == "chapters/01-a takes 45.1 s, more than 45"
    (said,) = times.over({f"chapters/{n:02}-a": 37.0 for n in range(1, 21)})
    assert said == "all chapters take 370 s on two cores, more than 360"


def test_what_takes_longest_comes_first_and_what_belongs_together_stays_so():
    slow, quick = max(RECORD, key=RECORD.get), min(RECORD, key=RECORD.get)
    names = [
        "tests/test_rnn.py::test_b",
        f"{quick}.ipynb::Cell 0",
        f"{slow}.ipynb::Cell 0",
        f"{slow}.ipynb::Cell 1",
        "tests/test_rnn.py::test_a",
        "tests/test_book.py::test_a",
    ]
    items = [SimpleNamespace(nodeid=name) for name in names]
    conftest.pytest_collection_modifyitems(items)
    order = [names.index(item.nodeid) for item in items]
    assert order == [5, 2, 3, 1, 0, 4]


@pytest.mark.parametrize(
    ("file", "package"),
    [
        ("rnn", True),
        ("gates", True),
        ("gate", False),
        ("terms", False),
        ("exercises_07", False),
    ],
)
def test_files_about_the_book_are_told_from_those_of_the_package(file, package):
    assert conftest.is_of_the_package(f"tests/test_{file}.py") == package


def toc(*below):
    title = nodes.paragraph("", "", nodes.reference("", "Title", refuri="a"))
    return nodes.bullet_list("", nodes.list_item("", title, *below))


def test_a_table_of_contents_is_cut_to_its_title():
    headings = toc()
    short = pace.titles(toc(headings))
    assert short.pformat() == toc().pformat()
    whole = toc(nodes.bullet_list("", toctree()))
    assert pace.titles(whole) is whole
