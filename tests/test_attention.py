"""Attention against torch, a loop over the allowed keys, autograd and differences."""

import itertools

import array_api_compat
import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, label, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import _multi_head, _weigh
from seqlib import attention as ours
from seqlib.attention import multi_head_attention, multi_head_attention_backward

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 4)
LEADS = st.sampled_from([(), (1,), (2,), (2, 3), (1, 2, 2)])
MASKS = ("none", "bool", "float", "-inf", "one row", "number", "keys", "nothing")


def draw_mask(rng, which, lead, T, S):
    """Return a mask of this kind; "keys" and "one row" are broadcast to the scores."""
    some = rng.random((*lead, T, S)) < 0.6
    if which == "none":
        return None
    if which == "bool":
        return some
    if which == "float":
        return rng.normal(size=(*lead, T, S))
    if which == "-inf":
        return np.where(some, rng.normal(size=(*lead, T, S)), -np.inf)
    if which == "one row":
        return rng.normal(size=(T, 1))
    if which == "number":
        return np.array(rng.normal())
    if which == "keys":
        return some[..., :1, :]
    return np.zeros((*lead, T, S), bool)


def by_loop(scores, v, mask):
    """Average the values query by query, over those keys alone that are allowed."""
    if mask is None:
        mask = torch.ones_like(scores, dtype=bool)
    mask = mask.expand(scores.shape)
    allowed = mask if mask.dtype == torch.bool else mask > -torch.inf
    out = torch.zeros(*scores.shape[:-1], v.shape[-1], dtype=v.dtype)
    weights = torch.zeros_like(scores)
    for i in np.ndindex(tuple(scores.shape[:-1])):
        keys = allowed[i]
        if keys.any():
            e = scores[i][keys]
            e = e if mask.dtype == torch.bool else e + mask[i][keys]
            p = torch.softmax(e, 0)
            weights[(*i, keys)] = p
            out[i] = p @ v[i[:-1]][keys]
    return out, weights


def additive(q, k, W_q, W_k, w):
    return torch.stack(
        [
            torch.stack(
                [(w * (q_t @ W_q.T + k_s @ W_k.T).tanh()).sum(-1) for k_s in ks], -1
            )
            for ks in [k.unbind(-2)]
            for q_t in q.unbind(-2)
        ],
        -2,
    )


def scores_with(einsum):
    return lambda q, k, *W: torch.einsum(einsum, q, k, *W)


# Per form: forward, backward, the score in torch, its parameters' shapes by (Q, K, A).
FORMS = {
    "additive": (
        ours.additive_attention,
        ours.additive_attention_backward,
        additive,
        lambda Q, K, A: [(A, Q), (A, K), (A,)],
    ),
    "bilinear": (
        ours.bilinear_attention,
        ours.bilinear_attention_backward,
        scores_with("...ti,...sj,ij->...ts"),
        lambda Q, K, A: [(Q, K)],
    ),
    "dot": (
        ours.dot_attention,
        ours.dot_attention_backward,
        scores_with("...ti,...si->...ts"),
        lambda Q, K, A: [],
    ),
    "scaled": (
        ours.scaled_dot_product_attention,
        ours.scaled_dot_product_attention_backward,
        lambda q, k: torch.einsum("...ti,...si->...ts", q, k) / q.shape[-1] ** 0.5,
        lambda Q, K, A: [],
    ),
}


def problem(rng, form, lead, T, S, Q, K, which):
    """Return q, k, v and parameters; the mask; gradients at out and at the weights."""
    K = Q if form in ("dot", "scaled") else K
    A, O = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    shapes = [(*lead, T, Q), (*lead, S, K), (*lead, S, O), *FORMS[form][3](Q, K, A)]
    inputs = [rng.normal(size=shape) for shape in shapes]
    mask = draw_mask(rng, which, lead, T, S)
    return inputs, mask, rng.normal(size=(*lead, T, O)), rng.normal(size=(*lead, T, S))


def reference(form, inputs, mask, douts):
    """Return out, weights and all gradients, the mask's last, by the loop."""
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    of_mask = None if mask is None else torch.tensor(mask)
    leaves = list(tensors)
    if of_mask is not None and mask.dtype != bool:
        leaves.append(of_mask.requires_grad_())
    q, k, v, *params = tensors
    out, weights = by_loop(FORMS[form][2](q, k, *params), v, of_mask)
    outputs = out + 0 * sum(leaf.sum() for leaf in tensors), weights  # never cut off
    grads = by_autograd(outputs, [torch.tensor(d) for d in douts], leaves)
    return *outputs, grads


