r"""One notation: every symbol of a displayed equation stands on the notation page.

A symbol is a letter with what makes it another letter: a hat, a tilde, an arrow, and a
subscript that is a name (`W_{ih}`, `b_y`). A subscript that counts (`h_t`, `W_{ij}`)
does not make another letter, nor does a power, a transpose or a layer's number. What
the formulas of the chapters hold must stand in the table "Letters", or for that chapter
in "Letters of one chapter"; and what the tables hold must stand in a chapter.

Formulas printed elsewhere (E1, E2, …) keep their own letters and are not asked.
"""

import re
from functools import cache
from pathlib import Path

import pytest
from notebooks import Notebook, tagged

from seqlib.ledger import ERRATUM

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "appendices" / "notation.md"
GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu "
    "xi pi rho sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma "
    "Phi Psi Omega ell"
).split()
MARKS = "hat tilde bar overrightarrow overleftarrow dot vec mathscr mathcal mathbb".split()
UPRIGHT = "mathrm mathbf operatorname text".split()
OTHER = {"partial": r"\partial", "nabla": r"\nabla", "Vert": "", "lVert": ""}
COUNTS = set("abcijklmnprstuvxyBHLNSTV")  # what a subscript may count or enumerate
TOKEN = re.compile(r"\\[a-zA-Z]+\*?|\\.|[a-zA-Z]|[0-9]+|\S")


def pieces(tex):
    """Read TeX into a tree: tokens, and lists for what stands in braces."""
    stack = [[]]
    for token in TOKEN.findall(tex):
        if token == "{":
            stack.append([])
        elif token == "}":
            group = stack.pop()
            stack[-1].append(group)
        else:
            stack[-1].append(token)
    assert len(stack) == 1, f"braces do not match: {tex}"
    return stack[0]


def flat(piece):
    """Return a piece of the tree as text."""
    if isinstance(piece, list):
        return "".join(flat(each) for each in piece)
    return piece


def letter(token):
    """Return the letter that a token is, "" if it is none."""
    if isinstance(token, str):
        if re.fullmatch("[a-zA-Z]", token):
            return token
        if token[1:] in GREEK:
            return token
    return ""


def name_in(subscript, base):
    """Return the name that a subscript gives its letter, "" if it only counts."""
    part = subscript if isinstance(subscript, list) else [subscript]
    words = [
        flat(after)
        for before, after in zip(part, part[1:], strict=False)
        if isinstance(before, str) and before.lstrip("\\") in UPRIGHT
    ]
    if words:
        return " ".join(words)
    head = re.split(r"[,;]", flat(part))[0]
    letters = re.fullmatch(r"[a-zA-Z]+", head)
    if letters is None:
        return ""
    if base in "Wb" and len(head) == 2 and head not in ("ij", "jk"):
        return head
    if base in "WbE" and len(head) == 1 and head not in "tijnlm":
        return head
    return "" if set(head) <= COUNTS else head


def symbols(tex):
    """Return the symbols of a formula, each written in one way."""
    found = set()
    _walk(pieces(tex), found)
    return found


def _walk(part, found):
    """Add the symbols of one level, and of those below it."""
    i = 0
    while i < len(part):
        token, i = part[i], i + 1
        if isinstance(token, list):
            _walk(token, found)
            continue
        name = token.lstrip("\\") if token.startswith("\\") else ""
        if name in ("begin", "end", "tag", "big", "Big"):
            i += name in ("begin", "end", "tag")
            continue
        if name.rstrip("*") in UPRIGHT:
            word = flat(part[i]) if i < len(part) else ""
            i += 1
            if re.fullmatch("[a-zA-Z]", word) and name in ("mathrm", "mathbf", "operatorname"):
                found.add(rf"\{name}{{{word}}}".replace("operatorname", "mathrm"))
            continue
        if name in MARKS:
            inside, i = part[i], i + 1
            for base in flat_letters(inside):
                _, i = _scripts(part, i, found)
                last, i = _named(part, i, base, found)
                found.add(f"\\{name} {base}{last}")
            continue
        base = r"\partial" if name == "partial" else letter(token)
        if not base:
            continue
        while i < len(part) and part[i] == "'":
            base, i = base + "'", i + 1
        last, i = _named(part, i, base, found)
        found.add(base + last)


def flat_letters(piece):
    """Return the letters of a piece, in their order."""
    each = piece if isinstance(piece, list) else [piece]
    return [letter(token) for token in each if letter(token)]


def _scripts(part, i, found):
    return None, i


def _named(part, i, base, found):
    """Read sub- and superscripts; return the name they give, and where they end."""
    last = ""
    while i + 1 < len(part) and part[i] in ("_", "^"):
        kind, script = part[i], part[i + 1]
        if kind == "_" and (name := name_in(script, base)):
            last = f"_{{{name}}}"
        elif kind == "^" and script == "*":
            last = "^*"
        else:
            _walk(script if isinstance(script, list) else [script], found)
        i += 2
    return last, i


# --- what the chapters and the page hold ---------------------------------------------


@cache
def displays():
    """Return the displayed equations: the chapter's stem, the number, the TeX."""
    books = [Notebook.read(p, ROOT) for p in sorted(ROOT.glob("chapters/*.ipynb"))]
    return tuple(
        (book.stem, tag, tex)
        for book in books
        for _, block in book.displays
        for tag, tex in tagged(block)
        if not re.fullmatch(ERRATUM, tag)
    )
