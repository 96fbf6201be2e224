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
from itertools import pairwise
from pathlib import Path

import pytest
from notebooks import Notebook, tagged

from seqlib.ledger import ERRATUM

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "appendices" / "notation.md"
GREEK = """alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu
nu xi pi rho sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi
Psi Omega ell"""
MARKS = """hat tilde bar overrightarrow overleftarrow dot vec mathscr mathcal mathbb"""
UPRIGHT = """mathrm mathbf operatorname text"""
GREEK, MARKS, UPRIGHT = (set(names.split()) for names in (GREEK, MARKS, UPRIGHT))
RUNNING = set("tijnlm")  # what a single subscript of W or b may run over
PAIRS = set("bcijklmnopstuJS")  # of which a subscript such as tj is made
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
    for before, after in pairwise(part):
        if isinstance(before, str) and before.lstrip("\\") in UPRIGHT:
            return flat(after)
    head, comma, _ = flat(part).partition(",")
    if not re.fullmatch(r"[a-zA-Z]+", head):
        return ""
    if len(head) == 1:  # W_q is another matrix than W_k; h_t is h at another step
        named = base in ("W", "b") and head not in RUNNING and not comma
        return head if named else ""
    if base in ("W", "b") and len(head) == 2 and head != "ij":
        return head
    return "" if set(head) <= PAIRS else head


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
            if re.fullmatch("[a-zA-Z]", word) and name in (
                "mathrm",
                "mathbf",
                "operatorname",
            ):
                found.add(rf"\{name}{{{word}}}".replace("operatorname", "mathrm"))
            continue
        if name in MARKS:
            inside, i = part[i], i + 1
            each = inside if isinstance(inside, list) else [inside]
            for base in filter(None, map(letter, each)):
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


def table(heading):
    """Return the rows of the tables below a heading of the page."""
    text = PAGE.read_text("utf-8").split(f"\n{heading}\n", 1)[1]
    rank = heading.partition(" ")[0]
    text = re.split(rf"\n{rank} ", text)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [
        row for row in cells if not set(row[0]) <= set("-:") and row[0] != "Chapter"
    ]


def of_cell(cell):
    """Return the symbols of a table's cell; "$a, b$" holds two."""
    return {s for tex in re.findall(r"\$([^$]+)\$", cell) for s in symbols(tex)}


@cache
def shared():
    """Return the symbols that all chapters share."""
    rows = table("## Letters")
    return {s for row in rows if row[0] != "In the text" for s in of_cell(row[0])}


@cache
def local():
    """Return the symbols of single chapters: by number."""
    found = {}
    for chapter, letters, _ in table("## Letters of one chapter"):
        found.setdefault(int(chapter), set()).update(of_cell(letters))
    return found


def strangers(tex, number):
    """Return the symbols of a formula that the page does not explain."""
    return symbols(tex) - shared() - local().get(number, set())


CHAPTERS = sorted({stem for stem, _, _ in displays()})


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_page_explains_every_symbol(chapter):
    number = int(chapter.partition("-")[0])
    wrong = [
        f"({tag}) {', '.join(sorted(strange))}"
        for stem, tag, tex in displays()
        if stem == chapter and (strange := strangers(tex, number))
    ]
    say = f"write them into appendices/notation.md, in a row of chapter {number}:"
    assert not wrong, "\n".join([say, *wrong])


def test_no_letter_of_one_chapter_is_idle():
    used = {}
    for stem, _, tex in displays():
        used.setdefault(int(stem[:2]), set()).update(symbols(tex))
    idle = {n: letters - used[n] for n, letters in local().items() if n in used}
    assert {n: letters for n, letters in idle.items() if letters} == {}


def test_no_shared_letter_is_idle():
    chapters = ROOT.glob("chapters/*.ipynb")
    books = [Notebook.read(path, ROOT) for path in chapters]
    used = {s for _, _, tex in displays() for s in symbols(tex)}
    for book in books:  # some stand in the text alone
        for _, tokens in book.markdown:
            for token in tokens:
                for child in token.children or []:
                    if child.type.startswith("math_inline"):
                        used |= symbols(child.content)
    assert shared() - used == set()


def test_each_letter_is_explained_in_words():
    for row in table("## Letters"):
        assert len(row) == 4, row
        assert len(row[3]) > 3, row
    for row in table("## Letters of one chapter"):
        assert len(row) == 3, row
        assert of_cell(row[1]), row
    numbers = [int(row[0]) for row in table("## Letters of one chapter")]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    ("tex", "found"),
    [
        (r"h_t = \tanh(W_{ih} x_t + b_{ih})", {"h", "t", "W_{ih}", "x", "b_{ih}"}),
        (r"\hat{y}_t[y_t] - \hat y_{t}", {r"\hat y", "t", "y"}),
        (r"\sum_{i=1}^{V} x_{t,i} E_{ij}", {"i", "V", "x", "t", "E", "j"}),
        (
            r"\mathrm{d}h_t = W_{hy}^{\top}\, \mathrm{d}o_t",
            {r"\mathrm{d}", "h", "t", "W_{hy}", "o"},
        ),
        (r"y^* = \operatorname{arg\,max}_{y} P(y \mid x)", {"y^*", "y", "P", "x"}),
        (
            r"M_{\text{shared}} + \mathscr{L}_{\text{sum}}",
            {"M_{shared}", r"\mathscr L_{sum}"},
        ),
        (
            r"\overrightarrow{W}_{hh} \overrightarrow{h}_{t-1}",
            {r"\overrightarrow W_{hh}", r"\overrightarrow h", "t"},
        ),
        (r"\mathrm{softmax}(q_t^{\top} k_j / \sqrt{d_k})", {"q", "t", "k", "j", "d"}),
        (r"\begin{bmatrix} a_1 & 0 \end{bmatrix} \tag{4.1}", {"a"}),
    ],
)
def test_symbols_are_read(tex, found):
    assert symbols(tex) == found


@pytest.mark.parametrize(
    ("tex", "strange"),
    [
        (r"h_t = \tanh(W_{xh} x_t)", {"W_{xh}"}),
        (r"\hat{h}_t = \sigma(z_t)", {r"\hat h"}),
        (r"\Omega = \lambda \lVert W \rVert", {r"\Omega", r"\lambda"}),
        (r"J_t = W_{hh}", {"J"}),  # a letter of chapter 6 and not of chapter 5
    ],
)
def test_a_stranger_is_seen(tex, strange):
    assert strangers(tex, 5) == strange