@pytest.mark.referee(
    "seqlib.attention.additive_attention",
    "seqlib.attention.bilinear_attention",
    "seqlib.attention.dot_attention",
    "seqlib.attention.scaled_dot_product_attention",
    by="torch.softmax over the allowed keys",
)
@pytest.mark.referee(
    "seqlib.attention.additive_attention_backward",
    "seqlib.attention.bilinear_attention_backward",
    "seqlib.attention.dot_attention_backward",
    "seqlib.attention.scaled_dot_product_attention_backward",
    by="torch autograd, finite differences",
)
@pytest.mark.parametrize("form", FORMS)
@given(
    lead=LEADS,
    T=SIZES,
    S=SIZES,
    Q=SIZES,
    K=SIZES,
    mask=st.sampled_from(MASKS),
    seed=SEEDS,
)
def test_forward_and_backward_in_float64(form, lead, T, S, Q, K, mask, seed):
    rng = np.random.default_rng(seed)
    inputs, mask, dout, dweights = problem(rng, form, lead, T, S, Q, K, mask)
    f, back, *_ = FORMS[form]
    out, weights, grads = reference(form, inputs, mask, (dout, dweights))
    for A in LIBRARIES.values():
        arrays = [A(a) for a in inputs]
        given_mask = None if mask is None else A(mask)
        before = [to_numpy(a).copy() for a in arrays]
        got, p, cache = f(*arrays, mask=given_mask, return_weights=True)
        close(got, out, scale=1 + out.abs().max().item())
        close(p, weights, scale=1)
        *some, dmask = back(A(dout), cache, dweights=A(dweights))
        if len(grads) == len(inputs):
            assert dmask is None
        else:
            some.append(dmask)
        for grad, wanted in zip(some, grads, strict=True):
            assert type(grad) is type(arrays[0])
            close(grad, wanted, scale=1 + wanted.abs().max().item())
        for array, copy in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(to_numpy(array), copy)
        if mask is not None:
            np.testing.assert_array_equal(to_numpy(given_mask), mask)

    moves = len(grads) > len(inputs) and np.isfinite(mask).all()  # no step from -inf
    points = [*inputs, mask] if moves else inputs

    def loss(*points):
        arrays, last = points[: len(inputs)], points[-1] if moves else mask
        got, p, _ = f(*arrays, mask=last, return_weights=True)
        return np.sum(got * dout) + np.sum(p * dweights)

    for i in range(len(points)):
        scale = 1 + grads[i].abs().max().item()
        close(by_differences(loss, points, i), grads[i], 1e-6, scale=scale)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("mask", MASKS)
def test_float32_is_kept(form, library, mask):
    A, rng = LIBRARIES[library], np.random.default_rng(3)
    inputs, mask, dout, dweights = problem(rng, form, (2,), 3, 4, 3, 2, mask)
    out, _, grads = reference(form, inputs, mask, (dout, 0 * dweights))
    f, back, *_ = FORMS[form]
    single = [A(a.astype("f4")) for a in inputs]
    if mask is not None:
        mask = A(mask if mask.dtype == bool else mask.astype("f4"))
    got, cache = f(*single, mask=mask)
    float32 = array_api_compat.array_namespace(got).float32
    close(got, out, 1e-5, scale=1 + out.abs().max().item())
    back = [g for g in back(A(dout.astype("f4")), cache) if g is not None]
    for array in (got, *back):
        assert array.dtype == float32
    for grad, wanted in zip(back, grads, strict=True):
        close(grad, wanted, 1e-4, scale=1 + wanted.abs().max().item())


@pytest.mark.referee(
    "seqlib.attention.scaled_dot_product_attention",
    by="torch.nn.functional.scaled_dot_product_attention",
)
@pytest.mark.referee(
    "seqlib.attention.scaled_dot_product_attention_backward", by="torch autograd"
)
@given(lead=LEADS, T=SIZES, S=SIZES, D=SIZES, seed=SEEDS)
@pytest.mark.parametrize("mask", ["none", "bool", "float", "keys"])
def test_scaled_is_torchs(mask, lead, T, S, D, seed):
    rng = np.random.default_rng(seed)
    inputs, mask, dout, _ = problem(rng, "scaled", lead, T, S, D, D, mask)
    if mask is not None and mask.dtype == bool:
        mask[..., 0] = True  # torch's answer to a row without keys differs by version
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    wanted = torch.nn.functional.scaled_dot_product_attention(
        *tensors, None if mask is None else torch.tensor(mask)
    )
    out, cache = ours.scaled_dot_product_attention(*inputs, mask=mask)
    close(out, wanted.detach(), scale=1 + wanted.abs().max().item())
    grads = ours.scaled_dot_product_attention_backward(dout, cache)
    rights = by_autograd([wanted], [torch.tensor(dout)], tensors)
    for grad, right in zip(grads[:3], rights, strict=True):
        close(grad, right, scale=1 + right.abs().max().item())


