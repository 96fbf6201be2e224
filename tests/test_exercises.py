"""The exercise notebooks: solutions pass, students' fail in their checks alone."""

import copy
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from seqlib.grading.__main__ import main
from seqlib.grading.exercises import CHAPTERS, chapter
from seqlib.grading.release import BEGIN, CHECK, END, ReleaseError, release, student

FOLDER = Path(__file__).parents[1] / "exercises"
SOLUTIONS = sorted((FOLDER / "solutions").glob("*.ipynb"))
PAIRS = [pytest.param(p, FOLDER / p.name, id=p.stem) for p in SOLUTIONS]


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run(notebook, folder, allow_errors=False):
    """Run a copy of a notebook in an empty folder."""
    notebook = copy.deepcopy(notebook)
    NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    return notebook


def errors(cell):
    return [o for o in cell.outputs if o.output_type == "error"]


def shown(cell):
    texts = (o.get("text") or o.get("data", {}).get("text/plain") for o in cell.outputs)
    return "".join(filter(None, texts))


def test_every_chapter_with_exercises_has_its_notebook():
    assert [int(p.stem.partition("-")[0]) for p in SOLUTIONS] == sorted(CHAPTERS)


@pytest.mark.parametrize(("solution", "_"), PAIRS)
def test_the_solutions_pass(solution, _, tmp_path):
    done = run(read(solution), tmp_path)
    for cell in code(done):
        for id, name in CHECK.findall(cell.source):
            points = chapter(int(id.partition("-")[0]))[id].points
            line = f"✓ {id} {name}: right, {points} of {points} points"
            assert line in shown(cell)


@pytest.mark.parametrize(("_", "path"), PAIRS)
def test_the_students_notebook_fails_in_exactly_its_checks(_, path, tmp_path):
    done = run(read(path), tmp_path, allow_errors=True)
    for cell in code(done):
        asked = CHECK.findall(cell.source)
        assert bool(errors(cell)) == bool(asked), cell.source
        for id, name in asked:
            (error,) = errors(cell)
            assert error.ename == "CheckError"
            assert error.evalue == f"✗ {id} {name}: it is not written yet."
            assert len("\n".join(error.traceback).splitlines()) == 1


@pytest.mark.parametrize(("solution", "path"), PAIRS)
def test_no_wrong_answer_spoils_another_question(solution, path, tmp_path):
    """Every second question is left unwritten; the others pass all the same."""
    mixed, released = read(solution), read(path)
    skipped = set(list(chapter(int(solution.stem.partition("-")[0])))[::2])
    names = {
        name for c in code(mixed) for i, name in CHECK.findall(c.source) if i in skipped
    }
    for cell, empty in zip(mixed.cells, released.cells, strict=True):
        if any(cell.source.startswith(f"def {name}(") for name in names):
            cell.source = empty.source
    for cell in code(run(mixed, tmp_path, allow_errors=True)):
        asked = {id for id, _ in CHECK.findall(cell.source)}
        assert bool(errors(cell)) == bool(asked & skipped), cell.source


@pytest.mark.parametrize(("solution", "path"), PAIRS)
def test_the_release_is_what_is_committed(solution, path, tmp_path):
    target = tmp_path / "exercises"
    (target / "solutions").mkdir(parents=True)
    (target / "solutions" / solution.name).write_bytes(solution.read_bytes())
    assert release(target) == [f"{target / solution.name}: new"]
    first = (target / solution.name).read_bytes()
    assert first == path.read_bytes(), "run `make release`"
    assert release(target) == [f"{target / solution.name}: unchanged"]
    assert (target / solution.name).read_bytes() == first


@pytest.mark.parametrize(("solution", "path"), PAIRS)
def test_no_solution_leaks(solution, path):
    ours, theirs = read(solution), read(path)
    text = path.read_text("utf-8")
    assert BEGIN not in text
    assert END not in text
    assert [c.id for c in ours.cells] == [c.id for c in theirs.cells]
    for mine, yours in zip(ours.cells, theirs.cells, strict=True):
        if BEGIN not in mine.source:
            assert mine.source == yours.source
            continue
        head, secret = mine.source.split(BEGIN, 1)
        secret, tail = secret.split(END, 1)
        assert yours.source == head + "raise NotImplementedError" + tail
        for line in filter(None, map(str.strip, secret.splitlines())):
            assert line not in yours.source
    assert all(not c.outputs and c.execution_count is None for c in code(theirs))


@pytest.mark.parametrize(("solution", "path"), PAIRS)
def test_no_cell_gives_away_another_cells_solution(solution, path):
    given = ["\n".join(map(str.strip, c.source.splitlines())) for c in code(read(path))]
    for cell in code(read(solution)):
        _, _, secret = cell.source.partition(BEGIN)
        lines = [line.strip() for line in secret.partition(END)[0].splitlines()]
        for pair in pairwise(filter(None, lines)):
            text = "\n".join(pair)
            assert len(text) < 30 or not any(text in other for other in given), text


