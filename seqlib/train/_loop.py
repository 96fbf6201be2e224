"""The loop itself: updates, validations, and the end of both."""

from __future__ import annotations

import copy
import math
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm import tqdm

from seqlib._check import number
from seqlib.train._data import batch_of, size_of
from seqlib.train._files import copy_into, fitting
from seqlib.train._plan import Plan
from seqlib.train._run import (
    RECORDS,
    History,
    Interrupts,
    Records,
    weights_of,
    write_state,
)
from seqlib.train._seeds import set_state, state_of

# What a resumed run must have as the first had it, and how a sentence says so.
SAME = {"data": "{} samples", "seed": "a number or a generator of {}"}


class End(NamedTuple):
    """Why a run ends, and whether it came as far as it was to go."""

    why: str
    finished: bool = True


class Loop:
    """A run under way; between two updates, `state` is all that it goes on from."""

    def __init__(
        self, plan: Plan, rng: np.random.Generator, state: dict[str, Any] | None
    ) -> None:
        assert plan.optimiser is not None  # Plan has made one
        self.plan, self.rng, self.optimiser = plan, rng, plan.optimiser
        self.by_torch = isinstance(plan.schedule, LRScheduler)
        self.rates = [float(g["lr"]) for g in self.optimiser.param_groups]
        self.updating = False
        if state is None:
            torch.manual_seed(int(rng.integers(2**63)))
            self.records = Records()
            self.order, self.place = np.zeros(0, np.int64), 0  # of this epoch
            self.first = state_of(rng, plan.gpus)
        else:
            self._go_on(state)

    def run(self, interrupts: Interrupts, shown: tqdm) -> End:
        """Train until there is a reason to end."""
        end = None
        while end is None:
            try:
                end = self._end(interrupts) or self._update(shown)
            except KeyboardInterrupt:  # of the loss, or a second Ctrl-C
                if self.updating:
                    raise
                end = self._interrupted()
        return end

    def close(self, end: End) -> History:
        """Keep the state, restore the best weights, and say what happened."""
        plan, records, state = self.plan, self.records, self.state()
        if plan.checkpoint is not None:
            write_state(plan.checkpoint, state)
        why = end.why
        if records.best is not None:
            copy_into(plan.model, records.best, "the best")
            why += f"; the model has the weights of step {records.best_step}, its best"
        if not end.finished:
            print(why[0].upper() + why[1:] + ".")
        best, arrays = records.best_step, records.arrays()
        return History(**arrays, best_step=best, why=why, finished=end[1], state=state)

    def restore_rates(self) -> None:
        """Give the optimiser back with the rates that it came with."""
        if not self.by_torch:
            self._set_rates(1.0)

    def _set_rates(self, factor: float) -> None:
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def state(self) -> dict[str, Any]:
        """Return all that the run goes on from, as a copy."""
        schedule = self.plan.schedule
        return {
            "records": self.records.arrays(),
            "best": self.records.best,
            "best_step": self.records.best_step,
            "weights": weights_of(self.plan.model),
            "optimiser": copy.deepcopy(self.optimiser.state_dict()),
            "schedule": copy.deepcopy(schedule.state_dict())
            if isinstance(schedule, LRScheduler)
            else None,
            "random": state_of(self.rng, self.plan.gpus),
            "first": self.first,
            "order": self.order,
            "place": self.place,
            "made": self._made(),
        }

    def _made(self) -> dict[str, Any]:
        """Return what must be the same in a run that goes on from this one."""
        schedule = type(self.plan.schedule).__name__
        return {
            "data": self.plan.size,
            "batch_size": int(self.plan.batch_size),
            "schedule": schedule if self.by_torch else "a function or None",
            "optimiser": type(self.optimiser).__name__,
            "lr": None if self.by_torch else self.rates,
            "seed": type(self.rng.bit_generator).__name__,
        }

    def _go_on(self, state: dict[str, Any]) -> None:
        plan, schedule = self.plan, self.plan.schedule
        for name, got in self._made().items():
            if (was := state["made"][name]) != got:
                wanted = SAME.get(name, "{}").format(was)
                raise ValueError(
                    f"{name} must be {wanted} as in the run to resume, got {got}"
                )
        fitting(plan.model, state["weights"], "the run to resume")
        try:
            self.optimiser.load_state_dict(state["optimiser"])
        except (ValueError, KeyError):
            raise ValueError(
                "optimiser must be as in the run to resume, got one of other parameters"
            ) from None
        copy_into(plan.model, state["weights"], "the run to resume")
        if isinstance(schedule, LRScheduler):
            schedule.load_state_dict(state["schedule"])
        lists = {name: state["records"][name].tolist() for name in RECORDS}
        self.records = Records(lists, state["best"], state["best_step"])
        self.order, self.place = state["order"], state["place"]
        self.first = state["first"]
        set_state(state["random"], self.rng, plan.gpus)

    def _end(self, interrupts: Interrupts) -> End | None:
        """Validate if it is time; say why the run ends here, if it does."""
        plan, records, step = self.plan, self.records, self.records.step
        if interrupts.noted:
            return self._interrupted()
        ends = step >= plan.total
        if step and (step % plan.every == 0 or ends) and not records.validated():
            if plan.validation is not None:
                self._validate()
            if plan.checkpoint is not None and not ends:
                write_state(plan.checkpoint, self.state())
        if ends:
            return End(f"finished {step} steps")
        if plan.patience and records.since_best() >= plan.patience:
            n = plan.patience
            times = "the last validation was" if n == 1 else f"{n} validations were"
            return End(f"stopped after {step} steps, since {times} no lower")
        return None

    def _interrupted(self) -> End:
        step = self.records.step
        return End(f"interrupted after {step} steps; resume= goes on from there", False)

    def _update(self, shown: tqdm) -> End | None:
        """One batch, one update; or none, and why."""
        started = time.perf_counter()
        plan, step = self.plan, self.records.step
        before = state_of(self.rng, plan.gpus), self.order, self.place
        buffers = [(buffer, buffer.clone()) for buffer in plan.model.buffers()]
        reason, done = None, False
        try:
            loss, norm = self._gradient()
            for name, value in (("loss", loss), ("gradient's norm", norm)):
                if not math.isfinite(value):
                    reason = f"stopped at step {step + 1}, where the {name} was {value}"
                    return End(reason, False)
            done = True
        finally:
            if not done:  # as if this step had not begun
                random, self.order, self.place = before
                set_state(random, self.rng, plan.gpus)
                self.optimiser.zero_grad()
                for buffer, was in buffers:
                    buffer.copy_(was)
        self.updating = True
        if plan.schedule is not None and not self.by_torch:
            factor = plan.schedule(step)  # type: ignore[operator]
            number(f"schedule({step})", factor, 0)
            self._set_rates(float(factor))
        if plan.max_norm is not None and norm > plan.max_norm:
            for p in plan.params:
                if p.grad is not None:
                    p.grad.mul_(plan.max_norm / norm)
        lr = float(self.optimiser.param_groups[0]["lr"])
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.by_torch and not isinstance(plan.schedule, ReduceLROnPlateau):
            plan.schedule.step()  # type: ignore[union-attr]
        seconds = time.perf_counter() - started
        self.records.add(loss=loss, grad_norm=norm, lr=lr, seconds=seconds)
        self.updating = False
        shown.set_postfix(loss=f"{loss:.4g}", refresh=False)
        shown.update()
        return None

    def _gradient(self) -> tuple[float, float]:
        """Leave the next batch's gradient in the parameters; return loss and norm."""
        plan = self.plan
        if self.place >= len(self.order):
            self.order, self.place = self.rng.permutation(plan.size), 0
        chosen = self.order[self.place : self.place + plan.batch_size]
        self.place += len(chosen)
        self.optimiser.zero_grad()
        loss = self._loss(plan.data, chosen)
        if not math.isfinite(value := loss.item()):
            return value, 0.0
        if loss.requires_grad:
            loss.backward()
        grads = [p.grad for p in plan.params if p.grad is not None]
        if not grads:
            raise ValueError("loss must depend on the model's parameters, and does not")
        return value, float(torch.nn.utils.get_total_norm(grads))

    def _loss(self, data: Any, chosen: np.ndarray) -> torch.Tensor:
        plan = self.plan
        batch = batch_of(data, chosen, plan.collate, plan.device)
        loss = plan.loss(plan.model, batch)
        if not isinstance(loss, torch.Tensor) or loss.shape != ():
            shape = tuple(getattr(loss, "shape", ()))
            got = f"shape {shape}" if shape else type(loss).__name__
            raise ValueError(f"loss must return a tensor of shape (), got {got}")
        return loss

    def _validate(self) -> None:
        """Measure the model, in evaluation mode, with the same chance each time."""
        plan, records = self.plan, self.records
        random = state_of(self.rng, plan.gpus)
        set_state(self.first, self.rng, plan.gpus)
        plan.model.eval()
        try:
            with torch.no_grad():
                value = self._validation()
        finally:
            plan.model.train()
            set_state(random, self.rng, plan.gpus)
        lower = value < records.lowest()
        records.add(validation=value, validation_steps=records.step)
        if lower:
            records.best, records.best_step = weights_of(plan.model), records.step
        if isinstance(plan.schedule, ReduceLROnPlateau):
            plan.schedule.step(value)

    def _validation(self) -> float:
        plan = self.plan
        if callable(plan.validation):
            value = plan.validation(plan.model)
            try:
                return float(value)
            except (TypeError, ValueError):
                raise TypeError(
                    f"validation must return a number, got {type(value).__name__}"
                ) from None
        total, size = 0.0, size_of("validation", plan.validation)
        for start in range(0, size, plan.batch_size):
            chosen = np.arange(start, min(start + plan.batch_size, size))
            total += self._loss(plan.validation, chosen).item() * len(chosen)
        return total / size
