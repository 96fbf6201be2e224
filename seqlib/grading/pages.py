"""Pages that stand alone: no script, no request, readable on paper and on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "templates"


def page(template: str, **values: Any) -> bytes:
    """Return one page; every value in it is text, whatever it holds."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(**values)
    return text.encode("utf-8", "replace")
