"""Encoder, decoder, Transformer, and the one for translation, against torch.nn."""

import itertools
from functools import partial
from math import sqrt

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlib.decode import beam_search, exhaustive_search, greedy, take_rows
from seqlib.functional import log_softmax
from seqlib.transformer import (
    seq2seq_transformer,
    seq2seq_transformer_backward,
    seq2seq_transformer_start,
    seq2seq_transformer_step,
    transformer,
    transformer_backward,
    transformer_decoder,
    transformer_decoder_backward,
    transformer_encoder,
    transformer_encoder_backward,
)

SIZES = st.integers(1, 4)
CUBE = st.tuples(SIZES, SIZES, SIZES, st.integers(1, 2), st.integers(1, 3), SIZES)
tensor = partial(torch.tensor, dtype=torch.float64)


def draw(rng, module):
    """Give every parameter of a module a value of its own; return them for numpy."""
    for p in module.parameters():
        p.data = torch.tensor(rng.normal(size=tuple(p.shape)) * 0.6)
    return {name: p.detach().numpy().copy() for name, p in module.named_parameters()}


def torchs(rng, sizes, last_norm=True, layers=(2, 3), **options):
    """Return torch's Transformer, with a norm after each stack or without."""
    H, d, F = sizes
    options = {"dropout": 0.0, "batch_first": True, "dtype": torch.float64, **options}
    bias = options.get("bias", True)
    parts, E = [], H * d
    for name, count in zip(("Encoder", "Decoder"), layers, strict=True):
        eps = options.get("layer_norm_eps", 1e-5)
        norm = torch.nn.LayerNorm(E, eps, bias=bias, dtype=torch.float64)
        make = getattr(torch.nn, f"Transformer{name}Layer")
        more = {"enable_nested_tensor": False} if name == "Encoder" else {}
        stack = getattr(torch.nn, f"Transformer{name}")
        layer = make(E, H, F, **options)
        parts.append(stack(layer, count, norm if last_norm else None, **more))
    whole = torch.nn.Transformer(E, H, *layers, F, 0.0, "relu", *parts, 1e-5, True)
    return whole, draw(rng, whole)


def draw_mask(rng, kind, T, S):
    if kind == "bool":
        mask = rng.random((T, S)) < 0.6
        mask[:, 0] = True
        return mask
    return {"none": None, "causal": np.tri(T, S, dtype=bool)}.get(
        kind, rng.normal(size=(T, S))
    )


def added(mask):
    """Return torch's form of our mask of booleans: what is added to the scores."""
    if mask is None or mask.dtype != bool:
        return None if mask is None else tensor(mask).requires_grad_()
    return torch.tensor(np.where(mask, 0.0, -np.inf))


def lengths(rng, ragged, B, S):
    return np.arange(S) < rng.integers(1, S + 1, B)[:, None] if ragged else None


KINDS = st.sampled_from(["none", "causal", "bool", "float"])
OPTIONS = st.fixed_dictionaries(
    {
        "norm_first": st.booleans(),
        "activation": st.sampled_from(["relu", "gelu"]),
        "bias": st.booleans(),
        "last_norm": st.booleans(),
    }
)


