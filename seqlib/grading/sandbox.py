"""A sandbox for students' code, seen from outside.

bubblewrap makes it: no network, a read-only system with nothing in it but Python, the
packages that the exercise allows and a `seqlib` without the answers; a /tmp of its own,
and a user who owns nothing. Where bubblewrap does not run there are the limits of the
process alone, and `contained` says so.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlib.grading import wire
from seqlib.grading.inside.reading import LARGEST
from seqlib.grading.library import copy_library
from seqlib.grading.outcome import NotDataError, Outcome, plain

HOME = "/grader"
MEMORY = 2**30  # bytes that a question may have
PROCESSES = 24
START = 60.0  # seconds in which a sandbox must be there
GRACE = 10.0  # seconds beyond the limit in which the sandbox must answer
READING = 12.0
WORDS = 2**20  # bytes of a result beside its arrays
UNREADABLE = "it sent back what cannot be read"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
}


class SandboxError(Exception):
    """The sandbox itself failed, which says nothing about the work in it."""


class Notebook(NamedTuple):
    """What the sandbox says of a notebook.

    Attributes
    ----------
    reason : why it cannot be read, "" if it can
    faults : a sentence for each cell that is no Python
    needs : by function, the names of the notebook that it needs
    """

    reason: str
    faults: tuple[str, ...]
    needs: dict[str, list[str]]


class Sandbox:
    """One sandbox, started when first needed and again whenever it is lost.

    Parameters
    ----------
    without : dotted names that `seqlib` must lack, as "seqlib.recurrent"
    packages : what may be imported beside the standard library and `seqlib`
    contained : False to do without bubblewrap
    folder : where the library is written, or None for the system's place
    """

    def __init__(
        self,
        without: Iterable[str] = (),
        packages: Iterable[str] = ("numpy",),
        contained: bool = True,
        folder: Path | None = None,
    ) -> None:
        self.packages = tuple(packages)
        self.contained = contained
        self._folder = tempfile.TemporaryDirectory(prefix="seqlib-", dir=folder)
        os.chmod(self._folder.name, 0o755)
        self.library = Path(self._folder.name)
        copy_library(self.library, without)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    @property
    def running(self) -> bool:
        """Whether there is a sandbox that has read a notebook."""
        return self._process is not None

    def stop(self) -> None:
        """End everything that runs in the sandbox."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def read(self, notebook: bytes, functions: Sequence[str] = ()) -> Notebook:
        """Give the sandbox a notebook, for the calls that follow.

        Raises
        ------
        SandboxError
            The sandbox was lost.
        """
        if self.running:  # what has read the last one ends
            self._ask({"over": True})
            self._finish(time.monotonic() + GRACE)
        data = np.frombuffer(notebook[: LARGEST + 1], np.uint8)
        self._ask({"notebook": data, "functions": list(functions)})
        until = time.monotonic() + READING + GRACE
        found = self._answer(until)
        self._finish(until)
        return Notebook(found["reason"], tuple(found["faults"]), found["needs"])

    def call(
        self,
        function: str,
        parameters: Sequence[str],
        cases: Sequence[tuple[Any, ...]],
        seconds: float,
        stand_ins: dict[str, Callable[..., Outcome]] | None = None,
    ) -> list[Outcome] | str:
        """Call a function of the notebook on each case's arguments.

        Parameters
        ----------
        seconds : for all cases together
        stand_ins : functions that take the place of the notebook's own

        Returns
        -------
        one outcome for each case, or why there is nothing to call

        Raises
        ------
        SandboxError
            The sandbox was lost; the next call of `read` starts another.
        """
        given = stand_ins or {}
        request = {
            "function": function,
            "parameters": list(parameters),
            "stand_ins": list(given),
            "cases": list(cases),
            "seconds": seconds,
        }
        self._ask(request)
        until = time.monotonic() + 4 * seconds + GRACE  # it may start anew three times
        outcomes: list[Outcome] = []
        while len(outcomes) < len(cases):
            answer = self._answer(until)
            if "ask" in answer:
                self._ask(_stand_in(given, answer["ask"]))
            elif "useless" in answer:
                self._finish(until)
                return _sentence(answer["useless"])
            else:
                outcomes.append(_outcome(answer, cases[len(outcomes)]))
        self._finish(until)
        return outcomes

    def _ask(self, request: dict[str, Any]) -> None:
        process = self._process or self._start()
        try:
            assert process.stdin is not None
            wire.send(process.stdin.fileno(), wire.dumps(request))
        except OSError:
            raise self._lost("it is gone") from None

    def _answer(self, until: float) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        fd = process.stdout.fileno()

        def read(n: int) -> bytes:
            left = until - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise TimeoutError
            return os.read(fd, n)

        try:
            answer = wire.loads(wire.receive(read, 3 * wire.LIMIT))
        except EOFError:
            raise self._lost("it ended") from None
        except TimeoutError:
            raise self._lost("it did not answer in time") from None
        except wire.WireError as error:
            raise self._lost(f"it sent what cannot be read: {error}") from None
        if not isinstance(answer, dict):
            raise self._lost("it sent what cannot be read")
        return answer

    def _finish(self, until: float) -> None:
        answer = self._answer(until)
        if answer.get("done") is not True or type(answer.get("left")) is not bool:
            raise self._lost("it sent more than was asked for")
        if answer["left"]:  # files or processes, which nobody else must find
            self.stop()

    def _lost(self, why: str) -> SandboxError:
        self.stop()
        return SandboxError(f"the sandbox was lost: {why}")

    def _start(self) -> subprocess.Popen[bytes]:
        root = os.getuid() == 0
        other = root and (self.contained or _everybody_may_enter(sys.base_prefix))
        uid = 60_000 + os.getpid() % 5_000 if other else None
        inner = [
            str(Path(sys.executable).resolve()),
            "-S",
            "-m",
            "seqlib.grading.inside",
        ]
        inner[0] = getattr(sys, "_base_executable", inner[0]) or inner[0]
        environment = ENVIRONMENT | {"PYTHONPATH": self._path()}
        command = inner
        if self.contained:
            command = ["bwrap", *_system(root), *self._binds(), "--", *inner]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        setup = {
            "uid": uid,
            "alone": self.contained,
            "memory": MEMORY,
            "processes": PROCESSES if self.contained or root else _mine() + PROCESSES,
            "preload": [name for name in self.packages if name != "array_api_compat"],
        }
        self._ask(setup)
        self._finish(time.monotonic() + START)
        return self._process

    def _path(self) -> str:
        if self.contained:
            return f"{HOME}/seqlib:{HOME}/packages"
        return f"{self.library}:{os.pathsep.join(_site_packages())}"

    def _binds(self) -> list[str]:
        binds = _folders(HOME, f"{HOME}/seqlib", f"{HOME}/packages")
        binds += ["--ro-bind", str(self.library), f"{HOME}/seqlib"]
        for path in _paths(self.packages):
            binds += ["--ro-bind", str(path), f"{HOME}/packages/{path.name}"]
        return [*binds, "--remount-ro", "/"]


