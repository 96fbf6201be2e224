"""A memory network: a question is put to the sentences of a story, several times over.

Every sentence becomes one vector to be found by and one to be read; in each hop the
question's vector attends to the first kind and adds what it read of the second, so that
a later hop can ask for what an earlier one found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import (
    flags,
    generator,
    gradient,
    in_range,
    number,
    one_of,
    shapes,
    whole,
)
from seqlib.attention import dot_attention, dot_attention_backward
from seqlib.functional import (
    embedding,
    embedding_backward,
    linear,
    linear_backward,
)

TYINGS = ("adjacent", "layer")
ENCODINGS = ("position", "bag")
LAYER = ("A", "B", "C", "W", "H", "T_A", "T_C")


class Names(NamedTuple):
    """Which parameters serve where; `keys` and `values` once a hop."""

    question: str
    keys: list[str]
    values: list[str]
    answer: str
    turn: str | None  # H, by which the question is turned between hops
    times: dict[str, str]  # from an embedding to its times


def memory_network(
    story: Array,
    question: Array,
    params: dict[str, Array],
    hops: int,
    tying: str = "adjacent",
    story_mask: Array | None = None,
    question_mask: Array | None = None,
    encoding: str = "position",
    return_weights: bool = False,
) -> tuple[Array, ...]:
    """Answer: u = B q; K times p = softmax(m'u), u = u + c p; logits = W u.

    m_i = sum_j l_j ⊙ A x_ij + T_A(age of i) stands for sentence i, and c_i likewise
    with C and T_C. The weight l_j of the j-th of J words is, in its k-th of E entries,
    (1 - j/J) - (k/E)(1 - 2j/J), or with encoding="bag" 1, which forgets their order.

    Parameters
    ----------
    story : (B, S, W) integers, S sentences of W words
    question : (B, Q) integers
    params : with tying="adjacent" `E_0` to `E_K` (V, E) for K hops, where one hop's C
        is the next one's A: A of hop k is E_{k-1}, C is E_k, B is E_0 and W is E_K;
        and `T_0` to `T_K` (M, E), M at least S, for the ages (0 the latest sentence),
        or none of them. With tying="layer" `A`, `B`, `C`, `W` (V, E), the same in
        every hop, `H` (E, E), by which u is multiplied in each hop, u = H u + c p, and
        `T_A`, `T_C` or neither
    hops : K
    tying : "adjacent" or "layer"
    story_mask : (B, S, W) booleans, True = a real word; a sentence without one is no
        memory and has no age
    question_mask : (B, Q) booleans
    encoding : "position" or "bag"
    return_weights : True to have (logits, weights, cache), weights (B, K, S)

    Returns
    -------
    logits : (B, V), and the cache for `memory_network_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equations (20.1) and (20.2) of the book. Source: Sukhbaatar et al. (2015), sections
    2 and 4.1.
    """
    names = _check(story, question, params, hops, tying, story_mask, question_mask)
    one_of("encoding", encoding, ENCODINGS)
    flags(return_weights=return_weights)
    xp, E = array_namespace(story), params[names.answer].shape[1]
    like = params[names.answer]
    real = xp.ones_like(story, dtype=xp.bool) if story_mask is None else story_mask
    asked = (
        xp.ones_like(question, dtype=xp.bool)
        if question_mask is None
        else question_mask
    )
    words, told = _where(real, story), xp.any(real, axis=-1)  # (B, S)
    l, l_question = (_weights(r, E, encoding, like) for r in (real, asked))
    count = xp.astype(told, xp.int64)
    age = xp.sum(count, axis=1, keepdims=True) - xp.cumulative_sum(count, axis=1)
    memory, kept = {}, {}
    for name in dict.fromkeys(names.keys + names.values):  # each encoded once
        rows, of_words = embedding(words, params[name])  # (B, S, W, E)
        memory[name], of_age = xp.sum(rows * l, axis=-2), None
        if name in names.times:
            when, of_age = embedding(age, params[names.times[name]])
            memory[name] = memory[name] + when
        kept[name] = (of_words, of_age)
    rows, of_question = embedding(_where(asked, question), params[names.question])
    u = xp.sum(rows * l_question, axis=-2)  # (B, E)
    weights, of_hops = [], []
    for key, value in zip(names.keys, names.values, strict=True):
        out, p, of_attention = dot_attention(
            u[:, None, :],
            memory[key],
            memory[value],
            told[:, None, :],
            return_weights=True,
        )
        of_turn = None
        if names.turn is not None:
            u, of_turn = linear(u, params[names.turn])
        u = u + out[:, 0, :]
        weights.append(p[:, 0, :])
        of_hops.append((of_attention, of_turn))
    logits, of_answer = linear(u, params[names.answer])
    cache = (params, names, l, l_question, kept, of_question, of_hops, of_answer)
    if return_weights:
        return logits, xp.stack(weights, axis=1), cache
    return logits, cache


def memory_network_backward(
    dlogits: Array, cache: tuple, dweights: Array | None = None
) -> dict[str, Array]:
    """Gradients of `memory_network`: a dict as params; words have none.

    A matrix that serves in several places receives the sum. Shapes: dlogits (B, V),
    dweights (B, K, S) or None. Errors: a gradient does not fit.
    """
    params, names, l, l_question, kept, of_question, of_hops, of_answer = cache
    like, B = params[names.answer], l.shape[0]
    gradient("dlogits", dlogits, like, (B, like.shape[0]))
    if dweights is not None:
        gradient("dweights", dweights, like, (B, len(of_hops), l.shape[1]))
    xp = array_namespace(dlogits)
    grads = {name: xp.zeros_like(p) for name, p in params.items()}
    du, dW, _ = linear_backward(dlogits, of_answer)
    grads[names.answer] = grads[names.answer] + dW
    dmemory: dict[str, Array] = {}
    for k in range(len(of_hops))[::-1]:
        of_attention, of_turn = of_hops[k]
        dp = None if dweights is None else dweights[:, k, None, :]
        back: tuple = dot_attention_backward(du[:, None, :], of_attention, dp)
        dq, dkeys, dvalues, _ = back
        if names.turn is not None and of_turn is not None:
            du, dH, _ = linear_backward(du, of_turn)
            grads[names.turn] = grads[names.turn] + dH
        du = du + dq[:, 0, :]
        for name, d in ((names.keys[k], dkeys), (names.values[k], dvalues)):
            dmemory[name] = dmemory[name] + d if name in dmemory else d
    for name, d in dmemory.items():
        of_words, of_age = kept[name]
        of_rows = embedding_backward(d[..., None, :] * l, of_words)
        grads[name] = grads[name] + of_rows
        if of_age is not None:
            grads[names.times[name]] = embedding_backward(d, of_age)
    of_rows = embedding_backward(du[:, None, :] * l_question, of_question)
    grads[names.question] = grads[names.question] + of_rows
    return grads


def init_params(
    vocabulary_size: int,
    embedding_size: int,
    sentences: int,
    hops: int,
    tying: str = "adjacent",
    rng: np.random.Generator | None = None,
    deviation: float = 0.1,
) -> dict[str, np.ndarray]:
    """Draw parameters for `memory_network`, float64, normal, mean 0.

    V = vocabulary_size, E = embedding_size, M = sentences, the most that a story may
    have; names as there. Without rng, a numpy generator, each call draws anew. Errors:
    an unknown tying; a size is no whole number above 0; rng is no generator; deviation
    is negative. Source: Sukhbaatar et al. (2015), section 4.2, deviation 0.1.
    """
    one_of("tying", tying, TYINGS)
    sizes = {"vocabulary_size": vocabulary_size, "embedding_size": embedding_size}
    for name, size in (sizes | {"sentences": sentences, "hops": hops}).items():
        whole(name, size, 1)
    rng = np.random.default_rng() if rng is None else rng
    generator("rng", rng)
    number("deviation", deviation, 0)
    V, E, M = vocabulary_size, embedding_size, sentences
    if tying == "layer":
        shape = {"H": (E, E), "T_A": (M, E), "T_C": (M, E)}
        shape = {name: shape.get(name, (V, E)) for name in LAYER}
    else:
        shape = {f"E_{k}": (V, E) for k in range(hops + 1)}
        shape |= {f"T_{k}": (M, E) for k in range(hops + 1)}
    return {name: rng.normal(0, deviation, size) for name, size in shape.items()}


def _weights(real: Array, E: int, encoding: str, like: Array) -> Array:
    """Return the weight of every word, (..., W, E); nothing for what is no word."""
    xp = array_namespace(real)
    here = xp.astype(real, like.dtype)
    if encoding == "bag":
        return xp.broadcast_to(here[..., None], (*real.shape, E))
    J = xp.sum(here, axis=-1, keepdims=True)
    j = _running(real, like) / xp.maximum(J, xp.ones_like(J))
    k = xp.arange(1, E + 1, dtype=like.dtype, device=device(like)) / E
    j = j[..., None]
    return here[..., None] * ((1 - j) - k * (1 - 2 * j))


def _running(real: Array, like: Array) -> Array:
    """Return the number of every real word in its sentence: 1, 2, ... from the left."""
    xp = array_namespace(real)
    return xp.cumulative_sum(xp.astype(real, like.dtype), axis=real.ndim - 1)


def _where(real: Array, ids: Array) -> Array:
    xp = array_namespace(ids)
    return xp.where(real, ids, xp.zeros_like(ids))


def _names(params: dict[str, Array], hops: int, tying: str) -> Names:
    """Check the names of the parameters, and say which serves where."""
    if not isinstance(params, dict):
        raise TypeError(f"params must be a dict of arrays, got {type(params).__name__}")
    if tying == "layer":
        wanted, timed = set(LAYER[:5]), {"A": "T_A", "C": "T_C"}
        names = Names("B", ["A"] * hops, ["C"] * hops, "W", "H", timed)
    else:
        E = [f"E_{k}" for k in range(hops + 1)]
        wanted, timed = set(E), {f"E_{k}": f"T_{k}" for k in range(hops + 1)}
        names = Names(E[0], E[:-1], E[1:], E[-1], None, timed)
    some = any(name in params for name in timed.values())
    wanted |= set(timed.values()) if some else set()
    if missing := sorted(wanted - set(params)):
        raise ValueError(f"params must hold {', '.join(missing)}, which it lacks")
    if strange := sorted(map(str, set(params) - wanted)):
        raise ValueError(f"params must not hold {', '.join(strange)}, unused here")
    return names if some else names._replace(times={})


def _check(
    story: Array,
    question: Array,
    params: dict[str, Array],
    hops: int,
    tying: str,
    story_mask: Array | None,
    question_mask: Array | None,
) -> Names:
    whole("hops", hops, 1)
    one_of("tying", tying, TYINGS)
    names = _names(params, int(hops), tying)
    times = set(names.times.values())
    axes = {
        name: "E E" if name == names.turn else "M E" if name in times else "V E"
        for name in params
    }
    first = names.answer
    n = shapes(
        **{first: (params[first], "V E")},
        **{name: (params[name], axes[name]) for name in params if name != first},
        story=(story, "B S W", "int"),
        question=(question, "B Q", "int"),
        story_mask=(story_mask, "B S W?", "bool"),
        question_mask=(question_mask, "B Q?", "bool"),
    )
    if times and n["M"] < n["S"]:
        raise ValueError(f"story must have at most M={n['M']} sentences, got {n['S']}")
    for name, ids, real in (
        ("story", story, story_mask),
        ("question", question, question_mask),
    ):
        in_range(name, ids if real is None else _where(real, ids), n["V"])
    return names