@pytest.mark.referee("seqlib.attention.additive_scores", by="torch.tanh")
@pytest.mark.referee("seqlib.attention.bilinear_scores", by="torch.einsum")
@pytest.mark.referee(
    "seqlib.attention.additive_scores_backward",
    "seqlib.attention.bilinear_scores_backward",
    by="torch autograd",
)
@pytest.mark.parametrize("name", ["additive", "bilinear"])
@given(T=SIZES, S=SIZES, Q=SIZES, K=SIZES, seed=SEEDS)
def test_scores_by_themselves(name, T, S, Q, K, seed):
    rng = np.random.default_rng(seed)
    (q, k, _, *params), *_ = problem(rng, name, (2,), T, S, Q, K, "none")
    inputs = [q, k, *params]
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    wanted = FORMS[name][2](*tensors)
    dout = rng.normal(size=tuple(wanted.shape))
    out, cache = getattr(ours, f"{name}_scores")(*inputs)
    close(out, wanted.detach(), scale=1 + wanted.abs().max().item())
    grads = getattr(ours, f"{name}_scores_backward")(dout, cache)
    rights = by_autograd([wanted], [torch.tensor(dout)], tensors)
    for grad, right in zip(grads, rights, strict=True):
        close(grad, right, scale=1 + right.abs().max().item())


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["bool", "-inf"])
def test_a_row_without_keys_gives_zeros_and_sends_none_back(library, form, kind):
    A, rng = LIBRARIES[library], np.random.default_rng(0)
    inputs, *_ = problem(rng, form, (2,), 3, 4, 3, 3, "none")
    mask = np.ones((2, 3, 4), bool)
    mask[0, 1] = mask[1, 2] = False
    mask = mask if kind == "bool" else np.where(mask, 0, -np.inf)
    f, back, *_ = FORMS[form]
    with np.errstate(all="raise"):
        out, p, cache = f(*map(A, inputs), mask=A(mask), return_weights=True)
        grads = back(A(np.ones(tuple(out.shape))), cache)
    for array in (out, p):
        array = to_numpy(array)
        assert np.isfinite(array).all()
        assert (array[0, 1] == 0).all()
        assert (array[1, 2] == 0).all()
        assert (array[0, 0] != 0).any()
    dq = to_numpy(grads[0])
    assert (dq[0, 1] == 0).all()
    assert (dq[1, 2] == 0).all()
    assert all(np.isfinite(to_numpy(g)).all() for g in grads if g is not None)


@pytest.mark.parametrize("kind", ["bool", "-inf"])
def test_autograd_through_a_row_without_keys(kind):
    rng = np.random.default_rng(0)
    q, k, v = (torch.tensor(rng.normal(size=(3, 4)), requires_grad=True) for _ in "qkv")
    mask = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1]]).bool()
    if kind == "-inf":
        mask = torch.zeros(3, 3).double().masked_fill(~mask, -torch.inf)
    out, cache = ours.scaled_dot_product_attention(q, k, v, mask)
    dout = torch.randn_like(out)
    wanted = by_autograd([out], [dout], [q, k, v])
    got = ours.scaled_dot_product_attention_backward(dout, cache)
    for a, b in zip(got, wanted, strict=False):
        close(a, b)


@pytest.mark.referee("seqlib.masks.masked_softmax", by="by hand")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("masked", [False, True])
def test_large_scores_in_float32(library, masked):
    A = LIBRARIES[library]
    scores = np.array([[1e4, -1e4, 0, 1], [-1e4, -1e4, 1e4, 1e4], [-1e4] * 4], "f4")
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 0]], bool)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        p, cache = ours.masked_softmax(A(scores), A(mask) if masked else None)
        dout = A(np.arange(12, dtype="f4").reshape(3, 4))
        dscores, _ = ours.masked_softmax_backward(dout, cache)
        wanted = [[1, 0, 0, 0], [0, 0, 0.5, 0.5], [0.25] * 4]
        if masked:
            wanted = [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0]]
        np.testing.assert_array_equal(to_numpy(p), np.array(wanted, "f4"))
        assert np.isfinite(to_numpy(dscores)).all()
        big = A(np.array([[100.0], [-100.0]], "f4"))  # scores of ±1e4
        out, cache = ours.dot_attention(big, big, big)
        grads = ours.dot_attention_backward(big, cache)
    np.testing.assert_array_equal(to_numpy(out), to_numpy(big))
    assert all(np.isfinite(to_numpy(g)).all() for g in grads[:3])


@pytest.mark.referee("seqlib.masks.masked_softmax", by="by hand")
def test_an_added_number_is_a_mask_and_a_bias():
    scores = np.array([[0.0, 0.0, 5.0]])
    p, _ = ours.masked_softmax(scores, np.array([np.log(3), 0, -np.inf]))
    np.testing.assert_allclose(p, [[0.75, 0.25, 0]])


