"""Convolution and pooling against torch, autograd and finite differences."""

import numpy as np
import pytest
import torch
import torch.nn.functional as theirs
from comparing import LIBRARIES, by_autograd, by_differences, close, label, to_numpy
from hypothesis import example, given
from hypothesis import strategies as st

from seqlib import cnn

CONV = {
    1: (cnn.conv1d, cnn.conv1d_backward, theirs.conv1d),
    2: (cnn.conv2d, cnn.conv2d_backward, theirs.conv2d),
}
POOL = {
    1: (cnn.max_pool1d, cnn.max_pool1d_backward, theirs.max_pool1d),
    2: (cnn.max_pool2d, cnn.max_pool2d_backward, theirs.max_pool2d),
}
RANKS = st.sampled_from([1, 2])
SIZES = st.integers(1, 3)
SEEDS = st.integers(0, 2**32 - 1)


def tuples(low, high):
    """Draw an option for two axes; one axis takes the first."""
    return st.tuples(st.integers(low, high), st.integers(low, high))


OPTIONS = st.fixed_dictionaries(
    {"stride": tuples(1, 3), "padding": tuples(0, 2), "dilation": tuples(1, 2)}
)
CONVOLUTIONS = given(
    rank=RANKS,
    sizes=st.tuples(SIZES, SIZES, SIZES),
    image=tuples(1, 6),
    kernel=tuples(1, 3),
    options=OPTIONS,
    bias=st.booleans(),
    seed=SEEDS,
)


def draw(rank, sizes, image, kernel, options, bias, seed):
    """Draw x, weight and bias, x large enough for the kernel to fit."""
    rng, (B, C, O) = np.random.default_rng(seed), sizes
    options = {name: value[:rank] for name, value in options.items()}
    spans = [d * (k - 1) + 1 for d, k in zip(options["dilation"], kernel, strict=False)]
    least = [s - 2 * p for s, p in zip(spans, options["padding"], strict=True)]
    image = [max(n, low) for n, low in zip(image, least, strict=False)]
    x = rng.normal(size=(B, C, *image))
    weight = rng.normal(size=(O, C, *kernel[:rank]))
    return [x, weight, *([rng.normal(size=O)] if bias else [])], options, rng


@pytest.mark.referee("seqlib.cnn.conv1d", by="torch.nn.functional.conv1d")
@pytest.mark.referee("seqlib.cnn.conv2d", by="torch.nn.functional.conv2d")
@pytest.mark.referee(
    "seqlib.cnn.conv1d_backward", "seqlib.cnn.conv2d_backward", by="torch autograd"
)
@CONVOLUTIONS
def test_convolution_and_its_gradients(rank, **drawn):
    f, back, torchs = CONV[rank]
    inputs, options, rng = draw(rank, **drawn)
    for dtype, within in (("f8", 1e-12), ("f4", 1e-4)):
        inputs = [a.astype(dtype) for a in inputs]
        tensors = [torch.tensor(a.astype("f8"), requires_grad=True) for a in inputs]
        wanted = torchs(*tensors, **options)
        dout = rng.normal(size=tuple(wanted.shape)).astype(dtype)
        wanted_grads = by_autograd([wanted], [torch.tensor(dout)], tensors)
        for A in LIBRARIES.values():
            arrays, d = [A(a) for a in inputs], A(dout)
            out, cache = f(*arrays, **options)
            close(out, wanted, within, scale=1 + wanted.abs().max().item())
            grads = back(d, cache)
            assert len(grads) == 3
            assert (grads[2] is None) == (len(inputs) == 2)
            for array, grad, want in zip(arrays, grads, wanted_grads, strict=False):
                assert type(grad) is type(array)
                assert grad.dtype == array.dtype == out.dtype
                close(grad, want, within, scale=1 + want.abs().max().item())
            for array, a in zip([*arrays, d], [*inputs, dout], strict=True):
                np.testing.assert_array_equal(to_numpy(array), a)  # nothing changed


