"""The setup cell, run as Colab would run it; and the address, there and back again."""

import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import address
import gate
import numpy
import pytest

ROOT = Path(__file__).parents[1]
VERSION = address.release()
NOWHERE = "OWNER/" + "REPO"
URL = "https://github.com/ada/sequences"
WHEEL = f"{URL}/releases/download/v{VERSION}/seqlib-{VERSION}-py3-none-any.whl"


@pytest.fixture
def machine(monkeypatch):
    """A machine of which everything is said by hand; `calls` is what pip was asked."""
    state = SimpleNamespace(there={"seqlib": VERSION}, calls=[], returncode=0)

    def find_spec(name):
        return state.there.get(name)

    def distributions(name):
        return [SimpleNamespace(version=v) for n, v in state.there.items() if n == name]

    def pip(command):
        state.calls.append(command)
        return SimpleNamespace(returncode=state.returncode)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setattr(importlib.metadata, "distributions", distributions)
    monkeypatch.setattr(subprocess, "run", pip)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    return state


@pytest.fixture
def colab(machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    return machine


def start(home=URL, needs=("seqlib",)):
    """Run the setup cell as it is for a project at this address."""
    source = address.setup_cell(list(needs))
    here = address.project()["urls"]["Repository"]
    assert f'"{here}"' in source
    exec(compile(source.replace(f'"{here}"', f'"{home}"'), "setup", "exec"), {})


@pytest.mark.parametrize("there", [{}, {"seqlib": "0.0.1"}])
def test_colab_installs_what_is_missing_or_of_another_version(colab, there):
    colab.there = there
    start()
    numpy_stays = f"numpy=={numpy.__version__}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    assert colab.calls == [[*pip, WHEEL, numpy_stays]]


def test_colab_with_the_right_version_does_nothing(colab):
    start()
    assert colab.calls == []


def test_sacrebleu_comes_only_where_it_is_needed(colab):
    start(needs=["seqlib", "sacrebleu"])
    assert colab.calls[0][5:7] == [WHEEL, "sacrebleu"]


def test_without_a_network_a_sentence_says_so(colab):
    colab.there, colab.returncode = {}, 1
    with pytest.raises(
        RuntimeError, match=rf"could not install {WHEEL}: is there a net"
    ):
        start()


HOW = r"In a clone of seqlib, run `pip install \.`; then try again\."


def test_the_placeholder_installs_nothing_from_anywhere(colab):
    colab.there = {}
    with pytest.raises(ModuleNotFoundError, match=HOW):
        start(f"https://github.com/{NOWHERE}")
    colab.there = {"seqlib": "0.0.1"}  # from a clone of another day
    start(f"https://github.com/{NOWHERE}")
    assert colab.calls == []


def test_elsewhere_nothing_is_installed(machine):
    start()
    machine.there = {"seqlib": "0.0.1"}
    start()
    machine.there = {}
    with pytest.raises(ModuleNotFoundError, match=HOW):
        start()
    with pytest.raises(ModuleNotFoundError, match=r"`pip install \. sacrebleu`"):
        start(needs=["seqlib", "sacrebleu"])
    assert machine.calls == []


def test_the_cell_is_short():
    lines = address.setup_cell(["seqlib", "sacrebleu"]).splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 100  # the address may be long
    assert max(map(len, address.SETUP.splitlines())) <= 88


def test_every_notebook_has_it():
    assert address.lacking() == []


def test_the_cell_is_put_under_the_title_and_once():
    def text(name):
        return {"cell_type": "markdown", "id": name, "metadata": {}, "source": "# A"}

    def code(name, source, *tags):
        cell = {"cell_type": "code", "execution_count": 1, "outputs": []}
        return cell | {"id": name, "metadata": {"tags": tags}, "source": [source]}

    old, bare = code("a", "old", "setup"), code("setup", "# setup")
    bleu = code("b", "metrics.bleu(a, b)")
    for cells in ([text("t"), bleu], [text("t"), old, bare, bleu]):
        ready = address.with_setup({"cells": cells})["cells"]
        assert [cell["id"] for cell in ready] == ["t", "setup", "b"]
        assert '["seqlib", "sacrebleu"]' in "".join(ready[1]["source"])
        assert address.with_setup({"cells": ready})["cells"] == ready
    for named in ('stored("x")["bleu"]', "run(0, bleu=False)", "def bleu(a): pass"):
        ready = address.with_setup({"cells": [text("t"), code("b", named)]})["cells"]
        assert "sacrebleu" not in "".join(ready[1]["source"])


# The address


NOTEBOOK = """{
 "cells": [
  {"cell_type": "markdown", "id": "t", "metadata": {}, "source": [
   "# Title\\n", "[here]({book}/chapters/05-rnn.html)"]},
  {"cell_type": "code", "execution_count": null, "id": "c", "metadata": {},
   "outputs": [], "source": ["x = 1"]}
 ], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
"""
README = """\
[![Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{repo}/blob/main/chapters/05-rnn.ipynb)
![tests](https://img.shields.io/github/actions/workflow/status/{repo}/test.yml)
git clone https://github.com/{repo}.git && cd REPO
<https://raw.githubusercontent.com/{repo}/main/a.png> {book}.
Others stay: https://github.com/{repo}2 https://github.com/pytorch/pytorch and {repo}
"""


def at(text, repo, book):
    """Return a text for a project at this address."""
    return text.replace("{book}", book).replace("{repo}", repo)


# In pieces, or the address would change here as well.
ORIGIN = NOWHERE, "https://OWNER.github.io" + "/REPO"


@pytest.fixture
def clone(tmp_path):
    """A small project at the placeholder address, in git."""
    about = (ROOT / "pyproject.toml").read_text("utf-8")
    here, book = address.project()["urls"].values()
    about = about.replace(here, f"https://github.com/{NOWHERE}")
    about = about.replace(book, ORIGIN[1])
    (tmp_path / "chapters").mkdir()
    (tmp_path / "pyproject.toml").write_text(about, "utf-8")
    (tmp_path / "README.md").write_text(at(README, *ORIGIN))
    (tmp_path / "seqlib").mkdir()
    (tmp_path / "seqlib" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "picture.png").write_bytes(
        b"\x89PNG https://github.com/" + NOWHERE.encode()
    )
    (tmp_path / "chapters" / "05-rnn.ipynb").write_text(at(NOTEBOOK, *ORIGIN))
    address.lacking(tmp_path, mend=True)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    return tmp_path


def git(root, *words):
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("repo", "book"),
    [
        ("ada/sequences", "https://ada.github.io/sequences"),
        ("ada/ada.github.io", "https://ada.github.io"),
        ("A-1/x_y.z", "https://A-1.github.io/x_y.z"),
    ],
)
def test_the_address_changes_everywhere_and_back(clone, repo, book):
    assert len(address.change(repo, clone)) == 3
    readme = (clone / "README.md").read_text()
    stays = README.replace("/{repo}2", f"/{NOWHERE}2")
    stays = stays.replace("and {repo}", f"and {NOWHERE}")
    assert readme == at(stays, repo, book)
    chapter = (clone / "chapters" / "05-rnn.ipynb").read_text()
    assert f"({book}/chapters/05-rnn.html)" in chapter
    assert f'home, release, needs = \\"https://github.com/{repo}\\"' in chapter
    assert address.project(clone)["urls"] == {
        "Repository": f"https://github.com/{repo}",
        "Book": book,
    }
    assert address.lacking(clone) == []
    address.change(NOWHERE, clone)
    assert git(clone, "diff") == ""


