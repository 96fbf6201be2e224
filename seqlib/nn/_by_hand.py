"""Any pair of array functions as one step of autograd, its gradient made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten


def by_hand(
    f: Callable,
    f_backward: Callable,
    inputs: Sequence[Tensor],
    params: dict[str, Tensor],
    masks: Sequence[Tensor | None] = (),
    backward: str = "hand",
) -> Tensor:
    """Return the result of f; `f_backward` gives its gradient, unless autograd does.

    f(*inputs, params, *masks) returns (out, cache), and f_backward(dout, cache) a tuple
    with the gradients in that order, those of params as a dict.
    """
    if backward == "autograd":
        return f(*inputs, params, *masks)[0]
    names, counts = list(params), (len(inputs), len(params))
    tensors = *inputs, *params.values(), *masks
    return _Function.apply(f, f_backward, names, counts, *tensors)


class _Function(torch.autograd.Function):
    """What `by_hand` is for autograd."""

    @staticmethod
    def forward(
        ctx: Any,
        f: Callable,
        f_backward: Callable,
        names: list[str],
        counts: tuple[int, int],
        *tensors: Tensor | None,
    ) -> Tensor:
        """Run f; tensors are those of the inputs, the parameters and the masks."""
        n = counts[0]
        weights, masks = tensors[n : n + counts[1]], tensors[n + counts[1] :]
        params = dict(zip(names, weights, strict=True))
        out, cache = f(*tensors[:n], params, *masks)
        # Tensors given to save_for_backward are watched for edits and freed in time.
        leaves, ctx.tree = tree_flatten(cache)
        ctx.leaves = [Tensor if isinstance(a, Tensor) else a for a in leaves]
        ctx.save_for_backward(*(a.detach() for a in leaves if isinstance(a, Tensor)))
        ctx.f_backward, ctx.inputs = f_backward, n
        return out.detach()

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> tuple:
        """Run f_backward; gradients in the order of forward's inputs."""
        if torch.is_grad_enabled():  # create_graph=True was asked for
            raise RuntimeError(
                'the backward pass by hand has no derivative: use backward="autograd"'
            )
        saved = iter(ctx.saved_tensors)  # raises if one was changed in place
        leaves = [next(saved) if a is Tensor else a for a in ctx.leaves]
        back = ctx.f_backward(dout, tree_unflatten(leaves, ctx.tree))
        dinputs, (grads, *dmasks) = back[: ctx.inputs], back[ctx.inputs :]
        return None, None, None, None, *dinputs, *grads.values(), *dmasks


def chance(module: torch.nn.Module, p: float) -> dict[str, Any]:
    """Return `dropout` and `rng` for an array function, nothing while not training."""
    if not (module.training and p):
        return {}
    seed = int(torch.randint(2**62, ()))  # torch.manual_seed decides this one too
    return {"dropout": p, "rng": np.random.default_rng(seed)}
