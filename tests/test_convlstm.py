"""The ConvLSTM against a loop over torch's conv2d, autograd, finite differences."""

import copy

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib.convlstm import (
    convlstm,
    convlstm_backward,
    convlstm_cell,
    convlstm_cell_backward,
    init_convlstm,
)
from seqlib.lstm import lstm_cell
from seqlib.nn import ConvLSTM

MASKS = ("none", "right", "holes", "one empty")
NAMES = ("x", "h", "c", "W_ih", "W_hh", "b_ih", "b_hh")


def draw_cell(rng, B, C, F, H, W, K=3, L=3):
    shapes = [
        (B, C, H, W),
        (B, F, H, W),
        (B, F, H, W),
        (4 * F, C, K, K),
        (4 * F, F, L, L),
        (4 * F,),
        (4 * F,),
    ]
    return [rng.normal(size=shape) / 2 for shape in shapes]


def torchs_cell(x, h, c, W_ih, W_hh, b_ih, b_hh):
    """Shi et al.'s equation (3) without peepholes, gate by gate."""
    conv = torch.nn.functional.conv2d
    blocks = zip(*(a.chunk(4) for a in (W_ih, W_hh, b_ih, b_hh)), strict=True)
    z = [
        conv(x, w, b, padding="same") + conv(h, u, d, padding="same")
        for w, u, b, d in blocks
    ]
    i, f, o = (torch.sigmoid(z[k]) for k in (0, 1, 3))
    c = f * c + i * torch.tanh(z[2])
    return o * torch.tanh(c), c


@pytest.mark.referee("seqlib.convlstm.convlstm_cell", by="torch.nn.functional.conv2d")
@pytest.mark.referee("seqlib.convlstm.convlstm_cell_backward", by="torch autograd")
@given(
    sizes=st.tuples(*[st.integers(1, 3)] * 3, *[st.integers(1, 5)] * 2),
    kernels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["f8", "f4"]),
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_cell_and_its_gradients(sizes, kernels, seed, dtype):
    rng = np.random.default_rng(seed)
    inputs = [a.astype(dtype) for a in draw_cell(rng, *sizes, *kernels)]
    tensors = [torch.tensor(a.astype("f8"), requires_grad=True) for a in inputs]
    wanted = torchs_cell(*tensors)
    douts = [rng.normal(size=inputs[1].shape).astype(dtype) for _ in "hc"]
    wanted_grads = by_autograd(wanted, [torch.tensor(d) for d in douts], tensors)
    within = 1e-12 if dtype == "f8" else 1e-5
    for A in LIBRARIES.values():
        arrays = [A(a) for a in inputs]
        state, cache = convlstm_cell(*arrays)
        grads = convlstm_cell_backward(tuple(A(d) for d in douts), cache)
        for a, b in zip(state, wanted, strict=True):
            assert a.dtype == arrays[0].dtype
            close(a, b, within, scale=1 + b.abs().max().item())
        for array, grad, wanted_grad in zip(arrays, grads, wanted_grads, strict=True):
            assert grad.dtype == array.dtype
            close(grad, wanted_grad, within, scale=1 + wanted_grad.abs().max().item())
        for array, a in zip(arrays, inputs, strict=True):
            np.testing.assert_array_equal(to_numpy(array), a)


@pytest.mark.referee("seqlib.convlstm.convlstm_cell_backward", by="finite differences")
def test_finite_differences_of_the_cell():
    rng = np.random.default_rng(1)
    inputs = draw_cell(rng, 2, 2, 1, 3, 2)
    dh, dc = rng.normal(size=(2, *inputs[1].shape))
    grads = convlstm_cell_backward((dh, dc), convlstm_cell(*inputs)[1])

    def loss(*inputs):
        (h, c), _ = convlstm_cell(*inputs)
        return np.sum(h * dh) + np.sum(c * dc)

    for i, grad in enumerate(grads):
        close(by_differences(loss, inputs, i), grad, 1e-7, scale=1)


