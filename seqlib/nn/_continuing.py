"""A GPT as the step of a search, with the cache of keys and values or without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqlib._check import shapes
from seqlib.decode import beam_search, greedy, sample
from seqlib.functional import linear, log_softmax
from seqlib.nn._holder import real
from seqlib.nn._parameters import parameters_of
from seqlib.transformer import gpt, gpt_step, positions_from
from seqlib.transformer._gpt import output_name

SEARCHES: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "greedy": (greedy, ()),
    "sample": (sample, ("rng", "temperature", "top_k", "top_p")),
    "beam": (beam_search, ("width", "length_penalty", "early_stopping")),
}


def continuing(
    model: Any, ids: Tensor, max_len: int, attention_mask: Tensor | None, cache: bool
) -> tuple[Callable, tuple[Any, Tensor]]:
    """Return `step` and `start` for a search that continues ids (B, T)."""
    c = model.config
    if c.head == "none":
        raise ValueError("head must be 'tied' or 'own' to generate, got 'none'")
    T = shapes(ids=(ids, "B T", "int"))["T"]
    key_mask = real("attention_mask", attention_mask, ids)
    if key_mask is not None and not bool(key_mask[:, -1].all()):
        raise ValueError(
            "attention_mask must be real at the end of every row: pad on the left"
        )
    if key_mask is not None and bool(key_mask.all()):
        key_mask = None
    longest = T if key_mask is None else int(key_mask.sum(1).max())
    if longest - 1 + max_len > c.max_len:
        raise ValueError(
            f"max_len must be at most {c.max_len - longest + 1} after {longest} tokens "
            f"of {c.max_len} positions, got {max_len}"
        )
    params = {name: p.detach() for name, p in parameters_of(model).items()}
    options = {"num_heads": c.num_heads, "activation": c.activation, "eps": c.eps}
    make = _with_cache if cache else _without
    return make(ids.long(), params, key_mask, options)


def _with_cache(
    ids: Tensor, params: dict[str, Tensor], key_mask: Tensor | None, options: dict
) -> tuple[Callable, tuple[Any, Tensor]]:
    def step(past: Any, token: Tensor) -> tuple[Tensor, Any]:
        logits, past = gpt_step(token[:, None], params, past=past, **options)
        return log_softmax(logits[:, -1])[0], past

    past, before = None, slice(0, ids.shape[1] - 1)
    if ids.shape[1] > 1:
        places = None if key_mask is None else positions_from(key_mask)[:, before]
        mask = None if key_mask is None else key_mask[:, before]
        more = {"key_mask": mask, "positions": places, "head": False, **options}
        _, past = gpt_step(ids[:, before], params, **more)
        if mask is not None:
            past["following"] = mask.sum(1)  # 0 where all so far is padding
    return step, (past, ids[:, -1])


def _without(
    ids: Tensor, params: dict[str, Tensor], key_mask: Tensor | None, options: dict
) -> tuple[Callable, tuple[Any, Tensor]]:
    def step(state: tuple, token: Tensor) -> tuple[Tensor, tuple]:
        before, mask = state
        ids = torch.cat([before, token[:, None]], dim=1)
        places = None
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(ids), 1)], dim=1)
            places = positions_from(mask)
        more = {"key_mask": mask, "positions": places, "head": False, **options}
        hidden, _ = gpt(ids, params, **more)
        logits, _ = linear(hidden[:, -1], params[output_name(params)])
        return log_softmax(logits)[0], (ids, mask)

    mask = None if key_mask is None else key_mask[:, :-1]
    return step, ((ids[:, :-1], mask), ids[:, -1])
