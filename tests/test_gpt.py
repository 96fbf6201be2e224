"""GPT against torch.nn's layers and autograd; its cache against the whole pass."""

import re
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib.decode import beam_search, greedy, sample, take_rows
from seqlib.functional import log_softmax
from seqlib.nn import GPT, GPTConfig
from seqlib.transformer import (
    _kept,
    gpt,
    gpt_backward,
    gpt_shapes,
    gpt_step,
    init_gpt,
    positions_from,
)
from seqlib.transformer._names import under

SIZES = st.integers(1, 4)
FORMS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_tanh": lambda z: torch.nn.functional.gelu(z, approximate="tanh"),
    "silu": torch.nn.functional.silu,
}


class Reference(torch.nn.Module):
    """The same model from torch.nn's layers, with nothing of ours."""

    def __init__(self, V, P, L, E, F, H, activation, eps, bias, tied):
        super().__init__()
        like = {"dtype": torch.float64}
        self.wte = torch.nn.Embedding(V, E, **like)
        self.wpe = torch.nn.Embedding(P, E, **like)
        layers = []
        for _ in range(L):
            layers.append(
                torch.nn.TransformerEncoderLayer(
                    E, H, F, 0.0, FORMS[activation], eps, True, True, bias, **like
                )
            )
        self.blocks = torch.nn.ModuleList(layers)
        self.norm = torch.nn.LayerNorm(E, eps, bias=bias, **like)
        if not tied:
            self.lm_head = torch.nn.Linear(E, V, bias=False, **like)

    def forward(self, ids, key_mask=None, positions=None, head=True):
        T = ids.shape[1]
        mask = torch.full((T, T), -torch.inf, dtype=torch.float64).triu(1)
        x = self.wte(ids)
        x = x + self.wpe(torch.arange(T) if positions is None else positions)
        padding = None
        if key_mask is not None:
            padding = torch.where(key_mask, 0.0, -torch.inf)
        for block in self.blocks:
            x = block(x, mask, padding)
        x = self.norm(x)
        if not head:
            return x
        own = getattr(self, "lm_head", self.wte)
        return x @ own.weight.T


def make(rng, V, P, L, E, F, H, activation="gelu_tanh", eps=1e-5, bias=True, tied=True):
    """Return torch's model and our parameters, the same numbers, none zero or one."""
    model = Reference(V, P, L, E, F, H, activation, eps, bias, tied)
    for p in model.parameters():
        p.data = torch.tensor(rng.normal(size=tuple(p.shape)) / 2)
    return model, {k: p.detach().numpy().copy() for k, p in model.named_parameters()}


