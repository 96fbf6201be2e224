"""Linear attention against a double loop, autograd, and itself in its three forms."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import linear_attention as module
from seqlib.attention import dot_attention
from seqlib.linear_attention import (
    feature_map,
    feature_map_backward,
    linear_attention,
    linear_attention_backward,
    linear_attention_step,
    linear_attention_step_backward,
)

SIZES = st.integers(1, 4)
SEEDS = st.integers(0, 2**32 - 1)
LEADS = st.sampled_from([(), (2,), (1, 2)])


def phi(x):
    return torch.nn.functional.elu(x) + 1


def by_loop(q, k, v, S, z, mask, causal):
    """Every query, every key that it sees, one after the other."""
    lead, T = q.shape[:-2], q.shape[-2]
    mask = mask.expand(k.shape[:-1])
    out = torch.zeros(*lead, T, v.shape[-1], dtype=q.dtype)
    for i in np.ndindex(tuple(lead)):
        for t in range(T):
            top, bottom = phi(q[i][t]) @ S[i], phi(q[i][t]) @ z[i]
            for s in range(t + 1 if causal else k.shape[-2]):
                if mask[i][s]:
                    weight = (phi(q[i][t]) * phi(k[i][s])).sum()
                    top = top + weight * v[i][s]
                    bottom = bottom + weight
            if bottom.item() != 0:
                out[(*i, t)] = top / bottom
    seen = mask[..., None].to(q.dtype) * phi(k)
    return out, S + seen.mT @ torch.where(mask[..., None], v, 0), z + seen.sum(-2)


def problem(rng, lead, T, S, D, O):
    q, k, v = (rng.normal(size=(*lead, n, d)) for n, d in ((T, D), (S, D), (S, O)))
    state = rng.normal(size=(*lead, D, O)), rng.uniform(0.5, 2, size=(*lead, D))
    return q, k, v, state


@pytest.mark.referee(
    "seqlib.linear_attention.linear_attention",
    "seqlib.linear_attention.linear_attention_backward",
    by="torch autograd",
)
@given(
    lead=LEADS,
    sizes=st.tuples(SIZES, SIZES, SIZES, SIZES),
    causal=st.booleans(),
    chunk=st.sampled_from([None, 1, 2, 3, 9]),
    with_state=st.booleans(),
    density=st.sampled_from([None, 0.0, 0.6]),
    seed=SEEDS,
)
def test_forward_and_backward(lead, sizes, causal, chunk, with_state, density, seed):
    rng = np.random.default_rng(seed)
    T, S, D, O = sizes
    S, chunk = (T, chunk) if causal else (S, None)
    q, k, v, state = problem(rng, lead, T, S, D, O)
    mask = None if density is None else rng.random((*lead, S)) < density
    leaves = [torch.tensor(a, requires_grad=True) for a in (q, k, v)]
    start = [torch.tensor(a * with_state, requires_grad=True) for a in state]
    of_mask = torch.ones(S, dtype=bool) if mask is None else torch.tensor(mask)
    wanted = by_loop(*leaves, *start, of_mask, causal)
    outputs = [w + 0 * sum(leaf.sum() for leaf in leaves) for w in wanted]
    douts = [rng.normal(size=tuple(w.shape)) for w in wanted]
    grads = by_autograd(outputs, [torch.tensor(d) for d in douts], [*leaves, *start])
    for A in LIBRARIES.values():
        first = tuple(A(s) for s in state) if with_state else None
        out, last, cache = linear_attention(
            A(q),
            A(k),
            A(v),
            first,
            None if mask is None else A(mask),
            causal,
            chunk,
        )
        for got, w in zip((out, *last), wanted, strict=True):
            close(got, w, 1e-12, scale=1 + w.abs().max().item())
        dout, *dstate = (A(d) for d in douts)
        *back, dfirst = linear_attention_backward(dout, tuple(dstate), cache)
        assert (dfirst is None) == (not with_state)
        for got, w in zip((*back, *(dfirst or ())), grads, strict=with_state):
            close(got, w, 1e-11, scale=1 + w.abs().max().item())


@pytest.mark.referee(
    "seqlib.linear_attention.linear_attention_backward", by="finite differences"
)
@pytest.mark.parametrize("causal", [True, False])
def test_finite_differences(causal):
    rng = np.random.default_rng(1)
    q, k, v, state = problem(rng, (2,), 5, 5, 3, 2)
    mask = np.array([[True, True, False, True, True], [False, True, True, True, False]])
    dout, dS, dz = (rng.normal(size=a.shape) for a in (v, *state))
    chunk = 2 if causal else None

    def loss(q, k, v, S, z):
        out, last, _ = linear_attention(q, k, v, (S, z), mask, causal, chunk)
        return np.sum(out * dout) + np.sum(last[0] * dS) + np.sum(last[1] * dz)

    _, _, cache = linear_attention(q, k, v, state, mask, causal, chunk)
    *back, dstate = linear_attention_backward(dout, (dS, dz), cache)
    for i, grad in enumerate((*back, *dstate)):
        close(by_differences(loss, [q, k, v, *state], i), grad, 1e-7)


@given(seed=SEEDS, chunk=st.integers(1, 40))
def test_all_chunks_give_the_same(seed, chunk):
    rng = np.random.default_rng(seed)
    q, k, v, state = problem(rng, (2,), 37, 37, 4, 3)
    mask, dout = rng.random((2, 37)) < 0.8, rng.normal(size=(2, 37, 3))
    found = []
    for size in (None, chunk):
        out, last, cache = linear_attention(q, k, v, state, mask, chunk=size)
        *back, dstate = linear_attention_backward(dout, None, cache)
        found.append((out, *last, *back, *dstate))
    for one, other in zip(*found, strict=True):
        close(one, other, 1e-12, scale=1 + np.abs(other).max())


def test_chunks_bound_the_scores(monkeypatch):
    """No product of queries with keys is larger than a chunk's."""
    sizes, past = set(), module._past
    monkeypatch.setattr(module, "_past", lambda s: (sizes.add(s.shape), past(s))[1])
    q, k, v, _ = problem(np.random.default_rng(0), (2,), 5, 5, 4, 3)
    for chunk, wanted in ((None, {5}), (1, {1}), (2, {1, 2}), (5, {5}), (9, {5})):
        sizes.clear()
        out, _, cache = linear_attention(q, k, v, chunk=chunk)
        forward = set(sizes)
        linear_attention_backward(out, None, cache)
        assert forward == sizes == {(2, n, n) for n in wanted}


