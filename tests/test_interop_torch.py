"""Parameters from torch and back."""

import numpy as np
import pytest
import torch
from comparing import close

from seqlib.interop import from_torch, to_torch
from seqlib.recurrent import recurrent
from seqlib.transformer import transformer_encoder


@pytest.mark.referee(
    "seqlib.interop.from_torch", by="torch.nn.LSTM and torch.nn.TransformerEncoder"
)
def test_what_torch_holds_is_what_the_array_functions_take():
    rng = np.random.default_rng(0)
    lstm = torch.nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True).double()
    x = rng.normal(size=(2, 5, 3))
    y, *_ = recurrent("lstm", x, None, from_torch(lstm))
    close(y, lstm(torch.tensor(x))[0], 1e-10)
    layer = torch.nn.TransformerEncoderLayer(4, 2, 5, 0.0, batch_first=True)
    stack = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double()
    x = rng.normal(size=(2, 5, 4))
    y, _ = transformer_encoder(x, from_torch(stack.state_dict()), 2)
    close(y, stack(torch.tensor(x)), 1e-10)


@pytest.mark.referee(
    "seqlib.interop.to_torch", "seqlib.interop.from_torch", by="torch.nn.BatchNorm1d"
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_there_and_back(dtype):
    module = torch.nn.BatchNorm1d(3, dtype=dtype)  # it counts with integers, too
    with torch.no_grad():
        module.weight.normal_()
    module.num_batches_tracked += 7
    arrays = from_torch(module)
    assert {type(a) for a in arrays.values()} == {np.ndarray}
    assert arrays["weight"].dtype == str(dtype).removeprefix("torch.")
    assert arrays["num_batches_tracked"].dtype == np.int64
    back = to_torch(arrays)
    state = module.state_dict()
    assert list(back) == list(arrays) == list(state)
    for name, tensor in state.items():
        assert torch.equal(back[name], tensor)
        assert back[name].dtype == tensor.dtype
        assert not back[name].requires_grad
    other = torch.nn.BatchNorm1d(3, dtype=dtype)
    other.load_state_dict(back)
    assert torch.equal(other.weight, module.weight)


def test_copies_are_copies():
    source = {"w": torch.ones(2, requires_grad=True), "n": torch.tensor(3)}
    arrays = from_torch(source)
    arrays["w"][0] = 5
    assert source["w"].tolist() == [1, 1]
    again = to_torch(arrays)
    again["w"][1] = 7
    assert arrays["w"].tolist() == [5, 1]
    held = to_torch(source)
    held["w"][0] = 9
    assert source["w"].tolist() == [1, 1]
    turned = np.arange(6.0).reshape(2, 3).T  # not in one piece
    for odd in (turned, turned[::-1], turned[:1, 0]):
        assert to_torch({"w": odd})["w"].tolist() == odd.tolist()


def test_floats_change_only_when_asked():
    source = {"w": torch.tensor([1.5, -2.0], dtype=torch.bfloat16), "n": torch.ones(1)}
    with pytest.raises(TypeError, match=r"^source\['w'\] must hold floats that numpy"):
        from_torch(source)
    arrays = from_torch({**source, "i": torch.tensor([1])}, dtype=np.float64)
    assert [a.dtype for a in arrays.values()] == [np.float64, np.float64, np.int64]
    assert arrays["w"].tolist() == [1.5, -2.0]
    back = to_torch(arrays, dtype=torch.bfloat16)
    assert [a.dtype for a in back.values()] == [torch.bfloat16] * 2 + [torch.int64]
    assert to_torch(arrays, device="meta")["w"].device.type == "meta"
    assert to_torch({"w": torch.ones(1, device="meta")})["w"].device.type == "meta"


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: from_torch([1]), "source must be a torch module or its state_dict, "),
        (lambda: from_torch({"w": 1.0}), r"source\['w'\] must be a tensor, got float"),
        (lambda: from_torch({1: torch.ones(1)}), "source must have names as keys, got"),
        (lambda: from_torch({}, dtype=int), "dtype must be a float type of numpy, got"),
        (lambda: from_torch({}, dtype="x"), "dtype must be a float type of numpy, got"),
        (lambda: to_torch([1]), "params must be a dict from names to arrays, got list"),
        (lambda: to_torch({"w": [1.0]}), r"params\['w'\] must be an array \(of numpy "),
        (
            lambda: to_torch({"w": np.array(["a"])}),
            r"params\['w'\] must hold numb",
        ),
        (lambda: to_torch({2: np.ones(1)}), "params must have names as keys, got 2"),
        (lambda: to_torch({}, dtype=np.float32), "dtype must be a float type of torch"),
        (
            lambda: to_torch({}, dtype=torch.int64),
            "dtype must be a float type of torch",
        ),
    ],
)
def test_errors_are_sentences(call, sentence):
    with pytest.raises(TypeError, match=f"^{sentence}"):
        call()
