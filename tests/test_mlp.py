"""Perceptrons and their networks against torch.nn, finite differences and logic."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, label, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib.boolean import at_least, parity, polygon, truth_table, union
from seqlib.mlp import init_params, mlp, mlp_backward, perceptron, perceptron_backward

THEIRS = {
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
    "logistic": torch.nn.Sigmoid,
    "linear": torch.nn.Identity,
}
SOFT = st.sampled_from(list(THEIRS))
LEADS = st.lists(st.integers(1, 3), max_size=2).map(tuple)
SEEDS = st.integers(0, 2**32 - 1)


def torchs_mlp(layers, activations):
    """Build torch.nn's network with these weights, and list them as ours."""
    modules, params = [], []
    for (W, b), f in zip(layers, activations, strict=True):
        linear = torch.nn.Linear(*W.shape[::-1], bias=b is not None)
        linear.weight = torch.nn.Parameter(torch.tensor(W))
        if b is not None:
            linear.bias = torch.nn.Parameter(torch.tensor(b))
        modules += [linear, THEIRS[f]()]
        params.append((linear.weight, linear.bias))
    return torch.nn.Sequential(*modules), params


@pytest.mark.referee("seqlib.mlp.mlp", by="torch.nn.Linear")
@pytest.mark.referee("seqlib.mlp.mlp_backward", by="torch autograd")
@given(
    lead=LEADS,
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    names=st.tuples(SOFT, SOFT, SOFT),
    bias=st.booleans(),
    seed=SEEDS,
)
def test_mlp_and_its_gradients(lead, sizes, names, bias, seed):
    rng, names = np.random.default_rng(seed), names[: len(sizes) - 1]
    layers = [
        (2 * W, 3 * b if bias else None)
        for (W, b) in init_params(sizes, np.random.default_rng(seed))
    ]
    x = rng.normal(size=(*lead, sizes[0]))
    model, params = torchs_mlp(layers, names)
    tensor = torch.tensor(x, requires_grad=True)
    wanted = model(tensor)
    dy = rng.normal(size=tuple(wanted.shape))
    flat = [p for pair in params for p in pair if p is not None]
    wanted_grads = by_autograd([wanted], [torch.tensor(dy)], [tensor, *flat])
    for dtype, within in (("f8", 1e-12), ("f4", 1e-5)):
        for A in LIBRARIES.values():
            arrays = [
                (A(W.astype(dtype)), None if b is None else A(b.astype(dtype)))
                for W, b in layers
            ]
            array, d = A(x.astype(dtype)), A(dy.astype(dtype))
            y, cache = mlp(array, arrays, names)
            close(y, wanted, within, scale=1)
            dx, grads = mlp_backward(d, cache)
            assert [b is None for _, b in grads] == [b is None for _, b in layers]
            found = [dx, *(g for pair in grads for g in pair if g is not None)]
            for grad, wanted_grad in zip(found, wanted_grads, strict=True):
                assert type(grad) is type(array)
                assert grad.dtype == array.dtype == y.dtype
                close(grad, wanted_grad, 10 * within, scale=10)
            np.testing.assert_array_equal(to_numpy(array), x.astype(dtype))
            np.testing.assert_array_equal(to_numpy(d), dy.astype(dtype))
            for (W, b), (W0, b0) in zip(arrays, layers, strict=True):
                np.testing.assert_array_equal(to_numpy(W), W0.astype(dtype))
                if b is not None:
                    np.testing.assert_array_equal(to_numpy(b), b0.astype(dtype))


@pytest.mark.referee("seqlib.mlp.mlp_backward", by="finite differences")
@pytest.mark.parametrize("lead", [(), (3,), (1, 1)])
def test_mlp_by_finite_differences(lead):
    rng = np.random.default_rng(3)
    x, names = rng.normal(size=(*lead, 2)), ("relu", "logistic", "tanh")
    layers = init_params([2, 4, 3, 2], rng)
    y, cache = mlp(x, layers, names)
    dy = rng.normal(size=y.shape)
    dx, grads = mlp_backward(dy, cache)

    def loss(x, *flat):
        layers = list(zip(flat[::2], flat[1::2], strict=True))
        return np.sum(mlp(x, layers, names)[0] * dy)

    inputs = [x, *(a for pair in layers for a in pair)]
    for i, grad in enumerate([dx, *(g for pair in grads for g in pair)]):
        close(by_differences(loss, inputs, i), grad, 1e-7, scale=1)


