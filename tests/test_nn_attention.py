"""seqlib.nn.MultiheadAttention beside torch.nn.MultiheadAttention."""

import copy
import itertools
import pickle

import pytest
import torch

from seqlib.nn import MultiheadAttention

WAYS = ("hand", "autograd")
B, T, S, E, H = 2, 3, 4, 6, 2
LAYERS = [
    dict(zip(("bias", "add_bias_kv", "add_zero_attn", "kdim", "vdim"), o, strict=True))
    for o in [
        *itertools.product(
            (True, False), (True, False), (True, False), (None,), (None,)
        ),
        (True, True, True, 5, 3),
        (False, False, False, 5, None),
        (True, False, False, None, 3),
        (True, False, False, 5, 5),
    ]
]


def pair(seed=0, backward="hand", dtype=torch.float64, batch_first=True, **options):
    """Return our module and torch's with the same weights, none of them zero."""
    torch.manual_seed(seed)
    theirs = torch.nn.MultiheadAttention(
        E, H, batch_first=batch_first, dtype=dtype, **options
    )
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.5)
    ours = MultiheadAttention(
        E, H, batch_first=batch_first, dtype=dtype, backward=backward, **options
    )
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def inputs_of(module, which="three", turn=False, S=S):
    """Draw the inputs: three, or two ("memory"), or one ("self")."""
    dtype = module.out_proj.weight.dtype
    sizes = {"self": [(T, E)], "memory": [(T, E), (S, module.kdim)]}.get(
        which, [(T, E), (S, module.kdim), (S, module.vdim)]
    )
    inputs = [torch.randn(B, n, d, dtype=dtype) for n, d in sizes]
    return [a.transpose(0, 1).contiguous() if turn else a for a in inputs]


def same(ours, theirs, inputs, atol=1e-13, extra=(), **options):
    """Compare result, weights and the gradients of everything."""
    results = []
    for module in (ours, theirs):
        module.zero_grad()
        leaves = [a.detach().clone().requires_grad_() for a in inputs]
        masks = {n: options[n].detach().clone().requires_grad_() for n in extra}
        three = (leaves + leaves[-1:] * 2)[:3]
        out, p = module(*three, **{**options, **masks})
        torch.manual_seed(1)
        loss = (out * torch.randn(out.shape)).sum()
        if p is not None:
            loss = loss + (p * torch.randn(p.shape)).sum()
        loss.backward()
        grads = [a.grad for a in (*leaves, *masks.values(), *module.parameters())]
        results.append([out, *([] if p is None else [p]), *grads])
    for a, b in zip(*results, strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=0, atol=atol * (1 + b.abs().max().item()))


@pytest.mark.parametrize("options", LAYERS, ids=str)
@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_results_and_gradients_are_torchs(options, backward, batch_first):
    ours, theirs = pair(backward=backward, batch_first=batch_first, **options)
    kinds = ["three"]
    if ours.kdim == ours.vdim:
        kinds.append("memory")
        kinds += ["self"] * (ours.kdim == E)
    for kind in kinds:
        inputs = inputs_of(ours, kind, not batch_first)
        same(ours, theirs, inputs)
        same(ours, theirs, inputs, average_attn_weights=False)
        same(ours, theirs, inputs, need_weights=False)
        one = [a.select(0 if batch_first else 1, 0) for a in inputs]
        same(ours, theirs, one)
        same(ours, theirs, one, average_attn_weights=False)
        same(ours, theirs, one, need_weights=False)


def masks_of(which, rows, cols, heads=B * H):
    """Return masks in torch's way: True or -inf forbids."""
    torch.manual_seed(7)
    some = torch.rand(heads, rows, cols) < 0.4
    some[..., 0] = False
    padding = torch.arange(cols) >= torch.tensor([2, cols])[:B, None]
    number = torch.randn(heads, rows, cols).double()
    return {
        "attn 2": {"attn_mask": some[0]},
        "attn 3": {"attn_mask": some},
        "float 2": {"attn_mask": number[0]},
        "float 3": {"attn_mask": number.masked_fill(some, -torch.inf)},
        "padding": {"key_padding_mask": padding},
        "added padding": {"key_padding_mask": number[0, :B, :cols]},
        "both": {"attn_mask": some, "key_padding_mask": padding},
        "both added": {
            "attn_mask": number[0],
            "key_padding_mask": torch.zeros(B, cols)
            .double()
            .masked_fill(padding, -torch.inf),
        },
    }[which]


