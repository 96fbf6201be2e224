"""Graph attention against a loop over nodes, autograd, what papers say."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import attention
from seqlib.graph_attention import graph_attention, graph_attention_backward

SIZES = st.integers(1, 4)
SEEDS = st.integers(0, 2**32 - 1)


def draw(rng, H=2, O=3, D=4, dynamic=False, merge="concat", bias=True):
    names = ("W_q", "W_k") if dynamic else ("W",)
    params = {name: rng.normal(size=(H, O, D)) for name in names}
    for name in ("a",) if dynamic else ("a_q", "a_k"):
        params[name] = rng.normal(size=(H, O))
    if bias:
        params["b"] = rng.normal(size=O if merge == "mean" else H * O)
    return params


def by_loop(x, adjacency, params, dynamic, merge, slope, self_loops):
    """Node by node, over a list of its neighbours; x is (N, D)."""
    rows, all_weights = [], []
    W_k = params["W_k" if dynamic else "W"]
    for i in range(len(x)):
        near = [j for j in range(len(x)) if adjacency[i, j] or (self_loops and i == j)]
        heads, weights = [], []
        for h in range(len(W_k)):
            e = []
            for j in near:
                if dynamic:
                    both = params["W_q"][h] @ x[i] + params["W_k"][h] @ x[j]
                    unit = torch.nn.functional.leaky_relu(both, slope)
                    e.append(params["a"][h] @ unit)
                else:
                    pair = torch.cat([params["W"][h] @ x[i], params["W"][h] @ x[j]])
                    a = torch.cat([params["a_q"][h], params["a_k"][h]])
                    e.append(torch.nn.functional.leaky_relu(a @ pair, slope))
            p = torch.softmax(torch.stack(e), 0) if near else []
            values = [w * (W_k[h] @ x[j]) for w, j in zip(p, near, strict=True)]
            heads.append(sum(values, 0 * (W_k[h] @ x[i])))
            row = [0 * x.sum()] * len(x)
            for w, j in zip(p, near, strict=True):
                row[j] = w
            weights.append(torch.stack(row))
        joined = sum(heads) / len(heads) if merge == "mean" else torch.cat(heads)
        rows.append(joined + params["b"] if "b" in params else joined)
        all_weights.append(torch.stack(weights))
    return torch.stack(rows), torch.stack(all_weights, 1)


@pytest.mark.referee(
    "seqlib.graph_attention.graph_attention",
    "seqlib.graph_attention.graph_attention_backward",
    by="torch autograd",
)
@pytest.mark.parametrize("dynamic", [False, True])
@given(
    sizes=st.tuples(SIZES, SIZES, SIZES, SIZES),
    batch=st.sampled_from([None, 1, 2]),
    own_graph=st.booleans(),
    merge=st.sampled_from(["concat", "mean"]),
    self_loops=st.booleans(),
    bias=st.booleans(),
    density=st.sampled_from([0.0, 0.4, 1.0]),
    seed=SEEDS,
)
def test_forward_and_backward(
    dynamic, sizes, batch, own_graph, merge, self_loops, bias, density, seed
):
    rng = np.random.default_rng(seed)
    N, H, O, D = sizes
    lead = () if batch is None else (batch,)
    x = rng.normal(size=(*lead, N, D))
    params = draw(rng, H, O, D, dynamic, merge, bias)
    adjacency = rng.random((*(lead if own_graph else ()), N, N)) < density
    options = {"dynamic": dynamic, "merge": merge, "slope": 0.3}
    options["self_loops"] = self_loops
    tensors = {name: torch.tensor(a, requires_grad=True) for name, a in params.items()}
    leaf = torch.tensor(x, requires_grad=True)
    graphs = np.broadcast_to(adjacency, (*lead, N, N))
    pairs = [
        by_loop(one, graph, tensors, **options)
        for one, graph in zip(
            leaf if lead else [leaf], graphs if lead else [graphs], strict=True
        )
    ]
    wanted, weights = (torch.stack(list(a)) for a in zip(*pairs, strict=True))
    wanted, weights = (wanted, weights) if lead else (wanted[0], weights[0])
    dout, dweights = (rng.normal(size=tuple(a.shape)) for a in (wanted, weights))
    douts = [torch.tensor(dout), torch.tensor(dweights)]
    grads = by_autograd((wanted, weights), douts, [leaf, *tensors.values()])
    for A in LIBRARIES.values():
        ours = {name: A(a) for name, a in params.items()}
        out, p, cache = graph_attention(
            A(x), A(adjacency), ours, return_weights=True, **options
        )
        close(out, wanted, scale=1 + wanted.abs().max().item())
        close(p, weights, scale=1)
        dx, of_params = graph_attention_backward(A(dout), cache, A(dweights))
        assert list(of_params) == list(params)
        for got, grad in zip((dx, *of_params.values()), grads, strict=True):
            close(got, grad, scale=1 + grad.abs().max().item())


@pytest.mark.referee(
    "seqlib.graph_attention.graph_attention_backward", by="finite differences"
)
@pytest.mark.parametrize("dynamic", [False, True])
def test_finite_differences(dynamic):
    rng = np.random.default_rng(1)
    x, adjacency = rng.normal(size=(2, 4, 3)), rng.random((4, 4)) < 0.5
    params = draw(rng, 2, 2, 3, dynamic)
    dout = rng.normal(size=(2, 4, 4))

    def loss(x, *values):
        of = dict(zip(params, values, strict=True))
        return np.sum(graph_attention(x, adjacency, of, dynamic)[0] * dout)

    _, cache = graph_attention(x, adjacency, params, dynamic)
    dx, grads = graph_attention_backward(dout, cache)
    for i, grad in enumerate((dx, *grads.values())):
        close(by_differences(loss, [x, *params.values()], i), grad, 1e-7)


@pytest.mark.referee(
    "seqlib.graph_attention.graph_attention", by="seqlib.attention.additive_scores"
)
def test_it_is_additive_attention_with_one_hidden_unit_and_a_shared_projection():
    rng = np.random.default_rng(2)
    x, adjacency = rng.normal(size=(5, 4)) / 4, rng.random((5, 5)) < 0.5
    params = draw(rng, H=1, bias=False)
    W = params["W"][0]
    values = x @ W.T
    w_q, w_k = params["a_q"] @ W, params["a_k"] @ W  # (1, D)
    scores, _ = attention.additive_scores(x, x, w_q, w_k, np.ones(1))
    scores = np.arctanh(scores)  # the tanh goes, LeakyReLU comes
    scores = np.where(scores > 0, scores, 0.2 * scores)
    weights, _ = attention.masked_softmax(scores, adjacency | np.eye(5, dtype=bool))
    out, _ = graph_attention(x, adjacency, params)
    close(out, weights @ values, 1e-12)
    linked = adjacency | np.eye(5, dtype=bool)
    other, _ = attention.scaled_dot_product_attention(values, values, values, linked)
    assert np.abs(out - other).max() > 0.01  # and it is not that one


@given(seed=SEEDS)
def test_the_ranking_of_keys_is_the_same_for_every_query(seed):
    rng = np.random.default_rng(seed)
    x, everyone = rng.normal(size=(6, 4)), np.ones((6, 6), bool)
    _, p, _ = graph_attention(x, everyone, draw(rng), return_weights=True)
    ranks = np.argsort(p, axis=-1)
    assert (ranks == ranks[:, :1, :]).all()


def test_with_dynamic_scores_every_query_may_have_a_key_of_its_own():
    # a' LeakyReLU(W_q x_i + W_k x_j) = -|u_i - u_j| for u = x: the nearest, itself.
    u = np.array([[-1.0], [0.0], [2.0], [5.0]])
    params = {"W_q": [[1.0], [-1.0]], "W_k": [[-1.0], [1.0]], "a": [-1.0, -1.0]}
    params = {name: np.array([value]) for name, value in params.items()}
    everyone = np.ones((4, 4), bool)
    _, p, _ = graph_attention(
        u, everyone, params, dynamic=True, slope=0.0, return_weights=True
    )
    assert np.argmax(p[0], axis=-1).tolist() == [0, 1, 2, 3]
    close(p[0], torch.softmax(-torch.tensor(np.abs(u - u.T)), -1), 1e-12)


@pytest.mark.parametrize("dynamic", [False, True])
@given(seed=SEEDS)
def test_it_is_equivariant_to_the_order_of_the_nodes(dynamic, seed):
    rng = np.random.default_rng(seed)
    x, adjacency = rng.normal(size=(5, 4)), rng.random((5, 5)) < 0.4
    params, order = draw(rng, dynamic=dynamic), rng.permutation(5)
    out, _ = graph_attention(x, adjacency, params, dynamic)
    moved, _ = graph_attention(
        x[order], adjacency[np.ix_(order, order)], params, dynamic
    )
    close(moved, out[order], 1e-12)


def test_isolated_nodes():
    rng = np.random.default_rng(3)
    x, none, params = rng.normal(size=(3, 4)), np.zeros((3, 3), bool), draw(rng)
    out, _ = graph_attention(x, none, params)
    itself = np.concatenate([x @ W.T for W in params["W"]], axis=-1)
    close(out, itself + params["b"])
    out, cache = graph_attention(x, none, params, self_loops=False)
    close(out, np.broadcast_to(params["b"], (3, 6)))
    dx, grads = graph_attention_backward(np.ones((3, 6)), cache)
    assert not dx.any()
    assert not grads["W"].any()
    assert (grads["b"] == 3).all()


def test_rows_receive_and_columns_send():
    x = np.array([[1.0], [10.0]])
    params = {"W": np.ones((1, 1, 1)), "a_q": np.ones((1, 1)), "a_k": np.ones((1, 1))}
    adjacency = np.array([[False, True], [False, False]])
    out, _ = graph_attention(x, adjacency, params, self_loops=False)
    assert to_numpy(out).tolist() == [[10.0], [0.0]]


def test_large_scores_do_not_overflow():
    rng = np.random.default_rng(4)
    params = {k: 1e4 * v for k, v in draw(rng).items()}
    x, everyone = rng.normal(size=(4, 4)), np.ones((4, 4), bool)
    out, cache = graph_attention(x, everyone, params)
    dx, grads = graph_attention_backward(np.ones_like(out), cache)
    assert all(np.isfinite(a).all() for a in (out, dx, *grads.values()))


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_slope_at_exactly_zero_is_the_one_below(dynamic):
    """As in torch; nodes that are zero have such scores."""
    rng = np.random.default_rng(5)
    x, everyone = np.zeros((4, 4)), np.ones((4, 4), bool)
    params = draw(rng, dynamic=dynamic)
    out, weights, cache = graph_attention(
        x, everyone, params, dynamic, return_weights=True
    )
    dout, dweights = rng.normal(size=out.shape), rng.normal(size=weights.shape)
    dx, _ = graph_attention_backward(dout, cache, dweights)
    leaf = torch.tensor(x, requires_grad=True)
    tensors = {name: torch.tensor(a) for name, a in params.items()}
    wanted = by_loop(leaf, everyone, tensors, dynamic, "concat", 0.2, True)
    (grad,) = by_autograd(wanted, [torch.tensor(dout), torch.tensor(dweights)], [leaf])
    close(dx, grad, 1e-12)


@pytest.mark.parametrize("dynamic", [False, True])
def test_what_is_made_inside_is_on_the_inputs_device(dynamic):
    """The device "meta" computes nothing, but refuses to be mixed with another."""
    drawn = draw(np.random.default_rng(0), dynamic=dynamic)
    params = {name: torch.tensor(a, device="meta") for name, a in drawn.items()}
    x = torch.ones(2, 5, 4, device="meta", dtype=torch.float64)
    for shape in ((5, 5), (2, 5, 5)):
        adjacency = torch.ones(shape, device="meta", dtype=torch.bool)
        out, cache = graph_attention(x, adjacency, params, dynamic)
        dx, grads = graph_attention_backward(out, cache)
        assert {a.device.type for a in (out, dx, *grads.values())} == {"meta"}


def good():
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(size=(2, 5, 4)),
        "adjacency": np.ones((2, 5, 5), bool),
        "params": draw(rng),
    }


WRONG = {
    "x": ({"x": np.ones(3)}, ValueError, r"x must have shape \(B, N, D\) or \(N, D\)"),
    "axes": (
        {"x": np.ones((1, 2, 5, 4))},
        ValueError,
        r"x must have shape \(B, N, D\) or \(N, D\), got \(1, 2, 5, 4\)",
    ),
    "list": (
        {"adjacency": [[True]]},
        TypeError,
        "adjacency must be an array",
    ),
    "graphs for one": (
        {"x": np.ones((5, 4)), "adjacency": np.ones((2, 5, 5), bool)},
        ValueError,
        r"adjacency must have shape \(N=5, N=5\), got \(2, 5, 5\)",
    ),
    "floats": (
        {"adjacency": np.ones((5, 5))},
        TypeError,
        "adjacency must hold booleans, got float64",
    ),
    "nodes": (
        {"adjacency": np.ones((4, 4), bool)},
        ValueError,
        r"adjacency must have shape \(N=5, N=5\), got \(4, 4\)",
    ),
    "batch": (
        {"adjacency": np.ones((3, 5, 5), bool)},
        ValueError,
        r"adjacency must have shape \(B=2, N=5, N=5\), got \(3, 5, 5\)",
    ),
    "features": (
        {"x": np.ones((2, 5, 3))},
        ValueError,
        r"x must have shape \(B, N, D=4\), got \(2, 5, 3\)",
    ),
    "dynamic": (
        {"dynamic": True},
        ValueError,
        "params must hold W_k, W_q, a, which it lacks",
    ),
    "strange": (
        {"params": draw(np.random.default_rng(0)) | {"c": np.ones(1)}},
        ValueError,
        "params must not hold c, unused here",
    ),
    "bias": (
        {"merge": "mean"},
        ValueError,
        r"b must have shape \(3,\), got \(6,\)",
    ),
    "bias of all heads": (
        {"params": draw(np.random.default_rng(0)) | {"b": np.ones(5)}},
        ValueError,
        r"b must have shape \(6,\), got \(5,\)",
    ),
    "merge": ({"merge": "sum"}, ValueError, "merge must be one of 'concat', 'mean'"),
    "slope": ({"slope": -1}, ValueError, "slope must be at least 0, got -1"),
    "params": ({"params": 3}, TypeError, "params must be a dict of arrays, got int"),
}


@pytest.mark.parametrize("case", WRONG)
def test_kind_errors(case):
    changed, error, sentence = WRONG[case]
    with pytest.raises(error, match=sentence):
        graph_attention(**{**good(), **changed})
