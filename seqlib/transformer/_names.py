"""The parameters of a stack: their names, torch's, and the check that all are there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from seqlib._check import shapes
from seqlib._params import check_names
from seqlib.transformer._checks import Params, block_axes

ATTENTIONS = {
    "encoder": ("self_attn",),
    "decoder": ("self_attn", "multihead_attn"),
}


def under(prefix: str, params: Params) -> Params:
    """Return the parameters whose names begin with the prefix, without it."""
    return {k[len(prefix) :]: a for k, a in params.items() if k.startswith(prefix)}


def prefixed(prefix: str, params: Params) -> Params:
    """Return the same parameters with the prefix before their names."""
    return {prefix + name: a for name, a in params.items()}


def layers(params: Params) -> list[Params]:
    """Return the parameters of each layer of a stack that has passed its check."""
    count = len(_numbers(params, ""))
    return [under(f"layers.{i}.", params) for i in range(count)]


def check_params(params: Params) -> None:
    """Raise a TypeError unless params is a dict from names to arrays."""
    if not isinstance(params, dict) or not all(isinstance(k, str) for k in params):
        got = type(params).__name__
        got = "keys that are no names" if got == "dict" else got
        raise TypeError(
            f"params must be a dict from torch's names to arrays, got {got}"
        )


def check_stack(
    params: Params,
    kind: str,
    prefix: str = "",
    others: Iterable[str] = (),
    E: int | None = None,
) -> int:
    """Check names and shapes of a stack's parameters; return E.

    `prefix` stands before all names of the stack, and names that begin with one of the
    `others` are not its own. Given, E is what the stack must have.
    """
    check_params(params)
    others = tuple(others)
    mine = {k: a for k, a in params.items() if not (others and k.startswith(others))}
    numbers = _numbers(mine, prefix)
    if not numbers:
        raise ValueError(f"params must hold {prefix}layers.0 at least, got no layer")
    if numbers != list(range(len(numbers))):
        got = ", ".join(map(str, numbers))
        raise ValueError(
            f"params must hold {prefix}layers numbered from 0 without a gap, got {got}"
        )
    axes = {f"{prefix}norm.weight": "E", f"{prefix}norm.bias": "E"}
    optional = set() if f"{prefix}norm.bias" in mine else {f"{prefix}norm.weight"}
    for i in numbers:
        own = block_axes(ATTENTIONS[kind], 0)
        axes |= prefixed(f"{prefix}layers.{i}.", own)
    optional |= {name for name in axes if name.endswith("bias")}
    check_names(mine, axes, optional)
    name = f"{prefix}layers.0.norm1.weight"
    first = mine[name]
    E = shapes(**{name: (first, "E" if E is None else f"{E}")}).get("E", E) or 0
    axes = {f"{prefix}norm.weight": f"{E}", f"{prefix}norm.bias": f"{E}"}
    for i in numbers:
        own = block_axes(ATTENTIONS[kind], E)
        own = {k: a.replace("F", f"F{i}") for k, a in own.items()}  # each its own size
        axes |= prefixed(f"{prefix}layers.{i}.", own)
    arrays = {k: (mine[k], a) for k, a in axes.items() if k in mine}
    shapes(**{name: arrays[name], **arrays})
    return E


def _numbers(params: Params, prefix: str) -> list[int]:
    """Return the numbers of the layers that params speak of."""
    pattern = re.compile(re.escape(prefix) + r"layers\.(\d+)\.")
    return sorted({int(m[1]) for k in params if (m := pattern.match(k))})