@pytest.mark.referee("seqlib.mlp.perceptron", by="torch.nn.functional.linear")
@pytest.mark.referee("seqlib.mlp.perceptron_backward", by="torch autograd")
@given(lead=LEADS, D=st.integers(1, 4), H=st.integers(1, 4), f=SOFT, seed=SEEDS)
def test_one_layer(lead, D, H, f, seed):
    """The gradient by torch; sums over every leading axis."""
    rng = np.random.default_rng(seed)
    inputs = [rng.normal(size=s) for s in ((*lead, D), (H, D), (H,))]
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    wanted = THEIRS[f]()(torch.nn.functional.linear(*tensors))
    y, cache = perceptron(*inputs, activation=f)
    close(y, wanted, scale=1)
    dy = rng.normal(size=y.shape)
    wanted_grads = by_autograd([wanted], [torch.tensor(dy)], tensors)
    for grad, want in zip(perceptron_backward(dy, cache), wanted_grads, strict=True):
        close(grad, want, scale=10)


def test_autograd_runs_through_the_forward_pass():
    layers = init_params([3, 4, 2], np.random.default_rng(0))
    model, params = torchs_mlp(layers, ("relu", "tanh"))
    x = torch.randn(5, 3, dtype=torch.float64).round().requires_grad_()
    out, _ = mlp(x, params, ("relu", "tanh"))
    flat = [x, *(p for pair in params for p in pair)]
    d = [torch.randn_like(out)]
    pairs = zip(
        by_autograd([out], d, flat), by_autograd([model(x)], d, flat), strict=True
    )
    for grad, wanted in pairs:
        close(grad, wanted, scale=1)


@pytest.mark.referee(
    "seqlib.mlp.perceptron", "seqlib.mlp.perceptron_backward", by="by hand"
)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_threshold_unit(library):
    """It fires at its threshold, here 2, and passes no gradient."""
    A = LIBRARIES[library]
    x = A(np.array([[1.9, 0], [2, 0], [0, 0.7], [np.nan, 0], [-np.inf, 0]], "f4"))
    y, cache = perceptron(x, A(np.array([[1, 3]], "f4")), A(np.array([-2], "f4")))
    np.testing.assert_array_equal(to_numpy(y), [[0], [1], [1], [np.nan], [0]])
    assert y.dtype == x.dtype
    y, cache = perceptron(x[1:3, :], A(np.array([[1, 3]], "f4")), None)
    for grad in perceptron_backward(y, cache)[:2]:
        assert grad.dtype == x.dtype
        assert not to_numpy(grad).any()


@pytest.mark.referee("seqlib.mlp.init_params", by="torch.nn.Linear")
def test_parameters_are_drawn_as_torch_draws_them():
    layers = init_params([400, 300, 2], np.random.default_rng(0))
    assert [W.shape for W, _ in layers] == [(300, 400), (2, 300)]
    assert [b.shape for _, b in layers] == [(300,), (2,)]
    torch.manual_seed(0)
    linear = torch.nn.Linear(400, 300)
    for ours, theirs in zip(layers[0], linear.parameters(), strict=True):
        theirs = theirs.detach().numpy()
        assert abs(ours).max() == pytest.approx(abs(theirs).max(), rel=0.02)
        assert ours.std() == pytest.approx(theirs.std(), rel=0.1)
    again = init_params([400, 300, 2], np.random.default_rng(0))
    np.testing.assert_array_equal(layers[1][0], again[1][0])
    assert [b for _, b in init_params([2, 3, 1], bias=False)] == [None, None]
    assert (init_params([2, 3])[0][0] != init_params([2, 3])[0][0]).all()


# --- logic ---------------------------------------------------------------------------


def table(n):
    return np.array(list(product((0.0, 1.0), repeat=n)))


def run(x, layers):
    return mlp(x, layers, "threshold")[0][..., 0]


