"""Find the code in a notebook that somebody handed in, whatever its cells say of it.

Only definitions, imports and assignments are taken, and of these what a question's
function needs. Nothing here runs any of it.
"""

from __future__ import annotations

import ast
import json
import re
import symtable
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

LARGEST = 20 * 2**20  # bytes of a notebook
PYTHON_MAGICS = re.compile(r"\s*%%(time|timeit|capture|prun)\b.*")
MAGIC = re.compile(r"\s*[%!?]|\s*[\w.%*]+\?{1,2}\s*$|\s*[\w.,\s]+=\s*[%!]")
MAGICS = 200  # in a cell, taken one by one; beyond that, all lines that look so
FAULTS = 20  # cells that are named, if they are no Python


class UnreadableError(Exception):
    """A file that is no notebook, and why, in a sentence."""


class Statement(NamedTuple):
    """One statement of a notebook, which may be needed for the names that it binds.

    Attributes
    ----------
    cell : number of the code cell, from 1
    line : its first line in the cell, from 1
    text : its source
    binds : names that it defines; "*" for whatever a module holds
    changes : names of what it changes, such as `table` in `table[3] = 5`
    uses : names that must be there before
    """

    cell: int
    line: int
    text: str
    binds: tuple[str, ...]
    changes: tuple[str, ...]
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
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")
    lines = source.split("\n")
    while lines and PYTHON_MAGICS.fullmatch(lines[0]):
        lines[0] = ""
    if next((line for line in lines if line.strip()), "").lstrip().startswith("%%"):
        return []  # another language
    tree, lines = _parse(lines)
    found = []
    for node in tree.body:
        if isinstance(node, ast.Expr | ast.Pass | ast.Delete | ast.Assert):
            continue
        first = min((d.lineno for d in _decorators(node)), default=node.lineno)
        text = "\n".join(lines[first - 1 : node.end_lineno])
        if node.col_offset or _shares_line(node, tree):
            text = ast.unparse(node)
        found.append(Statement(number, first, text, *_names(node, text)))
    return found


def _parse(lines: list[str]) -> tuple[ast.Module, list[str]]:
    """Return the tree, and the lines with `pass` for each that only IPython reads."""
    lines = list(lines)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(MAGICS):
            try:
                return ast.parse("\n".join(lines)), lines
            except SyntaxError as error:  # a magic, if it stands where the error is
                at = (error.lineno or 0) - 1
                if not 0 <= at < len(lines) or not MAGIC.match(lines[at]):
                    break
                lines[at] = _passed(lines[at])
        lines = [_passed(line) if MAGIC.match(line) else line for line in lines]
        return ast.parse("\n".join(lines)), lines


def _passed(line: str) -> str:
    return line[: len(line) - len(line.lstrip())] + "pass"


def _decorators(node: ast.stmt) -> list[ast.expr]:
    return getattr(node, "decorator_list", [])


def _shares_line(node: ast.stmt, tree: ast.Module) -> bool:
    """Tell whether another statement stands on one of its lines: `a = 1; b = 2`."""
    spans = [(n.lineno, n.end_lineno or n.lineno) for n in tree.body if n is not node]
    end = node.end_lineno or node.lineno
    return any(first <= end and last >= node.lineno for first, last in spans)


def _names(node: ast.stmt, text: str) -> tuple[tuple[str, ...], ...]:
    """Return the names that a statement binds, those it changes, those it uses.

    What is local to a function is none of these.
    """
    binds, changes, uses = set(), set(), set()
    try:
        table = symtable.symtable(text, "cell", "exec")
    except (SyntaxError, ValueError):  # it is no Python after all, as `nonlocal x`
        return (), (), ()
    for symbol in table.get_symbols():
        if symbol.is_assigned() or symbol.is_imported():
            binds.add(symbol.get_name())
        if symbol.is_referenced():
            uses.add(symbol.get_name())
    tables = table.get_children()
    while tables:
        inner = tables.pop()
        tables += inner.get_children()
        uses |= {s.get_name() for s in inner.get_symbols() if s.is_global()}
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for part in ast.walk(node):
            if isinstance(part, ast.ImportFrom):
                binds |= {"*" for alias in part.names if alias.name == "*"}
            elif isinstance(part, ast.Attribute | ast.Subscript):
                if isinstance(part.ctx, ast.Store):
                    changes |= _root(part)  # f.cache = {}, table[3] = 5
            elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
                changes |= _root(part.value.func)  # for n in 1, 2: powers.append(n)
    return tuple(sorted(binds)), tuple(sorted(changes)), tuple(sorted(uses))


def _root(node: ast.expr) -> set[str]:
    inner = node
    while isinstance(inner, ast.Attribute | ast.Subscript):
        inner = inner.value
    return {inner.id} if isinstance(inner, ast.Name) and inner is not node else set()


def needed(
    statements: Iterable[Statement], name: str, given: Iterable[str] = ()
) -> list[Statement]:
    """Return the statements that `name` needs, in order; `given` names come without.

    What is imported is not changed for others: `np.dot = mine` counts as nothing.
    """
    statements = list(statements)
    imported = {
        bound
        for s in statements
        if s.text.lstrip().startswith(("import ", "from "))
        for bound in s.binds
    }
    serving: dict[str, list[int]] = {}
    for i, s in enumerate(statements):
        touched = {*s.binds, *(name for name in s.changes if name not in imported)}
        if not touched & set(given):
            for bound in touched:
                serving.setdefault(bound, []).append(i)
    wanted, chosen = [name, "*"], set[int]()
    while wanted:
        for i in serving.pop(wanted.pop(), ()):
            if i not in chosen:
                chosen.add(i)
                wanted += statements[i].uses
    return [statements[i] for i in sorted(chosen)]
