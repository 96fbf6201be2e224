"""The Transformer's blocks against torch.nn's layers, autograd and differences."""

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib.attention import causal_mask
from seqlib.transformer import (
    decoder_block,
    decoder_block_backward,
    encoder_block,
    encoder_block_backward,
)

SIZES = st.integers(1, 4)
MASKS = ("none", "causal", "bool 3", "float 2", "float 3", "float 4")


def layer(rng, kind, E, H, F, **options):
    """Return torch's layer with all parameters drawn, none of them zero or one."""
    module = {
        "encoder": torch.nn.TransformerEncoderLayer,
        "decoder": torch.nn.TransformerDecoderLayer,
    }[kind](E, H, F, 0.0, batch_first=True, dtype=torch.float64, **options)
    for p in module.parameters():
        p.data = torch.tensor(rng.normal(size=tuple(p.shape)) / 2)
    return module


def draw_mask(rng, which, B, H, T, S):
    if which == "none":
        return None
    if which == "causal":
        return np.tri(T, S, dtype=bool)
    if which == "bool 3":
        mask = rng.random((B, T, S)) < 0.7
        mask[..., 0] = True
        return mask
    return rng.normal(size={2: (T, S), 3: (B, T, S), 4: (B, H, T, S)}[int(which[-1])])


def for_torch(mask, B, H):
    """Return torch's form of our mask: added, (B * H, T, S)."""
    if mask is None or mask.dtype == bool:
        mask = None if mask is None else torch.tensor(np.where(mask, 0.0, -np.inf))
    if mask is None:
        return None
    mask = mask[:, None] if mask.ndim == 3 else mask
    return mask.expand(B, H, *mask.shape[-2:]).flatten(0, 1)


def padding_for_torch(mask):
    return None if mask is None else torch.tensor(np.where(mask, 0.0, -np.inf))


def draw_padding(rng, ragged, B, S):
    return np.arange(S) < rng.integers(1, S + 1, B)[:, None] if ragged else None


class Problem:
    """Random input of one block, and torch's layer with the same weights."""

    def __init__(self, rng, kind, sizes, masks, ragged, **options):
        B, T, S, self.H, d, F = sizes
        E, bias = self.H * d, options.pop("bias", True)
        form = {"gelu_tanh": lambda z: torch.nn.functional.gelu(z, approximate="tanh")}
        activation = options.get("activation", "relu")
        self.kind, self.options = kind, options
        self.layer = layer(
            rng,
            kind,
            E,
            self.H,
            F,
            norm_first=options.get("norm_first", False),
            layer_norm_eps=options.get("eps", 1e-5),
            activation=form.get(activation, activation),
            bias=bias,
        )
        state = self.layer.state_dict()
        self.params = {name: p.numpy().copy() for name, p in state.items()}
        self.x = [rng.normal(size=(B, T, E))]
        self.masks = [draw_mask(rng, masks[0], B, self.H, T, T)]
        self.padding = [draw_padding(rng, ragged, B, T)]
        if kind == "decoder":
            self.x.append(rng.normal(size=(B, S, E)))
            self.masks.append(draw_mask(rng, masks[1], B, self.H, T, S))
            self.padding.append(draw_padding(rng, ragged, B, S))
        self.dout = rng.normal(size=(B, T, E))
        self.floats = [m for m in self.masks if m is not None and m.dtype != bool]

    def ours(self, x, params, masks, A=np.array, **more):
        """Run our block in one library; masks of floats are given as arrays."""
        names = ("", "memory_")
        given = iter(masks)
        options = {**self.options, **more}
        for name, m, p in zip(names, self.masks, self.padding, strict=False):
            if m is not None:
                options[f"{name}mask"] = A(m) if m.dtype == bool else next(given)
            options[f"{name}key_mask"] = None if p is None else A(p)
        f = encoder_block if self.kind == "encoder" else decoder_block
        return f(*x, params, self.H, **options)

    def gradients(self, dout, cache):
        """Return our gradients at x (and memory), parameters, masks of floats."""
        if self.kind == "encoder":
            dx, grads, *dmasks = encoder_block_backward(dout, cache)
            dxs = [dx]
        else:
            *dxs, grads, dm, dmm = decoder_block_backward(dout, cache)
            dmasks = [dm, dmm]
        for m, d in zip(self.masks, dmasks, strict=True):
            assert (d is None) == (m is None or m.dtype == bool)
        assert list(grads) == list(self.params)
        return [*dxs, *grads.values(), *(d for d in dmasks if d is not None)]

    def torchs(self):
        """Return torch's result and the same gradients."""
        x = [torch.tensor(a, requires_grad=True) for a in self.x]
        params = {
            k: torch.tensor(a, requires_grad=True) for k, a in self.params.items()
        }
        leaves = [torch.tensor(m, requires_grad=True) for m in self.floats]
        given, B = iter(leaves), len(self.dout)
        masks = [
            for_torch(m if m is None or m.dtype == bool else next(given), B, self.H)
            for m in self.masks
        ]
        padding = [padding_for_torch(p) for p in self.padding]
        names = {
            "encoder": ("src_mask", "src_key_padding_mask"),
            "decoder": (
                "tgt_mask",
                "tgt_key_padding_mask",
                "memory_mask",
                "memory_key_padding_mask",
            ),
        }[self.kind]
        values = [a for pair in zip(masks, padding, strict=True) for a in pair]
        keywords = dict(zip(names, values, strict=True))
        out = torch.func.functional_call(self.layer, params, tuple(x), keywords)
        inputs = [*x, *params.values(), *leaves]
        return out, by_autograd([out], [torch.tensor(self.dout)], inputs)


