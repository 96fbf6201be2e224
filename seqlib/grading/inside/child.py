"""A process of its own for each piece of students' work, without any rights."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from seqlib.grading import wire

LOADING, LOADED, RESULT, ASK, USELESS, DONE = b"lLRAUD"  # first byte of a frame
Say = Callable[..., Any]
LIBC = ctypes.CDLL(None)
SET_DEATH_SIGNAL = 1  # of Linux's prctl: this process ends with its parent


class EndedError(Exception):
    """A child did not end as it should; the sentence says how it did."""


class Terms:
    """What a child may use, and how it is held apart.

    Attributes
    ----------
    uid : user of the children where this process is root, else None
    alone : whether all other processes are ours to kill
    memory : bytes that a child may have beside what it starts with
    processes : how many processes and threads it may have
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        self.uid, self.alone = setup["uid"], setup["alone"]
        self.memory, self.processes = setup["memory"], setup["processes"]

    def accept(self, seconds: float) -> None:
        """Give up all rights that a child does not need."""
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
        most = pages * resource.getpagesize() + self.memory
        _limit(resource.RLIMIT_AS, most)
        _limit(resource.RLIMIT_CPU, int(seconds) + 2)
        _limit(resource.RLIMIT_FSIZE, 2**24)
        _limit(resource.RLIMIT_NOFILE, 64)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_MSGQUEUE, 0)  # a queue would outlive its process
        if self.uid is not None:
            os.setgroups([])
            os.setgid(self.uid)
            os.setuid(self.uid)
        LIBC.prctl(SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        _limit(resource.RLIMIT_NPROC, self.processes)
        os.setsid()
        os.chdir("/tmp")


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def run(
    work: Callable[[Say], None],
    seconds: float,
    terms: Terms,
    ask: Callable[[bytes], bytes] | None = None,
    private: Iterable[int] = (),
) -> Iterator[tuple[int, bytes]]:
    """Run `work` in a child and yield its frames; `ask` answers its questions.

    The child has none of the `private` files. When the iterator ends, so does the
    child.

    Raises
    ------
    EndedError
        The child did not say that it was done.
    """
    out, say = os.pipe()
    listen, into = os.pipe()
    pid = os.fork()
    if not pid:
        _be_child(work, say, listen, terms, seconds, {out, into, *private})
    for fd in (say, listen):
        os.close(fd)
    read = _reader(out, time.monotonic() + seconds)
    try:
        while True:
            frame = wire.receive(read)
            if frame[:1] == bytes([DONE]):
                return
            if frame[:1] == bytes([ASK]) and ask is not None:
                with contextlib.suppress(BrokenPipeError):
                    wire.send(into, ask(frame[1:]))
            elif frame:
                yield frame[0], frame[1:]
    except EOFError:
        raise EndedError(f"it ended the process that ran it{_how(pid)}") from None
    except TimeoutError:
        raise EndedError(f"it took longer than {seconds:.2g} seconds") from None
    except wire.WireError:
        most = wire.LIMIT // 2**20
        raise EndedError(f"its result is larger than {most} MB") from None
    finally:
        for fd in (out, into):
            os.close(fd)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _be_child(
    work: Callable[[Say], None],
    out: int,
    into: int,
    terms: Terms,
    seconds: float,
    private: set[int],
) -> None:
    """Be the child: give up all rights, do the work, go."""

    def say(kind: int, value: Any = None) -> Any:
        if kind == LOADING:
            return wire.send(out, bytes([kind, value % 256, value // 256]))
        try:
            block = b"" if value is None else wire.dumps(value)
        except wire.WireError as error:
            block = wire.dumps({"problem": f"it must return arrays: {error}"})
        wire.send(out, bytes([kind]) + block)
        if kind == ASK:
            return wire.loads(wire.receive(lambda n: os.read(into, n)))
        return None

    with contextlib.suppress(BaseException):
        for fd in private:
            os.close(fd)
        terms.accept(seconds)
        work(say)
        say(DONE)
    os._exit(0)


def _reader(fd: int, until: float) -> Callable[[int], bytes]:
    def read(n: int) -> bytes:
        left = until - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise TimeoutError
        return os.read(fd, n)

    return read


def _how(pid: int) -> str:
    """Say by which signal a child ended; "" if by none."""
    for _ in range(50):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            if not os.WIFSIGNALED(status):
                return ""
            return f" ({signal.Signals(os.WTERMSIG(status)).name})"
        time.sleep(0.001)
    return ""
