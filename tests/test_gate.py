"""The ledger's gate, on small notebooks that are really run: each wrong one fails."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import gate
import nbformat
import pytest
import run
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebooks import MIME, tagged

from seqlib.ledger import page_line

ROOT = Path(__file__).parents[1]
TITLE = "# Small steps\n\nEquation (6.1) comes first, and $(6.9)$ is a number."
EQUATION = r"$$ \sum_i x_i = n \bar x \tag{6.1} $$"
SEVERAL = r"""From (6.1) follow

\begin{align*}
a &= \begin{pmatrix} 1 \\ 2 \end{pmatrix}
     + b \tag{6.2} \\
c &= d \\[4pt]
  &= e \tag{6.3}
\end{align*}

and not, as printed,

$$ a = c \tag{E6} $$"""
START = """\
import numpy as np
from seqlib import rnn
from seqlib.ledger import refute, verify
x = np.arange(1.0, 5.0)
f, g = np.exp, np.expm1"""
FIRST = 'verify("6.1", x.sum(), len(x) * x.mean(), by="numpy", within=1e-12)'
REST = """\
verify("6.2", f(x), g(x) + 1, by="numpy", within=1e-12)
verify("6.3", f(2 * x), f(x) ** 2, by="hand", within=1e-12)
refute("E6", f(x), g(x), by="numpy", within=1e-6)"""
CELLS = [
    new_markdown_cell(TITLE, id="title"),
    new_code_cell(START, id="start"),
    new_markdown_cell(EQUATION, id="equation"),
    new_code_cell(FIRST, id="first"),
    new_markdown_cell(SEVERAL, id="several"),
    new_code_cell(REST, id="rest"),
]


class Project:
    """A book of one small chapter, with its own copy of the package."""

    def __init__(self, root):
        self.root, self.package = root, root / "seqlib"
        self.chapter = root / "chapters" / "06-small.ipynb"

    def write(self, cells, name="06-small"):
        path = self.chapter.with_stem(name)
        nbformat.write(new_notebook(cells=cells), path)
        return path

    def run(self):
        return run.run(self.chapter, self.package)

    def problems(self):
        return [str(p) for p in gate.inspect(self.root, self.package).problems]

    def edit(self, old, new):
        """Edit the chapter without running it."""
        notebook = nbformat.read(self.chapter, 4)
        assert any(old in cell.source for cell in notebook.cells), old
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)
        nbformat.write(notebook, self.chapter)

    def outputs(self, change):
        """Change the stored outputs by hand."""
        notebook = nbformat.read(self.chapter, 4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [new for o in cell.outputs for new in change(o)]
        nbformat.write(notebook, self.chapter)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The good project, run once."""
    project = Project(tmp_path_factory.mktemp("book"))
    (project.root / "chapters").mkdir()
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "seqlib", project.package, ignore=skip)
    project.write(CELLS)
    project.run()
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the good project, to spoil."""
    shutil.copytree(finished.root, tmp_path, dirs_exist_ok=True)
    return Project(tmp_path)


def only(problems):
    assert len(problems) == 1, problems
    return problems[0]


def test_a_good_chapter_passes(project):
    assert project.problems() == []
    ledger = gate.inspect(project.root, project.package)
    assert list(ledger.places) == ["6.1", "6.2", "6.3", "E6"]
    assert ledger.chapters[0].title == "Small steps"


def test_a_second_run_changes_nothing(project):
    before = project.chapter.read_bytes()
    project.run()
    assert project.chapter.read_bytes() == before


def test_whitespace_in_an_equation_is_no_edit(project):
    project.edit(r"\sum_i x_i = n", r"\sum_i  x_i  = n")
    assert project.problems() == []


STALE = ": make run ONLY=06-small"
EDITS = {
    "an equation, after its tick": (
        (r"n \bar x", r"m \bar x"),
        ["cell 4: (6.1) was ticked before its equation was edited" + STALE],
    ),
    "one line of several": (
        ("+ b", "+ 2 b"),
        [
            f"cell 6: ({t}) was ticked before its equation was edited" + STALE
            for t in ("6.2", "6.3")
        ],
    ),
    "the code that ticks": (
        ("len(x) * x.mean()", "x.mean() * len(x)"),
        [
            f"cell {c}: ({t}) was ticked before the code was edited" + STALE
            for c, t in ((4, "6.1"), (6, "6.2"), (6, "6.3"), (6, "E6"))
        ],
    ),
    "an earlier code cell": (
        ("np.arange(1.0, 5.0)", "np.arange(1.0, 6.0)"),
        [
            f"cell {c}: ({t}) was ticked before the code was edited" + STALE
            for c, t in ((4, "6.1"), (6, "6.2"), (6, "6.3"), (6, "E6"))
        ],
    ),
    "a tag": (
        (r"\tag{6.1}", r"\tag{6.4}"),
        [
            "cell 1: (6.1) refers to no equation; a number is written $(6.1)$",
            "cell 3: nothing verifies (6.4): call verify below it",
            "cell 4: (6.1) is ticked, but no equation above has this number",
            "cell 5: (6.1) refers to no equation; a number is written $(6.1)$",
        ],
    ),
    "no tag": (
        (r" \tag{E6}", ""),
        [
            r"cell 5: the displayed equation a = c … has no \tag",
            "cell 6: (E6) is ticked, but no equation above has this number",
        ],
    ),
    "a tag twice": (
        (r"\tag{6.2}", r"\tag{6.2} + \tag{6.1}"),
        ["cell 5: (6.1) is displayed already in chapters/06-small.ipynb, cell 3"],
    ),
    "a reference to nothing": (
        ("From (6.1)", "From (6.7) and (E9)"),
        [
            "cell 5: (6.7) refers to no equation; a number is written $(6.7)$",
            "cell 5: (E9) refers to no equation; a number is written $(E9)$",
        ],
    ),
    "a tag that is no number": (
        (r"\tag{E6}", r"\tag{one}"),
        [r"cell 5: \tag{one} is no number such as 6.3 or E6"],
    ),
    "a tag in running text": (
        ("and not, as", r"and not $y \tag{6.8}$, as"),
        [r"cell 5: a \tag stands outside a displayed equation"],
    ),
    "a tag that is no literal": (
        ('verify("6.1", ', 'tag = "6.1"\nverify(tag, '),
        ["cell 4: verify needs its tag as a literal string"],
    ),
    "a self-comparison": (
        ("len(x) * x.mean()", "x.sum().copy()"),
        ["cell 4: (6.1): x.sum() is compared with itself"],
    ),
    "a self-comparison through an earlier cell": (
        ("f(2 * x), f(x) ** 2", "x, y"),
        ["cell 6: (6.3): x is compared with itself"],
    ),
    "a cell that is no Python": (
        (FIRST, "%time " + FIRST),
        ["cell 4: this is not plain Python: invalid syntax"],
    ),
    "a new check, not run": (
        (REST, REST + '\nverify("6.1", x @ x, (x * x).sum(), by="it", within=1e-12)'),
        ["cell 6: (6.1) has no stored output" + STALE],
    ),
    "another tolerance": (
        ('len(x) * x.mean(), by="numpy", within=1e-12', 'x, by="numpy", within=1e-3'),
        ["cell 4: the record of (6.1) has another within than the cell"],
    ),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_without_a_run_is_seen(project, what):
    if "earlier cell" in what:  # the alias is there, in an earlier cell, and was run
        project.write([*CELLS[:1], new_code_cell(START + "\ny = x * 1"), *CELLS[2:]])
        project.run()
    (old, new), sentences = EDITS[what]
    project.edit(old, new)
    found = [p.removeprefix("chapters/06-small.ipynb, ") for p in project.problems()]
    if what.startswith(("a tag", "a self", "a cell", "a new", "another", "no tag")):
        assert set(sentences) <= set(found)  # other ticks of the cell are stale as well
    else:
        assert sorted(found) == sentences


def drop(tag):
    return lambda o: [] if o.get("data", {}).get(MIME, {}).get("tag") == tag else [o]


def without_digests(output):
    output.metadata.pop("seqlib", None)
    return [output]


def one_digest_less(output):
    output.metadata["seqlib"].pop("cells")
    return [output]


def retold(output):
    output.data["text/plain"] = output.data["text/plain"].replace("12", "15")
    return [output]


def twice_as_sure(output):
    if output.data[MIME]["tag"] == "6.1":
        output.data[MIME]["by"] = "autograd"
        text, html = page_line("verify", "6.1", "autograd", 1e-12)
        output.data |= {"text/plain": text, "text/html": html}
    return [output]


def renamed(output):
    if output.data[MIME]["tag"] == "6.1":
        output.data[MIME]["tag"] = "6.2"
        output.data["text/plain"] = "✓ (6.2) by numpy, within 1e-12"
    return [output]


def decreed(output):
    output.data["text/html"] = output.data["text/html"].replace("6.1", "6.9")
    return [output]


HANDS = {
    "a page's line typed over": (decreed, "the output of (6.1) says something else"),
    "an output taken out": (drop("6.1"), "(6.1) has no stored output" + STALE),
    "a record typed by hand": (without_digests, "(6.1) was not put there by a run"),
    "a digest taken out": (one_digest_less, "(6.1) was not put there by a run"),
    "a line typed over": (retold, "the output of (6.1) says something else"),
    "a record typed over": (twice_as_sure, "(6.1) has another by than the cell"),
    "another equation's record": (renamed, "cell does not verify it"),
}


@pytest.mark.parametrize("what", HANDS)
def test_outputs_changed_by_hand_are_seen(project, what):
    change, sentence = HANDS[what]
    project.outputs(change)
    assert sentence in "\n".join(project.problems())


def test_a_number_outside_the_chapters_is_seen(project):
    page = project.root / "appendices" / "notation.md"
    page.parent.mkdir()
    page.write_text(f"# Notation\n\n{EQUATION}\n")
    (problem,) = project.problems()
    assert problem.endswith("(6.1) is numbered, but only chapters can tick it")


def test_an_edit_of_seqlib_after_the_tick_is_seen(project):
    module = project.package / "rnn.py"
    module.write_text(module.read_text() + "\nMORE = 1\n")
    found = project.problems()
    assert len(found) == 4
    assert all("was ticked before seqlib was edited" in p for p in found)


def test_an_edit_of_a_docstring_is_none(project):
    module = project.package / "rnn.py"
    text = module.read_text()
    module.write_text(text.replace('"""', '"""More words,\n\nand lines. ', 1))
    assert project.problems() == []
    function = '    """'
    module.write_text(text.replace(function, function + "Other words. ", 1))
    assert project.problems() == []
    module.write_text(text.replace(function, "    0\n" + function, 1))
    assert len(project.problems()) == 4


