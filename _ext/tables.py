"""A heading that says nothing is none: a screen reader would read out an empty one."""

from docutils import nodes


class blank(nodes.entry):
    """A cell in the head of a table that has no words."""


def find_blanks(app, doctree, docname):
    """Turn the empty cells in the heads of one page's tables into blanks."""
    for head in doctree.findall(nodes.thead):
        for cell in list(head.findall(nodes.entry)):
            if not cell.astext().strip() and not list(cell.findall(nodes.image)):
                cell.replace_self(blank("", **cell.attributes))


def visit(self, node):
    """Write the cell as one of the body."""
    node.parent.column += 1
    self.body.append('<td class="head">')


def depart(self, node):
    """Close it."""
    self.body.append("</td>\n")


def setup(app):
    """Register with Sphinx."""
    nothing = (lambda self, node: None,) * 2
    app.add_node(blank, html=(visit, depart), latex=nothing, text=nothing)
    app.connect("doctree-resolved", find_blanks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
