"""Weights for ONNX and Keras: the same outputs there, and the way back."""

import os

os.environ["KERAS_BACKEND"] = "torch"  # Keras reads it as it is imported

import keras
import numpy as np
import onnxruntime
import pytest
import torch
from comparing import LIBRARIES, close, to_numpy
from onnx import TensorProto, helper

from seqlib.interop import from_keras, from_onnx, to_keras, to_onnx
from seqlib.recurrent import CELLS, init_params, recurrent

KINDS = ("rnn", "rnn_relu", "rnn_logistic", "lstm", "gru", "gru_before")
ACTIVATIONS = {"rnn": "tanh", "rnn_relu": "relu", "rnn_logistic": "sigmoid"}
B, T, D, H = 3, 6, 2, 4
LENGTHS = np.array([6, 1, 4], "i4")
MASK = np.arange(T) < LENGTHS[:, None]


def draw(kind, layers, both, bias=True, dtype="f8", seed=0):
    rng = np.random.default_rng(seed)
    params = init_params(kind, D, H, layers, both, rng, bias)
    params = {k: rng.normal(size=a.shape).astype(dtype) for k, a in params.items()}
    rows = layers * (1 + both)
    state = [rng.normal(size=(rows, B, H)).astype(dtype) for _ in "hc"]
    x = rng.normal(size=(B, T, D)).astype(dtype)
    return params, x, tuple(state[: CELLS[kind].states])


def widened(x, state, params):
    """Return all as float64, so that what float32 costs is the other's alone."""
    wide = {k: a.astype("f8") for k, a in params.items()}
    return x.astype("f8"), tuple(s.astype("f8") for s in state), wide


def by_onnx(kind, params, x, state, ragged):
    """Run onnxruntime, one operator a layer: y (B, T, H * directions), last state."""
    lasts = []
    x = x.transpose(1, 0, 2)  # its layout: time first
    operator = {"lstm": "LSTM", "gru": "GRU", "gru_before": "GRU"}.get(kind, "RNN")
    for k, layer in enumerate(to_onnx(kind, params)):
        n = len(layer["W"])
        feed = {"X": x, **layer, "lens": LENGTHS}
        feed |= {f"first{i}": s[n * k : n * k + n] for i, s in enumerate(state)}
        names = ["X", "W", "R", "B" * ("B" in layer), "lens" * ragged]
        names += [f"first{i}" for i in range(len(state))]
        attributes = {
            "hidden_size": H,
            "direction": "bidirectional" if n == 2 else "forward",
        }
        if operator == "RNN":
            attributes["activations"] = [ACTIVATIONS[kind].title()] * n
        if operator == "GRU":
            attributes["linear_before_reset"] = int(kind == "gru")
        outs = ["Y", *(f"last{i}" for i in range(len(state)))]
        inputs = [
            helper.make_tensor_value_info(
                a, helper.np_dtype_to_tensor_dtype(feed[a].dtype), feed[a].shape
            )
            for a in names
            if a
        ]
        results = [
            helper.make_tensor_value_info(a, TensorProto.FLOAT, None) for a in outs
        ]
        node = helper.make_node(operator, names, outs, **attributes)
        model = helper.make_model(
            helper.make_graph([node], "layer", inputs, results),
            opset_imports=[helper.make_opsetid("", 14)],
            ir_version=8,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        y, *last = session.run(outs, {a: feed[a] for a in names if a})
        x = y.transpose(0, 2, 1, 3).reshape(T, B, n * H)
        lasts.append(last)
    last = [np.concatenate(s) for s in zip(*lasts, strict=True)]
    return x.transpose(1, 0, 2), last


@pytest.mark.referee(
    "seqlib.interop.to_onnx", "seqlib.recurrent.recurrent", by="onnxruntime"
)
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("layers", "bias"), [(1, True), (2, True), (1, False)])
@pytest.mark.parametrize("kind", KINDS)
def test_onnxruntime_computes_the_same(kind, layers, bias, both, ragged):
    params, x, state = draw(kind, layers, both, bias, "f4")
    theirs, their_last = by_onnx(kind, params, x, state, ragged)
    wide = widened(x, state, params)
    y, last, _ = recurrent(kind, *wide, MASK if ragged else None)
    close(theirs, y, 1e-5)
    for a, b in zip(their_last, last, strict=True):
        close(a, b, 1e-5)


def keras_layer(kind, both, bias):
    options = {"return_sequences": True, "use_bias": bias}
    if kind == "lstm":
        layer = keras.layers.LSTM(H, **options)
    elif kind.startswith("gru"):
        layer = keras.layers.GRU(H, reset_after=kind == "gru", **options)
    else:
        layer = keras.layers.SimpleRNN(H, activation=ACTIVATIONS[kind], **options)
    return keras.layers.Bidirectional(layer) if both else layer


@pytest.mark.referee(
    "seqlib.interop.to_keras",
    "seqlib.interop.from_keras",
    "seqlib.recurrent.recurrent",
    by="keras",
)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("layers", "bias"), [(1, True), (2, True), (1, False)])
@pytest.mark.parametrize("kind", KINDS)
def test_keras_computes_the_same(kind, layers, bias, both):
    params, x, state = draw(kind, layers, both, bias, "f4")
    x, _, wide = widened(x, state, params)
    y, _, _ = recurrent(kind, x, None, wide)
    out, taken = torch.tensor(x).float(), []
    for weights in to_keras(kind, params):
        layer = keras_layer(kind, both, bias)
        layer.build(tuple(out.shape))
        layer.set_weights(weights)
        with torch.no_grad():
            out = layer(out)
        taken.append(layer.get_weights())
    close(out, y, 1e-5)
    _, _, wide = widened(x, state, from_keras(kind, taken))
    again, _, _ = recurrent(kind, x, None, wide)
    close(again, y, 1e-6)  # the one bias was summed in float32