WHICH = ("attn 2", "attn 3", "float 2", "float 3", "padding", "added padding")


@pytest.mark.parametrize("which", [*WHICH, "both", "both added"])
@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize("options", [{}, LAYERS[0], LAYERS[8]], ids=str)
def test_masks(which, backward, options):
    ours, theirs = pair(backward=backward, **options)
    inputs = inputs_of(ours)
    masks = masks_of(which, T, S)
    same(ours, theirs, inputs, **masks)
    same(ours, theirs, inputs, **masks, need_weights=False)
    floats = [n for n, a in masks.items() if a.is_floating_point()]
    same(ours, theirs, inputs, **masks, extra=floats)  # a mask may be learned
    turned, theirs = pair(backward=backward, batch_first=False, **options)
    inputs = [a.transpose(0, 1) for a in inputs]
    same(turned, theirs, inputs, **masks)


@pytest.mark.filterwarnings("ignore:Support for mismatched")
def test_masks_of_two_kinds():
    ours, theirs = pair()
    attn = masks_of("float 2", T, S)["attn_mask"]
    padding = masks_of("padding", T, S)["key_padding_mask"]
    inputs = inputs_of(ours)
    same(ours, theirs, inputs, attn_mask=attn, key_padding_mask=padding)
    forbidden = masks_of("attn 3", T, S)["attn_mask"]
    padding = torch.zeros(B, S).double().masked_fill(padding, -torch.inf)
    same(ours, theirs, inputs, attn_mask=forbidden, key_padding_mask=padding)
    same(ours, theirs, inputs, attn_mask=forbidden[0], key_padding_mask=padding)


@pytest.mark.parametrize("backward", WAYS)
def test_masks_without_a_batch(backward):
    ours, theirs = pair(backward=backward)
    one = [a[0] for a in inputs_of(ours)]
    padding = torch.tensor([False, True, False, True])
    same(ours, theirs, one, key_padding_mask=padding)
    attn = masks_of("attn 3", T, S, H)["attn_mask"]
    same(ours, theirs, one, attn_mask=attn, key_padding_mask=padding)
    same(ours, theirs, one, attn_mask=attn[0])


def test_the_causal_hint():
    ours, theirs = pair()
    mask = torch.nn.Transformer.generate_square_subsequent_mask(T, dtype=torch.float64)
    for need_weights in (True, False):
        same(
            ours,
            theirs,
            inputs_of(ours, "self"),
            attn_mask=mask,
            is_causal=True,
            need_weights=need_weights,
        )


@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize("added", [False, True])
def test_a_query_without_keys_is_no_nan(backward, added):
    ours, _ = pair(backward=backward)
    query, key, value = (a.requires_grad_() for a in inputs_of(ours))
    padding = torch.tensor([[True] * S, [False] * S])
    if added:
        padding = torch.zeros(B, S).double().masked_fill(padding, -torch.inf)
    out, p = ours(query, key, value, key_padding_mask=padding)
    torch.testing.assert_close(out[0], ours.out_proj.bias.expand(T, E))
    assert (p[0] == 0).all()
    (out.square().sum() + p.square().sum()).backward()
    for a in (query, key, value):
        assert (a.grad[0] == 0).all()
        assert (a.grad[1] != 0).any()
    for p in ours.parameters():
        assert p.grad.isfinite().all()


@pytest.mark.parametrize("backward", WAYS)
def test_float32(backward):
    ours, theirs = pair(backward=backward, dtype=torch.float32)
    same(ours, theirs, inputs_of(ours, "self"), atol=2e-6)
    out, p = ours(*inputs_of(ours))
    assert out.dtype == p.dtype == torch.float32