def test_an_edit_of_what_an_imported_module_imports_is_seen(project):
    module = project.package / "_expressions.py"  # by way of seqlib.ledger
    module.write_text(module.read_text() + "\nMORE = 1\n")
    assert len(project.problems()) == 4


def test_newlines_the_version_and_other_modules_do_not_count(project):
    module = project.package / "rnn.py"
    module.write_bytes(module.read_bytes().replace(b"\n", b"\r\n"))
    first = project.package / "__init__.py"
    assert "__version__ = " in first.read_text()
    first.write_text(first.read_text().replace('__version__ = "', '__version__ = "9'))
    (project.package / "other.py").write_text("MORE = 1\n")
    assert project.problems() == []


def test_relative_imports_are_followed(project):
    rnn = project.package / "rnn.py"
    rnn.write_text(rnn.read_text() + "\nfrom .other import MORE\n")
    other = project.package / "other.py"
    other.write_text("MORE = 1\n")
    project.run()
    assert project.problems() == []
    other.write_text("MORE = 2\n")
    assert len(project.problems()) == 4


def test_numbers_belong_to_their_chapter_and_stand_once_in_the_book(project):
    shutil.copy(project.chapter, project.chapter.with_stem("07-next"))
    found = project.problems()
    assert "chapters/07-next.ipynb, cell 3: (6.1) is numbered for another chapter" in (
        found
    )
    assert (
        "chapters/07-next.ipynb, cell 3: (6.1) is displayed already in "
        "chapters/06-small.ipynb, cell 3" in found
    )


