"""The training loop: what `fit` takes, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LRScheduler

from seqlib.train._loop import Loop
from seqlib.train._plan import Plan
from seqlib.train._progress import bar
from seqlib.train._run import History, Interrupts, state_from
from seqlib.train._seeds import generator_of


def fit(
    model: torch.nn.Module,
    loss: Callable[[torch.nn.Module, Any], torch.Tensor],
    data: Any,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 32,
    collate: Callable[[Any], Any] | None = None,
    seed: int | np.random.Generator = 0,
    optimiser: torch.optim.Optimizer | None = None,
    lr: float | None = None,
    schedule: Callable[[int], float] | LRScheduler | None = None,
    max_norm: float | None = None,
    validation: Any = None,
    validate_every: int | None = None,
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    resume: History | str | Path | None = None,
    progress: bool | None = None,
) -> History:
    """Train a model: batch, loss, gradient, clipping, update, again and again.

    Parameters
    ----------
    model : a torch module. Its first weights are the caller's (`seeded`); they are
        changed in place
    loss : `loss(model, batch)`, a tensor of shape ()
    data : N samples: an array, a tensor or a list, or a tuple or dict of such, which
        are cut in the same places. Batches are made in the same form, arrays becoming
        tensors on the model's device. Each epoch has a new order; its last batch may
        be smaller
    epochs, steps : how long: one of them, so many passes over the data or updates
    collate : `collate(batch)` before that, e.g. to pad lists of unequal length
    seed : a whole number, or a numpy generator that loss and collate may draw from too.
        It decides the order of the data, and the state of torch's global generator
        (dropout), which is as before when `fit` returns. Two runs from one seed and the
        same first weights are the same to the last bit, on one machine
    optimiser, lr : torch's optimiser, or None for AdamW at the rate lr, 0.001 unless
        given
    schedule : `schedule(step)`, the factor on the optimiser's rate after so many
        updates, 0 for the first (`inverse_sqrt`, `cosine`); or one of torch's
        schedulers of this optimiser, which is stepped after each update
        (ReduceLROnPlateau: after each validation)
    max_norm : the gradient, all parameters together, is scaled to at most this norm
    validation : data as above, whose mean loss is taken batch by batch, weighed by
        their samples; or a function of the model that returns a number. Without
        gradients, in evaluation mode. It takes no random numbers from the training,
        and draws the same ones each time
    validate_every : updates between validations, None for an epoch; there is one at the
        end too. The model ends with the weights of the lowest
    patience : stop when so many validations in a row brought nothing lower
    checkpoint : a file that keeps the run's state, written anew at each validation, or
        after each epoch without one, and at the end
    resume : a history, or such a file: the run goes on as if it had never stopped. Give
        a model, an optimiser, a schedule and data made as they were at first; epochs
        and steps count from the first start, so that more of them prolong a run
    progress : a bar, None for one only in a terminal or a notebook, where it leaves no
        trace in the stored output

    Returns
    -------
    history : losses, norms, rates and validations as arrays, and a sentence `why`.
        Ctrl-C waits for the end of an update, then ends the run as patience would; a
        loss or a gradient that is not finite ends it before the update. Both print the
        sentence. The model has the weights of the best validation, or without one those
        after the last update

    Raises
    ------
    TypeError, ValueError
        An argument does not fit; there is nothing to train on, or nothing to train; the
        loss is no number, or does not depend on the parameters.
    """
    plan = Plan(
        model,
        loss,
        data,
        epochs,
        steps,
        batch_size,
        collate,
        optimiser,
        lr,
        schedule,
        max_norm,
        validation,
        validate_every,
        patience,
        checkpoint,
        progress,
    )
    state = None if resume is None else state_from(resume)
    rng = generator_of(seed)
    modes = {module: module.training for module in model.modules()}
    with torch.random.fork_rng(devices=plan.gpus), Interrupts() as interrupts:
        loop = Loop(plan, rng, state)
        model.train()
        try:
            with bar(plan.total, loop.records.step, progress) as shown:
                end = loop.run(interrupts, shown)
            return loop.close(end)
        finally:
            loop.restore_rates()
            for module, mode in modes.items():
                module.training = mode
