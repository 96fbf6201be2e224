"""Torch modules: thin holders of parameters around the array functions.

Names, arguments, results and state_dict are torch.nn's, so that a model can be changed
from one to the other by its import. What differs: `batch_first` is True unless said;
the gradient comes from our own backward pass unless `backward="autograd"`; dropout
follows `torch.manual_seed`, but drops other entries than torch's; and all input,
masks of floats too, has the float type of the parameters, which `.to(dtype)` chooses:
nothing is converted on the way, and `torch.autocast` is not for these modules.

Inside a layer, a GPT or a BERT the modules hold parameters and are not called, so that
hooks on them do not run. A parameter or a block may be shared, as in torch.
"""

from seqlib.nn._attention import MultiheadAttention
from seqlib.nn._bert import (
    BERT,
    BERTClassifier,
    BERTConfig,
    BERTMaskedLM,
    BERTPreTraining,
    BERTTagger,
)
from seqlib.nn._captioner import Captioner
from seqlib.nn._convlstm import ConvLSTM
from seqlib.nn._gpt import GPT, GPTConfig
from seqlib.nn._recurrent import GRU, LSTM, RNN
from seqlib.nn._seq2seq import Seq2Seq
from seqlib.nn._transformer import Transformer, TransformerDecoder, TransformerEncoder
from seqlib.nn._transformer_layers import (
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)
from seqlib.nn._transformer_seq2seq import Seq2SeqTransformer

__all__ = [
    "BERT",
    "GPT",
    "GRU",
    "LSTM",
    "RNN",
    "BERTClassifier",
    "BERTConfig",
    "BERTMaskedLM",
    "BERTPreTraining",
    "BERTTagger",
    "Captioner",
    "ConvLSTM",
    "GPTConfig",
    "MultiheadAttention",
    "Seq2Seq",
    "Seq2SeqTransformer",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]
