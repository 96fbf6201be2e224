"""A writer of captions that is broken in three places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix

# 14-7 --------------------------------------------------------------------------------


def write(
    v: Array,
    W_s: Array,
    b_s: Array,
    table: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    W_hy: Array,
    b_y: Array,
    sos: int,
    eos: int,
    length: int,
) -> Array:
    """Return `length` numbers of words, filled up with eos after the end."""
    return _write(v, W_s, b_s, table, W_ih, W_hh, b, W_hy, b_y, sos, eos, length)


def _write(
    *args: Any,
    sees: bool = True,
    feeds: bool = True,
    stops: bool = True,
    squashed: bool = True,
    begins: bool = True,
    least: bool = False,
    keeps: bool = True,
) -> Array:
    """Write; where a switch is off, its fault is there."""
    v, W_s, b_s, table, W_ih, W_hh, b, W_hy, b_y, sos, eos, length = args
    s = W_s @ v + b_s if sees else np.zeros(len(b_s))
    s = first = np.tanh(s) if squashed else s
    word, said = sos if begins else eos, []
    for _ in range(length):
        s = np.tanh(W_ih @ table[word] + W_hh @ (s if keeps else first) + b)
        logits = W_hy @ s + b_y
        new = int(logits.argmin() if least else logits.argmax())
        said.append(new)
        if stops and new == eos:
            break
        word = new if feeds else word
    return np.array(said + [eos] * (length - len(said)))


#: The faults of the broken writer, and others; each is off in the right answer.
_FAULTS: tuple[dict, ...] = (
    {"sees": False, "feeds": False, "stops": False},
    {"sees": False},
    {"feeds": False},
    {"stops": False},
    {"squashed": False},
    {"begins": False},
    {"least": True},
    {"keeps": False},
)


def _write_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, ends: bool, note: str = "") -> Case:
        """Draw networks until one tells all faults apart, and ends or does not."""
        length = 7
        while True:
            V, E, H, M = 6, 4, 5, 3
            shapes = (M,), (H, M), (H,), (V, E), (H, E)
            args: list[Any] = [1.5 * rng.normal(size=shape) for shape in shapes]
            args += [1.5 * matrix(rng, H), rng.normal(size=H)]
            args += [rng.normal(size=(V, H)), rng.normal(size=V)]
            args += [1, 2, length]
            right = _write(*args)
            if (right == 2).any() != ends or (
                ends and not 1 < list(right).index(2) < 5
            ):
                continue
            faults = _FAULTS if ends else [f for f in _FAULTS if f != {"stops": False}]
            if all((_write(*args, **fault) != right).any() for fault in faults):
                return Case(aspect, tuple(args), note)

    yield case("captions", True)
    yield case("captions", True)
    yield case("no end", False, "the network never says <eos>")


def _write_by_rows(v: Array, W_s: Array, b_s: Array, *rest: Any) -> list[int]:
    """Write with row vectors, and a table of all input products made before."""
    table, W_ih, W_hh, b, W_hy, b_y, word, eos, length = rest
    inputs = table @ W_ih.T + b
    s, said = np.tanh(v @ W_s.T + b_s), [word]
    while len(said) <= length:
        s = np.tanh(inputs[said[-1]] + s @ W_hh.T)
        ended = len(said) > 1 and said[-1] == eos
        said.append(eos if ended else int(np.argsort(s @ W_hy.T + b_y)[-1]))
    return said[1:]


MEND = Exercise(
    id="14-7",
    title="Mend it: a writer that looks away",
    marks={"captions": 3, "no end": 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("words",),
    reference=write,
    cases=_write_cases,
    mistakes={
        "All three faults are still there: it never looks at the image, it reads "
        "<sos> before every word, and it goes on after <eos>.": (
            lambda *args: _write(*args, **_FAULTS[0])
        ),
        "It writes the same for every image: the first state must be made from v.": (
            lambda *args: _write(*args, sees=False)
        ),
        "It reads <sos> before every word: the next input is the word just said.": (
            lambda *args: _write(*args, feeds=False)
        ),
        "It goes on after <eos>: what follows it is filled up with eos.": (
            lambda *args: _write(*args, stops=False)
        ),
        "The first state is squashed: s_0 = tanh(W_s v + b_s).": (
            lambda *args: _write(*args, squashed=False)
        ),
        "The first word that it reads is <sos>, not <eos>.": (
            lambda *args: _write(*args, begins=False)
        ),
        "It says the least likely word: take the largest logit.": (
            lambda *args: _write(*args, least=True)
        ),
        "Every step begins at the first state again: carry s on.": (
            lambda *args: _write(*args, keeps=False)
        ),
        "<sos> is read, not said: it does not belong to the caption.": (
            lambda *args: np.append(args[9], _write(*args)[:-1])
        ),
    },
    also_right=(_write_by_rows,),
)
