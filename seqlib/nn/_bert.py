"""BERT as a module, and what is put on it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqlib._check import number, one_of, whole
from seqlib._multi_head import check_heads
from seqlib.nn._by_hand import by_hand, chance
from seqlib.nn._holder import draw, hold, real
from seqlib.nn._parameters import parameters_of
from seqlib.transformer import (
    bert,
    bert_backward,
    bert_shapes,
    classification_head,
    classification_head_backward,
    masked_lm_head,
    masked_lm_head_backward,
)
from seqlib.transformer._bert_heads import GELU
from seqlib.transformer._model import deviation


@dataclass(frozen=True)
class BERTConfig:
    """The sizes of a BERT; those of BERT base, uncased, unless said.

    `dim_feedforward` is 4 d_model unless given; `pooler` False leaves the pooler out.
    """

    vocab_size: int = 30522
    max_len: int = 512
    num_layers: int = 12
    num_heads: int = 12
    d_model: int = 768
    dim_feedforward: int | None = None
    token_types: int = 2
    dropout: float = 0.1
    activation: str = "gelu"
    eps: float = 1e-12
    pooler: bool = True

    def __post_init__(self) -> None:
        for name in ("vocab_size", "max_len", "num_layers", "d_model", "token_types"):
            whole(name, getattr(self, name), 1)
        check_heads(self.num_heads, self.d_model)
        if self.dim_feedforward is not None:
            whole("dim_feedforward", self.dim_feedforward, 1)
        number("dropout", self.dropout, 0, 1, below=True)
        one_of("activation", self.activation, GELU)
        number("eps", self.eps, 0)


class BERT(torch.nn.Module):
    """An encoder that sees the whole text; the equations: `seqlib.transformer.bert`.

    Parameters
    ----------
    config : a `BERTConfig`
    backward : "hand" for the book's own backward pass, "autograd" for torch's

    Notes
    -----
    The state_dict has the names of `bert`. Parameters are drawn as `init_bert` does.
    Errors: config is no BERTConfig, backward is unknown. Source: Devlin et al. (2019).
    """

    def __init__(
        self,
        config: BERTConfig,
        *,
        backward: str = "hand",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if not isinstance(config, BERTConfig):
            got = type(config).__name__
            raise TypeError(f"config must be a BERTConfig, got {got}")
        one_of("backward", backward, ("hand", "autograd"))
        super().__init__()
        self.config, self.backward = config, backward
        c = config
        sizes = c.vocab_size, c.max_len, c.num_layers, c.d_model, c.dim_feedforward
        hold(self, bert_shapes(*sizes, c.token_types, c.pooler), device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for name, p in self.named_parameters():
            draw(p, deviation(name, self.config.num_layers))

    def forward(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return hidden (B, T, E), and pooled (B, E) or None without a pooler.

        Shapes: ids (B, T) integers; attention_mask (B, T), 1 or True = real;
        token_type_ids (B, T) integers, None for 0. Errors: a ValueError or TypeError
        where one of them does not fit.
        """
        options = {
            "ids": ids,
            "num_heads": self.config.num_heads,
            "key_mask": real("attention_mask", attention_mask, ids),
            "token_type_ids": token_type_ids,
            "activation": self.config.activation,
            "eps": self.config.eps,
            **chance(self, self.config.dropout),
        }

        def forwards(params: dict[str, Tensor]) -> tuple:
            return bert(params=params, **options)

        def backwards(*douts_and_cache: Any) -> tuple:
            return (bert_backward(*douts_and_cache),)

        params = parameters_of(self)
        hidden, pooled = by_hand(forwards, backwards, (), params, self.backward)
        return hidden, pooled

    def extra_repr(self) -> str:
        """Show the sizes and which backward pass is used."""
        sizes = ", ".join(f"{k}={v!r}" for k, v in asdict(self.config).items())
        return f"{sizes}, backward={self.backward!r}"


