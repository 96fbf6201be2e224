"""Mutants tried in forks: what a test fails for is killed, the rest is told apart."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"

THING = """\
from mutmut.mutation.trampoline import wrap_in_trampoline

forms = {}


@wrap_in_trampoline(forms)
def x_double(n): ...


def x_double__mutmut_orig(n): return n + n
def x_double__mutmut_1(n): return n * n
def x_double__mutmut_2(n): return 2 * n
def x_double__mutmut_3(n):
    while True: pass
def x_double__mutmut_4(n): return n + 1


forms |= {name: f for name, f in list(globals().items()) if "__mutmut_" in name}
forms["_mutmut_orig"] = x_double__mutmut_orig
"""

TESTS = """\
import time
from functools import lru_cache
from thing import x_double

kept = lru_cache(x_double)

def test_two(): assert kept(2) == 4
def test_three():
    time.sleep(0.2)
    assert kept(3) == 6
def test_nothing(): assert {nothing}
"""

DRAWN = """\
from hypothesis import given, strategies
@given(strategies.integers(3, 5))
def test_drawn(n): assert x_double(n) == 2 * n
"""

DRIVER = """\
import json, sys
import forks, pytest
forks.LEAST, forks.PATIENCE = 1, 1
tried = []
names = [f"thing.x_double__mutmut_{n}" for n in (1, 4, 2, 3)]
names += ["thing.x_other__mutmut_1"]
belongs = lambda test, mutant: sys.argv[1] in test
store = lambda _, trial: tried.append([trial.code, trial.failed[-5:]])
plugin = forks.Forks(names, belongs, store, drawing=sys.argv[2] == "True")
status = pytest.main(["-q", "-s", "-p", "no:cacheprovider", "test_thing.py"], [plugin])
json.dump([int(status), tried, plugin.trouble], open("said.json", "w"))
"""


def tried(folder, belonging="test_", nothing="True", thing=THING, drawn=None):
    """Try five mutants in a folder; return pytest's status, the trials, what is wrong.

    The first mutant is right for 2 alone, the second never, the third always, the
    fourth does not end, the fifth is of a function that no test reaches. Of a trial
    there are its code and the end of the name of the test that failed. With a text of
    tests that draw examples, only these are run.
    """
    (folder / "thing.py").write_text(thing)
    (folder / "setup.cfg").write_text("[mutmut]\nsource_paths = .\n")
    tests = TESTS.format(nothing=nothing) + (drawn or "")
    (folder / "test_thing.py").write_text(tests)
    subprocess.run(
        [sys.executable, "-c", DRIVER, belonging, str(drawn is not None)],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": f"{TOOLS}:{folder}",
        },
        check=True,
        capture_output=True,
    )
    return json.loads((folder / "said.json").read_text())


@pytest.mark.parametrize(
    ("belonging", "first", "second"),
    [
        ("test_", [1, "three"], [1, "three"]),  # the quick one comes after it now
        ("test_two", [0, ""], [1, "t_two"]),
    ],
)
def test_each_mutant_is_told_apart(tmp_path, belonging, first, second):
    trials = [first, second, [0, ""], [36, ""], [33, ""]]
    assert tried(tmp_path, belonging) == [0, trials, []]


@pytest.mark.parametrize(
    ("drawn", "status", "trials"),
    [
        (DRAWN, 0, [[1, "drawn"], [1, "drawn"], [0, ""], [36, ""], [33, ""]]),
        ("", pytest.ExitCode.NO_TESTS_COLLECTED, [[33, ""]] * 5),
    ],
)
def test_only_what_draws_examples_is_run(tmp_path, drawn, status, trials):
    assert tried(tmp_path, drawn=drawn) == [status, trials, []]


def test_nothing_is_tried_where_a_test_fails_already(tmp_path):
    said = ["These fail as they stand:", "test_thing.py::test_nothing"]
    assert tried(tmp_path, nothing="False") == [0, [], said]


def test_nothing_is_tried_where_the_tests_see_another_copy(tmp_path):
    said = ["No test reaches a function that was changed."]
    assert tried(tmp_path, thing="def x_double(n): return 2 * n") == [0, [], said]