def test_on_a_frame_of_one_pixel_it_is_the_lstm():
    """Of a kernel there, the middle alone meets something."""
    inputs = draw_cell(np.random.default_rng(3), 2, 3, 4, 1, 1)
    state, _ = convlstm_cell(*inputs)
    x, h, c = (a[..., 0, 0] for a in inputs[:3])
    W_ih, W_hh = (a[..., 1, 1] for a in inputs[3:5])
    wanted, _ = lstm_cell(x, h, c, W_ih, W_hh, *inputs[5:])
    for a, b in zip(state, wanted, strict=True):
        close(a[..., 0, 0], b, 1e-14)


def test_a_cell_without_biases():
    *inputs, b, _ = draw_cell(np.random.default_rng(2), 2, 2, 3, 3, 3)
    state, cache = convlstm_cell(*inputs, None, None)
    wanted, _ = convlstm_cell(*inputs, b * 0, b * 0)
    for a, same in zip(state, wanted, strict=True):
        np.testing.assert_array_equal(a, same)
    *_, db_ih, db_hh = convlstm_cell_backward(state, cache)
    assert db_ih is None
    assert db_hh is None


class Problem:
    """Random input of everything `convlstm` takes, in float64."""

    def __init__(self, rng, B, T, C, F, H, W, layers=1, bias=True, mask="none"):
        params = init_convlstm(C, F, 3, layers, rng, bias)
        self.params = {k: rng.normal(size=a.shape) / 3 for k, a in params.items()}
        self.x = rng.normal(size=(B, T, C, H, W))
        self.state = rng.normal(size=(2, layers, B, F, H, W))
        self.dy = rng.normal(size=(B, T, F, H, W))
        self.dstate = rng.normal(size=self.state.shape)
        self.mask = None
        if mask != "none":
            self.mask = np.arange(T) < rng.integers(1, T + 1, B)[:, None]
        if mask in ("holes", "one empty"):
            self.mask = rng.permuted(self.mask, axis=1)
        if mask == "one empty":
            self.mask[rng.integers(B)] = False

    def ours(self, A=np.array, start=True, **options):
        params = {k: A(a) for k, a in self.params.items()}
        mask = None if self.mask is None else A(self.mask)
        first = tuple(A(s) for s in self.state) if start else None
        y, last, cache = convlstm(A(self.x), first, params, mask)
        dstate = tuple(A(s) for s in self.dstate)
        dx, dfirst, grads = convlstm_backward(A(self.dy), dstate, cache, **options)
        return y, *last, dx, *dfirst, *grads.values()

    def torchs(self, start=True):
        """Return the same from a plain loop, one clip at a time, without padding."""
        x, state = torch.tensor(self.x), torch.tensor(self.state) * start
        params = {k: torch.tensor(a) for k, a in self.params.items()}
        inputs = [x, state, *params.values()]
        for tensor in inputs:
            tensor.requires_grad_(True)
        y, last = torch.zeros(self.dy.shape).double(), state.clone()
        for b, clip in enumerate(x):
            real = slice(None) if self.mask is None else torch.tensor(self.mask[b])
            frames = list(clip[real])
            for k in range(state.shape[1]):
                h, c = state[:, k, b]
                weights = [params[f"weight_{n}_l{k}"] for n in ("ih", "hh")]
                zero = torch.zeros(len(weights[0])).double()
                weights += [params.get(f"bias_{n}_l{k}", zero) for n in ("ih", "hh")]
                outs = []
                for frame in frames:
                    h, c = (
                        a[0]
                        for a in torchs_cell(frame[None], h[None], c[None], *weights)
                    )
                    outs.append(h)
                frames = outs
                last[0, k, b], last[1, k, b] = h, c
            if frames:
                y[b, real] = torch.stack(frames)
        douts = [torch.tensor(self.dy), torch.tensor(self.dstate)]
        dx, dfirst, *grads = by_autograd([y, last], douts, inputs)
        return y, *last, dx, *dfirst, *grads