@pytest.mark.parametrize("shape", [(4,), (1, 4), (2, 1), (1,), ()])
def test_masks_of_keys_broadcast(shape):
    arguments = good()
    mask = np.random.default_rng(0).random(shape) < 0.5
    wide = np.broadcast_to(mask, (2, 4))
    one, other = (linear_attention(**arguments, key_mask=m)[0] for m in (mask, wide))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("library", LIBRARIES)
def test_more_keys_than_queries_and_fewer(library):
    A = LIBRARIES[library]
    for T, S in ((2, 5), (5, 2)):
        q, k, v, state = problem(np.random.default_rng(1), (2,), T, S, 4, 3)
        mask = np.arange(S) < np.array([[1], [S]])
        tensors = map(torch.tensor, (q, k, v, *state, mask))
        wanted = by_loop(*tensors, False)
        first = tuple(A(s) for s in state)
        out, last, _ = linear_attention(A(q), A(k), A(v), first, A(mask), False)
        for got, right in zip((out, *last), wanted, strict=True):
            close(got, right)


@pytest.mark.referee(
    "seqlib.linear_attention.linear_attention_step",
    "seqlib.linear_attention.linear_attention_step_backward",
    by="torch autograd",
)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_step_after_step_is_the_sequence(library, lead):
    rng, A = np.random.default_rng(2), LIBRARIES[library]
    q, k, v, state = problem(rng, lead, 4, 4, 3, 2)
    douts = [rng.normal(size=a.shape) for a in (v, *state)]
    leaves = [torch.tensor(a, requires_grad=True) for a in (q, k, v, *state)]
    wanted = by_loop(*leaves, torch.ones(4, dtype=bool), True)
    grads = by_autograd(wanted, [torch.tensor(d) for d in douts], leaves)
    now, outs, caches = tuple(A(s) for s in state), [], []
    for t in range(4):
        row = (A(a[..., t, :]) for a in (q, k, v))
        out, now, cache = linear_attention_step(*row, now)
        outs.append(to_numpy(out))
        caches.append(cache)
    close(np.stack(outs, -2), wanted[0])
    dstate, back = tuple(A(d) for d in douts[1:]), []
    for t in reversed(range(4)):
        dout = A(douts[0][..., t, :])
        *d, dstate = linear_attention_step_backward(dout, dstate, caches[t])
        back.append([to_numpy(a) for a in d])
    for i in range(3):
        close(np.stack([b[i] for b in back[::-1]], -2), grads[i], 1e-11)
    for got, wanted_grad in zip(dstate, grads[3:], strict=True):
        close(got, wanted_grad, 1e-11)


def test_it_is_a_weighted_mean_with_positive_weights():
    rng = np.random.default_rng(3)
    q, k, _, _ = problem(rng, (), 6, 6, 4, 1)
    weights, _, _ = linear_attention(q, k, np.eye(6))  # values that tell the weights
    assert (weights >= 0).all()
    assert (weights[np.triu_indices(6, 1)] == 0).all()
    close(weights.sum(-1), np.ones(6))
    # Weights of softmax attention on the logarithm of the product are the same.
    fq, fk = feature_map(q)[0], feature_map(k)[0]
    everyone, _, _ = linear_attention(q, k, np.eye(6), causal=False)
    zero = np.zeros((6, 1))
    by_softmax, _ = dot_attention(zero, zero, np.eye(6), np.log(fq @ fk.T))
    close(everyone, by_softmax)


