"""What GPT and BERT share: names and shapes of parameters, and the stack of blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from seqlib._arrays import Array
from seqlib._check import generator, shapes, whole
from seqlib._multi_head import check_heads
from seqlib._params import check_names
from seqlib.transformer._blocks import encoder_block, encoder_block_backward
from seqlib.transformer._checks import Params

Shapes = dict[str, tuple[int, ...]]
BLOCK = {  # of the parameters of one block, with the names of torch.nn's layer
    "self_attn.in_proj_weight": "3E E",
    "self_attn.in_proj_bias": "3E",
    "self_attn.out_proj.weight": "E E",
    "self_attn.out_proj.bias": "E",
    "linear1.weight": "F E",
    "linear1.bias": "F",
    "linear2.weight": "E F",
    "linear2.bias": "E",
    "norm1.weight": "E",
    "norm1.bias": "E",
    "norm2.weight": "E",
    "norm2.bias": "E",
}


def block_shapes(num_layers: int, E: int, F: int, bias: bool = True) -> Shapes:
    """Return names and shapes of the parameters of so many blocks."""
    sizes = {"E": E, "3E": 3 * E, "F": F}
    return {
        f"blocks.{i}.{name}": tuple(sizes[a] for a in axes.split())
        for i in range(num_layers)
        for name, axes in BLOCK.items()
        if bias or not name.endswith("bias")
    }


def deviation(name: str, num_layers: int, residual: bool = False) -> float | None:
    """Return the deviation a parameter is drawn with, None for a norm's weight.

    Everything is normal with deviation 0.02, biases are 0 and norms 1. With `residual`
    what a block adds is drawn smaller by sqrt(2L), since 2L of them are summed.
    """
    if name.endswith("bias"):
        return 0.0
    if "norm" in name:
        return None
    adds = residual and name.endswith(("out_proj.weight", "linear2.weight"))
    return 0.02 / math.sqrt(2 * num_layers) if adds else 0.02


def draw(
    shapes: Shapes, num_layers: int, rng: np.random.Generator | None, residual: bool
) -> dict[str, np.ndarray]:
    """Draw parameters of these shapes by the rule of `deviation`."""
    rng = np.random.default_rng() if rng is None else rng
    generator("rng", rng)
    params = {}
    for name, shape in shapes.items():
        σ = deviation(name, num_layers, residual)
        params[name] = np.ones(shape) if σ is None else rng.normal(0, 1, shape) * σ
    return params


def check_sizes(**sizes: int) -> None:
    """Raise unless all of them are whole numbers above 0."""
    for name, size in sizes.items():
        whole(name, size, 1)


def check_params(
    params: Params, own: dict[str, str], optional: Iterable[str], num_heads: int
) -> dict[str, int]:
    """Check names and shapes of all parameters; return the sizes by their letters.

    `own` are the axes of what stands outside the blocks, the first (V, E). Biases, and
    `optional`, may be left out.
    """
    if not isinstance(params, dict):
        raise TypeError(
            f"params must be a dict from names to arrays, got {type(params).__name__}"
        )
    axes = dict(own)
    for i in range(depth(params)):
        axes |= {f"blocks.{i}.{name}": a for name, a in BLOCK.items()}
    biases = [n for n in axes if n.endswith("bias")]
    check_names(params, axes, [*biases, *optional])
    first = next(iter(own))
    E = shapes(**{first: (params[first], own[first])})["E"]
    check_heads(num_heads, E)
    return shapes(
        **{
            name: (params[name], a.replace("3E", f"{3 * E}"))
            for name, a in axes.items()
            if name in params
        }
    )


def depth(params: Params) -> int:
    """Return the number of blocks, 1 at least."""
    numbers = [str(n).split(".")[1] for n in params if str(n).startswith("blocks.")]
    return max((int(i) + 1 for i in numbers if i.isdigit()), default=1)


def under(prefix: str, params: Params) -> Params:
    """Return the parameters whose names start so, without the start."""
    return {n[len(prefix) :]: a for n, a in params.items() if n.startswith(prefix)}


def blocks_of(params: Params) -> list[Params]:
    """Return the parameters of each block."""
    return [under(f"blocks.{i}.", params) for i in range(depth(params))]


def run_blocks(
    x: Array, params: Params, num_heads: int, mask: Array | None, **options: object
) -> tuple[Array, list[tuple]]:
    """Put x through all blocks; options as for `encoder_block`."""
    caches = []
    for block in blocks_of(params):
        x, cache = encoder_block(x, block, num_heads, mask, **options)  # type: ignore
        caches.append(cache)
    return x, caches


def run_blocks_backward(dout: Array, caches: list[tuple]) -> tuple[Array, Params]:
    """Gradients of `run_blocks`: dx, and those of the parameters by full names."""
    grads: Params = {}
    for i in reversed(range(len(caches))):
        dout, own, _ = encoder_block_backward(dout, caches[i])
        grads |= {f"blocks.{i}.{name}": g for name, g in own.items()}
    return dout, grads
