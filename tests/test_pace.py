"""Notebooks stay within their budgets, and long tests come first."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import audit
import colab
import order
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


def item(nodeid, group=None):
    mark = group and SimpleNamespace(args=(group,))
    return SimpleNamespace(nodeid=nodeid, get_closest_marker=lambda name: mark)


def test_what_takes_longest_comes_first_and_what_belongs_together_stays_so():
    slow = max(RECORD, key=RECORD.get)
    quick = min(RECORD, key=RECORD.get)
    items = [
        item("tests/test_rnn.py::test_a"),
        item(f"{quick}.ipynb::Cell 0"),
        item(f"tests/test_colab.py::test_b[{slow}]", f"{slow}.ipynb@colab"),
        item("tests/test_gru.py::test_a"),
        item(f"{slow}.ipynb::Cell 0"),
        item("tests/test_rnn.py::test_b"),
        item(f"{slow}.ipynb::Cell 1"),
    ]
    order.pytest_collection_modifyitems(items)
    names = [each.nodeid for each in items]
    assert {each.partition("[")[0].partition("::")[0] for each in names[:3]} == {
        f"{slow}.ipynb",
        "tests/test_colab.py",
    }
    assert [each for each in names if each.startswith(slow)] == [
        f"{slow}.ipynb::Cell 0",
        f"{slow}.ipynb::Cell 1",
    ]
    assert names[3:] == [
        f"{quick}.ipynb::Cell 0",
        "tests/test_gru.py::test_a",
        "tests/test_rnn.py::test_a",
        "tests/test_rnn.py::test_b",
    ]


SHOW = """\
def pytest_collection_finish(session):
    groups = [item.get_closest_marker("xdist_group") for item in session.items]
    print(*sorted({mark.args[0] for mark in groups}), sep="\\n")
"""


def test_the_cells_of_a_notebook_are_one_group(tmp_path):
    (tmp_path / "show.py").write_text(SHOW)
    names = ["chapters/05-rnn.ipynb", "tests/test_rnn.py"]
    words = ["--nbval", "--collect-only", "-q", "-p", "show", *names]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=audit.ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.endswith((".ipynb", ".py"))] == names


@pytest.mark.parametrize(
    ("file", "books"),
    [("rnn", False), ("gates", False), ("gate", True), ("exercises_07", True)],
)
def test_files_about_the_book_are_told_from_those_of_the_package(file, books):
    assert bool(order.BOOKS.fullmatch(f"tests/test_{file}.py")) == books


def toc(*below):
    title = nodes.paragraph("", "", nodes.reference("", "Title", refuri="a"))
    return nodes.bullet_list("", nodes.list_item("", title, *below))


def test_a_table_of_contents_is_cut_to_its_title():
    headings = toc()
    short = pace.titles(toc(headings))
    assert short.pformat() == toc().pformat()
    whole = toc(nodes.bullet_list("", toctree()))
    assert pace.titles(whole) is whole