@pytest.mark.referee(
    "seqlib.cnn.conv1d_backward", "seqlib.cnn.conv2d_backward", by="finite differences"
)
@CONVOLUTIONS
def test_convolution_by_finite_differences(rank, **drawn):
    f, back, _ = CONV[rank]
    inputs, options, rng = draw(rank, **drawn)
    out, cache = f(*inputs, **options)
    dout = rng.normal(size=out.shape)

    def loss(*inputs):
        return np.sum(f(*inputs, **options)[0] * dout)

    for i, grad in enumerate(back(dout, cache)[: len(inputs)]):
        close(by_differences(loss, inputs, i), grad, 1e-7, scale=1 + abs(grad).max())


@given(
    rank=RANKS,
    kernel=tuples(1, 5),
    dilation=tuples(1, 2),
    image=tuples(1, 7),
    seed=SEEDS,
)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch's, of its speed
def test_padding_by_name(padding, rank, kernel, dilation, image, seed):
    f, back, torchs = CONV[rank]
    options = {"stride": (1, 1), "padding": (0, 0), "dilation": dilation}
    drawn = (2, 3, 2), image, kernel, options, True, seed
    inputs, options, rng = draw(rank, *drawn)
    dilation = options["dilation"]
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    wanted = torchs(*tensors, padding=padding, dilation=dilation)
    out, cache = f(*inputs, padding=padding, dilation=dilation)
    close(out, wanted)
    if padding == "same":
        assert out.shape[2:] == inputs[0].shape[2:]
    dout = rng.normal(size=out.shape)
    wanted_grads = by_autograd([wanted], [torch.tensor(dout)], tensors)
    for grad, wanted_grad in zip(back(dout, cache), wanted_grads, strict=True):
        close(grad, wanted_grad)


@pytest.mark.referee("seqlib.cnn.conv1d", "seqlib.cnn.conv1d_backward", by="by hand")
def test_convolution_by_hand():
    """The kernel (1, 10) is not flipped: 1 x_t + 10 x_{t+1}."""
    x = np.array([[[1.0, 2, 3]]])
    weight = np.array([[[1.0, 10]]])
    out, cache = cnn.conv1d(x, weight, np.array([0.5]))
    np.testing.assert_array_equal(out, [[[21.5, 32.5]]])
    dx, dweight, dbias = cnn.conv1d_backward(np.array([[[1.0, 100]]]), cache)
    np.testing.assert_array_equal(dx, [[[1, 110, 1000]]])
    np.testing.assert_array_equal(dweight, [[[201, 302]]])
    np.testing.assert_array_equal(dbias, [101])
    out, _ = cnn.conv1d(x, weight, padding=1, stride=2)
    np.testing.assert_array_equal(out, [[[10, 32]]])
    out, _ = cnn.conv1d(x, weight, dilation=2)
    np.testing.assert_array_equal(out, [[[31]]])


def test_gradient_at_the_input_is_a_full_convolution():
    """With stride 1: dout, padded by K - 1, correlated with the flipped kernel."""
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(4, 3, 3, 2))
    out, cache = cnn.conv2d(x, weight)
    dout = rng.normal(size=out.shape)
    flipped = weight[:, :, ::-1, ::-1].swapaxes(0, 1)
    full, _ = cnn.conv2d(dout, flipped, padding=(2, 1))
    close(cnn.conv2d_backward(dout, cache)[0], full)


def test_one_number_stands_for_both_axes():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 3, 7, 8)), rng.normal(size=(4, 3, 2, 2))
    out, _ = cnn.conv2d(x, weight, None, 2, 1, 3)
    pairs, _ = cnn.conv2d(x, weight, None, (2, 2), (1, 1), (3, 3))
    np.testing.assert_array_equal(out, pairs)
    out, _ = cnn.max_pool2d(x, 2, 3, 1)
    pairs, _ = cnn.max_pool2d(x, (2, 2), (3, 3), (1, 1))
    np.testing.assert_array_equal(out, pairs)


