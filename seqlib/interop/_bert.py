"""BERT from Hugging Face, with its heads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqlib.interop._refuse import activation, filled, only
from seqlib.nn import (
    BERT,
    BERTClassifier,
    BERTConfig,
    BERTMaskedLM,
    BERTPreTraining,
    BERTTagger,
)

EMBEDDINGS = ("word_embeddings", "position_embeddings", "token_type_embeddings")
PARTS = {  # of a block: ours, theirs
    "self_attn.out_proj.": "attention.output.dense.",
    "norm1.": "attention.output.LayerNorm.",
    "linear1.": "intermediate.dense.",
    "linear2.": "output.dense.",
    "norm2.": "output.LayerNorm.",
}
HEADS = {  # of the pre-trained models: ours, theirs
    "masked_lm.dense.weight": "predictions.transform.dense.weight",
    "masked_lm.dense.bias": "predictions.transform.dense.bias",
    "masked_lm.norm.weight": "predictions.transform.LayerNorm.weight",
    "masked_lm.norm.bias": "predictions.transform.LayerNorm.bias",
    "masked_lm.decoder.bias": "predictions.decoder.bias",
    "next_sentence.weight": "seq_relationship.weight",
    "next_sentence.bias": "seq_relationship.bias",
}


def convert(model: Any) -> torch.nn.Module:
    """Return a BERT, or one of the heads on it, with the weights of one of theirs."""
    name, c = type(model).__name__, model.config
    only(
        c,
        is_decoder=False,
        add_cross_attention=False,
        position_embedding_type="absolute",
    )
    form = activation(c, "hidden_act", ("gelu", "gelu_tanh"))
    core = getattr(model, "bert", model)
    table = core.embeddings.word_embeddings.weight
    if hasattr(model, "cls") and model.cls.predictions.decoder.weight is not table:
        raise ValueError("tie_word_embeddings must be True, got False")
    bert = _core(core, form)
    ours: torch.nn.Module
    if core is model:
        return bert
    if name in ("BertForMaskedLM", "BertForPreTraining"):
        theirs = dict(model.cls.named_parameters(remove_duplicate=False))
        kind = BERTMaskedLM if name == "BertForMaskedLM" else BERTPreTraining
        ours = kind(bert)
        own = {n: theirs[t] for n, t in HEADS.items() if t in theirs}
    else:
        p, C = model.dropout.p, model.classifier.out_features
        of_text = name == "BertForSequenceClassification"
        ours = BERTClassifier(bert, C, p) if of_text else BERTTagger(bert, C, p)
        own = {f"classifier.{n}": w for n, w in model.classifier.named_parameters()}
    of_bert = {f"bert.{n}": w for n, w in bert.state_dict().items()}
    return filled(ours, {**of_bert, **own}, model)


def _core(core: Any, form: str) -> BERT:
    """Return the BERT without a head."""
    c = core.config
    config = BERTConfig(
        vocab_size=c.vocab_size,
        max_len=c.max_position_embeddings,
        num_layers=c.num_hidden_layers,
        num_heads=c.num_attention_heads,
        d_model=c.hidden_size,
        dim_feedforward=c.intermediate_size,
        token_types=c.type_vocab_size,
        dropout=c.hidden_dropout_prob,
        activation=form,
        eps=c.layer_norm_eps,
        pooler=core.pooler is not None,
    )
    theirs = dict(core.named_parameters(remove_duplicate=False))
    weights: dict[str, Tensor] = {
        f"{name}.weight": theirs[f"embeddings.{name}.weight"] for name in EMBEDDINGS
    }
    for kind in ("weight", "bias"):
        weights[f"norm.{kind}"] = theirs[f"embeddings.LayerNorm.{kind}"]
        if config.pooler:
            weights[f"pooler.{kind}"] = theirs[f"pooler.dense.{kind}"]
        for i in range(config.num_layers):
            of_block = f"encoder.layer.{i}."
            qkv = [
                theirs[f"{of_block}attention.self.{n}.{kind}"]
                for n in ("query", "key", "value")
            ]
            weights[f"blocks.{i}.self_attn.in_proj_{kind}"] = torch.cat(qkv)
            for ours, name in PARTS.items():
                weights[f"blocks.{i}.{ours}{kind}"] = theirs[f"{of_block}{name}{kind}"]
    W = weights["word_embeddings.weight"]
    return filled(BERT(config, device=W.device, dtype=W.dtype), weights, core)
