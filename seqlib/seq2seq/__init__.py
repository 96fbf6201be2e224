"""Recurrent encoder-decoders: a sequence in, a sequence of another length out.

The encoder reads the source x_1 ... x_S. The decoder is a language model of the target
that knows of the source in one of four ways, its `context`::

    h_j = RNN(h_{j-1}, x_j)                     annotations of the source
    s_t = RNN(s_{t-1}, e(y_{t-1}))              "once": it decides s_0, and no more
    s_t = RNN(s_{t-1}, [e(y_{t-1}), h_S])       "every": it is an input at every step
    s_t = RNN(s_{t-1}, [e(y_{t-1}), c_t])       "attention": its parts are, as asked for
    P(y_t | y_<t, x) = softmax(V s_t + b)

with c_t = sum_j p_tj h_j, p_t = softmax over j of score(s_{t-1}, h_j); "first" makes
the source the first input, W h_S + b, before the first token. The state s_0 is the
encoder's last, or a projection of it, or learned, or zero: `init`.

All of it, backward pass included, is written by hand. What decodes here decodes
captions in `seqlib.captioner`: it asks for a memory, and not where that came from.
"""

from seqlib.seq2seq._init import init_seq2seq
from seqlib.seq2seq._memory import DecoderState
from seqlib.seq2seq._model import seq2seq, seq2seq_backward, seq2seq_start
from seqlib.seq2seq._step import decoder_step, sequence_log_prob

__all__ = [
    "DecoderState",
    "decoder_step",
    "init_seq2seq",
    "seq2seq",
    "seq2seq_backward",
    "seq2seq_start",
    "sequence_log_prob",
]
