"""A scanning MLP is a convnet: each against the other, torch and finite differences."""

import math

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, label, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib.cnn import max_pool1d, receptive_field
from seqlib.mlp import init_params, mlp
from seqlib.scanning import (
    convnet,
    convnet_backward,
    convs_from_mlp,
    mlp_from_convs,
    scan,
    scan_backward,
    tdnn,
    tdnn_backward,
)

THEIRS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "logistic": torch.sigmoid,
    "linear": lambda z: z,
}
RANKS = st.sampled_from([1, 2])
SEEDS = st.integers(0, 2**32 - 1)
SMALL = st.integers(1, 3)


def draw_convs(rng, rank, channels, kernels, bias=True):
    return [
        (
            rng.normal(size=(O, C, *kernel[:rank])) / 2,
            rng.normal(size=O) if bias else None,
        )
        for C, O, kernel in zip(channels, channels[1:], kernels, strict=False)
    ]


def flat(layers):
    return [a for pair in layers for a in pair if a is not None]


def mapped(f, layers):
    """Apply f to every array of a list of layers."""
    return [tuple(None if a is None else f(a) for a in pair) for pair in layers]


def torchs_convnet(x, convs, names, strides):
    conv = {3: torch.nn.functional.conv1d, 4: torch.nn.functional.conv2d}[x.ndim]
    for (weight, bias), f, stride in zip(convs, names, strides, strict=True):
        x = THEIRS[f](conv(x, weight, bias, stride))
    return x


DRAWN = {
    "rank": RANKS,
    "channels": st.lists(SMALL, min_size=2, max_size=4),
    "kernels": st.tuples(*[st.tuples(SMALL, SMALL)] * 3),
    "strides": st.tuples(*[st.integers(1, 2)] * 3),
    "names": st.tuples(*[st.sampled_from(list(THEIRS))] * 3),
    "room": st.integers(0, 3),
    "bias": st.booleans(),
    "seed": SEEDS,
}


def draw(rank, channels, kernels, strides, names, room, bias, seed):
    """Draw a convnet and an input that its receptive field fits into."""
    rng, L = np.random.default_rng(seed), len(channels) - 1
    strides, names = list(strides[:L]), list(names[:L])
    convs = draw_convs(rng, rank, channels, kernels, bias)
    fields = [
        receptive_field(list(zip([k[d] for k in kernels], strides, strict=False)))
        for d in range(rank)
    ]
    x = rng.normal(size=(2, channels[0], *(r + room for r, _ in fields)))
    return rng, x, convs, names, strides, fields


@pytest.mark.referee(
    "seqlib.scanning.convnet",
    by="torch.nn.functional.conv1d, torch.nn.functional.conv2d",
)
@pytest.mark.referee("seqlib.scanning.convnet_backward", by="torch autograd")
@given(**DRAWN)
def test_convnet_and_its_gradients(**drawn):
    rng, x, convs, names, strides, _ = draw(**drawn)
    tensor = torch.tensor(x, requires_grad=True)
    params = mapped(lambda a: torch.tensor(a, requires_grad=True), convs)
    wanted = torchs_convnet(tensor, params, names, strides)
    dy = rng.normal(size=tuple(wanted.shape))
    inputs = [tensor, *flat(params)]
    wanted_grads = by_autograd([wanted], [torch.tensor(dy)], inputs)
    for dtype, within in (("f8", 1e-12), ("f4", 1e-5)):
        for A in LIBRARIES.values():
            array, arrays = (
                A(x.astype(dtype)),
                mapped(lambda a, A=A, dtype=dtype: A(a.astype(dtype)), convs),
            )
            y, cache = convnet(array, arrays, names, strides)
            close(y, wanted, within, scale=1 + wanted.abs().max().item())
            dx, grads = convnet_backward(A(dy.astype(dtype)), cache)
            assert [b is None for _, b in grads] == [b is None for _, b in convs]
            for grad, want in zip([dx, *flat(grads)], wanted_grads, strict=True):
                assert type(grad) is type(array)
                assert grad.dtype == array.dtype == y.dtype
                close(grad, want, 10 * within, scale=1 + want.abs().max().item())
            given = zip([array, *flat(arrays)], [x, *flat(convs)], strict=True)
            for now, then in given:
                np.testing.assert_array_equal(to_numpy(now), then.astype(dtype))


