"""BERT and its heads against torch.nn's layers, autograd and differences."""

import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib.nn import (
    BERT,
    BERTClassifier,
    BERTConfig,
    BERTMaskedLM,
    BERTPreTraining,
    BERTTagger,
)
from seqlib.transformer import (
    bert,
    bert_backward,
    bert_shapes,
    classification_head,
    classification_head_backward,
    init_bert,
    mask_tokens,
    masked_lm_head,
    masked_lm_head_backward,
)

SIZES = st.integers(1, 4)


class Reference(torch.nn.Module):
    """The same model from torch.nn's layers, with nothing of ours."""

    def __init__(self, V, P, K, L, E, F, H, activation, eps, pooler):
        super().__init__()
        like = {"dtype": torch.float64}
        self.word_embeddings = torch.nn.Embedding(V, E, **like)
        self.position_embeddings = torch.nn.Embedding(P, E, **like)
        self.token_type_embeddings = torch.nn.Embedding(K, E, **like)
        self.norm = torch.nn.LayerNorm(E, eps, **like)
        layers = []
        for _ in range(L):
            layers.append(
                torch.nn.TransformerEncoderLayer(
                    E, H, F, 0.0, activation, eps, True, False, **like
                )
            )
        self.blocks = torch.nn.ModuleList(layers)
        if pooler:
            self.pooler = torch.nn.Linear(E, E, **like)

    def forward(self, ids, key_mask=None, types=None):
        x = self.word_embeddings(ids)
        x = x + self.position_embeddings(torch.arange(ids.shape[1]))
        x = x + self.token_type_embeddings(
            torch.zeros_like(ids) if types is None else types
        )
        x = self.norm(x)
        padding = None
        if key_mask is not None:
            padding = torch.where(key_mask, 0.0, -torch.inf)
        for block in self.blocks:
            x = block(x, None, padding)
        return x, self.pooler(x[:, 0]).tanh() if hasattr(self, "pooler") else None


def make(rng, V, P, K, L, E, F, H, activation="gelu", eps=1e-12, pooler=True):
    """Return torch's model and our parameters, the same numbers, none zero or one."""
    model = Reference(V, P, K, L, E, F, H, activation, eps, pooler)
    for p in model.parameters():
        p.data = torch.tensor(rng.normal(size=tuple(p.shape)) / 2)
    return model, {k: p.detach().numpy().copy() for k, p in model.named_parameters()}


@pytest.mark.referee(
    "seqlib.transformer.bert",
    "seqlib.transformer.bert_backward",
    by="torch.nn.TransformerEncoderLayer",
)
@given(
    sizes=st.tuples(SIZES, SIZES, st.integers(1, 3)),
    V=st.integers(1, 5),
    K=st.integers(1, 3),
    L=st.integers(1, 3),
    spare=st.integers(0, 2),
    padded=st.booleans(),
    typed=st.booleans(),
    alone=st.sampled_from(["both", "hidden", "pooled"]),
    activation=st.sampled_from(["relu", "gelu"]),
    eps=st.sampled_from([1e-5, 0.1]),
    pooler=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_bert_is_torchs(sizes, V, K, L, spare, padded, typed, alone, seed, **options):
    rng = np.random.default_rng(seed)
    B, T, H = sizes
    model, params = make(rng, V, T + spare, K, L, 3 * H, 2, H, **options)
    ids = rng.integers(0, V, (B, T))
    key_mask = np.arange(T) < rng.integers(1, T + 1, B)[:, None] if padded else None
    types = rng.integers(0, K, (B, T)) if typed else None
    more = [None if a is None else torch.tensor(a) for a in (key_mask, types)]
    wanted = model(torch.tensor(ids), *more)
    alone = alone if options["pooler"] else "hidden"
    douts = [None if w is None else rng.normal(size=tuple(w.shape)) for w in wanted]
    douts = [
        d if alone in (n, "both") else None
        for n, d in zip(("hidden", "pooled"), douts, strict=True)
    ]
    pairs = [
        (w, torch.tensor(d))
        for w, d in zip(wanted, douts, strict=True)
        if d is not None
    ]
    rights = by_autograd(*zip(*pairs, strict=True), list(model.parameters()))
    rights = dict(zip(dict(model.named_parameters()), rights, strict=True))
    scale = 1 + max(g.abs().max().item() for g in rights.values())
    for A in LIBRARIES.values():
        ours = {k: A(a) for k, a in params.items()}
        some = [None if a is None else A(a) for a in (key_mask, types)]
        form = options["activation"], options["eps"]
        *outs, cache = bert(A(ids), ours, H, *some, *form)
        for out, right in zip(outs, wanted, strict=True):
            assert (out is None) == (right is None)
            if right is not None:
                close(out, right.detach(), 1e-11, scale=1 + right.abs().max().item())
        grads = bert_backward(*(None if d is None else A(d) for d in douts), cache)
        assert list(grads) == list(ours)
        for name, grad in grads.items():
            close(grad, rights[name], 1e-10, scale=scale)


@pytest.mark.referee("seqlib.transformer.bert_backward", by="finite differences")
def test_gradients_by_differences_with_dropout():
    rng = np.random.default_rng(0)
    _, params = make(rng, 5, 4, 2, 1, 4, 3, 2)
    ids, names = np.array([[0, 3, 3], [1, 2, 3]]), list(params)
    more = {"key_mask": np.array([[True] * 3, [True, True, False]]), "dropout": 0.4}
    douts = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4))

    def run(*arrays):
        own = dict(zip(names, arrays, strict=True))
        return bert(ids, own, 2, **more, rng=np.random.default_rng(3))

    def loss(*arrays):
        hidden, pooled, _ = run(*arrays)
        return np.sum(hidden * douts[0]) + np.sum(pooled * douts[1])

    *_, cache = run(*params.values())
    grads = bert_backward(*douts, cache)
    for i, name in enumerate(names):
        steps = by_differences(loss, list(params.values()), i)
        close(grads[name], steps, 1e-7, scale=1 + np.abs(steps).max())


