"""The ledger in the book: ticks beside equations, links to them, one page of them all.

The build begins with the gate (see gate.py) and ends there if an equation is not
verified. After that every displayed equation has an anchor (#eq-6-3) and a tick, which
leads to the line in the output that put it there; "(6.3)" in the text leads to the
equation, in every chapter; and `{ledger}` lists them all, chapter by chapter.
"""

import re
from html import escape

import gate
from docutils import nodes
from notebooks import REFERENCE, TAG, lines_of
from sphinx.addnodes import pending_xref
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from seqlib.ledger import MARKS, short

logger = logging.getLogger(__name__)
LINE = re.compile(r'<div class="seqlib-(?:verified|refuted)"><b>.</b> \((.*?)\)')
NO_LINKS = (
    nodes.math,
    nodes.math_block,
    nodes.literal,
    nodes.literal_block,
    nodes.raw,
    nodes.reference,
    nodes.title,
)


class equation(nodes.General, nodes.Element):
    """A displayed equation with its ticks."""


def pass_the_gate(app):
    """Stop the build unless every equation is verified."""
    app.ledger = gate.inspect(app.srcdir)
    app.ledger_records = {}
    for book in app.ledger.chapters:
        for record in book.records:
            app.ledger_records.setdefault(record.tag, []).append(record)
    if app.ledger.problems:
        listed = "\n".join(f"  {problem}" for problem in app.ledger.problems)
        raise SystemExit(f"The ledger does not hold:\n{listed}")  # and no traceback
    logger.info(gate.summary(app.ledger))


def anchor(tag, kind="eq"):
    """Return the place of an equation on its page: eq-6-3."""
    return f"{kind}-{tag.replace('.', '-')}"


def add_ticks(app, doctree):
    """Give each displayed equation its anchors and ticks, each output line its link."""
    for block in list(doctree.findall(nodes.math_block)):
        tags = TAG.findall(block.astext())
        if tags and all(tag in app.ledger_records for tag in tags):
            lines = [TAG.findall(line) for line in lines_of(block.astext())]
            ticks = [
                "".join(tick(tag, app.ledger_records[tag]) for tag in line)
                for line in lines
            ]
            html = "".join(f"<span>{line}</span>" for line in ticks)
            html = f'<span class="seqlib-ticks">{html}</span>'
            box = equation(ids=[anchor(tag) for tag in tags])
            block.parent.replace(block, box)
            box += [block, nodes.raw("", html, format="html")]
    seen = set()

    def link(match):
        tag = match[1]
        place = "" if tag in seen else f' id="{anchor(tag, "ledger")}"'
        seen.add(tag)
        there = f'<a href="#{anchor(tag)}">({tag})</a>'
        return match[0].replace(">", f"{place}>", 1).replace(f"({tag})", there)

    for node in doctree.findall(nodes.raw):
        if LINE.search(node.astext()):
            text = LINE.sub(link, node.astext())
            node.clear()
            node += nodes.Text(text)


def tick(tag, records):
    """Return the link from an equation to the output that ticked it."""
    kind = records[0].kind
    by = " and ".join(dict.fromkeys(proof(record) for record in records))
    title = escape({"verify": "verified by ", "refute": "refuted by "}[kind] + by)
    return (
        f'<a class="seqlib-tick seqlib-tick-{kind}" href="#{anchor(tag, "ledger")}" '
        f'title="{title}" aria-label="({tag}) {title}">{MARKS[kind]}</a>'
    )


def proof(record):
    """Say what a record rests on."""
    within = f", within {short(record.within)}" if record.kind == "verify" else ""
    return record.by + within


def link_references(app, doctree, docname):
    """Turn "(6.3)" in the text into a link to the equation, wherever it stands."""
    for text in list(doctree.findall(nodes.Text)):
        above = list(parents(text))
        if not above or any(isinstance(parent, NO_LINKS) for parent in above):
            continue
        pieces = REFERENCE.split(text)  # text, tag, text, tag, …, text
        if len(pieces) == 1:
            continue
        new = []
        for i, piece in enumerate(pieces):
            if i % 2 == 0:
                new += [nodes.Text(piece)] if piece else []
            elif piece in app.ledger.places:
                new.append(reference(app, docname, piece))
            else:
                new.append(nodes.Text(f"({piece})"))
        text.parent.replace(text, new)