def test_what_is_masked_never_matters():
    rng = np.random.default_rng(1)
    q, k, v = rng.normal(size=(3, 5, 4))
    mask = ours.causal_mask(5, q)
    out, _ = ours.scaled_dot_product_attention(q, k, v, mask)
    k[3:], v[3:] = 1e6, -1e6
    after, _ = ours.scaled_dot_product_attention(q, k, v, mask)
    np.testing.assert_array_equal(out[:3], after[:3])
    assert (out[3:] != after[3:]).all()


@pytest.mark.parametrize("wanted", [True, False])
def test_weights_that_are_returned_are_not_made_once_more(wanted, monkeypatch):
    again, made = _weigh._again, []
    monkeypatch.setattr(_weigh, "_again", lambda *a: made.append(a) or again(*a))
    q, k, v = torch.ones(3, 2, 5, 4, dtype=torch.float64)
    *outs, cache = ours.dot_attention(q, k, v, return_weights=wanted)
    ours.dot_attention_backward(outs[0], cache)
    assert len(outs) == 1 + wanted
    assert len(made) == (not wanted)


# Multi-head attention against torch.nn.MultiheadAttention.

LAYERS = [
    {"bias": bias, "add_bias_kv": extra, "add_zero_attn": zero, **sizes}
    for bias, extra, zero, sizes in itertools.product(
        (True, False), (True, False), (True, False), ({}, {"kdim": 3, "vdim": 5})
    )
]


def layer(rng, E, H, options):
    """Return torch's module with all parameters drawn, none of them zero."""
    module = torch.nn.MultiheadAttention(
        E, H, batch_first=True, dtype=torch.float64, **options
    )
    for p in module.parameters():
        p.data = torch.tensor(rng.normal(size=tuple(p.shape)) / 2)
    return module


def draw_multi_mask(rng, which, B, H, T, S):
    if which == "none":
        return None
    shape = {2: (T, S), 3: (B, T, S), 4: (B, H, T, S)}[int(which[-1])]
    if which.startswith("bool"):
        mask = rng.random(shape) < 0.7
        mask[..., 0] = True
        return mask
    return rng.normal(size=shape)


def as_torch_has_it(mask, B, H, T, S):
    """Return our mask as torch wants it: True = forbidden, (B * H, T, S)."""
    if mask is None:
        return None
    if mask.dtype == bool:
        mask = np.where(mask, 0.0, -np.inf)
    mask = torch.tensor(mask)
    mask = mask[:, None] if mask.ndim == 3 else mask
    return mask.expand(B, H, T, S).reshape(B * H, T, S)


@pytest.mark.referee(
    "seqlib.attention.multi_head_attention", by="torch.nn.MultiheadAttention"
)
@pytest.mark.referee(
    "seqlib.attention.multi_head_attention_backward", by="torch autograd"
)
@given(
    options=st.sampled_from(LAYERS),
    sizes=st.tuples(SIZES, SIZES, SIZES, st.integers(1, 3), st.integers(1, 3)),
    which=st.sampled_from(["none", *(a + b for a in ("bool", "float") for b in "234")]),
    given_kv=st.sampled_from(["self", "memory", "both"]),
    ragged=st.booleans(),
    seed=SEEDS,
)
def test_multi_head_is_torchs(options, sizes, which, given_kv, ragged, seed):
    rng = np.random.default_rng(seed)
    B, T, S, H, d = sizes
    E = H * d
    if given_kv != "both":
        options = {k: v for k, v in options.items() if k not in ("kdim", "vdim")}
    S = T if given_kv == "self" else S
    module = layer(rng, E, H, options)
    params = {k: p.detach().numpy() for k, p in module.state_dict().items()}
    query = rng.normal(size=(B, T, E))
    key = rng.normal(size=(B, S, options.get("kdim", E)))
    value = rng.normal(size=(B, S, options.get("vdim", E)))
    inputs = [query, key, value][: {"self": 1, "memory": 2, "both": 3}[given_kv]]
    mask = draw_multi_mask(rng, which, B, H, T, S)
    key_mask = None
    if ragged:
        key_mask = np.arange(S) < rng.integers(1, S + 1, B)[:, None]
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    theirs = (tensors + tensors[-1:] * 2)[:3]
    wanted, p = module(
        *theirs,
        key_padding_mask=None
        if key_mask is None
        else torch.where(torch.tensor(key_mask), 0.0, -torch.inf).double(),
        attn_mask=as_torch_has_it(mask, B, H, T, S),
        average_attn_weights=False,
    )
    dout, dp = rng.normal(size=tuple(wanted.shape)), rng.normal(size=tuple(p.shape))
    leaves = [*tensors, *module.parameters()]
    grads = by_autograd([wanted, p], [torch.tensor(dout), torch.tensor(dp)], leaves)
    names = [name for name, _ in module.named_parameters()]
    for A in LIBRARIES.values():
        arrays = [A(a) for a in inputs] + [None] * (3 - len(inputs))
        weights = {k: A(a) for k, a in params.items()}
        out, got, cache = multi_head_attention(
            *arrays,
            weights,
            H,
            mask=None if mask is None else A(mask),
            key_mask=None if key_mask is None else A(key_mask),
            add_zero_attn=options["add_zero_attn"],
            return_weights=True,
        )
        close(out, wanted.detach(), scale=1 + wanted.abs().max().item())
        close(got, p.detach(), scale=1)
        *dinputs, of_params, _ = multi_head_attention_backward(A(dout), cache, A(dp))
        assert [d is None for d in dinputs] == [a is None for a in arrays]
        assert list(of_params) == list(weights)
        some = [d for d in dinputs if d is not None] + [of_params[n] for n in names]
        for grad, right in zip(some, grads, strict=True):
            close(grad, right, scale=1 + right.abs().max().item())