# --- pooling -------------------------------------------------------------------------


POOLINGS = given(
    rank=RANKS,
    image=tuples(1, 6),
    kernel=tuples(1, 4),
    stride=st.none() | tuples(1, 3),
    padding=tuples(0, 2),
    seed=SEEDS,
    kinds=st.sampled_from(["different", "equal", "odd"]),
)


def windows(rank, image, kernel, stride, padding, seed, kinds):
    """Draw x and options that fit; "equal" has many ties, "odd" NaN and infinities."""
    rng = np.random.default_rng(seed)
    kernel = kernel[:rank]
    padding = tuple(min(p, k // 2) for p, k in zip(padding, kernel, strict=False))
    limits = zip(image, kernel, padding, strict=False)
    shape = (2, 2, *(max(n, k - 2 * p) for n, k, p in limits))
    x = rng.normal(size=shape)
    if kinds == "equal":
        x = x.round()
    if kinds == "odd":
        x = rng.choice([np.nan, -np.inf, -np.inf, -np.inf, np.inf, 1.0], size=shape)
    stride = stride if stride is None else stride[:rank]
    return x, {"kernel_size": kernel, "stride": stride, "padding": padding}, rng


@pytest.mark.referee("seqlib.cnn.max_pool1d", by="torch.nn.functional.max_pool1d")
@pytest.mark.referee("seqlib.cnn.max_pool2d", by="torch.nn.functional.max_pool2d")
@pytest.mark.referee(
    "seqlib.cnn.max_pool1d_backward",
    "seqlib.cnn.max_pool2d_backward",
    by="torch autograd",
)
@POOLINGS
def test_pooling_and_its_gradient(rank, kinds, **drawn):
    """Ties, NaN and -inf too: what wins is what wins in torch."""
    f, back, torchs = POOL[rank]
    x, options, rng = windows(rank, kinds=kinds, **drawn)
    tensor = torch.tensor(x, requires_grad=True)
    wanted = torchs(tensor, **options)
    dout = rng.normal(size=tuple(wanted.shape))
    (wanted_grad,) = by_autograd([wanted], [torch.tensor(dout)], [tensor])
    for dtype in ("f8", "f4"):
        for A in LIBRARIES.values():
            array, d = A(x.astype(dtype)), A(dout.astype(dtype))
            out, cache = f(array, **options)
            grad = back(d, cache)
            assert type(grad) is type(out) is type(array)
            assert grad.dtype == out.dtype == array.dtype
            expected = wanted.detach().numpy().astype(dtype)
            np.testing.assert_array_equal(to_numpy(out), expected)
            within = 1e-12 if dtype == "f8" else 1e-6
            close(grad, wanted_grad, within, scale=1 + wanted_grad.abs().max().item())
            np.testing.assert_array_equal(to_numpy(array), x.astype(dtype))
            np.testing.assert_array_equal(to_numpy(d), dout.astype(dtype))


@pytest.mark.referee(
    "seqlib.cnn.max_pool1d_backward",
    "seqlib.cnn.max_pool2d_backward",
    by="finite differences",
)
@pytest.mark.parametrize("rank", POOL)
def test_pooling_by_finite_differences(rank):
    f, back, _ = POOL[rank]
    rng = np.random.default_rng(rank)
    x = rng.permuted(np.arange(2 * 3 * 5**rank) / 4).reshape(2, 3, *[5] * rank)
    out, cache = f(x, 3, 2, 1)
    dout = rng.normal(size=out.shape)
    numeric = by_differences(lambda x: np.sum(f(x, 3, 2, 1)[0] * dout), [x], 0)
    close(numeric, back(dout, cache), 1e-8)


@pytest.mark.referee(
    "seqlib.cnn.max_pool1d", "seqlib.cnn.max_pool1d_backward", by="by hand"
)
def test_pooling_by_hand():
    x = np.array([[[1.0, 3, 3, 2, 5]]])
    out, cache = cnn.max_pool1d(x, 3, 1)
    np.testing.assert_array_equal(out, [[[3, 3, 5]]])
    dx = cnn.max_pool1d_backward(np.array([[[1.0, 10, 100]]]), cache)
    np.testing.assert_array_equal(dx, [[[0, 11, 0, 0, 100]]])  # the first of the 3s
    out, _ = cnn.max_pool1d(x, 2)
    np.testing.assert_array_equal(out, [[[3, 3]]])


# --- both ----------------------------------------------------------------------------


def both(rank):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, *[6] * rank)).round()
    weight = rng.normal(size=(2, 3, *[3] * rank)).round()
    bias = rng.normal(size=2).round()
    f, _, torchs = CONV[rank]
    yield f, torchs, [x, weight, bias], (2, 1)
    f, _, torchs = POOL[rank]
    yield f, torchs, [x], (3, 2, 1)


