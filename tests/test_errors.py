"""Wrong input gets one sentence: which argument, what was expected, what came.

Here are the very words. That every function says something of the kind, of each of its
arguments, is tested in `test_every_function.py`.
"""

import numpy as np
import pytest
from array_api_strict import asarray as strict

from seqlib import functional as F
from seqlib.recurrent import init_params, recurrent, recurrent_backward
from seqlib.rnn import rnn_cell

RNG = np.random.default_rng(0)
A = np.ones((2, 3))
VECTOR = np.ones(3)
IDS = np.array([0, 1])
PARAMS = init_params("rnn", 3, 4, 2, True, np.random.default_rng(0))
X, STATE, MASK = np.ones((2, 5, 3)), np.ones((4, 2, 4)), np.ones((2, 5), bool)
WEIGHTS = (np.ones((4, 3)), np.ones((4, 4)), np.ones(4), np.ones(4))


GOOD = {
    F.sigmoid: {"x": A},
    F.softmax: {"x": A},
    F.log_softmax: {"x": A},
    F.gelu: {"x": A},
    F.layer_norm: {"x": A, "weight": VECTOR, "bias": VECTOR},
    F.linear: {"x": A, "W": np.ones((4, 3)), "b": np.ones(4)},
    F.embedding: {"weight": A, "ids": IDS},
    F.dropout: {"x": A, "p": 0.5, "rng": RNG},
    F.cross_entropy: {"logits": A, "targets": IDS},
    rnn_cell: {
        "x": A,
        "h": np.ones((2, 4)),
        **dict(zip(("W_ih", "W_hh", "b_ih", "b_hh"), WEIGHTS, strict=True)),
    },
    recurrent: {
        "kind": "rnn",
        "x": X,
        "state": (STATE,),
        "params": PARAMS,
        "mask": MASK,
        "dropout": 0.0,
        "rng": RNG,
    },
    init_params: {"kind": "rnn", "input_size": 3, "hidden_size": 4},
}


def short(argument):
    """Name a case the same in every process, and in one line."""
    name = getattr(argument, "__name__", None)
    return argument if isinstance(argument, str) else name


def refuses(error, sentence, call, *args, **kwargs):
    """Assert the very words, and that they are one line."""
    with pytest.raises((ValueError, TypeError)) as caught:
        call(*args, **kwargs)
    assert type(caught.value) is error
    assert str(caught.value) == sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("shape", [(0, 5, 3), (2, 0, 3), (2, 5, 0)])
def test_no_sequence_no_step_or_no_feature(shape):
    mask = np.ones(shape[:2], bool)
    given = {**GOOD[recurrent], "x": np.ones(shape), "mask": mask}
    wanted = f"x must not be empty, got shape {shape}"
    if not shape[2]:
        wanted = f"x must have shape (B, T, D=3), got {shape}"
    refuses(ValueError, wanted, recurrent, **given)


@pytest.mark.torch
def test_arrays_on_two_devices():
    torch = pytest.importorskip("torch")
    x, W = torch.ones(2, 3), torch.ones(4, 3, device="meta")
    refuses(ValueError, "x must be on meta as W is, got cpu", F.linear, x, W)


