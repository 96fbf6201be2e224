"""Measure everything, or one part, and write it to benchmarks/results.json.

    python benchmarks [rnn | attention | gpt | conv2d | decoding | grading | memory |
                       book | tests]

A part is a module here with a function measure(record); `tests` takes most of an hour
and is measured when asked for. The record of one part takes
the place of what was stored of it; the page of the book is made from the file.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

from turns import Record, machine

FILE = Path(__file__).parent / "results.json"
USUAL = ("rnn", "attention", "gpt", "conv2d", "decoding", "grading", "memory", "book")
PARTS = (*USUAL, "tests")
LISTS = ("rows", "growth", "profiles")


def main(only: list[str]) -> None:
    """Measure the parts in their order; each is stored as soon as it is there."""
    if strange := set(only) - set(PARTS):
        sys.exit(f"{strange.pop()} is none of the parts {', '.join(PARTS)}")
    stored = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    for part in only or USUAL:
        print(f"\n# {part}", flush=True)
        loads = {**stored.get("loads", {}), part: round(os.getloadavg()[0], 1)}
        record = Record()
        record.part = part
        importlib.import_module(part).measure(record)
        kept = {name: stored.get(name, []) for name in LISTS}
        for name in LISTS:
            found = [e for e in kept[name] if e["part"] != part] + getattr(record, name)
            kept[name] = sorted(found, key=lambda e: PARTS.index(e["part"]))
        stored = {**machine(), "loads": loads, **kept}
        text = json.dumps(stored, indent=1, ensure_ascii=False)
        FILE.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
