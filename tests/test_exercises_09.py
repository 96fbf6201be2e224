"""Chapter 9's references against torch, which has only one of the two forms."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from seqlib.grading import CheckError, check
from seqlib.grading.exercises.gru import backward, budget, memory, step, translate

rng = np.random.default_rng(9)
B, T, D, H = 3, 6, 2, 4
NAMES = "weight_ih", "weight_hh", "bias_ih", "bias_hh"


def close(ours, torchs):
    np.testing.assert_allclose(ours, torchs.detach().numpy(), rtol=1e-10, atol=1e-14)


def cell():
    torch.manual_seed(9)
    return torch.nn.GRUCell(D, H).double()


def arrays(module):
    return [module.state_dict()[name].numpy() for name in NAMES]


def test_the_step_and_its_way_back():
    module = cell()
    W_ih, W_hh, b_ih, b_hh = weights = arrays(module)
    x, h, dh = rng.normal(size=(B, D)), rng.normal(size=(B, H)), rng.normal(size=(B, H))
    old = torch.tensor(h, requires_grad=True)
    right = module(torch.tensor(x), old)
    close(step.gru_step(x, h, *weights), right)

    a, g = (np.split(v, 3, axis=1) for v in (x @ W_ih.T + b_ih, h @ W_hh.T + b_hh))
    r, z = step.sigmoid(a[0] + g[0]), step.sigmoid(a[1] + g[1])
    n = np.tanh(a[2] + r * g[2])
    da, dh_prev = backward.back_after(dh, h, r, z, n, g[2], W_hh)
    (torch.tensor(dh) * right).sum().backward()
    close(dh_prev, old.grad)
    close(da.sum(axis=0), module.bias_ih.grad)
    close(da.T @ x, module.weight_ih.grad)


def run_before(x, h, W_ih, W_hh, b):
    """The other form, written for torch in its own way."""
    states = []
    for x_t in x:
        a = torch.nn.functional.linear(x_t, W_ih, b)
        gates = torch.sigmoid(a[: 2 * H] + W_hh[: 2 * H] @ h)
        n = torch.tanh(a[2 * H :] + W_hh[2 * H :] @ (gates[:H] * h))
        h = torch.lerp(n, h, gates[H:])
        states.append(h)
    return torch.stack(states)


def test_reset_before_and_its_way_back():
    W_ih, W_hh, b, _ = arrays(cell())
    W_ih, W_hh, b = 2 * W_ih, 3 * W_hh, rng.normal(size=3 * H)
    x, h0, dh = rng.normal(size=(T, D)), rng.normal(size=H), rng.normal(size=H)
    tensors = [torch.tensor(v) for v in (x, h0, W_ih, W_hh, b)]
    for leaf in (tensors[1], tensors[4]):
        leaf.requires_grad_()
    close(step.run_before(x, h0, W_ih, W_hh, b), run_before(*tensors))

    first = run_before(tensors[0][:1], *tensors[1:])[0]
    a, g = np.split(W_ih @ x[0] + b, 3), np.split(W_hh @ h0, 3)
    r, z = step.sigmoid(a[0] + g[0]), step.sigmoid(a[1] + g[1])
    n = np.tanh(a[2] + W_hh[2 * H :] @ (r * h0))
    batch = [v[None] for v in (dh, h0, r, z, n)]
    da, dh_prev = backward.back_before(*batch, W_hh)
    (torch.tensor(dh) * first).sum().backward()
    close(dh_prev[0], tensors[1].grad)
    close(da[0], tensors[4].grad)


def test_translated_weights_give_the_same_states():
    kernel, recurrent = rng.normal(size=(D, 3 * H)), rng.normal(size=(H, 3 * H))
    b_in, b_rec = rng.normal(size=3 * H), rng.normal(size=3 * H)
    x, h = rng.normal(size=(B, D)), rng.normal(size=(B, H))
    z, r, n = np.split(x @ kernel + b_in, 3, axis=1)
    g_z, g_r, g_n = np.split(h @ recurrent + b_rec, 3, axis=1)
    take = step.sigmoid(z + g_z)
    theirs = (1 - take) * h + take * np.tanh(n + step.sigmoid(r + g_r) * g_n)
    module = cell().requires_grad_(False)
    for name, value in zip(
        NAMES, translate.to_torch(kernel, recurrent, b_in, b_rec), strict=True
    ):
        getattr(module, name)[:] = torch.tensor(value)
    close(theirs, module(torch.tensor(x), torch.tensor(h)))


def test_shares_and_biases():
    z, n, h0 = rng.uniform(size=(T, H)), rng.normal(size=(T, H)), rng.normal(size=H)
    h = h0
    for z_t, n_t in zip(z, n, strict=True):
        h = (1 - z_t) * n_t + z_t * h
    shares = memory.shares(z)
    np.testing.assert_allclose((shares * np.vstack([h0, n])).sum(axis=0), h)
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    kept = torch.sigmoid(torch.tensor(memory.keep_bias(0.3, 40))) ** 40
    assert abs(float(kept) - 0.3) < 1e-6


def test_units_against_torch():
    kinds = {1: torch.nn.RNN, 3: torch.nn.GRU, 4: torch.nn.LSTM}
    for blocks, kind in kinds.items():
        for size in (1, 7):
            number = sum(w.numel() for w in kind(D, size).parameters())
            assert budget.units_for(number, D, blocks) == size
            assert budget.units_for(number - 1, D, blocks) == size - 1


def test_the_broken_program_has_both_of_its_faults():
    path = Path(__file__).parents[1] / "exercises" / "09-gru.ipynb"
    cells = [c.source for c in nbformat.read(path, as_version=4).cells]
    (source,) = [text for text in cells if text.startswith("def broken(")]
    space = {"np": np, "sigmoid": step.sigmoid}
    exec(source, space)
    with pytest.raises(CheckError, match="Hint: Both faults are still there"):
        check("9-5", space["broken"])