AN_ARRAY = "x must be an array (of numpy or torch), got "
SENTENCES = [
    (F.linear, {"x": A.tolist()}, AN_ARRAY + "list"),
    (F.linear, {"x": 1.5}, AN_ARRAY + "float"),
    (F.linear, {"x": None}, AN_ARRAY + "NoneType"),
    (F.linear, {"x": A.astype(int)}, "x must hold floats, got int64"),
    (F.linear, {"x": A > 0}, "x must hold floats, got bool"),
    (F.linear, {"x": A + 0j}, "x must hold floats, got complex128"),
    (F.linear, {"x": A.astype(object)}, "x must hold floats, got object"),
    (F.linear, {"x": A.astype(str)}, "x must hold floats, got <U32"),
    (F.linear, {"x": A.astype("f4")}, "x must hold float64 as W does, got float32"),
    (F.linear, {"x": A[:0]}, "x must not be empty, got shape (0, 3)"),
    (F.softmax, {"x": np.array(1.0)}, "x must have shape (..., N), got ()"),
    (F.log_softmax, {"x": np.array(1.0)}, "x must have shape (..., N), got ()"),
    (F.softmax, {"axis": 2}, "axis must be at least -2 and at most 1, got 2"),
    (F.log_softmax, {"axis": -3}, "axis must be at least -2 and at most 1, got -3"),
    (F.softmax, {"axis": (0, 1)}, "axis must be a whole number, got (0, 1)"),
    (F.softmax, {"axis": 0.5}, "axis must be a whole number, got 0.5"),
    (
        F.gelu,
        {"approximate": "cubic"},
        "approximate must be one of 'none', 'tanh', got 'cubic'",
    ),
    (
        F.gelu,
        {"approximate": True},
        "approximate must be one of 'none', 'tanh', got True",
    ),
    (F.layer_norm, {"x": VECTOR[:2]}, "x must have shape (..., D=3), got (2,)"),
    (F.layer_norm, {"bias": VECTOR[:2]}, "bias must have shape (D=3,), got (2,)"),
    (F.layer_norm, {"weight": A}, "weight must have shape (D,), got (2, 3)"),
    (F.layer_norm, {"eps": -1.0}, "eps must be at least 0, got -1.0"),
    (F.layer_norm, {"eps": "1"}, "eps must be a number, got '1'"),
    (F.linear, {"x": np.ones((2, 4))}, "x must have shape (..., D=3), got (2, 4)"),
    (F.linear, {"x": np.array(1.0)}, "x must have shape (..., D=3), got ()"),
    (F.linear, {"b": VECTOR}, "b must have shape (O=4,), got (3,)"),
    (F.linear, {"W": VECTOR}, "W must have shape (O, D), got (3,)"),
    (
        F.embedding,
        {"ids": [0, 1]},
        "ids must be an array (of numpy or torch), got list",
    ),
    (F.embedding, {"ids": VECTOR}, "ids must hold integers, got float64"),
    (F.embedding, {"ids": IDS > 0}, "ids must hold integers, got bool"),
    (F.embedding, {"ids": IDS + 1}, "ids must be 0 to 1, got 2"),
    (F.embedding, {"ids": IDS - 1}, "ids must be 0 to 1, got -1"),
    (F.embedding, {"ids": IDS[:0]}, "ids must not be empty, got shape (0,)"),
    (F.embedding, {"weight": VECTOR}, "weight must have shape (V, D), got (3,)"),
    (
        F.embedding,
        {"ids": strict(IDS)},
        "ids must come from numpy as weight does, got array_api_strict",
    ),
    (F.dropout, {"p": 1}, "p must be at least 0 and below 1, got 1"),
    (F.dropout, {"p": -0.1}, "p must be at least 0 and below 1, got -0.1"),
    (F.dropout, {"p": np.nan}, "p must be at least 0 and below 1, got nan"),
    (F.dropout, {"p": "half"}, "p must be a number, got 'half'"),
    (F.dropout, {"p": True}, "p must be a number, got True"),
    (
        F.dropout,
        {"rng": 3},
        "rng must be a numpy generator, np.random.default_rng(seed), got int",
    ),
    (
        F.dropout,
        {"rng": None},
        "rng must be a numpy generator, np.random.default_rng(seed), got NoneType",
    ),
    (
        F.cross_entropy,
        {"targets": IDS[:1]},
        "targets must have shape (2,), the logits' without C=3, got (1,)",
    ),
    (
        F.cross_entropy,
        {"targets": np.ones((2, 3), int)},
        "targets must have shape (2,), the logits' without C=3, got (2, 3)",
    ),
    (F.cross_entropy, {"targets": A[:, 0]}, "targets must hold integers, got float64"),
    (F.cross_entropy, {"targets": IDS + 2}, "targets must be 0 to 2, got 3"),
    (F.cross_entropy, {"targets": IDS - 1}, "targets must be 0 to 2, got -1"),
    (
        F.cross_entropy,
        {"targets": IDS * 0 - 100},
        "targets must hold at least one that is not ignore_index",
    ),
    (
        F.cross_entropy,
        {"logits": np.array(1.0), "targets": np.array(0)},
        "logits must have shape (..., C), got ()",
    ),
    (
        F.cross_entropy,
        {"label_smoothing": 1.5},
        "label_smoothing must be at least 0 and at most 1, got 1.5",
    ),
    (
        F.cross_entropy,
        {"label_smoothing": None},
        "label_smoothing must be a number, got None",
    ),
    (
        F.cross_entropy,
        {"reduction": "max"},
        "reduction must be one of 'mean', 'sum', 'none', got 'max'",
    ),
    (
        F.cross_entropy,
        {"ignore_index": 0.5},
        "ignore_index must be a whole number, got 0.5",
    ),
    (rnn_cell, {"x": VECTOR}, "x must have shape (B, D), got (3,)"),
    (rnn_cell, {"x": X}, "x must have shape (B, D), got (2, 5, 3)"),
    (rnn_cell, {"h": np.ones((3, 4))}, "h must have shape (B=2, H), got (3, 4)"),
    (rnn_cell, {"W_ih": A}, "W_ih must have shape (H=4, D=3), got (2, 3)"),
    (rnn_cell, {"W_hh": A}, "W_hh must have shape (H=4, H=4), got (2, 3)"),
    (rnn_cell, {"b_hh": VECTOR}, "b_hh must have shape (H=4,), got (3,)"),
    (
        rnn_cell,
        {"activation": "gelu"},
        "activation must be one of 'tanh', 'relu', 'logistic', got 'gelu'",
    ),
    (
        recurrent,
        {"kind": "gnu"},
        "kind must be one of 'rnn', 'rnn_relu', 'rnn_logistic', 'lstm', 'gru', "
        "'gru_before', got 'gnu'",
    ),
    (recurrent, {"x": A}, "x must have shape (B, T, D=3), got (2, 3)"),
    (
        recurrent,
        {"x": np.ones((2, 7, 4))},
        "x must have shape (B, T, D=3), got (2, 7, 4)",
    ),
    (recurrent, {"mask": MASK[:, :4]}, "mask must have shape (B=2, T=5), got (2, 4)"),
    (
        recurrent,
        {"mask": MASK[..., None]},
        "mask must have shape (B=2, T=5), got (2, 5, 1)",
    ),
    (recurrent, {"mask": MASK * 1.0}, "mask must hold booleans, got float64"),
    (recurrent, {"mask": MASK * 1}, "mask must hold booleans, got int64"),
    (
        recurrent,
        {"mask": strict(MASK)},
        "mask must come from numpy as weight_hh_l0 does, got array_api_strict",
    ),
    (
        recurrent,
        {"mask": MASK.tolist()},
        "mask must be an array (of numpy or torch), got list",
    ),
    (recurrent, {"state": STATE}, "state must be a tuple of one array, got ndarray"),
    (recurrent, {"state": [STATE]}, "state must be a tuple of one array, got list"),
    (recurrent, {"state": (STATE, STATE)}, "state must be a tuple of one array, got 2"),
    (recurrent, {"state": ()}, "state must be a tuple of one array, got 0"),
    (
        recurrent,
        {"state": (None,)},
        "state[0] must be an array (of numpy or torch), got NoneType",
    ),
    (
        recurrent,
        {"state": (STATE[:2],)},
        "state[0] must have shape (4, 2, 4), got (2, 2, 4)",
    ),
    (
        recurrent,
        {"state": (STATE.astype("f4"),)},
        "state[0] must hold float64 as x does, got float32",
    ),
    (recurrent, {"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
    (recurrent, {"dropout": "x"}, "dropout must be a number, got 'x'"),
    (
        recurrent,
        {"dropout": 0.5, "rng": None},
        "rng must be a numpy generator, np.random.default_rng(seed), got NoneType",
    ),
    (
        recurrent,
        {"params": list(PARAMS.values())},
        "params must be a dict from torch's names to arrays, got list",
    ),
    (
        recurrent,
        {"params": {}},
        "params must hold weight_hh_l0, weight_ih_l0, which it lacks",
    ),
    (init_params, {"kind": None}, "kind must be one of 'rnn', 'rnn_relu', "),
    (init_params, {"input_size": 0}, "input_size must be at least 1, got 0"),
    (init_params, {"hidden_size": -1}, "hidden_size must be at least 1, got -1"),
    (init_params, {"hidden_size": 4.0}, "hidden_size must be a whole number, got 4.0"),
    (init_params, {"num_layers": 0}, "num_layers must be at least 1, got 0"),
    (
        init_params,
        {"rng": 0},
        "rng must be a numpy generator, np.random.default_rng(seed), got int",
    ),
]


@pytest.mark.parametrize(("f", "change", "sentence"), SENTENCES, ids=short)
def test_sentence(f, change, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        f(**{**GOOD[f], **change})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def without(*names):
    return {k: a for k, a in PARAMS.items() if k not in names}


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (without("bias_hh_l1"), "params must hold bias_hh_l1, which it lacks"),
        (
            without("weight_hh_l0", "weight_ih_l1_reverse"),
            "params must hold weight_hh_l0, weight_ih_l1_reverse, which it lacks",
        ),
        (
            without("weight_ih_l1"),
            "params must not hold bias_hh_l1, bias_hh_l1_reverse, bias_ih_l1, "
            "bias_ih_l1_reverse, weight_hh_l1, weight_hh_l1_reverse, "
            "weight_ih_l1_reverse, unused here",
        ),
        ({**PARAMS, "W": A}, "params must not hold W, unused here"),
        ({**PARAMS, 3: A}, "params must not hold 3, unused here"),
        (
            {**PARAMS, "weight_hr_l0": A},
            "params must not hold weight_hr_l0, unused here",
        ),
        (
            {**PARAMS, "weight_hh_l0": np.ones((4, 5))},
            "weight_hh_l0 must have shape (5, 5), got (4, 5)",
        ),
        (
            {**PARAMS, "weight_ih_l0": np.ones((5, 3))},
            "weight_ih_l0 must have shape (4, D), got (5, 3)",
        ),
        (
            {**PARAMS, "weight_ih_l1": np.ones((4, 4))},
            "weight_ih_l1 must have shape (4, 8), got (4, 4)",
        ),
        (
            {**PARAMS, "bias_hh_l1": np.ones((4, 1))},
            "bias_hh_l1 must have shape (4,), got (4, 1)",
        ),
        (
            {**PARAMS, "weight_hh_l1_reverse": None},
            "weight_hh_l1_reverse must be an array (of numpy or torch), got NoneType",
        ),
        (
            {**PARAMS, "bias_ih_l0": None},
            "bias_ih_l0 must be an array (of numpy or torch), got NoneType",
        ),
        (
            {**PARAMS, "bias_ih_l1": np.ones(4, "f4")},
            "bias_ih_l1 must hold float64 as x does, got float32",
        ),
    ],
    ids=short,
)
def test_parameters_that_do_not_fit(params, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        recurrent("rnn", X, None, params)
    assert str(caught.value) == sentence


DY = np.ones((2, 5, 8))


@pytest.mark.parametrize(
    ("dy", "dstate", "sentence"),
    [
        (DY[..., :4], None, "dy must have shape (2, 5, 8), got (2, 5, 4)"),
        (DY[0], None, "dy must have shape (2, 5, 8), got (5, 8)"),
        (DY.tolist(), None, "dy must be an array (of numpy or torch), got list"),
        (DY.astype("f4"), None, "dy must hold float64 as the forward pass does, got "),
        (strict(DY), None, "dy must come from numpy as the forward pass does, "),
        (DY > 0, None, "dy must hold floats, got bool"),
        (DY, STATE, "dstate must be a tuple of one array, got ndarray"),
        (DY, (STATE, STATE), "dstate must be a tuple of one array, got 2"),
        (DY, (STATE[:1],), "dstate[0] must have shape (4, 2, 4), got (1, 2, 4)"),
        (None, (STATE * 1j,), "dstate[0] must hold floats, got complex128"),
    ],
    ids=short,
)
def test_gradients_that_do_not_fit_a_recurrence(dy, dstate, sentence):
    _, _, cache = recurrent("rnn", X, None, PARAMS)
    with pytest.raises((ValueError, TypeError)) as caught:
        recurrent_backward(dy, dstate, cache)
    assert str(caught.value).startswith(sentence)


def test_no_work_is_done_before_the_refusal():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    for change in ({"state": STATE}, {"mask": MASK[:1]}, {"dropout": 1}):
        with pytest.raises((ValueError, TypeError)):
            recurrent(**{**GOOD[recurrent], "dropout": 0.5, "rng": rng, **change})
    assert rng.bit_generator.state == before


def test_an_lstms_state_is_a_pair():
    params = init_params("lstm", 3, 4, 2, True, np.random.default_rng(0))
    for state, got in (((STATE,), "1"), ((STATE,) * 3, "3"), (STATE, "ndarray")):
        wanted = "state must be a tuple of 2 arrays, got " + got
        refuses(TypeError, wanted, recurrent, "lstm", X, state, params)
    state = STATE, STATE[:1]
    wanted = "state[1] must have shape (4, 2, 4), got (1, 2, 4)"
    refuses(ValueError, wanted, recurrent, "lstm", X, state, params)
    _, _, cache = recurrent("lstm", X, None, params)
    wanted = "dstate must be a tuple of 2 arrays, got 1"
    refuses(TypeError, wanted, recurrent_backward, None, (STATE,), cache)


def test_parameters_of_another_cell():
    params = init_params("lstm", 3, 4, rng=np.random.default_rng(0))
    wanted = "weight_hh_l0 must have shape (12, 4), got (16, 4)"
    refuses(ValueError, wanted, recurrent, "gru", X, None, params)
