"""Wrong input of the modules: the same sentences, in the words of torch's arguments."""

import re

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from seqlib.nn import GRU, LSTM, RNN

X, MASK = np.ones((2, 5, 3)), np.ones((2, 5), bool)
INPUT, HX = torch.ones(2, 5, 3), torch.ones(2, 2, 4)
TWO = {"num_layers": 2}
CALLS = [
    ({}, (X,), "input must come from torch as weight_ih_l0 does, got numpy"),
    ({}, (X.tolist(),), "input must be an array (of numpy or torch), got list"),
    ({}, (None,), "input must be an array (of numpy or torch), got NoneType"),
    ({}, (INPUT.long(),), "input must hold floats, got torch.int64"),
    (
        {},
        (INPUT.double(),),
        "input must hold torch.float32 as weight_ih_l0 does, got torch.float64",
    ),
    ({}, (INPUT[..., :2],), "input must have shape (B, T, D=3), got (2, 5, 2)"),
    ({}, (INPUT[0, 0],), "input must have shape (B, T, D=3), got (3,)"),
    ({}, (INPUT[None],), "input must have shape (B, T, D=3), got (1, 2, 5, 3)"),
    ({}, (INPUT[0, :, :2],), "input must have shape (T, D=3), got (5, 2)"),
    (
        {"batch_first": False},
        (INPUT[..., :2],),
        "input must have shape (T, B, D=3), got (2, 5, 2)",
    ),
    (TWO, (INPUT, HX[:1]), "hx must have shape (2, B=2, 4), got (1, 2, 4)"),
    (TWO, (INPUT, HX[:, 0]), "hx must have shape (2, B=2, 4), got (2, 4)"),
    (TWO, (INPUT, HX[:, :1]), "hx must have shape (2, B=2, 4), got (2, 1, 4)"),
    (TWO, (INPUT, (HX,)), "hx must be an array (of numpy or torch), got tuple"),
    (
        TWO,
        (INPUT, HX.double()),
        "hx must hold torch.float32 as weight_ih_l0 does, got torch.float64",
    ),
    (TWO, (INPUT[0], HX), "hx must have shape (2, 4), got (2, 2, 4)"),
    (
        TWO,
        (pack_sequence([INPUT[0], INPUT[0]]), HX[:, :1]),
        "hx must have shape (2, 2, 4), got (2, 1, 4)",
    ),
    (
        TWO,
        (pack_sequence([INPUT[0, :, :2]]), HX),
        "input must have shape (N, D=3), got (5, 2)",
    ),
    (
        {},
        (pack_sequence([INPUT[0]]), None, torch.ones(1, 5).bool()),
        "mask must be None: a PackedSequence has its lengths",
    ),
    (
        {},
        (INPUT, None, torch.ones(2, 4).bool()),
        "mask must have shape (B=2, T=5), got (2, 4)",
    ),
    ({}, (INPUT, None, torch.ones(2, 5)), "mask must hold booleans, got torch.float32"),
    (
        {},
        (INPUT[0], None, torch.ones(1, 5).bool()),
        "mask must have shape (T=5,), got (1, 5)",
    ),
    ({}, (INPUT, None, MASK), "mask must come from torch as weight_ih_l0 does, got "),
]


@pytest.mark.parametrize("backward", ["hand", "autograd"])
@pytest.mark.parametrize(("options", "arguments", "sentence"), CALLS, ids=str)
def test_the_module(options, arguments, sentence, backward):
    module = RNN(3, 4, **options, backward=backward)
    with pytest.raises((ValueError, TypeError)) as caught:
        module(*arguments)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("backward", ["hand", "autograd"])
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((INPUT[..., :2],), "input must have shape (B, T, D=3), got (2, 5, 2)"),
        ((INPUT, HX), "hx must be a tuple (h, c), got Tensor"),
        ((INPUT, (HX,)), "hx must be a tuple (h, c), got 1 arrays"),
        ((INPUT, (HX, HX, HX)), "hx must be a tuple (h, c), got 3 arrays"),
        ((INPUT, (HX, None)), "hx[1] must be an array (of numpy or torch), got None"),
        ((INPUT, (HX, HX[:1])), "hx[1] must have shape (2, B=2, 4), got (1, 2, 4)"),
        ((INPUT[0], (HX, HX)), "hx[0] must have shape (2, 4), got (2, 2, 4)"),
        (
            (INPUT, (HX, HX.double())),
            "hx[1] must hold torch.float32 as weight_ih_l0 does, got torch.float64",
        ),
        ((INPUT, (HX, HX), MASK), "mask must come from torch as weight_ih_l0 does, "),
    ],
    ids=str,
)
def test_an_lstm(arguments, sentence, backward):
    module = LSTM(3, 4, 2, backward=backward)
    with pytest.raises((ValueError, TypeError)) as caught:
        module(*arguments)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("cell", [LSTM, GRU])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"backward": 1}, "backward must be one of 'hand', 'autograd', got 1"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"input_size": 2.5}, "input_size must be a whole number, got 2.5"),
    ],
    ids=str,
)
def test_options_of_the_modules_with_gates(cell, options, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        cell(**{"input_size": 3, "hidden_size": 4, **options})
    assert str(caught.value) == sentence


@pytest.mark.parametrize("shape", [(0, 5, 3), (2, 0, 3), (2, 5, 0)])
def test_no_sequence_no_step_or_no_feature(shape):
    wanted = f"input must not be empty, got shape {shape}"
    if not shape[2]:
        wanted = f"input must have shape (B, T, D=3), got {shape}"
    with pytest.raises(ValueError, match=re.escape(wanted)):
        RNN(3, 4)(torch.ones(shape))


def test_what_only_one_of_the_modules_knows():
    wanted = (
        "proj_size must be 0, got 2: outputs are not projected here, "
        "so put a Linear layer after the LSTM"
    )
    with pytest.raises(ValueError, match=re.escape(wanted)):
        LSTM(3, 4, proj_size=2)
    wanted = "reset must be one of 'after', 'before', got True"
    with pytest.raises(ValueError, match=re.escape(wanted)):
        GRU(3, 4, reset=True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"backward": "feet"},
            "backward must be one of 'hand', 'autograd', got 'feet'",
        ),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        (
            {"nonlinearity": "gelu"},
            "nonlinearity must be one of 'tanh', 'relu', got 'gelu'",
        ),
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"hidden_size": 2.5}, "hidden_size must be a whole number, got 2.5"),
    ],
    ids=str,
)
def test_the_modules_options(options, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        RNN(**{"input_size": 3, "hidden_size": 4, **options})
    assert str(caught.value) == sentence
