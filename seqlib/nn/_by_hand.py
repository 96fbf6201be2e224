"""A pair of array functions as one step of autograd, its gradient made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten


def by_hand(
    f: Callable,
    f_backward: Callable,
    tensors: Iterable[Tensor | None],
    params: Mapping[str, Tensor],
    backward: str = "hand",
) -> tuple[Any, ...]:
    """Return the results of f; `f_backward` gives their gradient, or autograd does.

    f(*tensors, params) returns (*outs, cache), and f_backward(*douts, cache) the
    gradients at the tensors, then a dict of those at the parameters; a dout is None
    where nothing comes back. What else they need they must have in them.
    """
    inputs, names = list(tensors), list(params)
    if backward == "autograd" or not torch.is_grad_enabled():
        return tuple(f(*inputs, dict(params))[:-1])
    n = len(inputs)

    def forwards(*flat: Tensor | None) -> tuple:
        return f(*flat[:n], dict(zip(names, flat[n:], strict=True)))

    def backwards(*douts_and_cache: Any) -> tuple:
        *dtensors, grads = f_backward(*douts_and_cache)
        return *dtensors, *grads.values()

    return _Function.apply(forwards, backwards, *inputs, *params.values())


class _Function(torch.autograd.Function):
    """What `by_hand` is for autograd."""

    @staticmethod
    def forward(
        ctx: Any, f: Callable, f_backward: Callable, *tensors: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Run f, and keep its cache."""
        *outs, cache = f(*tensors)
        # Tensors given to save_for_backward are watched for edits and freed in time.
        leaves, ctx.tree = tree_flatten(cache)
        ctx.leaves = [Tensor if isinstance(a, Tensor) else a for a in leaves]
        ctx.save_for_backward(*(a.detach() for a in leaves if isinstance(a, Tensor)))
        ctx.set_materialize_grads(False)
        ctx.f_backward = f_backward
        # Detached they are no views, and may be edited.
        return tuple(None if out is None else out.detach() for out in outs)

    @staticmethod
    def backward(ctx: Any, *douts: Tensor | None) -> tuple:
        """Run f_backward; gradients in the order of forward's inputs."""
        if torch.is_grad_enabled():  # create_graph=True was asked for
            raise RuntimeError(
                'the backward pass by hand has no derivative: use backward="autograd"'
            )
        if all(dout is None for dout in douts):
            return (None,) * len(ctx.needs_input_grad)
        saved = iter(ctx.saved_tensors)  # raises if one was changed in place
        leaves = [next(saved) if a is Tensor else a for a in ctx.leaves]
        back = ctx.f_backward(*douts, tree_unflatten(leaves, ctx.tree))
        return None, None, *back


def chance(module: torch.nn.Module, p: float) -> dict[str, Any]:
    """Return `dropout` and `rng` for an array function, nothing while not training."""
    if not (module.training and p):
        return {}
    seed = int(torch.randint(2**62, ()))  # torch.manual_seed decides this one too
    return {"dropout": p, "rng": np.random.default_rng(seed)}