def test_a_check_before_its_equation(project):
    order = [CELLS[i] for i in (0, 1, 3, 2, 4, 5)]
    project.write(order)
    project.run()
    assert "cell 3: (6.1) is ticked before it is displayed" in only(project.problems())


def test_an_erratum_wants_to_be_refuted_and_nothing_else(project):
    project.edit('refute("E6"', 'pass; ("E6"')
    assert "cell does not refute it" in "\n".join(project.problems())
    project.outputs(drop("E6"))
    assert "nothing refutes (E6): call refute below it" in "\n".join(project.problems())


def test_references_from_exercises_and_pages_are_followed(project):
    (project.root / "exercises" / "solutions").mkdir(parents=True)
    path = project.root / "exercises" / "solutions" / "06-small.ipynb"
    text = "# Exercise\n\nUse (6.2), not (6.4)."
    nbformat.write(new_notebook(cells=[new_markdown_cell(text)]), path)
    (project.root / "intro.md").write_text("# Intro\n\nIt ends with `(6.9)` (6.5).\n")
    found = project.problems()
    assert [p.split(" refers")[0] for p in found] == [
        "exercises/solutions/06-small.ipynb, cell 1: (6.4)",
        "intro.md, cell 1: (6.5)",
    ]


def test_the_lines_of_an_equation():
    assert tagged(SEVERAL[SEVERAL.index(r"\begin") : SEVERAL.index("and not")]) == [
        ("6.2", "a &= \\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}\n     + b"),
        ("6.3", r"c &= d \\ &= e"),
    ]
    assert tagged(r" a = b \tag{6.1} ") == [("6.1", "a = b")]