@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize("options", [LAYERS[0], LAYERS[8]], ids=str)
def test_gradcheck(backward, options):
    torch.manual_seed(0)
    module = MultiheadAttention(
        2, 2, 0.4, batch_first=True, dtype=float, backward=backward, **options
    )
    for p in module.parameters():
        torch.nn.init.normal_(p)
    names = [name for name, _ in module.named_parameters()]
    padding = torch.tensor([[False, False], [True, False]])

    def f(query, key, value, mask, *weights):
        torch.manual_seed(2)  # the same dropout at each call
        params = dict(zip(names, weights, strict=True))
        options = {"attn_mask": mask, "key_padding_mask": padding}
        return torch.func.functional_call(module, params, (query, key, value), options)

    sizes = [(2, 2, 2), (2, 2, module.kdim), (2, 2, module.vdim), (2, 2)]
    inputs = [torch.randn(size).double().requires_grad_() for size in sizes]
    assert torch.autograd.gradcheck(f, (*inputs, *module.parameters()))


def test_dropout_follows_torchs_seed_and_the_mode():
    ours, theirs = pair(dropout=0.5)
    by_torch = copy.deepcopy(ours)
    by_torch.backward = "autograd"
    inputs = inputs_of(ours)

    def run(module, seed):
        torch.manual_seed(seed)
        return module(*inputs)

    torch.testing.assert_close(run(ours, 3), run(by_torch, 3), rtol=0, atol=1e-14)
    assert (run(ours, 3)[0] != run(ours, 4)[0]).any()
    kept = run(ours, 3)[1]
    ours.eval(), theirs.eval()
    torch.testing.assert_close(run(ours, 3), run(ours, 4), rtol=0, atol=0)
    same(ours, theirs, inputs)
    assert not torch.equal(kept, run(ours, 3)[1])  # weights after dropout, as torch has


