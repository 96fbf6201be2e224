"""What a run is to do: the arguments of `fit`, checked before any work."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from seqlib._check import number, whole
from seqlib.train._data import size_of

LR = 0.001


@dataclass
class Plan:
    """The arguments of `fit`, and what follows from them."""

    model: torch.nn.Module
    loss: Callable
    data: Any
    epochs: int | None
    steps: int | None
    batch_size: int
    collate: Callable | None
    optimiser: torch.optim.Optimizer | None
    lr: float | None
    schedule: Callable | LRScheduler | None
    max_norm: float | None
    validation: Any
    validate_every: int | None
    patience: int | None
    checkpoint: str | Path | None
    progress: bool | None

    def __post_init__(self) -> None:
        self._check_model()
        self.size = size_of("data", self.data)
        whole("batch_size", self.batch_size, 1)
        for name in ("loss", "collate"):
            if not callable(f := getattr(self, name)) and (name == "loss" or f):
                raise TypeError(f"{name} must be a function, got {type(f).__name__}")
        self.per_epoch = math.ceil(self.size / self.batch_size)
        self._check_length()
        self._check_validation()
        self._check_optimiser()
        if self.max_norm is not None:
            number("max_norm", self.max_norm, 0)
        if self.progress is not None and not isinstance(self.progress, bool):
            raise TypeError(
                f"progress must be True, False or None, got {self.progress!r}"
            )
        if self.checkpoint is not None:
            if not isinstance(self.checkpoint, str | Path):
                got = type(self.checkpoint).__name__
                raise TypeError(f"checkpoint must be a path, got {got}")
            if not (folder := Path(self.checkpoint).parent).is_dir():
                raise FileNotFoundError(f"there is no folder {folder} to write to")

    def _check_model(self) -> None:
        if not isinstance(self.model, torch.nn.Module):
            raise TypeError(
                f"model must be a torch.nn.Module, got {type(self.model).__name__}"
            )
        params = [p for p in self.model.parameters() if p.requires_grad]
        if not params:
            raise ValueError("model must have parameters to train, got none")
        self.device = params[0].device
        devices = {p.device for p in self.model.parameters()}
        self.gpus = sorted((d for d in devices if d.type == "cuda"), key=str)

    def _check_length(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            got = "none" if self.steps is None else "both"
            raise ValueError(f"one of epochs and steps must be given, got {got}")
        for name in ("epochs", "steps"):
            if (value := getattr(self, name)) is not None:
                whole(name, value, 1)
        self.total = (
            int(self.steps)
            if self.steps is not None
            else int(self.epochs or 0) * self.per_epoch
        )

    def _check_validation(self) -> None:
        if self.validation is None:
            for name in ("validate_every", "patience"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} needs validation, which is None")
            if isinstance(self.schedule, ReduceLROnPlateau):
                raise ValueError("ReduceLROnPlateau needs validation, which is None")
        elif not callable(self.validation):
            size_of("validation", self.validation)
        for name in ("validate_every", "patience"):
            if (value := getattr(self, name)) is not None:
                whole(name, value, 1)
        self.every = self.validate_every or self.per_epoch

    def _check_optimiser(self) -> None:
        if self.lr is not None:
            number("lr", self.lr, 0)
            if self.optimiser is not None:
                raise ValueError(
                    f"lr must be None where an optimiser is given, got {self.lr}"
                )
        if isinstance(self.schedule, LRScheduler):
            if self.schedule.optimizer is not self.optimiser:
                raise ValueError(
                    "schedule must be one of the optimiser given, got one of another"
                )
        elif self.schedule is not None and not callable(self.schedule):
            raise TypeError(
                "schedule must be a function of the step or a torch scheduler, "
                f"got {type(self.schedule).__name__}"
            )
        own = [p for p in self.model.parameters() if p.requires_grad]
        if self.optimiser is None:
            rate = LR if self.lr is None else float(self.lr)
            self.optimiser = torch.optim.AdamW(own, lr=rate)
        if not isinstance(self.optimiser, torch.optim.Optimizer):
            raise TypeError(
                "optimiser must be a torch.optim.Optimizer, "
                f"got {type(self.optimiser).__name__}"
            )
        known = {id(p) for p in own}
        self.params = [
            p
            for group in self.optimiser.param_groups
            for p in group["params"]
            if id(p) in known
        ]
        if not self.params:
            raise ValueError("optimiser must hold parameters of the model, got none")