def agree(ours, theirs, within=1e-12):
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, within)


@pytest.mark.referee("seqlib.convlstm.convlstm", by="torch.nn.functional.conv2d")
@pytest.mark.referee("seqlib.convlstm.convlstm_backward", by="torch autograd")
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(*[st.integers(1, 3)] * 6),
    layers=st.integers(1, 3),
    bias=st.booleans(),
    mask=st.sampled_from(MASKS),
    start=st.booleans(),
)
def test_clips_agree_with_a_plain_loop(seed, sizes, layers, bias, mask, start):
    rng = np.random.default_rng(seed)
    problem = Problem(rng, *sizes, layers, bias, mask)
    for A in LIBRARIES.values():
        agree(problem.ours(A, start), problem.torchs(start))


@pytest.mark.parametrize("mask", MASKS)
def test_each_kind_of_mask(mask):
    problem = Problem(np.random.default_rng(8), 3, 4, 2, 3, 4, 5, 2, mask=mask)
    agree(problem.ours(), problem.torchs())


@pytest.mark.parametrize("mask", ["right", "holes"])
def test_what_stands_in_the_padding_never_matters(mask):
    problem = Problem(np.random.default_rng(8), 3, 4, 2, 2, 3, 3, 2, mask=mask)
    for A in LIBRARIES.values():
        results = []
        for junk in (1, np.nan, np.inf, -1e300):
            problem.x[~problem.mask] = problem.dy[~problem.mask] = junk
            results.append(problem.ours(A))
            agree(results[-1], results[0], within=0)
        y, _, _, dx, *_ = results[0]
        assert not to_numpy(y)[~problem.mask].any()
        assert not to_numpy(dx)[~problem.mask].any()


@pytest.mark.referee("seqlib.convlstm.convlstm_backward", by="finite differences")
def test_finite_differences_of_a_clip():
    problem = Problem(np.random.default_rng(8), 2, 2, 1, 1, 2, 2, 2, mask="right")
    names = list(problem.params)

    def loss(x, state, *weights):
        params = dict(zip(names, weights, strict=True))
        y, last, _ = convlstm(x, tuple(state), params, problem.mask)
        return np.sum(y * problem.dy) + np.sum(np.stack(last) * problem.dstate)

    inputs = [problem.x, problem.state, *problem.params.values()]
    _, _, _, dx, *dfirst_and_grads = problem.ours()
    wanted = [dx, np.stack(dfirst_and_grads[:2]), *dfirst_and_grads[2:]]
    for i, grad in enumerate(wanted):
        close(by_differences(loss, inputs, i), grad, 1e-6, scale=1)


def test_what_is_not_given_stands_for_zeros():
    problem = Problem(np.random.default_rng(8), 2, 3, 2, 2, 3, 3, 2)
    y, _, cache = convlstm(problem.x, None, problem.params)
    zeros = np.zeros_like(problem.state)
    np.testing.assert_array_equal(
        y, convlstm(problem.x, tuple(zeros), problem.params)[0]
    )
    results = [
        convlstm_backward(problem.dy, dstate, cache)
        for dstate in (None, (None, None), tuple(zeros))
    ]
    for dx, _, grads in results[1:]:
        np.testing.assert_array_equal(dx, results[0][0])
        for name in grads:
            np.testing.assert_array_equal(grads[name], results[0][2][name])
    _, _, grads = convlstm_backward(None, tuple(problem.dstate), cache)
    assert any(a.any() for a in grads.values())
    dx, _, _ = convlstm_backward(problem.dy, None, cache, input_gradient=False)
    assert dx is None


