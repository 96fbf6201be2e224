"""The page of times: how long each notebook took when `make run` ran it last."""

import json
from pathlib import Path

from docutils import nodes
from ledger import pending_xref, table
from sphinx.util.docutils import SphinxDirective

TIMES = "appendices/times.json"
MOST, ALL = 45, 360  # seconds: of one notebook, and of all chapters on two cores


def over(seconds):
    """Return a sentence for each budget that these notebooks exceed."""
    found = [
        f"{name} takes {took:.1f} s, more than {MOST}"
        for name, took in seconds.items()
        if took > MOST
    ]
    both = sum(t for name, t in seconds.items() if name.startswith("chapters/")) / 2
    if both > ALL:
        found.append(f"all chapters take {both:.0f} s on two cores, more than {ALL}")
    return found


class Times(SphinxDirective):
    """`{times}`: a line on the machine, a row for each notebook, and their sum."""

    def run(self):
        """Build the line and the table."""
        path = Path(self.env.srcdir, TIMES)
        self.env.note_dependency(str(path))
        stored = json.loads(path.read_text("utf-8"))
        seconds = stored["notebooks"]
        folders = {name.partition("/")[0] for name in seconds}
        rows = [self.row(name, took) for name, took in sorted(seconds.items())]
        for folder in sorted(folders):
            parts = [t for n, t in seconds.items() if n.partition("/")[0] == folder]
            rows.append([nodes.Text(f"all {folder}"), nodes.Text(f"{sum(parts):.1f}")])
        slowest = max(seconds, key=seconds.get)
        line = (
            f"{stored['machine']}, Python {stored['python']}. The slowest notebook, "
            f"{slowest}, took {seconds[slowest]:.1f} seconds; the budget is {MOST}."
        )
        head = ["Notebook", "Seconds"]
        return [nodes.paragraph("", line), table(head, rows)]

    def row(self, name, seconds):
        """Return the cells of one notebook: a link to its page, its seconds."""
        target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{name}"}
        link = pending_xref(
            "", nodes.inline("", name), refdoc=self.env.docname, **target
        )
        link["refexplicit"] = link["refwarn"] = True
        return [link, nodes.Text(f"{seconds:.1f}")]


def setup(app):
    """Register with Sphinx."""
    app.add_directive("times", Times)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
