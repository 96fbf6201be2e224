"""What "(6.3)" in the text stands for, beside it in the page, to be shown on pointing.

Each page carries the TeX of the equations that it refers to; `reading.js` typesets one
when its reference is pointed at or reached with the keyboard.
"""

import json

from docutils import nodes


def carry_equations(app, doctree, docname):
    """Put the equations that a page refers to at its end, as data."""
    tags = {
        node.astext()[1:-1]
        for node in doctree.findall(nodes.reference)
        if "seqlib-ref" in node.get("classes", [])
    }
    if not tags or app.builder.format != "html":
        return
    texts = {
        item.tag: displayed(item)
        for book in app.ledger.chapters
        for item in book.equations
        if item.tag in tags
    }
    data = json.dumps(texts, ensure_ascii=False, sort_keys=True).replace("</", "<\\/")
    html = f'<script type="application/json" id="seqlib-equations">{data}</script>'
    doctree += nodes.raw("", html, format="html")


def displayed(item):
    """Return an equation's TeX as it can be displayed by itself, with its number."""
    tex = item.tex
    if item.block.lstrip().startswith(r"\begin{"):
        tex = rf"\begin{{aligned}} {tex} \end{{aligned}}"
    return rf"{tex} \tag{{{item.tag}}}"


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-resolved", carry_equations, priority=600)  # after the links
    return {"parallel_read_safe": True, "parallel_write_safe": True}
