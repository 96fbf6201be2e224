"""The house's papers say what is so: commands, files, versions, pins, workflows."""

import os
import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

import address
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
COMMANDS = ["make book", "make test"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
HOUSE = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "LICENSE-TEXT",
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
    "colab-runtime.txt",
    ".gitignore",
    ".ci/run",
    ".github/workflows/test.yml",
    ".github/workflows/weekly.yml",
    ".github/workflows/release.yml",
    "_config.yml",
    "_toc.yml",
    "intro.md",
    "references.bib",
    *(
        f"{folder}/{name}.ipynb"
        for folder in ("chapters", "exercises", "exercises/solutions")
        for name in (
            "01-sequence-problems",
            "02-perceptrons-and-mlps",
            "03-cnn-by-scanning",
            "04-finite-and-infinite-response",
            "05-rnn",
            "06-bptt",
            "07-training-rnns",
            "08-lstm",
            "09-gru",
            "10-convlstm-and-video",
        )
    ),
    "appendices/data.ipynb",
    "appendices/times.json",
    "seqlib/experiments",
    "tests/coverage/syllabus.csv",
    "tools/experiments.py",
    "seqlib/functional.py",
    "seqlib/rnn.py",
    "seqlib/recurrent.py",
    "seqlib/nn",
    "seqlib/ledger.py",
    "seqlib/explore",
    "seqlib/grading",
    "seqlib/metrics.py",
    "seqlib/data",
    "_ext",
    "_static",
    "tests",
    "benchmarks/results.json",
    "tools/run.py",
    "tools/address.py",
    "tools/colab.py",
    "tools/audit.py",
    "tools/pack.py",
    "tools/pdf.py",
    "tools/serve.py",
    "tools/versions.py",
    "package.json",
    "package-lock.json",
]


def read(name):
    return (ROOT / name).read_text("utf-8")


def pyproject():
    return tomllib.loads(read("pyproject.toml"))["project"]


def targets():
    return re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE)


