"""The captioner against torch's own parts, finite differences and enumeration."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from decoder_referee import decoder
from torch.nn.functional import conv2d, linear, max_pool2d, relu

from seqlib.captioner import (
    captioner,
    captioner_backward,
    captioner_start,
    init_captioner,
)
from seqlib.decode import beam_search, greedy
from seqlib.functional import log_softmax
from seqlib.masks import padding_mask
from seqlib.seq2seq import decoder_step, sequence_log_prob

LENGTHS = [3, 5, 1]
FORMS = [
    ("once", "additive", "project"),
    ("every", "additive", "learned"),
    ("every", "additive", "project"),
    ("first", "additive", "zero"),
    ("first", "additive", "project"),
    ("attention", "additive", "project"),
    ("attention", "bilinear", "learned"),
    ("attention", "dot", "zero"),
]


def model(kind, form, L=1, vector=None, size=(2, 7, 9), channels=(3, 4), V=6):
    context, score, init = form
    rng = np.random.default_rng(0)
    choices = {"kind": kind, "context": context, "score": score, "init": init}
    sizes = {"embedding_size": 3, "hidden_size": 4, "num_layers": L}
    more = {"vector_size": vector, "attention_size": 2, "rng": rng}
    params = init_captioner(
        image_size=size, tgt_size=V, channels=channels, **choices, **sizes, **more
    )
    params = {name: a + 0.3 * rng.normal(size=a.shape) for name, a in params.items()}
    return params, choices


def batch(size=(2, 7, 9), V=6):
    rng = np.random.default_rng(1)
    images = rng.normal(size=(len(LENGTHS), *size))
    tgt = rng.integers(0, V, (len(LENGTHS), max(LENGTHS)))
    return images, tgt, padding_mask(np.array(LENGTHS), tgt.shape[1])


def run(params, choices, images, tgt, mask, A=np.array):
    weights = choices["context"] == "attention"
    out = captioner(
        images, tgt, params, **choices, tgt_mask=mask, return_weights=weights
    )
    rng = np.random.default_rng(7)
    douts = [A(rng.normal(size=tuple(o.shape))) for o in out[:-1]]
    dimages, grads = captioner_backward(douts[0], out[-1], *douts[1:])
    assert list(grads) == list(params)
    return list(out[:-1]), douts, {"images": dimages, **grads}


def see(params, image):
    """Annotations (1, S, F) and vector (1, M) of one image, by torch."""
    x = image
    for k in range(2):
        own = (params[f"encoder.conv{k}.{name}"] for name in ("weight", "bias"))
        x = max_pool2d(relu(conv2d(x, *own, padding="same")), 2)
    annotations = x.flatten(2).transpose(1, 2)
    if "encoder.fc.weight" not in params:
        return annotations, annotations.mean(1), None
    own = (params[f"encoder.fc.{name}"] for name in ("weight", "bias"))
    return annotations, relu(linear(x.flatten(1), *own)), None


@pytest.mark.referee(
    "seqlib.captioner.captioner", by="torch.nn.RNN, LSTM, GRU and functional.conv2d"
)
@pytest.mark.referee("seqlib.captioner.captioner_backward", by="torch autograd")
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("form", FORMS, ids="-".join)
@pytest.mark.parametrize(("L", "vector"), [(1, None), (2, 5)])
def test_outputs_weights_and_gradients_are_torchs(kind, form, L, vector):
    params, choices = model(kind, form, L, vector)
    images, tgt, mask = batch()
    ours, douts, grads = run(params, choices, images, tgt, mask)
    theirs = {k: torch.tensor(a, requires_grad=True) for k, a in params.items()}
    pictures = torch.tensor(images, requires_grad=True)
    outs, above = [], []
    for b, T in enumerate(LENGTHS):
        memory = see(theirs, pictures[b : b + 1])
        given = torch.tensor(tgt[b : b + 1, :T])
        logits, weights = decoder(kind, theirs, *form, given, memory)
        close(ours[0][b, :T], logits, 1e-11)
        assert not ours[0][b, T:].any()
        outs.append(logits)
        above.append(torch.tensor(douts[0][b, :T]))
        if weights is not None:
            close(ours[1][b, :T], weights.reshape(T, 1, 2), 1e-11)
            outs.append(weights)
            above.append(torch.tensor(douts[1][b, :T]).flatten(1))
    leaves = {"images": pictures, **theirs}
    wanted = by_autograd(outs, above, list(leaves.values()))
    for name, grad in zip(leaves, wanted, strict=True):
        close(grads[name], grad, 1e-11, scale=1 + grad.abs().max().item())


@pytest.mark.referee("seqlib.captioner.captioner_backward", by="finite differences")
@pytest.mark.parametrize("form", [FORMS[0], FORMS[2], FORMS[4], FORMS[5]], ids="-".join)
def test_finite_differences(form):
    small = {"size": (1, 3, 4), "V": 3}
    params, choices = model("gru_before", form, vector=2, channels=(2,), **small)
    images, tgt, mask = batch(**small)
    _, douts, grads = run(params, choices, images, tgt, mask)
    weights = choices["context"] == "attention"

    def loss(images, *arrays):
        own = dict(zip(params, arrays, strict=True))
        options = {**choices, "tgt_mask": mask, "return_weights": weights}
        outs = captioner(images, tgt, own, **options)[:-1]
        return sum(np.sum(o * d) for o, d in zip(outs, douts, strict=True))

    for i, grad in enumerate(grads.values()):
        wanted = by_differences(loss, [images, *params.values()], i)
        close(grad, wanted, 1e-7, scale=1 + np.abs(wanted).max())


@pytest.mark.parametrize("library", list(LIBRARIES)[1:])
@pytest.mark.parametrize("form", FORMS, ids="-".join)
def test_all_libraries_and_float_types(library, form):
    params, choices = model("lstm", form, 2, 5)
    images, tgt, mask = batch()
    outs, _, grads = run(params, choices, images, tgt, mask)
    A = LIBRARIES[library]
    own = {name: A(a) for name, a in params.items()}
    got, _, found = run(own, choices, A(images), A(tgt), A(mask), A)
    for a, b in zip(got, outs, strict=True):
        close(a, b)
    for name, grad in grads.items():
        close(found[name], grad, scale=1 + np.abs(grad).max())
    small = {name: A(a.astype("f4")) for name, a in params.items()}
    logits, cache = captioner(A(images.astype("f4")), A(tgt), small, **choices)
    dimages, zeros = captioner_backward(None, cache)
    for a in (logits, dimages, *zeros.values()):
        assert a.dtype == small["output.weight"].dtype
    assert not any(to_numpy(a).any() for a in (dimages, *zeros.values()))


@pytest.mark.parametrize("form", FORMS, ids="-".join)
def test_padding_and_the_order_of_the_batch(form):
    params, choices = model("gru", form)
    images, tgt, mask = batch()
    outs, _, grads = run(params, choices, images, tgt, mask)
    changed = np.where(mask, tgt, -100)
    others, _, again = run(params, choices, images, changed, mask)
    for a, b in zip((*outs, *grads.values()), (*others, *again.values()), strict=True):
        np.testing.assert_array_equal(a, b)
    order = [2, 0, 1]
    moved, _, _ = run(params, choices, images[order], tgt[order], mask[order])
    for a, b in zip(moved, outs, strict=True):
        close(a, b[order], 1e-13)


def test_the_mean_forgets_where_and_a_layer_of_its_own_does_not():
    """The same map with its places turned: only "fc", or attention, can tell."""
    images, tgt, mask = batch((3, 4, 4))
    turned = images[:, :, ::-1, ::-1]
    results = {}
    for context, init, vector in (
        ("once", "project", None),
        ("every", "zero", None),
        ("first", "zero", None),
        ("attention", "zero", None),
        ("once", "project", 4),
    ):
        form = (context, "additive", init)
        params, choices = model("gru", form, 1, vector, (3, 4, 4), (5,))
        centre = np.zeros((3, 3))
        centre[1, 1] = 1  # a layer that sees one place at a time
        params["encoder.conv0.weight"] *= centre
        a, b = (
            captioner(i, tgt, params, **choices, tgt_mask=mask)[0]
            for i in (images, turned)
        )
        results[context, vector] = np.allclose(a, b, rtol=0, atol=1e-12)
    # attention without positions is a mean too, a weighted one: it looks, but by what
    assert results == {
        ("once", None): True,
        ("every", None): True,
        ("first", None): True,
        ("attention", None): True,
        ("once", 4): False,
    }


def search_of(params, choices, images, A=np.array):
    own = {name: A(a) for name, a in params.items()}
    kind, context, score, _ = choices.values()
    step = partial(decoder_step, params=own, kind=kind, context=context, score=score)
    return step, captioner_start(A(images), 0, own, **choices)


@pytest.mark.referee("seqlib.captioner.captioner_start", by="enumeration")
@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("form", FORMS, ids="-".join)
def test_searches_find_what_enumeration_finds(library, form):
    params, choices = model("lstm", form, 2, V=3)
    params["output.weight"] *= 4
    images, _, _ = batch()
    step, start = search_of(params, choices, images, LIBRARIES[library])
    tokens, scores = map(to_numpy, beam_search(step, start, None, 27, 3))
    every = np.array(list(product(range(3), repeat=3)))
    given = np.concatenate([np.zeros_like(every[:, :1]), every[:, :-1]], axis=1)
    for b, image in enumerate(images):
        again = np.repeat(image[None], len(every), axis=0)
        log_p = sequence_log_prob(captioner(again, given, params, **choices)[0], every)
        assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-13)
        order = np.argsort(-log_p)
        np.testing.assert_array_equal(tokens[b], every[order])
        close(scores[b], log_p[order])


COLOURS, ROWS = 3, 2  # tokens: 0 <sos>, 1 <eos>, 2 to 4 colours, 5 and 6 rows


def scenes(rng, n):
    """One coloured square in 8 by 8, with noise: "colour row <eos>"."""
    images = 0.1 * rng.normal(size=(n, COLOURS, 8, 8))
    colour, row, col = (rng.integers(0, k, n) for k in (COLOURS, ROWS, 5))
    for b in range(n):
        place = slice(4 * row[b], 4 * row[b] + 3), slice(col[b], col[b] + 3)
        images[b, colour[b]][place] += 1
    start, end = np.zeros(n, int), np.ones(n, int)
    return images, np.stack([start, 2 + colour, 2 + COLOURS + row, end], axis=1)


@pytest.mark.parametrize("context", ["once", "every", "first"])
def test_convnet_and_decoder_learn_together(context):
    rng = np.random.default_rng(0)
    init = "zero" if context == "first" else "project"
    choices = {"kind": "gru", "context": context, "score": "dot", "init": init}
    p = init_captioner(
        "gru",
        (3, 8, 8),
        7,
        (6,),
        6,
        16,
        1,
        context,
        "dot",
        init,
        vector_size=16,
        rng=rng,
    )
    m, v = ({k: np.zeros_like(a) for k, a in p.items()} for _ in range(2))
    for i in range(1, 251):
        images, tgt = scenes(rng, 24)
        logits, cache = captioner(images, tgt[:, :-1], p, **choices)
        dlogits = (np.exp(log_softmax(logits)[0]) - np.eye(7)[tgt[:, 1:]]) / tgt.size
        for k, g in captioner_backward(dlogits, cache)[1].items():
            m[k] = 0.9 * m[k] + 0.1 * g
            v[k] = 0.99 * v[k] + 0.01 * g * g
            way = m[k] / (1 - 0.9**i) / (np.sqrt(v[k] / (1 - 0.99**i)) + 1e-8)
            p[k] = p[k] - 0.01 * way
    images, tgt = scenes(np.random.default_rng(99), 100)
    step, start = search_of(p, choices, images)
    tokens, _ = greedy(step, start, None, 3)
    assert (tokens == tgt[:, 1:]).all(1).mean() > 0.9


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"images": np.ones((2, 7, 9))},
            "images must have shape (B, C, H, W), got (2,",
        ),
        ({"images": np.ones((2, 2, 7, 9), int)}, "images must hold floats, got int64"),
        (
            {"images": np.ones((2, 3, 7, 9))},
            "encoder.conv0.weight must have shape (F0, 3, K0, L0), got (3, 2, 3, 3)",
        ),
        (
            {"images": np.ones((2, 2, 3, 9))},
            "images must have at least 4 by 4 places for 2 layers, got (3, 9)",
        ),
        (
            {"images": np.ones((2, 2, 9, 9))},
            "encoder.fc.weight must have shape (M, 16), got (5, 8)",
        ),
        ({"tgt": np.ones((3, 3), int)}, "tgt must have shape (B=2, T), got (3, 3)"),
        ({"tgt": np.full((2, 3), 6)}, "tgt must be 0 to 5, got 6"),
        (
            {"init": "copy"},
            "init must be one of 'project', 'learned', 'zero', got 'copy'",
        ),
        (
            {"context": "once", "init": "zero"},
            "init must be 'project' where context is 'once', the only way from the "
            "image, got 'zero'",
        ),
        ({"context": "twice"}, "context must be one of 'once', 'every', 'first', 'att"),
        ({"params": None}, "params must be a dict from names to arrays, got NoneType"),
        (
            {"init": "zero"},
            "params must not hold init.bias, init.weight, unused here",
        ),
        (
            {"params": {}},
            "params must hold attention.W_k, attention.W_q, attention.w, "
            "decoder.embedding.weight, decoder.weight_hh_l0, decoder.weight_ih_l0, "
            "encoder.conv0.bias, encoder.conv0.weight, init.bias, init.weight, "
            "output.bias, output.weight, which it lacks",
        ),
        ({"tgt_mask": np.ones((2, 3))}, "tgt_mask must hold booleans, got float64"),
    ],
    ids=str,
)
def test_input_that_does_not_fit(change, sentence):
    params, choices = model("gru", FORMS[5], vector=5)
    images, tgt = batch()[0][:2], np.ones((2, 3), int)
    given = {"images": images, "tgt": tgt, "params": params, **choices}
    with pytest.raises((ValueError, TypeError)) as caught:
        captioner(**{**given, **change})
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("lost", ["weight", "bias"])
def test_a_layer_for_the_vector_has_both_its_parameters(lost):
    params, choices = model("gru", FORMS[5], vector=5)
    images, tgt, _ = batch()
    del params[f"encoder.fc.{lost}"]
    with pytest.raises(ValueError, match=rf"^params must hold encoder.fc.{lost}, "):
        captioner(images, tgt, params, **choices)


@pytest.mark.parametrize("context", ["once", "attention"])
def test_what_is_not_told_is_once_additive_and_project(context):
    form = context, "additive", "project"
    few = [] if context == "once" else [context]
    sizes = "gru", (2, 8, 8), 6, (3, 4, 5), 3, 4
    more = {"attention_size": 7, "rng": np.random.default_rng(0)}
    params = init_captioner(*sizes, *([1, *few] if few else []), **more)
    told = init_captioner(*sizes, 1, *form, **more)
    shapes, wanted = ({k: a.shape for k, a in p.items()} for p in (params, told))
    assert shapes == wanted
    assert shapes.get("attention.W_q", (7, 4)) == (7, 4)
    images, tgt = np.ones((2, 2, 8, 8)), np.array([[0, 3, 5], [1, 2, 4]])
    out, wanted = (captioner(images, tgt, params, "gru", *f)[0] for f in (few, form))
    np.testing.assert_array_equal(out, wanted)
    starts = (captioner_start(images, 0, params, "gru", *f) for f in (few, form))
    out, wanted = (
        decoder_step(*start, params, "gru", context, "additive")[0] for start in starts
    )
    np.testing.assert_array_equal(out, wanted)


def test_convolutions_are_drawn_as_is_right_for_a_relu():
    rng = np.random.default_rng(0)
    params = init_captioner("gru", (3, 8, 8), 6, (64, 64), 3, 4, kernel_size=5, rng=rng)
    for k, C in enumerate((3, 64)):
        weight = params[f"encoder.conv{k}.weight"]
        bound = np.sqrt(6 / (C * 5 * 5))  # a variance of 2 / (C K K)
        assert 0.98 * bound < weight.max() < bound
        assert -bound < weight.min() < -0.98 * bound
        assert not params[f"encoder.conv{k}.bias"].any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image_size": (2, 7)}, "image_size must be a tuple (C, H, W), got (2, 7)"),
        (
            {"image_size": (2, 3, 7)},
            "image_size must have at least 4 by 4 places for 2",
        ),
        (
            {"channels": ()},
            "channels must be a tuple of whole numbers, one a layer, got",
        ),
        (
            {"channels": [3]},
            "channels must be a tuple of whole numbers, one a layer, go",
        ),
        ({"channels": (0,)}, "channels must be at least 1, got 0"),
        *(
            ({size: 0}, f"{size} must be at least 1, got 0")
            for size in (
                *("tgt_size", "embedding_size", "hidden_size", "num_layers"),
                *("kernel_size", "vector_size", "attention_size"),
            )
        ),
        (
            {"image_size": (2, 7, 9), "channels": (3, 4, 5)},
            "image_size must have at least 8 by 8 places for 3 layers, got (7, 9)",
        ),
        ({"rng": 0}, "rng must be a numpy generator, np.random.default_rng(seed), got"),
        (
            {"score": "dot"},
            "score must be 'bilinear' or 'additive' where the decoder ha",
        ),
    ],
    ids=str,
)
def test_sizes_that_do_not_fit(change, sentence):
    given = {"kind": "gru", "image_size": (2, 7, 9), "tgt_size": 6, "channels": (3, 4)}
    given |= {"embedding_size": 3, "hidden_size": 5, "context": "attention"}
    with pytest.raises((ValueError, TypeError)) as caught:
        init_captioner(**{**given, **change})
    assert str(caught.value).startswith(sentence)


def test_gradients_that_do_not_fit():
    params, choices = model("gru", FORMS[5])
    images, tgt, _ = batch()
    logits, cache = captioner(images, tgt, params, **choices)
    with pytest.raises(ValueError, match=r"dlogits must have shape \(3, 5, 6\), got"):
        captioner_backward(logits[1:], cache)
    with pytest.raises(ValueError, match=r"dweights must have shape \(3, 5, 1, 2\), "):
        captioner_backward(logits, cache, logits)
    with pytest.raises(
        ValueError, match="sos must be at least 0 and at most 5, got -1"
    ):
        captioner_start(images, -1, params, **choices)