@pytest.mark.parametrize("library", LIBRARIES)
def test_float32_is_kept_and_nothing_changed(library):
    problem = Problem(np.random.default_rng(4), 2, 3, 2, 2, 3, 3, 2, mask="holes")
    wanted, passed = problem.torchs(), []
    A = LIBRARIES[library]

    def narrow(a):
        passed.append((A(a if a.dtype == bool else a.astype("f4")), a))
        return passed[-1][0]

    ours = problem.ours(narrow)
    agree(ours, wanted, 1e-5)
    for array in ours:
        assert to_numpy(array).dtype == np.float32
    for array, a in passed:
        np.testing.assert_array_equal(to_numpy(array), a.astype(to_numpy(array).dtype))


@pytest.mark.referee("seqlib.convlstm.init_convlstm", by="by hand")
def test_init_convlstm():
    for bias in (False, True):
        params = init_convlstm(2, 16, 3, 2, np.random.default_rng(0), bias)
        module = ConvLSTM(2, 16, 3, 2, bias)
        wanted = {k: tuple(a.shape) for k, a in module.state_dict().items()}
        assert {k: a.shape for k, a in params.items()} == wanted
        assert list(params) == list(wanted)
        for arrays in (params, module.state_dict()):
            values = np.concatenate([to_numpy(a).ravel() for a in arrays.values()])
            assert 0.99 / 12 < np.abs(values).max() < 1 / 12  # 1 / sqrt(16 * 3 * 3)
    drawn = init_convlstm(2, 16, 3)
    assert (drawn["weight_ih_l0"] != params["weight_ih_l0"]).any()
    assert list(drawn) == list(ConvLSTM(2, 16, 3).state_dict())


def test_zeros_that_are_not_given_are_made_where_the_rest_is():
    meta = {"device": "meta", "dtype": torch.float64}  # it refuses to be mixed
    params = {k: torch.empty(a.shape, **meta) for k, a in PARAMS.items()}
    x = torch.empty(CLIP["x"].shape, **meta)
    y, _, cache = convlstm(x, None, params)
    dx, _, grads = convlstm_backward(None, None, cache)
    assert {a.device.type for a in (y, dx, *grads.values())} == {"meta"}


# --- the module ----------------------------------------------------------------------


@pytest.mark.parametrize("backward", ["hand", "autograd"])
@pytest.mark.parametrize("mask", ["none", "right"])
def test_the_module_agrees_with_the_plain_loop(backward, mask):
    problem = Problem(np.random.default_rng(5), 2, 3, 2, 3, 4, 4, 2, mask=mask)
    module = ConvLSTM(2, 3, 3, 2, dtype=torch.float64, backward=backward)
    module.load_state_dict({k: torch.tensor(a) for k, a in problem.params.items()})
    x = torch.tensor(problem.x).requires_grad_()
    h, c = (torch.tensor(s).requires_grad_() for s in problem.state)
    mask = None if problem.mask is None else torch.tensor(problem.mask)
    y, last = module(x, (h, c), mask)
    douts = [torch.tensor(a) for a in (problem.dy, *problem.dstate)]
    inputs = [x, h, c, *module.parameters()]
    grads = by_autograd([y, *last], douts, inputs)
    agree((y, *last, *grads), problem.torchs())
    start, _ = module(x, mask=mask)
    zeros = torch.zeros_like(h), torch.zeros_like(c)
    torch.testing.assert_close(start, module(x, zeros, mask)[0], rtol=0, atol=0)


@pytest.mark.parametrize("masked", [False, True])
def test_gradcheck(masked):
    torch.manual_seed(0)
    module = ConvLSTM(1, 1, 3, 2, dtype=torch.float64)
    mask = torch.tensor([[1, 1], [0, 1]]).bool() if masked else None

    def f(x, h, c, *weights):
        params = dict(zip(module.names, weights, strict=True))
        y, last = torch.func.functional_call(module, params, (x, (h, c), mask))
        return y, *last

    x = torch.randn(2, 2, 1, 2, 3).double().requires_grad_()
    h, c = (torch.randn(2, 2, 1, 2, 3).double().requires_grad_() for _ in "hc")
    assert torch.autograd.gradcheck(f, (x, h, c, *module.parameters()))


