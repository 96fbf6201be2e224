"""Tokens one by one: with a cache of keys and values or without; beam search.

Theirs is Hugging Face's `generate` on a small random GPT-2, whose weights ours takes;
both must find the same sequences. No sequence ends before its last token.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel
from turns import Record, Step, settings

from seqlib.interop import from_hf
from seqlib.nn import GPT, GPTConfig

LENGTHS = [16, 32, 64, 128, 256]
B, PROMPT, NEW, WIDTH = 4, 8, 32, 4
CONFIG = GPTConfig(65, max(LENGTHS) + 1, 4, 4, 128, dropout=0.0)
SIZES = {"vocab_size": 1000, "n_positions": 64, "n_head": 4}
TINY = {"n_embd": 64, "n_layer": 2}
SMALL = {"n_embd": 256, "n_layer": 4}
END = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
WHY = (
    "So small a model leaves the time to small calls, not to products: our functions "
    "check all that they are given, and the search that it is given probabilities. "
    "The larger model shows what is left of that."
)


def both_caches(model: GPT, n: int) -> dict[str, Step]:
    """Return two ways to generate n tokens, greedily, from one token on."""
    first = torch.zeros(
        (1, 1), dtype=torch.int64, device=next(model.parameters()).device
    )

    def way(cache: bool) -> Step:
        return lambda: model.generate(first, n, cache=cache)

    return {"with the cache": way(True), "without": way(False)}


def beams(
    size: dict[str, int], device: str, dtype: torch.dtype
) -> tuple[dict[str, Step], dict[str, Step]]:
    """Return our search and Hugging Face's, which give the same tokens."""
    torch.manual_seed(0)
    config = GPT2Config(initializer_range=0.1, **SIZES, **size, **END)
    theirs = GPT2LMHeadModel(config).eval()
    mine, theirs = (m.to(device, dtype) for m in (from_hf(theirs), theirs))
    ids = torch.randint(1, SIZES["vocab_size"], (B, PROMPT), device=device)
    options = {
        "num_beams": WIDTH,
        "num_return_sequences": WIDTH,
        "max_new_tokens": NEW,
        "min_new_tokens": NEW,
        "length_penalty": 0.0,
        "do_sample": False,
        "attention_mask": torch.ones_like(ids),
    }

    def ours() -> Tensor:
        return mine.generate(ids, NEW, method="beam", width=WIDTH)[0].flatten(0, 1)

    def hugging_face() -> Tensor:
        return theirs.generate(ids, **options)[:, PROMPT:]

    if dtype is torch.float32:
        assert torch.equal(ours(), hugging_face()), "the two searches differ"
    return {"seqlib.nn.GPT.generate": ours}, {"Hugging Face generate": hugging_face}


def measure(record: Record) -> None:
    """Compare a step with and without the cache, and two beam searches."""
    torch.manual_seed(0)
    for setting in settings():
        model = GPT(CONFIG).to(setting.device, setting.dtype)
        ways = both_caches(model, 128)
        ours, theirs = ({f"{k}, 128 tokens": s} for k, s in ways.items())
        record.race("GPT, greedy decoding", ours, theirs, setting)
        aim = 1.0 if setting.device == "cpu" else None
        tiny, small = (beams(s, setting.device, setting.dtype) for s in (TINY, SMALL))
        record.race(f"Beam search, {WIDTH} wide", *tiny, setting, aim, WHY)
        record.race("Beam search, a larger model", *small, setting)
    model = GPT(CONFIG)
    make = lambda n: both_caches(model, n)  # noqa: E731
    record.grow("GPT, greedy decoding", "tokens", LENGTHS, make)
    ours, theirs = beams(TINY, "cpu", torch.float32)
    record.profile("Beam search", {**ours, **theirs})
