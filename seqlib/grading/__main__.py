"""`python -m seqlib.grading`: exercises out to students, their notebooks back as marks.

Exit status: 0 all went well; 1 something could not be done; 2 wrong words.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from seqlib.grading.arguments import parser
from seqlib.grading.release import ReleaseError, release


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    top = parser()
    chosen = top.parse_args(arguments)
    if chosen.command is None:
        top.print_help()
        return 0
    if chosen.command == "release":
        try:
            print("\n".join(release(chosen.folder)))
        except ReleaseError as error:
            print(f"Nothing was written. {error}", file=sys.stderr)
            return 1
        return 0
    if chosen.command == "grade":
        return _grade(chosen)
    from seqlib.grading.results import ReportError

    try:
        return _gradescope(chosen) if chosen.command == "gradescope" else _show(chosen)
    except ReportError as error:
        print(f"Nothing was written: {error}.", file=sys.stderr)
        return 2
    except OSError as error:
        what = f"{error.filename or 'the result'}: {error.strerror or error}"
        print(f"It could not be written: {what}.", file=sys.stderr)
        return 1


def _show(chosen: argparse.Namespace) -> int:
    """Turn results into pages or a table."""
    from seqlib.grading.files import write_bytes
    from seqlib.grading.results import read_names, read_results

    results, names = read_results(chosen.results), read_names(chosen.names)
    if chosen.command == "feedback":
        from seqlib.grading.feedback import feedback

        pages = list(feedback(results, chosen.out, names))
        print(f"{len(pages)} pages in {chosen.out}")
    elif chosen.command == "summary":
        from seqlib.grading.summary import summary

        write_bytes(chosen.out, summary(results, names if chosen.names else None))
        print(f"{len(results)} results in {chosen.out}")
    else:
        from seqlib.grading.export import export

        text, notes = export(results, chosen.to, names, chosen.column)
        for note in notes:
            print(f"{note}.", file=sys.stderr)
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    return 0


def _gradescope(chosen: argparse.Namespace) -> int:
    """Write the autograder, or be it."""
    from seqlib.grading import gradescope
    from seqlib.grading.files import write, write_bytes
    from seqlib.grading.results import ReportError

    if chosen.out:
        write_bytes(chosen.out, gradescope.package(chosen.exercise, chosen.wheel))
        print(f"Upload {chosen.out} to Gradescope as the autograder")
        return 0
    if not chosen.results:
        raise ReportError("--grade needs --results, where results.json goes")
    try:
        result = gradescope.grade(chosen.grade, chosen.exercise)
        write(chosen.results, gradescope.results(result))
    except ReportError as error:
        chosen.results.unlink(missing_ok=True)
        print(f"This submission has no score: {error}.", file=sys.stderr)
        return 1
    return 0


def _grade(chosen: argparse.Namespace) -> int:
    from tqdm import tqdm

    from seqlib.grading import batch as batches
    from seqlib.grading.bubblewrap import can_contain
    from seqlib.grading.submissions import BatchError, find_submissions

    contained = can_contain()
    if not contained:
        text = (
            "bubblewrap does not run here, so students' code is held by limits of "
            "memory and time alone and can read your files"
        )
        if chosen.require_sandbox:
            print(f"Nothing was graded: {text}.", file=sys.stderr)
            return 2
        print(f"Warning: {text}. On Debian: apt install bubblewrap", file=sys.stderr)
    try:
        found = find_submissions(chosen.submissions, chosen.exercise, chosen.out)
        batch = batches.Batch(
            chosen.out, chosen.exercise, chosen.seed, contained=contained
        )
        todo = [one for one in found if not batch.has(batch.job(one))]
        jobs = map(batch.job, todo)  # read when their turn comes
    except BatchError as error:
        print(f"Nothing was graded: {error}.", file=sys.stderr)
        return 2
    try:
        graded = (
            batches.grade_on_dask(batch, jobs, chosen.dask)
            if chosen.dask
            else batches.grade(batch, jobs, min(chosen.workers, len(todo) or 1))
        )
        for _ in tqdm(graded, total=len(todo), unit="notebook", disable=None):
            pass
    except BatchError as error:
        print(f"Nothing was graded: {error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        return 1
    known = len(found) - len(todo)
    print(f"{len(todo)} graded now, {known} before: {len(found)} in {chosen.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