@pytest.mark.parametrize("rank", [1, 2])
def test_autograd_runs_through_the_forward_pass(rank):
    for f, torchs, inputs, options in both(rank):
        tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
        out, wanted = f(*tensors, *options)[0], torchs(*tensors, *options)
        dout = [torch.randn_like(wanted)]
        grads = (by_autograd([o], dout, tensors) for o in (out, wanted))
        for grad, wanted_grad in zip(*grads, strict=True):
            close(grad, wanted_grad)


# --- sizes ---------------------------------------------------------------------------


@pytest.mark.referee("seqlib.cnn.output_size", by="torch.nn.functional.conv1d")
@given(
    size=st.integers(1, 20),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
)
def test_output_size(size, kernel, stride, padding, dilation):
    """As torch's, and there is none where torch refuses."""
    x, weight = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    try:
        wanted = theirs.conv1d(x, weight, **options).shape[2]
    except RuntimeError:
        with pytest.raises(ValueError, match=r"kernel_size must span at most"):
            cnn.output_size(size, kernel, **options)
        with pytest.raises(ValueError, match=r"weight must span at most"):
            cnn.conv1d(x, weight, **options)
    else:
        assert cnn.output_size(size, kernel, **options) == wanted
        assert cnn.conv1d(x, weight, **options)[0].shape[2] == wanted


@given(
    layers=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2)), max_size=3
    )
)
@example(layers=[])
def test_receptive_field(layers):
    """The gradient at the input reaches just as far, and moves on just as much."""
    r, jump = cnn.receptive_field(layers)
    size = r + jump  # room for two positions
    caches, y = [], np.ones((1, 1, size))
    for kernel, stride, dilation in layers:
        y, cache = cnn.conv1d(y, np.ones((1, 1, kernel)), None, stride, 0, dilation)
        caches.append(cache)
    assert y.shape == (1, 1, 2)
    for place in (0, 1):
        d = np.zeros(y.shape)
        d[..., place] = 1
        for cache in caches[::-1]:
            d = cnn.conv1d_backward(d, cache)[0]
        seen = np.flatnonzero(d)
        assert seen.min() == place * jump
        assert seen.max() == place * jump + r - 1


@pytest.mark.referee("seqlib.cnn.receptive_field", by="by hand")
def test_receptive_field_by_hand():
    """Two 5 x 5 kernels with 2 x 2 pooling after each, as in LeNet."""
    layers = [(5, 1), (2, 2), (5, 1), (2, 2)]
    fields = [cnn.receptive_field(layers[:n]) for n in range(5)]
    assert fields == [(1, 1), (5, 1), (6, 2), (14, 2), (16, 4)]
    assert cnn.receptive_field([(3, 1, 4)]) == (9, 1)


# --- wrong input ---------------------------------------------------------------------

