"""The references of chapter 7's exercises, held against torch and against machines."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seqlib.data import balanced
from seqlib.grading import CheckError, check
from seqlib.grading.exercises.training import (
    characters,
    first,
    losses,
    machine,
    scores,
    step,
    updates,
)

SOURCE = Path(__file__).parents[1] / "exercises" / "07-training-rnns.ipynb"


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_the_loss_and_its_gradient(rng):
    logits, y = 3 * rng.normal(size=(4, 6, 5)), rng.integers(0, 5, (4, 6))
    mask = rng.random((4, 6)) < 0.6
    live = torch.tensor(logits, requires_grad=True)
    counted = torch.tensor(np.where(mask, y, -100)).flatten()
    loss = F.cross_entropy(live.flatten(0, 1), counted)
    loss.backward()
    assert losses.masked_loss(logits, y, mask) == pytest.approx(loss.item(), rel=1e-12)
    ours = losses.loss_back(logits, y, mask)
    np.testing.assert_allclose(ours, live.grad, rtol=1e-10, atol=1e-15)


def test_one_update_of_everything(rng):
    T, D, H, O = 7, 3, 4, 5
    net, head = nn.RNN(D, H).double(), nn.Linear(H, O).double()
    with torch.no_grad():
        net.bias_hh_l0.zero_()
    weights = {
        "W_ih": net.weight_ih_l0,
        "W_hh": net.weight_hh_l0,
        "b": net.bias_ih_l0,
        "W_hy": head.weight,
        "b_y": head.bias,
    }
    x, y, h_0 = rng.normal(size=(T, D)), rng.integers(0, O, T), rng.normal(size=H)
    out, _ = net(torch.tensor(x), torch.tensor(h_0)[None])
    loss = F.cross_entropy(head(out), torch.tensor(y))
    p = {name: w.detach().numpy().copy() for name, w in weights.items()}
    h = np.concatenate([h_0[None], out.detach().numpy()])
    ours, new = step.update(x, h, y, p, 0.3)
    assert ours == pytest.approx(loss.item(), rel=1e-12)
    optimiser = torch.optim.SGD(list(weights.values()), lr=0.3)
    loss.backward()
    optimiser.step()
    for name, w in weights.items():
        np.testing.assert_allclose(new[name], w.detach(), rtol=1e-10, atol=1e-15)


def test_adam(rng):
    theta = rng.normal(size=(3, 4))
    live = torch.tensor(theta, requires_grad=True)
    optimiser = torch.optim.Adam([live], lr=0.02)
    m = s = np.zeros((3, 4))
    for t in range(1, 11):
        g = rng.normal(size=(3, 4))
        live.grad = torch.tensor(g)
        optimiser.step()
        theta, m, s = updates.adam_step(theta, g, m, s, t, 0.02)
        np.testing.assert_allclose(theta, live.detach(), rtol=1e-8)


@pytest.mark.parametrize("w", [0, 1, 8])
def test_the_schedule(w):
    S, found = 30, []
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    kinds = torch.optim.lr_scheduler
    fall = kinds.CosineAnnealingLR(optimiser, T_max=S - w)
    if w > 1:
        rise = kinds.LinearLR(optimiser, 1 / w, total_iters=w - 1)
        fall = kinds.SequentialLR(optimiser, [rise, fall], milestones=[w])
    for _ in range(S - (w == 1)):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        fall.step()
    ours = [updates.rate_factor(s, S, w) for s in range(w == 1, S)]
    np.testing.assert_allclose(ours, found, rtol=1e-9, atol=1e-12)


def test_the_first_bound(rng):
    h = rng.normal(size=12)
    a = first.first_bound(h, 0.8)
    assert (rng.uniform(-a, a, (200_000, 12)) @ h).var() == pytest.approx(0.8, rel=0.02)


def test_the_report(rng):
    metrics = pytest.importorskip("sklearn.metrics")
    y, guess = rng.integers(0, 5, (2, 6, 9))
    guess = np.where(rng.random((6, 9)) < 0.5, y, guess)
    mask = rng.random((6, 9)) < 0.7
    R, P, F1 = scores.report(guess, y, mask, 7)  # two classes never occur
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        y[mask], guess[mask], labels=range(7), zero_division=0
    )
    for ours, theirs in ((R, recall), (P, precision), (F1, f1)):
        np.testing.assert_allclose(ours, theirs)


def test_stopping_by_hand():
    losses_ = np.array([2.0, 1.0, 1.5, 1.2, 1.1, 0.5])
    assert scores.early_stop(losses_, 3) == (1, 4)
    assert scores.early_stop(losses_, 4) == (5, 5)
    assert scores.early_stop(losses_[:3], 3) == (1, 2)


def test_pairs_by_hand(rng):
    text, unseen = rng.integers(0, 4, 50), rng.integers(0, 4, 30)
    bits = 0.0
    for a, b in pairwise(unseen.tolist()):
        followed = [d for c, d in pairwise(text.tolist()) if c == a]
        bits -= np.log2((followed.count(b) + 0.5) / (len(followed) + 0.5 * 4))
    assert characters.pair_bits(text, unseen, 4, 0.5) == pytest.approx(bits / 29)


def test_every_machine_is_caught(rng):
    for _ in range(200):
        k = int(rng.integers(1, 30))
        table = rng.integers(0, k, (k, 2))
        i, j = machine.catch(table)

        def end(opening, closing, table=table):
            state = 0
            for bracket in [0] * opening + [1] * closing:
                state = table[state, bracket]
            return state

        assert end(i, i) == end(j, i)
        assert len({end(n, 0) for n in range(j)}) == j  # it is the first repeat
        assert balanced("(" * i + ")" * i)
        assert not balanced("(" * j + ")" * i)


def test_the_function_to_mend_has_both_faults():
    cells = json.loads(SOURCE.read_text("utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    (source,) = [text for text in texts if text.startswith("def broken(")]
    space: dict = {}
    exec("import numpy as np\n" + source, space)
    with pytest.raises(CheckError, match="Hint: Both faults are still there"):
        check("7-8", space["broken"])
