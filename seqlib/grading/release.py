"""Make the students' notebooks from the solutions.

What stands between the markers becomes `raise NotImplementedError`, outputs are
cleared, all else stays, cell ids included.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqlib.grading.exercises import CHAPTERS, chapter

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SOLUTION = re.compile(rf"^([ \t]*){BEGIN}[ \t]*\n.*?^[ \t]*{END}[ \t]*$", re.M | re.S)
CHECK = re.compile(r"^check\(\s*[\"']([^\"']+)[\"']\s*,\s*(\w+)", re.M)
METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


class ReleaseError(Exception):
    """A notebook that cannot be released, and why, in a sentence."""


def release(folder: Path) -> list[str]:
    """Write folder/NN-name.ipynb for each folder/solutions/NN-name.ipynb.

    Returns
    -------
    lines to show, one for each notebook

    Raises
    ------
    ReleaseError
        A solution has no markers or does not ask what its chapter describes; then no
        notebook is written.
    """
    sources = sorted((folder / "solutions").glob("*.ipynb"))
    if not sources:
        raise ReleaseError(f"there are no notebooks in {folder / 'solutions'}")
    texts = {folder / source.name: _text(source) for source in sources}
    lines = []
    for path, text in texts.items():
        old = path.read_text("utf-8") if path.exists() else None
        if text != old:
            new = path.with_name(f".{path.name}.new")
            new.write_text(text, encoding="utf-8", newline="\n")
            os.replace(new, path)
        what = "unchanged" if text == old else "new" if old is None else "changed"
        lines.append(f"{path}: {what}")
    return lines


def _text(source: Path) -> str:
    import nbformat

    try:
        notebook = student(nbformat.read(source, as_version=4))
    except ReleaseError as error:
        raise ReleaseError(f"{source}: {error}") from None
    _check_questions(source, notebook)
    nbformat.validate(notebook)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def student(notebook: Any) -> Any:
    """Turn a solution notebook into the student's, in place.

    Raises
    ------
    ReleaseError
        There are no markers, or one stands alone.
    """
    found = 0
    for number, cell in enumerate(notebook.cells, 1):
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        cell.source, replaced = SOLUTION.subn(
            r"\1raise NotImplementedError", cell.source
        )
        found += replaced
        if BEGIN in cell.source or END in cell.source:
            raise ReleaseError(
                f'cell {number}: every "{BEGIN}" needs its "{END}" on a later line'
            )
    if not found:
        raise ReleaseError(
            f'nothing is marked as a solution; put "{BEGIN}" and "{END}" around each'
        )
    notebook.metadata = type(notebook.metadata)(METADATA)
    return notebook


def _check_questions(source: Path, notebook: Any) -> None:
    """Compare the questions of a notebook with those that its chapter describes."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    asked = [found for text in code for found in CHECK.findall(text)]
    number = source.stem.partition("-")[0]
    if not number.isdigit() or int(number) not in CHAPTERS:
        raise ReleaseError(
            f"{source}: the name must begin with the number of a chapter that has "
            f"exercises ({_listed(CHAPTERS)})"
        )
    exercises = chapter(int(number))
    if [id for id, _ in asked] != list(exercises):
        raise ReleaseError(
            f"{source}: it checks {_listed(id for id, _ in asked) or 'nothing'}, but "
            f"the chapter's exercises are {_listed(exercises)}"
        )
    for id, name in asked:
        stub = re.compile(
            rf"^def {name}\(.*^    raise NotImplementedError$", re.M | re.S
        )
        if name != exercises[id].function:
            raise ReleaseError(
                f"{source}: {id} checks {name}, but asks for {exercises[id].function}"
            )
        if not any(stub.search(text) for text in code):
            raise ReleaseError(f"{source}: {id}, {name}, has no marked solution")


def _listed(items: Iterable[Any]) -> str:
    return ", ".join(map(str, items))