@pytest.mark.referee(
    "seqlib.transformer.gpt",
    "seqlib.transformer.gpt_backward",
    by="torch.nn.TransformerEncoderLayer",
)
@given(
    sizes=st.tuples(SIZES, SIZES, st.integers(1, 3), st.integers(1, 3)),
    V=st.integers(1, 5),
    L=st.integers(1, 3),
    spare=st.integers(0, 2),
    padded=st.booleans(),
    shifted=st.booleans(),
    head=st.booleans(),
    activation=st.sampled_from(list(FORMS)),
    eps=st.sampled_from([1e-5, 0.1]),
    bias=st.booleans(),
    tied=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_gpt_is_torchs(sizes, V, L, spare, padded, shifted, head, seed, **options):
    rng = np.random.default_rng(seed)
    B, T, H, d = sizes
    E, P = H * max(d, 2), T + spare
    activation, eps = options["activation"], options["eps"]
    model, params = make(rng, V, P, L, E, 3, H, **options)
    ids = rng.integers(0, V, (B, T))
    key_mask = np.arange(T) < rng.integers(1, T + 1, B)[:, None] if padded else None
    positions = rng.integers(0, P, (B, T)) if shifted else None
    more = [None if a is None else torch.tensor(a) for a in (key_mask, positions)]
    wanted = model(torch.tensor(ids), *more, head)
    dout = rng.normal(size=tuple(wanted.shape))
    rights = by_autograd([wanted], [torch.tensor(dout)], list(model.parameters()))
    rights = dict(zip(dict(model.named_parameters()), rights, strict=True))
    scale = 1 + max(g.abs().max().item() for g in rights.values())
    for A in LIBRARIES.values():
        ours = {k: A(a) for k, a in params.items()}
        some = [None if a is None else A(a) for a in (key_mask, positions)]
        out, cache = gpt(A(ids), ours, H, *some, head, activation, eps)
        close(out, wanted.detach(), scale=1 + wanted.abs().max().item())
        grads = gpt_backward(A(dout), cache)
        assert list(grads) == list(ours)
        for name, grad in grads.items():
            close(grad, rights[name], 1e-11, scale=scale)


@pytest.mark.referee("seqlib.transformer.positions_from", by="by hand")
def test_positions_count_what_is_real():
    mask = np.array([[False, False, True, True], [True, False, True, False]])
    assert positions_from(mask).tolist() == [[0, 0, 0, 1], [0, 0, 1, 1]]


@pytest.mark.referee("seqlib.transformer.gpt_backward", by="finite differences")
@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_by_differences(head, tied, dropout):
    rng = np.random.default_rng(0)
    _, params = make(rng, 5, 4, 2, 4, 3, 2, tied=tied)
    ids, names = np.array([[0, 3, 3], [1, 2, 3]]), list(params)
    key_mask = np.array([[True, True, True], [False, True, True]])
    places = positions_from(key_mask)
    dout = rng.normal(size=(2, 3, 5 if head else 4))

    def run(*arrays):
        own = dict(zip(names, arrays, strict=True))
        more = {"dropout": dropout, "rng": np.random.default_rng(3), "head": head}
        return gpt(ids, own, 2, key_mask, places, **more)

    _, cache = run(*params.values())
    grads = gpt_backward(dout, cache)

    def loss(*arrays):
        return np.sum(run(*arrays)[0] * dout)

    for i, name in enumerate(names):
        steps = by_differences(loss, list(params.values()), i, 1e-5)
        close(grads[name], steps, 1e-7, scale=1 + np.abs(steps).max())


def test_dropout_comes_after_the_embeddings_too():
    """With p near 1 nothing is left but what the last norm makes of zeros."""
    _, params = make(np.random.default_rng(0), 5, 4, 1, 4, 3, 2)
    options = {"dropout": 1 - 1e-12, "rng": np.random.default_rng(0), "head": False}
    hidden, _ = gpt(np.array([[1, 2]]), params, 2, **options)
    np.testing.assert_array_equal(
        hidden, np.broadcast_to(params["norm.bias"], (1, 2, 4))
    )


def test_without_dropout_nothing_is_drawn():
    _, params = make(np.random.default_rng(0), 5, 4, 1, 4, 3, 2)
    rng = np.random.default_rng(1)
    gpt(np.array([[1, 2]]), params, 2, rng=rng)
    assert rng.random() == np.random.default_rng(1).random()


def test_padding_on_the_left_changes_nothing_real():
    rng = np.random.default_rng(0)
    _, params = make(rng, 7, 6, 2, 6, 4, 3)
    row = rng.integers(0, 7, 4)
    alone, _ = gpt(row[None], params, 3)
    ids = np.stack([np.array([5, 6, *row]), rng.integers(0, 7, 6)])
    key_mask = np.array([[False, False, True, True, True, True], [True] * 6])
    places = positions_from(key_mask)
    np.testing.assert_array_equal(places, [[0, 0, 0, 1, 2, 3], range(6)])
    logits, _ = gpt(ids, params, 3, key_mask, places)
    close(logits[:1, 2:], alone)
    as_they_stand, _ = gpt(ids, params, 3, key_mask)
    assert np.abs(as_they_stand[0, 2:] - alone[0]).max() > 1e-3


def test_parameters_are_drawn_as_in_gpt_2():
    params = init_gpt(500, 300, 8, 64, rng=np.random.default_rng(0))
    assert {k: a.shape for k, a in params.items()} == gpt_shapes(500, 300, 8, 64)
    for name, a in params.items():
        if name.endswith("bias"):
            assert (a == 0).all()
        elif "norm" in name:
            assert (a == 1).all()
        else:
            adds = name.endswith(("out_proj.weight", "linear2.weight"))
            σ = 0.02 / 4 if adds else 0.02  # sqrt(2 * 8) = 4
            assert abs(a.std() / σ - 1) < 0.05
            assert abs(a.mean()) < 0.1 * σ


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("F", [None, 3])
def test_names_and_shapes_are_those_of_torchs_layers(F, bias, tied):
    theirs = Reference(5, 7, 2, 4, F or 16, 2, "gelu", 1e-5, bias, tied)
    shapes = {name: tuple(p.shape) for name, p in theirs.named_parameters()}
    options = (5, 7, 2, 4, F, bias, tied)
    assert gpt_shapes(*options) == shapes
    assert {name: a.shape for name, a in init_gpt(*options).items()} == shapes


# --- the cache -----------------------------------------------------------------------


def in_pieces(ids, params, H, cuts, key_mask=None, positions=None, **options):
    """Return the logits of gpt_step, the ids given piece by piece."""
    past, logits = None, []
    for i, (a, b) in enumerate(pairwise(cuts)):
        mask = None if key_mask is None else key_mask[:, a:b]
        places = None if positions is None or i else positions[:, a:b]
        out, past = gpt_step(ids[:, a:b], params, H, past, mask, places, **options)
        logits.append(to_numpy(out))
    return np.concatenate(logits, axis=1), past


@pytest.mark.referee("seqlib.transformer.gpt_step", by="the whole pass")
@given(
    B=SIZES,
    T=st.integers(1, 7),
    H=st.integers(1, 2),
    cuts=st.sets(st.integers(1, 6)),
    left=st.booleans(),
    padded=st.booleans(),
    tied=st.booleans(),
    bias=st.booleans(),
    activation=st.sampled_from(list(FORMS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_pieces_give_the_whole(B, T, H, cuts, left, padded, seed, **options):
    rng = np.random.default_rng(seed)
    _, params = make(rng, 5, T, 2, 4 * H, 3, H, **options)
    cuts = [0, *sorted(c for c in cuts if c < T), T]
    ids = rng.integers(0, 5, (B, T))
    key_mask = positions = None
    if padded:
        n = rng.integers(1, T + 1, B)[:, None]
        key_mask = np.arange(T) >= T - n if left else np.arange(T) < n
        positions = positions_from(key_mask) if left and n.min() > T - cuts[1] else None
    form = {"activation": options["activation"]}
    wanted, _ = gpt(ids, params, H, key_mask, positions, **form)
    for A in LIBRARIES.values():
        ours = {k: A(a) for k, a in params.items()}
        mask = None if key_mask is None else A(key_mask)
        places = None if positions is None else A(positions)
        got, past = in_pieces(A(ids), ours, H, cuts, mask, places, **form)
        close(got, wanted, scale=1 + np.abs(wanted).max())
        assert past["keys"][0].shape == (B, H, T, 4)


def test_a_past_never_changes():
    """Two continuations of one past, and of what decode makes of it, are all right."""
    rng = np.random.default_rng(0)
    _, params = make(rng, 5, 12, 2, 4, 3, 2)
    ids = rng.integers(0, 5, (3, 4))
    _, past = gpt_step(ids, params, 2)
    kept = [a.copy() for a in (*past["keys"], *past["values"])]
    rows = np.array([2, 0, 0])
    turned = take_rows(past, rows)
    tails = [rng.integers(0, 5, (3, n)) for n in (1, 3, 2, 1)]
    pasts = [gpt_step(t, params, 2, past)[1] for t in tails[:3]]
    pasts.append(gpt_step(tails[3], params, 2, turned)[1])
    for before, tail, p in zip([ids] * 3 + [ids[rows]], tails, pasts, strict=True):
        last = rng.integers(0, 5, (3, 2))
        got, _ = gpt_step(last, params, 2, p)
        wanted, _ = gpt(np.concatenate([before, tail, last], 1), params, 2)
        close(got, wanted[:, -2:])
    for a, copy in zip((*past["keys"], *past["values"]), kept, strict=True):
        np.testing.assert_array_equal(a, copy)


@pytest.mark.parametrize("which", ["keys", "values"])
def test_a_past_may_be_given_other_keys_or_values(which):
    _, params = make(np.random.default_rng(0), 5, 6, 2, 4, 3, 2)
    _, past = gpt_step(np.array([[1, 2, 0], [3, 4, 4]]), params, 2)
    past[which] = tuple(a[::-1, ...].copy() for a in past[which])
    token = np.array([[2], [2]])
    wanted, _ = gpt_step(token, params, 2, dict(past))  # which has no buffers
    got, _ = gpt_step(token, params, 2, past)
    close(got, wanted)


def test_the_cache_is_not_copied_for_every_token():
    _, params = make(np.random.default_rng(0), 5, 64, 2, 4, 3, 2)
    past, rooms = None, set()
    for _ in range(64):
        _, past = gpt_step(np.array([[1]]), params, 2, past)
        rooms.add(id(past.room))
        assert past["keys"][0].base is past.room.buffers[0][0]
    assert len(rooms) <= 7  # 2, 6, 14, 30, 62, 126 places
    assert past.room.buffers[0][0].shape[2] == 126
    with pytest.raises(ValueError, match=r"^ids must have at most P=64 positions, got"):
        gpt_step(np.array([[1]]), params, 2, past)


@pytest.mark.parametrize("first", [None, np.array([[True, True], [True, True]])])
def test_padding_may_begin_after_a_while(first):
    _, params = make(np.random.default_rng(0), 5, 6, 2, 4, 3, 2)
    ids, real = np.array([[1, 2, 0, 3], [3, 4, 4, 1]]), np.ones((2, 4), bool)
    real[1, 2] = False
    wanted, _ = gpt(ids, params, 2, real)
    _, past = gpt_step(ids[:, :2], params, 2, None, first)
    got, past = gpt_step(ids[:, 2:], params, 2, past, real[:, 2:])
    close(got, wanted[:, 2:])
    np.testing.assert_array_equal(past["key_mask"], real)


def test_a_step_without_head_gives_what_the_last_norm_makes():
    _, params = make(np.random.default_rng(0), 5, 6, 2, 4, 3, 2)
    ids = np.array([[1, 2, 0]])
    wanted, _ = gpt(ids, params, 2, head=False)
    got, _ = gpt_step(ids, params, 2, head=False)
    close(got, wanted)


HOLD = "past must hold keys, values, key_mask, following, got"


@pytest.mark.parametrize(
    ("past", "sentence"),
    [
        (3, "past must be None or what gpt_step returned, got int"),
        ({}, "past must hold keys, values, key_mask, following, got nothing"),
        (
            {"b": 1, "a": 2},
            "past must hold keys, values, key_mask, following, got a, b",
        ),
        ({"keys": []}, "past['keys'] must be a tuple of 2 arrays, got list"),
        ({"values": (1,)}, "past['values'] must be a tuple of 2 arrays, got 1"),
    ],
)
def test_what_is_no_past(past, sentence):
    _, params = make(np.random.default_rng(0), 5, 6, 2, 4, 3, 2)
    _, right = gpt_step(np.array([[1, 2]]), params, 2)
    if past and past != 3 and "b" not in past:
        past = dict(right) | past
    with pytest.raises((TypeError, ValueError), match="^" + re.escape(sentence) + "$"):
        gpt_step(np.array([[1]]), params, 2, past)


def test_only_what_is_asked_for_is_multiplied(monkeypatch):
    _, params = make(np.random.default_rng(0), 5, 6, 1, 4, 3, 2)
    linear, shapes = _kept.linear, []
    monkeypatch.setattr(
        _kept, "linear", lambda x, W, b: shapes.append(W.shape) or linear(x, W, b)
    )
    own = under("blocks.0.self_attn.", params)
    for parts in (range(1), range(1, 3), range(3)):
        heads = _kept.heads_of(np.ones((1, 2, 4)), own, 2, parts)
        assert [a.shape for a in heads] == [(1, 2, 2, 2)] * len(parts)
    assert shapes == [(4, 4), (8, 4), (12, 4)]


def test_no_gradient_flows_through_a_step():
    _, params = make(np.random.default_rng(0), 5, 6, 1, 4, 3, 2)
    params = {k: torch.tensor(a, requires_grad=True) for k, a in params.items()}
    logits, past = gpt_step(torch.tensor([[1, 2]]), params, 2)
    logits, _ = gpt_step(torch.tensor([[3]]), params, 2, past)
    assert not logits.requires_grad


@pytest.mark.parametrize("library", LIBRARIES)
def test_searches_take_it_as_their_step(library):
    A, rng = LIBRARIES[library], np.random.default_rng(0)
    _, params = make(rng, 6, 9, 2, 4, 3, 2)
    params = {k: A(a) for k, a in params.items()}

    def step(past, token):
        logits, past = gpt_step(token[:, None], params, 2, past)
        return log_softmax(logits[:, -1, :])[0], past

    def whole(ids, token):
        ids = array_namespace(token).concat([ids, token[:, None]], axis=1)
        return log_softmax(gpt(ids, params, 2)[0][:, -1, :])[0], ids

    ids = A(rng.integers(0, 6, (2, 3)))
    _, past = gpt_step(ids[:, :-1], params, 2)
    searches = (
        lambda f, s: greedy(f, s, 0, 6),
        lambda f, s: sample(f, s, 0, 6, np.random.default_rng(1)),
        lambda f, s: beam_search(f, s, 0, 3, 6, 0.7),
    )
    for search in searches:
        tokens, scores = search(step, (past, ids[:, -1]))
        wanted, right = search(whole, (ids[:, :-1], ids[:, -1]))
        np.testing.assert_array_equal(to_numpy(tokens), to_numpy(wanted))
        close(scores, to_numpy(right))


# --- the module ----------------------------------------------------------------------

SMALL = GPTConfig(7, 6, 2, 2, 4, 5, dropout=0.0)
IDS = torch.tensor([[1, 2, 3, 1], [0, 6, 5, 6]])
REAL = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])


def small(seed=0, **changes):
    """Return a small model of large weights."""
    torch.manual_seed(seed)
    backward = changes.pop("backward", "hand")
    sizes = {**SMALL.__dict__, **changes}
    model = GPT(GPTConfig(**sizes), backward=backward, dtype=torch.float64)
    for p in model.parameters():
        p.data.normal_(0, 0.5)
    return model


@pytest.mark.referee("seqlib.nn.GPT", by="torch autograd")
@pytest.mark.parametrize("head", ["tied", "own", "none"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_modules_gradient(head, dropout):
    tiny = {"vocab_size": 3, "max_len": 3, "num_layers": 1, "dim_feedforward": 2}
    model = small(head=head, dropout=dropout, **tiny)
    names, params = zip(*model.named_parameters(), strict=True)

    def run(*weights):
        torch.manual_seed(1)  # the same entries are dropped
        given = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(model, given, (IDS[:1, :3] % 3, REAL[:1, :3]))

    assert torch.autograd.gradcheck(run, params)
    model = small(head=head, dropout=dropout)
    other = small(head=head, dropout=dropout, backward="autograd")
    params = list(model.parameters())
    torch.manual_seed(1)
    ours = model(IDS, REAL)
    torch.manual_seed(1)
    theirs = other(IDS, REAL)
    close(ours, theirs.detach())
    dout = torch.randn_like(ours)
    for a, b in zip(
        by_autograd([ours], [dout], params),
        by_autograd([theirs], [dout], list(other.parameters())),
        strict=True,
    ):
        close(a, b, scale=1 + b.abs().max().item())
    with pytest.raises(RuntimeError, match="has no derivative"):
        torch.autograd.grad(model(IDS).sum(), params, create_graph=True)


@pytest.mark.parametrize("backward", ["hand", "autograd"])
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("head", ["tied", "own", "none"])
def test_the_module_is_the_function(head, hidden, backward):
    """In parts, but with every argument: the whole `gpt` and its gradient."""
    model, p = small(head=head, dropout=0.3, backward=backward), 0.3
    places = torch.tensor([[3, 0, 1, 2], [1, 2, 5, 4]])
    torch.manual_seed(4)
    out = (model.hidden if hidden else model)(IDS, REAL, position_ids=places)
    torch.manual_seed(4)
    rng = np.random.default_rng(int(torch.randint(2**62, ())))
    params = {k: a.detach() for k, a in model.named_parameters()}
    logits = head != "none" and not hidden
    more = {"head": logits, "eps": model.config.eps, "dropout": p, "rng": rng}
    options = {"activation": model.config.activation, **more}
    heads = model.config.num_heads
    wanted, cache = gpt(IDS, params, heads, REAL.bool(), places, **options)
    close(out.detach(), wanted)
    dout = torch.randn_like(wanted)
    grads = gpt_backward(dout, cache)
    out.backward(dout)
    for name, parameter in model.named_parameters():
        if parameter.grad is None:  # the output's own weight, where it is not used
            assert not grads[name].any()
        else:
            close(parameter.grad, grads[name], scale=1 + grads[name].abs().max().item())


def test_dropout_is_for_training_and_seeded_by_torch():
    model = small(dropout=0.5)
    torch.manual_seed(3)
    first, second = model(IDS), model(IDS)
    torch.manual_seed(3)
    assert torch.equal(model(IDS), first)
    assert not torch.equal(first, second)
    assert torch.equal(model.eval()(IDS), model(IDS))


def test_a_tied_output_has_no_entry_of_its_own():
    tied, own = small(), small(head="own")
    assert set(own.state_dict()) - set(tied.state_dict()) == {"lm_head.weight"}
    assert list(tied.state_dict()) == list(gpt_shapes(7, 6, 2, 4, 5))
    other = small(1)
    assert not torch.equal(other(IDS), tied(IDS))
    other.load_state_dict(tied.state_dict())
    assert torch.equal(other(IDS), tied(IDS))
    torch.optim.SGD(other.parameters(), 0.1).step()
    hidden = other.hidden(IDS)
    torch.testing.assert_close(hidden @ other.wte.weight.T, other(IDS))


def formula(V, P, L, E):
    """Count by hand: embeddings; a block's 12 E² + 13 E; the last norm."""
    return V * E + P * E + L * (12 * E**2 + 13 * E) + 2 * E


@pytest.mark.referee("seqlib.transformer.gpt_shapes", by="by hand")
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("gpt2", 124_439_808),
        ("gpt2-medium", 354_823_168),
        ("gpt2-large", 774_030_080),
        ("gpt2-xl", 1_557_611_200),
    ],
)
def test_counts_of_parameters(name, count):
    config = GPTConfig.of(name)
    model = GPT(config, device="meta")
    assert sum(p.numel() for p in model.parameters()) == count
    assert formula(50257, 1024, config.num_layers, config.d_model) == count


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("greedy", {}),
        ("sample", {"temperature": 0.8, "top_k": 5, "top_p": 0.9}),
        ("beam", {"width": 3, "length_penalty": 1.0}),
    ],
)
def test_generating_with_the_cache_and_without(method, options, padded):
    model = small(max_len=8, dropout=0.4)
    mask = torch.tensor([[0, 0, 1], [1, 1, 1]]) if padded else None
    got, wanted, alone = [], [], []
    for result, ids, m, cache in (
        (got, IDS[:, :3], mask, True),
        (wanted, IDS[:, :3], mask, False),
        (alone, IDS[:1, 2:3] if padded else IDS[:1, :3], None, True),
    ):
        more = {"rng": np.random.default_rng(0)} if method == "sample" else {}
        result += model.generate(ids, 6, 0, m, method, cache, **options, **more)
    assert torch.equal(got[0], wanted[0])
    close(got[1], wanted[1])
    if method != "sample":  # a row has the same, whatever stands before or below it
        n = alone[0].shape[-1]
        assert torch.equal(got[0][:1, ..., :n], alone[0])
        close(got[1][:1], alone[1])
    assert model.training


