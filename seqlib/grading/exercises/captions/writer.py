"""A writer of captions that is broken in three places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix

# 14-7 --------------------------------------------------------------------------------


def write(v: Array, p: dict[str, Array], sos: int, eos: int, length: int) -> Array:
    """Return `length` numbers of words, filled up with eos after the end."""
    return _write(v, p, sos, eos, length)


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
    v, p, sos, eos, length = args
    s = p["W_s"] @ v + p["b_s"] if sees else np.zeros(len(p["b_s"]))
    s = first = np.tanh(s) if squashed else s
    word, said = sos if begins else eos, []
    for _ in range(length):
        s = s if keeps else first
        s = np.tanh(p["W_ih"] @ p["table"][word] + p["W_hh"] @ s + p["b"])
        logits = p["W_hy"] @ s + p["b_y"]
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
            shapes = {"W_s": (H, M), "b_s": (H,), "table": (V, E), "W_ih": (H, E)}
            p = {name: 1.5 * rng.normal(size=shape) for name, shape in shapes.items()}
            p |= {"W_hh": 1.5 * matrix(rng, H), "b": rng.normal(size=H)}
            p |= {"W_hy": rng.normal(size=(V, H)), "b_y": rng.normal(size=V)}
            args = 1.5 * rng.normal(size=M), p, 1, 2, length
            right = _write(*args)
            if (right == 2).any() != ends or (
                ends and not 1 < list(right).index(2) < 5
            ):
                continue
            faults = _FAULTS if ends else [f for f in _FAULTS if f != {"stops": False}]
            if all((_write(*args, **fault) != right).any() for fault in faults):
                return Case(aspect, args, note)

    yield case("captions", True)
    yield case("captions", True)
    yield case("no end", False, "the network never says <eos>")


def _write_by_rows(v: Array, p: dict[str, Array], *rest: int) -> list[int]:
    """Write with row vectors, and a table of all input products made before."""
    word, eos, length = rest
    inputs = p["table"] @ p["W_ih"].T + p["b"]
    s, said = np.tanh(v @ p["W_s"].T + p["b_s"]), [word]
    while len(said) <= length:
        s = np.tanh(inputs[said[-1]] + s @ p["W_hh"].T)
        ended = len(said) > 1 and said[-1] == eos
        said.append(eos if ended else int(np.argsort(s @ p["W_hy"].T + p["b_y"])[-1]))
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
            lambda *args: np.append(args[2], _write(*args)[:-1])
        ),
    },
    also_right=(_write_by_rows,),
)
