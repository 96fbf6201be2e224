"""The page of errata, made from the records of the chapters.

`{erratum} E4: A missing hat` shows the formula as the chapter displays it, what refuted
it when it was run, and the lines that the run printed; `{statement} 23: …` leads to the
cells that the table of the syllabus names. The words are written by hand, and what
they rest on is not: a line that the run no longer prints, a number that no notebook
holds, and a refuted formula that the page leaves out are warnings, so the book does not
build.
"""

import re

from docutils import nodes
from docutils.parsers.rst import directives
from ledger import anchor
from notebooks import REFERENCE
from pages import (
    cell_numbered,
    chapters,
    heading_above,
    link,
    page_of,
    printed,
    rows,
    short_title,
)
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from seqlib.ledger import ERRATUM

logger = logging.getLogger(__name__)
PAGE = "appendices/errata"
ROW = re.compile(r"^(?:convention |condition )?(\d+)[.:]\s*")


def statements(root):
    """Return the rows of kind Errata by their number in the list of errata."""
    found = {}
    for row in rows(root):
        number = ROW.match(row["item"])
        if row["kind"] == "Errata" and number:
            found.setdefault(int(number[1]), []).append(row)
    return found


def missing(shown, ledger):
    """Return what is refuted in the notebooks and does not stand on the page."""
    refuted = {tag for tag in ledger.places if re.fullmatch(ERRATUM, tag)}
    return sorted(refuted - set(shown), key=lambda tag: int(tag[1:]))


class Entry(SphinxDirective):
    """One entry: a heading, a list of facts, and why it matters."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {  # noqa: RUF012 (docutils wants it so)
        "printed": directives.unchanged_required,
        "right": directives.unchanged_required,
        "ran": directives.unchanged_required,
        "chapter": directives.nonnegative_int,  # where it will come
        "holds": directives.unchanged_required,  # words of its cell, beside the table
    }

    def run(self):
        """Build the entry, or nothing while its chapter is not there."""
        self.env.note_reread()  # the page changes whenever a chapter does
        number, _, title = self.arguments[0].partition(":")
        self.number, self.books = number.strip(), chapters(self.env.srcdir)
        self.ledger = self.env.app.ledger
        coming = self.options.get("chapter")
        if coming is not None and coming not in self.books:
            return []
        facts = self.facts()
        if facts is None:
            return []
        name = f"{self.number}. {title.strip()}"
        section = nodes.section(ids=[nodes.make_id(f"erratum-{self.number}")])
        section += nodes.title("", "", *self.parse_inline(name)[0])
        fields = nodes.field_list(classes=["seqlib-erratum"])
        for name, body in facts:
            fields += nodes.field(
                "", nodes.field_name("", name), nodes.field_body("", *body)
            )
        section += fields
        self.state.nested_parse(self.content, self.content_offset, section)
        for tag in REFERENCE.findall("\n".join(self.content)):
            if tag not in self.ledger.places:
                self.warn(f"({tag}) refers to no equation")
        return [section]

    def warn(self, sentence):
        """Say what is wrong with the entry; the build then fails."""
        logger.warning(
            "erratum %s: %s", self.number, sentence, location=self.get_location()
        )

    def words(self, option):
        """Return the words of an option as a paragraph."""
        return [nodes.paragraph("", "", *self.parse_inline(self.options[option])[0])]

    def run_lines(self, *said):
        """Return the lines that the runs printed, as far as the entry quotes them."""
        quoted = self.options.get("ran", "").splitlines()
        for line in quoted:
            if not any(line.strip() in text for text in said):
                self.warn(f"no run printed {line.strip()!r}")
        text = "\n".join(line.strip() for line in quoted)
        return [nodes.literal_block(text, text, language="text")] if text else []


class Erratum(Entry):
    """`{erratum} E4: A missing hat`: a formula that was refuted."""

    def facts(self):
        """Return the formula, the right one, what refuted it, and its place."""
        tag, places = self.number, self.ledger.places
        self.env.errata_shown.add(tag)
        if tag not in places:
            self.warn("no notebook refutes it")
            return None
        book = places[tag]
        (item,) = (e for e in book.equations if e.tag == tag)
        tex = item.tex
        if item.block.lstrip().startswith(r"\begin{"):
            tex = rf"\begin{{aligned}} {tex} \end{{aligned}}"
        records = self.env.app.ledger_records[tag]
        by = "; ".join(dict.fromkeys(record.by for record in records))
        mark = nodes.paragraph("", f"✗ refuted by {by}")
        said = [printed(book, record.cell) for record in records]
        formula = nodes.math_block(tex, tex, nowrap=False, number=None, label=None)
        return [
            ("Printed", [formula]),
            ("Right", self.words("right")),
            ("Run", [mark, *self.run_lines(*said)]),
            ("Where", [place(self.env, book, item.cell, anchor(tag))]),
        ]


class Statement(Entry):
    """`{statement} 23: …`: a condition or a convention, with the cells that ran it."""

    def facts(self):
        """Return what is printed, what is so, what was run, and where."""
        mine = statements(self.env.srcdir).get(int(self.number), [])
        found, said = [], []
        for row in mine:
            book = self.books.get(int(row["chapter"][:2]))
            cell = book and cell_numbered(book, row["cell"])
            if cell is None:
                self.warn(f"no cell {row['cell']} in {row['chapter']}")
                continue
            found.append((book, cell))
            said += [
                printed(book, each) for each in (cell, cell + 1) if printing(book, each)
            ]
        if holds := self.options.get("holds"):
            book = self.books[self.options["chapter"]]
            found += [
                (book, i)
                for i, cell in enumerate(book.cells, 1)
                if holds in "".join(cell["source"]) and cell["cell_type"] == "markdown"
            ][:1]
        if not found:
            self.warn("no row of the table of the syllabus names its cell")
            return None
        where, seen = nodes.paragraph(), set()
        for book, cell in found:
            _, name = heading_above(book, cell)
            if (book.stem, name) not in seen:
                where += ([nodes.Text("; ")] if seen else []) + list(
                    place(self.env, book, cell, name).children
                )
                seen.add((book.stem, name))
        ran = self.run_lines(*said)
        return [
            ("Printed", self.words("printed")),
            ("Here", self.words("right")),
            *([("Run", ran)] if ran else []),
            ("Where", [where]),
        ]


def printing(book, cell):
    """Say whether this is a code cell that printed something."""
    return 0 < cell <= len(book.cells) and bool(printed(book, cell))


def place(env, book, cell, name):
    """Return a paragraph that leads to a place in a chapter."""
    heading, _ = heading_above(book, cell)
    number = book.stem.partition("-")[0].lstrip("0")
    words = f"chapter {number}, {short_title(book)}"
    if heading != book.title:
        words += f": {heading}"
    return nodes.paragraph("", "", link(env, page_of(book), words, name))


def begin(app, env, docnames):
    """Begin the list of what the page shows."""
    env.errata_shown = set()


def merge(app, env, docnames, other):
    """Take over what another process has seen on the page."""
    env.errata_shown |= other.errata_shown


def compare(app, env):
    """Warn of every refuted formula that the page leaves out."""
    if PAGE in env.found_docs:
        for tag in missing(env.errata_shown, app.ledger):
            logger.warning(
                "appendices/errata.md has no entry {erratum} %s, but %s refutes it",
                tag,
                app.ledger.places[tag].name,
            )


def setup(app):
    """Register with Sphinx."""
    app.add_directive("erratum", Erratum)
    app.add_directive("statement", Statement)
    app.connect("env-before-read-docs", begin)
    app.connect("env-merge-info", merge)
    app.connect("env-check-consistency", compare)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
