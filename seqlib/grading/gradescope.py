"""Gradescope: the package that it runs, and the results that it reads.

A submission that cannot be graded leaves no results.json and an exit status of 1, so
that Gradescope shows a failed autograder and gives no score: 0 would be a mark.
"""

from __future__ import annotations

import io
import os
import secrets
import tempfile
import zipfile
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import seqlib
from seqlib.grading.batch import (
    Terms,
    end_markers,
    grade_one,
    job,
    version,
)
from seqlib.grading.bubblewrap import can_contain
from seqlib.grading.marking import SECONDS
from seqlib.grading.results import ReportError
from seqlib.grading.submissions import in_folder

SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, as root, to make the image.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv bubblewrap
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {{
  echo "seqlib needs Python 3.11: choose a base image of Ubuntu 24.04 or newer" >&2
  exit 1
}}
python3 -m venv --copies /autograder/env
/autograder/env/bin/python -m pip install --no-cache-dir "{wheel}"
"""
RUN = """#!/usr/bin/env bash
# Gradescope runs this for each submission. It leaves no results.json, and a status
# other than 0, where nothing could be graded.
export OMP_NUM_THREADS=1
cd /autograder
exec /autograder/env/bin/python -m seqlib.grading gradescope {exercise:02} \\
  --grade /autograder/submission --results /autograder/results/results.json
"""


def package(exercise: int, wheel: Path | None = None) -> bytes:
    """Return the zip file that Gradescope takes as an autograder.

    Parameters
    ----------
    wheel : of seqlib, to go into the package; None to install the project's release

    Raises
    ------
    ReportError
        There is no such wheel, or no release that could be installed.
    """
    files: dict[str, tuple[bytes, int]] = {}
    if wheel is None:
        what = f"seqlib[grade] @ {_release()}"
    else:
        if wheel.suffix != ".whl" or not wheel.is_file():
            raise ReportError(
                f"{wheel} is no wheel; `python -m build --wheel` makes one"
            )
        files[wheel.name] = wheel.read_bytes(), 0o644
        what = f"/autograder/source/{wheel.name}[grade]"
    files["setup.sh"] = SETUP.format(wheel=what).encode(), 0o755
    files["run_autograder"] = RUN.format(exercise=exercise).encode(), 0o755
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, (data, mode) in sorted(files.items()):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = (0o100000 | mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, data)
    return out.getvalue()


def _release() -> str:
    urls = metadata("seqlib").get_all("Project-URL") or []
    found = dict(url.split(", ", 1) for url in urls if ", " in url)
    home, version = found.get("Repository", ""), seqlib.__version__
    if not home or home.endswith("/OWNER/REPO"):
        raise ReportError(
            "this copy of seqlib does not say where its releases are; give a wheel "
            "with --wheel"
        )
    return f"{home}/releases/download/v{version}/seqlib-{version}-py3-none-any.whl"


def grade(folder: Path, exercise: int) -> dict[str, Any]:
    """Grade the one submission in a folder, with cases that nobody has seen.

    Raises
    ------
    ReportError
        There is no such folder.
    """
    if not folder.is_dir():
        raise ReportError(f"there is no folder {folder}")
    found = in_folder(folder, exercise)
    terms = Terms(exercise, secrets.randbits(48), SECONDS, can_contain(), version())
    with tempfile.TemporaryDirectory(prefix="seqlib-grading-") as place:
        os.chmod(place, 0o755)
        try:
            return grade_one(terms, job(found, terms), place)
        finally:
            end_markers()


def results(result: dict[str, Any]) -> dict[str, Any]:
    """Return one result in the form of Gradescope's results.json.

    Raises
    ------
    ReportError
        It could not be graded, so there is no score.
    """
    if result["state"] != "graded":
        raise ReportError(result["reason"])
    text = f"{result['points']} of {result['max_points']} points."
    text += "".join(f"\nIn the notebook, {note}." for note in result.get("notes", ()))
    return {
        "score": result["points"],
        "output": text,
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(question) for question in result["questions"]],
    }


def _test(question: dict[str, Any]) -> dict[str, Any]:
    right = question["points"] == question["max_points"]
    return {
        "name": f"{question['title']}: {question['function']}",
        "number": question["id"].replace("-", "."),
        "score": question["points"],
        "max_score": question["max_points"],
        "status": "passed" if right else "failed",
        "output": "\n".join(_lines(question)) or "Right.",
        "output_format": "text",
        "visibility": "visible",
    }


def _lines(question: dict[str, Any]) -> list[str]:
    lines = []
    for loss in question["losses"]:
        lost = f" (-{loss['points']})" if loss["points"] else ""
        where = f" Called with {loss['where']}." if loss["where"] else ""
        lines.append(f"{loss['aspect']}{lost}: {loss['text']}.{where}")
        lines += [f"Hint: {loss['hint']}"] if loss["hint"] else []
    return lines
