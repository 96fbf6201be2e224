r"""What every notebook of the book keeps to, one rule a function.

Markdown must read the same in the book, on Colab, on GitHub and in an editor: plain
Markdown, `$$ … \tag{6.3} $$` on a line of its own, several lines in `align*`, links in
full. Code comes in short cells. What is stored is what every run gives.

A rule takes a notebook (the JSON as a dict) and yields what is wrong, as a pair of the
cell's number, counted from 1, and a sentence. `breaches` asks all of them.
"""

import re
from collections import Counter

from notebooks import MARKDOWN, source, tags
from run import METADATA, WIDGET

RULES = []
EXPLAINED = {"setup", "remove-cell", "timing", "nbval-ignore-output", "hide-input"}
EXPLAINED |= {"hide-output", "hide-cell", "remove-input", "raises-exception"}
NEVER = {
    r"\\newcommand|\\def(?![a-zA-Z])": r"\newcommand is unknown elsewhere",
    r"\\(bm|boldsymbol)(?![a-zA-Z])": r"write vectors plain or with \mathbf, not \bm",
    r"\\arg(max|min)(?![a-zA-Z])": r"write \operatorname{arg\,max}",
    r"\\textcolor|\\color(?![a-zA-Z])": "no colour in mathematics",
    r"\\label|\\(eq)?ref(?![a-zA-Z])": 'refer to an equation as "(6.3)"',
    r"\\\[|\\\(": "display mathematics with $$ or align*",
    r"\\begin\{((equation|gather|multline|eqnarray)\*?|align)\}": "use align* alone",
}
AMERICAN = re.compile(
    r"\b(colors?|colored|center(ed|s)?|behaviors?|neighbors?|favor\w*|gray"
    r"|analyz\w*|label(ed|ing)|model(ed|ing)|catalogs?|fulfill|defense)\b",
    re.IGNORECASE,
)
FILLER = re.compile(r"\b(delve\w*|simply|obviously|of course)\b", re.IGNORECASE)
MACHINE = re.compile(
    r"/(?:home|root|tmp|Users|work|content)/|[A-Z]:\\|site-packages|ipykernel_"
    r"|\bat 0x[0-9a-f]{6,}"
)
UNDONE = re.compile(r"@@|\b(TODO|TBD|FIXME|XXX)\b")


def rule(function):
    """Add a function to the rules."""
    RULES.append(function)
    return function


def breaches(notebook):
    """Return what is wrong with a notebook: (rule's name, cell, sentence)."""
    return [
        (check.__name__, cell, sentence)
        for check in RULES
        for cell, sentence in check(notebook)
    ]


def texts(notebook):
    """Yield the Markdown cells without their code: (number, text)."""
    for i, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "markdown":
            text = re.sub(r"(?ms)^ *(```|~~~).*?^ *\1", "", source(cell))
            yield i, re.sub(r"(`+).+?\1", "", text)


def words(notebook):
    """Yield the Markdown cells as a reader reads them: no mathematics, no addresses."""
    for i, text in texts(notebook):
        text = re.sub(r"(?s)\\begin\{align\*\}.*?\\end\{align\*\}", "", text)
        text = re.sub(r"\$[^$]+\$", "", text.replace("$$", "$"))
        yield i, re.sub(r"\]\([^)]*\)|https?://\S+", "]", text)


def codes(notebook):
    """Yield the code cells: (number, cell)."""
    for i, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code":
            yield i, cell


def outputs(notebook):
    """Yield the stored outputs: (number of the cell, output)."""
    for i, cell in codes(notebook):
        for output in cell["outputs"]:
            yield i, output


def html(output):
    """Return the HTML of an output."""
    return "".join(output.get("data", {}).get("text/html", ""))


def shown(output):
    """Return all that an output says in words; the bytes of pictures apart."""
    found = ["".join(output.get("text", ""))]
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/"):
            found.append("".join(value))
    return re.sub(r"base64,[\w+/=]+", "", "\n".join(found))


# Markdown


@rule
def one_title(notebook):
    first = notebook["cells"][0]
    if first["cell_type"] != "markdown" or not source(first).startswith("# "):
        yield 1, "the first cell is the title: # …"
    for i, text in list(texts(notebook)):
        if len(re.findall(r"(?m)^# ", text)) > (i == 1):
            yield i, "there is one title, the first line; sections begin with ##"


@rule
def plain_markdown(notebook):
    for i, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] != "markdown":
            continue
        if re.search(r"(?m)^\s*(`{3,}|~{3,}|:{3,})\s*\{", source(cell)):
            yield i, "no directive: it shows as code elsewhere"
        if re.search(r"(?<![\w\\])\{[\w:-]+\}`", source(cell)):
            yield i, "no role: it shows as code elsewhere"


@rule
def plain_mathematics(notebook):
    for i, text in texts(notebook):
        for pattern, sentence in NEVER.items():
            if re.search(pattern, text):
                yield i, sentence


@rule
def displays_stand_alone(notebook):
    for i, text in texts(notebook):
        lines = ["", *text.split("\n"), ""]
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
            bare = line.lstrip("> ").strip()
            if "$$" not in line:
                continue
            if not re.fullmatch(r"\$\$ .+ \$\$", bare) or bare.count("$$") != 2:
                yield i, "write $$ … $$ on one line of its own, with spaces inside"
            elif before.strip("> ") or after.strip("> "):
                yield i, "leave a blank line before and after $$ … $$"
            elif r"\\" in bare:
                yield i, r"no \\ inside $$: several lines go in align*"