@pytest.mark.referee("seqlib.boolean.at_least", by="enumeration")
@given(signs=st.lists(st.integers(-1, 1), min_size=1, max_size=5), data=st.data())
def test_a_unit_counts_its_literals(signs, data):
    k = data.draw(st.integers(0, len(signs) + 1))
    for x, fires in zip(
        rows := table(len(signs)), run(rows, at_least(k, signs)), strict=True
    ):
        literals = [v == (s > 0) for v, s in zip(x, signs, strict=True) if s]
        assert fires == (sum(literals) >= k)


def test_gates():
    x = table(2)
    for signs, k, wanted in (
        ([1, 1], 2, [0, 0, 0, 1]),  # AND
        ([1, 1], 1, [0, 1, 1, 1]),  # OR
        ([-1, 0], 1, [1, 1, 0, 0]),  # NOT
        ([1, -1], 2, [0, 0, 1, 0]),  # AND NOT
        ([-1, -1], 1, [1, 1, 1, 0]),  # NAND
    ):
        np.testing.assert_array_equal(run(x, at_least(k, signs)), wanted)


@pytest.mark.referee("seqlib.boolean.truth_table", by="enumeration")
@given(n=st.integers(1, 4), seed=SEEDS)
def test_any_boolean_function(n, seed):
    outputs = np.random.default_rng(seed).integers(0, 2, 2**n).astype(bool)
    layers = truth_table(list(outputs))
    np.testing.assert_array_equal(run(table(n), layers), outputs)
    assert len(layers[0][1]) == max(1, outputs.sum())


@pytest.mark.parametrize("outputs", [[0, 0], [1, 1], [0, 1, 1, 0], np.zeros(8, bool)])
def test_constants_and_xor(outputs):
    n = len(outputs).bit_length() - 1
    np.testing.assert_array_equal(run(table(n), truth_table(outputs)), outputs)


@pytest.mark.referee("seqlib.boolean.parity", by="enumeration")
@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("kind", ["threshold", "and_or", "deep"])
def test_parity_and_what_it_costs(kind, n):
    layers = parity(n, kind)
    np.testing.assert_array_equal(run(table(n), layers), table(n).sum(axis=1) % 2)
    units = sum(len(b) for _, b in layers)
    if kind == "deep":
        xors, passed, width = 0, 0, n
        while width > 1:
            xors, passed = xors + width // 2, passed + width % 2
            width = (width + 1) // 2
        assert xors == n - 1
        assert units == (3 * xors + 2 * passed if n > 1 else 1)
        assert len(layers) == (2 * np.ceil(np.log2(n)) if n > 1 else 1)
    else:
        assert len(layers) == 2
        assert units == 1 + (n if kind == "threshold" else 2 ** (n - 1))
    for W, b in layers:
        assert W.dtype == b.dtype == np.float64


PENTAGON = np.array(
    [[np.cos(a), np.sin(a)] for a in np.pi / 2 + 2 * np.pi * np.arange(5) / 5]
)


def inside(points, corners):
    """Whether each point is in the convex polygon, by triangles that share corner 0."""

    def cross(a, b, p):
        return (b[0] - a[0]) * (p[:, 1] - a[1]) - (b[1] - a[1]) * (p[:, 0] - a[0])

    found = np.zeros(len(points), bool)
    for b, c in pairwise(corners[1:]):
        signs = [cross(*ends, points) for ends in ((corners[0], b), (b, c))]
        signs = np.stack([*signs, cross(c, corners[0], points)])
        found |= (signs >= 0).all(axis=0) | (signs <= 0).all(axis=0)
    return found


@pytest.mark.referee("seqlib.boolean.polygon", by="areas of triangles")
@given(N=st.integers(3, 8), reverse=st.booleans(), seed=SEEDS)
def test_a_convex_polygon(N, reverse, seed):
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * (np.arange(N) + 0.8 * rng.random(N)) / N
    corners = np.stack([np.cos(angles), 2 * np.sin(angles)], axis=1) + rng.normal(
        size=2
    )
    points = 3 * rng.normal(size=(500, 2))
    layers = polygon(corners[::-1] if reverse else corners)
    np.testing.assert_array_equal(run(points, layers), inside(points, corners))
    assert [W.shape for W, _ in layers] == [(N, 2), (1, N)]


