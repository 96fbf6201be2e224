"""Models of Hugging Face's transformers as ours, with their weights."""

from __future__ import annotations

from importlib import import_module
from typing import Any

WHERE = {  # the file here that reads a class
    "GPT2LMHeadModel": "_gpt2",
    "GPT2Model": "_gpt2",
    "BertModel": "_bert",
    "BertForMaskedLM": "_bert",
    "BertForPreTraining": "_bert",
    "BertForSequenceClassification": "_bert",
    "BertForTokenClassification": "_bert",
    "MarianMTModel": "_encoder_decoder",
    "BartForConditionalGeneration": "_encoder_decoder",
}


def from_hf(model: Any) -> Any:
    """Return our model with the weights of one of Hugging Face's.

    `ours(ids, attention_mask=..., token_type_ids=...)` gives the same numbers:

    =============================  =======================  ===========================
    Hugging Face                   seqlib.nn                result
    =============================  =======================  ===========================
    GPT2LMHeadModel, GPT2Model     GPT                      logits, or hidden states
    BertModel                      BERT                     hidden, pooled
    BertForMaskedLM                BERTMaskedLM             logits
    BertForPreTraining             BERTPreTraining          logits, of words and of next
    BertForSequenceClassification  BERTClassifier           logits
    BertForTokenClassification     BERTTagger               logits
    MarianMTModel                  Seq2SeqTransformer       logits
    BartForConditionalGeneration   Seq2SeqTransformer       logits
    =============================  =======================  ===========================

    Weights are copied; float type, device, and training or not stay as they are. Of
    dropout one probability is kept, that of the residual connections, and a head's.
    Errors: a TypeError for any other model, a ValueError for an option that ours lack.
    """
    name = type(model).__name__
    if name not in WHERE or not type(model).__module__.startswith("transformers."):
        raise TypeError(f"model must be one of {', '.join(WHERE)}, got {name}")
    return import_module(f"seqlib.interop.{WHERE[name]}").convert(model)
