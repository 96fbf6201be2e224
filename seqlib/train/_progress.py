"""A progress bar where someone looks, and no trace of it in a stored notebook."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def bar(total: int, done: int, wanted: bool | None) -> tqdm:
    """Return tqdm's bar: in a notebook, in a terminal, or disabled elsewhere.

    None asks whether there is a notebook or a terminal; True draws in any case.
    """
    page = _notebook() if wanted is not False else None
    file = _Page(page) if page else sys.stderr
    terminal = sys.stderr is not None and sys.stderr.isatty()  # None under pythonw
    seen = page is not None or terminal if wanted is None else wanted
    return tqdm(
        total=total,
        initial=done,
        file=file,
        disable=not seen,
        leave=page is None,
        unit="step",
        dynamic_ncols=page is None,
        ncols=80 if page else None,
    )


def _notebook() -> Any:
    """Return IPython's `display` in a notebook, None elsewhere."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython
    from IPython.display import display

    return display if getattr(get_ipython(), "kernel", None) else None


class _Page:
    """A file for tqdm to write to: one output that is drawn over, at last with nothing.

    A stored notebook keeps the last state of an output. It must not depend on speed.
    """

    def __init__(self, display: Any) -> None:
        self.handle = display(_plain(""), raw=True, display_id=True)

    def write(self, text: str) -> None:
        line = text.strip("\r\n")
        if line:
            self.handle.update(_plain(line.strip()), raw=True)

    def flush(self) -> None:
        """Do nothing: what is written is shown at once."""


def _plain(line: str) -> dict[str, str]:
    html = f"<pre>{line.replace('&', '&amp;').replace('<', '&lt;')}</pre>"
    return {"text/plain": line, "text/html": html if line else ""}
