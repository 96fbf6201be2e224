"""Try mutants, each in a fork of one pytest session that has collected the tests.

mutmut would collect them again for every mutant, which takes seconds; a mutant itself
takes a hundredth of one. First a fork runs every test as it stands and notes which
functions it reaches and how long it takes; then every mutant gets the tests that reach
its function until one fails: first those that have failed for others of the function's
mutants, then the quick ones.
"""

from __future__ import annotations

import gc
import os
import pickle
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import is_hypothesis_test
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from tqdm import tqdm

KILLED, SURVIVED, UNREACHED, TIMEOUT = 1, 0, 33, 36  # exit codes, as mutmut has them
PATIENCE, LEAST = 3, 5  # times what a test takes, and so many seconds more


class Seen(NamedTuple):
    """What one test does as it stands."""

    passed: bool
    seconds: float
    reached: frozenset[str]


class Trial(NamedTuple):
    """What became of a mutant: mutmut's exit code, and how long it took."""

    code: int
    seconds: float
    failed: str = ""  # the test that did, by pytest's name


def function_of(mutant: str) -> str:
    """Return the function that a mutant changes, by mutmut's name of it."""
    return mutant.partition("__mutmut_")[0]


def passes(item: pytest.Item) -> bool:
    """Run one test with its fixtures, on its own."""
    return not any(r.failed for r in runtestprotocol(item, log=False, nextitem=None))


def silent() -> None:
    """Send what a fork prints nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def watch(items: Iterable[pytest.Item]) -> dict[str, Seen]:
    """Run all tests as they stand, in a fork; return what was seen, by their names."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        seen = {}
        set_mutant_under_test("stats")
        for item in tqdm(items, "tests as they stand", disable=None):
            started = time.monotonic()
            state()._stats.clear()
            passed = passes(item)
            spent = time.monotonic() - started
            seen[item.nodeid] = Seen(passed, spent, frozenset(state()._stats))
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(seen, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        seen = pickle.load(pipe)
    os.wait()
    return seen


def within(item: pytest.Item, usual: float) -> pytest.Item:
    """Let this process be killed if the test takes much longer than usual."""
    limit = int(LEAST + PATIENCE * usual)
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + limit, most))
    signal.alarm(10 * limit)  # for what waits and does not compute
    return item


def attempt(mutant: str, items: dict[pytest.Item, float]) -> Trial:
    """Run these tests, given with their usual seconds, in a fork until one fails."""
    if not items:
        return Trial(UNREACHED, 0.0)
    started = time.monotonic()
    reading, writing = os.pipe()
    fork = os.fork()
    if fork == 0:
        code = KILLED
        try:
            silent()
            set_mutant_under_test(mutant)
            tests = (within(item, usual) for item, usual in items.items())
            broken = next((item for item in tests if not passes(item)), None)
            code = KILLED if broken else SURVIVED
            os.write(writing, broken.nodeid.encode() if broken else b"")
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        failed = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
    return Trial(code if code >= 0 else TIMEOUT, time.monotonic() - started, failed)


class Forks:
    """A plugin of pytest: all mutants of the list take the place of the tests' run."""

    def __init__(
        self,
        mutants: list[str],
        belongs: Callable[[str, str], bool],
        store: Callable[[str, Trial], None],
        drawing: bool = False,
    ) -> None:
        self.mutants = mutants
        self.drawing = drawing  # only what draws examples, since there are more now
        self.belongs = belongs  # of a test's name and a mutant's: is it for this one?
        self.store = store
        self.trouble: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests that are for some mutant."""
        modules = {mutant.rpartition(".")[0]: mutant for mutant in self.mutants}
        for_some = modules.values()
        items[:] = [
            i
            for i in items
            if any(self.belongs(i.nodeid, m) for m in for_some)
            if not self.drawing or is_hypothesis_test(i.obj)
        ]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """See what the tests do; unless one fails already, try the mutants."""
        seen = watch(session.items)
        if broken := [name for name, test in seen.items() if not test.passed]:
            self.trouble = ["These fail as they stand:", *broken]
        elif not (self.drawing or any(test.reached for test in seen.values())):
            self.trouble = ["No test reaches a function that was changed."]
        if self.trouble:
            return True
        failures: Counter[tuple[str, str]] = Counter()  # of a function, by a test
        gc.freeze()  # or every fork would copy what its collector touches
        for mutant in tqdm(self.mutants, "mutants", disable=None):
            function = function_of(mutant)
            items = [
                item
                for item in session.items
                if function in seen[item.nodeid].reached
                and self.belongs(item.nodeid, mutant)
            ]
            usual = {item: seen[item.nodeid].seconds for item in items}
            items.sort(key=lambda i: (-failures[function, i.nodeid], usual[i]))
            trial = attempt(mutant, {item: usual[item] for item in items})
            failures[function, trial.failed] += 1
            self.store(mutant, trial)
        return True
