"""What the searches share: checks of a step, and hypotheses copied and reordered."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from numbers import Number
from typing import Any

import numpy as np
from array_api_compat import (
    device,
    is_array_api_obj,
    is_numpy_array,
)

from seqlib import _fused
from seqlib._arrays import Array, array_namespace
from seqlib._check import in_range, number, shapes, whole

Step = Callable[[Any, Array], tuple[Array, Any]]
Reorder = Callable[[Any, Array], Any]


def take_rows(state: Any, rows: Array, axis: int = 0) -> Any:
    """Copy, drop and reorder hypotheses: take these rows of every array in a state.

    A state is an array, or a tuple, list or dict of states. None, numbers, text and
    arrays without axes are the same for all hypotheses and stay. Shapes: arrays with
    hypotheses on `axis`, rows (N,) integers. Errors: a row or the axis does not exist,
    or something else is in the state.
    """
    shapes(rows=(rows, "N", "int"))
    whole("axis", axis, 0)
    return _take(state, rows, axis, None)


def _take(state: Any, rows: Array, axis: int, count: int | None) -> Any:
    if isinstance(state, dict):
        return {k: _take(a, rows, axis, count) for k, a in state.items()}
    if isinstance(state, tuple | list):
        parts = [_take(a, rows, axis, count) for a in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    if state is None or isinstance(state, Number | str):
        return state
    if not is_array_api_obj(state):
        raise TypeError(
            "state must be made of arrays, tuples, lists and dicts, or come with a "
            f"function `reorder`, got {type(state).__name__}"
        )
    if not (shape := tuple(state.shape)):
        return state
    xp = array_namespace(state)
    if xp is not array_namespace(rows):
        raise ValueError("state must come from the library of the tokens")
    if axis >= len(shape) or (count or shape[axis]) != shape[axis]:
        wanted = f"{count} hypotheses on axis {axis}" if count else f"an axis {axis}"
        raise ValueError(f"state must hold arrays with {wanted}, got shape {shape}")
    if count is None:
        in_range("rows", rows, shape[axis])
    return xp.take(state, xp.astype(rows, xp.int64), axis=axis)


def begin(
    step: Step, start: tuple[Any, Array], eos: int | None, max_len: int
) -> tuple[Any, Array]:
    """Check what every decoder is given; return the first state and token (B,)."""
    if not callable(step):
        raise TypeError(
            "step must be a function (state, token) -> (log_probs, state), "
            f"got {type(step).__name__}"
        )
    if not isinstance(start, tuple) or len(start) != 2:
        raise TypeError(f"start must be a tuple (state, token), got {_kind(start)}")
    state, token = start
    shapes(**{"start's token": (token, "B", "int")})
    if eos is not None:
        whole("eos", eos, 0)
    whole("max_len", max_len, 1)
    return state, array_namespace(token).astype(token, array_namespace(token).int64)


def check_search(
    width: int, length_penalty: float, axis: int, reorder: Reorder | None
) -> None:
    """Check the options of a search."""
    whole("width", width, 1)
    number("length_penalty", length_penalty, -10, 10)
    whole("axis", axis, 0)
    if reorder is not None and not callable(reorder):
        raise TypeError(
            "reorder must be None or a function (state, rows) -> state, "
            f"got {type(reorder).__name__}"
        )


def advance(
    step: Step, state: Any, token: Array, alive: Array, eos: int | None, V: int | None
) -> tuple[Array, Any]:
    """Call step and check what it returns; rows that are not alive come as zeros."""
    result = step(state, token)
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"step must return a tuple (log_probs, state), got {_kind(result)}"
        )
    log_probs, state = result
    shapes(token=(token, "N", "int"), log_probs=(log_probs, f"N {V or 'V'}"))
    if eos is not None:
        whole("eos", eos, 0, log_probs.shape[1] - 1)
    xp = array_namespace(log_probs)
    log_probs = xp.where(alive[:, None], log_probs, xp.zeros_like(log_probs))
    if bool(xp.any(xp.isnan(log_probs))):
        raise ValueError("log_probs must not be NaN")
    if bool(xp.any(log_probs > 0.01)):
        raise ValueError(f"{_LOGARITHMS}, got {float(xp.max(log_probs)):.3g}")
    sums = xp.where(alive, xp.sum(xp.exp(log_probs), axis=-1), 0)
    rough = 10 * float(xp.finfo(log_probs.dtype).eps)  # an error in log p near -20
    if bool(xp.any(sums > 1.01 + rough)):
        much = f"a row whose probabilities sum to {float(xp.max(sums)):.3g}"
        raise ValueError(f"{_LOGARITHMS}, got {much}")
    return log_probs, state


_LOGARITHMS = "log_probs must be logarithms of probabilities, as log_softmax gives them"


def check_possible(best: Array, t: int) -> None:
    """Refuse an input, one entry of `best`, that has nothing but -inf."""
    if not bool(array_namespace(best).all(best > -inf)):
        raise ValueError(
            f"log_probs must leave a token possible: all are -inf at t={t}"
        )


def _kind(value: Any) -> str:
    """Name the type, and the length of what has the right type but not 2 parts."""
    more = f" of {len(value)}" if isinstance(value, tuple) else ""
    return type(value).__name__ + more


def reordered(
    state: Any, rows: Array, axis: int, reorder: Reorder | None, count: int
) -> Any:
    """Rows of a state with `count` hypotheses, by the caller's function if given."""
    return reorder(state, rows) if reorder else _take(state, rows, axis, count)


