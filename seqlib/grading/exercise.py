"""What an exercise is: data and pure functions, nothing that runs by itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

INPUTS = "inputs left alone"
FLOAT32 = "float32 kept"


@dataclass(frozen=True)
class Case:
    """One call of the function, and the aspect that it tells about.

    Attributes
    ----------
    aspect : one of the exercise's marks, such as "values" or "sizes of 1"
    args : the arguments: arrays, numbers, text, None, and lists or dicts of those
    note : what the reader of a message should know, such as "a gap in the mask"
    view : what is compared, where many results are right: a function of the result
    """

    aspect: str
    args: tuple[Any, ...]
    note: str = ""
    view: Callable[[Any], Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One graded question.

    Attributes
    ----------
    id : "6-2": chapter and number
    title : a few words, as in the notebook's heading
    marks : points by aspect. Each case names its aspect, and an aspect earns its points
        if all of its cases are right. `INPUTS`, if there, is lost by changing an
        argument in any case; in a case of `FLOAT32` the result must be float32
    difficulty, importance : 1 to 3
    minutes : time that a reader may take
    returns : names of the results, one for each
    reference : the right answer; its name and its parameters are what is asked for
    cases : draws the cases from a generator; another seed gives other cases
    mistakes : from the hint to the wrong answer that earns it
    also_right : right answers written differently, which must get full marks
    without : dotted names of what answers the question, as "seqlib.recurrent": it is
        not there when the marks are given
    packages : what may be imported beside the standard library and `seqlib`
    """

    id: str
    title: str
    marks: Mapping[str, int]
    difficulty: int
    importance: int
    minutes: int
    returns: tuple[str, ...]
    reference: Callable[..., Any]
    cases: Callable[[np.random.Generator], Iterator[Case]]
    mistakes: Mapping[str, Callable[..., Any]]
    also_right: tuple[Callable[..., Any], ...]
    without: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("numpy",)

    @property
    def function(self) -> str:
        """Name of the function that is asked for."""
        return self.reference.__name__

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of its arguments."""
        return tuple(inspect.signature(self.reference).parameters)

    @property
    def points(self) -> int:
        """All points there are."""
        return sum(self.marks.values())

    @property
    def name(self) -> str:
        """Id and function, as messages begin: `6-1 step_backward`."""
        return f"{self.id} {self.function}"

    def draw(self, seed: int) -> list[Case]:
        """Return the cases of this seed; the same for the same seed."""
        return list(self.cases(np.random.default_rng([seed, *map(ord, self.id)])))

    def headline(self) -> str:
        """Return the line under the notebook's heading."""
        dots = {n: "●" * n + "○" * (3 - n) for n in (1, 2, 3)}
        return (
            f"Difficulty {dots[self.difficulty]} · importance {dots[self.importance]} "
            f"· {self.minutes} minutes · {self.points} points"
        )