def test_multi_head_by_default_is_torchs_by_default():
    torch.manual_seed(0)
    module = torch.nn.MultiheadAttention(4, 2, batch_first=True).double()
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        wanted, _ = module(x, x, x)
        out, _ = multi_head_attention(x, None, None, dict(module.state_dict()), 2)
    close(out, wanted, scale=1)


@pytest.mark.referee(
    "seqlib.attention.multi_head_attention_backward", by="finite differences"
)
@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (2, 1), (2, 2, 3), (2, 1, 2, 3)])
@pytest.mark.parametrize("extra", [False, True])
def test_multi_head_by_differences_and_the_masks_gradient(shape, extra):
    rng = np.random.default_rng(5)
    module = layer(rng, 4, 2, {"add_bias_kv": extra, "add_zero_attn": extra})
    params = {k: p.detach().numpy() for k, p in module.state_dict().items()}
    query, memory = rng.normal(size=(2, 2, 4)), rng.normal(size=(2, 3, 4))
    key_mask = np.array([[1, 1, 0], [0, 1, 1]], bool)
    inputs = [query, memory, rng.normal(size=shape), *params.values()]
    dout, dp = rng.normal(size=(2, 2, 4)), rng.normal(size=(2, 2, 2, 3 + 2 * extra))

    def run(query, memory, mask, *weights):
        return multi_head_attention(
            query,
            memory,
            None,
            dict(zip(params, weights, strict=True)),
            2,
            mask,
            key_mask,
            dropout=0.4,
            rng=np.random.default_rng(1),
            add_zero_attn=extra,
            return_weights=True,
        )

    def loss(*inputs):
        out, p, _ = run(*inputs)
        return np.sum(out * dout) + np.sum(p * dp)

    back = multi_head_attention_backward(dout, run(*inputs)[2], dp)
    dquery, dmemory, none, grads, dmask = back
    assert none is None
    for i, grad in enumerate([dquery, dmemory, dmask, *grads.values()]):
        close(grad, by_differences(loss, inputs, i), 1e-8, scale=1)
    _, _, cache = run(*inputs)
    again = multi_head_attention_backward(dout, cache)[0]
    assert (again != dquery).any()  # the weights' gradient was no zero


@pytest.mark.parametrize("memory", [False, True])
def test_three_weights_do_what_the_packed_one_does(memory):
    rng = np.random.default_rng(0)
    module = layer(rng, 4, 2, {})
    packed = {k: p.detach().numpy() for k, p in module.state_dict().items()}
    rows = np.split(packed["in_proj_weight"], 3)
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    apart = {k: a for k, a in packed.items() if k != "in_proj_weight"}
    apart |= dict(zip(names, rows, strict=True))
    x, key, dout = rng.normal(size=(3, 2, 3, 4))
    results = []
    for params in (packed, apart):
        key = key if memory else None
        out, cache = multi_head_attention(x, key, None, params, 2)
        dx, dkey, none, grads, _ = multi_head_attention_backward(dout, cache)
        assert none is None
        weights = [grads.pop(n) for n in names if n in grads]
        grads = (
            {"in_proj_weight": np.concatenate(weights), **grads} if weights else grads
        )
        results.append([out, dx, *([dkey] if memory else []), *grads.values()])
    for a, b in zip(*results, strict=True):
        close(a, b)


