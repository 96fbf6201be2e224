"""Make the book sooner: on all cores, and with less copied for the list of pages.

What stands in for torch where functions are documented (`autodoc_mock_imports`) does so
from beginning to end, or `viewcode` would import torch to look for sources.

The list beside each page shows titles and no more, but Sphinx copies the headings of
every page to make it, for every page anew. Here it is given titles only. Pages that are
not in the list, such as those of the sources, share one list in each folder.
"""

import os
from pathlib import PurePosixPath

from docutils import nodes
from sphinx.addnodes import toctree
from sphinx.ext.autodoc.mock import mock


def begin(app):
    """Let all cores work, with what stands in for torch at hand all the time."""
    app.parallel = os.cpu_count() or 1
    # it does not say so, and it is off (_config.yml)
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True
    app.without_torch = mock(app.config.autodoc_mock_imports)
    app.without_torch.__enter__()


def titles(toc):
    """Return a page's table of contents without its headings, or whole if it lists."""
    if any(True for _ in toc.findall(toctree)):
        return toc
    short = toc.copy()
    for item in toc:
        kept = item.copy() if isinstance(item, nodes.list_item) else item.deepcopy()
        if isinstance(item, nodes.list_item):
            kept += item[0].deepcopy()
        short += kept
    return short


def prepare(app, env):
    """Keep the titles of all pages for when pages are written."""
    app.titles_only = {name: titles(toc) for name, toc in env.tocs.items()}
    app.lists = {}


def shorten(app, pagename, templatename, context, doctree):
    """Let a page make its list from titles, or take that of its neighbour."""
    whole = context["toctree"]

    def listed(**options):
        folder = PurePosixPath(pagename).parent
        key = (pagename in app.env.found_docs and pagename, folder, *options.items())
        if key not in app.lists:
            tocs, app.env.tocs = app.env.tocs, app.titles_only
            try:
                app.lists[key] = whole(**options)
            finally:
                app.env.tocs = tocs
        return app.lists[key]

    context["toctree"] = listed


def setup(app):
    """Register with Sphinx."""
    app.connect("builder-inited", begin)
    app.connect("env-updated", prepare, priority=900)
    app.connect("html-page-context", shorten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
