"""Parameters under torch's names, and the check that everything fits them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from seqlib._arrays import Array, State
from seqlib._check import parts, shapes


class Sizes(Protocol):
    """What a cell must tell: row blocks in its weights, arrays in its state."""

    @property
    def blocks(self) -> int: ...
    @property
    def states(self) -> int: ...


def names_of(suffix: str) -> tuple[str, str, str, str]:
    """Return the names of one layer's parameters; suffix "l0", "l0_reverse", "l1"."""
    return (
        f"weight_ih_{suffix}",
        f"weight_hh_{suffix}",
        f"bias_ih_{suffix}",
        f"bias_hh_{suffix}",
    )


def layers_of(params: dict[str, Array]) -> list[list[str]]:
    """Return the names' suffixes, `[["l0", "l0_reverse"], ["l1", ...]]`."""
    if not isinstance(params, dict):
        raise TypeError(
            f"params must be a dict from torch's names to arrays, "
            f"got {type(params).__name__}"
        )
    ways = ("", "_reverse") if "weight_ih_l0_reverse" in params else ("",)
    depth = sum(
        re.fullmatch(r"weight_ih_l\d+", str(name)) is not None for name in params
    )
    layers = [[f"l{k}{way}" for way in ways] for k in range(max(depth, 1))]
    kinds = 4 if "bias_ih_l0" in params else 2
    wanted = {name for layer in layers for s in layer for name in names_of(s)[:kinds]}
    check_names(params, wanted)
    return layers


def check_names(
    params: dict[str, Array], names: Iterable[str], optional: Iterable[str] = ()
) -> None:
    """Raise a ValueError where a name is lacking that must be there, or is strange."""
    if missing := sorted(set(names) - set(optional) - set(params)):
        raise ValueError(f"params must hold {', '.join(missing)}, which it lacks")
    if strange := sorted(map(str, set(params) - set(names))):
        raise ValueError(f"params must not hold {', '.join(strange)}, unused here")


def check(
    cell: Sizes,
    x: Array,
    state: State | None,
    params: dict[str, Array],
    mask: Array | None,
) -> tuple[list[list[str]], tuple[int, int, int]]:
    """Check all of `recurrent`'s input; return the layers and the state's shape."""
    layers = layers_of(params)
    W_hh, W_ih = params["weight_hh_l0"], params["weight_ih_l0"]
    H = shapes(weight_hh_l0=(W_hh, "G H"))["H"]
    rows = cell.blocks * H
    n = shapes(
        weight_hh_l0=(W_hh, f"{rows} {H}"),
        weight_ih_l0=(W_ih, f"{rows} D"),
        x=(x, "B T D"),
        mask=(mask, "B T?", "bool"),
    )
    for k, layer in enumerate(layers):
        fan_in = H * len(layer) if k else n["D"]
        for suffix in layer:
            sizes = (f"{rows} {fan_in}", f"{rows} {H}", f"{rows}", f"{rows}")
            for name, size in zip(names_of(suffix), sizes, strict=True):
                if name in params:
                    shapes(x=(x, "..."), **{name: (params[name], size)})
    sizes_of_state = (sum(len(layer) for layer in layers), n["B"], H)
    if state is not None:
        check_state("state", state, cell.states, ("x", x), sizes_of_state)
    return layers, sizes_of_state


def check_state(
    name: str,
    state: State,
    count: int,
    like: tuple[str, Array],
    sizes: tuple[int | str, ...],
) -> None:
    """Check a state, or a gradient at one: so many arrays, all of these sizes."""
    parts(name, state, count)
    axes = " ".join(map(str, sizes))
    for i, s in enumerate(state):
        shapes(**{like[0]: (like[1], "..."), f"{name}[{i}]": (s, axes)})