@pytest.mark.referee("seqlib.scanning.mlp_from_convs", by="scan against convnet")
@given(**DRAWN)
def test_a_convnet_is_a_scanning_mlp(**drawn):
    """Outputs and gradients at the input agree; shared weights' gradients add up."""
    rng, x, convs, names, strides, fields = draw(**drawn)
    window, jump = (tuple(f[i] for f in fields) for i in (0, 1))
    for A in LIBRARIES.values():
        layers = mlp_from_convs(mapped(A, convs), strides)
        y, scanned = scan(A(x), layers, window, names, jump)
        wanted, cache = convnet(A(x), mapped(A, convs), names, strides)
        close(y, wanted, scale=1 + abs(to_numpy(wanted)).max())
        dy = A(rng.normal(size=tuple(y.shape)))
        (dx, dlayers), (wanted_dx, dconvs) = (
            scan_backward(dy, scanned),
            convnet_backward(dy, cache),
        )
        close(dx, wanted_dx, scale=1 + abs(to_numpy(wanted_dx)).max())
        for (_, db), (_, dbias) in zip(dlayers, dconvs, strict=True):
            if dbias is not None:
                total = to_numpy(db).reshape(len(to_numpy(dbias)), -1).sum(axis=1)
                close(total, dbias, scale=1 + abs(total).max())
        assert [W.dtype for W, _ in layers] == [y.dtype] * len(convs)