@pytest.mark.parametrize(("_", "path"), PAIRS)
def test_every_question_is_complete(_, path):
    cells = read(path).cells
    exercises = chapter(int(path.stem.partition("-")[0]))
    assert len(exercises) >= 5
    starts = [i for i, cell in enumerate(cells) if cell.source.startswith("## ")]
    assert len(starts) == len(exercises)
    for start, stop, exercise in zip(
        starts, [*starts[1:], len(cells)], exercises.values(), strict=True
    ):
        mine = cells[start:stop]
        heading, line, *_ = filter(None, mine[0].source.splitlines())
        assert heading == f"## {exercise.id} {exercise.title}"
        assert line == exercise.headline()
        words = "\n".join(c.source for c in mine if c.cell_type == "markdown")
        assert words.count("<details><summary>Hint ") in (2, 3)
        assert words.count("<details>") == words.count("\n\n</details>")
        (stub,) = [c for c in mine if c.source.startswith(f"def {exercise.function}(")]
        signature = stub.source.partition('"""')[0]
        named = re.findall(r"(\w+): ", signature)
        assert tuple(named) == exercise.parameters
        assert signature.rstrip().endswith(":")
        assert "->" in signature
        assert re.search(r'"""[^"]*\([A-Z]|"""[^"]*arrays', stub.source), "shapes?"
        assert f'check("{exercise.id}", {exercise.function})' in "\n".join(
            c.source for c in mine
        )


def test_the_total_in_the_introduction():
    for path in SOLUTIONS:
        exercises = chapter(int(path.stem.partition("-")[0])).values()
        points, minutes = (
            sum(getattr(e, a) for e in exercises) for a in ("points", "minutes")
        )
        assert f"{points} points, about {minutes} minutes" in read(path).cells[0].source


@pytest.mark.parametrize(
    ("name", "id", "hint"),
    [
        ("05-rnn", "5-4", "One array is still everything"),
        ("06-bptt", "6-9", "Both faults are still there"),
        ("10-convlstm-and-video", "10-8", "Nothing is mended yet"),
    ],
)
def test_fix_it_questions_show_their_fault(name, id, hint):
    """The broken function is in the bank, all of its faults recognised."""
    notebook = read(FOLDER / f"{name}.ipynb")
    (source,) = [c.source for c in code(notebook) if c.source.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    from seqlib.grading import CheckError, check

    with pytest.raises(CheckError, match=f"Hint: {hint}"):
        check(id, space["broken"])


# release, when something is wrong -----------------------------------------------------


def solution(*sources):
    cells = [nbformat.v4.new_code_cell(s) for s in sources]
    return nbformat.v4.new_notebook(cells=cells)


GOOD = f"def f():\n    {BEGIN}\n    x = 1\n\n    return x\n    {END}\n\n\nf"


def test_markers_are_replaced_where_they_stand():
    inner = f"if a:\n        {BEGIN}\n        b\n        {END}\n"
    twice = inner + f"else:\n    {BEGIN}\n    c\n    {END}"
    cells = student(solution(GOOD, twice)).cells
    assert cells[0].source == "def f():\n    raise NotImplementedError\n\n\nf"
    assert cells[1].source == (
        "if a:\n        raise NotImplementedError\nelse:\n    raise NotImplementedError"
    )


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (["x = 1"], "nothing is marked as a solution"),
        ([GOOD, f"{BEGIN}\nx"], "cell 2: every"),
        ([GOOD, f"x\n{END}"], "cell 2: every"),
        ([f"{END}\nx\n{BEGIN}"], "cell 1: every"),
    ],
)
def test_markers_that_do_not_fit(sources, said):
    with pytest.raises(ReleaseError, match=said):
        student(solution(*sources))


def spoil(folder, change, name="06-bptt.ipynb"):
    (folder / "solutions").mkdir()
    text = (FOLDER / "solutions" / "06-bptt.ipynb").read_text("utf-8")
    (folder / "solutions" / name).write_text(change(text), "utf-8")
    status = main(["release", str(folder)])
    assert not list(folder.glob("*.ipynb"))
    return status


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.replace(BEGIN, "# "), "every"),
        (
            lambda s: s.replace(f"    {BEGIN}\\n", "").replace(f"    {END}", "    #"),
            "noth",
        ),
        (
            lambda s: s.replace('check(\\"6-4\\"', 'print(\\"6-4\\"'),
            "it checks 6-1, 6-2, 6-3",
        ),
        (
            lambda s: s.replace('\\"6-4\\", weights', '\\"6-4\\", w'),
            "asks for weights_back",
        ),
        (
            lambda s: s.replace("def clip_by_norm", "def clip"),
            "6-8, clip_by_norm, has no",
        ),
    ],
)
def test_a_solution_that_does_not_fit_is_refused(tmp_path, capsys, change, said):
    assert spoil(tmp_path, change) == 1
    said_it = capsys.readouterr().err
    assert said_it.startswith("Nothing was written. ")
    assert said in said_it
    assert "Traceback" not in said_it


def test_a_name_without_a_chapter_is_refused(tmp_path, capsys):
    assert spoil(tmp_path, str, "intro.ipynb") == 1
    assert "must begin with the number of a chapter" in capsys.readouterr().err


def test_the_command_is_friendly(tmp_path):
    def command(*arguments):
        line = [sys.executable, "-m", "seqlib.grading", *arguments]
        return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)

    assert "release" in command().stdout
    assert command().returncode == 0
    done = command("release")
    assert done.returncode == 1
    assert done.stderr == (
        "Nothing was written. there are no notebooks in exercises/solutions\n"
    )
    assert command("grad").returncode == 2