def _stand_in(given: dict[str, Callable[..., Outcome]], block: Any) -> dict[str, Any]:
    """Answer a question from inside: what the right function gives."""
    try:
        wanted = _loads(block)
        outcome = given[wanted["name"]](*wanted["args"], **wanted["named"])
    except (wire.WireError, KeyError, TypeError) as error:
        return {"problem": f"it cannot be asked for that: {error}", "result": None}
    return {"problem": outcome.problem, "result": outcome.result}


def _outcome(answer: dict[str, Any], args: tuple[Any, ...]) -> Outcome:
    """Turn what came out into an outcome; nothing in it is believed without a look."""
    if "problem" in answer:
        return Outcome(problem=str(answer["problem"]))
    try:
        said = _loads(answer["result"])
        problem, error = said["problem"], said.get("error", "")
        if not isinstance(problem, str) or not isinstance(error, str):
            raise TypeError
        if problem:
            return Outcome(problem=clean(problem), error=clean(error))
        result, inputs = plain(said["result"]), plain(said["inputs"])
        if answer["changed"].size:  # the memory itself, whatever was said of it
            inputs = plain(_loads(answer["changed"]))
        if not isinstance(inputs, tuple) or len(inputs) != len(args):
            raise TypeError
    except (wire.WireError, NotDataError, KeyError, TypeError, AttributeError):
        return Outcome(problem=UNREADABLE)
    return Outcome(result, inputs)


def _sentence(block: Any) -> str:
    try:
        return clean(str(_loads(block)))
    except wire.WireError:
        return UNREADABLE


def _loads(block: Any) -> Any:
    return wire.loads(np.asarray(block, np.uint8).tobytes(), WORDS)


def clean(text: str, most: int = 500) -> str:
    """Return text in one line, without signs that nobody sees, cut where it is long."""
    text = " ".join(text[: 4 * most].split())
    text = "".join(c for c in text if unicodedata.category(c)[0] != "C")
    return text if len(text) <= most else text[:most] + "…"


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


def _everybody_may_enter(folder: str) -> bool:
    path = Path(folder).resolve()
    return all(p.stat().st_mode & 0o001 for p in (path, *path.parents))


def _site_packages() -> list[str]:
    return [path for path in sys.path if path.endswith("site-packages")]


def _mine() -> int:
    """Return how many processes and threads this user has."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            if path.stat().st_uid == os.getuid():
                text = path.read_text()
                count += int(text.partition("Threads:")[2].split()[0])
        except (OSError, IndexError, ValueError):
            continue
    return count


@functools.cache
def can_contain() -> bool:
    """Tell whether bubblewrap runs here; that it is installed is not enough."""
    if not shutil.which("bwrap"):
        return False
    words = [*_system(os.getuid() == 0), "--", "/bin/true"]
    return not subprocess.run(["bwrap", *words], capture_output=True).returncode
