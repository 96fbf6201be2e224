"""How a kernel passes over its input: where it stands and what each weight sees.

A kernel of K weights meets its input through K taps: tap k sees the input from place
k on, every stride-th of it. Convolution and pooling are written with them, forward by
reading through the taps and backward by adding where they had looked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import one_of, whole

Sizes = int | tuple[int, ...]


class Plan(NamedTuple):
    """How a kernel passes over its input, a number for each axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]  # padding at the low end
    after: tuple[int, ...]  # and at the high end
    out: tuple[int, ...]  # positions where the kernel stands

    def taps(self) -> Iterator[tuple]:
        """For each weight of the kernel, row by row: the part of the input it meets."""
        for place in product(*map(range, self.kernel)):
            axes = zip(place, self.dilation, self.stride, self.out, strict=True)
            cuts = [slice(i * d, i * d + s * (n - 1) + 1, s) for i, d, s, n in axes]
            yield (..., *cuts)


def make_plan(
    name: str,
    axes: tuple[str, ...],
    x: Array,
    kernel: tuple[int, ...],
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
) -> Plan:
    """Check the options against x, and work out where the kernel stands."""
    steps = each("stride", stride, axes, 1)
    apart = each("dilation", dilation, axes, 1)
    if isinstance(padding, str):
        one_of("padding", padding, ("valid", "same"))
        if padding == "same" and max(steps) > 1:
            raise ValueError(f"stride must be 1 where padding is 'same', got {stride}")
        wanted = [d * (k - 1) for d, k in zip(apart, kernel, strict=True)]
        total = wanted if padding == "same" else [0] * len(axes)
        before = tuple(n // 2 for n in total)
        after = tuple(n - n // 2 for n in total)
    else:
        before = after = each("padding", padding, axes, 0)
    out = []
    for i, axis in enumerate(axes):
        padded = x.shape[2 + i] + before[i] + after[i]
        options = kernel[i], steps[i], apart[i]
        out.append(positions(name, f"the padded {axis}", padded, *options))
    return Plan(tuple(kernel), steps, apart, before, after, tuple(out))


def positions(
    name: str, where: str, size: int, kernel: int, stride: int, dilation: int
) -> int:
    """Count the positions of a kernel along one axis; there must be one at least."""
    span = dilation * (kernel - 1) + 1
    if span > size:
        raise ValueError(f"{name} must span at most {size}, {where}, got {span}")
    return (size - span) // stride + 1


def each(name: str, value: Any, axes: tuple[str, ...], low: int) -> tuple[int, ...]:
    """Return one whole number for each axis, from one for all or from a tuple."""
    if isinstance(value, tuple):
        if len(value) != len(axes):
            wanted = f"a number or a tuple of {len(axes)}"
            raise ValueError(f"{name} must be {wanted}, got {value}")
    else:
        value = (value,) * len(axes)
    for n in value:
        whole(name, n, low)
    return tuple(int(n) for n in value)


def _inside(x: Array, plan: Plan) -> tuple:
    """Return where x stands in the padded array."""
    ends = zip(plan.before, x.shape[2:], strict=True)
    return (..., *(slice(p, p + n) for p, n in ends))


def _filled(x: Array, plan: Plan, value: float) -> Array:
    """Return an array of one value, of the shape x has when padded."""
    ends = zip(plan.before, x.shape[2:], plan.after, strict=True)
    shape = (*x.shape[:2], *(p + n + q for p, n, q in ends))
    xp = array_namespace(x)
    return xp.full(shape, value, dtype=x.dtype, device=device(x))


def pad(x: Array, plan: Plan, value: float) -> Array:
    """Surround x with a value."""
    if not any(plan.before + plan.after):
        return x
    padded = _filled(x, plan, value)
    padded[_inside(x, plan)] = x
    return padded


def collect(dtaps: Iterable[Array], x: Array, plan: Plan) -> Array:
    """Add up each tap's gradient where it had looked, and cut the padding off."""
    dx = _filled(x, plan, 0.0)
    for tap, dtap in zip(plan.taps(), dtaps, strict=True):
        dx[tap] += dtap
    return dx[_inside(x, plan)]


def columns(x: Array, plan: Plan) -> Array:
    """Every tap's view of x (B, C, ...), side by side: (B, C * taps, positions)."""
    xp = array_namespace(x)
    x = pad(x, plan, 0.0)
    taps = xp.stack([x[tap] for tap in plan.taps()], axis=2)
    return xp.reshape(taps, (x.shape[0], -1, math.prod(plan.out)))


def columns_backward(dcolumns: Array, x: Array, plan: Plan) -> Array:
    """Gradient of `columns`: dx, of x's shape."""
    split = (*x.shape[:2], math.prod(plan.kernel), *plan.out)
    taps = array_namespace(x).reshape(dcolumns, split)
    return collect((taps[:, :, k, ...] for k in range(split[2])), x, plan)
