"""Lists of layers, each a pair (W, b) with an activation, and their checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqlib import rnn
from seqlib._arrays import Array, array_namespace
from seqlib._check import one_of, shapes

Layers = Sequence[tuple[Array, Array | None]]
Activations = str | Sequence[str]


def _threshold(z: Array) -> Array:
    xp = array_namespace(z)
    return xp.where(z >= 0, 1, xp.where(z < 0, 0, z))  # NaN stays NaN


ACTIVATIONS = {**rnn.ACTIVATIONS, "linear": lambda z: z, "threshold": _threshold}

# f'(z), written with the value f(z) that the forward pass kept
SLOPES = {
    **rnn.SLOPES,
    "linear": lambda y: array_namespace(y).ones_like(y),
    "threshold": lambda y: array_namespace(y).zeros_like(y),  # flat, but for the jump
}


def names(layers: Any, activations: Any, name: str = "layers") -> list[str]:
    """Check that layers are pairs, and return each one's activation."""
    which = f"{name}_activations" if name in "fg" else "activations"
    if not isinstance(layers, list | tuple) or not layers:
        got = "none" if isinstance(layers, list | tuple) else type(layers).__name__
        raise TypeError(f"{name} must be a list of pairs (W, b), got {got}")
    for i, layer in enumerate(layers):
        if not isinstance(layer, list | tuple) or len(layer) != 2:
            got = type(layer).__name__
            if isinstance(layer, list | tuple):
                got = f"{len(layer)} things"
            raise TypeError(f"{name}[{i}] must be a pair (W, b), got {got}")
    if isinstance(activations, str):
        activations = [activations] * len(layers)
    if not isinstance(activations, list | tuple) or len(activations) != len(layers):
        wanted = f"a name, or one for each of the {len(layers)} layers"
        raise ValueError(f"{which} must be {wanted}, got {activations!r}")
    for one in activations:
        one_of(which, one, ACTIVATIONS)
    return list(activations)


def check(
    layers: Layers,
    activations: Activations,
    name: str = "layers",
    first: str = "D",
    **inputs: tuple[Any, ...],
) -> tuple[list[str], dict[str, int]]:
    """Check dense layers, and what is given with them.

    Return each layer's activation, and all sizes: the first layer's inputs under the
    name in `first`, the layers' units as H1, H2 and so on.
    """
    chosen = names(layers, activations, name)
    axes: dict[str, tuple[Any, ...]] = {}
    for i, (W, b) in enumerate(layers):
        axes[f"{name}[{i}][0]"] = (W, f"H{i + 1} {f'H{i}' if i else first}")
        axes[f"{name}[{i}][1]"] = (b, f"H{i + 1}?")
    return chosen, shapes(**axes, **inputs)


def add(one: list, other: list) -> list:
    """Add up two lists of pairs, gradients of the same layers."""
    return [
        (W + V, None if b is None else b + c)
        for (W, b), (V, c) in zip(one, other, strict=True)
    ]
