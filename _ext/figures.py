"""Move the figures of the stored outputs out of the pages, into lazily loaded files.

In a notebook a figure is a data URI, and a player (`seqlib.explore`) carries all its
frames, so that the output is complete by itself. In the book each picture becomes a
file named by its content, which the browser loads when it is about to be seen. A page
may show the figure of a chapter.
"""

import base64
import hashlib
import json
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

from seqlib.explore.figures import image

IMAGE = re.compile(r'<img src="data:image/svg\+xml;base64,([^"]+)"')
FRAMES = re.compile(r'(?<=<script type="application/json">)\{.*?(?=</script>)', re.S)


def move_figures(app, doctree, docname):
    """Replace every picture in the outputs of one page by its file."""
    if app.builder.format != "html":
        return
    page = app.builder.get_target_uri(docname)

    def store(picture):
        """Write the picture once, and return the way to it from this page."""
        name = f"figure-{hashlib.sha256(picture.encode()).hexdigest()[:16]}.svg"
        file = Path(app.outdir, "_images", name)
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            file.write_text(picture, encoding="utf-8")
        return relative_uri(page, f"_images/{name}")

    def move_image(match):
        address = store(base64.b64decode(match[1]).decode())
        return f'<img loading="lazy" src="{address}"'

    def move_frames(match):
        data = json.loads(match[0])
        lines = data.pop("lines")
        data["frames"] = [
            store("\n".join(lines[i] for i in frame)) for frame in data["frames"]
        ]
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        return text.replace("</", "<\\/").replace("<!", "<\\u0021")

    for node in doctree.findall(nodes.raw):
        if "seqlib-figure" in node.astext():
            moved = IMAGE.sub(move_image, FRAMES.sub(move_frames, node.astext()))
            node.children = [nodes.Text(moved)]


class FromChapter(SphinxDirective):
    """`{from-chapter} 15-attention bccead82`: what a cell of a chapter displays.

    With `:slide: 6` the player's last slider stands at 6 from the beginning.
    """

    required_arguments = 2
    option_spec = {"slide": directives.unchanged_required}  # noqa: RUF012

    def run(self):
        """Return the stored HTML of the cell's outputs."""
        name, cell_id = self.arguments
        path = Path(self.env.srcdir, "chapters", f"{name}.ipynb")
        self.env.note_dependency(str(path))
        cells = json.loads(path.read_text("utf-8"))["cells"]
        found = [
            "".join(output["data"]["text/html"])
            for cell in cells
            if cell.get("id") == cell_id
            for output in cell["outputs"]
            if "text/html" in output.get("data", {})
        ]
        if not found:
            raise self.error(f"{path.name} has no cell {cell_id} that displays HTML")
        if "slide" in self.options:
            found = [slid(html, self.options["slide"]) for html in found]
        raw = [nodes.raw("", html, format="html") for html in found]
        return [nodes.container("", *raw, classes=["from-chapter"])]


def slid(player, value):
    """Return a player whose last slider stands at a value, with its picture."""
    data = json.loads(FRAMES.search(player)[0])
    words = data["values"][-1]
    k = words.index(value)  # what else can be chosen stays at its first value
    frame = "\n".join(data["lines"][i] for i in data["frames"][k])
    shown = image(frame, data["alts"][k])
    player = re.sub(r"<img [^>]*>", lambda _: shown, player, count=1)
    before, slider, after = player.rpartition('<input type="range"')
    for old, new in (
        ('value="0"', f'value="{k}"'),
        (f'aria-valuetext="{words[0]}"', f'aria-valuetext="{value}"'),
        (f">{words[0]}</output>", f">{value}</output>"),
    ):
        after = after.replace(old, new, 1)
    return before + slider + after


def setup(app):
    """Register with Sphinx."""
    app.add_directive("from-chapter", FromChapter)
    app.connect("doctree-resolved", move_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
