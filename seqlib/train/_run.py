"""A run: what it has recorded, what it needs to go on, and who may interrupt it."""

from __future__ import annotations

import copy
import json
import math
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqlib.train._files import pack, read, unpack, write

RECORDS = ("loss", "grad_norm", "lr", "seconds", "validation", "validation_steps")


@dataclass(frozen=True, eq=False, repr=False)
class History:
    """What a run of `fit` recorded, as numpy arrays; N updates, V validations.

    Attributes
    ----------
    loss : (N,) loss of the batch before each update
    grad_norm : (N,) norm of all gradients together, before clipping
    lr : (N,) learning rate of each update (of the optimiser's first group)
    seconds : (N,) seconds that each update took; no two runs agree on them
    validation : (V,) and validation_steps (V,), after which update it was measured
    best_step : the update after which validation was lowest, None without validation
    finished : whether the run came to its end, by steps or by patience
    why : a sentence, why it ended and which weights the model has now
    state : what `fit(..., resume=history)` goes on from
    """

    loss: np.ndarray
    grad_norm: np.ndarray
    lr: np.ndarray
    seconds: np.ndarray
    validation: np.ndarray
    validation_steps: np.ndarray
    best_step: int | None
    finished: bool
    why: str
    state: dict[str, Any] = field(repr=False)

    @property
    def steps(self) -> int:
        """How many updates were made."""
        return len(self.loss)

    def __repr__(self) -> str:
        return f"History: {self.why}"


@dataclass
class Records:
    """The growing lists of a run, and the weights that did best."""

    lists: dict[str, list] = field(default_factory=lambda: {k: [] for k in RECORDS})
    best: dict[str, torch.Tensor] | None = None
    best_step: int | None = None

    @property
    def step(self) -> int:
        """How many updates were made."""
        return len(self.lists["loss"])

    def add(self, **values: float) -> None:
        """Record one number under each name."""
        for name, value in values.items():
            self.lists[name].append(value)

    def validated(self) -> bool:
        """Tell whether there was a validation since the last update."""
        steps = self.lists["validation_steps"]
        return bool(steps) and steps[-1] == self.step

    def lowest(self) -> float:
        """Return the lowest validation so far."""
        return min((v for v in self.lists["validation"] if v == v), default=math.inf)

    def since_best(self) -> int:
        """Count the validations after the best one."""
        steps = self.lists["validation_steps"]
        return sum(step > (self.best_step or 0) for step in steps)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what was recorded as arrays."""
        whole = ("validation_steps",)
        return {
            name: np.array(values, dtype=np.int64 if name in whole else np.float64)
            for name, values in self.lists.items()
        }


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of a model's parameters and buffers."""
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


def write_state(path: str | Path, state: dict[str, Any]) -> None:
    """Write a run's state to a file, without pickle and in one move."""
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(pack(state, tensors))
    write(path, tensors, {"run": text})


def state_from(resume: Any) -> dict[str, Any]:
    """Return a run's state from the history or the checkpoint's path."""
    if isinstance(resume, History):
        return copy.deepcopy(resume.state)
    if not isinstance(resume, str | Path):
        raise TypeError(
            "resume must be a History or the path of a checkpoint, "
            f"got {type(resume).__name__}"
        )
    tensors, about = read(resume)
    if "run" not in about:
        raise ValueError(f"resume must be a checkpoint of fit, and {resume} is none")
    return unpack(json.loads(about["run"]), tensors)


class Interrupts:
    """Within `with`, Ctrl-C is noted and may wait; a second one interrupts as ever."""

    def __init__(self) -> None:
        self.noted = False
        self.before: Any = None

    def __enter__(self) -> Interrupts:
        old = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(old):
            self.before = old
            signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: Any) -> None:
        if self.noted:
            self.before(number, frame)
        self.noted = True

    def __exit__(self, *error: object) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