def test_generating_to_the_last_position_and_no_further():
    model = small()
    tokens, scores = model.generate(IDS, 3)
    assert tokens.shape == (2, 3)
    log_p = model(torch.cat([IDS, tokens[:, :2]], 1)).log_softmax(-1)[:, 3:]
    assert torch.equal(log_p.argmax(-1), tokens)
    close(scores, log_p.max(-1).values.sum(-1).detach())
    with pytest.raises(ValueError, match=r"^max_len must be at most 3 after 4 tokens"):
        model.generate(IDS, 4)


SENTENCES = [
    (lambda: GPT(7), "config must be a GPTConfig, got int"),
    (lambda: GPT(SMALL, backward="no"), "backward must be one of 'hand', 'autograd', "),
    (lambda: GPTConfig(num_heads=5), "num_heads must divide E=768, got 5"),
    (lambda: GPTConfig(0), "vocab_size must be at least 1, got 0"),
    (lambda: GPTConfig(head="x"), "head must be one of 'tied', 'own', 'none', got 'x'"),
    (lambda: GPTConfig.of("gpt3"), "name must be one of 'gpt2', 'gpt2-medium', "),
    (lambda: small()(IDS, token_type_ids=IDS), "token_type_ids must be None: "),
    (lambda: small()(IDS, REAL[:1]), "attention_mask must have shape (2, 4), as ids, "),
    (lambda: small()(IDS, 2 * REAL), "attention_mask must hold 1 for real and 0 for "),
    (lambda: small()(IDS, [1]), "attention_mask must be a tensor, got list"),
    (lambda: small()(IDS + 1), "ids must be 0 to 6, got 7"),
    (lambda: small()(IDS.repeat(1, 2)), "ids must have at most P=6 positions, got 8"),
    (lambda: small()(IDS.double()), "ids must hold integers, got torch.float64"),
    (lambda: small()(IDS, None, None, IDS + 9), "positions must be 0 to 5, got 9"),
    (
        lambda: small(head="none").generate(IDS, 1),
        "head must be 'tied' or 'own' to generate, got 'none'",
    ),
    (
        lambda: small().generate(IDS, 1, method="best"),
        "method must be one of 'greedy', 'sample', 'beam', got 'best'",
    ),
    (
        lambda: small().generate(IDS, 1, width=2),
        "method='greedy' takes no options, got width",
    ),
    (
        lambda: small().generate(IDS, 1, method="sample", width=2),
        "method='sample' takes rng, temperature, top_k, top_p, got width",
    ),
    (
        lambda: small().generate(IDS, 1, method="sample"),
        "rng must be given where method is 'sample'",
    ),
    (
        lambda: small().generate(IDS, 1, method="beam"),
        "width must be given where method is 'beam'",
    ),
    (
        lambda: small().generate(IDS.repeat(1, 2), 1),
        "ids must have at most P=6 positions, got 8",
    ),
    (lambda: small().generate(IDS.numpy(), 1), "ids must come from torch as "),
    (lambda: small().generate(IDS.tolist(), 1), "ids must be an array"),
    (lambda: small().generate(IDS + 1, 1), "ids must be 0 to 6, got 7"),
    (lambda: small()(IDS.tolist(), REAL), "ids must be an array"),
    (
        lambda: small().generate(IDS, 1, attention_mask=REAL),
        "attention_mask must be real at the end of every row: pad on the left",
    ),
]