X1, X2 = np.ones((2, 3, 5)), np.ones((2, 3, 5, 4))
W1, W2, BIAS = np.ones((4, 3, 2)), np.ones((4, 3, 2, 2)), np.ones(4)
ONE, TWO = {"x": X1, "weight": W1, "bias": BIAS}, {"x": X2, "weight": W2, "bias": BIAS}
LARGE = np.ones((4, 3, 7, 2))
SENTENCES = [
    (cnn.conv1d, ONE, {"x": X2}, "x must have shape (B, C=3, T), got (2, 3, 5, 4)"),
    (cnn.conv1d, ONE, {"x": X1[:, :2]}, "x must have shape (B, C=3, T), got (2, 2, 5)"),
    (cnn.conv1d, ONE, {"x": X1[:0]}, "x must not be empty, got shape (0, 3, 5)"),
    (cnn.conv1d, ONE, {"x": X1 > 0}, "x must hold floats, got bool"),
    (
        cnn.conv1d,
        ONE,
        {"x": X1.astype("f4")},
        "x must hold float64 as weight does, got float32",
    ),
    (
        cnn.conv1d,
        ONE,
        {"x": torch.tensor(X1)},
        "x must come from numpy as weight does, got torch",
    ),
    (
        cnn.conv1d,
        ONE,
        {"x": X1.tolist()},
        "x must be an array (of numpy or torch), got list",
    ),
    (
        cnn.conv1d,
        ONE,
        {"weight": W2},
        "weight must have shape (O, C, K), got (4, 3, 2,",
    ),
    (cnn.conv1d, ONE, {"bias": BIAS[:3]}, "bias must have shape (O=4,), got (3,)"),
    (cnn.conv1d, ONE, {"stride": 0}, "stride must be at least 1, got 0"),
    (cnn.conv1d, ONE, {"stride": 1.5}, "stride must be a whole number, got 1.5"),
    (cnn.conv1d, ONE, {"stride": None}, "stride must be a whole number, got None"),
    (cnn.conv1d, ONE, {"stride": (1, 1)}, "stride must be a number or a tuple of 1"),
    (cnn.conv1d, ONE, {"padding": -1}, "padding must be at least 0, got -1"),
    (
        cnn.conv1d,
        ONE,
        {"padding": "full"},
        "padding must be one of 'valid', 'same', got 'full'",
    ),
    (
        cnn.conv1d,
        ONE,
        {"padding": "same", "stride": 2},
        "stride must be 1 where padding is 'same', got 2",
    ),
    (cnn.conv1d, ONE, {"dilation": 0}, "dilation must be at least 1, got 0"),
    (
        cnn.conv1d,
        ONE,
        {"dilation": 5},
        "weight must span at most 5, the padded T, got 6",
    ),
    (
        cnn.conv2d,
        TWO,
        {"weight": LARGE},
        "weight must span at most 5, the padded H, got 7",
    ),
    (
        cnn.conv2d,
        TWO,
        {"dilation": (1, 6), "padding": (0, 1)},
        "weight must span at most 6, the padded W, got 7",
    ),
    (cnn.conv2d, TWO, {"x": X1}, "x must have shape (B, C=3, H, W), got (2, 3, 5)"),
    (cnn.conv2d, TWO, {"weight": W1}, "weight must have shape (O, C, KH, KW), got"),
    (
        cnn.conv2d,
        TWO,
        {"padding": (1, 1, 1)},
        "padding must be a number or a tuple of 2, got (1, 1, 1)",
    ),
    (cnn.conv2d, TWO, {"stride": (1, 0)}, "stride must be at least 1, got 0"),
    (
        cnn.conv2d,
        TWO,
        {"stride": [1, 1]},
        "stride must be a whole number, got [1, 1]",
    ),
]
MORE = [
    (cnn.max_pool1d, (X2, 2), "x must have shape (B, C, T), got (2, 3, 5, 4)"),
    (cnn.max_pool1d, (X1.astype(int), 2), "x must hold floats, got int64"),
    (cnn.max_pool1d, (X1, 0), "kernel_size must be at least 1, got 0"),
    (cnn.max_pool1d, (X1, True), "kernel_size must be a number, got True"),
    (cnn.max_pool1d, (X1, 6), "kernel_size must span at most 5, the padded T, got 6"),
    (cnn.max_pool1d, (X1, 2, 0), "stride must be at least 1, got 0"),
    (cnn.max_pool1d, (X1, 3, 1, 2), "padding must be at least 0 and at most 1, got 2"),
    (cnn.max_pool1d, (X1, 3, 1, "same"), "padding must be a whole number, got 'same'"),
    (cnn.max_pool2d, (X1, 2), "x must have shape (B, C, H, W), got (2, 3, 5)"),
    (
        cnn.max_pool2d,
        (X2, (2, 5)),
        "kernel_size must span at most 4, the padded W, got 5",
    ),
    (
        cnn.max_pool2d,
        (X2, (2, 2, 2)),
        "kernel_size must be a number or a tuple of 2, got (2, 2, 2)",
    ),
    (cnn.output_size, (0, 1), "size must be at least 1, got 0"),
    (cnn.output_size, (5, 0), "kernel_size must be at least 1, got 0"),
    (cnn.output_size, (5, 2, 0), "stride must be at least 1, got 0"),
    (cnn.output_size, (5, 2, 1, -1), "padding must be at least 0, got -1"),
    (cnn.output_size, (5, 2, 1, 0, 0), "dilation must be at least 1, got 0"),
    (cnn.output_size, (5.0, 2), "size must be a whole number, got 5.0"),
    (
        cnn.output_size,
        (5, 3, 1, 0, 3),
        "kernel_size must span at most 5, the padded size, got 7",
    ),
    (
        cnn.receptive_field,
        ([(3, 1), 3],),
        "layers[1] must be (kernel_size, stride) or (kernel_size, stride, dilation), "
        "got 3",
    ),
    (cnn.receptive_field, ([(3, 0)],), "layers[0] must be at least 1, got 0"),
    (cnn.receptive_field, (3,), "layers must be a list of tuples, got int"),
]