def test_multi_head_with_nothing_to_attend_to():
    rng = np.random.default_rng(0)
    module = layer(rng, 4, 2, {})
    params = {k: p.detach().numpy() for k, p in module.state_dict().items()}
    x = rng.normal(size=(2, 3, 4))
    key_mask = np.array([[0, 0, 0], [1, 1, 0]], bool)
    with np.errstate(all="raise"):
        out, cache = multi_head_attention(x, None, None, params, 2, key_mask=key_mask)
        back = multi_head_attention_backward(np.ones_like(out), cache)
    np.testing.assert_array_equal(out[0], np.tile(params["out_proj.bias"], (3, 1)))
    assert (back[0][0] == 0).all()
    assert (back[0][1] != 0).all()
    assert all(np.isfinite(g).all() for g in back[3].values())


@pytest.mark.parametrize("library", LIBRARIES)
def test_multi_head_keeps_float32(library):
    A, rng = LIBRARIES[library], np.random.default_rng(0)
    module = layer(rng, 4, 2, {"add_bias_kv": True, "add_zero_attn": True}).float()
    params = {k: A(p.detach().numpy()) for k, p in module.state_dict().items()}
    x = A(rng.normal(size=(2, 3, 4)).astype("f4"))
    mask = A(np.zeros((3, 3), "f4"))
    key_mask = A(np.ones((2, 3), bool))
    out, p, cache = multi_head_attention(
        x,
        None,
        None,
        params,
        2,
        mask,
        key_mask,
        return_weights=True,
        add_zero_attn=True,
    )
    dx, _, _, grads, dmask = multi_head_attention_backward(x, cache, p)
    for array in (out, p, dx, dmask, *grads.values()):
        assert array.dtype == x.dtype


def test_what_is_made_inside_is_on_the_inputs_device():
    """The device "meta" computes nothing, but refuses to be mixed with another."""
    x = torch.ones(2, 3, 4, device="meta")
    mask = ours.causal_mask(3, x)
    lengths = torch.ones(2, dtype=torch.int64, device="meta")
    assert mask.device.type == "meta"
    module = torch.nn.MultiheadAttention(4, 2, add_bias_kv=True, device="meta")
    params = {k: p.detach() for k, p in module.state_dict().items()}
    out, cache = multi_head_attention(
        x, None, None, params, 2, mask, lengths[:, None] < mask[0], add_zero_attn=True
    )
    dx, *_ = multi_head_attention_backward(out, cache)
    assert dx.device.type == "meta"


# Wrong input.

X, M = np.ones((2, 3, 4)), np.ones((2, 5, 4))
PARAMS = {
    "in_proj_weight": np.ones((12, 4)),
    "in_proj_bias": np.ones(12),
    "out_proj.weight": np.ones((4, 4)),
    "out_proj.bias": np.ones(4),
}
GOOD = {
    ours.masked_softmax: {"scores": X},
    ours.additive_scores: {
        "q": X,
        "k": M,
        "W_q": np.ones((6, 4)),
        "W_k": np.ones((6, 4)),
        "w": np.ones(6),
    },
    ours.bilinear_scores: {"q": X, "k": M, "W": np.ones((4, 4))},
    ours.dot_attention: {"q": X, "k": M, "v": M},
    ours.scaled_dot_product_attention: {"q": X, "k": M, "v": M},
    ours.causal_mask: {"T": 3, "like": X},
    ours.padding_mask: {"lengths": np.array([1, 2]), "S": 3},
    multi_head_attention: {
        "query": X,
        "key": M,
        "value": M,
        "params": PARAMS,
        "num_heads": 2,
    },
}
GOOD[ours.additive_attention] = {**GOOD[ours.additive_scores], "v": M}
GOOD[ours.bilinear_attention] = {**GOOD[ours.bilinear_scores], "v": M}
BACKWARD = {
    f: getattr(ours, f"{f.__name__}_backward") for f in GOOD if "mask" not in f.__name__
}
BACKWARD[ours.masked_softmax] = ours.masked_softmax_backward
EVERY = [
    (f, name)
    for f, arguments in GOOD.items()
    for name, a in arguments.items()
    if isinstance(a, np.ndarray) and a.dtype == float
]


@pytest.mark.parametrize(("f", "name"), EVERY)
def test_arrays_that_do_not_fit(f, name):
    good = GOOD[f][name]
    for wrong, error, what in (
        (good.tolist(), TypeError, "be an array (of numpy or torch), got list"),
        (good.astype(int), TypeError, "hold floats, got int64"),
        (good + 0j, TypeError, "hold floats, got complex128"),
        (good[..., :0], ValueError, ""),
    ):
        with pytest.raises(error) as caught:
            f(**{**GOOD[f], name: wrong})
        assert str(caught.value).startswith(f"{name} must {what}")
        assert "\n" not in str(caught.value)
    if f not in (ours.masked_softmax, ours.causal_mask):
        for wrong in (good.astype("f4"), torch.tensor(good)):
            with pytest.raises(ValueError, match=r"must (hold|come from) \S+ as"):
                f(**{**GOOD[f], name: wrong})