def parents(node):
    """Return all that a node stands in."""
    while node.parent is not None:
        node = node.parent
        yield node


def reference(app, docname, tag):
    """Return a link from a page to an equation."""
    there = page(app.ledger.places[tag])
    uri = "" if there == docname else app.builder.get_relative_uri(docname, there)
    uri = f"{uri}#{anchor(tag)}"
    return nodes.reference(
        "", f"({tag})", refuri=uri, internal=True, classes=["seqlib-ref"]
    )


def page(book):
    """Return the page's name of a notebook."""
    return book.name.removesuffix(".ipynb")


class Ledger(SphinxDirective):
    """`{ledger}`: the equations chapter by chapter, and the errata that are refuted."""

    def run(self):
        """Build a section with a table for each chapter, and one for the errata."""
        self.env.note_reread()  # the tables change whenever a chapter does
        sections, verified, refuted = [], 0, []
        for book in self.env.app.ledger.chapters:
            rows = []
            for item in book.equations:
                records = self.env.app.ledger_records[item.tag]
                of_kind = {"verify": rows, "refute": refuted}[records[0].kind]
                of_kind.append(self.row(book, item, records))
            verified += len(rows)
            if rows:
                head = ("Number", "Equation", "Verified by", "Within")
                sections.append(self.section(book.title, table(head, rows)))
        if refuted:
            head = ("Number", "Equation", "Refuted by", "Chapter")
            sections.append(self.section("Errata", table(head, refuted)))
        counts = [
            counted(verified, "equation", "equations", "verified"),
            counted(len(refuted), "erratum", "errata", "refuted"),
        ]
        line = "; ".join(filter(None, counts)) or "No equations yet"
        return [
            nodes.paragraph("", f"{line}.", classes=["seqlib-ledger-count"]),
            *sections,
        ]

    def section(self, title, *content):
        """Return a section of the page, which its contents will show."""
        name = nodes.fully_normalize_name(title)
        section = nodes.section("", nodes.title("", title), *content, names=[name])
        self.state.document.note_implicit_target(section, section)
        return section

    def row(self, book, item, records):
        """Return the cells of one equation."""
        tex = item.tex
        if item.block.lstrip().startswith(r"\begin{"):
            tex = rf"\begin{{aligned}} {tex} \end{{aligned}}"
        within = listed(short(record.within) for record in records)
        return [
            nodes.Text(f"({item.tag})"),
            nodes.math("", rf"\displaystyle {tex}"),
            nodes.Text(listed(record.by for record in records)),
            nodes.Text(within) if records[0].kind == "verify" else self.link(book),
        ]

    def link(self, book):
        """Return a chapter's number, which leads to it."""
        number = nodes.inline("", book.stem.partition("-")[0].lstrip("0"))
        there = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page(book)}"}
        link = pending_xref("", number, refdoc=self.env.docname, **there)
        link["refexplicit"] = link["refwarn"] = True
        return link


def counted(count, one, many, done):
    """Say how many there are, and that they are verified: 3 equations, all verified."""
    if count > 1:
        return f"{count} {many}, all {done}"
    return f"1 {one}, {done}" if count else ""


def listed(words):
    """Return words without repetition, in their order."""
    return ", ".join(dict.fromkeys(words))


def table(head, rows):
    """Return a table of inline nodes."""
    group = nodes.tgroup("", cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", line_of([nodes.Text(text) for text in head]))
    group += nodes.tbody("", *map(line_of, rows))
    return nodes.table("", group, classes=["seqlib-ledger"])


def line_of(cells):
    """Return one row of a table."""
    entries = [nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells]
    return nodes.row("", *entries)


def visit_equation(self, node):
    """Open an equation in HTML."""
    self.body.append(self.starttag(node, "div", CLASS="seqlib-equation"))


def depart_equation(self, node):
    """Close an equation in HTML."""
    self.body.append("</div>\n")


def setup(app):
    """Register with Sphinx."""
    nothing = (lambda self, node: None,) * 2
    app.add_node(
        equation, html=(visit_equation, depart_equation), latex=nothing, text=nothing
    )
    app.add_directive("ledger", Ledger)
    app.connect("builder-inited", pass_the_gate)
    app.connect("doctree-read", add_ticks)
    app.connect("doctree-resolved", link_references)
    return {"env_version": 2, "parallel_read_safe": True, "parallel_write_safe": True}
