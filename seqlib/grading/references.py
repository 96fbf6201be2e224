"""The right functions in a process of their own, for arguments that students chose.

Where an earlier function of a student's notebook is wrong, a later question is asked
once more with the right one in its place. The student's code calls it, so it may be
called with anything: it runs under limits, and never inside the sandbox.
"""

from __future__ import annotations

import inspect
import os
import resource
import select
import subprocess
import sys
import time
from typing import Any

from seqlib.grading import wire
from seqlib.grading.exercises import find
from seqlib.grading.outcome import Outcome, attempt

SECONDS = 2.0
MEMORY = 4 * 2**30


class References:
    """Answers calls of right functions; the process starts with the first."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> References:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __call__(self, id: str, *args: Any, **named: Any) -> Outcome:
        """Return what exercise `id`'s right function gives for these arguments.

        Raises
        ------
        TypeError
            The function does not take them.
        """
        args = inspect.signature(find(id).reference).bind(*args, **named).args
        if self._process is None:
            words = [sys.executable, "-m", "seqlib.grading.references"]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe)
            self._wait(20.0)  # it says that it is there
        stdin = self._process.stdin
        assert stdin is not None
        try:
            wire.send(stdin.fileno(), wire.dumps({"id": id, "args": args}))
            return Outcome(**self._wait(SECONDS))
        except (OSError, EOFError, TimeoutError, wire.WireError):
            self.stop()
            return Outcome(problem="the right function, too, fails on these arguments")

    def _wait(self, seconds: float) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        fd, until = self._process.stdout.fileno(), time.monotonic() + seconds

        def read(n: int) -> bytes:
            if not select.select([fd], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError
            return os.read(fd, n)

        return wire.loads(wire.receive(read))


def main() -> None:
    """Answer calls until there are none."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    wire.send(1, wire.dumps({}))
    while True:
        try:
            request = wire.loads(wire.receive(lambda n: os.read(0, n)))
        except EOFError:
            return
        outcome = attempt(find(request["id"]).reference, tuple(request["args"]))
        wire.send(1, wire.dumps({"result": outcome.result, "problem": outcome.problem}))


if __name__ == "__main__":
    main()