def test_the_modules_manners():
    module = ConvLSTM(2, 3, 3, 2, bias=False, backward="autograd")
    text = "ConvLSTM(2, 3, 3, num_layers=2, bias=False, backward='autograd')"
    assert repr(module) == text
    x = torch.randn(1, 2, 2, 4, 4)
    torch.testing.assert_close(copy.deepcopy(module)(x)[0], module(x)[0])
    with torch.no_grad():
        assert not module(x)[0].requires_grad
    module.backward = "hand"
    y, (h, c) = module(x)
    assert y.shape == (1, 2, 3, 4, 4)
    assert h.shape == c.shape == (2, 1, 3, 4, 4)
    with pytest.raises(RuntimeError, match="by hand has no derivative"):
        torch.autograd.grad(y.sum(), module.weight_ih_l0, create_graph=True)


# --- errors --------------------------------------------------------------------------

CELL = dict(zip(NAMES, draw_cell(np.random.default_rng(0), 2, 2, 3, 4, 5), strict=True))
X, FIRST = np.ones((2, 3, 2, 4, 5)), np.ones((1, 2, 3, 4, 5))
PARAMS = init_convlstm(2, 3, 3, rng=np.random.default_rng(0))
CLIP = {"x": X, "state": (FIRST, FIRST), "params": PARAMS, "mask": None}
INIT = {"in_channels": 2, "hidden_channels": 3, "kernel_size": 3}
SENTENCES = [
    (convlstm_cell, {"x": X}, "x must have shape (B, C, H, W), got (2, 3, 2, 4, 5)"),
    (convlstm_cell, {"h": CELL["x"][:1]}, "h must have shape (B=2, F, H=4, W=5), got"),
    (convlstm_cell, {"c": CELL["x"]}, "c must have shape (B=2, F=3, H=4, W=5), got"),
    (
        convlstm_cell,
        {"W_ih": CELL["W_hh"]},
        "W_ih must have shape (12, C=2, KH, KW), got (12, 3, 3, 3)",
    ),
    (
        convlstm_cell,
        {"W_hh": CELL["W_ih"]},
        "W_hh must have shape (12, 3, KH, KW), got (12, 2, 3, 3)",
    ),
    (convlstm_cell, {"b_ih": np.ones(3)}, "b_ih must have shape (12,), got (3,)"),
    (convlstm_cell, {"b_hh": np.ones(12, int)}, "b_hh must hold floats, got int64"),
    (convlstm_cell, {"c": None}, "c must be an array (of numpy or torch), got None"),
    (convlstm, {"x": X[0]}, "x must have shape (B, T, C, H, W), got (3, 2, 4, 5)"),
    (convlstm, {"x": X[:, :0]}, "x must not be empty, got shape (2, 0, 2, 4, 5)"),
    (
        convlstm,
        {"x": X.astype("f4")},
        "weight_ih_l0 must hold float32 as x does, got float64",
    ),
    (
        convlstm,
        {"x": X[:, :, :1]},
        "weight_ih_l0 must have shape (12, 1, KH, KW), got (12, 2, 3, 3)",
    ),
    (convlstm, {"state": FIRST}, "state must be a tuple of 2 arrays, got ndarray"),
    (
        convlstm,
        {"state": (FIRST, FIRST[:, :1])},
        "state[1] must have shape (1, 2, 3, 4, 5), got (1, 1, 3, 4, 5)",
    ),
    (
        convlstm,
        {"mask": np.ones((2, 4), bool)},
        "mask must have shape (B=2, T=3), got (2, 4)",
    ),
    (convlstm, {"mask": np.ones((2, 3))}, "mask must hold booleans, got float64"),
    (convlstm, {"params": {}}, "params must hold weight_hh_l0, weight_ih_l0, which"),
    (
        convlstm,
        {"params": {**PARAMS, **{k + "_reverse": a for k, a in PARAMS.items()}}},
        "params must not hold weight_ih_l0_reverse, unused here",
    ),
    (init_convlstm, {"in_channels": 0}, "in_channels must be at least 1, got 0"),
    (init_convlstm, {"hidden_channels": 0}, "hidden_channels must be at least 1, "),
    (init_convlstm, {"num_layers": 0}, "num_layers must be at least 1, got 0"),
    (init_convlstm, {"kernel_size": 2.5}, "kernel_size must be a whole number, got"),
    (init_convlstm, {"rng": 0}, "rng must be a numpy generator, "),
    (ConvLSTM, {"hidden_channels": 0}, "hidden_channels must be at least 1, got 0"),
    (ConvLSTM, {"backward": "feet"}, "backward must be one of 'hand', 'autograd', "),
]
GOOD = {
    convlstm_cell: CELL,
    convlstm: CLIP,
    init_convlstm: INIT,
    ConvLSTM: INIT,
}


