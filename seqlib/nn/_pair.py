"""What the models share: a pair of array functions for autograd, and parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from seqlib._check import shapes

Functions = tuple[Callable, Callable]


class PairByHand(torch.autograd.Function):
    """Any `f(..., params) -> (*out, cache)` for autograd; `f_backward` its gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        functions: Functions,
        options: dict[str, Any],
        names: tuple[list[str], list[str]],
        *tensors: Tensor,
    ) -> tuple[Tensor | None, ...]:
        """Run the first function; names are the inputs', then the parameters'."""
        count = len(names[0])
        inputs = dict(zip(names[0], tensors[:count], strict=True))
        params = dict(zip(names[1], tensors[count:], strict=True))
        forward, ctx.by_hand = functions
        *outs, cache = forward(**inputs, params=params, **options)
        # Tensors given to save_for_backward are watched for edits and freed in time.
        leaves, ctx.tree = tree_flatten(cache)
        ctx.leaves = [Tensor if isinstance(a, Tensor) else a for a in leaves]
        ctx.save_for_backward(*(a.detach() for a in leaves if isinstance(a, Tensor)))
        ctx.set_materialize_grads(False)
        return tuple(None if out is None else out.detach() for out in outs)

    @staticmethod
    def backward(ctx: Any, *douts: Tensor | None) -> tuple:
        """Run the second function; gradients in the order of forward's inputs."""
        if torch.is_grad_enabled():  # create_graph=True was asked for
            raise RuntimeError(
                'the backward pass by hand has no derivative: use backward="autograd"'
            )
        if all(dout is None for dout in douts):
            return (None,) * len(ctx.needs_input_grad)
        saved = iter(ctx.saved_tensors)  # raises if one was changed in place
        leaves = [next(saved) if a is Tensor else a for a in ctx.leaves]
        back = ctx.by_hand(*douts, tree_unflatten(leaves, ctx.tree))
        *dinputs, grads = back if isinstance(back, tuple) else (back,)
        return None, None, None, *dinputs, *grads.values()


def run(
    functions: Functions,
    backward: str,
    params: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor] | None = None,
    **options: Any,
) -> tuple[Any, ...]:
    """Return what the first function does, without the cache; the gradient is ours.

    With backward="autograd", or where no gradient can be asked for, it is torch's.
    """
    inputs = inputs or {}
    if backward == "autograd" or not torch.is_grad_enabled():
        return functions[0](**inputs, params=dict(params), **options)[:-1]
    names = list(inputs), list(params)
    return PairByHand.apply(
        functions, options, names, *inputs.values(), *params.values()
    )


class Holder(torch.nn.Module):
    """A name that stands before others: it holds parameters and computes nothing."""

    def extra_repr(self) -> str:
        """Show the parameters' shapes."""
        own = self._parameters.items()
        return ", ".join(f"{n}={tuple(p.shape)}" for n, p in own if p is not None)


def hold(
    module: torch.nn.Module,
    shapes: dict[str, tuple[int, ...]],
    device: Any = None,
    dtype: Any = None,
) -> None:
    """Give the module empty parameters under these names, dots and all."""
    for name, shape in shapes.items():
        *path, last = name.split(".")
        place = module
        for part in path:
            if part not in place._modules:
                many = part == "blocks"
                place.add_module(part, torch.nn.ModuleList() if many else Holder())
            place = getattr(place, part)
        values = torch.empty(shape, device=device, dtype=dtype)
        place.register_parameter(last, torch.nn.Parameter(values))


def draw(values: Tensor, deviation: float | None) -> None:
    """Draw a parameter anew: normal, or ones where there is no deviation."""
    with torch.no_grad():
        if deviation is None:
            values.fill_(1)
        elif deviation == 0:
            values.zero_()
        else:
            values.normal_(0, deviation)


def dropping(module: torch.nn.Module, p: float) -> dict[str, Any]:
    """Return the options of dropout, none outside training."""
    if not (module.training and p):
        return {}
    seed = int(torch.randint(2**62, ()))  # torch.manual_seed decides this one too
    return {"dropout": p, "rng": np.random.default_rng(seed)}


def real(name: str, mask: Any, ids: Any) -> Tensor | None:
    """Return Hugging Face's mask, 1 or True = real, as our mask of booleans."""
    if mask is None:
        return None
    if not isinstance(mask, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(mask).__name__}")
    shapes(ids=(ids, "...", "int"))
    if mask.shape != ids.shape:
        raise ValueError(
            f"{name} must have shape {tuple(ids.shape)}, as ids, "
            f"got {tuple(mask.shape)}"
        )
    if mask.dtype == torch.bool:
        return mask
    if bool(((mask != 0) & (mask != 1)).any()):
        raise ValueError(f"{name} must hold 1 for real and 0 for padding, got others")
    return mask == 1
