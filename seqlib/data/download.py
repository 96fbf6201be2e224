"""Larger public texts, fetched once and checked, where there is a network."""

from __future__ import annotations

import logging
import os
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile


class Source(NamedTuple):
    """Where a file comes from, what it must be, and what to use in its stead."""

    url: str
    checksum: str  # sha256, or "sha1:..."
    file: str  # its name in the cache
    instead: str


SOURCES = {
    "tiny_shakespeare": Source(
        "https://raw.githubusercontent.com/karpathy/char-rnn/"
        "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        "tiny_shakespeare.txt",
        "english_text()",
    ),
    "english_french": Source(
        "http://d2l-data.s3-accelerate.amazonaws.com/fra-eng.zip",
        "sha1:94646ad1522d915e7b0f9296181140edcf86a4f5",
        "fra-eng.zip",
        'sentence_pairs("spanish", ...)',
    ),
}


class TextPair(NamedTuple):
    """A sentence in two languages."""

    english: str
    french: str


def tiny_shakespeare(folder: str | os.PathLike[str] | None = None) -> str:
    """Return 1.1 MB of Shakespeare's plays, as in Karpathy's char-rnn.

    Parameters
    ----------
    folder : where the file is kept; the user's cache folder unless given

    Raises
    ------
    ConnectionError
        It is not kept there, and it could not be fetched.
    ValueError
        What came is not the file expected; it was removed.
    ModuleNotFoundError
        pooch, which fetches it, is not installed.
    """
    return _fetched("tiny_shakespeare", folder).read_text("utf-8")


def english_french(folder: str | os.PathLike[str] | None = None) -> list[TextPair]:
    """Return pairs of sentences of tatoeba.org in English and French, the short first.

    The archive is the one of the book Dive into Deep Learning.

    Parameters
    ----------
    folder : where the file is kept; the user's cache folder unless given

    Raises
    ------
    ConnectionError
        It is not kept there, and it could not be fetched.
    ValueError
        What came is not the file expected; it was removed.
    ModuleNotFoundError
        pooch, which fetches it, is not installed.
    """
    with ZipFile(_fetched("english_french", folder)) as archive:
        text = archive.read("fra-eng/fra.txt").decode("utf-8")
    lines = (line.split("\t") for line in text.splitlines() if line)
    return [TextPair(line[0], line[1]) for line in lines]


def _fetched(name: str, folder: str | os.PathLike[str] | None) -> Path:
    """Return the file: from the cache if it is the right one there, else fetched."""
    if folder is not None and not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"folder must be a path, got {type(folder).__name__}")
    source, pooch = SOURCES[name], _pooch(name)
    where = Path(pooch.os_cache("seqlib") if folder is None else folder)
    file = where / source.file
    trouble: Exception
    try:
        if file.is_file() and not pooch.hashes.hash_matches(file, source.checksum):
            file.unlink()  # damaged since: never used, even where nothing else comes
        if not file.is_file():
            fetch = pooch.HTTPDownloader(timeout=20)
            pooch.retrieve(
                source.url, source.checksum, source.file, where, downloader=fetch
            )
        return file
    except OSError as error:
        trouble = ConnectionError(
            f"{name} could not be fetched from {source.url} "
            f"({_reason(error)}): use seqlib.data.{source.instead} instead, or try "
            "again with a network"
        )
    except ValueError:
        trouble = ValueError(
            f"{name} came from {source.url}, but its checksum is not the one "
            f"expected, and it was removed: use seqlib.data.{source.instead} instead"
        )
    raise trouble


def _pooch(name: str) -> Any:
    try:
        pooch: Any = import_module("pooch")
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{name} needs pooch, which is not installed: pip install pooch; or use "
            f"seqlib.data.{SOURCES[name].instead} instead"
        ) from None
    pooch.get_logger().setLevel(logging.WARNING)
    return pooch


def _reason(error: OSError) -> str:
    answer = getattr(error, "response", None)
    if answer is not None:
        return f"the server said {answer.status_code}"
    return type(error).__name__