def test_dropout_comes_after_the_embeddings_too():
    """With p near 1 the blocks see zeros, whatever the tokens were."""
    _, params = make(np.random.default_rng(0), 5, 4, 2, 1, 4, 3, 2)
    options = {"dropout": 1 - 1e-12, "rng": np.random.default_rng(0)}
    hidden, *_ = bert(np.array([[1, 2]]), params, 2, **options)
    np.testing.assert_array_equal(hidden[:, 0], hidden[:, 1])


def test_without_dropout_nothing_is_drawn():
    _, params = make(np.random.default_rng(0), 5, 4, 2, 1, 4, 3, 2)
    rng = np.random.default_rng(1)
    bert(np.array([[1, 2]]), params, 2, rng=rng)
    assert rng.random() == np.random.default_rng(1).random()


def test_by_default_as_little_is_added_to_variances_as_in_bert():
    _, params = make(np.random.default_rng(0), 5, 4, 2, 1, 4, 3, 2)
    ids = np.array([[1, 2]])
    hidden, *_ = bert(ids, params, 2)
    np.testing.assert_array_equal(hidden, bert(ids, params, 2, eps=1e-12)[0])


def test_biases_left_out_are_zeros():
    _, params = make(np.random.default_rng(0), 5, 4, 2, 1, 4, 3, 2, pooler=False)
    zeros = {k: a * (not k.endswith("bias")) for k, a in params.items()}
    fewer = {k: a for k, a in params.items() if not k.endswith("bias")}
    ids = np.array([[1, 2]])
    hidden, _, cache = bert(ids, fewer, 2)
    wanted, _, right = bert(ids, zeros, 2)
    close(hidden, wanted)
    grads, rights = (bert_backward(hidden, None, c) for c in (cache, right))
    assert list(grads) == list(fewer)
    for name, grad in grads.items():
        close(grad, rights[name], scale=1 + np.abs(rights[name]).max())


@pytest.mark.parametrize("pooler", [True, False])
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("F", [None, 3])
def test_names_and_shapes_are_those_of_torchs_layers(F, K, pooler):
    theirs = Reference(5, 7, K, 2, 4, F or 16, 2, "gelu", 1e-12, pooler)
    shapes = {name: tuple(p.shape) for name, p in theirs.named_parameters()}
    options = (5, 7, 2, 4, F, K, pooler)
    assert bert_shapes(*options) == shapes
    assert {name: a.shape for name, a in init_bert(*options).items()} == shapes


def test_gradients_there_is_nothing_for():
    _, params = make(np.random.default_rng(0), 5, 4, 2, 1, 4, 3, 2)
    *_, cache = bert(np.array([[1, 2]]), params, 2)
    with pytest.raises(ValueError, match="dhidden and dpooled must not both be None"):
        bert_backward(None, None, cache)
    some = {k: a for k, a in params.items() if "pooler" not in k}
    hidden, _, cache = bert(np.array([[1, 2]]), some, 2)
    with pytest.raises(ValueError, match="dpooled must be None: params had no pooler"):
        bert_backward(hidden, hidden[:, 0], cache)
    with pytest.raises(ValueError, match=r"params must hold pooler.weight, which it "):
        bert(np.array([[1, 2]]), {**some, "pooler.bias": np.ones(4)}, 2)