@pytest.mark.referee(
    "seqlib.transformer.transformer",
    "seqlib.transformer.transformer_backward",
    "seqlib.transformer.transformer_encoder",
    "seqlib.transformer.transformer_decoder",
    by="torch.nn.Transformer",
)
@settings(max_examples=25)
@given(CUBE, OPTIONS, KINDS, KINDS, KINDS, st.booleans(), st.integers(0, 2**32))
def test_all_is_as_in_torch(sizes, options, of_src, of_tgt, of_memory, ragged, seed):
    (B, S, T, *rest), rng = sizes, np.random.default_rng(seed)
    theirs, params = torchs(rng, rest, **options)
    H, E = rest[0], rest[0] * rest[1]
    src, tgt = rng.normal(size=(B, S, E)), rng.normal(size=(B, T, E))
    masks = [
        draw_mask(rng, of_src, S, S),
        draw_mask(rng, of_tgt, T, T),
        draw_mask(rng, of_memory, T, S),
    ]
    real, real_tgt = lengths(rng, ragged, B, S), lengths(rng, ragged, B, T)
    keys = [real, real_tgt, real]
    ours = {k: options[k] for k in ("norm_first", "activation")}
    out, cache = transformer(src, tgt, params, H, *masks, *keys, **ours)

    x, y = (tensor(a).requires_grad_() for a in (src, tgt))
    m, k = [added(a) for a in masks], [added(a) for a in keys]
    wanted = theirs(x, y, *m, *k)
    close(out, wanted, 1e-10)
    own, other = (
        {k[8:]: a for k, a in params.items() if k.startswith(side)}
        for side in ("encoder.", "decoder.")
    )
    memory, _ = transformer_encoder(src, own, H, masks[0], real, **ours)
    close(memory, theirs.encoder(x, m[0], k[0]), 1e-10)
    both = masks[1], real_tgt, masks[2], real
    again, _ = transformer_decoder(tgt, memory, other, H, *both, **ours)
    close(again, wanted, 1e-10)
    dout = rng.normal(size=out.shape)
    floats = [a for a in m if a is not None and a.requires_grad]
    inputs = [x, y, *theirs.parameters(), *floats]
    gradients = by_autograd([wanted], [tensor(dout)], inputs)
    dsrc, dtgt, grads, *dmasks = transformer_backward(dout, cache)
    assert list(grads) == list(params)
    for mask, d in zip(masks, dmasks, strict=True):
        assert (d is None) == (mask is None or mask.dtype == bool)
    found = [dsrc, dtgt, *grads.values(), *(d for d in dmasks if d is not None)]
    scale = max(float(g.abs().max()) for g in gradients)
    for a, b in zip(found, gradients, strict=True):
        close(a, b, 1e-10, scale)


@pytest.mark.referee(
    "seqlib.transformer.transformer_encoder_backward",
    "seqlib.transformer.transformer_decoder_backward",
    by="torch autograd",
)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("activation", ["gelu_tanh", "silu"])
def test_the_stacks_alone(activation, dropout):
    rng = np.random.default_rng(3)
    _, params = torchs(rng, (2, 3, 5))
    x, memory = rng.normal(size=(2, 4, 6)), rng.normal(size=(2, 3, 6))
    mask = rng.normal(size=(2, 4, 4))
    more = {"activation": activation, "norm_first": True, "dropout": dropout}
    for kind, f, back, inputs in (
        ("encoder.", transformer_encoder, transformer_encoder_backward, [x]),
        ("decoder.", transformer_decoder, transformer_decoder_backward, [x, memory]),
    ):
        own = {k[8:]: a for k, a in params.items() if k.startswith(kind)}
        arguments = [*inputs, own, 2, mask]
        out, cache = f(*arguments, rng=np.random.default_rng(5), **more)
        dout = rng.normal(size=out.shape)
        *dxs, grads, dmask = [d for d in back(dout, cache) if d is not None]
        leaves = [tensor(a).requires_grad_() for a in (*inputs, *own.values(), mask)]
        n = len(inputs)
        named = dict(zip(own, leaves[n:-1], strict=True))
        same, _ = f(
            *leaves[:n], named, 2, leaves[-1], rng=np.random.default_rng(5), **more
        )
        close(out, same)
        wanted = by_autograd([same], [tensor(dout)], leaves)
        for a, b in zip([*dxs, *grads.values(), dmask], wanted, strict=True):
            close(a, b, 1e-10, float(max(g.abs().max() for g in wanted)))
        if dropout:
            other, _ = f(*arguments, rng=np.random.default_rng(6), **more)
            assert np.abs(other - out).max() > 0.01


@pytest.mark.parametrize("name", ["encoder", "decoder", "both"])
def test_by_default_stacks_are_those_of_torch(name):
    rng = np.random.default_rng(0)
    theirs, params = torchs(rng, (2, 2, 5))
    assert not theirs.encoder.layers[0].norm_first
    x, y = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 2, 4))
    own = {k.partition(".")[2]: a for k, a in params.items() if k.startswith(name)}
    f, inputs, weights, right = {
        "encoder": (transformer_encoder, [x], own, theirs.encoder),
        "decoder": (transformer_decoder, [y, x], own, theirs.decoder),
        "both": (transformer, [x, y], params, theirs),
    }[name]
    out, _ = f(*inputs, weights, 2)
    close(out, right(*map(tensor, inputs)).detach(), 1e-10)


