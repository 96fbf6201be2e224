"""From the probabilities of the next token to whole sequences: drawn, or searched for.

A model is one function, `step(state, token) -> (log_probs, state)`: token (N,) integers
are the last tokens of N hypotheses, log_probs (N, V) the log-probabilities of what may
follow, -inf for what may not. `start` is `(state, token)` for B inputs at once: what
the first call gets. A hypothesis ends with the token `eos`, which is part of it and of
its probability, or when it has `max_len` tokens; with eos=None it always has max_len.
Tokens after the end are filled up with eos. Equal candidates: the token of smaller
number is taken, on every library. Every function raises a TypeError or a ValueError,
in one sentence, where an argument, or what `step` returns, does not fit.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import generator, number, shapes, whole
from seqlib._hypotheses import (
    Reorder,
    Step,
    advance,
    begin,
    best,
    check_possible,
    check_search,
    draw,
    empty,
    end,
    extend,
    flat,
    gather,
    impossible,
    largest,
    pad,
    reordered,
    take_rows,
    trim,
)
from seqlib.functional import softmax

__all__ = [
    "beam_search",
    "exhaustive_search",
    "greedy",
    "sample",
    "sampling_distribution",
    "take_rows",
]


def greedy(
    step: Step, start: tuple[Any, Array], eos: int | None, max_len: int
) -> tuple[Array, Array]:
    """Take the likeliest token at every step: y_t = argmax log P(y_t | y_<t).

    Shapes: tokens (B, T), T the longest, and log P of each sequence (B,). Errors: as
    the module says; no token is possible, all are -inf. Equation (13.4) of the book.
    """
    state, token = begin(step, start, eos, max_len)
    xp = array_namespace(token)
    return extend(step, state, token, eos, max_len, lambda x: xp.argmax(x, axis=-1))


def sample(
    step: Step,
    start: tuple[Any, Array],
    eos: int | None,
    max_len: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> tuple[Array, Array]:
    """Draw every token from `sampling_distribution`: y_t ~ P(y_t | y_<t), altered.

    `rng` is a numpy generator, on torch too, so that one seed gives one draw. Shapes:
    tokens (B, T), T the longest, and log P of each sequence (B,) as the model has it,
    not as altered. Errors: as `greedy` and `sampling_distribution`.
    """
    state, token = begin(step, start, eos, max_len)
    generator("rng", rng)
    _check_options(temperature, top_k, top_p)

    def choose(log_probs: Array) -> Array:
        return draw(_alter(log_probs, temperature, top_k, top_p), rng)

    return extend(step, state, token, eos, max_len, choose)


def sampling_distribution(
    log_probs: Array,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Array:
    """Probabilities p ∝ exp(log_probs / temperature), cut to the likeliest tokens.

    First the temperature; then only the `top_k` likeliest tokens stay; then only the
    fewest likeliest whose share of the rest reaches `top_p`, one at least; what stays
    is scaled to the sum 1. Below 1 a temperature sharpens; `greedy` is its limit at 0,
    and top_k=1. Of equal tokens the smaller number stays. Shapes: log_probs, or
    logits, and the result (..., V). Errors: log_probs are no array of floats, NaN, inf
    or all -inf; temperature is not in [1e-6, 1e6], top_p not in [1e-6, 1], top_k below
    1. Equations (11.13) to (11.15) and (13.5) of the book. Sources: Fan et al. (2018)
    for top-k, Holtzman et al. (2020) for top-p.
    """
    shapes(log_probs=(log_probs, "... V"))
    _check_options(temperature, top_k, top_p)
    best = array_namespace(log_probs).max(log_probs, axis=-1)  # NaN if one is
    if not bool(array_namespace(best).all((best > -inf) & (best < inf))):
        raise ValueError("log_probs must not be NaN or inf, nor all -inf in a row")
    return _alter(log_probs, temperature, top_k, top_p)


def _check_options(temperature: float, top_k: int | None, top_p: float | None) -> None:
    number("temperature", temperature, 1e-6, 1e6)
    if top_k is not None:
        whole("top_k", top_k, 1)
    if top_p is not None:
        number("top_p", top_p, 1e-6, 1)


def _alter(
    log_probs: Array, temperature: float, top_k: int | None, top_p: float | None
) -> Array:
    xp = array_namespace(log_probs)
    p, _ = softmax(
        (log_probs - xp.max(log_probs, axis=-1, keepdims=True)) / temperature
    )
    if top_k is None and (top_p is None or top_p == 1):
        return p
    order = xp.argsort(log_probs, axis=-1, descending=True, stable=True)
    rank = xp.argsort(order, axis=-1)  # (..., V), 0 for the likeliest
    if top_k is not None:
        p = xp.where(rank < top_k, p, 0)
        p = p / xp.sum(p, axis=-1, keepdims=True)
    if top_p is not None and top_p < 1:
        V = p.shape[-1]
        falling = gather(xp.reshape(p, (-1, V)), xp.reshape(order, (-1, V)))
        likelier = xp.cumulative_sum(falling, axis=-1) - falling  # mass before each
        kept = xp.sum(xp.astype(likelier < top_p, xp.int64), axis=-1)
        p = xp.where(rank < xp.reshape(kept, (*p.shape[:-1], 1)), p, 0)
        p = p / xp.sum(p, axis=-1, keepdims=True)
    return p


def beam_search(
    step: Step,
    start: tuple[Any, Array],
    eos: int | None,
    width: int,
    max_len: int,
    length_penalty: float = 0.0,
    early_stopping: bool | str = "never",
    axis: int = 0,
    reorder: Reorder | None = None,
) -> tuple[Array, Array]:
    """Keep the `width` likeliest hypotheses at every step; the best `width` that end.

    A sequence of T tokens has the score log P / T**length_penalty: 0 compares the
    probabilities, 1 their geometric means a token. At each step all extensions of the
    running hypotheses are ordered by log P. Of the first `width`, those that end are
    kept, `width` at most, by score; of the others the first `width` run on. A width of
    1 is `greedy`.

    Parameters
    ----------
    step, start, eos, max_len : as the module says
    width : hypotheses that run, and sequences that are returned, for each input
    length_penalty : -10 to 10; above 0 it favours long sequences, in spite of its name
    early_stopping : when to stop, once `width` sequences have ended. "never": when none
        that runs can reach a better score. True: at once. False: when none that runs
        has a better score at its present length, a guess if length_penalty > 0. The
        three are those of Hugging Face's `generate`, which has False as default.
    axis : the axis of the state's arrays that counts hypotheses: 0, or 1 for the states
        of `recurrent`. A state is what `take_rows` can reorder.
    reorder : for other states, a function (state, rows) -> state, rows (N,) integers

    Returns
    -------
    tokens : (B, width, T) the sequences, best first, T the longest
    scores : (B, width) their scores, in log_probs' float type; -inf where there are
        fewer than width sequences

    Raises
    ------
    ValueError, TypeError
        An argument, or what step returns, does not fit; no sequence is possible.

    Notes
    -----
    Equations (13.6) and (13.9) of the book. Sources: Graves (2012); Sutskever, Vinyals
    & Le (2014). Wu et al. (2016) divide by ((5 + T) / 6)**length_penalty instead.
    """
    state, token = begin(step, start, eos, max_len)
    check_search(width, length_penalty, axis, reorder)
    if not isinstance(early_stopping, bool) and early_stopping != "never":
        raise ValueError(
            f"early_stopping must be True, False or 'never', got {early_stopping!r}"
        )
    xp, B, k, V = array_namespace(token), token.shape[0], 1, None  # k run
    kept, tokens, alive = empty(token, width)
    running: Any = 0.0
    for t in range(1, max_len + 1):
        log_probs, state = advance(step, state, token, alive, eos, V)
        V = log_probs.shape[-1]
        if t == 1:
            scores = impossible(log_probs, B, width)
        total = xp.reshape(xp.reshape(log_probs, (B, k, V)) + running, (B, k * V))
        # one candidate of each hypothesis may end: of 2 width, width still run on
        order = largest(total, 2 * width)
        total, parent, token = gather(total, order), order // V, order % V
        tokens = xp.concat([gather(tokens, parent), token[..., None]], axis=-1)
        ends = (token == end(eos)) | (t == max_len)

        n = min(width, k * V)  # of the first, those that end are kept
        ended = xp.where(ends, total / t**length_penalty, -inf)[:, :n]
        kept = xp.concat([pad(kept, t, eos), tokens[:, :n, :]], axis=1)
        scores, kept = best(xp.concat([scores, ended], axis=1), kept, width)

        k_new = min(width, k * (V - (eos is not None)))
        on = xp.argsort(xp.astype(ends, xp.int64), axis=-1, stable=True)[:, :k_new]
        tokens, running = gather(tokens, on), gather(total, on)
        longest = max_len if early_stopping == "never" and length_penalty > 0 else t
        hopeless = running / longest**length_penalty <= scores[:, -1:]
        done = xp.all(hopeless, axis=-1) | (early_stopping is True) | (width == 1)
        done = (done & (scores[:, -1] > -inf)) | (t == max_len)
        running = xp.where(done[:, None], -inf, running)
        alive = xp.reshape(running > -inf, (-1,))
        check_possible(xp.max(xp.concat([scores, running], axis=1), axis=-1), t)
        if not bool(xp.any(alive)):
            break
        rows = flat(gather(parent, on), k)
        state = reordered(state, rows, axis, reorder, B * k)
        token, k = xp.reshape(tokens[..., -1], (-1,)), k_new
        running = running[..., None]
    return trim(kept, eos), scores


def exhaustive_search(
    step: Step,
    start: tuple[Any, Array],
    eos: int | None,
    width: int,
    max_len: int,
    length_penalty: float = 0.0,
    axis: int = 0,
    reorder: Reorder | None = None,
) -> tuple[Array, Array]:
    """Score every sequence there is, without a beam: y* = argmax log P(y) / T**penalty.

    The referee of `beam_search`, with its arguments, shapes and errors. Of equal scores
    the shorter sequence comes first, then that of smaller tokens. Errors: more than a
    million sequences of max_len tokens, too. Equation (13.1) of the book.
    """
    state, token = begin(step, start, eos, max_len)
    check_search(width, length_penalty, axis, reorder)
    xp, B, N, V = array_namespace(token), token.shape[0], 1, None
    nothing, prefix, alive = empty(token, width)
    kept, scores = [pad(nothing, max_len, eos)], []
    total: Any = 0.0
    for t in range(1, max_len + 1):
        log_probs, state = advance(step, state, token, alive, eos, V)
        if V is None:
            V = log_probs.shape[-1]
            if (count := V * (V - (eos is not None)) ** (max_len - 1)) > 1_000_000:
                raise ValueError(
                    f"V={V} tokens and max_len={max_len} must make at most a million "
                    f"sequences, got {count}"
                )
            scores = [impossible(log_probs, B, width)]
        total = xp.reshape(xp.reshape(log_probs, (B, N, V)) + total, (B, N * V))
        each = xp.arange(N * V, device=device(token))
        last = xp.broadcast_to((each % V)[None, :, None], (B, N * V, 1))
        prefix = xp.concat([xp.take(prefix, each // V, axis=1), last], axis=-1)
        ends = (each % V == end(eos)) | (t == max_len)
        stop, on = xp.nonzero(ends)[0], xp.nonzero(~ends)[0]
        kept.append(pad(xp.take(prefix, stop, axis=1), max_len, eos))
        scores.append(xp.take(total, stop, axis=1) / t**length_penalty)
        prefix, total = xp.take(prefix, on, axis=1), xp.take(total, on, axis=1)
        alive = xp.reshape(total > -inf, (-1,))
        if not bool(xp.any(alive)):
            break
        parent = xp.broadcast_to((on // V)[None, :], (B, on.shape[0]))
        state = reordered(state, flat(parent, N), axis, reorder, B * N)
        token, N = xp.reshape(prefix[..., -1], (-1,)), on.shape[0]
        total = total[..., None]
    found, tokens = best(xp.concat(scores, axis=1), xp.concat(kept, axis=1), width)
    check_possible(found[:, 0], t)
    return trim(tokens, eos), found