def drawn(rng, shapes):
    return {k: rng.normal(size=s) / 2 for k, s in shapes.items()}


def masked_lm_by_torch(x, p, form, eps):
    functional = torch.nn.functional
    h = functional.linear(x, p["dense.weight"], p["dense.bias"])
    h = functional.gelu(h, approximate={"gelu": "none", "gelu_tanh": "tanh"}[form])
    h = functional.layer_norm(h, h.shape[-1:], p["norm.weight"], p["norm.bias"], eps)
    return functional.linear(h, p["decoder.weight"], p["decoder.bias"])


@pytest.mark.referee(
    "seqlib.transformer.masked_lm_head",
    "seqlib.transformer.masked_lm_head_backward",
    by="torch.nn.functional",
)
@given(
    lead=st.lists(SIZES, max_size=2),
    E=st.integers(2, 4),
    V=SIZES,
    form=st.sampled_from(["gelu", "gelu_tanh"]),
    eps=st.sampled_from([1e-3, 0.1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_masked_lm_head(lead, E, V, form, eps, seed):
    rng = np.random.default_rng(seed)
    shapes = {"dense.weight": (E, E), "dense.bias": (E,), "norm.weight": (E,)}
    shapes |= {"norm.bias": (E,), "decoder.bias": (V,), "decoder.weight": (V, E)}
    params, x = drawn(rng, shapes), rng.normal(size=(*lead, E))
    dout = rng.normal(size=(*lead, V))
    leaf = torch.tensor(x, requires_grad=True)
    leaves = {k: torch.tensor(a, requires_grad=True) for k, a in params.items()}
    wanted = masked_lm_by_torch(leaf, leaves, form, eps)
    rights = by_autograd([wanted], [torch.tensor(dout)], [leaf, *leaves.values()])
    for A in LIBRARIES.values():
        ours = {k: A(a) for k, a in params.items()}
        out, cache = masked_lm_head(A(x), ours, form, eps)
        close(out, wanted.detach(), 1e-11, scale=1 + wanted.abs().max().item())
        dx, grads = masked_lm_head_backward(A(dout), cache)
        assert list(grads) == list(params)
        for grad, right in zip((dx, *grads.values()), rights, strict=True):
            close(grad, right, 1e-10, scale=1 + right.abs().max().item())


@pytest.mark.referee(
    "seqlib.transformer.classification_head",
    "seqlib.transformer.classification_head_backward",
    by="finite differences",
)
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_classification_head(lead, dropout):
    rng = np.random.default_rng(0)
    params, x = (
        drawn(rng, {"bias": (2,), "weight": (2, 4)}),
        rng.normal(size=(*lead, 4)),
    )
    dout = rng.normal(size=(*lead, 2))

    def run(x, bias, weight):
        more = {"dropout": dropout, "rng": np.random.default_rng(1)}
        return classification_head(x, {"bias": bias, "weight": weight}, **more)

    def loss(*arrays):
        return np.sum(run(*arrays)[0] * dout)

    out, cache = run(x, **params)
    if not dropout:
        close(out, x @ params["weight"].T + params["bias"])
    dx, grads = classification_head_backward(dout, cache)
    inputs = [x, *params.values()]
    for i, grad in enumerate((dx, *grads.values())):
        close(grad, by_differences(loss, inputs, i), 1e-8, scale=1)


def test_a_classification_without_its_inputs_is_its_bias():
    params, x = {"bias": np.ones(2), "weight": np.ones((2, 4))}, np.ones((3, 4))
    rng = np.random.default_rng(0)
    out, _ = classification_head(x, params, dropout=1 - 1e-12, rng=rng)
    np.testing.assert_array_equal(out, np.ones((3, 2)))
    fresh = np.random.default_rng(0)
    classification_head(x, params, rng=fresh)
    assert fresh.random() == np.random.default_rng(0).random()


def test_the_masked_lm_head_by_default_is_berts():
    torch.manual_seed(0)
    layers = {
        "dense": torch.nn.Linear(4, 4),
        "gelu": torch.nn.GELU(),
        "norm": torch.nn.LayerNorm(4, eps=1e-12),
        "decoder": torch.nn.Linear(4, 7),
    }
    model = torch.nn.Sequential(OrderedDict(layers)).double()
    x = torch.randn(3, 4, dtype=torch.float64)
    out, _ = masked_lm_head(x, model.state_dict())
    close(out, model(x).detach(), 1e-12, scale=1)


# --- words to be guessed ------------------------------------------------------------


@pytest.mark.referee("seqlib.transformer.mask_tokens", by="by hand")
def test_shares_of_hidden_words():
    """80 %, 10 % and 10 % of 15 %, each within five standard deviations."""
    V, n = 1000, 200_000
    ids = np.random.default_rng(0).integers(5, V, n).reshape(50, -1)
    inputs, targets = mask_tokens(ids, np.random.default_rng(1), V, 3)
    chosen = targets != -100
    np.testing.assert_array_equal(targets[chosen], ids[chosen])
    np.testing.assert_array_equal(inputs[~chosen], ids[~chosen])
    m = chosen.sum()
    masked, same = (inputs == 3) & chosen, (inputs == ids) & chosen
    other = chosen & ~masked & ~same
    for count, of, share in (
        (m, n, 0.15),
        (masked.sum(), m, 0.8 + 0.1 / V),
        (same.sum(), m, 0.1 + 0.1 / V),
        (other.sum(), m, 0.1 * (1 - 2 / V)),
    ):
        assert abs(count - of * share) < 5 * np.sqrt(of * share * (1 - share))
    words = inputs[other]
    assert words.min() < 20  # from all of the vocabulary
    assert words.max() > V - 20
    assert abs(words.mean() - V / 2) < 5 * V / np.sqrt(12 * len(words))
    few = np.ones(1000, int)
    seen, _ = mask_tokens(few, np.random.default_rng(1), 4, 3, p=1.0)
    assert set(seen) == {0, 1, 2, 3}


@given(
    p=st.sampled_from([0.0, 0.15, 1.0]),
    padded=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_special_tokens_and_padding_are_never_chosen(p, padded, seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 6, (3, 8))
    real = rng.random((3, 8)) < 0.7 if padded else None
    free = ~np.isin(ids, (0, 2)) & (True if real is None else real)
    results = []
    for A in LIBRARIES.values():
        more = {"special_ids": (0, 2), "key_mask": None if real is None else A(real)}
        draw = np.random.default_rng(seed)
        inputs, targets = mask_tokens(A(ids), draw, 6, 4, p=p, **more)
        assert type(inputs) is type(A(ids))
        results.append((to_numpy(inputs), to_numpy(targets)))
    for inputs, targets in results:
        np.testing.assert_array_equal(inputs, results[0][0])
        np.testing.assert_array_equal(targets, results[0][1])
        chosen = targets != -100
        assert not (chosen & ~free).any()
        assert p != 1 or (chosen == free).all()
        assert p != 0 or not chosen.any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ids": np.array([[9]])}, "ids must be 0 to 5, got 9"),
        ({"mask_id": 6}, "mask_id must be at least 0 and at most 5, got 6"),
        ({"special_ids": 3}, "special_ids must be a tuple of whole numbers, got int"),
        ({"special_ids": (9,)}, "special_ids must be at least 0 and at most 5, got 9"),
        ({"p": 1.5}, "p must be at least 0 and at most 1, got 1.5"),
        ({"key_mask": np.array([True])}, "key_mask must have shape (1, 2), got (1,)"),
    ],
)
def test_what_is_wrong_with_masking(change, sentence):
    given = {"ids": np.array([[1, 2]]), "rng": np.random.default_rng(0)}
    given |= {"vocab_size": 6, "mask_id": 4}
    with pytest.raises((ValueError, TypeError), match="^" + re.escape(sentence)):
        mask_tokens(**{**given, **change})


# --- the modules --------------------------------------------------------------------

IDS = torch.tensor([[1, 2, 0], [0, 3, 2]])
REAL = torch.tensor([[1, 1, 0], [1, 1, 1]])
TYPES = torch.tensor([[0, 1, 1], [0, 0, 1]])
KINDS = {
    "bert": lambda b: b,
    "masked lm": BERTMaskedLM,
    "pre-training": BERTPreTraining,
    "classifier": lambda b: BERTClassifier(b, 2),
    "tagger": lambda b: BERTTagger(b, 2),
}


def small(kind, backward="hand", seed=0, **changes):
    """Return a small model of large weights."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": 4, "max_len": 3, "num_layers": 1, "num_heads": 1}
    sizes |= {"d_model": 2, "dim_feedforward": 2, "eps": 0.1, **changes}
    model = KINDS[kind](BERT(BERTConfig(**sizes), backward=backward).double())
    for p in model.double().parameters():
        p.data.normal_(0, 0.5)
    return model


@pytest.mark.referee(
    "seqlib.nn.BERT",
    "seqlib.nn.BERTMaskedLM",
    "seqlib.nn.BERTPreTraining",
    "seqlib.nn.BERTClassifier",
    "seqlib.nn.BERTTagger",
    by="torch autograd",
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_modules_gradients(kind, dropout):
    model, other = (small(kind, b, dropout=dropout) for b in ("hand", "autograd"))
    names, params = zip(*model.named_parameters(), strict=True)

    def run(*weights, model=model):
        torch.manual_seed(1)  # the same entries are dropped
        given = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(model, given, (IDS, REAL, TYPES))

    assert torch.autograd.gradcheck(run, params)
    ours, theirs = run(*params), run(*other.parameters(), model=other)
    ours = ours if isinstance(ours, tuple) else (ours,)
    theirs = theirs if isinstance(theirs, tuple) else (theirs,)
    douts = [torch.randn_like(a) for a in ours]
    for a, b in zip(ours, theirs, strict=True):
        close(a, b.detach())
    grads = by_autograd(ours, douts, list(params))
    rights = by_autograd(theirs, douts, list(other.parameters()))
    for a, b in zip(grads, rights, strict=True):
        close(a, b, scale=1 + b.abs().max().item())


def test_one_bert_goes_from_task_to_task():
    """Heads share the BERT they are given, and the decoder its word embeddings."""
    bert = small("bert")
    guessing, tagging = BERTPreTraining(bert), BERTTagger(bert, 3)
    assert guessing.bert is tagging.bert is bert
    assert "masked_lm.decoder.weight" not in guessing.state_dict()
    words, _ = guessing(IDS)
    words.sum().backward()
    assert guessing.bert.word_embeddings.weight.grad is not None
    other = BERTPreTraining(small("bert", seed=1))
    other.load_state_dict(guessing.state_dict())
    assert torch.equal(other.eval()(IDS)[0], guessing.eval()(IDS)[0])


def formula(V, P, K, L, E):
    """Count by hand: embeddings and their norm; blocks; the pooler."""
    return (V + P + K) * E + 2 * E + L * (12 * E**2 + 13 * E) + E**2 + E


@pytest.mark.referee("seqlib.transformer.bert_shapes", by="by hand")
def test_counts_of_parameters():
    model = BERT(BERTConfig(), device="meta")
    count = sum(p.numel() for p in model.parameters())
    assert count == 109_482_240 == formula(30522, 512, 2, 12, 768)
    large = BERTConfig(num_layers=24, num_heads=16, d_model=1024)
    model = BERT(large, device="meta")
    count = sum(p.numel() for p in model.parameters())
    assert count == 335_141_888 == formula(30522, 512, 2, 24, 1024)


def test_parameters_are_drawn_as_in_bert():
    params = init_bert(400, 300, 2, 64, rng=np.random.default_rng(0))
    assert {k: a.shape for k, a in params.items()} == bert_shapes(400, 300, 2, 64)
    module = BERT(BERTConfig(400, 300, 2, 2, 64)).state_dict()
    for name, a in (*params.items(), *module.items()):
        a = to_numpy(a)
        if name.endswith("bias"):
            assert (a == 0).all()
        elif "norm" in name:
            assert (a == 1).all()
        else:
            assert abs(a.std() / 0.02 - 1) < (0.3 if len(a) < 9 else 0.05)


SENTENCES = [
    (lambda: BERT(7), "config must be a BERTConfig, got int"),
    (lambda: BERTConfig(num_heads=5), "num_heads must divide E=768, got 5"),
    (lambda: BERTConfig(activation="relu"), "activation must be one of 'gelu', 'gelu_"),
    (lambda: BERTMaskedLM(7), "bert must be a seqlib.nn.BERT, got int"),
    (
        lambda: BERTClassifier(small("bert", pooler=False), 2),
        "bert must have a pooler, got one with pooler=False",
    ),
    (lambda: BERTTagger(small("bert"), 0), "num_classes must be at least 1, got 0"),
    (lambda: small("bert")(IDS + 2), "ids must be 0 to 3, got 5"),
    (lambda: small("bert")(IDS, None, IDS), "token_type_ids must be 0 to 1, got 3"),
    (lambda: small("bert")(IDS.repeat(1, 2)), "ids must have at most P=3 positions, "),
]


@pytest.mark.parametrize(("call", "sentence"), SENTENCES)
def test_errors_say_what_is_wrong(call, sentence):
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)