def test_four_of_five_make_a_star():
    """Its tips are where the lines of the sides meet, 2.618 times as far out."""
    points = np.random.default_rng(0).uniform(-3, 3, (4000, 2))
    pentagon, star = run(points, polygon(PENTAGON)), run(points, polygon(PENTAGON, 4))
    tips = -PENTAGON * ((1 + np.sqrt(5)) / 2) ** 2
    arms = [
        inside(points, np.stack([PENTAGON[(k + 2) % 5], PENTAGON[(k + 3) % 5], tip]))
        for k, tip in enumerate(tips)
    ]
    np.testing.assert_array_equal(star, inside(points, PENTAGON) | np.any(arms, axis=0))
    assert 0 < pentagon.sum() < star.sum()
    np.testing.assert_array_equal(run(points, polygon(PENTAGON, 5)), pentagon)


@pytest.mark.referee("seqlib.boolean.union", by="areas of triangles")
def test_a_union_of_polygons():
    rng = np.random.default_rng(1)
    points = 4 * rng.normal(size=(2000, 2))
    triangle = np.array([[2.0, 0], [5, 1], [3, 4]])
    layers = union(polygon(PENTAGON), polygon(triangle), polygon(PENTAGON - 3))
    shapes = (PENTAGON, triangle, PENTAGON - 3)
    wanted = np.any([inside(points, s) for s in shapes], axis=0)
    np.testing.assert_array_equal(run(points, layers), wanted)
    assert [W.shape for W, _ in layers] == [(13, 2), (3, 13), (1, 3)]
    alone = union(polygon(triangle))
    np.testing.assert_array_equal(run(points, alone), run(points, polygon(triangle)))


# --- wrong input ---------------------------------------------------------------------