def short(argument):
    name = getattr(argument, "__name__", None)
    return argument if isinstance(argument, str) else name


@pytest.mark.parametrize(("f", "change", "sentence"), SENTENCES, ids=short)
def test_sentence(f, change, sentence):
    f(**GOOD[f])
    with pytest.raises((ValueError, TypeError)) as caught:
        f(**{**GOOD[f], **change})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("dy", "dstate", "sentence"),
    [
        (X, None, "dy must have shape (2, 3, 3, 4, 5), got (2, 3, 2, 4, 5)"),
        (None, (FIRST,), "dstate must be a tuple of 2 arrays, got 1"),
        (None, (FIRST[..., 1:], None), "dstate[0] must have shape (1, 2, 3, 4, 5), "),
        (None, (None, FIRST > 0), "dstate[1] must hold floats, got bool"),
    ],
    ids=short,
)
def test_gradients_that_do_not_fit(dy, dstate, sentence):
    _, _, cache = convlstm(**CLIP)
    with pytest.raises((ValueError, TypeError)) as caught:
        convlstm_backward(dy, dstate, cache)
    assert str(caught.value).startswith(sentence)


def test_gradients_that_do_not_fit_a_cell():
    (h, c), cache = convlstm_cell(**CELL)
    for dstate, sentence in (
        (h, "dstate must be a tuple of 2 arrays, got ndarray"),
        ((h, c[:1]), "dstate[1] must have shape (2, 3, 4, 5), got (1, 3, 4, 5)"),
        ((h.astype("f4"), c), "dstate[0] must hold float64 as the forward pass does, "),
    ):
        with pytest.raises((ValueError, TypeError)) as caught:
            convlstm_cell_backward(dstate, cache)
        assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("backward", ["hand", "autograd"])
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((X,), "input must come from torch as weight_ih_l0 does, got numpy"),
        ((torch.ones(2, 3, 1, 4, 5),), "input must have shape (B, T, C=2, H, W), got "),
        ((torch.ones(X.shape), torch.ones(1)), "hx must be a tuple (h, c), got Tensor"),
        (
            (torch.ones(X.shape), (torch.ones(FIRST.shape), torch.ones(1))),
            "hx[1] must have shape (1, 2, 3, 4, 5), got (1,)",
        ),
        (
            (torch.ones(X.shape), None, torch.ones(2, 3)),
            "mask must hold booleans, got torch.float32",
        ),
    ],
    ids=short,
)
def test_the_module_refuses(arguments, sentence, backward):
    module = ConvLSTM(2, 3, 3, backward=backward)
    with pytest.raises((ValueError, TypeError)) as caught:
        module(*arguments)
    assert str(caught.value).startswith(sentence)
