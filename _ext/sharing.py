"""What the book says of itself to search engines and where a link to it is shared.

Each page gets a description (its first words), its published address and a picture of
its title, drawn here; the book gets a sitemap and a page for addresses that lead
nowhere. Nothing of this is loaded when the book is read.
"""

import hashlib
import textwrap
from pathlib import Path
from xml.sax.saxutils import escape

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

SHORTEST, LONGEST = 40, 160  # letters of a description; a search engine shows no more
INK, PAPER, ACCENT, MUTED = "#1d2429", "#fffefb", "#0b5c7a", "#4d5b66"
BOOK = (
    "An open course on recurrent networks, attention and Transformers in which every "
    "numbered equation is checked by a run."
)


def first_words(doctree):
    """Return how a page begins: its first paragraphs, up to what is shown of them."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section):
            words = [
                node.astext()
                for node in paragraph.findall(nodes.Text)
                if not isinstance(node.parent, nodes.math)
            ]
            text = " ".join(f"{text} {''.join(words)}".split())
            if len(text) > LONGEST // 2:
                break
    if len(text) < SHORTEST:
        return BOOK
    return textwrap.shorten(text, LONGEST, placeholder=" …")


def introduce(app, pagename, templatename, context, doctree):
    """Tell a page's template how it is described and what to show of it."""
    context["book_address"] = app.config.book_address
    if doctree is None:
        context["description"] = BOOK
        return
    title = nodes.Text(app.env.titles[pagename].astext())
    context["description"] = first_words(doctree)
    context["shared"] = {
        "title": title,
        "kind": "website" if pagename == app.config.root_doc else "article",
        "url": f"{app.config.book_address}{pagename}.html",
        "image": app.config.book_address + preview(app, pagename, title),
    }


def preview(app, pagename, title):
    """Draw the picture of a page, unless it is there; return its place in the book."""
    above = "" if pagename == app.config.root_doc else app.config.html_title
    key = hashlib.sha256(f"{above}\0{title}".encode()).hexdigest()[:12]
    name = f"_images/preview-{key}.png"
    file = Path(app.outdir, name)
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        draw(title, above, file)
    return name


def draw(title, above, file):
    """Draw 1200 by 630 pixels: an unrolled network, the title, the book's name."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 12), ylim=(0, 6.3))
    axes.set_axis_off()
    steps = [0.9 + 1.45 * i for i in range(8)]
    axes.plot([0.9, 12], [1.25, 1.25], color=ACCENT, linewidth=3, zorder=1)
    for x in steps:
        axes.plot([x, x], [0.65, 1.85], color=ACCENT, linewidth=3, zorder=1)
    style = {"color": PAPER, "markeredgecolor": ACCENT, "markeredgewidth": 3}
    axes.plot(steps, [1.25] * 8, "o", markersize=26, zorder=2, **style)
    lines = textwrap.wrap(str(title), 26)[:3]
    size = 54 if len(lines) < 3 else 44
    said = {"family": "DejaVu Sans", "va": "center", "ha": "left"}
    axes.text(0.6, 3.7, "\n".join(lines), size=size, color=INK, weight="bold", **said)
    axes.text(0.6, 5.75, above, size=24, color=MUTED, **said)
    figure.savefig(file, metadata={"Software": None})


class Citation(SphinxDirective):
    """`{citation}`: how to cite the book, as BibTeX, from CITATION.cff."""

    def run(self):
        """Build the block of text."""
        import yaml

        path = Path(self.env.srcdir, "CITATION.cff")
        self.env.note_dependency(str(path))
        cite = yaml.safe_load(path.read_text("utf-8"))
        authors = " and ".join(
            "{" + (a.get("name") or f"{a['family-names']}, {a['given-names']}") + "}"
            for a in cite["authors"]
        )
        text = (
            "@misc{sequence_models_verified,\n"
            f"  title  = {{{cite['title']}}},\n"
            f"  author = {{{authors[1:-1]}}},\n"
            f"  note   = {{Version {cite['version']}}},\n"
            f"  url    = {{{cite['url']}}}\n"
            "}"
        )
        return [nodes.literal_block(text, text, language="bibtex")]


def lost(app):
    """Add the page that answers addresses which lead nowhere; it stands by itself."""
    yield "404", {"title": "No such page"}, "404.html"


def list_pages(app, exception):
    """Write sitemap.xml, the published address of every page."""
    if exception or app.builder.format != "html":
        return
    names = sorted(app.env.found_docs)
    urls = [f"{app.config.book_address}{name}.html" for name in names]
    lines = [f"  <url><loc>{escape(url)}</loc></url>" for url in urls]
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        + "\n".join(lines)
        + "\n</urlset>\n"
    )
    Path(app.outdir, "sitemap.xml").write_text(text, encoding="utf-8")


def setup(app):
    """Register with Sphinx."""
    app.add_directive("citation", Citation)
    app.connect("html-page-context", introduce)
    app.connect("html-collect-pages", lost)
    app.connect("build-finished", list_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
