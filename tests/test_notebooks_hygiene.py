"""Every notebook keeps the rules, and every rule can be broken."""

import copy
import json
from pathlib import Path

import nbformat
import pytest
import run
from notebook_rules import RULES, breaches

ROOT = Path(__file__).parents[1]
FOLDERS = "chapters/*.ipynb", "exercises/**/*.ipynb", "appendices/*.ipynb"
BOOKS = sorted(path for folder in FOLDERS for path in ROOT.glob(folder))
CHAPTERS = [path for path in BOOKS if path.parent.name in ("chapters", "appendices")]
NAMES = [path.relative_to(ROOT).as_posix() for path in BOOKS]


def read(path):
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("path", BOOKS, ids=NAMES)
def test_the_notebook_keeps_the_rules(path):
    found = [
        f"cell {cell}: {text} ({name})" for name, cell, text in breaches(read(path))
    ]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("path", BOOKS, ids=NAMES)
def test_the_notebook_is_stored_as_make_run_stores_it(path):
    text = path.read_text("utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert text == nbformat.writes(notebook).rstrip("\n") + "\n"
    assert "\r" not in text


@pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_the_chapter_was_run(path):
    cells = [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)


# A good notebook, and for each rule the ways to break it


def markdown(text, name="text"):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def code(text, outputs=(), tags=(), count=None, name="code"):
    return {
        "cell_type": "code",
        "execution_count": count,
        "id": name,
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": list(outputs),
        "source": text,
    }


def data(**kinds):
    kinds = {kind.replace("_", "/", 1): value for kind, value in kinds.items()}
    return {"output_type": "display_data", "metadata": {}, "data": kinds}


FIGURE = (
    '<figure class="seqlib-figure"><img alt="A line that falls from left to right." '
    'src="data:image/svg+xml;base64,UFBQ/tmp/"><figcaption>Falling.</figcaption></figure>'
)
TEXT = r"""## Colour

The slope is $\frac{a}{b}$, "(6.3)" is a reference, and here is a link:
[chapter 5](https://a.b/color.html).

> $$ a = b \tag{6.1} $$

\begin{align*}
a &= b \\
c &= d \tag{6.2}
\end{align*}

| what | shape |
| --- | --- |
| $\lvert x \rvert$ | `x | y` |

<details><summary>Hint</summary>

`color` and `\bm{x}` are code:

```python
simply = "$$"  # ![](a.png)
```

</details>"""
GOOD = {
    "cells": [
        markdown("# Title", "title"),
        code("import sys", tags=["remove-cell", "setup"], count=1, name="setup"),
        markdown(TEXT),
        code(
            "# a comment\n" * 20 + "\n\nprint(\n1\n)\n" * 9,
            [{"output_type": "stream", "name": "stdout", "text": "1\n"}],
            count=2,
        ),
        code(
            "draw()",
            [data(text_html=FIGURE)],
            ["nbval-ignore-output"],
            3,
            name="figure",
        ),
    ],
    "metadata": run.METADATA,
    "nbformat": 4,
    "nbformat_minor": 5,
}


def text(new):
    """Break a rule in the text, in a paragraph of its own."""

    def spoil(notebook):
        notebook["cells"][2]["source"] += "\n\n" + new

    return spoil


def at(cell, **fields):
    """Break a rule by other fields of one cell."""
    return lambda notebook: notebook["cells"][cell - 1].update(fields)


def output(new, *more):
    """Break a rule by an output of the last cell."""
    return at(5, outputs=[new, *more])


def printed(words, name="stdout"):
    return {"output_type": "stream", "name": name, "text": words}


ERROR = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
BAD = {
    "one_title": [
        at(1, source="## Title"),
        at(1, cell_type="code", outputs=[], execution_count=None),
        at(1, source="# Title\n\n# Another"),
        text("# Another title"),
    ],
    "plain_markdown": [
        text("```{note}\nHello\n```"),
        text(":::{note}\nHello\n:::"),
        text("See {eq}`a`."),
        text("See {numref}`Figure <a>`."),
    ],
    "plain_mathematics": [
        text(r"$\newcommand{\x}{y}$"),
        text(r"$\bm{x}$"),
        text(r"$\argmax_x f(x)$"),
        text(r"$\textcolor{red}{x}$"),
        text(r"$x \label{x}$"),
        text(r"$\eqref{x}$"),
        text("\\begin{equation*}\nx\n\\end{equation*}"),
        text(r"$\def\x{1}$"),
    ],
    "displays_stand_alone": [
        text("$$\nx = y\n$$"),
        text("And $$ x = y $$ there."),
        text("Hence\n$$ x = y $$"),
        text("$$ x = y $$\nhence"),
        text("$$x = y$$"),
        text(r"$$ x \\ y $$"),
        text("$$ x $$ (label)"),
        text("$$ x $$ $$ y $$"),
    ],
    "mathematics_is_read": [
        text(r"The slope \alpha."),
        text("Costs $x and more."),
    ],
    "tables_hold": [
        text(r"| a | b |" + "\n| - | - |\n" + r"| $p(x \mid y)$ | c |"),
        text(r"| a | b |" + "\n| - | - |\n" + r"| $|x$, $y|$ | c |"),
    ],
    "links_in_full": [
        text("[here](05-rnn.ipynb)"),
        text("[here](../a.html)"),
        text("[here](http://a.b)"),
        text("![a plot of x](a.png)"),
        text("![a plot of x](https://a.b/a.png)"),
        text('<img src="a.png" alt="a">'),
    ],
    "folds_open": [
        text("<details><summary>Hint</summary>\nThe hint.\n\n</details>"),
        text("<details><summary>Hint</summary>\n\nThe hint."),
    ],
    "plain_words": [
        text("We delve into it."),
        text("It is simply so."),
        text("Obviously."),
        text("The color is red."),
        text("Its behavior."),
    ],
    "nothing_undone": [text("@@RESULT@@"), text("TODO: more"), at(5, source="# XXX")],
    "setup_comes_first": [
        at(2, metadata={}),
        at(4, metadata={"tags": ["setup"]}),
        lambda notebook: notebook["cells"].insert(1, notebook["cells"].pop(3)),
    ],
    "short_cells": [
        at(5, source="x = 1\n" * 21),
        at(5, source="x = '" + "a" * 90 + "'"),
        at(5, source="x = 'https://" + "a" * 90 + "'"),
        at(2, source="# " + "a" * 90),
    ],
    "plain_python": [
        at(5, source="%matplotlib inline"),
        at(5, source="!pip install x"),
        at(5, source="from numpy import *"),
    ],
    "known_metadata": [
        lambda notebook: notebook.update(metadata=run.METADATA | {"widgets": {}}),
        lambda notebook: notebook.update(metadata={}),
        lambda notebook: notebook.update(nbformat_minor=4),
        at(5, metadata={"tags": ["nbval-ignore-output"], "execution": {"a": "b"}}),
        at(4, metadata={"tags": ["nbval-ignore-outputs"]}),
    ],
    "unique_ids": [at(5, id="code"), at(5, id=""), at(5, id="a b")],
    "counted_from_one": [at(5, execution_count=4), at(4, execution_count=None)],
    "no_trouble_stored": [output(ERROR), output(printed("Warning: old", "stderr"))],
    "nothing_of_this_machine": [
        output(printed("/home/ada/a.py")),
        output(printed("<function f at 0x7f1e4c>")),
        output(data(text_plain="/tmp/ipykernel_1/2.py")),
        output(printed("\x1b[31mred\x1b[0m")),
        output(data(**{"application_vnd.jupyter.widget-view+json": {}})),
    ],
    "figures_have_words": [
        output(data(image_png="abc")),
        output(data(text_html=FIGURE.replace(' alt="', ' title="'))),
        output(data(text_html=FIGURE.replace("A line that falls from left to ", ""))),
        output(data(text_html=FIGURE.replace("Falling.", ""))),
        at(5, metadata={}),
    ],
    "one_stream_at_a_time": [output(printed("a\n"), printed("b\n"))],
}


def test_every_rule_has_a_bad_example():
    assert {check.__name__ for check in RULES} == set(BAD)


def test_the_good_notebook_keeps_all_rules():
    assert breaches(GOOD) == []


CASES = [(name, i) for name, ways in BAD.items() for i in range(len(ways))]


@pytest.mark.parametrize(("name", "way"), CASES)
def test_a_broken_rule_is_found(name, way):
    notebook = copy.deepcopy(GOOD)
    BAD[name][way](notebook)
    assert name in {found for found, _, _ in breaches(notebook)}
