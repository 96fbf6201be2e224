"""Networks of threshold units built by hand: logic, parity, and regions of the plane.

Each function returns the layers of `mlp.mlp`, to be run with activation "threshold" on
inputs that are 0 or 1 (for polygons: points of the plane). All are numpy, float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np

from seqlib._check import one_of, shapes, whole
from seqlib._layers import check

Built = list[tuple[np.ndarray, np.ndarray]]


def at_least(k: int, signs: Sequence[int]) -> Built:
    """One unit that fires where k or more of its literals are true.

    A literal is x_i where signs[i] is 1, NOT x_i where it is -1, and none where it is
    0; the unit is sum_i signs[i] x_i >= k - (number of -1). k = 1 is OR, k = all of
    them is AND, half of them a majority. Shapes: one layer, W (1, n), b (1,). Errors:
    k is not from 0 to n + 1, a sign is none of 1, 0, -1.
    Source: McCulloch & Pitts (1943).
    """
    if np.ndim(signs) != 1 or len(signs) == 0:
        raise ValueError(f"signs must be a list of 1, 0 and -1, got {signs!r}")
    for sign in signs:
        whole("signs", sign, -1, 1)
    whole("k", k, 0, len(signs) + 1)
    W = np.array([signs], dtype=float)  # (1, n)
    return [(W, np.array([np.sum(W == -1) - float(k)]))]


def truth_table(outputs: Sequence[bool | int]) -> Built:
    """Network for any Boolean function: an AND unit for each true row, and an OR.

    outputs: the function's 2**n values, row r being that of the inputs that spell r in
    binary, the first input its highest bit, as `itertools.product((0, 1), repeat=n)`
    counts. Shapes: two layers, of as many units as rows are true (at least 1), and of
    1. Errors: the outputs are not 2, 4, 8 ... of 0 and 1. Equation (2.8) of the book.
    """
    count = len(outputs) if np.ndim(outputs) == 1 else 0
    n = count.bit_length() - 1
    if n < 1 or count != 2**n:
        raise ValueError(f"outputs must be a list of 2, 4, 8, ... values, got {count}")
    for value in outputs:
        if value not in (0, 1):
            raise ValueError(f"outputs must be 0 or 1, got {value!r}")
    rows = zip(product((-1, 1), repeat=n), outputs, strict=True)
    units = [at_least(n, signs)[0] for signs, true in rows if true]
    return _over(units or [at_least(n + 1, [1] * n)[0]])


def parity(n: int, kind: str = "threshold") -> Built:
    """Network that fires where an odd number of its n inputs are 1.

    "threshold": n units count, unit k firing where k or more inputs are 1, and the
    output is their alternating sum. "and_or": an AND for each odd row of the table,
    2**(n-1) of them, and an OR. "deep": a tree of XORs, 3 units each, n - 1 of them in
    2 ceil(log2 n) layers (and, where a row of the tree is odd, 2 units that hand a
    value on). Errors: n is no whole number above 0 (above 16 for "and_or"); an unknown
    kind. Equation (2.10) of the book. Source: Minsky & Papert (1969).
    """
    one_of("kind", kind, ("threshold", "and_or", "deep"))
    whole("n", n, 1, 16 if kind == "and_or" else None)
    if kind == "and_or":
        return truth_table([sum(bits) % 2 for bits in product((0, 1), repeat=n)])
    if kind == "threshold":
        return _count_and_alternate(n)
    layers: Built = []
    while n > 1:
        pairs = [_count_and_alternate(2)] * (n // 2) + [_count_and_alternate(1)] * (
            n % 2
        )
        layers += _side_by_side(pairs)
        n = len(pairs)
    return layers or at_least(1, [1])


def polygon(vertices: np.ndarray, needed: int | None = None) -> Built:
    """Network that fires inside a convex polygon: a unit for each side, and their AND.

    Each side's unit fires on the polygon's side of that side, the line included (to
    rounding). With `needed`, that many sides suffice: 4 of a pentagon's 5 make a
    five-pointed star. Shapes: vertices (N, 2), floats, N >= 3, in either sense round;
    two layers, of N units and of 1. Errors: the polygon is not convex, needed is not
    from 1 to N. Equation (2.11) of the book. Source: Lippmann (1987).
    """
    N = shapes(vertices=(vertices, "N 2"))["N"]
    corners = np.asarray(vertices, dtype=float)
    sides = np.roll(corners, -1, axis=0) - corners
    after = np.roll(sides, -1, axis=0)
    turns = np.arctan2(
        sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0],
        np.sum(sides * after, axis=1),
    )
    sense = np.sign(turns[0])
    once = np.isclose(abs(np.sum(turns)), 2 * np.pi)
    if N < 3 or not once or (turns * sense <= 0).any():
        raise ValueError("vertices must go once round a convex polygon of 3 or more")
    needed = N if needed is None else needed
    whole("needed", needed, 1, N)
    W = sense * np.stack([-sides[:, 1], sides[:, 0]], axis=1)  # normals, inward
    return [(W, -np.sum(W * corners, axis=1)), *at_least(needed, [1] * N)]


def union(*networks: Built) -> Built:
    """Network that fires where one of the networks does: side by side, and an OR above.

    The networks share their inputs, have as many layers as each other, and one unit in
    the last. Errors: they do not.
    """
    if not networks:
        raise ValueError("networks must be at least one, got none")
    inputs = []
    for layers in networks:
        sizes = check(layers, "threshold")[1]
        if any(b is None for _, b in layers):
            raise ValueError("networks must have a bias in every layer, got None")
        inputs.append((sizes["D"], len(layers), sizes[f"H{len(layers)}"]))
    for got in inputs:
        if got[:2] != inputs[0][:2] or got[2] != 1:
            D, depth, _ = inputs[0]
            raise ValueError(
                f"networks must have {D} inputs, {depth} layers and 1 output each, "
                f"got {got[0]}, {got[1]} and {got[2]}"
            )
    blocks = _side_by_side(networks)
    W, b = blocks[0]
    shared = np.sum(np.split(W, len(networks), axis=1), axis=0)  # the same inputs
    return [(shared, b), *blocks[1:], *at_least(1, [1] * len(networks))]


def _count_and_alternate(n: int) -> Built:
    """Parity: "k or more" for k = 1 to n, then 1 - 1 + 1 ... of those that fire."""
    signs = np.array([[(-1.0) ** k for k in range(n)]])
    counts = np.ones((n, n)), -np.arange(1.0, n + 1)
    return [counts, (signs, np.array([-1.0]))]


def _over(units: Built) -> Built:
    """Put an OR over units that share their inputs."""
    W, b = (np.concatenate(arrays) for arrays in zip(*units, strict=True))
    return [(W, b), *at_least(1, [1] * len(units))]


def _side_by_side(networks: Sequence[Built]) -> Built:
    """Join networks that have inputs of their own, layer by layer."""
    layers = []
    for level in zip(*networks, strict=True):
        ends = np.cumsum([[0, 0], *(W.shape for W, _ in level)], axis=0)
        joined = np.zeros(ends[-1])
        for (W, _), ((i, j), (k, m)) in zip(level, pairwise(ends), strict=True):
            joined[i:k, j:m] = W
        layers.append((joined, np.concatenate([b for _, b in level])))
    return layers