@pytest.mark.parametrize(("call", "sentence"), SENTENCES)
def test_errors_say_what_is_wrong(call, sentence):
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_names_of_the_blocks_are_told_in_full():
    _, params = make(np.random.default_rng(0), 5, 4, 2, 4, 3, 2)
    ids = np.array([[1, 2]])
    for change, sentence in (
        ({"blocks.1.norm1.weight": None}, "params must hold blocks.1.norm1.weight, "),
        ({"blocks.x": ids}, "params must not hold blocks.x, unused here"),
        ({"blocks.1.linear2.weight": np.ones((4, 2))}, "blocks.1.linear2.weight must "),
        ({"lm_head.weight": np.ones((4, 4))}, "lm_head.weight must have shape (V=5, "),
    ):
        wrong = {k: a for k, a in {**params, **change}.items() if a is not None}
        with pytest.raises(ValueError, match=r"^" + re.escape(sentence)):
            gpt(ids, wrong, 2)


def test_without_blocks_the_first_is_asked_for():
    _, params = make(np.random.default_rng(0), 5, 4, 1, 4, 3, 2)
    few = {k: a for k, a in params.items() if not k.startswith("blocks.")}
    with pytest.raises(ValueError, match=r"^params must hold blocks\.0\.") as caught:
        gpt(np.array([[1, 2]]), few, 2)
    assert "blocks.1." not in str(caught.value)


