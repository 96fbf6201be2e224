"""Experiments that take longer than a chapter's minute, with what they gave.

Each module measures one thing: `run(seed, **setting)` does it once, `SETTINGS` and
`SEEDS` say for what. `make experiments` runs all of them and stores the results beside
the module; a chapter runs a small version of the same function and shows what is
stored.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from seqlib._docstrings import without_docstrings

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all experiments."""
    return sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


def digest(name: str) -> str:
    """Return what tells one version of an experiment's code from another.

    The private modules of this folder that it imports belong to its code, and
    docstrings do not.
    """
    source = without_docstrings((FOLDER / f"{name}.py").read_text("utf-8"))
    for path in sorted(FOLDER.glob("_[a-z]*.py")):
        if path.stem in source:
            source += without_docstrings(path.read_text("utf-8"))
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def stored(name: str) -> list[dict[str, Any]]:
    """Return the runs of an experiment as they were stored.

    Parameters
    ----------
    name : the experiment's module, such as "adding"

    Returns
    -------
    one dict a run: the setting's entries, "seed", and what the run gave

    Raises
    ------
    ValueError
        There is no such experiment, or it has not been run yet.
    """
    if name not in names():
        known = ", ".join(names()) or "none yet"
        raise ValueError(f"there is no experiment {name!r}; the experiments: {known}")
    path = FOLDER / f"{name}.json"
    if not path.exists():
        raise ValueError(
            f"the experiment {name} has not been run: make experiments ONLY={name}"
        )
    return json.loads(path.read_text("utf-8"))["runs"]