def but(**changes):
    """Return PARAMS with these changed, None for gone."""
    changes = {k.replace("__", "."): a for k, a in changes.items()}
    return {k: a for k, a in {**PARAMS, **changes}.items() if a is not None}


SENTENCES = [
    (ours.dot_attention, {"q": X[0, 0]}, "q must have shape (T, D), got (4,)"),
    (ours.dot_attention, {"k": M[0]}, "k must have shape (B=2, S, D=4), got (5, 4)"),
    (
        ours.dot_attention,
        {"k": M[:1]},
        "k must have shape (B=2, S, D=4), got (1, 5, 4)",
    ),
    (ours.dot_attention, {"v": X}, "v must have shape (B=2, S=5, O), got (2, 3, 4)"),
    (ours.dot_attention, {"scale": "2"}, "scale must be a number, got '2'"),
    (ours.dot_attention, {"scale": -1}, "scale must be at least 0, got -1"),
    (
        ours.scaled_dot_product_attention,
        {"mask": np.ones((2, 3, 4), bool)},
        "mask must broadcast to the scores' (2, 3, 5), got (2, 3, 4)",
    ),
    (
        ours.scaled_dot_product_attention,
        {"mask": np.ones((1, 2, 3, 5), bool)},
        "mask must broadcast to the scores' (2, 3, 5), got (1, 2, 3, 5)",
    ),
    (
        ours.scaled_dot_product_attention,
        {"mask": np.ones((3, 5), int)},
        "mask must hold booleans, True = attend, or floats, which are added, got int64",
    ),
    (
        ours.scaled_dot_product_attention,
        {"mask": np.ones((3, 5), "f4")},
        "mask must hold float64 as the input does, got float32",
    ),
    (
        ours.scaled_dot_product_attention,
        {"mask": torch.ones(3, 5).bool()},
        "mask must come from numpy as the input does, got torch",
    ),
    (
        ours.additive_attention,
        {"mask": [[True]]},
        "mask must be an array (of numpy or torch), got list",
    ),
    (
        ours.bilinear_attention,
        {"mask": np.full((3, 5), np.nan)},
        "mask must hold finite numbers or -inf, got NaN or +inf",
    ),
    (
        ours.masked_softmax,
        {"mask": np.array([0, 0, 0, np.inf])},
        "mask must hold finite numbers or -inf, got NaN or +inf",
    ),
    (ours.masked_softmax, {"scores": X[0, 0]}, "scores must have shape (..., T, S), "),
    (
        ours.additive_scores,
        {"W_q": np.ones((6, 3))},
        "W_q must have shape (A, Q=4), got (6, 3)",
    ),
    (
        ours.additive_scores,
        {"W_k": np.ones((5, 4))},
        "W_k must have shape (A=6, 4), got (5, 4)",
    ),
    (ours.additive_scores, {"w": np.ones(5)}, "w must have shape (A=6,), got (5,)"),
    (
        ours.bilinear_scores,
        {"W": np.ones((4, 3))},
        "W must have shape (Q=4, K=4), got (4, 3)",
    ),
    (ours.causal_mask, {"T": 0}, "T must be at least 1, got 0"),
    (ours.causal_mask, {"T": 2.0}, "T must be a whole number, got 2.0"),
    (ours.causal_mask, {"S": 2}, "S must be at least 3, got 2"),
    (ours.padding_mask, {"lengths": np.array([4])}, "lengths must be 0 to 3, got 4"),
    (ours.padding_mask, {"lengths": np.array([-1])}, "lengths must be 0 to 3, got -1"),
    (ours.padding_mask, {"lengths": np.ones(2)}, "lengths must hold integers, got "),
    (ours.padding_mask, {"S": 0}, "S must be at least 1, got 0"),
    (
        multi_head_attention,
        {"query": X[0]},
        "query must have shape (B, T, E=4), got (3, 4)",
    ),
    (
        multi_head_attention,
        {"key": M[:1]},
        "key must have shape (2, S, 4), got (1, 5, 4)",
    ),
    (
        multi_head_attention,
        {"value": X},
        "value must have shape (2, 5, 4), got (2, 3, 4)",
    ),
    (multi_head_attention, {"key": None}, "value must be None where key is None, got "),
    (multi_head_attention, {"num_heads": 3}, "num_heads must divide E=4, got 3"),
    (multi_head_attention, {"num_heads": 0}, "num_heads must be at least 1 and at "),
    (
        multi_head_attention,
        {"mask": np.ones((2, 5, 5), bool)},
        "mask must broadcast to the scores' (2, 3, 5), got (2, 5, 5)",
    ),
    (
        multi_head_attention,
        {"mask": np.ones((2, 3, 3, 5), bool)},
        "mask must broadcast to the scores' (2, 2, 3, 5), got (2, 3, 3, 5)",
    ),
    (
        multi_head_attention,
        {"key_mask": np.ones((2, 3), bool)},
        "key_mask must have shape (2, 5), got (2, 3)",
    ),
    (
        multi_head_attention,
        {"key_mask": np.ones((2, 5))},
        "key_mask must hold booleans, got float64",
    ),
    (multi_head_attention, {"dropout": 1}, "dropout must be at least 0 and below 1, "),
    (
        multi_head_attention,
        {"dropout": 0.5},
        "rng must be a numpy generator, np.random.default_rng(seed), got NoneType",
    ),
    (
        multi_head_attention,
        {"params": None},
        "params must be a dict from torch's names to arrays, got NoneType",
    ),
    (
        multi_head_attention,
        {"params": but(in_proj_weight=None)},
        "params must hold in_proj_weight, which it lacks",
    ),
    (
        multi_head_attention,
        {"params": but(in_proj_weight=None, q_proj_weight=X)},
        "params must hold k_proj_weight, v_proj_weight, which it lacks",
    ),
    (
        multi_head_attention,
        {"params": but(bias_k=X)},
        "params must hold bias_v, which it lacks",
    ),
    (
        multi_head_attention,
        {"params": but(bias_v=X)},
        "params must hold bias_k, which it lacks",
    ),
    (
        multi_head_attention,
        {"params": but(weight=X)},
        "params must not hold weight, unused here",
    ),
    (
        multi_head_attention,
        {"params": but(in_proj_bias=np.ones(4))},
        "in_proj_bias must have shape (12,), got (4,)",
    ),
    (
        multi_head_attention,
        {"params": but(out_proj__weight=np.ones((4, 3)))},
        "out_proj.weight must have shape (E, E), got (4, 3)",
    ),
    (
        multi_head_attention,
        {"params": but(out_proj__bias=np.ones(4, "f4"))},
        "out_proj.bias must hold float64 as out_proj.weight does, got float32",
    ),
]


