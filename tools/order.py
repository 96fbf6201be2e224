"""Which tests run together, and in which order: those of notebooks, too."""

import json
import re
from pathlib import Path

import pytest

RECORD = Path(__file__).parents[1] / "appendices" / "times.json"
LONG = {
    "tests/test_book.py": 90,
    "tests/test_grader.py": 80,
    "tests/test_grading.py": 70,
}
BOOKS = re.compile(  # files that look at pages, notebooks and grading, not at seqlib
    r"tests/test_(audit|bibliography|book|cells|colab|coverage|errata|exercises\w*|gate"
    r"|glossary|grad(er|ing)\w*|mutate|notation|notebooks_\w+|pace|search|setup_cell"
    r"|teaching|way)\.py"
)


def file_of(item):
    """Return the file of a test or of a notebook's cell."""
    return item.nodeid.partition("::")[0]


def group(item):
    """Return what one process runs together: a file, unless a mark says otherwise."""
    mark = item.get_closest_marker("xdist_group")
    return mark.args[0] if mark else file_of(item)


def pytest_itemcollected(item):
    """Mark each test with its group, and those of seqlib alone as the package's."""
    item.add_marker(pytest.mark.xdist_group(group(item)))
    if file_of(item).endswith(".py") and not BOOKS.fullmatch(file_of(item)):
        item.add_marker(pytest.mark.package)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with what takes longest: no process waits for another in the end."""
    seconds = dict(LONG)
    seconds |= json.loads(RECORD.read_text("utf-8"))["notebooks"]

    def key(item):
        name = group(item).partition("@")[0]
        return -seconds.get(name.partition(".ipynb")[0], 0), name

    items.sort(key=key)
