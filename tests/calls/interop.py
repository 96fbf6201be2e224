"""Good calls of `seqlib.interop`."""

from calls.trees import rng
from seqlib.interop import from_keras, from_onnx, to_keras, to_onnx
from seqlib.recurrent import init_params

LSTM = {"kind": "lstm", "params": init_params("lstm", 3, 5, 2, True, rng())}
GRU = {"kind": "gru", "params": init_params("gru", 3, 5, 1, True, rng())}

CALLS = {
    to_onnx: LSTM,
    from_onnx: {"kind": "lstm", "layers": to_onnx(**LSTM)},
    to_keras: LSTM,
    from_keras: {"kind": "lstm", "layers": to_keras(**LSTM)},
}
VARIANTS = {
    to_onnx: [GRU],
    from_onnx: [{"kind": "gru", "layers": to_onnx(**GRU)}],
    to_keras: [GRU],
    from_keras: [{"kind": "gru", "layers": to_keras(**GRU)}],
}
LACKS = "it is params that would not fit: the sentence names what they lack"
MORE = "the inputs of the two directions are not held against each other"
EXCEPTIONS = {
    (to_onnx, "params[*]", "axis 1 *"): MORE,
    (to_keras, "params[*]", "axis 1 *"): MORE,
    (from_onnx, "layers[1]['W']", "axis 2 *"): LACKS,
    (from_onnx, "layers[*]", "without *"): LACKS,
    (from_onnx, "layers[*]['B']", "None"): LACKS,
    (from_keras, "layers[1][*]", "axis 0 *"): LACKS,
    (from_keras, "layers[0][*]", "axis 0 *"): MORE,
}
