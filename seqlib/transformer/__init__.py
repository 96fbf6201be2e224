"""The Transformer: blocks, stacks of them, and the model that translates.

All with their whole backward pass.

A block is a chain of parts f (attention, then a small network for every position),
each inside a residual connection with a layer norm::

    post-norm   out = norm(x + dropout(f(x)))       Vaswani et al. (2017)
    pre-norm    out = x + dropout(f(norm(x)))       GPT-2; norm_first=True

Parameters are a flat dict with the names of torch.nn's TransformerEncoderLayer and
TransformerDecoderLayer; biases may be left out. Masks say True = attend.
"""

from seqlib.transformer._bert import bert, bert_backward, bert_shapes, init_bert
from seqlib.transformer._bert_heads import (
    classification_head,
    classification_head_backward,
    mask_tokens,
    masked_lm_head,
    masked_lm_head_backward,
)
from seqlib.transformer._blocks import (
    decoder_block,
    decoder_block_backward,
    encoder_block,
    encoder_block_backward,
)
from seqlib.transformer._gpt import (
    gpt,
    gpt_backward,
    gpt_shapes,
    init_gpt,
    positions_from,
)
from seqlib.transformer._gpt_step import gpt_step
from seqlib.transformer._seq2seq import (
    seq2seq_transformer,
    seq2seq_transformer_backward,
)
from seqlib.transformer._seq2seq_step import (
    seq2seq_transformer_start,
    seq2seq_transformer_step,
)
from seqlib.transformer._stacks import (
    transformer,
    transformer_backward,
    transformer_decoder,
    transformer_decoder_backward,
    transformer_encoder,
    transformer_encoder_backward,
)

__all__ = [
    "bert",
    "bert_backward",
    "bert_shapes",
    "classification_head",
    "classification_head_backward",
    "decoder_block",
    "decoder_block_backward",
    "encoder_block",
    "encoder_block_backward",
    "gpt",
    "gpt_backward",
    "gpt_shapes",
    "gpt_step",
    "init_bert",
    "init_gpt",
    "mask_tokens",
    "masked_lm_head",
    "masked_lm_head_backward",
    "positions_from",
    "seq2seq_transformer",
    "seq2seq_transformer_backward",
    "seq2seq_transformer_start",
    "seq2seq_transformer_step",
    "transformer",
    "transformer_backward",
    "transformer_decoder",
    "transformer_decoder_backward",
    "transformer_encoder",
    "transformer_encoder_backward",
]
