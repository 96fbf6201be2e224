"""What the API pages make of the docstrings.

The book's docstrings say `x : (B, T, D) the input, one row a step`, a description that
begins with the shape and may run over lines. numpydoc would take it for a type.
"""

import re
from itertools import pairwise

ENTRY = re.compile(r"( *)(\w+(?:, \w+)*) : (.+)")
LONG = 40  # letters that no type has


def describe(app, what, name, obj, options, lines):
    """Move what follows `x : ` into the description, unless that stands below it."""
    found = []
    for line, below in pairwise([*lines, ""]):
        entry = ENTRY.fullmatch(line)
        if entry is None:
            found.append(line)
            continue
        indent, names, text = entry.groups()
        below_is_it = re.match(indent + "    [A-Z`]", below)
        if below_is_it and len(text) < LONG:
            found.append(line)
        else:
            found += [indent + names, f"{indent}    {text}"]
    lines[:] = found


def skip_made(app, what, name, obj, skip, options):
    """Leave out what a NamedTuple was given by Python; its docstring says it all."""
    docstring = getattr(obj, "__doc__", None) or ""
    made = name == "__new__" or docstring.startswith("Alias for field number")
    return True if made else None


def setup(app):
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", describe, priority=400)  # then napoleon
    app.connect("autodoc-skip-member", skip_made)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
