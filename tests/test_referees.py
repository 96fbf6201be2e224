"""Every function has an independent referee, and the README says which."""

import importlib
import inspect
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import referees
from calls import collect, elsewhere, public_functions, public_modules

MARKS = referees.marks()
NAMED = {function for mark in MARKS for function in mark.functions}
PUBLIC = public_functions()
NAMES = {f: name for name, f in PUBLIC.items()}
ROWS = collect()
WITHOUT = {  # functions that need no referee, and why
    "seqlib.*init_*": "draws parameters: shapes and spread are tested, no equation",
}


def canonical(name):
    """Return the one name that a function has here; a class is called by its own."""
    module = name.rpartition(".")[0]
    if module not in public_modules():
        return name if inspect.isclass(found(module)) else None
    thing = found(name)
    return name if inspect.isclass(thing) else NAMES.get(thing)


def found(name):
    module, _, short = name.rpartition(".")
    return getattr(importlib.import_module(module), short, None)


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: f"{mark.file}-{mark.test}")
def test_a_test_uses_the_functions_that_it_names(mark):
    assert mark.functions
    assert all(mark.by)
    for function in mark.functions:
        assert referees.uses(mark, function), f"{mark.test} never uses {function}"


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_name_is_that_of_a_public_function(name):
    assert canonical(name) == name


HERE = [f for f in ROWS["CALLS"] if not elsewhere(NAMES[f], ROWS["ELSEWHERE"])]


@pytest.mark.parametrize("f", HERE, ids=lambda f: NAMES[f].removeprefix("seqlib."))
def test_everyone_has_a_referee(f):
    back = f"{NAMES[f]}_backward"
    for name in [NAMES[f]] + [back] * (back in PUBLIC):
        without = any(fnmatchcase(name, pattern) for pattern in WITHOUT)
        assert name in NAMED or without, f"{name} needs a referee"


def test_the_readme_has_the_table():
    text = (Path(referees.ROOT) / "README.md").read_text("utf-8")
    assert referees.filled(text, referees.table(MARKS)) == text, (
        "run `python tools/referees.py`"
    )


def test_a_false_mark_is_seen(tmp_path):
    (tmp_path / "test_x.py").write_text(
        "import pytest\nfrom seqlib.gru import gru_cell as cell\n"
        "from seqlib import functional as F\n"
        "def helper():\n    return cell\n"
        "TABLE = {'a': F.sigmoid}\n"
        "NAMES = ['sigmoid_backward']\n"
        "@pytest.mark.referee('seqlib.gru.gru_cell', by='x, y')\n"
        "@pytest.mark.referee('seqlib.metrics.bleu', by='z')\n"
        "@pytest.mark.referee('seqlib.functional.sigmoid', by='z')\n"
        "@pytest.mark.referee(*(f'seqlib.functional.{n}' for n in NAMES), by='z')\n"
        "def test_it():\n    helper()\n    TABLE\n"
        "    getattr(F, 'sigmoid' + '_backward')\n"
        "def test_other():\n    F.softmax\n"
    )
    found = referees.marks(tmp_path)
    assert [m.by for m in found] == [("x", "y"), ("z",), ("z",), ("z",)]
    answers = [referees.uses(m, m.functions[0]) for m in found]
    assert answers == [True, False, True, True]