@pytest.mark.parametrize(("f", "good", "change", "sentence"), SENTENCES, ids=label)
def test_a_convolution_that_does_not_fit(f, good, change, sentence):
    f(**good)
    with pytest.raises((ValueError, TypeError)) as caught:
        f(**{**good, **change})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("f", "args", "sentence"), MORE, ids=label)
def test_wrong_input(f, args, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        f(*args)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("table", [CONV, POOL], ids=["conv", "pool"])
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda d: d[..., :1], r"dout must have shape \(2, ., .*\), got "),
        (lambda d: d.astype("f4"), "dout must hold float64 as the forward pass does"),
        (torch.tensor, "dout must come from numpy as the forward pass does"),
        (
            lambda d: d.tolist(),
            r"dout must be an array \(of numpy or torch\), got list",
        ),
        (lambda d: None, r"dout must be an array \(of numpy or torch\), got NoneType"),
    ],
    ids=["shape", "float32", "torch", "list", "None"],
)
def test_gradients_that_do_not_fit(table, rank, wrong, sentence):
    f, back, _ = table[rank]
    x = (X1, X2)[rank - 1]
    out, cache = f(x, 2) if table is POOL else f(x, (W1, W2)[rank - 1])
    back(out, cache)
    with pytest.raises((ValueError, TypeError), match=sentence):
        back(wrong(out), cache)


def test_output_size_unless_said():
    """Each step, no padding, no gaps."""
    assert cnn.output_size(7, 3) == 5
    assert cnn.output_size(7, 3, padding=1) == 7


def test_the_axis_that_is_too_short_is_named():
    with pytest.raises(ValueError, match="the padded H,"):
        cnn.max_pool2d(np.ones((1, 1, 2, 5)), 3)
    with pytest.raises(ValueError, match="the padded W,"):
        cnn.max_pool2d(np.ones((1, 1, 5, 2)), 3)
