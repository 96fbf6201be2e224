"""The package as a whole: what it imports, what is shipped, lint and types."""

import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import seqlib

ROOT = Path(__file__).parent.parent
BLOCKED = "torch matplotlib IPython ipywidgets scipy pandas"
ARRAYS = (
    "_check _params functional rnn lstm gru convlstm recurrent interop metrics ledger "
    "data mlp boolean cnn scanning narx state_space attention masks positions "
    "transformer decode seq2seq captioner optim memory graph_attention "
    "linear_attention diagonal_ssm checkpointing"
)


def python(code):
    """Run code in a Python of its own, from a folder without the sources."""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.anchor
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("name", ["seqlib", *(f"seqlib.{m}" for m in ARRAYS.split())])
def test_import_needs_neither_torch_nor_notebooks(name):
    python(
        f"import sys\n"
        f"for blocked in '{BLOCKED}'.split(): sys.modules[blocked] = None\n"
        f"import {name}"
    )


def test_the_array_functions_run_without_torch():
    python(
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np; from seqlib.recurrent import *\n"
        "y, state, cache = recurrent('rnn', np.ones((2, 3, 4)), None, "
        "init_params('rnn', 4, 5))\n"
        "recurrent_backward(y, state, cache)"
    )


def test_import_is_quick():
    """The demand is 0.3 s; a busy machine gets three tries and some more."""
    code = "import time; t = time.perf_counter(); import seqlib; "
    seconds = min(float(python(code + "print(time.perf_counter() - t)")) for _ in "123")
    print(f"import seqlib: {seconds:.3f} s")
    assert seconds < 0.6


def test_one_version():
    assert version("seqlib") == seqlib.__version__
    assert seqlib.__version__ not in (ROOT / "pyproject.toml").read_text()


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    for name in ("pyproject.toml", "README.md", *TRACKED):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(tmp_path)]
    found = subprocess.run(build, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "deprecated" not in found.stdout + found.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name == f"seqlib-{seqlib.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
        (about,) = (name for name in file.namelist() if name.endswith("METADATA"))
        text = file.read(about).decode()
    assert names == set(TRACKED)
    assert "seqlib/py.typed" in names
    needs = [line for line in text.splitlines() if line.startswith("Requires-Dist")]
    always = [line.split()[1] for line in needs if "extra ==" not in line]
    assert sorted(a.partition(">")[0] for a in always) == ["array-api-compat", "numpy"]


def files_of_the_package():
    """Return the package's source files as the repository has them."""
    kinds = {".py", ".css", ".js", ".html", ".json", ".typed"}
    paths = sorted((ROOT / "seqlib").rglob("*"))
    return [
        path.relative_to(ROOT).as_posix()
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
        if path.suffix in kinds or path.name == "py.typed"
    ]


TRACKED = files_of_the_package()


@pytest.mark.parametrize(
    "command", [["mypy"], ["ruff", "check", "."], ["ruff", "format", "--check", "."]]
)
def test_lint(command):
    found = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("path", [p for p in TRACKED if p.endswith(".py")])
def test_modules_stay_short(path):
    assert len((ROOT / path).read_text("utf-8").splitlines()) < 300