@pytest.mark.referee(
    "seqlib.interop.from_onnx",
    "seqlib.interop.from_keras",
    by="the way there, to the last bit",
)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind, bias, both, library):
    """To the last bit; where Keras has one bias, to the sum of the two."""
    A = LIBRARIES[library]
    params, _, _ = draw(kind, 2, both, bias, "f4")
    given = {k: A(a) for k, a in params.items()}
    for to, back in ((to_onnx, from_onnx), (to_keras, from_keras)):
        again = back(kind, to(kind, given))
        assert list(again) == list(params)
        summed = to is to_keras and kind != "gru"
        for name, a in params.items():
            assert again[name].dtype == given[name].dtype
            if summed and name.startswith("bias_ih"):
                a = a + params[name.replace("ih", "hh")]
            elif summed and name.startswith("bias_hh"):
                a = a * 0
            np.testing.assert_array_equal(to_numpy(again[name]), a)
    for name, a in params.items():
        np.testing.assert_array_equal(to_numpy(given[name]), a)


@pytest.mark.referee("seqlib.interop.to_onnx", "seqlib.interop.to_keras", by="by hand")
def test_the_blocks_by_name():
    """One unit, each weight the number of its gate in torch's order."""
    lstm = {"weight_ih_l0": np.arange(4.0)[:, None], "weight_hh_l0": np.ones((4, 1))}
    assert to_onnx("lstm", lstm)[0]["W"].ravel().tolist() == [0, 3, 1, 2]  # i o f c
    assert to_keras("lstm", lstm)[0][0].tolist() == [[0, 1, 2, 3]]  # i f c o
    gru = {"weight_ih_l0": np.arange(3.0)[:, None], "weight_hh_l0": np.ones((3, 1))}
    assert to_onnx("gru", gru)[0]["W"].ravel().tolist() == [1, 0, 2]  # z r h
    assert to_keras("gru_before", gru)[0][0].tolist() == [[1, 0, 2]]


PARAMS = draw("lstm", 1, True)[0]
ONNX, KERAS = to_onnx("lstm", PARAMS)[0], to_keras("lstm", PARAMS)[0]
SENTENCES = [
    (to_onnx, "elman", PARAMS, "kind must be one of 'rnn', "),
    (to_keras, "elman", PARAMS, "kind must be one of 'rnn', "),
    (from_onnx, "elman", [ONNX], "kind must be one of 'rnn', "),
    (from_keras, "elman", [KERAS], "kind must be one of 'rnn', "),
    (to_onnx, "gru", PARAMS, "weight_ih_l0 must have shape (12, D), got (16, 2)"),
    (to_keras, "lstm", [PARAMS], "params must be a dict from torch's names to "),
    (
        to_keras,
        "lstm",
        {**PARAMS, "bias_hh_l0": np.ones(4)},
        "bias_hh_l0 must have shape (16,), got (4,)",
    ),
    (from_onnx, "lstm", ONNX, "layers must be a list of dicts, got dict"),
    (from_onnx, "lstm", [], "layers must hold at least one layer, got none"),
    (from_onnx, "lstm", [KERAS], "layers must be a list of dicts, got one of list"),
    (from_onnx, "lstm", [{"W": ONNX["W"]}], "layers[0] must hold R"),
    (
        from_onnx,
        "lstm",
        [{**ONNX, "P": ONNX["B"]}],
        "layers[0] must hold W, R and B alone, got P",
    ),
    (
        from_onnx,
        "lstm",
        [{**ONNX, "W": ONNX["W"][:1]}],
        "layers[0]['W'] must have shape (N=2, 16, D), got (1, 16, 2)",
    ),
    (
        from_onnx,
        "lstm",
        [{k: np.concatenate([a, a]) for k, a in ONNX.items()}],
        "layers[0] must have 1 or 2 directions, got 4",
    ),
    (from_keras, "lstm", PARAMS, "layers must be a list of lists of arrays, got dict"),
    (from_keras, "lstm", [], "layers must hold at least one layer, got none"),
    (
        from_keras,
        "lstm",
        [KERAS[:5]],
        "layers[0] must hold 2 arrays a direction without biases or 3 with, got 5",
    ),
    (
        from_keras,
        "lstm",
        [[*KERAS[:2], KERAS[2][:3]]],
        "layers[0][2] must have shape (16,), got (3,)",
    ),
    (
        from_keras,
        "gru",
        [[np.ones((2, 12)), np.ones((4, 12)), np.ones(12)]],
        "layers[0][2] must have shape (2, 12), got (12,)",
    ),
    (
        from_keras,
        "gru_before",
        [[np.ones((2, 12)), np.ones((4, 12)), np.ones((2, 12))]],
        "layers[0][2] must have shape (12,), got (2, 12)",
    ),
    (
        from_keras,
        "gru",
        [KERAS[:2]],
        "layers[0][1] must have shape (4, 12), got (4, 16)",
    ),
    (from_keras, "lstm", [[1, 2]], "layers[0][1] must be an array (of numpy or torch)"),
]


def short(argument):
    name = getattr(argument, "__name__", None)
    return argument if isinstance(argument, str) else name


@pytest.mark.parametrize(("f", "kind", "given", "sentence"), SENTENCES, ids=short)
def test_what_does_not_fit_gets_a_sentence(f, kind, given, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        f(kind, given)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
