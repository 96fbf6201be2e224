"""The conversation with the grader, and order between one question and the next."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seqlib.grading import wire
from seqlib.grading.inside import reading
from seqlib.grading.inside.child import (
    LOADED,
    LOADING,
    RESULT,
    USELESS,
    EndedError,
    Say,
    Terms,
    run,
)
from seqlib.grading.inside.question import Question

Frame = tuple[int, bytes]
SKIPS = 3  # statements at the top level that may hang or crash before we give up


class Server:
    """The conversation with the grader: notebooks to read, functions to call."""

    def __init__(self, requests: int, answers: int, terms: Terms) -> None:
        self.requests, self.answers, self.terms = requests, answers, terms
        self.statements: list[reading.Statement] = []

    def hear(self) -> dict[str, Any]:
        """Wait for the next request."""
        return wire.loads(wire.receive(lambda n: os.read(self.requests, n)))

    def tell(self, **answer: Any) -> None:
        """Send one answer."""
        wire.send(self.answers, wire.dumps(answer))

    def serve(self) -> bool:
        """Answer requests about one notebook; return whether another may follow."""
        with contextlib.suppress(EOFError):
            while True:
                request = self.hear()
                if "over" in request:
                    self.tell(done=True, left=False)
                    return True
                self.read(**request) if "notebook" in request else self.call(**request)
                self.tell(done=True, left=self.sweep())
        return False

    def read(self, notebook: np.ndarray, functions: list[str]) -> None:
        """Find a notebook's statements, in a child, since the file may be anything.

        Tells why it cannot be read, or for each function which names of the notebook
        it needs.
        """
        data = notebook.tobytes()

        def work(say: Say) -> None:
            try:
                statements, faults = reading.read(data)
            except reading.UnreadableError as error:
                return say(RESULT, {"reason": str(error)})
            texts = list(faults.values())
            if len(texts) > reading.FAULTS:
                texts[reading.FAULTS :] = [f"so are {len(texts) - reading.FAULTS} more"]
            needs = {
                name: [n for s in reading.needed(statements, name) for n in s.binds]
                for name in functions
            }
            rows = [tuple(statement) for statement in statements]
            found = {"reason": "", "rows": rows, "faults": texts, "needs": needs}
            say(RESULT, found)

        self.statements, found = [], {"reason": "it cannot be read: "}
        try:
            for _, block in self.run(work, 10.0):
                found = wire.loads(block)
        except EndedError as ended:
            found["reason"] += str(ended)
        self.statements = [reading.Statement(*row) for row in found.get("rows", ())]
        needs = found.get("needs", {})
        self.tell(reason=found["reason"], faults=found.get("faults", []), needs=needs)

    def call(
        self,
        function: str,
        parameters: list[str],
        stand_ins: list[str],
        cases: list[tuple],
        seconds: float,
    ) -> None:
        """Call a function on each case, in a new child wherever one does not survive.

        Tells one answer for each case, or `useless` for the function as a whole.
        """
        blocks = [wire.dumps(args) for args in cases]
        rooms = [_room(block) for block in blocks]
        skipped: dict[int, str] = {}
        at, until = 0, time.monotonic() + seconds
        while at < len(cases):
            loading = None

            def work(say: Say, first: int = at) -> None:
                needed = reading.needed(self.statements, function, stand_ins)
                question = Question(function, parameters, needed, skipped)
                question.answer(say, stand_ins, rooms[first:])

            try:
                for kind, block in self.run(work, until - time.monotonic()):
                    if kind == LOADING:
                        loading = int.from_bytes(block, "little")
                    elif kind == LOADED:
                        loading = None
                    elif kind == USELESS:
                        return self.tell(useless=_bytes(block))
                    else:
                        now = rooms[at][: len(blocks[at])]
                        changed = b"" if now == blocks[at] else now
                        self.tell(result=_bytes(block), changed=_bytes(changed))
                        at += 1
                        if at == len(cases):
                            break
                else:
                    raise EndedError("it ended before it had answered")
            except EndedError as ended:
                if loading is not None and len(skipped) < SKIPS:
                    skipped[loading] = str(ended)
                    until = time.monotonic() + seconds
                    continue
                late = time.monotonic() >= until or loading is not None
                for _ in range(at, len(cases) if late else at + 1):
                    self.tell(problem=str(ended))
                    at += 1

    def run(self, work: Callable[[Say], None], seconds: float) -> Iterator[Frame]:
        """Run `work` in a child that may ask the grader; see `child.run`."""

        def ask(question: bytes) -> bytes:
            self.tell(ask=_bytes(question))
            return wire.dumps(self.hear())

        return run(work, seconds, self.terms, ask, (self.requests, self.answers))

    def sweep(self) -> bool:
        """Tell whether anything is left for the next one: a process, a file.

        Then this whole sandbox is of no more use.
        """
        if not self.terms.alone:
            for pid in _children():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return self.terms.alone and (_processes() or _files() or _segments())


def _room(block: bytes) -> mmap.mmap:
    """Return memory that a child shares, so that we see what it does to the block."""
    room = mmap.mmap(-1, max(len(block), 1))
    room[: len(block)] = block
    return room


def _children() -> list[int]:
    """Return the children of this process, adopted ones too."""
    found: list[int] = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as file:
            found += map(int, file.read().split())
    return found


def _processes() -> bool:
    """Tell whether there are any but the first, our parent and ourselves."""
    ours = {"1", str(os.getppid()), str(os.getpid())}
    return any(name.isdecimal() and name not in ours for name in os.listdir("/proc"))


def _files() -> bool:
    return any(map(os.listdir, ("/tmp", "/dev/shm")))


def _segments() -> bool:
    """Tell whether there is shared memory and the like that outlives its process."""
    for kind in ("shm", "sem", "msg"):
        with contextlib.suppress(OSError), open(f"/proc/sysvipc/{kind}") as file:
            if len(file.read().splitlines()) > 1:
                return True
    return False


def _bytes(block: bytes) -> np.ndarray:
    return np.frombuffer(block, np.uint8)