class Box:
    """What autograd has in hand for a tensor that it keeps."""

    open: ClassVar[dict[int, torch.Tensor]] = {}

    def __init__(self, tensor):
        self.tensor = tensor.detach()  # else a graph would hold itself
        Box.open[id(self)] = self.tensor

    def __del__(self):
        del Box.open[id(self)]


def storages():
    """Return the bytes of each piece of memory that is kept."""
    kept = [a.untyped_storage() for a in Box.open.values()]
    return {s.data_ptr(): s.nbytes() for s in kept}


def sized(dropout=0.0, **more):
    torch.manual_seed(0)
    model = GPT(GPTConfig(65, 32, 4, 4, 32, dropout=dropout, **more)).double()
    return model, torch.randint(65, (4, 32))


def test_no_more_is_kept_than_torchs_layers_keep():
    model, ids = sized()
    theirs = Reference(65, 32, 4, 32, 128, 4, "gelu_tanh", 1e-5, True, True)
    kept = []
    for one in (model, theirs):
        with torch.autograd.graph.saved_tensors_hooks(Box, lambda box: box.tensor):
            loss = one(ids).sum()
            kept.append(sum(storages().values()))
            del loss
        assert not Box.open
    assert kept[0] < 1.1 * kept[1]


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_weights_of_attention_are_kept_only_where_some_are_dropped(dropout):
    model, ids = sized(dropout)
    with torch.autograd.graph.saved_tensors_hooks(Box, lambda box: box.tensor):
        loss = model(ids).sum()
        weights = [a for a in Box.open.values() if a.shape == (4, 4, 32, 32)]
        del loss
    assert bool(weights) == bool(dropout)


def test_each_block_is_freed_before_the_next_goes_back():
    model, ids = sized()
    left = []

    def unpack(box):
        left.append(sum(storages().values()))
        return box.tensor

    with torch.autograd.graph.saved_tensors_hooks(Box, unpack):
        loss = model(ids).sum()
        left.append(sum(storages().values()))
        loss.backward()
    assert not Box.open
    levels = sorted(set(left), reverse=True)  # all, then without one block, ...
    assert len(levels) >= 5
    assert levels[-2] < 0.35 * levels[0]


def test_backward_twice_and_after_an_edit():
    model, ids = sized()
    params = list(model.parameters())
    out = model(ids)
    first = torch.autograd.grad(out.sum(), params, retain_graph=True)
    again = torch.autograd.grad(out.sum(), params)
    assert all(map(torch.equal, first, again))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(out.sum(), params)
    names = "wte.weight", "blocks.2.linear1.weight", "norm.weight"
    for name in names:
        out = model(ids)
        with torch.no_grad():
            model.get_parameter(name).mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            torch.autograd.grad(out.sum(), params)
