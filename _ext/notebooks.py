"""A notebook as the ledger sees it: equations, records, references, digests."""

import ast
import json
import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

from seqlib._docstrings import without_docstrings
from seqlib._expressions import Call, Source
from seqlib.ledger import ERRATUM, MIME, NUMBER

TAG = re.compile(r"\\tag\{([^}]*)\}")
REFERENCE = re.compile(rf"\(({ERRATUM}|{NUMBER})\)")
SETUP = "setup"  # this tag marks the cell that installs seqlib; it verifies nothing
MARKDOWN = MarkdownIt("commonmark").enable("table").use(amsmath_plugin)
MARKDOWN.use(dollarmath_plugin, double_inline=False)  # what MyST reads, read the same


@dataclass(frozen=True)
class Equation:
    """A displayed equation: its number, its own lines of TeX, all of its block."""

    tag: str
    tex: str
    block: str
    cell: int


@dataclass(frozen=True)
class Record:
    """What a run of `verify` or `refute` left in a cell's output."""

    tag: str
    kind: str
    by: str
    within: float
    cell: int
    digests: dict[str, str]
    text: str
    html: str


class Package:
    """The modules of `seqlib`, and which of them some code imports."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.digests: dict[frozenset[str], str] = {}
        self.imports: dict[str, set[str]] = {}
        self._imported = lru_cache(None)(self._imported)  # a cell stands above many
        self._source = lru_cache(None)(self._source)

    def digest(self, *cells: str) -> str:
        """Digest the modules that the cells import, and those that they import."""
        wanted = frozenset().union(*(self._imported(code, "") for code in cells))
        if wanted not in self.digests:
            found, new = set(), set(wanted)
            while new:
                name = new.pop()
                found.add(name)
                if name not in self.imports:
                    path = self._file(name)
                    inside = (
                        name if path.stem == "__init__" else name.rpartition(".")[0]
                    )
                    self.imports[name] = self._imported(path.read_text("utf-8"), inside)
                new |= self.imports[name] - found
            texts = [f"{name}\n{self._source(name)}" for name in sorted(found)]
            self.digests[wanted] = digest("\0".join(texts))
        return self.digests[wanted]

    def _source(self, name: str) -> str:
        """Read a module's code: docstrings and the version's number verify nothing."""
        code = without_docstrings(self._file(name).read_text("utf-8"))
        return re.sub(r"(?m)^__version__ = .*", "", code)

    def _file(self, name: str) -> Path:
        path = self.folder.joinpath(*name.split(".")[1:])
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def _imported(self, code: str, inside: str) -> set[str]:
        """Return the package's modules that some code imports, parents included."""
        names = []
        for node in ast.walk(ast.parse(code if "import" in code else "")):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    up = inside.split(".")[: 1 - node.level or None]
                    base = ".".join([*up, base]).rstrip(".")
                names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
        found = set()
        for parts in (name.split(".") for name in names):
            if parts[0] == self.folder.name:
                heads = [".".join(parts[: i + 1]) for i in range(len(parts))]
                found |= {head for head in heads if self._file(head).is_file()}
        return found


