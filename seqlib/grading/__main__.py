"""`python -m seqlib.grading release`: make the students' notebooks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from seqlib.grading.release import ReleaseError, release


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m seqlib.grading",
        description="Exercises: from the teacher's notebooks to the students'.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    command = commands.add_parser(
        "release",
        help="write exercises/NN-name.ipynb from exercises/solutions/NN-name.ipynb",
        description="Write the students' notebooks: each solution becomes `raise "
        "NotImplementedError`, outputs are cleared, cell ids stay.",
    )
    command.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("exercises"),
        help="the folder that holds solutions/ (default: exercises)",
    )
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        parser.print_help()
        return 0
    try:
        print("\n".join(release(chosen.folder)))
    except ReleaseError as error:
        print(f"Nothing was written. {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