CHANGES = {
    "input": lambda module, x, out, p: x.mul_(2),
    "result": lambda module, x, out, p: out.mul_(2),
    "weights": lambda module, x, out, p: p.mul_(2),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_in_place_never_gives_a_wrong_gradient(what):
    ours, _ = pair()

    def gradients(change):
        torch.manual_seed(3)
        x = torch.randn(B, T, E).double().requires_grad_()
        inner = x * 1
        out, p = ours(inner, inner, inner, average_attn_weights=False)
        change(ours, inner, out, p)
        return torch.autograd.grad(out.sum(), [x, *ours.parameters()])

    wanted = gradients(lambda *_: None)
    if what == "result":
        doubled = gradients(CHANGES[what])
        torch.testing.assert_close(doubled, tuple(2 * a for a in wanted))
    else:
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            gradients(CHANGES[what])


def test_a_second_derivative_says_no_or_is_right():
    ours, theirs = pair()
    x = inputs_of(ours, "self")[0].requires_grad_()
    with pytest.raises(RuntimeError, match="by hand has no derivative: use backward="):
        torch.autograd.grad(ours(x, x, x)[0].sum(), x, create_graph=True)
    ours.backward = "autograd"
    seconds = []
    for module in (ours, theirs):
        out = module(x, x, x)[0]
        (dx,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
        seconds.append(torch.autograd.grad(dx.sum(), module.in_proj_weight))
    torch.testing.assert_close(*seconds)


def test_only_the_weights_are_used():
    ours, theirs = pair()
    query, key, value = inputs_of(ours)
    grads = []
    for module in (ours, theirs):
        _, p = module(query, key, value)
        grads.append(torch.autograd.grad(p.square().sum(), module.in_proj_weight))
    torch.testing.assert_close(*grads)


def test_the_module_can_be_copied_stored_and_loaded_by_torch():
    ours, theirs = pair(add_bias_kv=True)
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        same(other, ours, inputs_of(ours))
        assert other.backward == "hand"
    theirs.load_state_dict(ours.state_dict(), strict=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert "backward='hand'" in repr(ours)
    torch.manual_seed(0)
    first = MultiheadAttention(E, H).state_dict()
    torch.manual_seed(0)
    torch.testing.assert_close(first, torch.nn.MultiheadAttention(E, H).state_dict())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"embed_dim": 0}, "embed_dim must be at least 1, got 0"),
        ({"embed_dim": None}, "embed_dim must be a whole number, got None"),
        ({"num_heads": 4}, "num_heads must divide embed_dim=6, got 4"),
        ({"num_heads": 0}, "num_heads must be at least 1, got 0"),
        ({"num_heads": None}, "num_heads must be a whole number, got None"),
        ({"kdim": 2.5}, "kdim must be a whole number, got 2.5"),
        ({"vdim": 0}, "vdim must be at least 1, got 0"),
        ({"dropout": 1}, "dropout must be at least 0 and below 1, got 1"),
        (
            {"backward": "feet"},
            "backward must be one of 'hand', 'autograd', got 'feet'",
        ),
    ],
    ids=str,
)
def test_options_that_do_not_fit(options, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        MultiheadAttention(**{"embed_dim": E, "num_heads": H, **options})
    assert str(caught.value) == sentence


Q, M = torch.ones(B, T, E), torch.ones(B, S, E)
NESTED = torch.nested.nested_tensor([Q[0], Q[1]], layout=torch.jagged)


@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"query": Q.numpy()}, "query must come from torch as out_proj.weight does, "),
        ({"query": None}, "query must be an array (of numpy or torch), got NoneType"),
        ({"query": Q[..., :5]}, "query must have shape (B, T, E=6), got (2, 3, 5)"),
        ({"query": Q[0, 0]}, "query must have shape (B, T, E=6), got (6,)"),
        ({"query": Q[0]}, "key must have shape (S, 6), got (2, 4, 6)"),
        (
            {"query": Q.double()},
            "query must hold torch.float32 as out_proj.weight does",
        ),
        (
            {"query": NESTED},
            "query must be padded, with a key_padding_mask, got a nest",
        ),
        ({"key": M[:1]}, "key must have shape (B=2, S, 6), got (1, 4, 6)"),
        ({"value": M[:, :3]}, "value must have shape (B=2, S=4, 6), got (2, 3, 6)"),
        (
            {"attn_mask": torch.ones(S, T).bool()},
            "attn_mask must have shape (3, 4) or (4, 3, 4), got (4, 3)",
        ),
        (
            {"attn_mask": torch.ones(T, S).int()},
            "attn_mask must hold booleans, True = not attended, or floats, which are "
            "added, got torch.int32",
        ),
        (
            {"attn_mask": torch.ones(T, S).double()},
            "attn_mask must hold torch.float32 as query does, got torch.float64",
        ),
        (
            {"attn_mask": torch.full((T, S), torch.nan)},
            "attn_mask must hold finite numbers or -inf, got NaN or +inf",
        ),
        (
            {"attn_mask": [[True]]},
            "attn_mask must be an array (of numpy or torch), got list",
        ),
        (
            {"key_padding_mask": torch.ones(B, T).bool()},
            "key_padding_mask must have shape (2, 4), got (2, 3)",
        ),
        (
            {"key_padding_mask": torch.ones(B, S) * torch.inf},
            "key_padding_mask must hold finite numbers or -inf, got NaN or +inf",
        ),
        ({"is_causal": True}, "attn_mask must be given where is_causal is True"),
    ],
    ids=lambda a: a if isinstance(a, str) else "-".join(a),
)
def test_input_that_does_not_fit(change, sentence, backward):
    module = MultiheadAttention(E, H, backward=backward)
    with pytest.raises((ValueError, TypeError)) as caught:
        module(**{"query": Q, "key": M, "value": M, **change})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_shapes_are_named_as_they_are_given():
    module = MultiheadAttention(E, H, batch_first=False)
    with pytest.raises(ValueError, match=r"key must have shape \(S, B=3, 6\), got \(2"):
        module(Q, M, M)
