r"""The gate: every displayed equation of the book has been verified by a run.

    python _ext/gate.py            reads chapters/*.ipynb, says what is wrong, exits 1

An equation is displayed with `\tag{6.3}`; a later code cell calls `verify("6.3", …)`;
its stored output holds a record, and beside it `make run` has stored digests of what
was verified: the equation's TeX, the code up to that cell and the `seqlib` modules that
it imports. The gate computes them again, so that no tick outlives what it ticked.
"""

import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from notebooks import TAG, Notebook, Package, Record

import seqlib
from seqlib._expressions import Call
from seqlib.ledger import ERRATUM, NUMBER, page_line


@dataclass(frozen=True)
class Problem:
    """Something that keeps the book from being built."""

    file: str
    cell: int  # counted from 1
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}, cell {self.cell}: {self.sentence}"


SAYS = {
    "tex": "its equation was edited",
    "cells": "the code was edited",
    "seqlib": "seqlib was edited",
}


def problems_of(book: Notebook, package: Package) -> list[Problem]:
    """Return what is wrong inside one chapter."""
    found: list[tuple[int, str]] = []
    first: dict[str, int] = {}
    for equation in book.equations:
        first.setdefault(equation.tag, equation.cell)
    number = book.stem.partition("-")[0].lstrip("0")
    for cell, block in book.displays:
        if not TAG.search(block):
            start = " ".join(block.split())[:40]
            found.append((cell, f"the displayed equation {start} … has no \\tag"))
    for cell, tokens in book.markdown:
        inside = [c for token in tokens for c in token.children or []]
        for token in inside:
            if token.type not in ("code_inline",) and TAG.search(token.content):
                found.append((cell, "a \\tag stands outside a displayed equation"))
    ran = {(r.kind, r.tag) for r in book.records}
    called: dict[int, set[tuple[str, str | None]]] = {}
    for cell, call in book.calls:
        if isinstance(call, str):
            found.append((cell, call))
            continue
        called.setdefault(cell, set()).add((call.kind, call.tag))
        if call.tag is None:
            found.append((cell, f"{call.kind} needs its tag as a literal string"))
            continue
        if call.twice:
            found.append((cell, f"({call.tag}): {call.twice} is compared with itself"))
        if first.get(call.tag, 0) > cell:
            found.append((cell, f"({call.tag}) is ticked before it is displayed"))
        mine = [r for r in book.records if r.cell == cell and r.tag == call.tag]
        if not mine:
            run = f"make run ONLY={book.stem}"
            found.append((cell, f"({call.tag}) has no stored output: {run}"))
    asked = {tag for kinds in called.values() for _, tag in kinds}
    for equation in book.equations:
        tag, cell = equation.tag, equation.cell
        kind = "refute" if re.fullmatch(ERRATUM, tag) else "verify"
        if kind == "verify" and not re.fullmatch(NUMBER, tag):
            found.append((cell, f"\\tag{{{tag}}} is no number such as 6.3 or E6"))
        elif kind == "verify" and tag.partition(".")[0] != number:
            found.append((cell, f"({tag}) is numbered for another chapter"))
        if (kind, tag) not in ran and tag not in asked:
            found.append((cell, f"nothing {MAKES[kind]} ({tag}): call {kind} below it"))
    for record in book.records:
        found += [
            (record.cell, text) for text in _doubts(book, record, called, package)
        ]
    return [Problem(book.name, cell, text) for cell, text in sorted(set(found))]


MAKES = {"verify": "verifies", "refute": "refutes"}


def _doubts(
    book: Notebook, record: Record, called: dict, package: Package
) -> list[str]:
    """Say why a stored record does not count."""
    tag = record.tag
    if (record.kind, tag) not in called.get(record.cell, set()):
        return [
            f"a record of ({tag}) is stored, but the cell does not {record.kind} it"
        ]
    if tag not in {equation.tag for equation in book.equations}:
        return [f"({tag}) is ticked, but no equation above has this number"]
    shown = (record.text, record.html)
    if shown != page_line(record.kind, tag, record.by, record.within):
        return [f"the output of ({tag}) says something else than its record"]
    here = [call for cell, call in book.calls if cell == record.cell]
    calls = [call for call in here if isinstance(call, Call) and call.tag == tag]
    for name, value in (("by", record.by), ("within", record.within)):
        if all(call.literal(name) not in (None, value) for call in calls):
            return [f"the record of ({tag}) has another {name} than the cell"]
    try:
        fresh = book.digests(tag, record.cell, package)
    except SyntaxError:
        return []  # said already, where the cells are read
    if set(record.digests) != set(fresh):
        return [f"the tick of ({tag}) was not put there by a run: make run"]
    stale = [SAYS[k] for k in fresh if record.digests[k] != fresh[k]]
    run = f"make run ONLY={book.stem}"
    return [f"({tag}) was ticked before {' and '.join(stale)}: {run}"] if stale else []


@dataclass
class Ledger:
    """All chapters, and what is wrong with them."""

    chapters: list[Notebook]
    problems: list[Problem]

    @cached_property
    def places(self) -> dict[str, Notebook]:
        """Say in which chapter each equation stands."""
        return {e.tag: book for book in self.chapters for e in book.equations}


def seqlib_of(root: Path) -> Path:
    """Return the package's folder: the project's own, or else the installed one."""
    own = root / "seqlib"
    return own if own.is_dir() else Path(seqlib.__file__).parent


def inspect(root: Path, package: Path | None = None) -> Ledger:
    """Read all notebooks of the book at `root` and hold them against their records."""
    root = Path(root)
    modules = Package(package or seqlib_of(root))
    chapters = [Notebook.read(p, root) for p in sorted(root.glob("chapters/*.ipynb"))]
    patterns = (
        "exercises/**/*.ipynb",
        "appendices/*.ipynb",
        "appendices/*.md",
        "*.md",
    )
    others = [Notebook.read(p, root) for g in patterns for p in sorted(root.glob(g))]
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for book in chapters:
        problems += problems_of(book, modules)
        for equation in book.equations:
            tag, place = equation.tag, f"{book.name}, cell {equation.cell}"
            if tag in seen:
                sentence = f"({tag}) is displayed already in {seen[tag]}"
                problems.append(Problem(book.name, equation.cell, sentence))
            seen.setdefault(tag, place)
    for book in others:
        for equation in book.equations:
            sentence = f"({equation.tag}) is numbered, but only chapters can tick it"
            problems.append(Problem(book.name, equation.cell, sentence))
    for book in chapters + others:
        for cell, tag in book.references:
            if tag not in seen:
                sentence = (
                    f"({tag}) refers to no equation; a number is written $({tag})$"
                )
                problems.append(Problem(book.name, cell, sentence))
    return Ledger(chapters, problems)


def summary(ledger: Ledger) -> str:
    """Return how many equations are verified, and how many misprints refuted."""
    errata = sum(bool(re.fullmatch(ERRATUM, tag)) for tag in ledger.places)
    equations = len(ledger.places) - errata
    return f"{equations} equations verified, {errata} misprints refuted"


def main() -> int:
    """Print what is wrong; return the exit status."""
    ledger = inspect(Path(__file__).parents[1])
    print(*ledger.problems or [summary(ledger)], sep="\n")
    return bool(ledger.problems)


if __name__ == "__main__":
    sys.exit(main())
