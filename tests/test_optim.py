"""The optimisers by hand against torch.optim, over many steps; clipping by hand."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import optim

OPTIMISERS = {
    "sgd": (optim.sgd, torch.optim.SGD, {}),
    "decay": (optim.sgd, torch.optim.SGD, {"weight_decay": 0.3}),
    "momentum": (optim.sgd, torch.optim.SGD, {"momentum": 0.8, "weight_decay": 0.1}),
    "nesterov": (optim.sgd, torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
    "adam": (optim.adam, torch.optim.Adam, {}),
    "adam, decay": (optim.adam, torch.optim.Adam, {"weight_decay": 0.3}),
    "adam, betas": (optim.adam, torch.optim.Adam, {"betas": (0.0, 0.5), "eps": 0.1}),
    "adamw": (optim.adamw, torch.optim.AdamW, {}),
    "adamw, decay": (optim.adamw, torch.optim.AdamW, {"weight_decay": 0.5}),
}


def problem(seed, steps):
    rng = np.random.default_rng(seed)
    sizes = {
        "W": tuple(rng.integers(1, 5, 2)),
        "b": (int(rng.integers(1, 4)),),
        "s": (),
    }
    params = {name: rng.normal(size=size) for name, size in sizes.items()}
    params["s"] = np.array(params["s"])
    return params, [
        {name: np.array(rng.normal(size=size)) for name, size in sizes.items()}
        for _ in range(steps)
    ]


@pytest.mark.referee(
    "seqlib.optim.sgd",
    "seqlib.optim.adam",
    "seqlib.optim.adamw",
    by="torch.optim",
)
@pytest.mark.parametrize("which", OPTIMISERS)
@pytest.mark.parametrize("library", LIBRARIES)
@given(seed=st.integers(0, 2**32), lr=st.sampled_from([0.001, 0.3]))
def test_many_steps_are_torchs(which, library, seed, lr):
    ours, theirs, options = OPTIMISERS[which]
    params, grads = problem(seed, 7)
    tensors = {name: torch.tensor(a) for name, a in params.items()}
    optimiser = theirs(tensors.values(), lr=lr, **options)
    A, state = LIBRARIES[library], None
    params = {name: A(a) for name, a in params.items()}
    for step, of_step in enumerate(grads):
        given_grads = {name: A(g) for name, g in of_step.items()}
        params, state = ours(params, given_grads, state, lr=lr, **options)
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(of_step[name])
        optimiser.step()
        assert state["step"] == step + 1
        for name, tensor in tensors.items():
            scale = 1 + np.abs(to_numpy(tensor)).max()
            close(params[name], tensor, 1e-13, scale=scale)


@pytest.mark.parametrize("which", ["adam", "adamw"])
def test_what_is_not_said_is_torchs(which):
    """Gradients as small as eps, so that it counts."""
    ours, theirs, _ = OPTIMISERS[which]
    params, grads = problem(3, 3)
    tensors = {name: torch.tensor(a) for name, a in params.items()}
    optimiser, state = theirs(tensors.values()), None
    for of_step in grads:
        small = {name: 1e-8 * g for name, g in of_step.items()}
        params, state = ours(params, small, state)
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(small[name])
        optimiser.step()
    for name, tensor in tensors.items():
        close(params[name], tensor, 1e-13, scale=1)


@pytest.mark.referee("seqlib.optim.sgd", by="by hand")
def test_plain_descent():
    """W - 0.01 g, and nothing is kept but the number of steps."""
    moved, state = optim.sgd({"W": np.array([2.0])}, {"W": np.array([3.0])})
    assert moved["W"].item() == pytest.approx(1.97, abs=1e-15)
    assert state == {"step": 1}


@pytest.mark.parametrize("f", [optim.sgd, optim.adam, optim.adamw])
def test_nothing_is_changed_in_place(f):
    params, (one, two) = problem(1, 2)
    options = {"momentum": 0.5} if f is optim.sgd else {}

    def frozen(tree):
        if isinstance(tree, dict):
            return {k: frozen(v) for k, v in tree.items()}
        if isinstance(tree, np.ndarray):
            tree.flags.writeable = False
        return tree

    now, state = f(frozen(params), frozen(one), **options)
    again, _ = f(frozen(now), frozen(two), frozen(state), **options)
    assert all((again[name] != now[name]).all() for name in params)
    same, _ = f(now, two, state, **options)
    assert all((same[name] == again[name]).all() for name in params)


@pytest.mark.referee("seqlib.optim.clip_by_norm", by="torch.nn.utils.clip_grad_norm_")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("max_norm", [0.1, 1.0, 100.0])
def test_clip_by_norm(library, max_norm):
    _, (grads,) = problem(2, 1)
    leaves = [torch.zeros_like(torch.tensor(g)) for g in grads.values()]
    for leaf, g in zip(leaves, grads.values(), strict=True):
        leaf.grad = torch.tensor(g)
    wanted = torch.nn.utils.clip_grad_norm_(leaves, max_norm)
    A = LIBRARIES[library]
    got, norm = optim.clip_by_norm({k: A(g) for k, g in grads.items()}, max_norm)
    assert norm == pytest.approx(wanted.item(), rel=1e-13)
    for leaf, g in zip(leaves, got.values(), strict=True):
        close(g, leaf.grad, 1e-4 if norm > max_norm else 0)  # torch divides by +1e-6
    after = sum(np.sum(to_numpy(g) ** 2) for g in got.values()) ** 0.5
    assert after == pytest.approx(min(norm, max_norm), rel=1e-12)


def test_clip_by_norm_by_hand():
    got, norm = optim.clip_by_norm({"a": np.array([3.0]), "b": np.array([-4.0])}, 1)
    assert norm == 5
    assert (got["a"], got["b"]) == (pytest.approx(0.6), pytest.approx(-0.8))
    zero, norm = optim.clip_by_norm({"a": np.zeros(2)}, 0)
    assert norm == 0
    assert (zero["a"] == 0).all()


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e20, 1e30])
def test_clip_by_norm_of_what_float32_cannot_square(size):
    grads = {"a": np.array([3.0, -4.0], "f4") * size, "b": np.full(2, 6, "f4") * size}
    grads = {name: g.astype("f4") for name, g in grads.items()}
    got, norm = optim.clip_by_norm(grads, size)
    assert norm == pytest.approx(97**0.5 * size, rel=1e-6)
    close(got["a"] / size, np.array([3.0, -4.0]) / 97**0.5, 1e-6)


def test_clip_by_norm_says_what_is_not_finite():
    for bad in (np.inf, np.nan):
        _, norm = optim.clip_by_norm({"a": np.array([1.0, bad]), "b": np.ones(2)}, 1)
        np.testing.assert_equal(norm, bad)


@pytest.mark.referee("seqlib.optim.clip_by_value", by="numpy.clip")
@pytest.mark.parametrize("library", LIBRARIES)
def test_clip_by_value(library):
    g = np.array([-3.0, -0.5, 0.2, 7.0])
    got = optim.clip_by_value({"g": LIBRARIES[library](g)}, 0.5)["g"]
    assert to_numpy(got).tolist() == [-0.5, -0.5, 0.2, 0.5]


W, b = np.ones((2, 3)), np.ones(3)
GOOD = {"W": W, "b": b}
WRONG = [
    (([W], GOOD), TypeError, "params must be a dict of arrays, got list"),
    (({}, {}), ValueError, "params must hold at least one array, got none"),
    ((GOOD, {"W": W}), ValueError, "grads must hold b as params does, which it lacks"),
    ((GOOD, {**GOOD, "c": b}), ValueError, "grads must not hold c, not in params"),
    (
        (GOOD, {"W": W.T, "b": b}),
        ValueError,
        r"grads\['W'\] must have shape \(2, 3\), got \(3, 2\)",
    ),
    (
        (GOOD, {"W": W.astype("f4"), "b": b}),
        ValueError,
        r"grads\['W'\] must hold float64 as params\['W'\] does, got float32",
    ),
    (
        (GOOD, {"c": b}),
        ValueError,
        "grads must hold W, b as params does, which it lacks",
    ),
    (
        (GOOD, {**GOOD, "d": b, 3: b}),
        ValueError,
        "grads must not hold 3, d, not in params",
    ),
    (
        (GOOD, GOOD, {"step": 3, "x": b}),
        TypeError,
        "state must be None or a dict of m, step, v, as the call before returned, "
        "got step, x$",
    ),
    (
        (GOOD, GOOD, [3]),
        TypeError,
        "state must be None or a dict of m, step, v, as the call before returned, "
        "got list$",
    ),
    (
        (GOOD, GOOD, {"step": 0, "m": GOOD, "v": GOOD}),
        ValueError,
        r"state\['step'\] must be at least 1, got 0",
    ),
    (
        (GOOD, GOOD, None, 1, (0.9, 0.9, 0.9)),
        TypeError,
        r"betas must be two numbers, got \(0.9, 0.9, 0.9\)",
    ),
    (
        (GOOD, GOOD, {"step": 3, "m": GOOD, "v": {"W": W}}),
        ValueError,
        r"state\['v'\] must hold b as params does, which it lacks",
    ),
    ((GOOD, GOOD, None, -1), ValueError, "lr must be at least 0, got -1"),
    ((GOOD, GOOD, None, 1, 0.9), TypeError, "betas must be two numbers, got 0.9"),
    (
        (GOOD, GOOD, None, 1, (0.9, 1)),
        ValueError,
        r"betas\[1\] must be at least 0 and below 1, got 1",
    ),
]


@pytest.mark.parametrize("f", [optim.adam, optim.adamw])
@pytest.mark.parametrize("case", WRONG, ids=[w[2][:30] for w in WRONG])
def test_kind_errors(f, case):
    arguments, error, sentence = case
    with pytest.raises(error, match=sentence):
        f(*arguments)


def test_kind_errors_of_sgd():
    with pytest.raises(
        ValueError, match="nesterov must be False where momentum is 0, got True"
    ):
        optim.sgd(GOOD, GOOD, nesterov=True)
    with pytest.raises(TypeError, match="state must be None or a dict of step, v"):
        optim.sgd(GOOD, GOOD, {"step": 1}, momentum=0.9)


ALL = (optim.sgd, optim.adam, optim.adamw)


@pytest.mark.parametrize(
    ("f", "arguments", "name"),
    [
        *((f, (GOOD, GOOD), "lr") for f in ALL),
        *((f, (GOOD, GOOD), "weight_decay") for f in ALL),
        (optim.sgd, (GOOD, GOOD), "momentum"),
        (optim.adam, (GOOD, GOOD), "eps"),
        (optim.adamw, (GOOD, GOOD), "eps"),
        (optim.clip_by_norm, (GOOD,), "max_norm"),
        (optim.clip_by_value, (GOOD,), "limit"),
    ],
)
def test_a_number_out_of_range_is_named(f, arguments, name):
    with pytest.raises(ValueError, match=f"^{name} must be at least 0, got -0.5$"):
        f(*arguments, **{name: -0.5})


@pytest.mark.parametrize("f", ALL)
def test_a_number_of_numpys_does_not_change_the_float_type(f):
    params = {name: a.astype("f4") for name, a in GOOD.items()}
    third = np.float64(0.3)
    moved, state = f(params, params, lr=third, weight_decay=third)
    moved, _ = f(moved, params, state, lr=third, weight_decay=third)
    clipped = optim.clip_by_norm(params, third)[0], optim.clip_by_value(params, third)
    for arrays in (moved, *clipped):
        assert {a.dtype for a in arrays.values()} == {np.dtype("f4")}