@pytest.mark.parametrize(("f", "change", "sentence"), SENTENCES, ids=label)
def test_sentence(f, change, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        f(**{**GOOD[f], **change})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_multi_head_with_all_weights_dropped_gives_its_bias():
    rng = np.random.default_rng(0)
    out, _ = multi_head_attention(X, None, None, PARAMS, 2, dropout=1 - 1e-12, rng=rng)
    np.testing.assert_array_equal(
        out, np.broadcast_to(PARAMS["out_proj.bias"], X.shape)
    )


@pytest.mark.parametrize(
    ("inputs", "products"), [((X, None, None), 1), ((X, M, None), 2), ((X, M, M), 3)]
)
def test_inputs_that_are_one_share_a_product(inputs, products, monkeypatch):
    linear, calls = _multi_head.linear, []
    monkeypatch.setattr(_multi_head, "linear", lambda *a: calls.append(a) or linear(*a))
    multi_head_attention(*inputs, PARAMS, 2)
    assert len(calls) == products + 1  # and that of the result


def test_parameters_behind_a_prefix():
    params = {f"self_attn.{name}": a for name, a in PARAMS.items()}
    assert _multi_head.check_params(params | {"other": X}, "self_attn.") == 4


def test_inputs_left_out_where_sizes_differ():
    params = {
        "q_proj_weight": np.ones((4, 4)),
        "k_proj_weight": np.ones((4, 3)),
        "v_proj_weight": np.ones((4, 5)),
        "out_proj.weight": np.ones((4, 4)),
    }
    for name, key in (("key", None), ("value", np.ones((2, 5, 3)))):
        with pytest.raises(
            ValueError, match=f"^{name} must be given, since k_proj and"
        ):
            multi_head_attention(X, key, None, params, 2)


@pytest.mark.parametrize("f", BACKWARD)
def test_gradients_that_do_not_fit(f):
    out, cache = f(**GOOD[f])
    back = BACKWARD[f]
    like = "as the forward pass does, got"
    for wrong, error, what in (
        (out[..., None], ValueError, f"have shape {out.shape}, got"),
        (out[..., :1] if out.shape[-1] > 1 else out[0], ValueError, "have shape"),
        (out.tolist(), TypeError, "be an array (of numpy or torch), got list"),
        (None, TypeError, "be an array (of numpy or torch), got NoneType"),
        (out.astype("f4"), ValueError, f"hold float64 {like} float32"),
        (torch.tensor(out), ValueError, f"come from numpy {like} torch"),
    ):
        with pytest.raises(error) as caught:
            back(wrong, cache)
        assert str(caught.value).startswith(f"dout must {what}")
    if "attention" in f.__name__:
        with pytest.raises(ValueError, match=r"^dweights must have shape"):
            back(out, cache, out[..., None])