def gather(x: Array, index: Array) -> Array:
    """Entries x[b, index[b, n]] of x (B, K, ...) for index (B, N)."""
    xp = array_namespace(x)
    lead, rest = tuple(x.shape[:2]), tuple(x.shape[2:])
    rows = xp.reshape(x, (lead[0] * lead[1], *rest))
    chosen = xp.take(rows, flat(index, lead[1]), axis=0)
    return xp.reshape(chosen, (*index.shape, *rest))


def flat(index: Array, K: int) -> Array:
    """Row numbers b K + index[b, n], of hypotheses that stand input after input."""
    xp = array_namespace(index)
    first = K * xp.arange(index.shape[0], device=device(index))
    return xp.reshape(index + first[:, None], (-1,))


def best(scores: Array, tokens: Array, width: int) -> tuple[Array, Array]:
    """Scores (B, width) in order, and their tokens; of equal ones, the first."""
    order = largest(scores, width)
    return gather(scores, order), gather(tokens, order)


def largest(x: Array, n: int) -> Array:
    """Places (B, n) of the n largest of each row of x (B, K), the largest first.

    Of equal ones the first is taken, as a stable sort would; but a sort of all K,
    which may be the whole vocabulary, would take most of a search's time.
    """
    xp, n = array_namespace(x), min(n, x.shape[-1])
    bar = _nth_largest(x, n)
    above, level = x > bar, xp.astype(x == bar, xp.int64)
    room = n - xp.sum(xp.astype(above, xp.int64), axis=-1, keepdims=True)
    first = (level > 0) & (xp.cumulative_sum(level, axis=-1) <= room)
    places = xp.reshape(xp.nonzero(above | first)[1], (-1, n))
    falling = xp.argsort(gather(x, places), axis=-1, descending=True, stable=True)
    return gather(places, falling)


def _nth_largest(x: Array, n: int) -> Array:
    """Return the n-th largest number (B, 1) of each row of x (B, K)."""
    if is_numpy_array(x):
        return np.partition(x, -n)[:, -n, None]
    if _fused.is_torch(x):
        return x.topk(n).values[:, -1:]
    return array_namespace(x).sort(x, axis=-1)[:, -n, None]


def end(eos: int | None) -> int:
    """Token that ends a hypothesis; without one, a number that no token has."""
    return -1 if eos is None else eos


def pad(tokens: Array, length: int, eos: int | None) -> Array:
    """Fill tokens (B, N, t) up with eos, or with 0, to (B, N, length)."""
    xp = array_namespace(tokens)
    shape = (*tokens.shape[:2], length - tokens.shape[2])
    fill = xp.full(shape, eos or 0, dtype=tokens.dtype, device=device(tokens))
    return xp.concat([tokens, fill], axis=-1)


def trim(tokens: Array, eos: int | None) -> Array:
    """Cut off the columns after the longest sequence's end."""
    xp = array_namespace(tokens)
    before_end = xp.sum(xp.astype(tokens != end(eos), xp.int64), axis=-1)
    return tokens[..., : min(int(xp.max(before_end)) + 1, tokens.shape[-1])]


def extend(
    step: Step,
    state: Any,
    token: Array,
    eos: int | None,
    max_len: int,
    choose: Callable[[Array], Array],
) -> tuple[Array, Array]:
    """Append to every input the token that `choose` picks, until all have ended."""
    xp = array_namespace(token)
    running = token == token  # (B,)
    tokens: list[Array] = []
    total: Any = 0.0
    V = None
    for t in range(1, max_len + 1):
        log_probs, state = advance(step, state, token, running, eos, V)
        V = log_probs.shape[-1]
        check_possible(xp.max(log_probs, axis=-1), t)
        token = xp.where(running, choose(log_probs), eos or 0)
        total = total + gather(log_probs, token[:, None])[:, 0]  # 0 after the end
        tokens.append(token)
        running = token != end(eos)  # who has ended is given eos again
        if not bool(xp.any(running)):
            break
    return xp.stack(tokens, axis=1), total


def empty(token: Array, width: int) -> tuple[Array, Array, Array]:
    """Nothing yet, for inputs (B,): kept (B, width, 0), running (B, 1, 0), alive."""
    xp, B = array_namespace(token), token.shape[0]
    kept = xp.zeros((B, width, 0), dtype=xp.int64, device=device(token))
    return kept, kept[:, :1, :], token == token


def impossible(like: Array, B: int, width: int) -> Array:
    """Scores (B, width) before anything has ended: -inf, in the float type of like."""
    xp = array_namespace(like)
    return xp.full((B, width), -inf, dtype=like.dtype, device=device(like))


def draw(p: Array, rng: np.random.Generator) -> Array:
    """One token for each row of p (B, V): where a uniform number falls in the sums."""
    xp = array_namespace(p)
    u = xp.asarray(rng.random(p.shape[0]), device=device(p))
    sums = xp.cumulative_sum(xp.astype(p, xp.float64), axis=-1)
    passed = sums <= (u * sums[:, -1])[:, None]  # u < 1, so never all
    return xp.sum(xp.astype(passed, xp.int64), axis=-1)
