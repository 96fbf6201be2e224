"""What all tests share, and in which order they run."""

import json
import os
import re
from pathlib import Path

import pytest

try:
    import hypothesis
except ModuleNotFoundError:  # where numpy stands alone
    hypothesis = None
try:
    import torch
except ModuleNotFoundError:
    torch = None

if hypothesis is not None:
    examples = int(os.environ.get("EXAMPLES", "30"))  # EXAMPLES=1000 looks harder
    skipped = {"shrink", "explain"} if examples < 10 else set()  # any failure will do
    hypothesis.settings.register_profile(
        "book",
        deadline=None,  # a busy machine is no failure
        derandomize=True,  # the same cases on every machine
        max_examples=examples,
        phases=[phase for phase in hypothesis.Phase if phase.name not in skipped],
    )
    hypothesis.settings.load_profile("book")
if torch is not None:
    torch.set_num_threads(1)

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
    if RECORD.exists():  # not beside the copies of `make mutate`
        seconds |= json.loads(RECORD.read_text("utf-8"))["notebooks"]

    def key(item):
        name = group(item).partition("@")[0]
        return -seconds.get(name.partition(".ipynb")[0], 0), name

    items.sort(key=key)
