"""The API pages say what a person wrote, not what Python fills in by itself."""


def skip_aliases(app, what, name, obj, skip, options):
    """Leave out the fields of a NamedTuple; its docstring tells what they are."""
    docstring = getattr(obj, "__doc__", None) or ""
    return True if docstring.startswith("Alias for field number") else None


def setup(app):
    """Register with Sphinx."""
    app.connect("autodoc-skip-member", skip_aliases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
