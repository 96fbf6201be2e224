"""Torch modules: thin holders of parameters around the array functions.

Names, arguments, results and state_dict are torch.nn's, so that a model can be changed
from one to the other by its import. Two things differ: `batch_first` is True unless
said, and the gradient comes from our own backward pass unless `backward="autograd"`.
"""

from seqlib.nn._attention import MultiheadAttention
from seqlib.nn._captioner import Captioner
from seqlib.nn._convlstm import ConvLSTM
from seqlib.nn._recurrent import GRU, LSTM, RNN
from seqlib.nn._seq2seq import Seq2Seq

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Captioner",
    "ConvLSTM",
    "MultiheadAttention",
    "Seq2Seq",
]