def test_what_stands_in_the_padding_never_matters():
    rng = np.random.default_rng(4)
    q, k, v, _ = problem(rng, (2,), 4, 4, 3, 2)
    mask = np.array([[True, True, False, False], [False, True, True, False]])
    dout = rng.normal(size=(2, 4, 2))
    found = []
    for filler in (0.0, np.nan, np.inf):
        a, b = (np.where(mask[..., None], x, filler) for x in (k, v))
        out, last, cache = linear_attention(q, a, b, None, mask)
        dq, dk, dv, _ = linear_attention_backward(dout, None, cache)
        found.append((out, *last, dq, dk, dv))
        assert not dk[~mask].any()
        assert not dv[~mask].any()
    for other in found[1:]:
        assert all(np.array_equal(x, y) for x, y in zip(found[0], other, strict=True))
    assert not found[0][0][1, 0].any()  # a query that sees no key


@pytest.mark.referee(
    "seqlib.linear_attention.feature_map",
    "seqlib.linear_attention.feature_map_backward",
    by="torch.nn.functional.elu",
)
@pytest.mark.parametrize("library", LIBRARIES)
def test_feature_map(library):
    x = np.array([-800.0, -30.0, -1.0, -1e-9, 0.0, 1e-9, 2.0, 1e300])
    leaf = torch.tensor(x, requires_grad=True)
    wanted = torch.where(leaf > 0, leaf + 1, leaf.clamp(max=0).exp())
    close(wanted, phi(leaf), 1e-15)
    out, cache = feature_map(LIBRARIES[library](x))
    np.testing.assert_allclose(to_numpy(out), wanted.detach(), rtol=1e-14)
    dout = np.arange(1.0, 9)
    grad = torch.autograd.grad((wanted * torch.tensor(dout)).sum(), leaf)[0]
    back = feature_map_backward(LIBRARIES[library](dout), cache)
    np.testing.assert_allclose(to_numpy(back), grad, rtol=1e-12)


def test_what_is_made_inside_is_on_the_inputs_device():
    """The device "meta" computes nothing, but refuses to be mixed with another."""
    x = torch.ones(2, 3, 4, device="meta")
    for causal in (True, False):
        out, state, cache = linear_attention(x, x, x, causal=causal)
        for dstate in (None, (None, state[1]), (state[0], None)):
            back = linear_attention_backward(None, dstate, cache)
            assert all(a.device.type == "meta" for a in (out, *state, *back[:3]))


def good():
    q, k, v, state = problem(np.random.default_rng(0), (2,), 4, 4, 3, 2)
    return {"q": q, "k": k, "v": v, "state": state}


WRONG = {
    "keys": (
        {"k": np.ones((2, 5, 3)), "v": np.ones((2, 5, 2))},
        ValueError,
        r"k must have shape \(B=2, T=4, D=3\), got \(2, 5, 3\)",
    ),
    "a list": ({"q": [[1.0]]}, TypeError, "q must be an array"),
    "keys of all": (
        {"k": np.ones((2, 5, 2)), "v": np.ones((2, 5, 2)), "causal": False},
        ValueError,
        r"k must have shape \(B=2, S, D=3\), got \(2, 5, 2\)",
    ),
    "shape of S": (
        {"state": (np.ones((2, 3, 3)), np.ones((2, 3)))},
        ValueError,
        r"state\[0\] must have shape \(2, 3, 2\), got \(2, 3, 3\)",
    ),
    "state": (
        {"state": np.ones((2, 3, 2))},
        TypeError,
        "state must be a tuple of 2 arrays, got ndarray",
    ),
    "shape of z": (
        {"state": (np.ones((2, 3, 2)), np.ones((2, 2)))},
        ValueError,
        r"state\[1\] must have shape \(2, 3\), got \(2, 2\)",
    ),
    "mask of floats": (
        {"key_mask": np.ones((2, 4))},
        TypeError,
        "key_mask must hold booleans, got float64",
    ),
    "mask": (
        {"key_mask": np.ones((3, 4), bool)},
        ValueError,
        r"key_mask must broadcast to \(2, 4\), got \(3, 4\)",
    ),
    "chunk": ({"chunk": 0}, ValueError, "chunk must be at least 1, got 0"),
    "chunk of all": (
        {"chunk": 2, "causal": False},
        ValueError,
        "chunk must be None where causal is False, got 2",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_kind_errors(case):
    changed, error, sentence = WRONG[case]
    with pytest.raises(error, match=sentence):
        linear_attention(**{**good(), **changed})


def test_kind_errors_of_the_backward_passes():
    _, _, cache = linear_attention(**good())
    with pytest.raises(
        TypeError, match="dstate must be a tuple of 2 arrays, got ndarray"
    ):
        linear_attention_backward(None, np.ones(3), cache)
    with pytest.raises(ValueError, match=r"dstate\[1\] must have shape \(2, 3\)"):
        linear_attention_backward(None, (None, np.ones((2, 2))), cache)
    with pytest.raises(ValueError, match=r"dout must have shape \(2, 4, 2\)"):
        linear_attention_backward(np.ones((2, 4, 3)), None, cache)
