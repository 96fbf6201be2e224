"""Move the figures of the stored outputs out of the pages, into lazily loaded files.

In a notebook a figure is a data URI, and a player (`seqlib.explore`) carries all its
frames, so that the output is complete by itself. In the book each picture becomes a
file named by its content, which the browser loads when it is about to be seen.
"""

import base64
import hashlib
import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.osutil import relative_uri

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


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-resolved", move_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
