"""Real data that comes with Python, matplotlib and scikit-learn: no download."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-"})


class DailyPrices(NamedTuple):
    """The price of one share, day by day."""

    dates: np.ndarray  # (T,) datetime64[D]
    open: np.ndarray  # (T,) float64, as the next five
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    adjusted: np.ndarray  # the close, corrected for splits and dividends


class MonthlyPrices(NamedTuple):
    """The prices of several shares, month by month."""

    dates: np.ndarray  # (T,) datetime64[D], the first of each month
    names: tuple[str, ...]  # N
    prices: np.ndarray  # (T, N) float64, NaN where a share had no price yet


class Signals(NamedTuple):
    """Signals that were recorded together."""

    times: np.ndarray  # (T,) seconds
    values: np.ndarray  # (T, N)


class Digits(NamedTuple):
    """Small images of handwritten digits."""

    images: np.ndarray  # (N, 8, 8) float64 from 0 to 1
    labels: np.ndarray  # (N,) integers from 0 to 9


def english_text() -> str:
    """Return about 240 kB of English prose: the texts of Python's own `help`.

    Paragraphs of prose, one a line, in the order of their topics' names; code, grammar
    and tables are left out, and so are repeated paragraphs, since a text that stands
    both in training and in test would flatter any model. Only ASCII characters are
    kept. The text differs a little from one version of Python to the next.
    """
    topics = import_module("pydoc_data.topics").topics
    seen: dict[str, None] = {}
    for name in sorted(topics):
        seen.update(dict.fromkeys(_paragraphs(topics[name])))
    return "".join(paragraph + "\n" for paragraph in seen)


def _paragraphs(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", text.translate(PLAIN)):
        lines = block.strip("\n").split("\n")
        code = any(line.startswith("     ") for line in lines) or "::=" in block
        joined = re.sub("[*`]", "", block).encode("ascii", "ignore").decode()
        joined = " ".join(joined.split())
        prose = re.search(r"[a-z]{2,} [a-z]+ [a-z]+", joined)
        if (
            prose
            and not code
            and joined[-1] in ".:!?"
            and not re.search("[-=+]{4}", joined)
        ):
            yield joined


def python_source(name: str) -> str:
    """Return the source text of a module of the standard library, such as `heapq`.

    Raises
    ------
    ValueError
        The standard library has no such module, or it is not written in Python.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {type(name).__name__}")
    known = name.partition(".")[0] in sys.stdlib_module_names
    try:
        spec = find_spec(name) if known else None
    except ModuleNotFoundError:
        spec = None
    file = Path(spec.origin or "") if spec else Path()
    if file.suffix != ".py" or not file.is_file():
        raise ValueError(
            "name must be a module of the standard library written in Python, such as "
            f"'heapq', got {name!r}"
        )
    return file.read_text("utf-8")


def daily_prices() -> DailyPrices:
    """Return the price of Google's share from August 2004 to October 2008.

    It is the file `goog.npz` of matplotlib's sample data.

    Raises
    ------
    ModuleNotFoundError
        matplotlib is not installed.
    FileNotFoundError
        This matplotlib comes without its sample data.
    """
    with np.load(_sample("daily_prices", "goog.npz")) as data:
        rows = data["price_data"]
    columns = ("open", "high", "low", "close", "volume", "adj_close")
    numbers = (rows[name].astype(np.float64) for name in columns)
    return DailyPrices(rows["date"].astype("datetime64[D]"), *numbers)


def monthly_prices() -> MonthlyPrices:
    """Return the prices of eight shares and two indices, from 1990 on.

    It is the file `Stocks.csv` of matplotlib's sample data, without the lines between
    two months (dividends, and the day of the download).

    Raises
    ------
    ModuleNotFoundError
        matplotlib is not installed.
    FileNotFoundError
        This matplotlib comes without its sample data.
    """
    text = _sample("monthly_prices", "Stocks.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    (_, *names), *rows = list(csv.reader(lines))
    full = [row for row in rows if row[0].endswith("-01")]
    return MonthlyPrices(
        np.array([row[0] for row in full], "datetime64[D]"),
        tuple(names),
        np.array([[float(x) if x else np.nan for x in row[1:]] for row in full]),
    )


def eeg() -> Signals:
    """Return four channels of brain waves, 800 samples of them over ten seconds.

    It is the file `eeg.dat` of matplotlib's sample data.

    Raises
    ------
    ModuleNotFoundError
        matplotlib is not installed.
    FileNotFoundError
        This matplotlib comes without its sample data.
    """
    values = np.fromfile(_sample("eeg", "eeg.dat"), "<f8").astype(np.float64)
    return Signals(10 * np.arange(800) / 800, values.reshape(800, 4))


def digits() -> Digits:
    """Return the 1,797 handwritten digits of scikit-learn's `load_digits`.

    Raises
    ------
    ModuleNotFoundError
        scikit-learn is not installed.
    """
    found: Any = _library("digits", "sklearn.datasets", "scikit-learn").load_digits()
    return Digits(found.images / 16.0, found.target.astype(np.int64))


def _sample(user: str, name: str) -> Path:
    matplotlib: Any = _library(user, "matplotlib", "matplotlib")
    file = Path(matplotlib.get_data_path(), "sample_data", name)
    if not file.is_file():
        raise FileNotFoundError(
            f"{user} reads {name} of matplotlib's sample data, which this matplotlib "
            f"({matplotlib.__version__}) comes without"
        )
    return file


def _library(user: str, module: str, package: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{user} needs {package}, which is not installed: pip install {package}"
        ) from None