@pytest.mark.parametrize(
    "repo",
    ["ada", "https://github.com/a/b", "a/b/c", "a b/c", "-a/b", "a/..", "a/b.git"],
)
def test_an_address_that_is_none(clone, repo):
    with pytest.raises(ValueError, match="REPO must be owner/name, as in"):
        address.change(repo, clone)
    assert git(clone, "diff") == ""


def test_an_address_from_which_there_is_no_way_back(clone):
    with pytest.raises(
        ValueError, match=r"README.md speaks of pytorch/pytorch already"
    ):
        address.change("pytorch/pytorch", clone)
    assert git(clone, "diff") == ""


def test_the_same_address_changes_nothing(clone):
    assert address.change(NOWHERE, clone) == []


def test_the_whole_project_goes_there_and_back(tmp_path):
    """Every file of this project; and no tick of the ledger rests on the address."""
    before = address.texts(ROOT)
    for path, text in before.items():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(text.encode())
    git(tmp_path, "init", "--quiet")
    problems = gate.inspect(tmp_path).problems
    here = "/".join(address.project()["urls"]["Repository"].split("/")[-2:])
    address.change("ada-l/sequences-42", tmp_path)
    assert address.project(tmp_path)["urls"]["Book"].startswith("https://ada-l.git")
    old, book = address.patterns(here, address.project()["urls"]["Book"])
    for path in address.texts(tmp_path):
        text = path.read_text("utf-8")
        assert not old.search(text), path
        assert not book.search(text), path
    assert address.lacking(tmp_path) == [
        tmp_path / path.relative_to(ROOT) for path in address.lacking(ROOT)
    ]
    assert gate.inspect(tmp_path).problems == problems
    address.change(here, tmp_path)
    for path, text in before.items():
        assert (tmp_path / path.relative_to(ROOT)).read_bytes() == text.encode()


@pytest.mark.parametrize("repo", ["a/b", "ada/ada.github.io", "pytorch/pytorch"])
def test_no_likely_address_is_refused(repo):
    assert not any(repo in text for text in address.texts(ROOT).values())