@pytest.mark.referee(
    "seqlib.transformer.encoder_block", by="torch.nn.TransformerEncoderLayer"
)
@pytest.mark.referee(
    "seqlib.transformer.decoder_block", by="torch.nn.TransformerDecoderLayer"
)
@pytest.mark.referee(
    "seqlib.transformer.encoder_block_backward",
    "seqlib.transformer.decoder_block_backward",
    by="torch autograd",
)
@pytest.mark.parametrize("kind", ["encoder", "decoder"])
@given(
    sizes=st.tuples(SIZES, SIZES, SIZES, st.integers(1, 3), st.integers(1, 3), SIZES),
    masks=st.tuples(st.sampled_from(MASKS), st.sampled_from(MASKS)),
    ragged=st.booleans(),
    norm_first=st.booleans(),
    activation=st.sampled_from(["relu", "gelu", "gelu_tanh"]),
    bias=st.booleans(),
    eps=st.sampled_from([1e-5, 0.1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_blocks_are_torchs(kind, sizes, masks, ragged, seed, **options):
    rng = np.random.default_rng(seed)
    sizes = (*sizes[:4], max(sizes[4], 2), sizes[5])  # of E = 1 a norm leaves nothing
    problem = Problem(rng, kind, sizes, masks, ragged, **options)
    wanted, grads = problem.torchs()
    for A in LIBRARIES.values():
        x = [A(a) for a in problem.x]
        params = {k: A(a) for k, a in problem.params.items()}
        out, cache = problem.ours(x, params, [A(m) for m in problem.floats], A)
        close(out, wanted.detach(), scale=1 + wanted.abs().max().item())
        # With E = 2 a norm may divide by little, which enlarges every rounding error.
        got = problem.gradients(A(problem.dout), cache)
        for grad, right in zip(got, grads, strict=True):
            assert type(grad) is type(x[0])
            close(
                grad, right, 1e-11, scale=1 + max(g.abs().max().item() for g in grads)
            )
        for array, copy in zip(x, problem.x, strict=True):
            np.testing.assert_array_equal(to_numpy(array), copy)


@pytest.mark.referee(
    "seqlib.transformer.encoder_block_backward",
    "seqlib.transformer.decoder_block_backward",
    by="torch autograd, finite differences",
)
@pytest.mark.parametrize("kind", ["encoder", "decoder"])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_blocks_at_one_size_to_the_last_digits(kind, norm_first, activation, dropout):
    rng = np.random.default_rng(7)
    options = {"norm_first": norm_first, "activation": activation}
    sizes, masks = (2, 3, 2, 2, 2, 3), ("float 2", "float 3")
    problem = Problem(rng, kind, sizes, masks, True, **options)
    names, n, more = list(problem.params), len(problem.x), {}

    def run(*arrays, A=np.array):
        x, rest = arrays[:n], arrays[n:]
        params = dict(zip(names, rest, strict=False))
        if dropout:
            more.update(dropout=dropout, rng=np.random.default_rng(3))
        return problem.ours(x, params, rest[len(names) :], A, **more)

    inputs = [*problem.x, *problem.params.values(), *problem.floats]
    out, cache = run(*inputs)
    got = problem.gradients(problem.dout, cache)
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    through, _ = run(*tensors, A=torch.tensor)
    rights = by_autograd([through], [torch.tensor(problem.dout)], tensors)
    if not dropout:
        wanted, rights = problem.torchs()
        close(out, wanted.detach())
    else:
        assert (out != run(*inputs)[0]).sum() == 0  # one seed, one result
        kept = problem.ours(problem.x, problem.params, problem.floats)[0]
        assert (out != kept).all()
    for i, (grad, right) in enumerate(zip(got, rights, strict=True)):
        scale = 1 + right.abs().max().item()
        close(grad, right, scale=scale)
        by_steps = by_differences(
            lambda *a: np.sum(run(*a)[0] * problem.dout), inputs, i, 1e-6
        )
        close(by_steps, right, 1e-7, scale=scale)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", ["encoder", "decoder"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_float32_is_kept(library, kind, activation):
    A, rng = LIBRARIES[library], np.random.default_rng(0)
    masks = ("float 2", "causal")
    options = {"activation": activation, "norm_first": activation == "gelu"}
    problem = Problem(rng, kind, (2, 3, 4, 2, 3, 5), masks, True, **options)
    wanted, grads = problem.torchs()
    x = [A(a.astype("f4")) for a in problem.x]
    params = {k: A(a.astype("f4")) for k, a in problem.params.items()}
    floats = [A(m.astype("f4")) for m in problem.floats]
    out, cache = problem.ours(x, params, floats, A)
    got = problem.gradients(A(problem.dout.astype("f4")), cache)
    assert {a.dtype for a in (out, *got)} == {x[0].dtype}
    close(out, wanted.detach(), 1e-5, scale=1 + wanted.abs().max().item())
    scale = 1 + max(g.abs().max().item() for g in grads)
    for grad, right in zip(got, grads, strict=True):
        close(grad, right, 1e-4, scale=scale)


def test_dropout_leaves_nothing_out():
    """Attention's weights, the hidden layer and every part: what is dropped, and when.

    With p near 1 the parts add nothing, so that pre-norm blocks return their input.
    """
    rng = np.random.default_rng(0)
    problem = Problem(rng, "decoder", (2, 3, 4, 2, 3, 5), MASKS[:2], False)
    for kind, x, parts in (("encoder", problem.x[:1], 4), ("decoder", problem.x, 6)):
        problem = Problem(rng, kind, (2, 3, 4, 2, 3, 5), MASKS[:2], False)
        counting = np.random.default_rng(0)
        drawn = np.random.default_rng(0)
        options = {"norm_first": True, "dropout": 1 - 1e-12, "rng": counting}
        out, _ = problem.ours(x, problem.params, [], **options)
        np.testing.assert_array_equal(out, x[0])
        sizes = [2 * 2 * 3 * 3, 2 * 3 * 6, 2 * 3 * 5, 2 * 3 * 6]
        sizes += [2 * 2 * 3 * 4, 2 * 3 * 6] if parts == 6 else []
        drawn.random(sum(sizes))
        assert counting.random() == drawn.random()


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_by_default_blocks_are_torchs_by_default(kind):
    layer = getattr(torch.nn, f"Transformer{kind.capitalize()}Layer")
    torch.manual_seed(0)
    theirs = layer(4, 2, 5, dropout=0.0, batch_first=True, dtype=torch.float64)
    inputs = torch.randn(2, 3, 2, 4, dtype=torch.float64)[: 1 + (kind == "decoder")]
    block = encoder_block if kind == "encoder" else decoder_block
    drawing = np.random.default_rng(1)
    with torch.no_grad():
        out, _ = block(*inputs, dict(theirs.state_dict()), 2, rng=drawing)
        close(out, theirs(*inputs), scale=1)
    assert drawing.random() == np.random.default_rng(1).random()  # nothing was drawn


def test_a_causal_block_sees_no_future():
    rng = np.random.default_rng(0)
    problem = Problem(rng, "encoder", (1, 5, 1, 2, 3, 4), ("none", "none"), False)
    x, mask = problem.x[0], causal_mask(5, problem.x[0])
    for norm_first in (False, True):
        out, cache = encoder_block(x, problem.params, 2, mask, norm_first=norm_first)
        later = x.copy()
        later[:, 3:] = rng.normal(size=(1, 2, 6))
        after, _ = encoder_block(later, problem.params, 2, mask, norm_first=norm_first)
        np.testing.assert_array_equal(out[:, :3], after[:, :3])
        assert (out[:, 3:] != after[:, 3:]).all()
        dout = np.zeros_like(x)
        dout[:, 1] = rng.normal(size=6)
        dx, *_ = encoder_block_backward(dout, cache)
        assert (dx[:, 2:] == 0).all()
        assert (dx[:, :2] != 0).all()


RNG = np.random.default_rng(0)
ENCODER = Problem(RNG, "encoder", (2, 3, 4, 2, 3, 5), MASKS[:2], False)
DECODER = Problem(RNG, "decoder", (2, 3, 4, 2, 3, 5), MASKS[:2], False)
GOOD = {
    encoder_block: {"x": ENCODER.x[0], "params": ENCODER.params, "num_heads": 2},
    decoder_block: {
        "x": DECODER.x[0],
        "memory": DECODER.x[1],
        "params": DECODER.params,
        "num_heads": 2,
    },
}
X, M = DECODER.x


def but(**changes):
    """Return the decoder's parameters with these changed, None for gone."""
    changes = {k.replace("__", "."): a for k, a in changes.items()}
    return {k: a for k, a in {**DECODER.params, **changes}.items() if a is not None}


SENTENCES = [
    ({"x": X.tolist()}, "x must be an array (of numpy or torch), got list"),
    ({"x": X[0]}, "x must have shape (B, T, 6), got (3, 6)"),
    ({"x": X[..., :5]}, "x must have shape (B, T, 6), got (2, 3, 5)"),
    ({"x": X[:0]}, "x must not be empty, got shape (0, 3, 6)"),
    ({"x": X.astype("f4")}, "x must hold float64 as norm1.weight does, got float32"),
    ({"x": torch.tensor(X)}, "x must come from numpy as norm1.weight does, got torch"),
    ({"memory": M[:1]}, "memory must have shape (2, S, 6), got (1, 4, 6)"),
    ({"memory": None}, "memory must be an array (of numpy or torch), got NoneType"),
    ({"num_heads": 4}, "num_heads must divide E=6, got 4"),
    ({"num_heads": 2.0}, "num_heads must be a whole number, got 2.0"),
    ({"activation": "tanh"}, "activation must be one of 'relu', 'gelu', 'gelu_tanh', "),
    ({"eps": -1}, "eps must be at least 0, got -1"),
    ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
    ({"dropout": 0.5}, "rng must be a numpy generator, np.random.default_rng(seed), "),
    (
        {"mask": np.ones((3, 4), bool)},
        "mask must broadcast to the scores' (2, 2, 3, 3), got (3, 4)",
    ),
    (
        {"key_mask": np.ones((2, 4), bool)},
        "key_mask must have shape (2, 3), got (2, 4)",
    ),
    (
        {"memory_mask": np.ones((2, 3, 3), bool)},
        "memory_mask must broadcast to the scores' (2, 3, 4), got (2, 3, 3)",
    ),
    (
        {"memory_mask": np.full((3, 4), np.nan)},
        "memory_mask must hold finite numbers or -inf, got NaN or +inf",
    ),
    (
        {"memory_key_mask": np.ones((2, 4))},
        "memory_key_mask must hold booleans, got float64",
    ),
    ({"params": [X]}, "params must be a dict from torch's names to arrays, got list"),
    (
        {"params": but(norm3__weight=None, linear1__weight=None)},
        "params must hold linear1.weight, norm3.weight, which it lacks",
    ),
    (
        {"params": but(norm4__weight=X)},
        "params must not hold norm4.weight, unused here",
    ),
    (
        {"params": but(linear2__weight=np.ones((6, 4)))},
        "linear2.weight must have shape (6, F=5), got (6, 4)",
    ),
    (
        {"params": but(multihead_attn__in_proj_weight=np.ones((6, 6)))},
        "multihead_attn.in_proj_weight must have shape (18, 6), got (6, 6)",
    ),
    (
        {"params": but(norm3__bias=np.ones(6, "f4"))},
        "norm3.bias must hold float64 as norm1.weight does, got float32",
    ),
]


@pytest.mark.parametrize(
    ("change", "sentence"), SENTENCES, ids=[s for _, s in SENTENCES]
)
def test_sentence(change, sentence):
    for f, good in GOOD.items():
        if f is encoder_block and not {"memory", "params"}.isdisjoint(
            k.partition("_")[0] for k in change
        ):
            continue
        with pytest.raises((ValueError, TypeError)) as caught:
            f(**{**good, **change})
        assert str(caught.value).startswith(sentence)
        assert "\n" not in str(caught.value)


def test_an_encoder_takes_no_parameters_of_a_decoder():
    with pytest.raises(
        ValueError, match=r"^params must not hold multihead_attn.in_proj"
    ):
        encoder_block(X, DECODER.params, 2)
    with pytest.raises(
        ValueError, match=r"^params must hold multihead_attn.in_proj_we"
    ):
        decoder_block(X, M, ENCODER.params, 2)


@pytest.mark.parametrize("f", GOOD)
@pytest.mark.parametrize("norm_first", [False, True])
def test_gradients_that_do_not_fit(f, norm_first):
    out, cache = f(**GOOD[f], norm_first=norm_first)
    back = encoder_block_backward if f is encoder_block else decoder_block_backward
    for wrong, error, what in (
        (out[..., :1], ValueError, "have shape (2, 3, 6), got (2, 3, 1)"),
        (out[0], ValueError, "have shape (2, 3, 6), got (3, 6)"),
        (None, TypeError, "be an array (of numpy or torch), got NoneType"),
        (out.astype("f4"), ValueError, "hold float64 as the forward pass does, got"),
    ):
        with pytest.raises(error) as caught:
            back(wrong, cache)
        assert str(caught.value).startswith(f"dout must {what}")