X, GOOD = np.ones((2, 3)), [(np.ones((4, 3)), np.ones(4)), (np.ones((1, 4)), None)]
W, B = GOOD[0]
SQUARE = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
WRONG = [
    (mlp, (X[:, :2], GOOD), "x must have shape (..., D=3), got (2, 2)"),
    (mlp, (X.astype(int), GOOD), "x must hold floats, got int64"),
    (mlp, (X.tolist(), GOOD), "x must be an array (of numpy or torch), got list"),
    (mlp, (X[:0], GOOD), "x must not be empty, got shape (0, 3)"),
    (
        mlp,
        (X.astype("f4"), GOOD),
        "x must hold float64 as layers[0][0] does, got float32",
    ),
    (
        mlp,
        (torch.tensor(X), GOOD),
        "x must come from numpy as layers[0][0] does, got torch",
    ),
    (mlp, (X, []), "layers must be a list of pairs (W, b), got none"),
    (mlp, (X, W), "layers must be a list of pairs (W, b), got ndarray"),
    (mlp, (X, [W]), "layers[0] must be a pair (W, b), got ndarray"),
    (mlp, (X, [(W,)]), "layers[0] must be a pair (W, b), got 1 things"),
    (
        mlp,
        (X, [(W, B), (W, B)]),
        "layers[1][0] must have shape (H2, H1=4), got (4, 3)",
    ),
    (mlp, (X, [(W, B[:2])]), "layers[0][1] must have shape (H1=4,), got (2,)"),
    (
        mlp,
        (X, GOOD, ["tanh"]),
        "activations must be a name, or one for each of the 2 layers, got ['tanh']",
    ),
    (
        mlp,
        (X, GOOD, "softmax"),
        "activations must be one of 'tanh', 'relu', 'logistic', 'linear', 'threshold', "
        "got 'softmax'",
    ),
    (
        mlp,
        (X, GOOD, None),
        "activations must be a name, or one for each of the 2 layers, got None",
    ),
    (perceptron, (X, W[:, :2]), "x must have shape (..., D=2), got (2, 3)"),
    (perceptron, (X, W, B[:1]), "b must have shape (H=4,), got (1,)"),
    (perceptron, (X, None), "W must be an array (of numpy or torch), got NoneType"),
    (
        perceptron,
        (X, W, B, "step"),
        "activation must be one of 'tanh', 'relu', 'logistic', 'linear', 'threshold', "
        "got 'step'",
    ),
    (init_params, ([3],), "sizes must be a list of at least two sizes, got [3]"),
    (init_params, (3,), "sizes must be a list of at least two sizes, got 3"),
    (init_params, ([3, 0],), "sizes must be at least 1, got 0"),
    (init_params, ([3, 1.5],), "sizes must be a whole number, got 1.5"),
    (
        init_params,
        ([3, 1], 0),
        "rng must be a numpy generator, np.random.default_rng(seed), got int",
    ),
    (at_least, (1, []), "signs must be a list of 1, 0 and -1, got []"),
    (at_least, (1, 3), "signs must be a list of 1, 0 and -1, got 3"),
    (at_least, (1, [2]), "signs must be at least -1 and at most 1, got 2"),
    (at_least, (3, [1]), "k must be at least 0 and at most 2, got 3"),
    (at_least, (0.5, [1]), "k must be a whole number, got 0.5"),
    (truth_table, ([0, 1, 1],), "outputs must be a list of 2, 4, 8, ... values, got 3"),
    (truth_table, ([1],), "outputs must be a list of 2, 4, 8, ... values, got 1"),
    (truth_table, (None,), "outputs must be a list of 2, 4, 8, ... values, got 0"),
    (truth_table, ([0, 2],), "outputs must be 0 or 1, got 2"),
    (parity, (0,), "n must be at least 1, got 0"),
    (parity, (2.0,), "n must be a whole number, got 2.0"),
    (parity, (17, "and_or"), "n must be at least 1 and at most 16, got 17"),
    (
        parity,
        (3, "wide"),
        "kind must be one of 'threshold', 'and_or', 'deep', got 'wide'",
    ),
    (polygon, (SQUARE[:, :1],), "vertices must have shape (N, 2), got (4, 1)"),
    (polygon, (SQUARE.astype(int),), "vertices must hold floats, got int64"),
    (polygon, (SQUARE, 5), "needed must be at least 1 and at most 4, got 5"),
    *(
        (polygon, (v,), "vertices must go once round a convex polygon of 3 or more")
        for v in (
            SQUARE[:2],
            SQUARE[[0, 1, 3, 2]],  # a bow tie
            SQUARE[[0, 1, 1, 2, 3]],  # a corner twice
            PENTAGON[[0, 2, 4, 1, 3]],  # turns one way, but twice round
            np.array([[0.0, 0], [2, 0], [0.5, 0.5], [0, 2]]),  # not convex
            np.insert(SQUARE, 1, [0.5, 0], axis=0),  # a corner that is none
            np.full((3, 2), np.nan),
        )
    ),
    (union, (), "networks must be at least one, got none"),
    (
        union,
        (polygon(SQUARE), parity(3)),
        "networks must have 2 inputs, 2 layers and 1 output each, got 3, 2 and 1",
    ),
    (
        union,
        (polygon(SQUARE), polygon(SQUARE)[:1]),
        "networks must have 2 inputs, 2 layers and 1 output each, got 2, 1 and 4",
    ),
    (
        union,
        (polygon(SQUARE)[:1], polygon(SQUARE)[:1]),
        "networks must have 2 inputs, 1 layers and 1 output each, got 2, 1 and 4",
    ),
    (union, (GOOD,), "networks must have a bias in every layer, got None"),
]


@pytest.mark.parametrize(("f", "args", "sentence"), WRONG, ids=label)
def test_wrong_input(f, args, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        f(*args)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (np.ones((2, 2)), "dy must have shape (2, 1), got (2, 2)"),
        (np.ones((2, 1), "f4"), "dy must hold float64 as the forward pass does, got "),
        (torch.ones(2, 1), "dy must come from numpy as the forward pass does, got tor"),
        (None, "dy must be an array (of numpy or torch), got NoneType"),
    ],
    ids=label,
)
def test_gradients_that_do_not_fit(wrong, sentence):
    _, cache = mlp(X, GOOD)
    _, one = perceptron(X, W[:1])
    for back, kept in ((mlp_backward, cache), (perceptron_backward, one)):
        with pytest.raises((ValueError, TypeError)) as caught:
            back(wrong, kept)
        assert str(caught.value).startswith(sentence)
