"""What the appendices know of the chapters: links to them, sections, what is printed.

The appendices were not written chapter by chapter. So a link to a chapter that is still
to come is plain text until its notebook is there, and then it is a link by itself.
"""

import csv
import re
from pathlib import Path

from docutils import nodes
from notebooks import Notebook, tags
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxRole

COVERAGE = "tests/coverage/syllabus.csv"
HEADING = re.compile(r"(?m)^(#{1,4}) (.+)$")


def chapters(root, folder="chapters"):
    """Return the notebooks of a folder by the number of their chapter."""
    found = sorted(Path(root, folder).glob("[0-9][0-9]-*.ipynb"))
    return {int(path.name[:2]): Notebook.read(path, Path(root)) for path in found}


def page_of(book):
    """Return the name of a notebook's page: chapters/06-bptt."""
    return book.name.removesuffix(".ipynb")


def short_title(book):
    """Return a chapter's title without its number."""
    return re.sub(r"^\d+\. ", "", book.title)


def cell_numbered(book, id):
    """Return the number, from 1, of the cell with this id; None if there is none."""
    ids = [cell.get("id") for cell in book.cells]
    return ids.index(id) + 1 if id in ids else None


def heading_above(book, cell):
    """Return the heading under which a cell stands, and that section's name."""
    last = book.title
    for number, each in enumerate(book.cells[:cell], 1):
        if each["cell_type"] != "markdown":
            continue
        text = "".join(each["source"])
        headings = [match[2].strip() for match in HEADING.finditer(text)]
        if not headings:
            continue
        last = headings[-1]
        if number == cell and not text.lstrip().startswith("#"):
            last = headings[0]  # a guess is needed only where a cell has several
    plain = re.sub(r"[$`*\\]", "", last)
    return plain, nodes.make_id(last)


def printed(book, cell):
    """Return what a code cell printed when it was run last, on any machine.

    Where the bytes depend on the machine there is nothing to quote.
    """
    if "nbval-ignore-output" in tags(book.cells[cell - 1]):
        return ""
    outputs = book.cells[cell - 1].get("outputs", [])
    return "\n".join("".join(output.get("text", "")) for output in outputs)


def rows(root):
    """Return the rows of the table of the syllabus; none where there is no table."""
    path = Path(root, COVERAGE)
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def link(env, page, text, anchor=""):
    """Return a link to a page of the book, or to a place on it."""
    if anchor:
        return to_place(env, page, text, anchor)
    target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}"}
    reference = pending_xref("", nodes.inline("", text), refdoc=env.docname, **target)
    reference["refexplicit"] = reference["refwarn"] = True
    return reference


def to_place(env, page, text, anchor):
    """Return a link to a place on a page.

    To a section it is written as in the published book; `links` ties and checks it. The
    place of an equation is made by `ledger`, which has checked that it is there.
    """
    if anchor.startswith("eq-"):
        url = env.app.builder.get_relative_uri(env.docname, page)
        return nodes.reference("", text, refuri=f"{url}#{anchor}", internal=True)
    url = f"{env.config.book_address}{page}.html#{anchor}"
    return nodes.reference("", text, refuri=url)


class Chapter(SphinxRole):
    """{chapter}`16` is "chapter 16", with a link as soon as the chapter is there."""

    words = "chapter {}"

    def run(self):
        """Return the link, or the words alone."""
        self.env.note_reread()
        book = chapters(self.env.srcdir).get(int(self.text))
        words = self.words.format(self.text)
        if book is None:
            return [nodes.Text(words)], []
        return [link(self.env, page_of(book), words)], []


class Home(Chapter):
    """{home}`16` at the end of a glossary's entry is "Chapter 16"."""

    words = "Chapter {}"


def setup(app):
    """Register with Sphinx."""
    app.add_role("chapter", Chapter())
    app.add_role("home", Home())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
