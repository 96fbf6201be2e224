"""The ledger: equations that a run has verified, errata that a run has refuted.

`verify("6.3", left, right, by="autograd", within=1e-12)` raises unless both sides of
equation (6.3) agree, and leaves one line, `✓ (6.3) by autograd, within 1e-12`, with a
record that the book reads. `refute("E6", …)` does the reverse for a printed mistake.
"""

import linecache
import re
import sys
from html import escape
from types import FrameType
from typing import Any

import numpy as np

from seqlib._expressions import Source

MIME = "application/vnd.seqlib.ledger+json"
ERRATUM = r"E[1-9]\d*"
NUMBER = r"(?:[1-9]\d*|[A-D])\.[1-9]\d*"
MARKS = {"verify": "✓", "refute": "✗"}


def verify(tag: str, left: Any, right: Any, *, by: str, within: float) -> None:
    """Show that both sides of an equation agree: max|left - right| / max|right|.

    Parameters
    ----------
    tag : str
        The equation's number in the book, such as "6.3".
    left, right : array or list of arrays
        The two sides, computed in two different ways; numpy, torch, numbers or lists.
    by : str
        What the right side comes from: "autograd", "finite differences", "torch.nn".
    within : float
        The largest relative disagreement allowed, at most 0.1.

    Raises
    ------
    AssertionError
        The two sides disagree.
    ValueError
        The comparison would prove nothing: one side twice, zeros, nothing, nan.
    """
    left, right = _comparable("verify", tag, left, right, by, within)
    error, where = _disagreement(left, right)
    if error > within:
        raise AssertionError(
            f"({tag}) does not hold by {by}: the relative error is {error:.2g}, more "
            f"than the {short(within)} allowed; worst {where}"
        )
    _record("verify", tag, by, within)


def refute(tag: str, printed: Any, correct: Any, *, by: str, within: float) -> None:
    """Show that a printed formula is wrong: it differs from what is right.

    Takes the arguments of `verify`, with an erratum's tag such as "E6".

    Raises
    ------
    AssertionError
        The printed formula agrees with the right one after all.
    ValueError
        The comparison would prove nothing, as in `verify`.
    """
    printed, correct = _comparable("refute", tag, printed, correct, by, within)
    error, _ = _disagreement(printed, correct)
    if error <= within:
        raise AssertionError(
            f"({tag}) is not refuted by {by}: the printed formula is right to a "
            f"relative error of {error:.2g}, within the {short(within)} allowed"
        )
    _record("refute", tag, by, within)


def line(kind: str, tag: str, by: str, within: float) -> str:
    """Return the one line that a record shows."""
    if kind == "refute":
        return f"✗ ({tag}) refuted by {by}"
    return f"✓ ({tag}) by {by}, within {short(within)}"


def short(number: float) -> str:
    """Return a number as one writes it by hand: 1e-7, not 1e-07."""
    return f"{number:g}".replace("e-0", "e-")


def _comparable(
    kind: str, tag: str, left: Any, right: Any, by: str, within: float
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return both sides as lists of arrays, or say why nothing would be proved."""
    pattern = ERRATUM if kind == "refute" else NUMBER
    if not isinstance(tag, str) or not re.fullmatch(pattern, tag):
        like = '"E6"' if kind == "refute" else '"6.3"'
        raise ValueError(f"{kind} needs a tag like {like}, got {tag!r}")
    if not isinstance(by, str) or not by.strip():
        raise ValueError(f"({tag}): say by what it is checked, such as by='autograd'")
    if not 0 < within <= 0.1:
        raise ValueError(f"({tag}): within must be above 0 and at most 0.1: {within}")
    if twice := _written_twice(sys._getframe(2)):
        raise ValueError(f"({tag}): {twice} is compared with itself")
    lefts, rights = _arrays(tag, "left", left), _arrays(tag, "right", right)
    if len(lefts) != len(rights):
        raise ValueError(
            f"({tag}): left has {len(lefts)} arrays, right has {len(rights)}"
        )
    for i, (a, b) in enumerate(zip(lefts, rights, strict=True)):
        which = f" (array {i})" if len(lefts) > 1 else ""
        if a.shape != b.shape:
            raise ValueError(
                f"({tag}): shapes differ{which}: left {a.shape}, right {b.shape}"
            )
        if np.shares_memory(a, b):
            raise ValueError(f"({tag}): left and right share one memory{which}")
    return lefts, rights


def _arrays(tag: str, side: str, value: Any) -> list[np.ndarray]:
    """Return one side as a list of arrays of finite numbers, not all of them zero."""
    many = isinstance(value, list | tuple) and any(
        getattr(item, "shape", ()) for item in value
    )
    arrays = []
    for item in value if many else [value]:
        item = item.detach().cpu() if hasattr(item, "detach") else item
        if not many and isinstance(item, list | tuple):  # of tensors that are numbers
            item = [x.item() if hasattr(x, "detach") else x for x in item]
        try:
            array = np.asarray(item)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind not in "biufc":
            raise ValueError(f"({tag}): {side} must be an array of numbers")
        if not array.size:
            raise ValueError(f"({tag}): {side} is empty, which proves nothing")
        if not np.isfinite(array).all():
            raise ValueError(f"({tag}): {side} has entries that are inf or nan")
        if not array.any():
            raise ValueError(f"({tag}): {side} is all zero, which proves nothing")
        arrays.append(array)
    if not arrays:
        raise ValueError(f"({tag}): {side} is empty, which proves nothing")
    return arrays


def _disagreement(lefts: list[np.ndarray], rights: list[np.ndarray]) -> tuple[Any, str]:
    """Return the largest relative error over all arrays, and where it is."""
    found = []
    for i, (a, b) in enumerate(zip(lefts, rights, strict=True)):
        wide = np.result_type(a, b, np.float64)
        gap = np.abs(a.astype(wide) - b.astype(wide))
        worst = tuple(int(k) for k in np.unravel_index(gap.argmax(), gap.shape))
        where = f"at {list(worst)}, " if worst else ""
        where = f"in array {i} {where}" if len(lefts) > 1 else where
        values = f"where left is {a[worst]:.6g} and right is {b[worst]:.6g}"
        found.append((gap[worst] / np.abs(b.astype(wide)).max(), where + values))
    return max(found, key=lambda pair: pair[0])


def _written_twice(frame: FrameType) -> str | None:
    """Return the argument of the running call if both sides of it are one expression.

    The source comes from `linecache`, where IPython keeps its cells; without a source
    there is nothing to say (and the book's gate reads the notebooks again).
    """
    code = frame.f_code
    position = list(code.co_positions())[frame.f_lasti // 2]
    try:
        calls = Source().calls("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        return None
    for call in calls:
        node = call.node
        here = node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
        if here == position:
            return call.twice
    return None


def page_line(kind: str, tag: str, by: str, within: float) -> tuple[str, str]:
    """Return the line as text and as HTML."""
    text = line(kind, tag, by, within)
    name = {"verify": "verified", "refute": "refuted"}[kind]
    html = f'<div class="seqlib-{name}"><b>{text[0]}</b>{escape(text[1:])}</div>'
    return text, html


def _record(kind: str, tag: str, by: str, within: float) -> None:
    """Show the line; in a notebook, with the record that the book reads."""
    text, html = page_line(kind, tag, by, within)
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    if not shell:
        print(text)
        return
    from IPython.display import display

    record = {"tag": tag, "kind": kind, "by": by, "within": within}
    display({"text/plain": text, "text/html": html, MIME: record}, raw=True)
