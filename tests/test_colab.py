"""The rehearsal of Colab passes for this book, and it fails when it should."""

import os
import sys
import warnings
import zipfile
from pathlib import Path

import colab
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parents[1]

SURROUNDINGS = """\
import os, socket, sys
from urllib.request import urlopen
assert os.listdir() == ["alone.ipynb"]
assert "google.colab" in sys.modules
assert not {"PYTHONPATH", "VIRTUAL_ENV"} & set(os.environ)
for reach in (
    lambda: urlopen("https://example.org"),
    lambda: socket.create_connection(("192.0.2.1", 80)),
    lambda: socket.getaddrinfo("example.org", 80),
):
    try:
        reach()
    except OSError:
        pass
    else:
        raise AssertionError("there is a network")
"""


def write(folder, name, *sources):
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(s) for s in sources]), path)
    return path


def rehearse(path, tmp_path):
    return colab.rehearse(sys.executable, path, tmp_path / "home")


def found(*failed, seconds=1.0, gigabytes=0.2):
    failed = {str(number): "ValueError: no" for number in failed}
    return {"seconds": seconds, "gigabytes": gigabytes, "failed": failed}


def test_a_notebook_is_alone_and_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    seen = rehearse(write(tmp_path / "chapters", "alone", SURROUNDINGS), tmp_path)
    assert seen["result"] == "ok"
    assert 0 < seen["seconds"] < 60
    assert 0.01 < seen["gigabytes"] < 2


def test_an_error_is_named_with_its_cell(tmp_path):
    path = write(tmp_path / "chapters", "bad", "a = 1", "1 / 0", "b = a")
    seen = rehearse(path, tmp_path)
    assert seen["result"] == "cell 2: ZeroDivisionError: division by zero"


def test_a_dead_kernel_is_a_failure(tmp_path):
    path = write(tmp_path / "chapters", "dead", "import os; os.kill(os.getpid(), 9)")
    assert "did not run" in rehearse(path, tmp_path)["result"]


def test_a_students_notebook_fails_where_it_checks_and_nowhere_else(tmp_path):
    cells = ["x = 1", 'check("6-1", f)', "y = 2", 'check(\n    "6-2", g)']
    path = write(tmp_path / "exercises", "06", *cells)
    assert colab.judge(path, found(1, 3)) == "ok"
    assert "cell 2: checks an answer" in colab.judge(path, found(3))
    assert colab.judge(path, found(1, 2, 3)) == "cell 3: ValueError: no"
    solution = write(tmp_path / "solutions", "06", *cells)
    assert colab.judge(solution, found()) == "ok"
    assert colab.judge(solution, found(1)) == "cell 2: ValueError: no"


def test_time_and_memory_are_bounded(tmp_path):
    path = write(tmp_path / "chapters", "long", "x = 1")
    assert colab.judge(path, found(seconds=46)) == "slower than 45 s"
    assert colab.judge(path, found(seconds=44)) == "ok"
    assert colab.judge(path, found(gigabytes=2.1)) == "needs more than 2.0 GB"


@pytest.mark.parametrize(
    ("now", "named"),
    [
        ({"seqlib": "1", "numpy": "2.4"}, "numpy"),
        ({"seqlib": "1", "numpy": "2.1", "torch": "2.13"}, "torch"),
        ({"seqlib": "1"}, "numpy"),
        ({"numpy": "2.1"}, "not even seqlib"),
    ],
)
def test_the_wheel_may_not_touch_what_colab_has(monkeypatch, now, named):
    monkeypatch.setattr(colab, "wheel", lambda folder: folder / "seqlib.whl")
    monkeypatch.setattr(colab, "pip", lambda *words: "")
    monkeypatch.setattr(colab, "versions", lambda python: now)
    with pytest.raises(colab.RehearsalError, match=named):
        colab.install(sys.executable, {"numpy": "2.1"})


def test_the_wheel_holds_the_whole_package(tmp_path):
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "seqlib").rglob("*.*")
        if path.is_file() and path.suffix != ".pyc"
    }
    inside = set(zipfile.ZipFile(colab.wheel(tmp_path)).namelist())
    assert files <= inside
    others = {name for name in inside - files if ".dist-info/" not in name}
    assert not others


@pytest.fixture(scope="module")
def python():
    """Return the Python of Colab's environment, with the wheel installed in it."""
    try:
        python, start = colab.environment()
    except colab.RehearsalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"Colab's versions could not be installed: {error}")
    colab.install(python, start)
    return python


NOTEBOOKS = colab.notebooks([])
NAMES = [path.relative_to(ROOT).as_posix() for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_runs_on_colab(path, python, tmp_path, monkeypatch):
    """The budget is 45 s, which `make colab` holds; a slow machine gets twice that."""
    monkeypatch.setattr(colab, "PATIENCE", 2)
    said = colab.rehearse(python, path, tmp_path)["result"]
    if said != "ok":  # what is wrong with a notebook is wrong the second time, too
        warnings.warn(f"{path.name} at the first try: {said}", stacklevel=1)
        said = colab.rehearse(python, path, tmp_path)["result"]
    assert said == "ok"


def test_the_rehearsal_says_which_notebook_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(colab, "ROOT", tmp_path)
    monkeypatch.setattr(colab, "environment", lambda: (sys.executable, {}))
    monkeypatch.setattr(colab, "install", lambda python, start: {"seqlib"})
    write(tmp_path / "chapters", "good", "1 + 1")
    assert colab.main([]) == 0
    write(tmp_path / "chapters", "wrong", "1 / 0")
    assert colab.main([]) == 1
    said = capsys.readouterr()
    assert "chapters/wrong.ipynb: cell 1: ZeroDivisionError" in said.err
    assert "good" not in said.err
    assert colab.main(["nowhere"]) == 1


def test_no_environment_has_a_status_of_its_own(monkeypatch, capsys):
    def fail():
        raise colab.RehearsalError("There is no network.")

    monkeypatch.setattr(colab, "environment", fail)
    assert colab.main([]) == colab.NO_ENVIRONMENT
    assert "There is no network." in capsys.readouterr().err
