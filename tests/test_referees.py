"""Every function has an independent referee, and the README says which."""

import inspect
from pathlib import Path

import pytest
import referees
from calls import collect, public_functions

MARKS = referees.marks()
NAMED = {function for mark in MARKS for function in mark.functions}
PUBLIC = public_functions()
NAMES = {f: name for name, f in PUBLIC.items()}
CALLS = collect()["CALLS"]
WITHOUT: dict[str, str] = {}  # functions without a referee, and why


def canonical(name):
    """Return the one name that a function has here, whichever the mark says."""
    module, _, short = name.rpartition(".")
    __import__(module)
    return NAMES.get(getattr(inspect.sys.modules[module], short, None))


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: f"{mark.file}-{mark.test}")
def test_a_test_uses_the_functions_that_it_names(mark):
    assert mark.functions
    assert all(mark.by)
    for function in mark.functions:
        assert referees.uses(mark, function), f"{mark.test} never uses {function}"


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_name_is_that_of_a_public_function(name):
    assert canonical(name) == name


@pytest.mark.parametrize("f", CALLS, ids=lambda f: NAMES[f].removeprefix("seqlib."))
def test_everyone_has_a_referee(f):
    back = f"{NAMES[f]}_backward"
    for name in [NAMES[f]] + [back] * (back in PUBLIC):
        assert (name in NAMED) != (name in WITHOUT), f"{name} needs a referee"


def test_what_is_without_a_referee_exists():
    assert set(WITHOUT) <= set(PUBLIC)


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
        "@pytest.mark.referee('seqlib.gru.gru_cell', by='x, y')\n"
        "@pytest.mark.referee('seqlib.functional.softmax', by='z')\n"
        "@pytest.mark.referee('seqlib.functional.sigmoid', by='z')\n"
        "@pytest.mark.referee('seqlib.functional.sigmoid_backward', by='z')\n"
        "def test_it():\n    helper()\n    TABLE\n"
        "    getattr(F, 'sigmoid' + '_backward')\n"
        "def test_other():\n    F.softmax\n"
    )
    found = referees.marks(tmp_path)
    assert [m.by for m in found] == [("x", "y"), ("z",), ("z",), ("z",)]
    answers = [referees.uses(m, m.functions[0]) for m in found]
    assert answers == [True, False, True, True]