# The run


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("x.sum() + 1, x.sum() * 2", r"AssertionError: \(6.1\) does not hold by numpy"),
        ("x, x", r"ValueError: \(6.1\): x is compared with itself"),
        ("x, x.copy()", r"ValueError: \(6.1\): x is compared with itself"),
        ("x, (y := x + 0)", r"ValueError: \(6.1\): x is compared with itself"),
        ("x[::-1], x[:]", r"ValueError: \(6.1\): left and right share one memory"),
    ],
)
def test_a_failing_cell_leaves_the_notebook_as_it_was(project, bad, error):
    project.edit("x.sum(), len(x) * x.mean()", bad)
    before = project.chapter.read_bytes()
    with pytest.raises(run.FailedError, match="06-small.ipynb, cell 4: " + error):
        project.run()
    assert project.chapter.read_bytes() == before
    assert [p.name for p in project.chapter.parent.iterdir()] == ["06-small.ipynb"]


def test_seqlib_edited_during_a_run_is_seen(project, monkeypatch):
    def execute(notebook, name, say):
        module = project.package / "rnn.py"
        module.write_text(module.read_text() + "\nMORE = 1\n")

    monkeypatch.setattr(run, "execute", execute)
    with pytest.raises(run.FailedError, match="seqlib was edited while it ran"):
        project.run()


def test_a_cell_that_is_no_python_is_not_run(project):
    project.write([CELLS[0], new_code_cell("%time 1")])
    with pytest.raises(run.FailedError, match="no plain Python: %time"):
        project.run()


def test_a_dead_kernel_is_said_to_be_dead(project):
    project.write([CELLS[0], new_code_cell("import os; os._exit(1)")])
    with pytest.raises(run.FailedError, match="cell 2: the kernel died"):
        project.run()


NOISE = """\
import sys
from IPython.display import display
print("one")
print("two")
display({"text/plain": "w", "text/html": "<b>w</b>",
         "application/vnd.jupyter.widget-view+json": {"model_id": "1"}}, raw=True)
6 * 7"""


def test_what_differs_from_run_to_run_is_not_stored(project):
    cells = [*CELLS, new_code_cell(""), new_code_cell(NOISE)]
    project.write(cells)
    project.run()
    notebook = json.loads(project.chapter.read_text())
    assert notebook["metadata"] == run.METADATA
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert [c["execution_count"] for c in code] == [1, 2, 3, None, 4]
    assert all(c["metadata"] == {} for c in code)
    stream, shown, result = code[-1]["outputs"]
    assert stream["text"] == ["one\n", "two\n"]
    assert set(shown["data"]) == {"text/plain", "text/html"}
    assert result["execution_count"] == 4


def test_a_chapter_that_is_not_there():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "run.py", "99-nothing"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("There is no chapter 99-nothing; the chapters are: ")


# The book

CONFIG = """\
import sys
sys.path.insert(0, {ext!r})
extensions = ["myst_nb", "ledger"]
myst_enable_extensions = ["dollarmath", "amsmath"]
nb_execution_mode = "off"
exclude_patterns = ["seqlib", "_build"]
suppress_warnings = ["mystnb.unknown_mime_type"]
root_doc = "intro"
"""
INTRO = """\
# Intro

By (6.2), `(6.1)` and $(6.3)$.

```{toctree}
chapters/06-small
```

```{ledger}
```
"""


def build(project):
    (project.root / "conf.py").write_text(CONFIG.format(ext=str(ROOT / "_ext")))
    (project.root / "intro.md").write_text(INTRO)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", ".", "_build"],
        cwd=project.root,
        capture_output=True,
        text=True,
    )
    pages = [project.root / "_build" / p for p in ("intro", "chapters/06-small")]
    return done, [
        p.with_suffix(".html").read_text() if not done.returncode else "" for p in pages
    ]


def test_a_book_of_verified_equations_is_built_with_its_links(project):
    done, (intro, chapter) = build(project)
    assert done.returncode == 0, done.stderr
    for tag in ("6-1", "6-2", "6-3", "E6"):
        for place in (f"eq-{tag}", f"ledger-{tag}"):
            assert chapter.count(f'id="{place}"') == 1
            assert f'href="#{place}"' in chapter
            assert f'href="chapters/06-small.html#{place}"' in intro or "led" in place
    assert 'title="verified by numpy, within 1e-12"' in chapter
    assert 'aria-label="(E6) refuted by numpy"' in chapter
    assert "3 equations, all verified; 1 erratum, refuted." in intro
    assert intro.index("<h2>Small steps<") < intro.index("<h2>Errata<")
    assert r"\(\displaystyle \sum_i x_i = n \bar x\)" in intro
    assert intro.count("chapters/06-small.html#eq-6-2") == 2  # the text and the table
    assert intro.count("chapters/06-small.html#eq-6-1") == 1


def test_an_unverified_equation_stops_the_build(project):
    project.edit("and not, as", r"$$ u = v \tag{6.4} $$" + "\n\nand not, as")
    done, _ = build(project)
    assert done.returncode != 0
    assert "nothing verifies (6.4): call verify below it" in done.stderr
    assert not (project.root / "_build" / "intro.html").exists()
