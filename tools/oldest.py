"""Test the array functions with numpy alone, the oldest that pyproject.toml admits.

`python tools/oldest.py` makes an environment for the Python that runs it, with the
lowest version of each dependency for which there is a wheel, without torch, and runs
there what needs no more. It fails where less was run than there should be: a test that
was skipped proves nothing.
"""

from __future__ import annotations

import subprocess
import sys
import venv
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-oldest" / "{}.{}".format(*sys.version_info)
PYTHON = FOLDER / "bin" / "python"
FREE = ("numpy", "array-api-compat")  # as pyproject.toml says, not as is pinned
TESTS = ("tests/test_every_function.py", "tests/test_errors.py")
LEAST = 900  # tests that must have run; there are more each time a function is added
WHAT = (
    "import platform, importlib.metadata as m, importlib.util as u;"
    "assert u.find_spec('torch') is None;"
    "print('Python', platform.python_version(),"
    " *(f'{n} {m.version(n)}' for n in ('numpy', 'array-api-compat')), sep=', ')"
)


def main() -> int:
    """Make the environment, run the tests, and count them."""
    prepare()
    report = FOLDER / "report.xml"
    options = ["-q", "-m", "not torch", "-p", "no:cacheprovider"]
    run(PYTHON, "-c", WHAT)
    command = [PYTHON, "-m", "pytest", *options, f"--junitxml={report}", *TESTS]
    status = subprocess.run(command, cwd=ROOT).returncode
    ran, skipped = counts(report)
    print(f"with numpy alone {ran} tests ran, {skipped} were skipped")
    if skipped or ran < LEAST:
        print(f"at least {LEAST} must run, and none be skipped")
        return 1
    return status


def prepare() -> None:
    """Make the environment, if it is not there."""
    done = FOLDER / "done"
    if (
        done.exists()
        and done.stat().st_mtime > (ROOT / "pyproject.toml").stat().st_mtime
    ):
        return
    venv.create(FOLDER, clear=True, with_pip=True)
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines(keepends=True)
    pins = FOLDER / "constraints.txt"
    pins.write_text("".join(x for x in lines if x.partition("==")[0] not in FREE))
    run(PYTHON, "-m", "pip", "install", "--quiet", "--constraint", pins, "uv")
    install = (FOLDER / "bin" / "uv", "pip", "install", "--quiet", "--python", PYTHON)
    lowest = ("--resolution", "lowest-direct", "--only-binary", "numpy")
    run(*install, *lowest, "--editable", ROOT)
    run(*install, "--constraint", pins, "pytest", "array-api-strict", "sacrebleu")
    done.touch()


def counts(report: Path) -> tuple[int, int]:
    """Return how many tests ran, and how many were skipped."""
    suite = ET.parse(report).getroot().find("testsuite")
    assert suite is not None
    skipped = int(suite.attrib["skipped"])
    return int(suite.attrib["tests"]) - skipped, skipped


def run(*command: object) -> None:
    """Run a command, and stop where it fails."""
    subprocess.run([str(word) for word in command], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
