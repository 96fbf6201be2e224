"""The conversation with students' code: a sandbox is started, asked, heard and ended.

`seqlib.grading.bubblewrap` says what can be seen in it, and `seqlib.grading.replies`
reads what it sends. Its user owns nothing. Where bubblewrap does not run there are the
limits of the process alone, and `contained` says so.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqlib.grading import bubblewrap, wire
from seqlib.grading.inside.reading import LARGEST
from seqlib.grading.library import copy_library
from seqlib.grading.outcome import Outcome
from seqlib.grading.replies import ask_stand_in, read_outcome, read_sentence

MEMORY = 2**30  # bytes that a question may have
PROCESSES = 24
START = 60.0  # seconds in which a sandbox must be there
GRACE = 10.0  # seconds beyond the limit in which the sandbox must answer
READING = 12.0
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
                self._ask(ask_stand_in(given, answer["ask"]))
            elif "useless" in answer:
                self._finish(until)
                return read_sentence(answer["useless"])
            else:
                outcomes.append(read_outcome(answer, cases[len(outcomes)]))
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
            command = bubblewrap.command(inner, self.library, self.packages)
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
            return bubblewrap.PYTHONPATH
        return f"{self.library}:{os.pathsep.join(_site_packages())}"


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
