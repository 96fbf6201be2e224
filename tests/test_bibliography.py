"""The bibliography: every entry is cited somewhere, and leads to its source."""

import re
from pathlib import Path

import address
import pages
import pytest
from pybtex.database import parse_file

ROOT = Path(__file__).parents[1]
ENTRIES = parse_file(str(ROOT / "references.bib"), "bibtex").entries
PLACES = {  # what an entry of a type must have beside authors, a title and a year
    "article": ("journal",),
    "inproceedings": ("booktitle",),
    "incollection": ("booktitle",),
    "book": ("publisher",),
    "phdthesis": ("school",),
}

WITHOUT = {  # neither a DOI nor a lasting address is known for these
    "hochreiter1991": "a diploma thesis, in German",
    "jaeger2002": "a report of an institute that is no more",
    "mikolov2012": "a doctoral thesis",
    "robinson1987": "a report of a department",
    "saks1993": "a chapter of a book",
}
COMING = {"weston2015": 20}  # the chapter that will cite it
THERE = pages.chapters(ROOT)


def texts():
    """Return all that may cite: pages, notebooks, docstrings, tests' sources apart."""
    return "\n".join(
        text
        for path, text in address.texts(ROOT).items()
        if path.name != "references.bib" and "tests" not in path.relative_to(ROOT).parts
    )


ALL = texts().lower()
FLAT = re.sub(r"\s+", " ", ALL)


@pytest.mark.parametrize("key", sorted(ENTRIES))
def test_an_entry_is_complete(key):
    entry = ENTRIES[key]
    assert entry.persons.get("author") or entry.persons.get("editor")
    assert {"title", "year"} <= set(entry.fields)
    for field in PLACES.get(entry.type, ()):
        assert field in entry.fields, field
    leads = entry.fields.get("doi") or entry.fields.get("url")
    assert leads or entry.type == "book" or key in WITHOUT, "a DOI or a URL"
    assert not (leads and key in WITHOUT)
    if "doi" in entry.fields:
        assert re.fullmatch(r"10\.\d{4,9}/\S+", entry.fields["doi"])


@pytest.mark.parametrize("key", sorted(ENTRIES))
def test_an_entry_is_used(key):
    if COMING.get(key, 1) not in THERE:
        pytest.skip("its chapter is still to come")
    entry = ENTRIES[key]
    doi, url = (entry.fields.get(name, "").lower() for name in ("doi", "url"))
    who = entry.persons.get("author") or entry.persons.get("editor")
    name, year = " ".join(who[0].last_names).strip("{}").lower(), entry.fields["year"]
    named = rf"{re.escape(name)}\b.{{0,90}}?\b{year}"
    assert (
        (doi and f"doi.org/{doi}" in ALL)
        or (url and url in ALL)
        or re.search(named, FLAT)
    ), "nobody cites it"


def test_no_source_is_listed_twice():
    for field in ("doi", "url"):
        values = [
            e.fields[field].lower() for e in ENTRIES.values() if field in e.fields
        ]
        assert len(values) == len(set(values)), field
