"""Local links between pages, citations tied to references.bib, notebooks to take.

A notebook is read on Colab and on GitHub too, so its links are absolute: a chapter is
`https://OWNER.github.io/REPO/chapters/05-rnn.html`, a source is `https://doi.org/…`. In
the book the first leads to the page and the second to its entry in the bibliography. A
page that does not exist and a DOI that references.bib lacks are warnings, and `make
book` takes warnings for errors. The address comes from pyproject.toml and nowhere else.
Notebooks are opened as they are on main; BOOK_REF=v0.1.0 leads to those of that tag.
"""

import os
import tomllib
from pathlib import Path
from urllib.parse import unquote

from docutils import nodes
from pybtex.database import parse_file
from sphinx.util import logging

logger = logging.getLogger(__name__)
BIBLIOGRAPHY = "appendices/bibliography"
DOI = "https://doi.org/"
GITHUB = "https://github.com/"
COLAB = "https://colab.research.google.com/github/{repository}/blob/{ref}/{path}"
BINDER = "https://mybinder.org/v2/gh/{repository}/{ref}?urlpath=lab/tree/{path}"


def set_address(app, config):
    """Read the address of the repository and of the book."""
    text = Path(app.srcdir, "pyproject.toml").read_text(encoding="utf-8")
    urls = tomllib.loads(text)["project"]["urls"]
    config.book_address = urls["Book"].rstrip("/") + "/"
    config.book_repository = urls["Repository"].partition("github.com/")[2]
    config.book_ref = os.environ.get("BOOK_REF", "main")


def read_references(app):
    """Keep the key and the title of every entry that has a DOI."""
    entries = parse_file(Path(app.srcdir, "references.bib"), "bibtex").entries
    app.references = {
        entry.fields["doi"].lower(): (key, entry.fields["title"].strip("{}"))
        for key, entry in entries.items()
        if "doi" in entry.fields
    }


def localise(app, doctree, docname):
    """Point one page's links to the pages of this book."""
    for link in list(doctree.findall(nodes.reference)):
        url = link.get("refuri", "")
        if url.startswith(app.config.book_address):
            to_page(app, docname, link, url.removeprefix(app.config.book_address))
        elif url.startswith(DOI) and docname != BIBLIOGRAPHY:
            to_entry(app, docname, link, unquote(url.removeprefix(DOI)))


def to_page(app, docname, link, path):
    """Turn the published address of a page into the way to it from here."""
    path, _, anchor = path.partition("#")
    target = path.removesuffix(".html") if path else app.config.root_doc
    if target not in app.env.found_docs:
        logger.warning("the book has no page %s.html", target, location=link)
        return
    if anchor and anchor not in app.env.get_doctree(target).ids:
        logger.warning("%s.html has no place #%s", target, anchor, location=link)
    uri = app.builder.get_relative_uri(docname, target)
    link["refuri"] = f"{uri}#{anchor}" if anchor else uri
    link["internal"] = True


def to_entry(app, docname, link, doi):
    """Turn a DOI into the way to its entry in the bibliography."""
    if doi.lower() not in app.references:
        logger.warning("references.bib has no entry with doi %s", doi, location=link)
        return
    key, title = app.references[doi.lower()]
    uri = app.builder.get_relative_uri(docname, BIBLIOGRAPHY)
    link["refuri"], link["internal"] = f"{uri}#ref-{key}", True
    link["reftitle"] = title
    link["classes"].append("citation")


def offer_notebook(app, pagename, templatename, context, doctree):
    """Tell the page of a notebook where to run it and where to get it."""
    path = context.get("sourcename", "")
    if path.endswith(".ipynb"):
        where = {"repository": app.config.book_repository, "ref": app.config.book_ref}
        context["colab"] = COLAB.format(path=path, **where)
        context["binder"] = BINDER.format(path=path, **where)
        context["notebook"] = context["pathto"]("_sources/" + path, 1)


def offer_source(app, pagename, templatename, context, doctree):
    """Tell a page where to edit its source, or to read it if that is a notebook."""
    if doctree is None or not app.config.book_repository:
        return
    home = context["source_address"] = GITHUB + app.config.book_repository
    path = context.get("sourcename", "").removesuffix(".txt")
    if path and not pagename.startswith("exercises/"):  # those are generated
        way = "blob" if path.endswith(".ipynb") else "edit"
        context["edit_address"] = f"{home}/{way}/main/{path}"


def setup(app):
    """Register with Sphinx."""
    app.add_config_value("book_address", "", "env")
    app.add_config_value("book_repository", "", "html")
    app.add_config_value("book_ref", "main", "html")
    app.connect("config-inited", set_address)
    app.connect("builder-inited", read_references)
    app.connect("doctree-resolved", localise)
    app.connect("html-page-context", offer_notebook)
    app.connect("html-page-context", offer_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
