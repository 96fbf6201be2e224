"""Find the code in a notebook that somebody handed in, whatever its cells say of it.

Only definitions, imports and assignments are taken, and of these what a question's
function needs. Nothing here runs any of it.
"""

from __future__ import annotations

import ast
import builtins
import json
import re
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

LARGEST = 20 * 2**20  # bytes of a notebook
PYTHON_MAGICS = re.compile(r"\s*%%(time|timeit|capture|prun)\b.*")
MAGIC = re.compile(r"\s*[%!?]|.*\?\s*$|\s*[\w.,\s]+=\s*[%!]")
KNOWN = frozenset(dir(builtins))


class UnreadableError(Exception):
    """A file that is no notebook, and why, in a sentence."""


class Statement(NamedTuple):
    """One statement of a notebook, which may be needed for the names that it binds.

    Attributes
    ----------
    cell : number of the code cell, from 1
    line : its first line in the cell, from 1
    text : its source
    binds : names that it defines or changes
    uses : names that must be there before
    """

    cell: int
    line: int
    text: str
    binds: tuple[str, ...]
    uses: tuple[str, ...]


def read(data: bytes) -> tuple[list[Statement], dict[int, str]]:
    """Return the statements of a notebook, and what is wrong with which cells.

    Raises
    ------
    UnreadableError
        The bytes are no notebook, or a notebook without any code.
    """
    sources = code_cells(data)
    statements: list[Statement] = []
    faults: dict[int, str] = {}
    for number, source in enumerate(sources, 1):
        try:
            statements += _statements(number, source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            what = error.msg if isinstance(error, SyntaxError) else str(error)
            line = getattr(error, "lineno", None)
            place = f"line {line} of code cell {number}" if line else f"cell {number}"
            faults[number] = f"{place} is no Python: {what or 'nested too deep'}"
    return statements, faults


def code_cells(data: bytes) -> list[str]:
    """Return the sources of a notebook's code cells.

    Raises
    ------
    UnreadableError
        The bytes are no notebook, or a notebook without any code.
    """
    if len(data) > LARGEST:
        raise UnreadableError(f"the file is larger than {LARGEST // 2**20} MB")
    if not data.strip():
        raise UnreadableError("the file is empty")
    try:
        book = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UnreadableError("the file is not UTF-8 text, as notebooks are") from None
    except (ValueError, RecursionError):
        raise UnreadableError("the file is not JSON, as notebooks are") from None
    cells = _cells(book)
    if cells is None:
        raise UnreadableError("the file is JSON, but no notebook: it has no cells")
    sources = [_source(cell) for cell in cells]
    found = [source for source in sources if source is not None]
    if not any(source.strip() for source in found):
        raise UnreadableError("the notebook has no code cells with code in them")
    return found


def _cells(book: Any) -> list[Any] | None:
    if not isinstance(book, dict):
        return None
    cells = book.get("cells")
    if cells is None and isinstance(book.get("worksheets"), list):  # format 3
        sheets = [s for s in book["worksheets"] if isinstance(s, dict)]
        lists = [s["cells"] for s in sheets if isinstance(s.get("cells"), list)]
        return [cell for cells in lists for cell in cells]
    return cells if isinstance(cells, list) else None


def _source(cell: Any) -> str | None:
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return None
    source = cell.get("source", cell.get("input"))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else None


def _statements(number: int, source: str) -> list[Statement]:
    lines = source.splitlines()
    while lines and PYTHON_MAGICS.fullmatch(lines[0]):
        lines[0] = ""
        source = "\n".join(lines)
    if next((line for line in lines if line.strip()), "").lstrip().startswith("%%"):
        return []  # another language
    tree = _parse(source, lines)
    found = []
    for node in tree.body:
        if isinstance(node, ast.Expr | ast.Pass | ast.Delete | ast.Assert):
            continue
        first = min((d.lineno for d in _decorators(node)), default=node.lineno)
        text = "\n".join(source.split("\n")[first - 1 : node.end_lineno])
        if node.col_offset or _shares_line(node, tree):
            text = ast.unparse(node)
        binds, uses = _names(node)
        found.append(Statement(number, first, text, binds, uses))
    return found


def _parse(source: str, lines: list[str]) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except SyntaxError:
            kept = ["" if MAGIC.match(line) else line for line in lines]
            if kept == lines:
                raise
            return ast.parse("\n".join(kept))


def _decorators(node: ast.stmt) -> list[ast.expr]:
    return getattr(node, "decorator_list", [])


def _shares_line(node: ast.stmt, tree: ast.Module) -> bool:
    """Tell whether another statement stands on one of its lines: `a = 1; b = 2`."""
    spans = [(n.lineno, n.end_lineno or n.lineno) for n in tree.body if n is not node]
    end = node.end_lineno or node.lineno
    return any(first <= end and last >= node.lineno for first, last in spans)


def _names(node: ast.stmt) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names that a statement binds or changes, and those that it uses."""
    binds, uses = set(), set()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        binds.add(node.name)
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            uses.add(inner.id)
            if not isinstance(inner.ctx, ast.Load) and not _is_definition(node):
                binds.add(inner.id)
        elif isinstance(inner, ast.Import | ast.ImportFrom) and not _is_definition(
            node
        ):
            for alias in inner.names:
                binds.add((alias.asname or alias.name).partition(".")[0])
        elif isinstance(inner, ast.Attribute | ast.Subscript):
            if isinstance(inner.ctx, ast.Store) and not _is_definition(node):
                binds |= _root(inner)  # f.cache = {}, table[3] = 5
        elif isinstance(inner, ast.FunctionDef | ast.ClassDef) and isinstance(
            node, ast.If | ast.Try | ast.With
        ):
            binds.add(inner.name)
        elif isinstance(inner, ast.Global):
            uses |= set(inner.names)
    return tuple(sorted(binds)), tuple(sorted(uses - KNOWN | (uses & binds)))


def _is_definition(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _root(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def needed(
    statements: Iterable[Statement], name: str, given: Iterable[str] = ()
) -> list[Statement]:
    """Return the statements that `name` needs, in order; `given` names come without.

    What is imported is not changed for others: `np.dot = mine` counts as nothing.
    """
    statements = [s for s in statements if not set(s.binds) & set(given)]
    imported = {
        bound
        for s in statements
        if s.text.lstrip().startswith(("import ", "from "))
        for bound in s.binds
    }
    wanted, chosen = {name}, set[int]()
    while True:
        new = {
            i
            for i, s in enumerate(statements)
            if i not in chosen and _serves(s, wanted, imported)
        }
        if not new:
            return [statements[i] for i in sorted(chosen)]
        chosen |= new
        for i in new:
            wanted |= set(statements[i].uses)


def _serves(statement: Statement, wanted: set[str], imported: set[str]) -> bool:
    bound = set(statement.binds) & wanted
    if statement.text.lstrip().startswith(("import ", "from ")):
        return bool(bound) or "import *" in statement.text
    return bool(bound - imported) or any(
        re.match(rf"\s*{name}\s*(:[^=]*)?=", statement.text) for name in bound
    )
