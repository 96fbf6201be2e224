"""Chapter 2's references against torch, matplotlib and the networks of seqlib."""

from itertools import product
from pathlib import Path as File

import nbformat
import numpy as np
import pytest
import torch
from matplotlib.path import Path

from seqlib.boolean import at_least, parity, polygon
from seqlib.grading import CheckError, check
from seqlib.grading.exercises.mlps import backward, cost, logic, shapes
from seqlib.mlp import mlp

NOTEBOOK = File(__file__).parents[1] / "exercises" / "02-perceptrons-and-mlps.ipynb"


def rows(n):
    return np.array(list(product((0.0, 1.0), repeat=n)))


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-15)


def test_units_against_counting():
    x = np.random.default_rng(0).integers(-3, 4, (50, 4))
    w, T = np.array([2, -1, 3, -2]), 1
    wanted = [sum(int(a) * int(b) for a, b in zip(r, w, strict=True)) >= T for r in x]
    assert logic.fire(x, w, T).tolist() == wanted
    for signs in product((-1, 0, 1), repeat=3):
        for k in range(5 - signs.count(0)):
            unit = logic.vote(np.array(signs), k)
            wired = mlp(rows(3), at_least(k, signs), "threshold")[0][:, 0]
            np.testing.assert_array_equal(rows(3) @ unit[:-1] + unit[-1] >= 0, wired)


def test_exactly_k_by_enumeration():
    for n in range(2, 7):
        for k in range(n + 1):
            W, b, v, c = logic.exactly(k, n)
            layers = [(W, b), (v[None], np.array([c]))]
            fires = mlp(rows(n), layers, "threshold")[0][:, 0]
            assert fires.tolist() == [sum(bits) == k for bits in rows(n)]


@pytest.mark.parametrize("kind", ["and_or", "threshold", "deep"])
def test_the_cost_of_parity_in_the_networks(kind):
    for n in (2, 4, 8) if kind == "deep" else range(2, 11):
        layers = parity(n, kind)
        units = sum(len(b) for _, b in layers)
        wires = sum(np.count_nonzero(W) for W, _ in layers)
        assert cost.parity_cost(n, kind) == (units, wires)


def test_polygons_against_matplotlib_and_stars_against_seqlib():
    rng = np.random.default_rng(1)
    angles = 2 * np.pi * (np.arange(7) + 0.5 * rng.random(7)) / 7
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) + 0.7
    x = rng.uniform(-1, 2.5, (2000, 2))
    inside = Path(corners).contains_points(x)
    np.testing.assert_array_equal(shapes.fires_inside(x, corners, 7), inside)
    for needed in (3, 5, 6):
        star = mlp(x, polygon(corners, needed), "threshold")[0][:, 0]
        np.testing.assert_array_equal(shapes.fires_inside(x, corners, needed), star)


def test_a_broken_line_against_interpolation():
    rng = np.random.default_rng(2)
    knots, heights = np.cumsum(rng.uniform(0.1, 1, 8)), rng.normal(size=8)
    x = np.linspace(knots[0], knots[-1], 101)
    v = shapes.broken_line(knots, heights)
    line = heights[0] + np.maximum(x[:, None] - knots[:-1], 0) @ v
    np.testing.assert_allclose(line, np.interp(x, knots, heights), atol=1e-12)


def test_the_backward_passes_against_torch():
    rng = np.random.default_rng(3)
    x, W1, b1, dy = (rng.normal(size=s) for s in ((5, 3), (4, 3), (4,), (5, 4)))
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, W1, b1)]
    y = torch.sigmoid(torch.nn.functional.linear(*tensors))
    wanted = torch.autograd.grad(y, tensors, torch.tensor(dy))
    ours = backward.layer_backward(dy, y.detach().numpy(), x, W1)
    for mine, theirs in zip(ours, wanted, strict=True):
        close(mine, theirs)

    W2, b2, t = rng.normal(size=(1, 4)), rng.normal(size=1), rng.integers(0, 2, (5, 1))
    head = [torch.tensor(a, requires_grad=True) for a in (W2, b2)]
    h = torch.tanh(torch.nn.functional.linear(*tensors))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.nn.functional.linear(h, *head), torch.tensor(t).double()
    )
    wanted = torch.autograd.grad(loss, [tensors[1], head[0], tensors[0]])
    ours = backward.two_layers_back(x, t, W1, b1, W2, b2)
    for mine, theirs in zip(ours, wanted, strict=True):
        close(mine, theirs)


def test_the_broken_function_is_in_the_bank():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (source,) = [c.source for c in cells if c.source.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: Both faults are still there"):
        check("2-8", space["broken"])
