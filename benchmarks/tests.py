"""Run all tests and notebooks once, as `make test` does on an installed machine."""

from __future__ import annotations

from book import seconds
from turns import Record, short

AIM = 900  # seconds
WHY = (
    "Two cores run every notebook twice, as it stands and as Colab would; open the "
    "pages in a browser, in the light and in the dark; and grade every mistake that "
    "the exercises know."
)


def measure(record: Record) -> None:
    """Run them with two processes; ONLY is this command's own."""
    took = seconds(["make", "test", "ONLY="], shown=True)
    spread = [short(took), short(took)]
    row = {"aim": AIM, "why": WHY}
    record.row("All tests", ("make test", took), None, took, spread, "s", **row)
