"""The source of a function, highlighted, where a chapter is about that very code."""

from __future__ import annotations

import inspect
from typing import Any

from seqlib._docstrings import without_docstrings

from .figures import asset, publish


def source(obj: Any, docstring: bool = False) -> None:
    """Display the source of `obj`: a function, a class or a module.

    Parameters
    ----------
    obj : object
        What `inspect.getsource` can find.
    docstring : bool
        Whether to show docstrings; the chapter around it usually says the same.

    Raises
    ------
    TypeError
        If `obj` has no source in Python.
    """
    try:
        code = inspect.cleandoc("\n" + inspect.getsource(obj))
    except (TypeError, OSError) as error:
        name = getattr(obj, "__name__", type(obj).__name__)
        raise TypeError(f"{name} has no Python source to show") from error
    code = code if docstring else without_docstrings(code)
    publish({"text/html": highlighted(code), "text/plain": code})


def highlighted(code: str) -> str:
    """Colour the code by Pygments' classes, which the book's own theme knows too."""
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer
    except ImportError:
        from html import escape

        return f"<pre>{escape(code)}</pre>"
    html = highlight(code, PythonLexer(), HtmlFormatter()).strip()
    html = html.replace("<pre>", '<pre tabindex="0">')
    style = asset("listing.css")
    return f'<style>{style}</style><div class="seqlib-source">{html}</div>'
