"""Chapter 4's references against torch, scipy and the library; its broken function."""

from pathlib import Path

import nbformat
import numpy as np
import pytest

from seqlib.grading import CheckError, check
from seqlib.grading.exercises.responses import (
    back,
    forecast,
    impulse,
    loop,
    memory,
    state,
    windows,
)

NOTEBOOK = (
    Path(__file__).parents[1] / "exercises" / "04-finite-and-infinite-response.ipynb"
)


def close(ours, right, rtol=1e-10):
    np.testing.assert_allclose(ours, right, rtol=rtol, atol=1e-13)


def test_the_window_against_torch():
    import torch

    rng = np.random.default_rng(0)
    x, past, w = rng.normal(size=(3, 9)), rng.normal(size=(3, 4)), rng.normal(size=5)
    long = torch.tensor(np.hstack([past, x]))[:, None]
    right = torch.nn.functional.conv1d(long, torch.tensor(w[::-1].copy())[None, None])
    close(windows.slide(x, w, past), right[:, 0].numpy())


@pytest.mark.parametrize(
    ("kernels", "channels"), [([4], [2, 3]), ([3, 5, 2], [1, 4, 4, 1])]
)
def test_reach_and_size_against_torch(kernels, channels):
    import torch

    layers = [
        torch.nn.Conv1d(C, O, K)
        for K, C, O in zip(kernels, channels[:-1], channels[1:], strict=True)
    ]
    net = torch.nn.Sequential(*layers)
    x = torch.randn(1, channels[0], 40, requires_grad=True)
    net(x)[0, 0, -1].backward()
    reached = x.grad[0].abs().sum(dim=0).count_nonzero().item()
    size = sum(p.numel() for p in net.parameters())
    assert windows.reach_and_size(kernels, channels) == (reached - 1, size)


@pytest.mark.parametrize(("K", "L"), [(0, 1), (2, 3), (3, 0), (4, 2)])
def test_the_response_against_scipy(K, L):
    from scipy.signal import lfilter

    rng = np.random.default_rng(K + 7 * L)
    b, a = rng.normal(size=K + 1), rng.normal(size=L) / 2
    right = lfilter(b, np.hstack([1, -a]), np.eye(1, 20)[0])
    close(impulse.respond(b, a, 20), right)
    if L:
        A, B, C = state.as_state_space(b, a)
        assert A.shape == (L + K, L + K)
        power = np.linalg.matrix_power
        close([(C @ power(A, n) @ B).item() for n in range(20)], right)


def test_the_state_holds_what_it_is_said_to_hold():
    rng = np.random.default_rng(3)
    b, a, x = rng.normal(size=3), np.array([0.5, -0.2, 0.1]), rng.normal(size=12)
    A, B, C = state.as_state_space(b, a)
    h, ys = np.zeros(5), []
    for t in range(12):
        h = A @ h + B[:, 0] * x[t]
        ys.append((C @ h).item())
        if t >= 2:
            close(h, [ys[t], ys[t - 1], ys[t - 2], x[t], x[t - 1]])


def test_memory_against_the_response():
    """A single pole: count on the response itself."""
    for pole in (0.5, -0.8, 0.97):
        r = np.abs(impulse.respond(np.array([1.0]), np.array([pole]), 400))
        assert memory.memory(np.array([pole]), 0.013) == np.argmax(r <= 0.013)
    assert memory.memory(np.array([0.2, 1.1]), 0.5) == -1
    a = -np.poly([0.9, 0.5, -0.3])[1:]
    r = impulse.respond(np.array([1.0]), a, 300)
    close(r[200] / r[199], 0.9, 1e-9)  # in the end the largest pole is left
    n = memory.memory(a, 0.01)
    assert 0.9**n <= 0.01 < 0.9 ** (n - 1)


@pytest.mark.parametrize(("K", "L"), [(0, 1), (2, 3), (2, 0)])
def test_the_loop_against_seqlib(K, L):
    from seqlib.mlp import init_params
    from seqlib.narx import narx

    rng = np.random.default_rng(K + L)
    D, O, T = 2, 3, 8
    (W, b), (V, _) = init_params([(K + 1) * D + L * O, 5, O], rng)
    x, xp, yp = (rng.normal(size=s) for s in ((T, D), (K, D), (L, O)))
    names = ["tanh", "linear"]
    past = xp[None] if K else None, yp[None] if L else None
    right, _ = narx(x[None], [(W, b), (V, None)], K, L, names, *past)
    close(loop.hear_itself(x, xp, yp, W, b, V), right[0])


@pytest.mark.parametrize("L", [1, 3, 9])
def test_the_way_back_against_autograd(L):
    import torch

    rng = np.random.default_rng(L)
    T, b, a = 7, 0.8, rng.uniform(-0.8, 0.8, L)
    x, dy = rng.normal(size=T), rng.normal(size=T)
    leaves = [torch.tensor(v, requires_grad=True) for v in (x, np.array(b), a)]
    ys = [torch.zeros(()).double()] * L
    for t in range(T):
        heard = sum(leaves[2][i] * ys[-1 - i] for i in range(L))
        ys.append(torch.tanh(leaves[1] * leaves[0][t] + heard))
    y = torch.stack(ys[L:])
    y.backward(torch.tensor(dy))
    ours = back.back_through_outputs(dy, x, y.detach().numpy(), b, a)
    for mine, leaf in zip(ours, leaves, strict=True):
        close(mine, leaf.grad.numpy())


def test_the_forecast_knows_nothing_of_later_days():
    """Change the price of one day: forecasts up to that day stay what they were."""
    rng = np.random.default_rng(5)
    price = 50 * np.exp(np.cumsum(0.1 * rng.normal(size=60)))
    guess, R = forecast.forecast(price, 3, 40)
    other = price.copy()
    other[50] *= 1.5
    changed, _ = forecast.forecast(other, 3, 40)
    close(changed[:11], guess[:11])  # days 40 to 50
    assert not np.isclose(changed[11], guess[11])

    step = np.diff(np.log(price))
    lagged = np.stack([step[3 - n : len(step) - n] for n in (1, 2, 3)]).mean(axis=0)
    slope = np.linalg.lstsq(lagged[:36, None], step[3:39], rcond=None)[0]
    close(guess, slope * lagged[36:])
    close(R, np.linalg.norm(step[39:] - guess) / np.linalg.norm(step[39:]))


def test_the_broken_forecast_is_in_the_bank():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (source,) = [c.source for c in cells if c.source.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: Both faults are still there"):
        check("4-8", space["broken"])
