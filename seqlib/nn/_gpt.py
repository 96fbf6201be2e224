"""GPT as a module."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqlib._activations import ACTIVATIONS
from seqlib._check import number, one_of, whole
from seqlib._multi_head import check_heads
from seqlib.nn._blocks import run_blocks
from seqlib.nn._by_hand import by_hand, chance
from seqlib.nn._continuing import SEARCHES, continuing
from seqlib.nn._holder import draw, hold, real
from seqlib.nn._parameters import parameters_of
from seqlib.transformer import _gpt, gpt_shapes
from seqlib.transformer._model import deviation

SIZES = {  # num_layers, num_heads, d_model
    "gpt2": (12, 12, 768),
    "gpt2-medium": (24, 16, 1024),
    "gpt2-large": (36, 20, 1280),
    "gpt2-xl": (48, 25, 1600),
}


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT; those of the smallest GPT-2 unless said.

    `dim_feedforward` is 4 d_model unless given. `head` is "tied" for logits with the
    weight of the tokens, "own" for a weight of their own, "none" for no logits: the
    model returns what the last norm makes.
    """

    vocab_size: int = 50257
    max_len: int = 1024
    num_layers: int = 12
    num_heads: int = 12
    d_model: int = 768
    dim_feedforward: int | None = None
    dropout: float = 0.1
    activation: str = "gelu_tanh"
    eps: float = 1e-5
    bias: bool = True
    head: str = "tied"

    def __post_init__(self) -> None:
        for name in ("vocab_size", "max_len", "num_layers", "d_model"):
            whole(name, getattr(self, name), 1)
        check_heads(self.num_heads, self.d_model)
        if self.dim_feedforward is not None:
            whole("dim_feedforward", self.dim_feedforward, 1)
        number("dropout", self.dropout, 0, 1, below=True)
        one_of("activation", self.activation, ACTIVATIONS)
        number("eps", self.eps, 0)
        one_of("head", self.head, ("tied", "own", "none"))

    @classmethod
    def of(cls, name: str, **changes: Any) -> GPTConfig:
        """Return the sizes of "gpt2", "gpt2-medium", "gpt2-large" or "gpt2-xl"."""
        one_of("name", name, SIZES)
        names = ("num_layers", "num_heads", "d_model")
        return cls(**{**dict(zip(names, SIZES[name], strict=True)), **changes})


class GPT(torch.nn.Module):
    """A language model of causal blocks; the equations stand in `seqlib.transformer`.

    Parameters
    ----------
    config : a `GPTConfig`
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    The state_dict has the names of `gpt`: `wte.weight`, `wpe.weight`, `blocks.0.…`,
    `norm.weight`, `norm.bias`; a tied output has no entry of its own. Parameters are
    drawn as `init_gpt` does. Errors: config is no GPTConfig, backward is unknown.
    Sources: Radford et al. (2018, 2019).
    """

    def __init__(
        self,
        config: GPTConfig,
        *,
        backward: str = "hand",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if not isinstance(config, GPTConfig):
            got = type(config).__name__
            raise TypeError(f"config must be a GPTConfig, got {got}")
        one_of("backward", backward, ("hand", "autograd"))
        super().__init__()
        self.config, self.backward = config, backward
        c = config
        sizes = c.vocab_size, c.max_len, c.num_layers, c.d_model, c.dim_feedforward
        hold(self, gpt_shapes(*sizes, c.bias, c.head != "own"), device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for name, p in self.named_parameters():
            draw(p, deviation(name, self.config.num_layers, residual=True))

    def forward(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Return the logits (B, T, V), or with head="none" hidden states (B, T, E).

        Shapes: ids (B, T) integers; attention_mask (B, T), 1 or True = real;
        position_ids (B, T), None for 0 to T-1 in every row, padded or not, as in
        Hugging Face; token_type_ids None, a GPT has none. Errors: a ValueError or
        TypeError where one of them does not fit.
        """
        if token_type_ids is not None:
            raise ValueError("token_type_ids must be None: a GPT has no token types")
        return self._run(ids, attention_mask, position_ids, self.config.head != "none")

    def hidden(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Return the hidden states (B, T, E) after the last norm; else as `forward`."""
        return self._run(ids, attention_mask, position_ids, False)

    def _run(
        self, ids: Any, attention_mask: Any, position_ids: Any, head: bool
    ) -> Tensor:
        """Do what `gpt` does, each part a step of autograd.

        So what a block kept is freed before the next one goes back.
        """
        c = self.config
        key_mask = real("attention_mask", attention_mask, ids)
        params = parameters_of(self)
        _gpt.check_gpt(ids, params, c.num_heads, key_mask, position_ids)
        dropout = chance(self, c.dropout)

        def embed(own: dict[str, Tensor]) -> tuple:
            return _gpt.embed(ids, own, position_ids, **dropout)

        def embed_backward(dx: Tensor, cache: tuple) -> tuple:
            return (_gpt.embed_backward(dx, cache),)

        own = {name: params[name] for name in ("wte.weight", "wpe.weight")}
        (x,) = by_hand(embed, embed_backward, (), own, self.backward)
        mask = _gpt.look_back(x, key_mask)
        options = {"norm_first": True, "activation": c.activation, "eps": c.eps}
        options |= dropout
        x = run_blocks(x, params, self.backward, c.num_heads, mask, **options)
        own = _gpt.of_output(params, head)
        predict = partial(_gpt.predict, head=head, eps=c.eps)
        return by_hand(predict, _gpt.predict_backward, [x], own, self.backward)[0]

    @torch.no_grad()
    def generate(
        self,
        ids: Tensor,
        max_len: int,
        eos: int | None = None,
        attention_mask: Tensor | None = None,
        method: str = "greedy",
        cache: bool = True,
        **options: Any,
    ) -> tuple[Tensor, Tensor]:
        """Continue each row of ids by a search of `seqlib.decode`; no dropout.

        Parameters
        ----------
        ids : (B, T) integers
        max_len : tokens to add at most, T - 1 + max_len no more than the positions
        eos : the token that ends a sequence, or None
        attention_mask : (B, T), 1 or True = real, padded on the left; positions count
            what is real
        method : "greedy", "sample" or "beam"
        cache : False to compute all anew for every token
        options : of `sample` `rng`, which must be given, `temperature`, `top_k`,
            `top_p`; of `beam_search` `width`, which must be given, `length_penalty`,
            `early_stopping`

        Returns
        -------
        The new tokens, without the prompt, and their scores: (B, n) and (B,), or of
        "beam" (B, width, n) and (B, width).

        Raises
        ------
        ValueError, TypeError
            As the search; there is no head, or there are not enough positions.
        """
        one_of("method", method, SEARCHES)
        search, known = SEARCHES[method]
        if strange := sorted(set(options) - set(known)):
            listed = ", ".join(known) or "no options"
            raise TypeError(f"method={method!r} takes {listed}, got {strange[0]}")
        if known and known[0] not in options:
            raise TypeError(f"{known[0]} must be given where method is {method!r}")
        whole("max_len", max_len, 1)
        step, start = continuing(self, ids, max_len, attention_mask, cache)
        return search(step, start, eos, max_len=max_len, **options)

    def extra_repr(self) -> str:
        """Show the sizes and which backward pass is used."""
        sizes = ", ".join(f"{k}={v!r}" for k, v in asdict(self.config).items())
        return f"{sizes}, backward={self.backward!r}"