class _OnBERT(torch.nn.Module):
    """What is put on a BERT: it shares that BERT, and adds parameters of its own."""

    bert: BERT

    def __init__(self, bert: BERT, pooler: bool) -> None:
        if not isinstance(bert, BERT):
            raise TypeError(f"bert must be a seqlib.nn.BERT, got {type(bert).__name__}")
        if pooler and not bert.config.pooler:
            raise ValueError("bert must have a pooler, got one with pooler=False")
        super().__init__()
        self.bert = bert

    def _hold(self, shapes: dict[str, tuple[int, ...]]) -> None:
        like = self.bert.get_parameter("word_embeddings.weight")
        hold(self, shapes, like.device, like.dtype)
        for name in shapes:
            draw(self.get_parameter(name), deviation(name, 1))

    def _classify(self, name: str, x: Tensor, p: float = 0.0) -> Tensor:
        params = parameters_of(self.get_submodule(name))
        forwards = partial(classification_head, **chance(self, p))
        both = forwards, classification_head_backward
        return by_hand(*both, [x], params, self.bert.backward)[0]


class BERTMaskedLM(_OnBERT):
    """Guess hidden words: logits (B, T, V) from `masked_lm_head`.

    The decoder's weight is that of the word embeddings and has no entry of its own in
    the state_dict. Arguments: bert, a `BERT`, which stays the same object. Errors: bert
    is none. Source: Devlin et al. (2019).
    """

    def __init__(self, bert: BERT, *, _pooler: bool = False) -> None:
        super().__init__(bert, _pooler)
        V, E = bert.config.vocab_size, bert.config.d_model
        self._hold(
            {
                "masked_lm.dense.weight": (E, E),
                "masked_lm.dense.bias": (E,),
                "masked_lm.norm.weight": (E,),
                "masked_lm.norm.bias": (E,),
                "masked_lm.decoder.bias": (V,),
            }
        )

    def forward(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Any:
        """Return the logits (B, T, V); arguments and errors as `BERT.forward`."""
        return self._guess(self.bert(ids, attention_mask, token_type_ids)[0])

    def _guess(self, hidden: Tensor) -> Tensor:
        c = self.bert.config
        params = parameters_of(self.get_submodule("masked_lm"))
        params["decoder.weight"] = self.bert.get_parameter("word_embeddings.weight")
        forwards = partial(masked_lm_head, activation=c.activation, eps=c.eps)
        both = forwards, masked_lm_head_backward
        return by_hand(*both, [hidden], params, self.bert.backward)[0]


class BERTPreTraining(BERTMaskedLM):
    """Guess hidden words, and whether the second sentence follows the first.

    Arguments: bert, a `BERT` with a pooler. Errors: bert is none. Source: Devlin et
    al. (2019).
    """

    def __init__(self, bert: BERT) -> None:
        super().__init__(bert, _pooler=True)
        E = bert.config.d_model
        self._hold({"next_sentence.weight": (2, E), "next_sentence.bias": (2,)})

    def forward(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return logits of words (B, T, V) and of what follows (B, 2), as `BERT`."""
        hidden, pooled = self.bert(ids, attention_mask, token_type_ids)
        return self._guess(hidden), self._classify("next_sentence", pooled)


class BERTClassifier(_OnBERT):
    """Classify a text, or a pair of them, by its pooled vector: logits (B, C).

    Arguments: bert, a `BERT` with a pooler, which stays the same object; num_classes C;
    dropout before the product, the bert's unless given. Errors: one does not fit.
    Source: Devlin et al. (2019), section 4.1.
    """

    tagging = False

    def __init__(
        self, bert: BERT, num_classes: int, dropout: float | None = None
    ) -> None:
        super().__init__(bert, not self.tagging)
        whole("num_classes", num_classes, 1)
        self.dropout = bert.config.dropout if dropout is None else dropout
        number("dropout", self.dropout, 0, 1, below=True)
        E = bert.config.d_model
        C = num_classes
        self._hold({"classifier.weight": (C, E), "classifier.bias": (C,)})

    def forward(
        self,
        ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return the logits; arguments and errors as `BERT.forward`."""
        hidden, pooled = self.bert(ids, attention_mask, token_type_ids)
        x = hidden if self.tagging else pooled
        return self._classify("classifier", x, self.dropout)


class BERTTagger(BERTClassifier):
    """Tag every token by its hidden state: logits (B, T, C).

    Arguments: as `BERTClassifier`; the bert needs no pooler. Source: Devlin et al.
    (2019), section 5.3.
    """

    tagging = True
