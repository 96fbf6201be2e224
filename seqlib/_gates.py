"""What the cells with gates share: a product, a split, and one step on its own."""

from __future__ import annotations

from collections.abc import Callable

from seqlib._arrays import Array, State, array_namespace
from seqlib._check import shapes
from seqlib.functional import linear, linear_backward


def affine(h: Array, W: Array, b: Array | None) -> Array:
    """Return W h + b for every row of h (B, H), inside the loop and so unchecked."""
    g = h @ W.T
    return g if b is None else g + b


def split(z: Array, n: int, axis: int = -1) -> list[Array]:
    """Cut an axis into n equal blocks, one for each gate."""
    size = z.shape[axis] // n
    blocks = (slice(k * size, (k + 1) * size) for k in range(n))
    return [z[..., b] if axis == -1 else z[:, b, ...] for b in blocks]


def by_state(dg: Array, h: Array, last: Array | None) -> Array:
    """Return the gradient at W_hh, from dg (N, blocks * H) and what it multiplied.

    That is h (N, H); or, where `last` (N, H) is given, last for the last row block.
    """
    if last is None:
        return dg.T @ h
    rows = dg.shape[-1] - h.shape[-1]
    parts = dg[:, :rows].T @ h, dg[:, rows:].T @ last
    return array_namespace(h).concat(list(parts))


def cell(
    step: Callable,
    blocks: int,
    x: Array,
    state: dict[str, Array],
    weights: tuple[Array, Array, Array | None, Array | None],
    merge: bool,
) -> tuple[State, tuple]:
    """Check everything, and run `step` once; the state is a dict of named arrays."""
    W_ih, W_hh, b_ih, b_hh = weights
    H = shapes(x=(x, "B D"), **{k: (s, "B H") for k, s in state.items()})["H"]
    rows = blocks * H
    shapes(
        x=(x, "B D"),
        W_ih=(W_ih, f"{rows} D"),
        W_hh=(W_hh, f"{rows} {H}"),
        b_ih=(b_ih, f"{rows}?"),
        b_hh=(b_hh, f"{rows}?"),
    )
    a, from_input = linear(x, W_ih, b_ih)
    if merge and b_hh is not None:
        a = a + b_hh
    first = tuple(state.values())
    new, kept = step(a, first, W_hh, None if merge else b_hh)
    return new, (from_input, first[0], W_hh, b_hh, kept)


def cell_backward(
    step_backward: Callable, dstate: State, cache: tuple, last: Callable | None = None
) -> tuple[Array, State, tuple[Array | None, ...]]:
    """Go back through `cell`: dx, the gradient at the state, those at the weights."""
    from_input, h, W_hh, b_hh, kept = cache
    da, dg, before = step_backward(dstate, kept, W_hh)
    dx, dW_ih, db_ih = linear_backward(da, from_input)
    dW_hh = by_state(dg, h, None if last is None else last(kept))
    db_hh = None if b_hh is None else array_namespace(dg).sum(dg, axis=0)
    return dx, before, (dW_ih, dW_hh, db_ih, db_hh)
