"""NARX and the state-space model against torch.nn.RNN, autograd and differences."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, label, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib.mlp import init_params, mlp
from seqlib.narx import narx, narx_backward
from seqlib.scanning import tdnn
from seqlib.state_space import state_space, state_space_backward

SEEDS = st.integers(0, 2**32 - 1)
SMALL = st.integers(1, 3)
NAMES = ["tanh", "linear"]
SIZES = st.fixed_dictionaries(
    {"B": SMALL, "T": st.integers(1, 5), "D": SMALL, "H": SMALL, "O": SMALL}
)


def flat(layers):
    return [a for pair in layers for a in pair if a is not None]


def mapped(f, layers):
    return [tuple(None if a is None else f(a) for a in pair) for pair in layers]


def leaf(a):
    return None if a is None else torch.tensor(a, requires_grad=True)


def two_layers(x, layers):
    """tanh, then linear, by torch."""
    (W1, b1), (W2, b2) = layers
    hidden = torch.tanh(torch.nn.functional.linear(x, W1, b1))
    return torch.nn.functional.linear(hidden, W2, b2)


def torchs_narx(x, layers, K, L, x_past, y_past, targets):
    """Write the recursion over dicts of steps, those before 0 being the past."""
    B, T, D = x.shape
    O = layers[-1][0].shape[0]
    xs = {t: torch.zeros(B, D, dtype=x.dtype) for t in range(-K, 0)}
    ys = {t: torch.zeros(B, O, dtype=x.dtype) for t in range(-L, 0)}
    if x_past is not None:
        xs |= {t: x_past[:, t] for t in range(-K, 0)}
    if y_past is not None:
        ys |= {t: y_past[:, t] for t in range(-L, 0)}
    xs |= {t: x[:, t] for t in range(T)}
    outs = []
    for t in range(T):
        seen = [xs[s] for s in range(t, t - K - 1, -1)]
        seen += [ys[s] for s in range(t - 1, t - L - 1, -1)]
        outs.append(two_layers(torch.cat(seen, dim=1), layers))
        ys[t] = outs[-1] if targets is None else targets[:, t]
    return torch.stack(outs, dim=1)


def draw(sizes, K, L, past, open_loop, bias, seed):
    rng = np.random.default_rng(seed)
    B, T, D, H, O = sizes.values()
    x = rng.normal(size=(B, T, D))
    layers = init_params([(K + 1) * D + L * O, H, O], rng, bias)
    x_past = rng.normal(size=(B, K, D)) if past and K else None
    y_past = rng.normal(size=(B, L, O)) if past and L else None
    targets = rng.normal(size=(B, T, O)) if open_loop else None
    return x, layers, x_past, y_past, targets


@pytest.mark.referee("seqlib.narx.narx", by="torch.nn.functional.linear")
@pytest.mark.referee("seqlib.narx.narx_backward", by="torch autograd")
@given(
    sizes=SIZES,
    K=st.integers(0, 3),
    L=st.integers(0, 3),
    past=st.booleans(),
    open_loop=st.booleans(),
    bias=st.booleans(),
    seed=SEEDS,
)
def test_narx_and_its_gradients(sizes, K, L, past, open_loop, bias, seed):
    x, layers, *more = draw(sizes, K, L, past, open_loop, bias, seed)
    tensor, params = leaf(x), mapped(leaf, layers)
    extra = [leaf(a) for a in more]
    wanted = torchs_narx(tensor, params, K, L, *extra)
    dy = np.random.default_rng(seed).normal(size=tuple(wanted.shape))
    leaves = [tensor, *flat(params), *(a for a in extra if a is not None)]
    wanted_grads = by_autograd([wanted], [torch.tensor(dy)], leaves)
    for dtype, within in (("f8", 1e-12), ("f4", 1e-5)):
        for A in LIBRARIES.values():

            def make(a, A=A, dtype=dtype):
                return None if a is None else A(a.astype(dtype))

            arrays = make(x), mapped(make, layers), *map(make, more)
            y, cache = narx(*arrays[:2], K, L, NAMES, *arrays[2:])
            close(y, wanted, within, scale=1 + wanted.abs().max().item())
            dx, grads, *rest = narx_backward(make(dy), cache)
            assert [g is None for g in rest] == [a is None for a in more]
            assert [b is None for _, b in grads] == [b is None for _, b in layers]
            found = [dx, *flat(grads), *(g for g in rest if g is not None)]
            for grad, want in zip(found, wanted_grads, strict=True):
                assert type(grad) is type(arrays[0])
                assert grad.dtype == arrays[0].dtype == y.dtype
                close(grad, want, 10 * within, scale=1 + want.abs().max().item())
            now = [
                arrays[0],
                *flat(arrays[1]),
                *(a for a in arrays[2:] if a is not None),
            ]
            then = [x, *flat(layers), *(a for a in more if a is not None)]
            for array, a in zip(now, then, strict=True):
                np.testing.assert_array_equal(to_numpy(array), a.astype(dtype))


@pytest.mark.referee("seqlib.narx.narx_backward", by="finite differences")
@pytest.mark.parametrize("open_loop", [False, True])
@pytest.mark.parametrize(("K", "L"), [(0, 1), (2, 0), (1, 2)])
def test_narx_by_finite_differences(K, L, open_loop):
    sizes = {"B": 2, "T": 4, "D": 2, "H": 3, "O": 1}
    x, layers, *more = draw(sizes, K, L, True, open_loop, True, K + 3 * L)
    y, cache = narx(x, layers, K, L, NAMES, *more)
    dy = np.random.default_rng(0).normal(size=y.shape)
    dx, grads, *rest = narx_backward(dy, cache)

    def loss(x, *given):
        pairs = list(zip(given[0:4:2], given[1:4:2], strict=True))
        rest = iter(given[4:])
        past = [None if a is None else next(rest) for a in more]
        return np.sum(narx(x, pairs, K, L, NAMES, *past)[0] * dy)

    inputs = [x, *flat(layers), *(a for a in more if a is not None)]
    found = [dx, *flat(grads), *(g for g in rest if g is not None)]
    for i, grad in enumerate(found):
        close(by_differences(loss, inputs, i), grad, 1e-7, scale=1)


@pytest.mark.referee(
    "seqlib.narx.narx", "seqlib.state_space.state_space", by="torch.nn.RNN"
)
@given(sizes=SIZES, seed=SEEDS)
def test_a_narx_0_1_of_one_layer_is_an_elman_network(sizes, seed):
    """Its output is the state that comes back: torch.nn.RNN."""
    B, T, D, H, _ = sizes.values()
    rng = np.random.default_rng(seed)
    rnn = torch.nn.RNN(D, H, batch_first=True, dtype=torch.float64)
    W_ih, W_hh, b_ih, b_hh = (p.detach().numpy() for p in rnn.parameters())
    layers = [(np.concatenate([W_ih, W_hh], axis=1), b_ih + b_hh)]
    x, h = rng.normal(size=(B, T, D)), rng.normal(size=(B, 1, H))
    wanted, last = rnn(torch.tensor(x), torch.tensor(h.swapaxes(0, 1)))
    close(narx(x, layers, 0, 1, "tanh", y_past=h)[0], wanted, scale=1)
    y, state, _ = state_space(x, layers, [(np.eye(H), None)], h=h[:, 0])
    close(y, wanted, scale=1)
    close(state, last[0], scale=1)


def test_the_response_of_a_narx_goes_on():
    """y_t = x_t + y_{t-1} / 2 halves at every step and never ends."""
    layers = [(np.array([[1.0, 0.5]]), None)]
    x = np.zeros((1, 8, 1))
    x[0, 2, 0] = 1
    y, _ = narx(x, layers, 0, 1, "linear")
    wanted = [0, 0, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32]
    np.testing.assert_array_equal(y[0, :, 0], wanted)


@pytest.mark.referee("seqlib.narx.narx", by="by hand")
def test_the_order_of_what_it_sees():
    """x_t, x_{t-1}, x_{t-2}, y_{t-1}, y_{t-2}, told apart by powers of ten."""
    layers = [(np.array([[1.0, 10, 100, 1000, 10000]]), None)]
    x, x_past = np.array([[[3.0], [4]]]), np.array([[[1.0], [2]]])
    y_past, targets = np.array([[[6.0], [7]]]), np.array([[[8.0], [9]]])
    y, _ = narx(x, layers, 2, 2, "linear", x_past, y_past, targets)
    np.testing.assert_array_equal(y[0, :, 0], [67123, 78234])
    y, _ = narx(x, layers, 2, 2, "linear", x_past, y_past)
    np.testing.assert_array_equal(y[0, :, 0], [67123, 67123000 + 70000 + 234])


def test_without_recursion_it_is_a_time_delay_network():
    rng = np.random.default_rng(0)
    layers = init_params([3 * 2, 4, 1], rng)
    (W1, b1), (W2, b2) = layers
    first = W1.reshape(4, 3, 2)[:, ::-1].swapaxes(1, 2)  # oldest first: (O, D, K)
    convs = [(first, b1), (W2[..., None], b2)]
    x, past = rng.normal(size=(2, 6, 2)), rng.normal(size=(2, 2, 2))
    y, _ = narx(x, layers, 2, 0, NAMES, past)
    close(y, tdnn(x, convs, NAMES, past)[0], scale=1)


def test_with_its_own_outputs_for_targets_the_loop_is_closed():
    """The same outputs, but no gradient comes back through them."""
    x, layers, *_ = draw(
        {"B": 2, "T": 5, "D": 2, "H": 3, "O": 2}, 1, 2, False, False, True, 4
    )
    closed, kept = narx(x, layers, 1, 2, NAMES)
    y, cache = narx(x, layers, 1, 2, NAMES, targets=closed)
    np.testing.assert_array_equal(y, closed)
    last = np.zeros(y.shape)
    last[:, -1] = 1
    assert not narx_backward(last, cache)[0][:, :3].any()  # seen by y_4: x_3 and x_4
    assert narx_backward(last, kept)[0][:, :3].all()


def test_it_goes_on_where_it_stopped():
    x, layers, *_ = draw(
        {"B": 2, "T": 9, "D": 2, "H": 3, "O": 1}, 2, 3, False, False, True, 5
    )
    y, _ = narx(x, layers, 2, 3, NAMES)
    rest, _ = narx(x[:, 5:], layers, 2, 3, NAMES, x[:, 3:5], y[:, 2:5])
    close(rest, y[:, 5:], scale=1)


# --- the state-space model -----------------------------------------------------------


@pytest.mark.referee("seqlib.state_space.state_space", by="torch.nn.functional.linear")
@pytest.mark.referee("seqlib.state_space.state_space_backward", by="torch autograd")
@given(
    sizes=SIZES,
    first=st.booleans(),
    which=st.integers(1, 3),
    bias=st.booleans(),
    seed=SEEDS,
)
def test_state_space_and_its_gradients(sizes, first, which, bias, seed):
    """`which`: a gradient at the outputs, at the last state, or at both."""
    rng = np.random.default_rng(seed)
    B, T, D, H, O = sizes.values()
    x = rng.normal(size=(B, T, D))
    f, g = (init_params(s, rng, bias) for s in ([D + H, 3, H], [H, 2, O]))
    h = rng.normal(size=(B, H)) if first else None
    tensor, tf, tg, th = leaf(x), mapped(leaf, f), mapped(leaf, g), leaf(h)
    state = torch.zeros(B, H, dtype=torch.float64) if th is None else th
    outs = []
    for t in range(T):
        state = two_layers(torch.cat([tensor[:, t], state], dim=1), tf)
        outs.append(two_layers(state, tg))
    wanted = torch.stack(outs, dim=1), state
    douts = [rng.normal(size=tuple(w.shape)) for w in wanted]
    douts = [d if which & (1 << i) else None for i, d in enumerate(douts)]
    zeros = [torch.zeros_like(w) for w in wanted]
    given_ = [
        z if d is None else torch.tensor(d) for d, z in zip(douts, zeros, strict=True)
    ]
    leaves = [tensor, *flat(tf), *flat(tg), *([th] if first else [])]
    wanted_grads = by_autograd(wanted, given_, leaves)
    for A in LIBRARIES.values():
        array, last = A(x), None if h is None else A(h)
        y, state, cache = state_space(
            array, mapped(A, f), mapped(A, g), NAMES, NAMES, last
        )
        close(y, wanted[0], scale=1)
        close(state, wanted[1], scale=1)
        back = [None if d is None else A(d) for d in douts]
        dx, df, dg, dh = state_space_backward(*back, cache)
        assert (dh is None) == (h is None)
        found = [dx, *flat(df), *flat(dg), *([dh] if first else [])]
        for grad, want in zip(found, wanted_grads, strict=True):
            assert type(grad) is type(array)
            assert grad.dtype == array.dtype
            close(grad, want, scale=1 + want.abs().max().item())
        np.testing.assert_array_equal(to_numpy(array), x)


@pytest.mark.referee("seqlib.state_space.state_space_backward", by="finite differences")
def test_state_space_by_finite_differences_in_float64_and_float32():
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(2, 4, 2)), rng.normal(size=(2, 3))
    f, g = init_params([5, 4, 3], rng), init_params([3, 1], rng)
    y, last, cache = state_space(x, f, g, "tanh", "logistic", h)
    dy, dlast = rng.normal(size=y.shape), rng.normal(size=last.shape)
    dx, df, dg, dh = state_space_backward(dy, dlast, cache)

    def loss(x, h, W1, b1, W2, b2, W3, b3):
        pairs = [(W1, b1), (W2, b2)]
        y, last, _ = state_space(x, pairs, [(W3, b3)], "tanh", "logistic", h)
        return np.sum(y * dy) + np.sum(last * dlast)

    inputs, found = [x, h, *flat(f), *flat(g)], [dx, dh, *flat(df), *flat(dg)]
    for i, grad in enumerate(found):
        close(by_differences(loss, inputs, i), grad, 1e-7, scale=1)
    small = [a.astype("f4") for a in (x, h)]
    layers = [mapped(lambda a: a.astype("f4"), one) for one in (f, g)]
    y4, last4, cache = state_space(small[0], *layers, "tanh", "logistic", small[1])
    assert y4.dtype == last4.dtype == np.float32
    close(y4, y, 1e-5)
    assert state_space(small[0], *layers)[1].dtype == np.float32
    grads = state_space_backward(dy.astype("f4"), None, cache)
    for grad in [grads[0], grads[3], *flat(grads[1]), *flat(grads[2])]:
        assert grad.dtype == np.float32


@pytest.mark.referee("seqlib.state_space.state_space", by="by hand")
def test_a_state_holds_what_it_is_told_to():
    """h_t = x_t + 0.9 h_{t-1}, y_t = 2 h_t: the impulse fades, and does not end."""
    f, g = [(np.array([[1.0, 0.9]]), None)], [(np.array([[2.0]]), None)]
    x = np.zeros((1, 5, 1))
    x[0, 1, 0] = 1
    y, h, _ = state_space(x, f, g, "linear")
    np.testing.assert_allclose(y[0, :, 0], [0, 2, 1.8, 1.62, 1.458], rtol=1e-15)
    np.testing.assert_allclose(h, [[0.729]], rtol=1e-15)
    np.testing.assert_array_equal(y, mlp(y / 2, g, "linear")[0])


# --- wrong input ---------------------------------------------------------------------

X, Y = np.ones((2, 5, 3)), np.ones((2, 5, 1))
F = [(np.ones((4, 8)), np.ones(4)), (np.ones((1, 4)), None)]  # K = 1, L = 2
STATE, READ = [(np.ones((4, 7)), None)], [(np.ones((1, 4)), np.ones(1))]
TYPES = "must be an array (of numpy or torch), got"
WRONG = [
    (narx, (X[0], F, 1, 2), "x must have shape (B, T, D), got (5, 3)"),
    (narx, (X.astype(int), F, 1, 2), "x must hold floats, got int64"),
    (narx, (X[:, :0], F, 1, 2), "x must not be empty, got shape (2, 0, 3)"),
    (narx, (X.tolist(), F, 1, 2), f"x {TYPES} list"),
    (
        narx,
        (torch.tensor(X), F, 1, 2),
        "x must come from numpy as layers[0][0] does, got torch",
    ),
    (
        narx,
        (X, F, 2, 2),
        "layers[0][0] must have (K + 1) D + L O = 11 inputs, got 8",
    ),
    (narx, (X, F, -1, 2), "K must be at least 0, got -1"),
    (narx, (X, F, 1, 2.0), "L must be a whole number, got 2.0"),
    (narx, (X, [], 1, 2), "layers must be a list of pairs (W, b), got none"),
    (
        narx,
        (X, F, 1, 2, "sine"),
        "activations must be one of 'tanh', 'relu', 'logistic', 'linear', 'threshold', "
        "got 'sine'",
    ),
    (
        narx,
        (X, F, 1, 2, "tanh", X[:, :2]),
        "x_past must have shape (B=2, 1, 3), got (2, 2, 3)",
    ),
    (
        narx,
        (X, F, 1, 2, "tanh", None, Y[:, :1]),
        "y_past must have shape (B=2, 2, 1), got (2, 1, 1)",
    ),
    (
        narx,
        (X, F, 1, 2, "tanh", None, Y[:, :2].astype("f4")),
        "y_past must hold float64 as x does, got float32",
    ),
    (
        narx,
        (X, F, 1, 2, "tanh", None, None, Y[:, :2]),
        "targets must have shape (B=2, T=5, 1), got (2, 2, 1)",
    ),
    (
        narx,
        (X, [(np.ones((1, 3)), None)], 0, 0, "tanh", X[:, :1]),
        "x_past must be None where it has no steps",
    ),
    (
        narx,
        (X, [(np.ones((1, 3)), None)], 0, 0, "tanh", None, Y[:, :1]),
        "y_past must be None where it has no steps",
    ),
    (state_space, (X[0], STATE, READ), "x must have shape (B, T, D), got (5, 3)"),
    (
        state_space,
        (X[..., :2], STATE, READ),
        "f[0][0] must have D + H = 6 inputs, got 7",
    ),
    (state_space, (X, STATE, F), "g[0][0] must have shape (H1, 4), got (4, 8)"),
    (state_space, (X, None, READ), "f must be a list of pairs (W, b), got NoneType"),
    (state_space, (X, STATE, [X]), "g[0] must be a pair (W, b), got ndarray"),
    (
        state_space,
        (X, STATE, READ, ["tanh", "tanh"]),
        "f_activations must be a name, or one for each of the 1 layers, "
        "got ['tanh', 'tanh']",
    ),
    (
        state_space,
        (X, STATE, READ, "tanh", "sine"),
        "g_activations must be one of 'tanh', 'relu', 'logistic', 'linear', "
        "'threshold', got 'sine'",
    ),
    (
        state_space,
        (X, STATE, READ, "tanh", "linear", np.ones((2, 3))),
        "h must have shape (B=2, 4), got (2, 3)",
    ),
    (
        state_space,
        (X, STATE, mapped(lambda a: a.astype("f4"), READ)),
        "x must hold float32 as g[0][0] does, got float64",
    ),
]


@pytest.mark.parametrize(("f", "args", "sentence"), WRONG, ids=label)
def test_wrong_input(f, args, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        f(*args)
    assert str(caught.value) == sentence


def test_gradients_that_do_not_fit():
    y, cache = narx(X, F, 1, 2)
    out, h, kept = state_space(X, STATE, READ)
    for name, good, back in (
        ("dy", y, lambda d: narx_backward(d, cache)),
        ("dy", out, lambda d: state_space_backward(d, None, kept)),
        ("dh", h, lambda d: state_space_backward(None, d, kept)),
    ):
        back(good)
        for wrong, what in (
            (good[:1], f"must have shape {good.shape}, got {good[:1].shape}"),
            (
                good.astype("f4"),
                "must hold float64 as the forward pass does, got float",
            ),
            (
                torch.tensor(good),
                "must come from numpy as the forward pass does, got t",
            ),
            (good.tolist(), f"{TYPES} list"),
        ):
            with pytest.raises((ValueError, TypeError)) as caught:
                back(wrong)
            assert str(caught.value).startswith(f"{name} {what}")
