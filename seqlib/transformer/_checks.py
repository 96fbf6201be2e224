"""The check of what a Transformer's block is given, before any work."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from seqlib._activations import ACTIVATIONS
from seqlib._arrays import Array
from seqlib._check import generator, number, one_of, shapes
from seqlib._multi_head import check_heads
from seqlib._params import check_names

Params = dict[str, Array]


class Options(NamedTuple):
    """What all parts of a block have in common."""

    norm_first: bool
    activation: str
    eps: float
    dropout: float
    rng: np.random.Generator | None


def check_block(
    x: Array,
    params: Params,
    attentions: Collection[str],
    num_heads: int,
    options: Options,
) -> tuple[int, int, int]:
    """Check options, parameters and x of a block; return the sizes B, T, E.

    `attentions` are the prefixes of the block's attentions: there is a layer norm for
    each, and one for the feed-forward part.
    """
    check_options(*options[1:])
    if not isinstance(params, dict):
        raise TypeError(
            f"params must be a dict from torch's names to arrays, "
            f"got {type(params).__name__}"
        )
    names = list(block_axes(attentions, 1))
    check_names(params, names, [n for n in names if n.endswith("bias")])
    first = params["norm1.weight"]
    E = shapes(**{"norm1.weight": (first, "E")})["E"]
    check_heads(num_heads, E)
    axes = block_axes(attentions, E)
    arrays = {name: (params[name], a) for name, a in axes.items() if name in params}
    arrays = {"norm1.weight": (first, f"{E}"), **arrays}  # the one to be like
    n = shapes(**arrays, x=(x, f"B T {E}"))
    return n["B"], n["T"], E


def check_options(
    activation: str, eps: float, dropout: float, rng: np.random.Generator | None
) -> None:
    """Check what all parts of a model have in common."""
    one_of("activation", activation, ACTIVATIONS)
    number("eps", eps, 0)
    number("dropout", dropout, 0, 1, below=True)
    if dropout:
        generator("rng", rng)


def block_axes(attentions: Collection[str], E: int) -> dict[str, str]:
    """Return the axes of every parameter, under torch's names."""
    axes = {}
    for name in attentions:
        axes[f"{name}.in_proj_weight"] = f"{3 * E} {E}"
        axes[f"{name}.in_proj_bias"] = f"{3 * E}"
        axes[f"{name}.out_proj.weight"] = f"{E} {E}"
        axes[f"{name}.out_proj.bias"] = f"{E}"
    axes |= {"linear1.weight": f"F {E}", "linear1.bias": "F"}
    axes |= {"linear2.weight": f"{E} F", "linear2.bias": f"{E}"}
    for i in range(1, len(attentions) + 2):
        axes |= {f"norm{i}.weight": f"{E}", f"norm{i}.bias": f"{E}"}
    return axes
