"""Programs in the manner of C with right and wrong brackets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqlib._check import whole

from ._draw import pick, positive
from ._ranges import Span, span

CLOSING = {"(": ")", "[": "]", "{": "}"}
BRACKETS = "()[]{}"
NAMES = "abcdnxyz"
LEAST = 10
STATEMENTS = {0: 1, 1: 2, 2: 4, 3: 5, 4: 7, 5: 8}  # the shortest of each kind


class Program(NamedTuple):
    """The text of a program, whether its brackets fit, and how deep they nest."""

    text: str
    label: int  # 1 balanced, 0 not
    depth: int  # of the balanced program, before one bracket was spoilt


def balanced(text: str) -> bool:
    """Say whether every bracket is closed by its own kind, in order, by a stack.

    Brackets are (), [] and {}; every other character is passed over.
    """
    stack = []
    for character in _text(text):
        if character in CLOSING:
            stack.append(CLOSING[character])
        elif character in ")]}" and (not stack or stack.pop() != character):
            return False
    return not stack


def nesting(text: str) -> int:
    """Return how deep the brackets of a balanced text nest, 0 without any.

    Raises
    ------
    ValueError
        The text is not balanced.
    """
    if not balanced(text):
        raise ValueError(f"text must be balanced, got {text!r}")
    depth = deepest = 0
    for character in text:
        depth += (character in CLOSING) - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def bracket_programs(
    count: int,
    rng: np.random.Generator,
    length: Span = (20, 40),
    deepest: int = 4,
) -> list[Program]:
    """Draw programs such as `main(){if(x){a[b(n)]=d;}}`, half of them spoilt.

    A spoilt program differs from a balanced one by one bracket, which was deleted,
    inserted, replaced by another kind, or swapped with another bracket; whether the
    brackets fit is then found by `balanced`. A swap and a replacement keep the length,
    and a swap keeps every count.

    Parameters
    ----------
    count : how many programs
    rng : where the draws come from
    length : characters of a program, a number or a range (least, most) from which each
        is drawn evenly, at least 10
    deepest : how deep the brackets nest at most, at least 1

    Raises
    ------
    ValueError
        `length` is below 10, or no range; `deepest` is below 1.
    """
    positive(count, rng)
    ends = span("length", length, LEAST)
    whole("deepest", deepest, 1)
    programs = []
    for _ in range(count):
        label = int(rng.integers(2))
        size = int(rng.integers(ends[0], ends[1] + 1))
        if label:
            text = _program(size, deepest, rng)
            programs.append(Program(text, 1, nesting(text)))
        else:
            programs.append(_spoilt(size, deepest, rng))
    return programs


def _program(size: int, deepest: int, rng: np.random.Generator) -> str:
    return "main(){" + _statements(size - 8, deepest - 1, rng) + "}"


def _statements(room: int, depth: int, rng: np.random.Generator) -> str:
    """Draw statements of exactly this many characters."""
    text = ""
    while len(text) < room:
        text += _statement(room - len(text), depth, rng)
    return text


def _statement(room: int, depth: int, rng: np.random.Generator) -> str:
    """Draw one statement of at most this many characters."""
    name, other = pick(rng, NAMES), pick(rng, NAMES)
    kinds = [k for k, least in STATEMENTS.items() if least <= room and (depth or k < 3)]
    kind = max(kinds) if max(kinds) < 3 else pick(rng, [k for k in kinds if k > 1])
    if kind < 3:
        return (";", f"{name};", f"{name}={other};")[kind]
    inner = 1 + int(rng.integers(room - STATEMENTS[kind] + 1))
    if kind == 3:
        return f"{name}({_expression(min(inner, 8), depth - 1, rng)});"
    if kind == 4:
        return f"{name}[{_expression(min(inner, 8), depth - 1, rng)}]={other};"
    return f"if({name}){{{_statements(inner, depth - 1, rng)}}}"


def _expression(room: int, depth: int, rng: np.random.Generator) -> str:
    """Draw an expression of exactly this many characters."""
    name = pick(rng, NAMES)
    if room == 1:
        return name
    if room == 2:
        return name + "0"
    if room < 4 or depth == 0:
        return f"{name}+{_expression(room - 2, depth, rng)}"
    if rng.integers(3) == 0:
        return f"{name}+{_expression(room - 2, depth, rng)}"
    opening = pick(rng, ("(", "["))
    inner = _expression(room - 3, depth - 1, rng)
    return f"{name}{opening}{inner}{CLOSING[opening]}"


def _spoilt(size: int, deepest: int, rng: np.random.Generator) -> Program:
    """Draw a program with one bracket wrong, of exactly this size."""
    way = pick(rng, ("swap", "replace", "delete", "insert"))
    if way == "insert" and size == LEAST:
        way = "delete"
    change = {"delete": 1, "insert": -1}.get(way, 0)
    while True:
        right = _program(size + change, deepest, rng)
        text = _spoil(right, way, rng)
        if not balanced(text):
            return Program(text, 0, nesting(right))


def _spoil(text: str, way: str, rng: np.random.Generator) -> str:
    places = [i for i, character in enumerate(text) if character in BRACKETS]
    at = pick(rng, places)
    if way == "delete":
        return text[:at] + text[at + 1 :]
    if way == "insert":
        return text[:at] + pick(rng, BRACKETS) + text[at:]
    if way == "replace":
        other = pick(rng, BRACKETS.replace(text[at], ""))
        return text[:at] + other + text[at + 1 :]
    other_at = pick(rng, places)
    letters = list(text)
    letters[at], letters[other_at] = letters[other_at], letters[at]
    return "".join(letters)


def _text(text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {type(text).__name__}")
    return text
