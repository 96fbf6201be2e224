"""Who holds which function to its word: the table in the README, from marks on tests.

A test that compares functions with something independent says so,
`@pytest.mark.referee("seqlib.gru.gru_cell", by="torch.nn.GRUCell")`; several functions
may be named, and several referees, with commas. `python tools/referees.py` writes the
table; `tests/test_referees.py` holds that it is up to date, that nobody is without a
referee, and that a test uses the functions it names.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- referees -->", "<!-- /referees -->"


class Mark(NamedTuple):
    """One decorator: this test holds these functions against that."""

    file: str
    test: str
    functions: tuple[str, ...]
    by: tuple[str, ...]
    used: frozenset[str]  # names that the test, and what it calls here, make use of


def marks(folder: Path = ROOT / "tests") -> list[Mark]:
    """Read all marks from the tests' source, in order."""
    found, package = [], ours()
    for path in sorted(folder.glob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        near, known = neighbours(tree), literals(tree)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                for functions, by in referees(node, known):
                    used = reached(node.name, near, package)
                    found.append(Mark(path.name, node.name, functions, by, used))
    return found


def literals(tree: ast.Module) -> dict[str, object]:
    """Return a module's names for literals, which a mark may use."""
    found: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def referees(
    test: ast.FunctionDef, known: dict[str, object]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield what each `referee` mark of a test says."""
    for call in test.decorator_list:
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("referee"):
            (by,) = [ast.literal_eval(k.value) for k in call.keywords if k.arg == "by"]
            given = ast.Expression(ast.Tuple(call.args, ast.Load()))
            code = compile(ast.fix_missing_locations(given), test.name, "eval")
            functions = eval(code, {"__builtins__": {}, **known})
            yield functions, tuple(part.strip() for part in by.split(","))


def neighbours(tree: ast.Module) -> dict[str, set[str]]:
    """Return, for everything a module defines, the names and texts inside it.

    A `referee` mark is not inside, or every test would use what it names.
    """
    near: dict[str, set[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            near.setdefault(node.name, set()).update(inside(node))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                short = alias.asname or alias.name
                near.setdefault(short, set()).add(alias.name.rpartition(".")[2])
        else:
            names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
            for name in () if isinstance(node, ast.Expr) else names:
                near.setdefault(name, set()).update(inside(node))
    return near


def inside(node: ast.AST) -> set[str]:
    """Return all names, attributes and texts of a piece of source."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("referee"):
        return set()
    found = set()
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            found.add(name)  # an argument may be a fixture
        case ast.Constant(value=str(text)):
            found.add(text)
    for child in ast.iter_child_nodes(node):
        found |= inside(child)
    return found


def ours() -> dict[str, set[str]]:
    """Return the like for seqlib, where what matters is names alone.

    Experiments and exercises use functions, and no function uses them.
    """
    near: dict[str, set[str]] = {}
    for path in sorted((ROOT / "seqlib").rglob("*.py")):
        if {"experiments", "exercises"} & set(path.parts):
            continue
        for name, names in neighbours(ast.parse(path.read_text("utf-8"))).items():
            near.setdefault(name, set()).update(n for n in names if n.isidentifier())
    return near


def reached(
    start: str, near: dict[str, set[str]], package: dict[str, set[str]]
) -> frozenset[str]:
    """Return all that is used from here: in the test's file, and in seqlib from there.

    A test of a module or of a loader uses the functions that these call.
    """
    here = spread({start}, near)
    return frozenset(here | spread(here, package))


def spread(start: set[str], near: dict[str, set[str]]) -> set[str]:
    """Return what these names lead to, and what that leads to."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        new = near.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def uses(mark: Mark, function: str) -> bool:
    """Tell whether a test uses a function: by name, or by a name made of two texts."""
    name = function.rpartition(".")[2]
    if name in mark.used:
        return True
    halves = [text for text in mark.used if text and text in name]
    return any(a + b == name for a, b in product(halves, repeat=2))


def table(found: list[Mark]) -> str:
    """Return the table in Markdown, one row a function, its backward pass with it."""
    by: dict[str, list[str]] = {}
    for mark in found:
        for function in mark.functions:
            by.setdefault(function, []).extend(mark.by)
    pairs: dict[str, dict[str, list[str]]] = {}
    for function in sorted(by):
        name = function.removesuffix("_backward")
        way = "backward" if name != function else "forward"
        pairs.setdefault(name, {})[way] = list(dict.fromkeys(by[function]))
    lines = ["| function | its result | its gradients |", "|---|---|---|"]
    for name, ways in sorted(pairs.items()):
        cells = [", ".join(ways.get(way, [])) for way in ("forward", "backward")]
        short = name.removeprefix("seqlib.")
        lines.append(f"| `{short}` | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def filled(readme: str, content: str) -> str:
    """Return the README with this table between its two comments."""
    place = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    return place.sub(lambda _: f"{BEGIN}\n{content}\n{END}", readme)


def main() -> int:
    """Write the table into the README."""
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    found = marks()
    readme.write_text(filled(text, table(found)), "utf-8")
    names = {function for mark in found for function in mark.functions}
    print(f"{len(names)} functions have referees, in {len(found)} marks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
