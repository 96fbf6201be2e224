"""The references of chapter 8's exercises, against torch and the package."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from seqlib.grading import CheckError, check
from seqlib.grading.exercises.lstm import (
    backward,
    counter,
    memory,
    over_time,
    step,
    through_time,
)

SOURCE = Path(__file__).parents[1] / "exercises" / "08-lstm.ipynb"


def close(ours, theirs, tolerance=1e-10):
    for mine, other in zip(ours, theirs, strict=True):
        other = other.detach().numpy() if torch.is_tensor(other) else other
        np.testing.assert_allclose(mine, other, rtol=tolerance, atol=1e-14)


def network(D, H, module=torch.nn.LSTM, **options):
    """Return torch's LSTM in float64, and W_ih, W_hh and the sum of its biases."""
    torch.manual_seed(8)
    made = module(D, H, **options).double()
    W, U, b, b_2 = (w.detach().numpy() for w in made.parameters())
    return made, (W, U, b + b_2)


def test_steps_against_torch():
    rng = np.random.default_rng(0)
    x, h, c = (rng.normal(size=(3, n)) for n in (2, 4, 4))
    cell, weights = network(2, 4, torch.nn.LSTMCell)
    right = cell(torch.tensor(x), (torch.tensor(h), torch.tensor(c)))
    close(step.lstm_step(x, h, c, *weights), right)


def test_peepholes_against_torch_with_shifted_biases():
    """A peephole adds p * c to a sum, as a bias of that sequence's own would."""
    rng = np.random.default_rng(1)
    x, h, c, p = (rng.normal(size=s) for s in ((1, 2), (1, 4), (1, 4), (3, 4)))
    cell, weights = network(2, 4, torch.nn.LSTMCell)
    cell.requires_grad_(False)
    state = torch.tensor(h), torch.tensor(c)
    cell.bias_ih[:4] += torch.tensor(p[0] * c[0])
    cell.bias_ih[4:8] += torch.tensor(p[1] * c[0])
    _, new = cell(torch.tensor(x), state)
    cell.bias_ih[12:] += torch.tensor(p[2]) * new[0]
    close(step.peephole_step(x, h, c, *weights, p), cell(torch.tensor(x), state))


def test_the_loop_and_its_way_back_against_torch():
    rng = np.random.default_rng(2)
    B, T, D, H = 3, 5, 2, 4
    made, weights = network(D, H, batch_first=True)
    x, dy = rng.normal(size=(B, T, D)), rng.normal(size=(B, T, H))
    h0, c0 = rng.normal(size=(2, B, H))
    start = [torch.tensor(s[None], requires_grad=True) for s in (h0, c0)]
    inputs = torch.tensor(x, requires_grad=True)
    y, (_, last) = made(inputs, tuple(start))
    close(over_time.lstm_over_time(x, h0, c0, *weights), (y, last[0]))

    y.backward(torch.tensor(dy))
    kept, h, c = [], h0, c0
    for t in range(T):  # the gates, which torch does not show
        z = x[:, t] @ weights[0].T + h @ weights[1].T + weights[2]
        i, f, g, o = np.split(z, 4, axis=1)
        kept.append([step.σ(i), step.σ(f), np.tanh(g), step.σ(o), c])
        h, c = step.lstm_step(x[:, t], h, c, *weights)
    *gates, before = (np.stack(k, axis=1) for k in zip(*kept, strict=True))
    cs = np.concatenate([before, c[:, None]], axis=1)
    dz, dh0, dc0 = through_time.lstm_backward(dy, *gates, cs, weights[1])
    close((dh0, dc0), [s.grad[0] for s in start])
    close((dz @ weights[0],), (inputs.grad,))
    hs = np.concatenate([h0[:, None], y.detach().numpy()[:, :-1]], axis=1)
    rows = dz.reshape(-1, 4 * H)
    found = rows.T @ x.reshape(-1, D), rows.T @ hs.reshape(-1, H), rows.sum(axis=0)
    close(found, [w.grad for w in list(made.parameters())[:3]])

    one = [k[:, -1] for k in gates]
    dz_one, dc_one = backward.lstm_step_backward(
        dy[:, -1], 0 * c0, *one, cs[:, -2], cs[:, -1]
    )
    close((dz_one,), (dz[:, -1],))
    assert dc_one.shape == (B, H)


def test_half_lives_and_shares_by_running():
    life = np.array([0.5, 1.0, 7.0, 300.0])
    gate = step.σ(memory.forget_bias(life))
    np.testing.assert_allclose(gate**life, 0.5, rtol=1e-9)

    rng = np.random.default_rng(3)
    c0, (f, i, g) = rng.normal(size=2), rng.uniform(0.2, 0.9, (3, 5, 2))
    shares = memory.contributions(c0, f, i, g)

    def last(c, g):
        for t in range(5):
            c = f[t] * c + i[t] * g[t]
        return c

    np.testing.assert_allclose(shares.sum(axis=0), last(c0, g))
    np.testing.assert_allclose(shares[0], last(c0, 0 * g))
    for t in range(5):
        alone = np.where(np.arange(5)[:, None] == t, g, 0)
        np.testing.assert_allclose(shares[t + 1], last(0 * c0, alone))


def test_the_counter_in_torch():
    W = counter.counter(0, 1, 2, 5)
    made = torch.nn.LSTM(5, 1).double().requires_grad_(False)
    for weight in made.parameters():
        weight.zero_()
    made.weight_ih_l0[:3] = torch.tensor(W[:, :5])
    made.bias_ih_l0[:3] = torch.tensor(W[:, 5])
    text = [0, 0, 3, 1, 0, *[4] * 100, 2, 1, 1]
    counts = [1, 2, 2, 1, 2, *[2] * 100, 0, -1, -2]
    state, memories = None, []
    for word in text:
        _, state = made(torch.eye(5).double()[word][None], state)
        memories.append(state[1].item())
    np.testing.assert_allclose(memories, counts, atol=1e-4)


def test_the_broken_loop_is_in_the_bank():
    cells = nbformat.read(SOURCE, as_version=4).cells
    sources = [c.source for c in cells if c.source.startswith(("def sig", "def brok"))]
    space: dict = {}
    exec("import numpy as np\n" + "\n".join(sources), space)
    with pytest.raises(CheckError, match="Hint: All three faults are still there"):
        check("8-4", space["broken"])
