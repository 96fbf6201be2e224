"""The `seqlib` that students' code sees: without answers, references and the grader."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterable
from pathlib import Path

SOURCE = Path(__file__).parent.parent
NEEDED = ("wire.py", "outcome.py", "inside")  # of the grader, by what runs inside
STUB = '''"""In the sandbox nothing is checked: marks are given outside."""


def check(id, function):
    """Do nothing."""
'''


def copy_library(folder: Path, without: Iterable[str] = ()) -> None:
    """Write `folder/seqlib`, lacking these modules and functions.

    Parameters
    ----------
    without : dotted names: "seqlib.recurrent", a module and all below it, or
        "seqlib.rnn.rnn_cell_backward", a function

    Raises
    ------
    ValueError
        There is no such module or function.
    """
    target = folder / "seqlib"
    skip = shutil.ignore_patterns("__pycache__", "grading")
    shutil.copytree(SOURCE, target, ignore=skip)
    (target / "grading").mkdir()
    (target / "grading" / "__init__.py").write_text(STUB)
    for name in NEEDED:
        source = SOURCE / "grading" / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, target / "grading" / name)
    for name in without:
        _remove(folder, name)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _remove(folder: Path, name: str) -> None:
    path = folder.joinpath(*name.split("."))
    if path.is_dir():
        return shutil.rmtree(path)
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py").unlink()
    module, function = path.parent, path.name
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    if not file.is_file():
        raise ValueError(f"there is no {name} that could be taken away")
    tree = ast.parse(file.read_text("utf-8"))
    kept = [node for node in tree.body if getattr(node, "name", None) != function]
    if len(kept) == len(tree.body):
        raise ValueError(f"there is no {name} that could be taken away")
    tree.body = kept
    file.write_text(ast.unparse(tree), encoding="utf-8")
