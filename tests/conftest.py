"""What all tests share, and in which order they and the notebooks run."""

import json
import os
import re
from functools import lru_cache
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

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "appendices" / "times.json"
LONG = {  # seconds, and few more than so many notebooks take
    "tests/test_book.py": 90,
    "tests/test_grader.py": 80,
    "tests/test_grading.py": 70,
    "tests/test_colab.py": 60,
}
IMPORTED = re.compile(r"(?m)^(?:from|import) (\w+(?:\.\w+)?)")


@lru_cache
def is_of_the_package(file):
    """Tell whether a file tests seqlib, and neither the book, its tools nor grading."""
    if not file.endswith(".py"):
        return False
    folders = (ROOT / "_ext", ROOT / "tools")
    others = {path.stem for folder in folders for path in folder.glob("*.py")}
    others |= {"playwright", "notebook_rules", "test_book", "seqlib.grading"}
    return others.isdisjoint(IMPORTED.findall((ROOT / file).read_text("utf-8")))


def file_of(item):
    """Return the file of a test or of a notebook's cell."""
    return item.nodeid.partition("::")[0]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with what takes longest: no process waits for another in the end."""
    seconds = dict(LONG)
    if RECORD.exists():  # not beside the copies of `make mutate`
        seconds |= json.loads(RECORD.read_text("utf-8"))["notebooks"]
    items.sort(key=lambda i: -seconds.get(file_of(i).removesuffix(".ipynb"), 0))


def pytest_itemcollected(item):
    """Mark the tests that need no book."""
    if is_of_the_package(file_of(item)):
        item.add_marker(pytest.mark.package)