def words(rng, E, vocab=(7, 7), **which):
    """Return the parameters around the stacks, as `which` says."""
    V, W = vocab
    around = {}
    if which.get("separate"):
        around["encoder.embed_tokens.weight"] = rng.normal(size=(V, E))
        around["decoder.embed_tokens.weight"] = rng.normal(size=(W, E))
    else:
        around["shared.weight"] = rng.normal(size=(W, E))
    for side in ("encoder", "decoder"):
        if which.get("learned"):
            around[f"{side}.embed_positions.weight"] = rng.normal(size=(6, E))
        if which.get("norm"):
            around[f"{side}.layernorm_embedding.weight"] = rng.normal(size=E)
            around[f"{side}.layernorm_embedding.bias"] = rng.normal(size=E)
    if which.get("untied"):
        around["lm_head.weight"] = rng.normal(size=(W, E))
    if which.get("bias"):
        around["final_logits_bias"] = rng.normal(size=W)
    return around


def reference(theirs, around, ids, decoder_ids, real, real_tgt, scaled, layout):
    """Compute the logits from torch's Transformer, with torch's own functions."""
    E = theirs.encoder.layers[0].norm1.weight.shape[0]
    shared = around.get("shared.weight")
    tables, vectors = {}, {}
    for side, tokens in (("encoder", ids), ("decoder", decoder_ids)):
        W = shared
        W = around[f"{side}.embed_tokens.weight"] if W is None else W
        x = W[tokens] * (sqrt(E) if scaled else 1)
        table = around.get(f"{side}.embed_positions.weight")
        if table is None:
            waves = [
                [
                    (np.sin, np.cos)[j % 2](t / 10000 ** (2 * (j // 2) / E))
                    for j in range(E)
                ]
                for t in range(tokens.shape[1])
            ]
            table = tensor(np.array(waves))
            if layout == "halves":
                table = torch.cat([table[:, ::2], table[:, 1::2]], 1)
        x = x + table[: tokens.shape[1]]
        if (weight := around.get(f"{side}.layernorm_embedding.weight")) is not None:
            bias = around[f"{side}.layernorm_embedding.bias"]
            eps = theirs.encoder.layers[0].norm1.eps
            x = torch.nn.functional.layer_norm(x, (E,), weight, bias, eps)
        tables[side], vectors[side] = W, x
    causal = torch.triu(torch.full((decoder_ids.shape[1],) * 2, -torch.inf), 1)
    padding = [torch.tensor(np.where(m, 0.0, -np.inf)) for m in (real, real_tgt, real)]
    h = theirs(*vectors.values(), None, causal.double(), None, *padding)
    W = around.get("lm_head.weight", tables["decoder"])
    return h @ W.T + around.get("final_logits_bias", 0)


FORMS = {
    "paper": {},
    "Marian": {"bias": True},
    "Marian, two vocabularies": {"separate": True, "bias": True},
    "BART": {"learned": True, "norm": True, "bias": True},
    "all apart": {"separate": True, "learned": True, "untied": True},
}


@pytest.mark.referee(
    "seqlib.transformer.seq2seq_transformer",
    "seqlib.transformer.seq2seq_transformer_backward",
    by="torch.nn.Transformer",
)
@pytest.mark.parametrize("layout", ["interleaved", "halves"])
@pytest.mark.parametrize("form", FORMS)
def test_from_tokens_to_logits_as_with_torch(form, layout):
    rng, which = np.random.default_rng(len(form)), FORMS[form]
    pre = form == "all apart"
    more = {"norm_first": pre, "layer_norm_eps": 0.1}
    theirs, params = torchs(rng, (2, 2, 5), last_norm=pre, **more)
    vocab = (9, 7) if which.get("separate") else (7, 7)
    around = words(rng, 4, vocab, **which)
    params = {**around, **params}
    ids, decoder_ids = rng.integers(0, vocab[0], (2, 5)), rng.integers(0, 7, (2, 4))
    ids[0, :2] = ids[1, 1]  # a token more than once
    real = np.arange(5) < np.array([[5], [3]])
    real_tgt = np.arange(4) < np.array([[2], [4]])
    options = {"scale_embedding": form != "BART", "layout": layout, "norm_first": pre}
    options["eps"] = 0.1
    f = partial(seq2seq_transformer, ids, decoder_ids)
    logits, cache = f(params, 2, real, real_tgt, **options)

    leaves = {name: tensor(a).requires_grad_() for name, a in around.items()}
    given = torch.tensor(ids), torch.tensor(decoder_ids), real, real_tgt
    wanted = reference(theirs, leaves, *given, options["scale_embedding"], layout)
    close(logits, wanted, 1e-10)
    dout = rng.normal(size=logits.shape)
    grads = seq2seq_transformer_backward(dout, cache)
    assert list(grads) == list(params)
    inputs = [*leaves.values(), *theirs.parameters()]
    gradients = by_autograd([wanted], [tensor(dout)], inputs)
    scale = max(float(g.abs().max()) for g in gradients)
    for a, b in zip(grads.values(), gradients, strict=True):
        close(a, b, 1e-10, scale)


def model(form="BART", seed=0, V=7, **more):
    rng = np.random.default_rng(seed)
    _, params = torchs(rng, (2, 2, 5), layers=(1, 2))
    return rng, {**words(rng, 4, (V, V), **FORMS[form]), **params}


@pytest.mark.referee(
    "seqlib.transformer.seq2seq_transformer_backward", by="finite differences"
)
def test_the_gradient_of_tied_matrices_by_differences():
    rng, params = model("Marian")
    ids, decoder_ids = rng.integers(0, 7, (2, 3)), rng.integers(0, 7, (2, 2))
    logits, cache = seq2seq_transformer(ids, decoder_ids, params, 2)
    dout = rng.normal(size=logits.shape)

    def loss(W):
        new = {**params, "shared.weight": W}
        return (seq2seq_transformer(ids, decoder_ids, new, 2)[0] * dout).sum()

    wanted = by_differences(loss, [params["shared.weight"]], 0)
    grads = seq2seq_transformer_backward(dout, cache)
    close(grads["shared.weight"], wanted, 1e-7)


@pytest.mark.referee(
    "seqlib.transformer.seq2seq_transformer_backward", by="torch autograd"
)
@pytest.mark.parametrize("form", FORMS)
def test_dropout_is_drawn_once_and_its_gradient_is_that_of_autograd(form):
    rng, params = model(form)
    ids, decoder_ids = rng.integers(0, 7, (2, 3)), rng.integers(0, 7, (2, 4))
    f = partial(seq2seq_transformer, num_heads=2, dropout=0.4, activation="silu")
    logits, cache = f(ids, decoder_ids, params, rng=np.random.default_rng(8))
    leaves = {name: tensor(a).requires_grad_() for name, a in params.items()}
    tokens = torch.tensor(ids), torch.tensor(decoder_ids)
    same, _ = f(*tokens, leaves, rng=np.random.default_rng(8))
    close(logits, same)
    dout = rng.normal(size=logits.shape)
    wanted = by_autograd([same], [tensor(dout)], list(leaves.values()))
    scale = max(float(g.abs().max()) for g in wanted)
    grads = seq2seq_transformer_backward(dout, cache)
    for a, b in zip(grads.values(), wanted, strict=True):
        close(a, b, 1e-10, scale)
    still, _ = f(ids, decoder_ids, params, rng=np.random.default_rng(9))
    assert np.abs(still - logits).max() > 0.01


def test_logits_know_nothing_of_later_tokens_nor_of_padding():
    rng, params = model()
    ids, decoder_ids = rng.integers(0, 7, (2, 4)), rng.integers(0, 7, (2, 5))
    real = np.arange(4) < np.array([[4], [2]])
    logits, _ = seq2seq_transformer(ids, decoder_ids, params, 2, real)
    changed = decoder_ids.copy()
    changed[:, 3] = (changed[:, 3] + 1) % 7
    other, _ = seq2seq_transformer(ids, changed, params, 2, real)
    close(other[:, :3], logits[:, :3])
    assert np.abs(other[:, 3:] - logits[:, 3:]).max(-1).min() > 1e-6
    shorter, _ = seq2seq_transformer(ids[1:, :2], decoder_ids[1:], params, 2)
    close(logits[1:], shorter)


@pytest.mark.referee(
    "seqlib.transformer.seq2seq_transformer_start",
    "seqlib.transformer.seq2seq_transformer_step",
    by="torch.nn.Transformer",
)
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
def test_step_by_step_gives_what_all_at_once_gives(form, norm_first, library):
    """All at once is held against torch above."""
    rng, params = model(form)
    ids, decoder_ids = rng.integers(0, 7, (3, 4)), rng.integers(0, 7, (3, 5))
    real = np.arange(4) < np.array([[4], [2], [1]])
    options = {"norm_first": norm_first, "activation": "gelu", "layout": "halves"}
    logits, _ = seq2seq_transformer(ids, decoder_ids, params, 2, real, **options)
    wanted, _ = log_softmax(logits)
    params = {name: library(a) for name, a in params.items()}
    state = seq2seq_transformer_start(library(ids), params, 2, library(real), **options)
    for t in range(5):
        token = library(decoder_ids[:, t])
        found, state = seq2seq_transformer_step(state, token, params, 2, **options)
        close(to_numpy(found), wanted[:, t], 1e-10)


@pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
def test_a_state_never_changes(library):
    """Two continuations of one state, and of what a search makes of it, are right."""
    rng, params = model()
    ids = rng.integers(0, 7, (3, 4))
    params_ = {name: library(a) for name, a in params.items()}
    step = partial(seq2seq_transformer_step, params=params_, num_heads=2)

    def go_on(state, tokens):
        for t in range(tokens.shape[1]):
            found, state = step(state, library(tokens[:, t]))
        return found, state

    first = rng.integers(0, 7, (3, 3))  # then there is room for three more
    rows = np.array([2, 0, 0])
    _, state = go_on(seq2seq_transformer_start(library(ids), params_, 2), first)
    tails = [rng.integers(0, 7, (3, n)) for n in (1, 2, 2)]
    states = [go_on(state, tail)[1] for tail in tails]
    befores = [(ids, np.concatenate([first, tail], 1)) for tail in tails]
    befores.append((ids[rows], first[rows]))
    states.append(take_rows(state, library(rows)))
    for (source, before), state in zip(befores, states, strict=True):
        last = rng.integers(0, 7, (3, 1))
        found, _ = go_on(state, last)
        logits, _ = seq2seq_transformer(
            source, np.concatenate([before, last], 1), params, 2
        )
        close(to_numpy(found), log_softmax(logits)[0][:, -1], 1e-10)


def test_a_state_is_not_copied_for_every_token():
    rng, params = model()
    params = without(params, "decoder.embed_positions.weight")
    state, rooms = seq2seq_transformer_start(rng.integers(0, 7, (1, 2)), params, 2), []
    for _ in range(40):
        _, state = seq2seq_transformer_step(state, np.array([1]), params, 2)
        rooms.append(state.room)
        assert state[2][0][0].base is state.room.buffers[0][0]
    assert len(set(map(id, rooms))) <= 5  # 2, 6, 14, 30, 62 places


def test_no_gradient_flows_through_a_step():
    _, params = model()
    params = {k: torch.tensor(a, requires_grad=True) for k, a in params.items()}
    state = seq2seq_transformer_start(torch.tensor([[1, 2]]), params, 2)
    for _ in range(2):
        found, state = seq2seq_transformer_step(state, torch.tensor([3]), params, 2)
        assert not found.requires_grad


@pytest.mark.referee("seqlib.transformer.seq2seq_transformer_step", by="enumeration")
@pytest.mark.parametrize("library", [np.asarray, torch.tensor])
def test_beam_search_over_steps_finds_the_likeliest_of_all_sequences(library):
    rng, params = model("Marian", V=4)
    ids, eos, longest = rng.integers(0, 4, (2, 3)), 2, 3
    real = np.array([[True, True, True], [True, True, False]])
    best = []
    for b in range(2):  # every sequence scored on its own, without steps
        scored = {}
        for tokens in itertools.product(range(4), repeat=longest):
            cut = tokens.index(eos) + 1 if eos in tokens else longest
            inputs = np.array([[1, *tokens[: cut - 1]]])
            given_ids, mask = ids[b : b + 1], real[b : b + 1]
            logits, _ = seq2seq_transformer(given_ids, inputs, params, 2, mask)
            log_p, _ = log_softmax(logits[0])
            scored[tokens[:cut]] = sum(log_p[t, y] for t, y in enumerate(tokens[:cut]))
        best.append(sorted(scored.items(), key=lambda pair: -pair[1]))
    params = {name: library(a) for name, a in params.items()}
    step = partial(seq2seq_transformer_step, params=params, num_heads=2)
    state = seq2seq_transformer_start(library(ids), params, 2, library(real))
    start = state, library(np.array([1, 1]))
    tokens, scores = exhaustive_search(step, start, eos, 5, longest)
    wide, of_wide = beam_search(step, start, eos, 40, longest)
    for b in range(2):
        close(to_numpy(scores[b]), [score for _, score in best[b][:5]], 1e-10)
        close(to_numpy(of_wide[b, :5]), [score for _, score in best[b][:5]], 1e-10)
        for n in range(5):
            right = list(best[b][n][0])
            right += [eos] * (longest - len(right))
            assert to_numpy(tokens[b, n]).tolist() == right
            assert to_numpy(wide[b, n]).tolist() == right
    first, _ = greedy(step, start, eos, longest)
    narrow, _ = beam_search(step, start, eos, 1, longest)
    assert to_numpy(first).tolist() == to_numpy(narrow[:, 0]).tolist()


def without(params, *names):
    return {k: a for k, a in params.items() if k not in names}


def test_errors_of_stacks_name_the_whole_parameter():
    rng = np.random.default_rng(0)
    _, params = torchs(rng, (2, 2, 5))
    x, y = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 2, 4))
    f = partial(transformer, x, y, num_heads=2)
    for new, sentence in (
        ({}, "params must hold encoder.layers.0 at least, got no layer"),
        (
            without(params, "decoder.layers.2.norm3.weight"),
            "params must hold decoder.layers.2.norm3.weight, which it lacks",
        ),
        (
            without(params, "decoder.norm.weight"),
            "params must hold decoder.norm.weight, which it lacks",
        ),
        (
            {**params, "encoder.layers.1.linear1.bias": np.ones(4)},
            r"encoder.layers.1.linear1.bias must have shape \(F1=5,\), got \(4,\)",
        ),
        (
            {**params, "decoder.norm.bias": np.ones(3)},
            r"decoder.norm.bias must have shape \(4,\), got \(3,\)",
        ),
        ({**params, "extra": x}, "params must not hold extra, unused here"),
        (
            {k: a for k, a in params.items() if "encoder.layers.0." not in k},
            "params must hold encoder.layers numbered from 0 without a gap, got 1",
        ),
        (
            {k: a for k, a in params.items() if "decoder.layers.1." not in k},
            "params must hold decoder.layers numbered from 0 without a gap, got 0, 2",
        ),
    ):
        with pytest.raises(ValueError, match=f"^{sentence}$"):
            f(params=new)
    with pytest.raises(ValueError, match=r"^tgt must have shape \(B=2, T, 4\), got"):
        transformer(x, y[:1], params, 2)
    with pytest.raises(ValueError, match=r"^tgt_mask must broadcast to"):
        f(params=params, tgt_mask=np.ones((3, 3), dtype=bool))
    with pytest.raises(ValueError, match=r"^num_heads must divide E=4, got 3"):
        transformer(x, y, params, 3)
    with pytest.raises(TypeError, match=r"^params must be a dict .* got list"):
        f(params=[])
    with pytest.raises(TypeError, match=r"^params must be a dict .* names$"):
        f(params={1: x})


def test_errors_of_tokens():
    rng, params = model()
    ids, decoder_ids = rng.integers(0, 7, (2, 4)), rng.integers(0, 7, (2, 5))
    f = partial(seq2seq_transformer, ids, decoder_ids, params, 2)
    for error, call, sentence in (
        (
            ValueError,
            lambda: seq2seq_transformer(ids + 7, decoder_ids, params, 2),
            "ids must be 0 to 6, got",
        ),
        (
            ValueError,
            lambda: seq2seq_transformer(ids, decoder_ids[:1], params, 2),
            r"decoder_ids must have shape \(2, T\), got \(1, 5\)",
        ),
        (
            ValueError,
            lambda: seq2seq_transformer(np.zeros((2, 7), int), decoder_ids, params, 2),
            "ids must have at most 6 tokens, as many as there are learned positions",
        ),
        (TypeError, lambda: f(key_mask=ids), "key_mask must hold booleans, got int64"),
        (
            TypeError,
            lambda: f(decoder_key_mask=decoder_ids),
            "decoder_key_mask must hold booleans, got int64",
        ),
        (
            ValueError,
            lambda: seq2seq_transformer(ids[0], decoder_ids, params, 2),
            r"ids must have shape \(B, T\), got \(4,\)",
        ),
        (ValueError, lambda: f(layout="x"), "layout must be one of 'interleaved', "),
        (ValueError, lambda: f(dropout=1.0), "dropout must be at least 0 and below 1"),
        (TypeError, lambda: f(dropout=0.1), "rng must be a numpy generator"),
        (
            ValueError,
            lambda: seq2seq_transformer(
                ids, decoder_ids, without(params, "shared.weight"), 2
            ),
            "params must hold decoder.embed_tokens.weight, encoder.embed_tokens.weight",
        ),
        (
            ValueError,
            lambda: seq2seq_transformer_backward(np.zeros((2, 5, 6)), f()[1]),
            r"dout must have shape \(2, 5, 7\), got",
        ),
        (
            TypeError,
            lambda: seq2seq_transformer_step((), np.array([1, 1]), params, 2),
            "state must be a tuple of 3, as seq2seq_transformer_start makes it, got",
        ),
    ):
        with pytest.raises(error, match=f"^{sentence}"):
            call()


def test_a_norm_of_the_embeddings_without_bias():
    rng, params = model()
    ids, decoder_ids = rng.integers(0, 7, (2, 4)), rng.integers(0, 7, (2, 5))
    names = [f"{side}.layernorm_embedding.bias" for side in ("encoder", "decoder")]
    zeros = params | {name: np.zeros(4) for name in names}
    f = partial(seq2seq_transformer, ids, decoder_ids, num_heads=2)
    close(f(without(params, *names))[0], f(zeros)[0], 1e-12)


@pytest.mark.parametrize(("layer", "which"), [(0, 2), (1, 0)])
def test_a_state_with_heads_of_another_size_is_refused(layer, which):
    rng, params = model()
    state = seq2seq_transformer_start(rng.integers(0, 7, (1, 2)), params, 2)
    _, (t, real, kept) = seq2seq_transformer_step(state, np.array([1]), params, 2)
    kept = [list(arrays) for arrays in kept]
    kept[layer][which] = np.repeat(kept[layer][which], 2, axis=-1)
    state = t, real, tuple(map(tuple, kept))
    name = rf"state\[2\]\[{layer}\]\[{which}\]"
    with pytest.raises(ValueError, match=rf"^{name} must have shape \(.* 2\), got "):
        seq2seq_transformer_step(state, np.array([1]), params, 2)


def test_no_more_steps_than_learned_positions():
    rng, params = model()
    state = seq2seq_transformer_start(rng.integers(0, 7, (1, 2)), params, 2)
    for _ in range(6):
        _, state = seq2seq_transformer_step(state, np.array([1]), params, 2)
    with pytest.raises(ValueError, match=r"^state must have fewer tokens than there"):
        seq2seq_transformer_step(state, np.array([1]), params, 2)
