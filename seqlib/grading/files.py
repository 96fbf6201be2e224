"""Files written whole or not at all, under names that a file may have."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

LONGEST = 200  # bytes of a file's name


def file_name(name: str, suffix: str) -> str:
    """Return a submission's name as that of a file, cut where it is too long."""
    data = os.fsencode(name)
    if len(data) <= LONGEST:
        return name + suffix
    return f"{name[: LONGEST // 8]}-{hashlib.sha256(data).hexdigest()[:16]}{suffix}"


def write(path: Path, value: Any, mode: int = 0o666) -> None:
    """Write JSON to a new file and put it in the old one's place."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"), mode)


def write_bytes(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a new file and put it in the old one's place: whole or not at all."""
    new = path.with_name(f".{secrets.token_hex(8)}.new")
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as f:
            f.write(data)
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
