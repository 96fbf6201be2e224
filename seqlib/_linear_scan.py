"""The linear recurrence h_t = a ⊙ h_{t-1} + u_t, in a loop or in log T rounds."""

from __future__ import annotations

from seqlib._arrays import array_namespace
from seqlib._complex import Pair, plus, times


def states(a: Pair, u: Pair, first: Pair, form: str) -> Pair:
    """Return all states h (B, T, N) from u (B, T, N), a (N,) and h_0 (B, N)."""
    return (_loop if form == "recurrence" else _scan)(a, u, first)


def _loop(a: Pair, u: Pair, h: Pair) -> Pair:
    xp, found = array_namespace(u[0]), []
    for t in range(u[0].shape[1]):
        h = plus(times(a, h), (u[0][:, t, :], u[1][:, t, :]))
        found.append(h)
    re, im = (xp.stack(list(part), axis=1) for part in zip(*found, strict=True))
    return re, im


def _scan(a: Pair, u: Pair, first: Pair) -> Pair:
    """Before a round h_t is the sum over the last `reach` inputs; after it, over twice.

    h_t + a^reach h_{t - reach}: the associative product of (a^r, h) pairs, for all t at
    once, with T log T products where the loop has T (Hillis & Steele 1986). Equation
    (20.14) of the book.
    """
    xp = array_namespace(u[0])
    h, power, reach, T = add_first(u, times(a, first)), a, 1, u[0].shape[1]
    while reach < T:
        earlier = times(power, (h[0][:, : T - reach, :], h[1][:, : T - reach, :]))
        nothing = xp.zeros_like(h[0][:, :reach, :])
        re, im = (xp.concat([nothing, part], axis=1) for part in earlier)
        h = plus(h, (re, im))
        power, reach = times(power, power), 2 * reach
    return h


def add_first(steps: Pair, start: Pair) -> Pair:
    """Add (B, N) to the first of the steps (B, T, N)."""
    xp = array_namespace(steps[0])
    re, im = (
        xp.concat([s[:, :1, :] + d[:, None, :], s[:, 1:, :]], axis=1)
        for s, d in zip(steps, start, strict=True)
    )
    return re, im
