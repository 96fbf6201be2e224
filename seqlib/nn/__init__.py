"""Torch modules: thin holders of parameters around the array functions.

Names, arguments, results and state_dict are torch.nn's, so that a model can be changed
from one to the other by its import. Two things differ: `batch_first` is True unless
said, and the gradient comes from our own backward pass unless `backward="autograd"`.
"""

from seqlib.nn._attention import MultiheadAttention
from seqlib.nn._convlstm import ConvLSTM
from seqlib.nn._recurrent import GRU, LSTM, RNN
from seqlib.nn._transformer import Transformer, TransformerDecoder, TransformerEncoder
from seqlib.nn._transformer_layers import (
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)
from seqlib.nn._transformer_seq2seq import Seq2SeqTransformer

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "ConvLSTM",
    "MultiheadAttention",
    "Seq2SeqTransformer",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]
