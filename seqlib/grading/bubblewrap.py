"""bubblewrap's words: what can be seen in a sandbox, and what not.

No network; a read-only system with nothing in it but Python, the packages that the
exercise allows and a `seqlib` without the answers; a /tmp of its own.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

HOME = "/grader"
PYTHONPATH = f"{HOME}/seqlib:{HOME}/packages"


@functools.cache
def can_contain() -> bool:
    """Tell whether bubblewrap runs here; that it is installed is not enough."""
    if not shutil.which("bwrap"):
        return False
    words = [*_system(os.getuid() == 0), "--", "/bin/true"]
    return not subprocess.run(["bwrap", *words], capture_output=True).returncode


def command(
    inner: Sequence[str], library: Path, packages: tuple[str, ...]
) -> list[str]:
    """Return the command that runs another one in a sandbox.

    Parameters
    ----------
    inner : the command that runs inside
    library : the folder that holds the `seqlib` to be seen
    packages : what may be imported beside the standard library and `seqlib`
    """
    system = _system(os.getuid() == 0)
    return ["bwrap", *system, *_imports(library, packages), "--", *inner]


def _imports(library: Path, packages: tuple[str, ...]) -> list[str]:
    """Return bubblewrap's words for what can be imported."""
    words = _folders(HOME, f"{HOME}/seqlib", f"{HOME}/packages")
    words += ["--ro-bind", str(library), f"{HOME}/seqlib"]
    for path in _paths(packages):
        words += ["--ro-bind", str(path), f"{HOME}/packages/{path.name}"]
    return [*words, "--remount-ro", "/"]


def _folders(*paths: str) -> list[str]:
    """Return bubblewrap's words for folders that everybody may enter."""
    made = []
    for path in paths:
        for folder in [*reversed(Path(path).parents), Path(path)]:
            if str(folder) != "/":
                made += ["--perms", "0755", "--dir", str(folder)]
    return made


@functools.cache
def _system(root: bool) -> tuple[str, ...]:
    """Return bubblewrap's words for the system: what can be seen, and what not."""
    words = ["--die-with-parent", "--new-session", "--unshare-pid", "--unshare-net"]
    words += ["--as-pid-1"]  # no process of bubblewrap's own keeps our pipes open
    words += ["--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if root:
        words += ["--cap-drop", "ALL"]
        for right in ("CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_SYS_RESOURCE"):
            words += ["--cap-add", right]
    else:
        words += ["--unshare-user"]
    for path in ("/usr", "/lib", "/lib64", "/bin"):
        target = Path(path)
        if target.is_symlink():
            words += ["--symlink", os.readlink(target), path]
        elif target.exists():
            words += ["--ro-bind", path, path]
    base = str(Path(sys.base_prefix).resolve())
    if not base.startswith("/usr"):
        words += _folders(base)
        words += ["--ro-bind", base, base]
    for place in _installed(base):  # a seqlib with all its answers may be there
        words += ["--tmpfs", str(place)]
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += ["--perms", "1777", "--size", str(2**26), "--tmpfs", "/tmp"]
    words += ["--perms", "1777", "--size", str(2**26), "--tmpfs", "/dev/shm"]
    words += ["--remount-ro", "/dev", "--chdir", "/tmp"]
    return tuple(words)


@functools.cache
def _paths(packages: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the files and folders that packages need, with all that they require."""
    names, found = ["array-api-compat", *packages], {}
    for name in names:
        try:
            dist = distribution(name)
        except Exception:
            continue  # a requirement for another system
        for file in dist.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not top.endswith(".dist-info"):
                found[top] = Path(str(dist.locate_file(top)))
        for line in dist.requires or ():
            required = line.split(";")[0].strip()
            required = required.split("[")[0].split(" ")[0]
            for mark in "<>=!~(":
                required = required.split(mark)[0]
            if "extra ==" not in line and required not in names:
                names.append(required)
    return tuple(path for path in found.values() if path.exists())


def _installed(base: str) -> list[Path]:
    """Return the folders of packages in what can be seen."""
    patterns = [f"lib/python*/{kind}-packages" for kind in ("site", "dist")]
    patterns += [f"envs/*/{pattern}" for pattern in patterns]
    roots = {Path(base), Path("/usr"), Path("/usr/local")}
    found = {p for root in roots for pattern in patterns for p in root.glob(pattern)}
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())
