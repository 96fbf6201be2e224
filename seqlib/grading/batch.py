"""A class's notebooks, graded one after the other or side by side.

Each result is a file of its own, written when it is there, and named after what it
belongs to. So a run that was ended goes on where it was, and nothing is graded twice.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import secrets
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import seqlib
from seqlib.grading.files import file_name, write
from seqlib.grading.marking import LOST, Marker
from seqlib.grading.replies import clean
from seqlib.grading.submissions import BatchError, Submission, read_submission

SETTINGS = ".settings.json"  # no student has a name with a dot in front
TRIES = 2  # processes that one submission may bring down
FAULT = "a fault of the grader, not of the notebook"


class Job(NamedTuple):
    """A submission, its bytes, and the key that its result will have."""

    submission: Submission
    data: bytes
    key: str


@dataclass(frozen=True)
class Terms:
    """What all submissions of a batch have in common."""

    exercise: int
    seed: int
    seconds: float
    contained: bool
    version: str

    def key(self, data: bytes) -> str:
        """Return what names a result: another notebook or grader makes another."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        digest.update(hashlib.sha256(data).digest())
        return digest.hexdigest()


@functools.cache
def version() -> str:
    """Return the digest of the grader's own source and of what the references use."""
    root = Path(seqlib.__file__).parent
    digest = hashlib.sha256(np.__version__.encode())
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Batch:
    """One folder of results and the terms under which they come about.

    Raises
    ------
    BatchError
        The folder holds the results of another exercise, or of another seed.
    """

    def __init__(
        self,
        results: Path,
        exercise: int,
        seed: int | None = None,
        seconds: float = 5.0,
        contained: bool = True,
    ) -> None:
        self.results = results
        path = results / SETTINGS
        known = _settings(path)
        old = known.get("exercise", exercise)
        if old != exercise:
            raise BatchError(
                f"{results} holds the results of exercise {old:02}, not of "
                f"{exercise:02}; name another folder with --out"
            )
        if seed is None:
            seed = known.get("seed", secrets.randbits(48))
        elif known.get("seed", seed) != seed:
            raise BatchError(
                f"{results} was graded with another seed; leave --seed out, or name "
                "another folder with --out"
            )
        self.terms = Terms(exercise, seed, seconds, contained, version())
        try:
            results.mkdir(parents=True, exist_ok=True)
            if not known:
                write(path, {"exercise": exercise, "seed": seed}, 0o600)
        except OSError as error:
            what = error.strerror or error
            raise BatchError(f"{results} cannot be written to: {what}") from None

    def path(self, name: str) -> Path:
        """Return where a submission's result stands."""
        return self.results / file_name(name, ".json")

    def job(self, submission: Submission) -> Job:
        """Read a submission: what there is to do."""
        return job(submission, self.terms)

    def has(self, job: Job) -> bool:
        """Tell whether this very notebook has been graded under these terms."""
        try:
            stored = json.loads(self.path(job.submission.name).read_text("utf-8"))
            return stored["key"] == job.key
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def store(self, result: dict[str, Any]) -> None:
        """Write one result, whole or not at all."""
        write(self.path(result["submission"]), result)


def _settings(path: Path) -> dict[str, int]:
    """Return what is known of a folder of results, nothing if it is new."""
    try:
        known = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError):
        known = None
    if not isinstance(known, dict) or not all(type(n) is int for n in known.values()):
        raise BatchError(
            f"{path}, the settings of these results, cannot be read; name another "
            "folder with --out"
        )
    return known


def job(submission: Submission, terms: Terms) -> Job:
    """Read a submission: what there is to do."""
    try:
        data = read_submission(submission)
    except OSError as error:
        data, what = b"", f"it cannot be opened: {error.strerror or error}"
        submission = submission._replace(path=None, reason=what)
    return Job(submission, data, terms.key(data + submission.reason.encode()))


_LOCAL = threading.local()


def grade_one(terms: Terms, job: Job, folder: str | None) -> dict[str, Any]:
    """Grade one submission in this process, whose sandboxes stay for the next."""
    name, _, reason = job.submission
    marker = _marker(terms, folder)
    if reason:
        return {**marker.failed(name, reason).as_json(), "key": job.key}
    for _ in range(TRIES):
        try:
            result = marker.mark(name, job.data)
            break
        except Exception as error:  # one submission must not stop the others
            text = clean(f"{type(error).__name__}: {error}", 200)
            result = marker.failed(name, f"{FAULT}: {text}")
            marker = _marker(terms, folder, new=True)
    again = result.state == "failed" and result.reason.startswith((FAULT, LOST))
    return {**result.as_json(), "key": "" if again else job.key}


def _marker(terms: Terms, folder: str | None, new: bool = False) -> Marker:
    """Return this thread's marker for these terms."""
    marker = getattr(_LOCAL, "marker", None)
    if marker is not None and (new or _LOCAL.terms != terms):
        marker.__exit__()
        marker = None
    if marker is None:
        place = Path(folder) if folder else None
        marker = Marker(
            terms.exercise, terms.seed, terms.contained, terms.seconds, place
        )
        _LOCAL.marker, _LOCAL.terms = marker, terms
    return marker


def end_markers() -> None:
    """End what `grade_one` keeps for the next submission."""
    marker = getattr(_LOCAL, "marker", None)
    if marker is not None:
        marker.__exit__()
        _LOCAL.marker = None


def grade(batch: Batch, jobs: Iterable[Job], workers: int) -> Iterator[str]:
    """Grade on this machine; yield the name of each submission when it is stored.

    A worker that dies takes nothing with it: what it had is tried again.
    """
    waiting = iter(jobs)
    deaths: Counter[str] = Counter()
    again: list[Job] = []
    with tempfile.TemporaryDirectory(prefix="seqlib-grading-") as folder:
        os.chmod(folder, 0o755)
        while True:
            running: dict[Future, Job] = {}
            pool = ProcessPoolExecutor(workers, mp_context=get_context("forkserver"))
            try:
                while True:
                    while len(running) < 2 * workers:
                        job = again.pop() if again else next(waiting, None)
                        if job is None:
                            break
                        running[pool.submit(grade_one, batch.terms, job, folder)] = job
                    if not running:
                        return
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        batch.store(future.result())
                        yield running.pop(future).submission.name
            except BrokenProcessPool:
                for job in running.values():
                    deaths[job.submission.name] += 1
                    if deaths[job.submission.name] > TRIES * workers:
                        job = _hopeless(job)
                    again.append(job)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _hopeless(job: Job) -> Job:
    reason = "grading it ended the grader's own process, again and again"
    return job._replace(submission=job.submission._replace(reason=reason))


def grade_on_dask(batch: Batch, jobs: Iterable[Job], address: str) -> Iterator[str]:
    """Grade on a Dask cluster, which does again what one of its workers loses.

    Raises
    ------
    BatchError
        There is no cluster at this address.
    """
    from distributed import Client, as_completed

    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise BatchError(f"there is no Dask cluster at {address}: {error}") from None
    with client:
        waiting = iter(jobs)
        room = 4 * max(1, sum(client.nthreads().values()))

        def submit(n: int) -> list[Any]:
            return [
                client.submit(
                    grade_one,
                    batch.terms,
                    job,
                    None,
                    key=f"{job.submission.name}-{job.key}",
                    retries=2,
                )
                for job in itertools.islice(waiting, n)
            ]

        running = as_completed(submit(room))
        for future in running:
            result = future.result()
            batch.store(result)
            yield result["submission"]
            running.update(submit(1))
