"""From an image to its caption: a small convnet, and the decoder of `seqlib.seq2seq`.

The convnet turns an image I into a map of F channels, whose places, read row by row,
are the annotations a_j, and into one vector v. The caption's decoder knows of it by its
`context`::

    s_0 = tanh(W v + b)                      "once": the image is the first state
    s_t = RNN(s_{t-1}, [e(y_{t-1}), v])      "every": it is an input at every step
    s_1 = RNN(s_0, W v + b)                  "first": it is the first input, a word
    s_t = RNN(s_{t-1}, [e(y_{t-1}), c_t])    "attention": c_t = sum_j p_tj a_j

All is trained together: the caption's gradient goes through the decoder into the
convnet. A step of decoding is `seqlib.seq2seq.decoder_step`.
"""

from seqlib.captioner._init import init_captioner
from seqlib.captioner._model import captioner, captioner_backward, captioner_start

__all__ = ["captioner", "captioner_backward", "captioner_start", "init_captioner"]