@rule
def mathematics_is_read(notebook):
    for i, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "markdown":
            for token in MARKDOWN.parse(source(cell)):
                for child in token.children or []:
                    if child.type == "text" and re.search(
                        r"\$|\\[a-z]+", child.content
                    ):
                        yield i, f"mathematics that is not read: {child.content[:40]}"


@rule
def tables_hold(notebook):
    for i, text in texts(notebook):
        rows = [line for line in text.split("\n") if line.startswith("|")]
        if any(r"\mid" in row or r"\|" in row for row in rows):
            yield i, r"no \mid and no \| in a table"
        if any(part.count("$") % 2 for row in rows for part in row.split("|")):
            yield i, "no | in the mathematics of a table"


@rule
def links_in_full(notebook):
    for i, text in texts(notebook):
        if "![" in text or "<img" in text:
            yield i, "figures are drawn by code, with show(fig, alt, caption)"
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)]*)\)|href=", text):
            if not re.match(r"https://|#", target):
                yield i, f"the link to {target} works in one place only: https://…"


@rule
def folds_open(notebook):
    for i, text in texts(notebook):
        if len(re.findall("<details", text)) != len(re.findall("</details>", text)):
            yield i, "<details> is not closed in its cell"
        if re.search(r"</summary>[^\n]*\n(?!\n)", text):
            yield i, "leave a blank line after </summary>"


@rule
def plain_words(notebook):
    for i, text in words(notebook):
        for found in FILLER.finditer(text):
            yield i, f"leave out “{found[0]}”"
        for found in AMERICAN.finditer(text):
            yield i, f"British spelling: not “{found[0]}”"


@rule
def nothing_undone(notebook):
    for i, cell in enumerate(notebook["cells"], 1):
        for found in UNDONE.finditer(source(cell)):
            yield i, f"{found[0]} is still to be done"


# Code


@rule
def setup_comes_first(notebook):
    marked = ["setup" in tags(cell) for _, cell in codes(notebook)]
    if not marked or not marked[0] or sum(marked) != 1:
        yield 2, "the setup cell comes first, once: python tools/address.py --setup"


@rule
def short_cells(notebook):
    for i, cell in codes(notebook):
        lines = source(cell).split("\n")
        said = [x for x in lines if not re.match(r"[\s)\]},]*(#.*)?$", x)]
        if len(said) > 20:
            yield i, f"{len(said)} lines of code; 20 at most"
        address = "https://" if "setup" in tags(cell) else "\0"
        longest = max(len(line) for line in lines if address not in line)
        if longest > 88:
            yield i, f"a line of {longest} characters; 88 at most"


@rule
def plain_python(notebook):
    for i, cell in codes(notebook):
        if re.search(r"(?m)^\s*[%!]", source(cell)):
            yield i, "no magics and no shell: plain Python"
        if re.search(r"(?m)^\s*from \S+ import \*", source(cell)):
            yield i, "no star import"


# What is stored


@rule
def known_metadata(notebook):
    if notebook["metadata"] != METADATA:
        yield 0, f"the notebook's metadata are not {METADATA}: make run"
    if (notebook["nbformat"], notebook["nbformat_minor"]) != (4, 5):
        yield 0, "the format is not 4.5"
    for i, cell in enumerate(notebook["cells"], 1):
        for key in set(cell["metadata"]) - {"tags"}:
            yield i, f"the cell has the metadata “{key}”: make run"
        for tag in set(tags(cell)) - EXPLAINED:
            yield i, f"nobody knows the tag “{tag}”"


@rule
def unique_ids(notebook):
    ids = [cell.get("id", "") for cell in notebook["cells"]]
    for i, name in enumerate(ids, 1):
        if not re.fullmatch(r"[\w-]{1,64}", name):
            yield i, "the cell has no id"
        elif ids.index(name) != i - 1:
            yield i, f"the id {name} is taken"


@rule
def counted_from_one(notebook):
    counts = [cell["execution_count"] for _, cell in codes(notebook)]
    ran = [n for n in counts if n is not None]
    if ran and ran != list(range(1, len(counts) + 1)):
        yield 0, "the cells were not run once from the first to the last: make run"


@rule
def no_trouble_stored(notebook):
    for i, output in outputs(notebook):
        if output["output_type"] == "error":
            yield i, f"an error is stored: {output['ename']}"
        if output.get("name") == "stderr":
            yield i, "a warning is stored: mend what it warns of"


@rule
def nothing_of_this_machine(notebook):
    for i, output in outputs(notebook):
        if found := MACHINE.search(shown(output)):
            yield i, f"the output shows this machine: {found[0]}"
        if "\x1b" in shown(output):
            yield i, "the output holds colour codes of a terminal"
        if WIDGET in output.get("data", {}):
            yield i, "a widget is stored, which is another in each run"


@rule
def figures_have_words(notebook):
    for i, output in outputs(notebook):
        if any(kind.startswith("image/") for kind in output.get("data", {})):
            yield i, "a picture without words: show(fig, alt, caption)"
        for image in re.findall(r"<img\b[^>]*>", html(output)):
            if not re.search(r'\balt="[^"]{20,}"', image):
                yield i, "alt text says in a sentence what the figure shows"
        if "<img" in html(output):
            if not re.search(r"<figcaption\b[^>]*>[^<]*\w", html(output)):
                yield i, "the figure has no caption"
            if "nbval-ignore-output" not in tags(notebook["cells"][i - 1]):
                yield i, "a figure's cell carries the tag nbval-ignore-output"


@rule
def one_stream_at_a_time(notebook):
    for i, cell in codes(notebook):
        names = [output.get("name") for output in cell["outputs"]]
        counts = Counter(name for name in names if name)
        if any(n > 1 for n in counts.values()):
            yield i, "the printed lines lie in pieces: make run"