@dataclass
class Notebook:
    """A notebook as the ledger sees it."""

    path: Path
    name: str  # its path in the book, with forward slashes
    cells: list[dict] = field(repr=False)

    @classmethod
    def read(cls, path: Path, root: Path) -> "Notebook":
        """Read a notebook from its file, once; a page of Markdown is one cell."""
        return cls._read(path, root, path.stat().st_mtime_ns)

    @classmethod
    @lru_cache(None)
    def _read(cls, path: Path, root: Path, changed: int) -> "Notebook":
        text = path.read_text("utf-8")
        cells = [{"cell_type": "markdown", "source": text}]
        if path.suffix == ".ipynb":
            cells = json.loads(text)["cells"]
        return cls(path, path.relative_to(root).as_posix(), cells)

    @property
    def stem(self) -> str:
        """Return the file's name without its ending: 06-bptt."""
        return self.path.stem

    @cached_property
    def title(self) -> str:
        """Return the first heading."""
        for _, tokens in self.markdown:
            for before, token in pairwise(tokens):
                if before.type == "heading_open":
                    return token.content
        return self.stem

    @cached_property
    def markdown(self) -> list[tuple[int, list]]:
        """Return the text cells, parsed, with their numbers."""
        return [
            (i, MARKDOWN.parse(source(cell)))
            for i, cell in enumerate(self.cells, 1)
            if cell["cell_type"] == "markdown"
        ]

    @cached_property
    def displays(self) -> list[tuple[int, str]]:
        """Return the displayed formulas, with the numbers of their cells."""
        return [
            (cell, token.content)
            for cell, tokens in self.markdown
            for token in tokens
            if token.type in ("math_block", "math_block_label", "amsmath")
        ]

    @cached_property
    def equations(self) -> list[Equation]:
        """Return the displayed equations that have a tag."""
        return [
            Equation(tag, tex, block, cell)
            for cell, block in self.displays
            for tag, tex in tagged(block)
        ]

    @cached_property
    def references(self) -> list[tuple[int, str]]:
        """Return what the text refers to as "(6.3)", outside mathematics and code."""
        return [
            (cell, tag)
            for cell, tokens in self.markdown
            for token in tokens
            for child in token.children or []
            if child.type == "text"
            for tag in REFERENCE.findall(child.content)
        ]

    @cached_property
    def code(self) -> list[tuple[int, str]]:
        """Return the code cells with their numbers, the setup cell apart."""
        return [
            (i, source(cell))
            for i, cell in enumerate(self.cells, 1)
            if cell["cell_type"] == "code" and SETUP not in tags(cell)
        ]

    @cached_property
    def calls(self) -> list[tuple[int, Call | str]]:
        """Return the calls of verify and refute; a string where a cell is no Python."""
        names = Source()
        found: list[tuple[int, Call | str]] = []
        for i, code in self.code:
            try:
                found += [(i, call) for call in names.calls(code)]
            except SyntaxError as error:
                found.append((i, f"this is not plain Python: {error.msg}"))
        return found

    @cached_property
    def records(self) -> list[Record]:
        """Return the records in the stored outputs."""
        found = []
        for i, cell in enumerate(self.cells, 1):
            for output in cell.get("outputs", []):
                record = output.get("data", {}).get(MIME)
                if record is not None:
                    digests = output.get("metadata", {}).get("seqlib", {})
                    text, html = (
                        "".join(output["data"].get(kind, ""))
                        for kind in ("text/plain", "text/html")
                    )
                    found.append(
                        Record(**record, cell=i, digests=digests, text=text, html=html)
                    )
        return found

    def digests(self, tag: str, cell: int, package: Package) -> dict[str, str]:
        """Digest what a record in this cell rests on."""
        blocks = [e.block for e in self.equations if e.tag == tag]
        code = [text for i, text in self.code if i <= cell]
        return {
            "tex": digest(" ".join(" ".join(blocks).split())),
            "cells": digest("\0".join(code)),
            "seqlib": package.digest(*code),
        }


def source(cell: dict) -> str:
    """Return a cell's source as one string."""
    return "".join(cell["source"])


def tags(cell: dict) -> list[str]:
    """Return a cell's tags."""
    return cell.get("metadata", {}).get("tags", [])


def digest(text: str) -> str:
    """Return a short fingerprint of a text."""
    return sha256(text.encode()).hexdigest()[:16]


def lines_of(block: str) -> list[str]:
    """Split a displayed formula into its lines, matrices left whole."""
    if not block.lstrip().startswith(r"\begin{"):
        return [block]
    body = re.sub(r"^\s*\\begin\{\w+\*?\}|\\end\{\w+\*?\}\s*$", "", block)
    lines, depth = [""], 0
    for piece in re.split(r"(\\begin\{|\\end\{|\\\\(?:\[[-\d.]+\w+\])?)", body):
        depth += {r"\begin{": 1, r"\end{": -1}.get(piece, 0)
        if piece.startswith("\\\\") and depth == 0:
            lines.append("")
        else:
            lines[-1] += piece
    return lines


def tagged(block: str) -> list[tuple[str, str]]:
    """Split a displayed formula into its equations: (tag, TeX without the tag)."""
    found, waiting = [], []
    for text in lines_of(block):
        waiting.append(TAG.sub("", text).strip())
        for tag in TAG.findall(text):
            found.append((tag, r" \\ ".join(waiting)))
            waiting = []
    return found
