"""Chapter 12's references against torch's modules and its autograd."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from seqlib.grading import CheckError, check
from seqlib.grading.exercises.translation import (
    backward,
    decoders,
    lengths,
    mend,
    projected,
    starts,
    words,
)

rng = np.random.default_rng(12)
E, H, K, M = 3, 4, 6, 5


def close(ours, torchs):
    np.testing.assert_allclose(ours, torchs.detach().numpy(), rtol=1e-10, atol=1e-12)


def network(inputs=E):
    """Return torch's decoder, and its arrays: W_ih, W_hh and the sum of the biases."""
    torch.manual_seed(12)
    net = torch.nn.RNN(inputs, H, batch_first=True).double()
    W_ih, W_hh, *b = (w.detach().numpy() for w in net.parameters())
    return net, W_ih, W_hh, b[0] + b[1]


def output():
    return rng.normal(size=(K, H)), rng.normal(size=K)


def test_an_answers_probability_against_cross_entropy():
    logits, y = rng.normal(size=(7, K)), np.array([3, 2, 5, 1, 0, 0, 0])
    P = torch.softmax(torch.tensor(logits), dim=1).numpy()
    loss = torch.nn.functional.cross_entropy(
        torch.tensor(logits), torch.tensor(y), ignore_index=0, reduction="sum"
    )
    assert words.answer_log_prob(P, y, 1) == pytest.approx(-loss.item(), rel=1e-12)


def test_the_teachers_pairs_by_hand():
    fed, wanted = words.teacher_pairs([[5, 6], [], [7]], 1, 2, 0)
    assert fed.tolist() == [[1, 5, 6], [1, 0, 0], [1, 7, 0]]
    assert wanted.tolist() == [[5, 6, 2], [2, 0, 0], [7, 2, 0]]


def test_option_1_and_its_projected_start():
    net, W_ih, W_hh, b = network()
    (V, c), e, y = output(), rng.normal(size=(K, E)), np.array([0, 3, 5, 2])
    h_S, W_0 = torch.tensor(np.tanh(rng.normal(size=M))), rng.normal(size=(H, M))
    h_S.requires_grad_()
    weight = torch.tensor(W_0, requires_grad=True)
    s_0 = torch.tanh(weight @ h_S)
    states, _ = net(torch.tensor(e[y])[None], s_0[None, None])
    logits = states[0] @ torch.tensor(V).T + torch.tensor(c)
    close(decoders.decode_once(y, s_0.detach().numpy(), e, W_ih, W_hh, b, V, c), logits)

    dlogits = rng.normal(size=logits.shape)
    s = torch.cat([s_0[None], states[0]]).detach().numpy()
    dh, dW = projected.back_projected(s, dlogits, V, W_hh, W_0, h_S.detach().numpy())
    (torch.tensor(dlogits) * logits).sum().backward()
    close(dh, h_S.grad)
    close(dW, weight.grad)


def test_option_2_and_its_way_back():
    net, W_ih, W_hh, b = network(E + H)
    W_e, W_c = W_ih[:, :E], W_ih[:, E:]
    (V, _), e = output(), rng.normal(size=(K, E))
    h_S = torch.tensor(np.tanh(rng.normal(size=H)), requires_grad=True)
    arrays = e, W_e, W_c, W_hh, b, V
    args = h_S.detach().numpy(), dict(zip(mend.NAMES, arrays, strict=True))
    said, log_p = mend.interpret(*args, K, 5)
    y = np.r_[0, said[:-1]]
    beside = h_S.expand(1, 5, H)
    inputs = torch.cat([torch.tensor(e[y])[None], beside], dim=2)
    states, _ = net(inputs, h_S[None, None])
    logits = states[0] @ torch.tensor(V).T
    best = torch.log_softmax(logits, dim=1).max(dim=1)
    assert said.tolist() == best.indices.tolist()
    assert log_p == pytest.approx(best.values.sum().item(), rel=1e-12)
    assert mend.interpret(*args, int(said[0]), 5)[0].tolist() == [said[0]]

    dlogits = rng.normal(size=logits.shape)
    s = torch.cat([h_S[None], states[0]]).detach().numpy()
    delta, dh = backward.back_to_context(s, dlogits, V, W_hh, W_c)
    (torch.tensor(dlogits) * logits).sum().backward()
    close(dh, h_S.grad)
    close(delta.sum(axis=0), net.bias_ih_l0.grad)


def test_both_ways_against_torchs_last_states():
    net = torch.nn.GRU(E, H, batch_first=True, bidirectional=True).double()
    x, long = torch.tensor(rng.normal(size=(3, 6, E))), torch.tensor([4, 6, 1])
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        x, long, batch_first=True, enforce_sorted=False
    )
    y, last = net(packed)
    y = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0]
    layer = torch.nn.Linear(2 * H, M).double()
    h_r, h_l = (part.detach().numpy() for part in y.split(H, dim=2))
    W, b = (w.detach().numpy() for w in layer.parameters())
    mask = np.arange(6) < long.numpy()[:, None]
    right = layer(last.transpose(0, 1).flatten(1)).tanh()
    close(starts.first_state(h_r, h_l, mask, W, b), right)


@pytest.mark.parametrize(("rate", "T"), [(0.97, 22), (0.99, 68), (0.5, 1), (0.4, 0)])
def test_lengths(rate, T):
    assert lengths.longest(rate, 0.5) == T


def test_the_broken_interpreter_has_all_of_its_faults():
    path = Path(__file__).parents[1] / "exercises" / "12-encoder-decoder.ipynb"
    cells = [c.source for c in nbformat.read(path, as_version=4).cells]
    (source,) = [text for text in cells if text.startswith("def broken(")]
    space = {"np": np}
    exec(source, space)
    with pytest.raises(CheckError, match="Hint: All three faults are still there"):
        check("12-5", space["broken"])
