"""Every item of the syllabus stands where `coverage/syllabus.csv` says it stands.

A row is an item, an example or a remark; the cell that it names must hold its words. So
who takes the example out of a chapter hears of it here.
"""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLE = Path(__file__).parent / "coverage" / "syllabus.csv"
KINDS = ("Says", "Equations", "Shows", "Measures", "Data", "Errata")
ALWAYS = ("Says", "Equations", "Shows", "Measures")  # each chapter has some of them
NAMED = r"[Ee]quations?\s+\(\d+\.\d+\)[^.]*(?:\.\d[^.]*)*of\s+the\s+book"
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))


def rows():
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def cells(chapter):
    """Return the sources of a chapter's cells by id, in lines that do not matter."""
    text = (ROOT / "chapters" / f"{chapter}.ipynb").read_text("utf-8")
    return {c["id"]: plain("".join(c["source"])) for c in json.loads(text)["cells"]}


def plain(text):
    return " ".join(text.split())


def problem(row, sources):
    """Say what is wrong with a row, "" if nothing is."""
    if row["cell"] not in sources:
        return f"{row['chapter']} has no cell {row['cell']}"
    if len(plain(row["holds"])) < 4:
        return f"{row['holds']!r} is too little to tell an item by"
    if plain(row["holds"]) not in sources[row["cell"]]:
        return f"the cell {row['cell']} does not hold {row['holds']!r} any more"
    return ""


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_items_stand_where_the_table_says(chapter):
    sources, mine = cells(chapter), [r for r in rows() if r["chapter"] == chapter]
    wrong = [f"{row['item']}: {problem(row, sources)}" for row in mine]
    wrong = [text for text in wrong if not text.endswith(": ")]
    assert not wrong, "\n".join(["", *wrong])
    missing = set(ALWAYS) - {row["kind"] for row in mine}
    assert not missing, f"{chapter} has no row of the kinds {missing}"


def test_the_table_is_whole():
    table = rows()
    assert all(set(row) == set(table[0]) for row in table)
    assert all(all(value and value.strip() for value in r.values()) for r in table)
    assert {row["kind"] for row in table} <= set(KINDS)
    assert {row["chapter"] for row in table} == set(CHAPTERS)
    items = Counter((row["chapter"], row["kind"], row["item"]) for row in table)
    assert [item for item, n in items.items() if n > 1] == []
    order = [row["chapter"] for row in table]
    assert order == sorted(order)


def test_every_tagged_equation_has_a_row():
    from gate import inspect

    tagged = {(c.stem, e.tag) for c in inspect(ROOT).chapters for e in c.equations}
    tagged = {(stem, tag) for stem, tag in tagged if stem in CHAPTERS}
    rowed = {
        (row["chapter"], tag)
        for row in rows()
        for stem, tag in tagged
        if stem == row["chapter"] and rf"\tag{{{tag}}}" in row["holds"]
    }
    assert tagged - rowed == set()


def test_the_equations_that_docstrings_name_are_in_the_book():
    from gate import inspect

    tagged = {e.tag for c in inspect(ROOT).chapters for e in c.equations}
    named = {}
    for path in sorted((ROOT / "seqlib").rglob("*.py")):
        for sentence in re.findall(NAMED, path.read_text("utf-8")):
            for tag in re.findall(r"\((\d+\.\d+)\)", sentence):
                named.setdefault(tag, path.relative_to(ROOT).as_posix())
    assert len(named) > 30
    assert {tag: where for tag, where in named.items() if tag not in tagged} == {}


@pytest.mark.parametrize(
    ("cell", "holds", "wrong"),
    [
        ("a", "the film is not good", ""),
        ("a", "the  film\nis not good", ""),
        ("a", "the film is bad", "any more"),
        ("b", "the film is not good", "no cell b"),
        ("a", "the", "too little"),
    ],
)
def test_an_item_that_went_away_is_seen(cell, holds, wrong):
    row = {"chapter": "99-x", "item": "x", "cell": cell, "holds": holds}
    found = problem(row, {"a": plain("Look: the film\nis not good.")})
    assert wrong in found
    assert bool(found) == bool(wrong)
