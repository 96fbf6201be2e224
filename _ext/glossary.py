"""The search finds a term of the glossary in the chapter that explains it.

Sphinx makes an index entry of each term, which the search puts first, and lets it lead
to the glossary. Here it leads to the term's home, the chapter that its entry ends with:
to the section where the term stands in bold, or else to the chapter's beginning.
"""

import pickle
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import glossary as glossary_node
from sphinx.addnodes import index, pending_xref
from sphinx.application import ENV_PICKLE_FILENAME

PAGE = "appendices/glossary"


def homes(doctree):
    """Return the terms by the page of the chapter that explains them."""
    found = {}
    for glossary in doctree.findall(glossary_node):
        for item in glossary.findall(nodes.definition_list_item):
            terms = [term.astext() for term in item.findall(nodes.term)]
            *_, definition = item.findall(nodes.definition)
            for link in definition.findall(pending_xref):
                page = link["reftarget"].removeprefix("/")
                found.setdefault(page, []).append(terms)
    return found


def read_glossary(app, doctree):
    """Note which chapters the terms lead to."""
    if app.env.docname == PAGE:
        app.env.glossary_homes = homes(doctree)


def merge(app, env, docnames, other):
    """Take over what another process has read in the glossary."""
    if PAGE in docnames:
        env.glossary_homes = other.glossary_homes


def write_again(app, env):
    """Write chapters again whose terms have changed."""
    now, before = (
        getattr(env, "glossary_homes", {}),
        getattr(env, "glossary_written", {}),
    )
    env.glossary_written = now
    pages = {page for page in now | before if now.get(page) != before.get(page)}
    return sorted(pages & set(env.found_docs))


def move_entries(app, doctree, docname):
    """Take the index entries from the glossary and give each chapter its own."""
    if docname == PAGE:
        for node in list(doctree.findall(index)):
            node.parent.remove(node)
    for terms in getattr(app.env, "glossary_homes", {}).get(docname, []):
        place = section_of(doctree, terms)
        entries = [
            ("single", term.replace(";", ","), place, "main", None) for term in terms
        ]
        doctree.insert(0, index(entries=entries, inline=False))


def section_of(doctree, terms):
    """Return the name of the section that has one of the terms in bold."""
    for bold in doctree.findall(nodes.strong):
        if any(bold.astext().lower().startswith(term.lower()) for term in terms):
            node = bold
            while not isinstance(node, nodes.section):
                node = node.parent
            return node["ids"][0]
    return ""


def keep_entries(app, exception):
    """Store the index entries: Sphinx stores what it has before the pages are written.

    Without them the next build, which writes only what has changed, would lose those of
    the other pages.
    """
    if not exception:
        with Path(app.doctreedir, ENV_PICKLE_FILENAME).open("wb") as file:
            pickle.dump(app.env, file, pickle.HIGHEST_PROTOCOL)


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-read", read_glossary)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", write_again)
    app.connect("doctree-resolved", move_entries)
    app.connect("build-finished", keep_entries)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
