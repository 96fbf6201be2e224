"""A term of the glossary, where a later chapter uses it first, leads to its entry.

The chapter that explains a term defines it; each chapter after that links the first
mention in its running text. The page carries the entry's sentence, which `reading.js`
shows when the link is pointed at or reached with the keyboard.
"""

import json
import re
from html import escape

from docutils import nodes
from glossary import PAGE
from sphinx.addnodes import glossary, pending_xref

NOT_IN = (nodes.title, nodes.literal, nodes.reference, nodes.strong, nodes.table)
# words that the chapters also use in their everyday sense
EVERYDAY = {"candidate", "cell", "channel", "filter", "head", "key", "map"}
EVERYDAY |= {"precision", "recall", "target", "value"}


def entries(doctree):
    """Return of each term: its place on the page, what is said of it, its chapter."""
    found = {}
    for item in (i for g in doctree.findall(glossary) for i in g.children[0]):
        *terms, definition = item.children
        links = [x for x in definition.findall(pending_xref) if x["reftype"] == "doc"]
        home = links[-1]["reftarget"].removeprefix("/")
        said = written(definition[0], links[-1])
        for term in terms:
            found[term.astext()] = (term["ids"][0], said, home)
    return found


def written(paragraph, home):
    """Write an entry's sentence as HTML, without the link to its chapter."""
    texts = []
    for node in paragraph.children:
        if isinstance(node, nodes.math):
            texts.append(f'<span class="math">{escape(node.astext())}</span>')
        elif node is not home:
            texts.append(escape(node.astext(), quote=False))
    return "".join(texts).strip()


def read_glossary(app, doctree):
    """Note what the glossary says."""
    if app.env.docname == PAGE:
        app.env.glossary_terms = entries(doctree)


def merge(app, env, docnames, other):
    """Take over what another process has read in the glossary."""
    if PAGE in docnames:
        env.glossary_terms = other.glossary_terms


def write_again(app, env):
    """Write all chapters again when the glossary says something else."""
    now, before = (getattr(env, f"glossary_{n}", {}) for n in ("terms", "shown"))
    env.glossary_shown = now
    pages = (page for page in env.found_docs if page.startswith("chapters/"))
    return sorted(pages) if now != before else []


def pattern(terms):
    """Return what finds a term, the longest first, at the head of a sentence too."""
    longest = sorted(terms, key=len, reverse=True)
    words = (
        f"[{t[0]}{t[0].upper()}]{re.escape(t[1:])}" if t[0].isalpha() else re.escape(t)
        for t in longest
    )
    return re.compile(rf"(?<![\w-])({'|'.join(words)})(s?)(?![\w-])")


def link_terms(app, doctree, docname):
    """Link the first mention of each term of an earlier chapter; carry its entry."""
    known = {
        term: entry
        for term, entry in getattr(app.env, "glossary_terms", {}).items()
        if docname.startswith("chapters/") and entry[2] < docname
        if term not in EVERYDAY
    }
    if not known or app.builder.format != "html":
        return
    page = app.builder.get_relative_uri(docname, PAGE)
    mentions, carried = pattern(known), {}
    for text in list(doctree.findall(nodes.Text)):
        if not running(text):
            continue
        pieces, rest = [], 0
        for match in mentions.finditer(text):
            term = match[1] if match[1] in known else match[1][0].lower() + match[1][1:]
            place, said, _ = known[term]
            if said in carried.values():  # mentioned before, by this name or another
                continue
            carried[place] = said
            link = nodes.reference(
                "", match[0], refuri=f"{page}#{place}", internal=True, classes=["term"]
            )
            pieces += [nodes.Text(text[rest : match.start()]), link]
            rest = match.end()
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(text[rest:])])
    data = json.dumps(carried, ensure_ascii=False).replace("</", "<\\/")
    html = f'<script type="application/json" id="seqlib-terms">{data}</script>'
    doctree += nodes.raw("", html, format="html")


def running(text):
    """Tell whether a text stands in a paragraph, outside code, links and tables."""
    node, paragraph = text.parent, False
    while node is not None:
        if isinstance(node, (*NOT_IN, nodes.FixedTextElement, nodes.math, nodes.raw)):
            return False
        paragraph |= isinstance(node, nodes.paragraph)
        node = node.parent
    return paragraph


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-read", read_glossary)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", write_again)
    app.connect("doctree-resolved", link_terms, priority=550)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
