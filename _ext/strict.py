"""A warning comes back with every build until it is mended.

Sphinx reads and writes only the pages that changed, so a page that warned yesterday is
silent today, and a book that failed to build would pass the second time.
"""

from pathlib import Path


def forget(app, exception):
    """After a build with warnings let the next one begin from nothing."""
    if exception or app._warncount:
        Path(app.doctreedir, "environment.pickle").unlink(missing_ok=True)


def setup(app):
    """Register with Sphinx."""
    app.connect("build-finished", forget)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