def make(*words):
    """Run make as from a shell of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *words], cwd=ROOT, env=env, capture_output=True, text=True
    )


# --- commands ------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOUSE)
def test_it_is_there(name):
    assert (ROOT / name).exists()


def test_the_papers_name_commands_that_make_knows():
    for name in ["README.md", "CONTRIBUTING.md", ".ci/run", *WORKFLOWS]:
        said = re.findall(r"(?:^|`|run: )make ([a-z]+)", read(name), re.MULTILINE)
        assert set(said) <= set(targets()), name


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_what_the_papers_point_to_is_there(name):
    text = read(name)
    links = set(re.findall(r"\]\((?!https?:)([^)#\s]+)", text))
    folders = set(re.findall(r"`([\w/.]+/)`", text))
    missing = {x for x in links | folders if not (ROOT / x).exists()}
    assert not missing


def test_ci_runs_the_two_commands_of_the_readme():
    block = re.search(r"```\n(make .*?)```", read("README.md"), re.DOTALL)[1]
    assert [line.split("#")[0].strip() for line in block.splitlines()] == COMMANDS
    script = [line.split("#")[0].strip() for line in read(".ci/run").splitlines()]
    assert [line for line in script if line.startswith("make ")] == COMMANDS
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


def test_make_alone_lists_every_command():
    listed = re.findall(r"^make ([a-z]+)", make().stdout, re.MULTILINE)
    assert listed == targets()


def test_an_old_python_gets_a_sentence(tmp_path):
    for old in ("false", "no-such-python"):
        said = make("book", f"VENV={tmp_path}/env", f"PYTHON={old}")
        assert said.returncode
        assert "needs Python 3.11 or newer" in said.stdout


def test_a_python_without_environments_gets_a_sentence(tmp_path):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\ntest "$1" = -c\n')
    python.chmod(0o755)
    said = make("book", f"VENV={tmp_path}/env", f"PYTHON={python}")
    assert said.returncode
    assert "apt install python3-venv" in said.stdout


# --- versions and pins ---------------------------------------------------------------


def test_version_and_address_are_the_same_everywhere():
    cite = yaml.safe_load(read("CITATION.cff"))
    assert cite["version"] == address.release()
    assert f"## {cite['version']}" in read("CHANGELOG.md")
    urls = pyproject()["urls"]
    assert cite["repository-code"] == urls["Repository"]
    assert cite["url"] == urls["Book"]
    assert {"cff-version", "message", "title", "authors", "license"} <= set(cite)


def pins():
    lines = [line for line in read("constraints.txt").splitlines() if line[:1] != "#"]
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==[\w.]+", line), line
    return {canonicalize_name(line.split("==")[0]): line for line in lines}


def test_the_pins_fit_what_pyproject_asks_for():
    project, pinned = pyproject(), pins()
    extras = project["optional-dependencies"].values()
    for need in map(Requirement, chain(project["dependencies"], *extras)):
        if need.name != "seqlib":
            line = pinned[canonicalize_name(need.name)]
            assert need.specifier.contains(line.split("==")[1]), line
    assert pinned["torch"] == "torch==2.13.0"


def test_what_those_bring_is_pinned_too():
    pinned, seen, waiting = pins(), set(), [Requirement("seqlib[dev]")]
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        if (name, *need.extras) in seen:
            continue
        seen.add((name, *need.extras))
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        assert name in pinned or name == "seqlib"
        for more in map(Requirement, requires):
            own = name == "torch" and re.match("nvidia|triton|cuda", more.name)
            marker, extras = more.marker, need.extras or {""}
            fits = not marker or any(marker.evaluate({"extra": e}) for e in extras)
            if fits and not own:  # what torch pins itself differs from build to build
                waiting.append(more)
    assert len(seen) > 100


# --- workflows -----------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=[p.stem for p in WORKFLOWS])
def test_a_workflow_is_sound(path):
    workflow = yaml.safe_load(path.read_text())
    assert {"name", True, "permissions", "jobs"} <= set(workflow)  # True: YAML's "on"
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert {"runs-on", "timeout-minutes", "steps"} <= set(job)
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert re.fullmatch(
                r"actions/[\w-]+@v\d+", step.get("uses", "actions/x@v1")
            )


def test_every_push_is_tested_on_every_python():
    workflow = yaml.safe_load(read(".github/workflows/test.yml"))
    job = workflow["jobs"]["test"]
    assert "push" in workflow[True]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert {"run": ".ci/run"} in job["steps"]
    assert workflow["jobs"]["publish"]["needs"] == ["test", "oldest"]


def test_a_release_keeps_its_book_and_main_publishes_them_all():
    release = yaml.safe_load(read(".github/workflows/release.yml"))
    (job,) = release["jobs"].values()
    assert job["env"]["BOOK_REF"] == "${{ github.ref_name }}"
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert runs[0] == 'python tools/versions.py --check "$BOOK_REF"'
    assert 'zipfile -c "dist/book-$BOOK_REF.zip" _build/html/.' in "".join(runs)
    assert runs[-1].startswith("gh workflow run test.yml --ref main")
    test = yaml.safe_load(read(".github/workflows/test.yml"))
    assert "workflow_dispatch" in test[True]
    publish = test["jobs"]["publish"]
    assert publish["if"] == "github.ref == 'refs/heads/main'"
    steps = publish["steps"]
    assert {"run": "python tools/versions.py site _build/html books"} in steps
    assert {"path": "site"} in [step.get("with") for step in steps]


# --- what must not be in any file ----------------------------------------------------

FOREIGN = re.compile(
    "|".join(
        [
            r"(?<![\w.~)])/(?:home|root|work|Users)/\w",  # a machine's paths
            r"pypi\.org|pythonhosted|npmjs|jfrog|artifactory|file:///\w",  # registries
            r"\bclaude|\banthropic|\bcopilot",  # tools that write
        ]
    ),
    re.IGNORECASE,
)


def test_no_file_speaks_of_a_machine_or_of_a_tool():
    bad = []
    samples = [Path(__file__), ROOT / "tests" / "test_notebooks_hygiene.py"]
    for path, text in address.texts(ROOT).items():
        if path not in samples:
            bad += [f"{path.relative_to(ROOT)}: {m[0]}" for m in FOREIGN.finditer(text)]
    assert not bad, "\n".join(["", *bad])


NAMED = re.compile(r"([\w-]+)(?: et al\.)? \(((?:19|20)\d\d)\)")


def test_what_the_docstrings_cite_is_in_the_bibliography():
    entries = (ROOT / "references.bib").read_text("utf-8").split("\n@")[1:]
    authors = [
        (
            re.search(r"author\s*= \{(.*)\},\n", e)[1],
            re.search(r"year\s*= \{(\d+)", e)[1],
        )
        for e in entries
    ]
    missing = set()
    for path in (ROOT / "seqlib").rglob("*.py"):
        text = " ".join(path.read_text("utf-8").split())
        for name, year in NAMED.findall(text):
            if not any(name in who and year == when for who, when in authors):
                missing.add(f"{path.relative_to(ROOT)}: {name} ({year})")
    assert not missing