@pytest.mark.referee("seqlib.scanning.convs_from_mlp", by="scan against convnet")
@given(
    rank=RANKS,
    kernel=st.tuples(SMALL, SMALL),
    C=SMALL,
    sizes=st.lists(SMALL, min_size=1, max_size=3),
    stride=st.integers(1, 2),
    bias=st.booleans(),
    seed=SEEDS,
)
def test_a_scanning_mlp_is_a_convnet(rank, kernel, C, sizes, stride, bias, seed):
    rng, kernel = np.random.default_rng(seed), kernel[:rank]
    D = C * math.prod(kernel)
    layers = init_params([D, *sizes], rng, bias)
    x = rng.normal(size=(2, C, *(k + 3 for k in kernel)))
    strides = [stride] + [1] * (len(sizes) - 1)
    for A in LIBRARIES.values():
        convs = convs_from_mlp(mapped(A, layers), kernel)
        y, scanned = scan(A(x), mapped(A, layers), kernel, "tanh", stride)
        wanted, cache = convnet(A(x), convs, "tanh", strides)
        close(y, wanted, scale=1)
        dy = A(rng.normal(size=tuple(y.shape)))
        dx, dlayers = scan_backward(dy, scanned)
        wanted_dx, dconvs = convnet_backward(dy, cache)
        close(dx, wanted_dx, scale=10)
        for (dW, db), (dweight, dbias) in zip(dlayers, dconvs, strict=True):
            close(dW, to_numpy(dweight).reshape(dW.shape), scale=10)
            assert (db is None) == (dbias is None)
            if db is not None:
                close(db, dbias, scale=10)
    back = mlp_from_convs(convs_from_mlp(layers, kernel), strides)
    for ours, theirs in zip(flat(back), flat(layers), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.referee("seqlib.scanning.scan", by="windows cut by hand")
@given(rank=RANKS, stride=st.tuples(SMALL, SMALL), seed=SEEDS)
def test_scan_shows_each_window_to_the_mlp(rank, stride, seed):
    """Window by window, cut by plain slicing."""
    rng = np.random.default_rng(seed)
    stride, kernel = stride[:rank], (2, 3)[:rank]
    x = rng.normal(size=(2, 3, *[7, 6][:rank]))
    layers = init_params([3 * math.prod(kernel), 4, 2], rng)
    y, _ = scan(x, layers, kernel, "tanh", stride)
    for place in np.ndindex(y.shape[2:]):
        ends = zip(place, stride, kernel, strict=True)
        cut = x[..., *(slice(i * s, i * s + k) for i, s, k in ends)]
        close(y[:, :, *place], mlp(cut.reshape(2, -1), layers, "tanh")[0])
    last = zip(y.shape[2:], stride, kernel, x.shape[2:], strict=True)
    for n, s, k, size in last:
        assert (n - 1) * s + k <= size < n * s + k


@pytest.mark.referee("seqlib.scanning.scan_backward", by="finite differences")
@pytest.mark.parametrize("rank", [1, 2])
def test_scan_by_finite_differences(rank):
    rng = np.random.default_rng(rank)
    kernel = (2, 3)[:rank]
    x = rng.normal(size=(2, 2, *[5, 4][:rank]))
    layers = init_params([2 * math.prod(kernel), 3, 2], rng)
    y, cache = scan(x, layers, kernel, "tanh", 2)
    dy = rng.normal(size=y.shape)
    dx, grads = scan_backward(dy, cache)

    def loss(x, *given):
        pairs = list(zip(given[::2], given[1::2], strict=True))
        return np.sum(scan(x, pairs, kernel, "tanh", 2)[0] * dy)

    inputs = [x, *flat(layers)]
    for i, grad in enumerate([dx, *flat(grads)]):
        close(by_differences(loss, inputs, i), grad, 1e-7, scale=1)


@pytest.mark.referee("seqlib.scanning.scan", by="by hand")
def test_the_scan_finds_what_an_mlp_misses():
    """A template unit's largest output moves with the pattern; its value stays."""
    pattern = np.array([1.0, -2, 3])
    layers = [(pattern[None, :], np.array([-13.0]))]  # fires at 1 + 4 + 9 = 14
    for place in range(5):
        x = np.zeros((1, 1, 8))
        x[..., place : place + 3] = pattern
        y, _ = scan(x, layers, 3, "threshold")
        np.testing.assert_array_equal(np.flatnonzero(y), [place])
        assert max_pool1d(y, 6)[0].item() == 1


@pytest.mark.referee("seqlib.scanning.mlp_from_convs", by="by hand")
def test_what_distributing_the_window_saves():
    """A window of 8 over 2 channels: 4 units see it at once, or 4 then 4 see parts."""
    rng = np.random.default_rng(0)
    convs = draw_convs(rng, 1, [2, 4, 4], [(4,), (2,)])
    dense = mlp_from_convs(convs, [4, 1])
    assert [W.shape for W, _ in dense] == [(8, 16), (4, 8)]
    assert sum(a.size for a in flat(convs)) == (4 * 8 + 4) + (4 * 8 + 4)
    kept = [np.count_nonzero(W) for W, _ in dense]
    assert kept == [2 * 4 * 8, 4 * 8]  # every kernel once for each place


def test_windows_written_out_stand_side_by_side_unless_told():
    convs = draw_convs(np.random.default_rng(0), 1, [2, 4, 4], [(4,), (2,)])
    for ours, told in zip(mlp_from_convs(convs), mlp_from_convs(convs, 1), strict=True):
        np.testing.assert_array_equal(ours[0], told[0])
    assert [W.shape for W, _ in mlp_from_convs(convs)] == [(8, 10), (4, 8)]


# --- time-delay networks -------------------------------------------------------------


@pytest.mark.referee("seqlib.scanning.tdnn", by="torch.nn.functional.conv1d")
@pytest.mark.referee("seqlib.scanning.tdnn_backward", by="torch autograd")
@given(
    channels=st.lists(SMALL, min_size=2, max_size=4),
    widths=st.tuples(SMALL, SMALL, SMALL),
    T=st.integers(1, 5),
    with_past=st.booleans(),
    bias=st.booleans(),
    seed=SEEDS,
)
def test_tdnn_and_its_gradients(channels, widths, T, with_past, bias, seed):
    rng, L = np.random.default_rng(seed), len(channels) - 1
    convs = draw_convs(rng, 1, channels, [(w,) for w in widths], bias)
    N = sum(widths[:L]) - L
    x, past = rng.normal(size=(2, T, channels[0])), None
    if with_past and N:
        past = rng.normal(size=(2, N, channels[0]))
    names = ["tanh", "relu", "logistic"][:L]
    tensors = [torch.tensor(x, requires_grad=True)]
    params = mapped(lambda a: torch.tensor(a, requires_grad=True), convs)
    before = torch.zeros(2, N, channels[0], dtype=torch.float64)
    if past is not None:
        before = torch.tensor(past, requires_grad=True)
        tensors.append(before)
    long = torch.cat([before, tensors[0]], dim=1).mT
    wanted = torchs_convnet(long, params, names, [1] * L).mT
    assert wanted.shape[1] == T
    dy = rng.normal(size=tuple(wanted.shape))
    leaves = [*tensors, *flat(params)]
    wanted_grads = by_autograd([wanted], [torch.tensor(dy)], leaves)
    for A in LIBRARIES.values():
        given = None if past is None else A(past)
        y, cache = tdnn(A(x), mapped(A, convs), names, given)
        close(y, wanted, scale=1)
        dx, grads, dpast = tdnn_backward(A(dy), cache)
        assert (dpast is None) == (past is None)
        found = [dx, *([] if dpast is None else [dpast]), *flat(grads)]
        for grad, want in zip(found, wanted_grads, strict=True):
            assert type(grad) is type(A(x))
            close(grad, want, scale=10)


@pytest.mark.referee("seqlib.scanning.tdnn_backward", by="finite differences")
def test_tdnn_by_finite_differences():
    rng = np.random.default_rng(0)
    convs = draw_convs(rng, 1, [2, 3, 1], [(2,), (3,)])
    x, past = rng.normal(size=(2, 4, 2)), rng.normal(size=(2, 3, 2))
    y, cache = tdnn(x, convs, "tanh", past)
    dy = rng.normal(size=y.shape)
    dx, grads, dpast = tdnn_backward(dy, cache)

    def loss(x, past, *given):
        pairs = list(zip(given[::2], given[1::2], strict=True))
        return np.sum(tdnn(x, pairs, "tanh", past)[0] * dy)

    inputs = [x, past, *flat(convs)]
    for i, grad in enumerate([dx, dpast, *flat(grads)]):
        close(by_differences(loss, inputs, i), grad, 1e-7, scale=1)


def test_the_response_of_a_tdnn_is_finite():
    """An impulse at step 3 is felt at steps 3 to 3 + N, N = 3 + 1, and no longer."""
    rng = np.random.default_rng(1)
    convs = draw_convs(rng, 1, [1, 3, 1], [(4,), (2,)])
    x = np.zeros((1, 12, 1))
    calm, _ = tdnn(x, convs, "tanh")
    x[0, 3, 0] = 1
    y, _ = tdnn(x, convs, "tanh")
    np.testing.assert_array_equal(np.flatnonzero(y != calm), range(3, 8))


def test_a_tdnn_goes_on_where_it_stopped():
    rng = np.random.default_rng(2)
    convs = draw_convs(rng, 1, [2, 3, 1], [(3,), (2,)])
    x = rng.normal(size=(2, 9, 2))
    whole, _ = tdnn(x, convs)
    rest, _ = tdnn(x[:, 5:], convs, past=x[:, 2:5])
    close(rest, whole[:, 5:], scale=1)


# --- wrong input ---------------------------------------------------------------------

X1, X2 = np.ones((2, 3, 6)), np.ones((2, 3, 6, 5))
ONE = [(np.ones((4, 6)), np.ones(4)), (np.ones((1, 4)), None)]  # a window of 2 by 3
CONVS = [(np.ones((4, 3, 2)), np.ones(4)), (np.ones((1, 4, 3)), None)]
IMAGES = [(np.ones((4, 3, 2, 2)), np.ones(4))]
STEPS = np.ones((2, 5, 3))
WRONG = [
    (scan, (X1[0], ONE, 2), "x must have shape (B, C, T) or (B, C, H, W), got (3, 6)"),
    (
        scan,
        (X2[None], ONE, 2),
        "x must have shape (B, C, T) or (B, C, H, W), got (1, 2, 3, 6, 5)",
    ),
    (scan, (X1 > 0, ONE, 2), "x must hold floats, got bool"),
    (scan, (None, ONE, 2), "x must be an array (of numpy or torch), got NoneType"),
    (
        scan,
        (X1, ONE, 3),
        "layers[0][0] must have 9 inputs, 3 in each of 3 channels, got 6",
    ),
    (
        scan,
        (np.ones((2, 1, 5)), ONE, 6),
        "kernel_size must span at most 5, the padded T, got 6",
    ),
    (
        scan,
        (X1, ONE, (2, 2)),
        "kernel_size must be a number or a tuple of 1, got (2, 2",
    ),
    (scan, (X1, ONE, 2, "tanh", 0), "stride must be at least 1, got 0"),
    (scan, (X1, ONE, 2, "sine"), "activations must be one of 'tanh', "),
    (scan, (X1, ONE[0][0], 2), "layers must be a list of pairs (W, b), got"),
    (
        scan,
        (X1.astype("f4"), ONE, 2),
        "x must hold float64 as layers[0][0] does, got float32",
    ),
    (
        convnet,
        (X1[0], CONVS),
        "x must have shape (B, C, T) or (B, C, H, W), got (3, 6)",
    ),
    (convnet, (X1[:, :2], CONVS), "x must have shape (B, C=3, T), got (2, 2, 6)"),
    (
        convnet,
        (X2, CONVS),
        "convs[0][0] must have shape (C1, C, KH1, KW1), got (4, 3, 2",
    ),
    (
        convnet,
        (X1, CONVS[:1] * 2),
        "convs[1][0] must have shape (C2, C1=4, K2), got (4, 3, 2)",
    ),
    (
        convnet,
        (X1[..., :3], CONVS),
        "convs[1][0] must span at most 2, the T that comes to it, got 3",
    ),
    (convnet, (X1, CONVS, "tanh", [1]), "strides must be a number, or one for each of"),
    (convnet, (X1, CONVS, "tanh", 0), "strides must be at least 1, got 0"),
    (convnet, (X1, CONVS, "tanh", 0.5), "strides must be a whole number, got 0.5"),
    (convnet, (X1, CONVS, ["tanh"]), "activations must be a name, or one for each of"),
    (convnet, (X1, []), "convs must be a list of pairs (W, b), got none"),
    (convnet, (X1, [X1]), "convs[0] must be a pair (W, b), got ndarray"),
    (
        convnet,
        (torch.tensor(X1), CONVS),
        "x must come from numpy as convs[0][0] does, ",
    ),
    (
        convs_from_mlp,
        (ONE, 4),
        "layers[0][0] must have a multiple of 4 inputs, the window's places, got 6",
    ),
    (convs_from_mlp, (ONE, 0), "kernel_size must be at least 1, got 0"),
    (
        convs_from_mlp,
        (ONE, (1, 2, 1)),
        "kernel_size must be a number, or a tuple of one or two, got (1, 2, 1)",
    ),
    (convs_from_mlp, (None, 2), "layers must be a list of pairs (W, b), got NoneType"),
    (mlp_from_convs, ([],), "convs must be a list of pairs (W, b), got none"),
    (mlp_from_convs, ([(None, None)],), "convs[0][0] must be an array"),
    (mlp_from_convs, (ONE,), "convs[0][0] must have shape (C1, C, K1), got (4, 6)"),
    (
        mlp_from_convs,
        ([*IMAGES, CONVS[1]],),
        "convs[1][0] must have shape (C2, C1=4, KH2, KW2), got (1, 4, 3)",
    ),
    (
        mlp_from_convs,
        (CONVS, [2]),
        "strides must be a number, or one for each of the 2",
    ),
    (tdnn, (X2, CONVS), "x must have shape (B, T, C=3), got (2, 3, 6, 5)"),
    (tdnn, (STEPS[..., :2], CONVS), "x must have shape (B, T, C=3), got (2, 5, 2)"),
    (
        tdnn,
        (STEPS, CONVS, "tanh", STEPS[:, :2]),
        "past must have shape (B=2, 3, C=3), got (2, 2, 3)",
    ),
    (
        tdnn,
        (STEPS, CONVS, "tanh", STEPS[:, :3].astype("f4")),
        "past must hold float64 as x does, got float32",
    ),
    (
        tdnn,
        (STEPS, [(np.ones((4, 3, 1)), None)], "tanh", STEPS),
        "past must be None where every kernel spans one step",
    ),
    (
        tdnn,
        (STEPS, IMAGES),
        "convs[0][0] must have shape (C1, C, K1), got (4, 3, 2, 2)",
    ),
]


@pytest.mark.parametrize(("f", "args", "sentence"), WRONG, ids=label)
def test_wrong_input(f, args, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        f(*args)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("f", "args", "back"),
    [
        (scan, (X1, ONE, 2), scan_backward),
        (scan, (X2, [(np.ones((1, 12)), None)], (2, 2)), scan_backward),
        (convnet, (X1, CONVS), convnet_backward),
        (convnet, (X2, IMAGES), convnet_backward),
        (tdnn, (STEPS, CONVS), tdnn_backward),
    ],
)
def test_gradients_that_do_not_fit(f, args, back):
    y, cache = f(*args)
    back(y, cache)
    for wrong, sentence in (
        (y[:1], f"dy must have shape {y.shape}, got {y[:1].shape}"),
        (y.astype("f4"), "dy must hold float64 as the forward pass does, got float32"),
        (
            torch.tensor(y),
            "dy must come from numpy as the forward pass does, got torch",
        ),
        (None, "dy must be an array (of numpy or torch), got NoneType"),
    ):
        with pytest.raises((ValueError, TypeError)) as caught:
            back(wrong, cache)
        assert str(caught.value) == sentence
