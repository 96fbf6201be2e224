"""The Transformer's modules against torch.nn's, from one state_dict."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch
from comparing import close
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from seqlib import nn
from seqlib.functional import log_softmax
from seqlib.transformer import seq2seq_transformer

E, H, WIDE = 4, 2, 5
NAMES = (
    "TransformerEncoderLayer",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerDecoder",
    "Transformer",
)


def make(module, name, **options):
    """Return a module of torch.nn or seqlib.nn with sizes of this file."""
    options = {"dropout": 0.0, "dtype": torch.float64, "batch_first": True, **options}
    if name == "Transformer":
        return module.Transformer(E, H, 2, 1, WIDE, **options)
    layer_name = name if name.endswith("Layer") else f"{name}Layer"
    layer = getattr(module, layer_name)(E, H, WIDE, **options)
    if layer_name == name:
        return layer
    bias, dtype = options.get("bias", True), options["dtype"]
    norm = torch.nn.LayerNorm(E, 1e-3, bias=bias, dtype=dtype)
    more = {"enable_nested_tensor": False} if name == "TransformerEncoder" else {}
    return getattr(module, name)(layer, 2, norm, **more)


def pair(name, seed=0, backward="hand", **options):
    """Return torch's module and ours, with the same values, all of them drawn."""
    theirs = make(torch.nn, name, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in theirs.parameters():
            p.normal_(0, 0.6, generator=generator)
    ours = make(nn, name, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    for module in ours.modules():
        if hasattr(module, "backward"):
            module.backward = backward
    return theirs, ours


def draw_mask(rng, kind, shape, H=None):
    """Draw torch's masks: True = not attended, and the first key always is."""
    if kind == "none":
        return None
    if kind == "heads":
        shape = (shape[-3] * H, *shape[-2:])
        return torch.tensor(rng.normal(size=shape), requires_grad=True)
    shape = shape[-2:]
    if kind == "causal":
        return torch.triu(torch.ones(shape, dtype=torch.bool), 1)
    if kind == "float":
        return torch.tensor(rng.normal(size=shape), requires_grad=True)
    mask = rng.random(shape) < 0.4
    mask[..., 0] = False
    return torch.tensor(mask)


def draw_padding(rng, kind, B, S):
    if kind == "none":
        return None
    padding = np.arange(S) >= rng.integers(1, S + 1, B)[:, None]
    if kind == "float":
        return torch.tensor(np.where(padding, -np.inf, rng.normal(size=(B, S))))
    return torch.tensor(padding)


def problem(rng, name, sizes, masks, paddings):
    """Return inputs, and keywords for forward."""
    B, T, S = sizes
    x, y = (
        torch.tensor(rng.normal(size=(B, n, E)), requires_grad=True) for n in (T, S)
    )
    if "Encoder" in name:
        first = "src_mask" if name.endswith("Layer") else "mask"
        mask = draw_mask(rng, masks[0], (B, T, T), H)
        padding = draw_padding(rng, paddings[0], B, T)
        return [x], {first: mask, "src_key_padding_mask": padding}
    keywords = {
        "tgt_mask": draw_mask(rng, masks[0], (B, T, T), H),
        "memory_mask": draw_mask(rng, masks[1], (B, T, S), H),
        "tgt_key_padding_mask": draw_padding(rng, paddings[0], B, T),
        "memory_key_padding_mask": draw_padding(rng, paddings[1], B, S),
    }
    if name == "Transformer":
        keywords["src_mask"] = draw_mask(rng, masks[2], (B, S, S), H)
        keywords["src_key_padding_mask"] = keywords["memory_key_padding_mask"]
        return [y, x], keywords
    return [x, y], keywords


def same(theirs, ours, inputs, keywords, within=1e-10):
    """Assert that both give the same result, and the same gradients of all."""
    out, wanted = ours(*inputs, **keywords), theirs(*inputs, **keywords)
    close(out, wanted, within)
    dout = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view_as(out).sin()
    tensors = [a for a in (*inputs, *keywords.values()) if isinstance(a, torch.Tensor)]
    leaves = [a for a in tensors if a.requires_grad]
    found = torch.autograd.grad(out, [*leaves, *ours.parameters()], dout)
    right = torch.autograd.grad(wanted, [*leaves, *theirs.parameters()], dout)
    scale = max(float(g.abs().max()) for g in right)
    for a, b in zip(found, right, strict=True):
        close(a, b, within, scale)


MASKS = st.tuples(*[st.sampled_from(["none", "causal", "bool", "float", "heads"])] * 3)
PADDINGS = st.tuples(*[st.sampled_from(["none", "bool", "float"])] * 2)


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.referee(
    *(f"seqlib.nn.{name}" for name in NAMES), by="torch.nn.Transformer and its parts"
)
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12)
@given(
    st.tuples(*[st.integers(1, 4)] * 3),
    MASKS,
    PADDINGS,
    st.booleans(),
    st.sampled_from(["relu", "gelu"]),
    st.booleans(),
    st.sampled_from(["hand", "autograd"]),
    st.integers(0, 2**32),
)
def test_results_and_gradients_are_torchs(
    name, sizes, masks, paddings, pre, activation, bias, backward, seed
):
    rng = np.random.default_rng(seed)
    options = {"norm_first": pre, "activation": activation, "bias": bias}
    theirs, ours = pair(name, seed, backward, **options)
    same(theirs, ours, *problem(rng, name, sizes, masks, paddings))


@pytest.mark.referee(
    *(f"seqlib.nn.{name}" for name in NAMES), by="torch.nn.Transformer and its parts"
)
@pytest.mark.parametrize("name", NAMES)
def test_other_axes_and_no_batch(name):
    rng = np.random.default_rng(1)
    sizes, masks, paddings = (3, 2, 4), ("float", "bool", "causal"), ("bool", "bool")
    theirs, ours = pair(name, batch_first=False)
    inputs, keywords = problem(rng, name, sizes, masks, paddings)
    turned = [a.detach().transpose(0, 1).clone().requires_grad_() for a in inputs]
    same(theirs, ours, turned, keywords)
    single = [a[0].detach().clone().requires_grad_() for a in inputs]
    alone = {k: m[0] if "key" in k else m for k, m in keywords.items()}
    same(theirs, ours, single, alone)


@pytest.mark.referee(
    *(f"seqlib.nn.{name}" for name in NAMES), by="torch.nn.Transformer and its parts"
)
@pytest.mark.parametrize("name", NAMES)
def test_arguments_first_values_and_evaluation_are_torchs(name):
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    for method in ("__init__", "forward"):
        found = inspect.signature(getattr(ours, method)).parameters
        wanted = inspect.signature(getattr(theirs, method)).parameters
        names = [n for n in found if n != "backward"]
        assert names == list(wanted)
        for n, p in wanted.items():
            if n not in ("batch_first", "activation"):
                assert found[n].default == p.default, n
    torch.manual_seed(3)
    a = make(torch.nn, name)
    torch.manual_seed(3)
    b = make(nn, name)
    for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
        assert torch.equal(p, q)
    rng = np.random.default_rng(0)
    theirs, ours = pair(name)
    inputs, keywords = problem(rng, name, (2, 3, 4), ("none",) * 3, ("bool",) * 2)
    own = ("tgt" if len(inputs) > 1 else "src") + "_key_padding_mask"
    real = ~keywords[own]
    with torch.no_grad():  # torch's fast path, which leaves zeros on padding
        out = ours.eval()(*inputs, **keywords)
        close(out[real], theirs.eval()(*inputs, **keywords)[real], 1e-10)
    assert ours.state_dict().keys() == theirs.state_dict().keys()


@pytest.mark.parametrize("name", NAMES[:2])
def test_gradcheck(name):
    _, ours = pair(name, activation="gelu", norm_first=True)
    rng = np.random.default_rng(0)
    inputs, keywords = problem(
        rng, name, (1, 2, 2), ("float", "float", "none"), ("none", "bool")
    )
    names = [k for k, m in keywords.items() if m is not None and m.requires_grad]
    weights = dict(ours.named_parameters())

    def f(*tensors):
        n = len(inputs)
        masks = dict(zip(names, tensors[n : n + len(names)], strict=True))
        own = dict(zip(weights, tensors[n + len(names) :], strict=True))
        return torch.func.functional_call(ours, own, tensors[:n], {**keywords, **masks})

    tensors = (*inputs, *(keywords[k] for k in names), *weights.values())
    assert torch.autograd.gradcheck(f, tensors, fast_mode=True)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
def test_other_activations_and_a_layer_of_torch_inside_ours():
    x = torch.randn(2, 3, E, dtype=torch.float64, requires_grad=True)
    for function, module, name in (
        (F.silu, torch.nn.SiLU(), "silu"),
        (F.relu, torch.nn.ReLU(), "relu"),
        (F.gelu, torch.nn.GELU(), "gelu"),
        (lambda z: F.gelu(z, approximate="tanh"), torch.nn.GELU("tanh"), "gelu_tanh"),
    ):
        theirs = make(torch.nn, NAMES[0], activation=function)
        for activation in (name, module):
            ours = make(nn, NAMES[0], activation=activation)
            ours.load_state_dict(theirs.state_dict())
            same(theirs, ours, [x], {})
    layer = make(torch.nn, NAMES[0])
    wanted = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    same(wanted, nn.TransformerEncoder(layer, 2), [x], {})
    padding = torch.tensor([[False, False, True], [False] * 3])
    ours = make(nn, NAMES[0]).eval()
    with torch.no_grad():  # torch must not take its fast path through our layer
        stack = torch.nn.TransformerEncoder(ours, 1).eval()
        close(stack(x, None, padding), ours(x, None, padding))


def test_dropout_follows_the_seed_and_training():
    for name in NAMES:
        module = make(nn, name, dropout=0.5)
        rng = np.random.default_rng(0)
        inputs, _ = problem(rng, name, (2, 3, 4), ("none",) * 3, ("none",) * 2)
        torch.manual_seed(1)
        first, second = module(*inputs), module(*inputs)
        torch.manual_seed(1)
        again = module(*inputs)
        assert torch.equal(first, again)
        assert not torch.equal(first, second)
        assert torch.equal(module.eval()(*inputs), module(*inputs))


@pytest.mark.parametrize("name", NAMES)
def test_copies_float32_and_what_by_hand_means(name):
    _, ours = pair(name, dtype=torch.float32)
    rng = np.random.default_rng(0)
    inputs, _ = problem(rng, name, (2, 3, 4), ("none",) * 3, ("none",) * 2)
    inputs = [a.detach().float().requires_grad_() for a in inputs]
    out = ours(*inputs)
    assert out.dtype == torch.float32
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert torch.equal(other(*inputs), out)
    grads = torch.autograd.grad(out.sum(), inputs, retain_graph=True)
    assert {g.dtype for g in grads} == {torch.float32}
    with pytest.raises(RuntimeError, match=r"has no derivative: use backward="):
        torch.autograd.grad(out.sum(), inputs, create_graph=True)
    with torch.no_grad():
        next(ours.parameters()).add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_errors_are_sentences():
    layer = nn.TransformerEncoderLayer(E, H, WIDE)
    model = nn.Transformer(E, H, 1, 1, WIDE)
    x, y = torch.zeros(2, 3, E), torch.zeros(2, 2, E)
    for error, call, sentence in (
        (ValueError, lambda: nn.TransformerEncoderLayer(4, 3), "nhead must divide"),
        (
            ValueError,
            lambda: nn.TransformerDecoderLayer(4, 2, activation="tanh"),
            "activation must be one of 'relu', 'gelu', 'gelu_tanh', 'silu', got 'tanh'",
        ),
        (ValueError, lambda: nn.Transformer(4, 2, dropout=1), "dropout must be at"),
        (ValueError, lambda: nn.Transformer(4, 2, 0), "num_encoder_layers must be at"),
        (ValueError, lambda: nn.Transformer(4, 2, backward="x"), "backward must be "),
        (TypeError, lambda: nn.TransformerEncoder(1, 2), "encoder_layer must be a "),
        (TypeError, lambda: nn.TransformerDecoder(layer, 2, 1), "norm must be a torch"),
        (ValueError, lambda: layer(x[..., :3]), r"src must have shape \(B, T_src, E=4"),
        (ValueError, lambda: layer(x, is_causal=True), "src_mask must be given where"),
        (TypeError, lambda: layer(x, x > 0, x[..., 0].int()), "src_key_padding_mask "),
        (
            ValueError,
            lambda: nn.TransformerEncoder(layer, 1)(x, torch.ones(2, 3) > 0),
            r"mask must have shape \(3, 3\) or \(4, 3, 3\), got \(2, 3\)",
        ),
        (
            ValueError,
            lambda: model(x, y, memory_mask=torch.ones(3, 2) > 0),
            r"memory_mask must have shape \(2, 3\) or \(4, 2, 3\), got \(3, 2\)",
        ),
        (ValueError, lambda: model(x, y[:1]), r"tgt must have shape \(B=2, T_tgt, E=4"),
        (TypeError, lambda: layer(x.double().long()), "src must hold floats"),
    ):
        with pytest.raises(error, match=f"^{sentence}"):
            call()


def seq2seq(**options):
    torch.manual_seed(0)
    sizes = {"d_model": 8, "nhead": 2, "dim_feedforward": 12, "dropout": 0.0}
    counts = {"num_encoder_layers": 2, "num_decoder_layers": 2}
    options = {**sizes, **counts, "dtype": torch.float64, **options}
    return nn.Seq2SeqTransformer(11, **options)


FORMS = {
    "paper": {},
    "pre-norm": {"norm_first": True, "activation": "gelu", "bias": False},
    "Marian": {"positions": "halves", "activation": "silu", "logits_bias": True},
    "BART": {"positions": "learned", "max_len": 9, "layernorm_embedding": True},
    "apart": {"tgt_vocab_size": 7, "tie_output": False, "attention_bias": False},
}


@pytest.mark.referee("seqlib.nn.Seq2SeqTransformer", by="torch autograd")
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("form", FORMS)
def test_translation_by_hand_and_by_autograd(form, dropout):
    model = seq2seq(**FORMS[form], dropout=dropout)
    V = FORMS[form].get("tgt_vocab_size", 11)
    ids, decoder_ids = torch.randint(11, (2, 5)), torch.randint(V, (2, 4))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    found = []
    for backward in ("hand", "autograd"):
        model.backward = backward
        torch.manual_seed(4)
        logits = model(ids, decoder_ids, mask)
        assert logits.shape == (2, 4, V)
        weights = torch.arange(logits.numel()).view_as(logits).sin()
        grads = torch.autograd.grad((logits * weights).sum(), model.parameters())
        found.append((logits, *grads))
    scale = max(float(g.abs().max()) for g in found[1][1:])
    for a, b in zip(*found, strict=True):
        close(a, b, 1e-10, scale)
    if not dropout:  # the array function is told what the module was told
        params = {k: p.detach().numpy() for k, p in model.named_parameters()}
        options = model.options
        real = mask.bool().numpy()
        wanted, _ = seq2seq_transformer(
            ids.numpy(), decoder_ids.numpy(), params, key_mask=real, **options
        )
        close(found[0][0], wanted)


@pytest.mark.referee("seqlib.nn.Seq2SeqTransformer", by="enumeration")
@pytest.mark.parametrize("form", FORMS)
def test_generate_greedily_takes_the_best_of_all_logits(form):
    model = seq2seq(**FORMS[form]).train()
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(0, 0.7)
    ids = torch.randint(11, (3, 5))
    mask = torch.tensor([[1] * 5, [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
    free, _ = model.generate(ids, 1, None, 6, mask)
    never = int(free[0, 0, 0])  # what would be chosen
    tokens, scores = model.generate(ids, 1, None, 6, mask, suppress=(never,))
    so_far, total = torch.ones(3, 1, dtype=torch.int64), 0.0
    for _ in range(6):
        with torch.no_grad():
            log_p, _ = log_softmax(model(ids, so_far, mask)[:, -1])
        log_p[:, never] = -torch.inf
        best, which = log_p.max(-1)
        total, so_far = total + best, torch.cat([so_far, which[:, None]], 1)
    assert torch.equal(tokens[:, 0], so_far[:, 1:])
    close(scores[:, 0], total, 1e-10)
    assert not scores.requires_grad


BASE = {}
BIG = {"d_model": 1024, "nhead": 16, "dim_feedforward": 4096}


@pytest.mark.referee("seqlib.nn.Seq2SeqTransformer", by="by hand")
@pytest.mark.parametrize(
    ("sizes", "E", "F", "count"),
    [(BASE, 512, 2048, 63_045_632), (BIG, 1024, 4096, 214_171_648)],
    ids=["base", "big"],
)
def test_the_models_of_2017_have_so_many_parameters(sizes, E, F, count):
    """At 37,000 shared tokens, without biases in attention; the paper: 65 M, 213 M."""
    model = nn.Seq2SeqTransformer(37_000, attention_bias=False, device="meta", **sizes)
    attention, norm = 4 * E * E, 2 * E
    feed_forward = E * F + F + F * E + E
    encoder = attention + feed_forward + 2 * norm
    decoder = 2 * attention + feed_forward + 3 * norm
    by_hand = 37_000 * E + 6 * encoder + 6 * decoder
    assert sum(p.numel() for p in model.parameters()) == by_hand == count
    with_biases = nn.Seq2SeqTransformer(37_000, device="meta", **sizes)
    assert sum(p.numel() for p in with_biases.parameters()) == count + 18 * 4 * E


def test_errors_of_translation_are_sentences():
    model = seq2seq(positions="learned", max_len=3)
    ids = torch.randint(11, (2, 3))
    f = torch.zeros(2, 3)
    for error, call, sentence in (
        (ValueError, lambda: nn.Seq2SeqTransformer(0), "vocab_size must be at least 1"),
        (ValueError, lambda: seq2seq(d_model=7, nhead=1), "d_model must be even for "),
        (TypeError, lambda: seq2seq(positions="learned"), "max_len must be a whole"),
        (ValueError, lambda: seq2seq(positions="x"), "positions must be one of "),
        (TypeError, lambda: model(f, ids), "ids must hold integers"),
        (ValueError, lambda: model(ids + 11, ids), "ids must be 0 to 10, got"),
        (ValueError, lambda: model(ids, ids, f + 2), "attention_mask must hold 1 for "),
        (
            ValueError,
            lambda: model(ids, ids, ids[:1]),
            "attention_mask must have shape ",
        ),
        (
            ValueError,
            lambda: model(ids, ids, None, ids[:1]),
            "decoder_attention_mask must have shape ",
        ),
        (
            ValueError,
            lambda: model.generate(ids, 11, 0, 2),
            "start_token must be at least 0 and at most 10, got 11",
        ),
        (
            ValueError,
            lambda: model.generate(ids, 1, 0, 4),
            "max_len must be at least 1 and at most 3, got 4",
        ),
        (TypeError, lambda: model.generate([[1]], 1, 0, 2), "ids must be an array"),
        (TypeError, lambda: model.start([[1]], 1, f), "ids must be an array"),
        (
            TypeError,
            lambda: model.generate(ids, 1, 0, 2, suppress=3),
            "suppress must be a sequence of tokens, got int",
        ),
        (
            ValueError,
            lambda: model.generate(ids, 1, 0, 2, suppress=[11]),
            "suppress must be at least 0 and at most 10, got 11",
        ),
    ):
        with pytest.raises(error, match=f"^{sentence}"):
            call()


def test_masks_of_floats_and_ids_of_few_bits_do_as_well():
    model = nn.Seq2SeqTransformer(300, 4, 2, 1, 1, 4).eval()
    ids, real = (
        torch.tensor([[7, 3, 9], [250, 1, 1]]),
        torch.tensor([[1, 1, 1], [1, 0, 0]]),
    )
    wanted = model.generate(ids, 299, None, 3, real)
    got = model.generate(ids.to(torch.uint8), 299, None, 3, real.float())
    assert torch.equal(got[0], wanted[0])
    assert torch.equal(got[1], wanted[1])
