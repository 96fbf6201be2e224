"""Chapter 10's references against torch: convolutions, modules and autograd."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from seqlib.grading.exercises.video import backward, count, frames, maps, reach
from seqlib.nn import ConvLSTM


def same(array, tensor, within=1e-12):
    np.testing.assert_allclose(array, tensor.detach().numpy(), atol=within)


def test_the_step_against_torchs_convolution():
    rng = np.random.default_rng(0)
    for C, F, K, J in ((1, 2, 3, 3), (3, 1, 5, 3), (2, 3, 1, 5)):
        x, (h, c) = rng.normal(size=(C, 4, 6)), rng.normal(size=(2, F, 4, 6))
        W, U = rng.normal(size=(4 * F, C, K, K)), rng.normal(size=(4 * F, F, J, J))
        b = rng.normal(size=4 * F)
        args = x, h, c, W, U, b
        tx, th, tc, tW, tU, tb = map(torch.tensor, args)
        z = conv2d(tx, tW, tb, padding="same") + conv2d(th, tU, padding="same")
        cell = torch.nn.LSTMCell(4 * F, F, bias=False).double()
        given = {"weight_ih": torch.eye(4 * F), "weight_hh": torch.zeros(4 * F, F)}
        cell.load_state_dict(given)
        rows = [a.flatten(1).T for a in (z, th, tc)]
        for ours, torchs in zip(
            maps.convlstm_step(*args), cell(rows[0], (rows[1], rows[2])), strict=True
        ):
            same(ours.reshape(F, -1).T, torchs)


@pytest.mark.parametrize("K", [1, 3, 5])
def test_both_ways_back_against_autograd(K):
    rng = np.random.default_rng(K)
    T, F, H, W = 3, 2, 4, 5
    U = torch.tensor(rng.normal(size=(4 * F, F, K, K)), requires_grad=True)
    h = torch.tensor(rng.normal(size=(T + 1, F, H, W)), requires_grad=True)
    deltas = rng.normal(size=(T, 4 * F, H, W))
    loss = (conv2d(h[:-1], U, padding="same") * torch.tensor(deltas)).sum()
    dh, dU = torch.autograd.grad(loss, [h, U])
    weight, states = U.detach().numpy(), h.detach().numpy()
    same(backward.weight_back(deltas, states, K), dU)
    for delta, wanted in zip(deltas, dh, strict=False):
        same(backward.state_back(delta, weight), wanted)


def test_the_count_against_modules():
    for C, F, K, H, W in ((1, 2, 3, 4, 3), (2, 1, 5, 2, 3), (3, 2, 1, 1, 1)):
        modules = ConvLSTM(C, F, K), torch.nn.LSTM(C * H * W, F * H * W)
        counted = [sum(p.numel() for p in m.parameters()) for m in modules]
        here, there, products = count.count(C, F, K, H, W)
        assert [here, there] == counted
        kernels = [p for p in modules[0].parameters() if p.ndim == 4]
        assert products == sum(p.numel() for p in kernels) * H * W


def test_a_mover_moves_in_torch():
    film = torch.arange(1.0, 82.0).reshape(1, 9, 9)
    for right, down, K in ((1, 0, 3), (-2, 1, 5), (0, 0, 1), (3, -3, 7)):
        kernel = torch.tensor(maps.mover(right, down, K), dtype=torch.float32)
        moved = conv2d(film, kernel[None, None], padding="same")
        wanted = torch.roll(film, (down, right), (1, 2))
        inside = slice(3, 6)
        assert torch.equal(moved[:, inside, inside], wanted[:, inside, inside])
    assert maps.mover(2, 0, 3) is None


@pytest.mark.parametrize(
    "kernels", [[(3, 3)], [(3, 1)], [(3, 5), (5, 3)], [(5, 3), (1, 5), (3, 3)]]
)
def test_the_reach_against_autograd(kernels):
    rng, T, S = np.random.default_rng(1), 4, 41
    x = torch.tensor(rng.uniform(size=(T, 1, S, S)), requires_grad=True)
    weights = [
        [torch.tensor(rng.normal(size=(4, 1, K, K)) / K) for K in pair]
        for pair in kernels
    ]
    state = [(torch.zeros(1, S, S).double(),) * 2 for _ in kernels]
    for frame in x:
        below = frame
        for layer, (W, U) in enumerate(weights):
            h, c = state[layer]
            z = conv2d(below, W, padding="same") + conv2d(h, U, padding="same")
            i, f, g, o = z.chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            state[layer] = o.sigmoid() * c.tanh(), c
            below = state[layer][0]
    (gradient,) = torch.autograd.grad(below[0, S // 2, S // 2], x)
    for k, frame in enumerate(gradient.flip(0)):
        rows = frame[0].any(dim=1).nonzero()
        assert reach.reach(kernels, k) == (rows.max() - rows.min()).item() / 2


def test_the_baselines_on_a_square_that_moves():
    film = np.zeros((1, 4, 8, 8))
    for t in range(4):
        film[0, t, 2:5, t : t + 3] = 1
    copy, line = frames.baseline_errors(film)
    assert (64 * copy.item(), 64 * line.item()) == (6, 12)  # pencil: equation (10.2)


def test_a_clip_is_summed_up_as_if_it_were_alone():
    e = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))
    for length, row in zip((2, 6, 4), e, strict=True):
        mask = np.arange(6)[None] < length
        bag, last = frames.sum_up(row[None].numpy(), mask)
        same(bag[0], row[:length].mean(0), 1e-6)
        same(last[0], row[length - 1])
