"""Weights from elsewhere: Hugging Face's models, and the gates of ONNX and Keras.

`from_hf` returns our model with the weights of one of Hugging Face's. The others are
for recurrent networks, whose numbers are the same under other names: what differs is
the order of the gates' blocks, on which side of the product a matrix stands, and what
becomes of the second bias::

              LSTM blocks    GRU blocks    matrices     biases
    torch     i f g o        r z n         W x          b_ih, b_hh
    ONNX      i o f c        z r h         W x          B = [b_ih, b_hh]
    Keras     i f c o        z r h         x W          their sum, but see `to_keras`

g, c and n are three names for the candidate, and h in a GRU a fourth.
"""

from seqlib.interop._huggingface import from_hf
from seqlib.interop._orders import from_keras, from_onnx, to_keras, to_onnx
from seqlib.interop._torch import from_torch, to_torch

__all__ = [
    "from_hf",
    "from_keras",
    "from_onnx",
    "from_torch",
    "to_keras",
    "to_onnx",
    "to_torch",
]
