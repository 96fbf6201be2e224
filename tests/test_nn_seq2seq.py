"""The modules Seq2Seq and Captioner: our backward pass inside torch, and manners."""

import copy
import io
import pickle

import pytest
import torch

from seqlib.captioner import captioner
from seqlib.decode import beam_search, greedy
from seqlib.nn import Captioner, Seq2Seq
from seqlib.seq2seq import seq2seq

CONTEXTS = ["once", "every", "first", "attention"]
WAYS = ("hand", "autograd")
EACH = pytest.mark.parametrize("which", [Seq2Seq, Captioner])


def make(which, context="attention", seed=0, dtype=torch.float64, **options):
    torch.manual_seed(seed)
    if which is Seq2Seq:
        options = {"init": "project", "bidirectional": True} | options
        sizes = (4, 5, 2, 3)
    else:
        options = {"vector_size": 3} | options
        sizes = ((2, 5, 4), 5, (3,), 2, 3)
    options |= {"context": context, "attention_size": 2, "dtype": dtype}
    return which(*sizes, **options)


def batch(which, dtype=torch.float64):
    torch.manual_seed(1)
    src = torch.tensor([[1, 3, 2], [2, 0, 0]])
    source = src if which is Seq2Seq else torch.randn(2, 2, 5, 4, dtype=dtype)
    masks = {"tgt_mask": torch.tensor([[True] * 4, [True, True, False, False]])}
    if which is Seq2Seq:
        masks["src_mask"] = torch.tensor([[True] * 3, [True, False, False]])
    return source, torch.tensor([[0, 2, 4, 1], [0, 1, 3, 3]]), masks


@pytest.mark.referee(
    "seqlib.nn.Seq2Seq", "seqlib.nn.Captioner", by="finite differences"
)
@EACH
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "gru_before"])
def test_gradcheck(which, context, kind):
    module = make(which, context, kind=kind, num_layers=1 + (kind == "lstm"))
    source, tgt, masks = batch(which)
    names = [name for name, _ in module.named_parameters()]
    need = context == "attention"

    def run(images, *weights):
        given = dict(zip(names, weights, strict=True))
        inputs = (source if images is None else images), tgt
        options = {**masks, "need_weights": need}
        return torch.func.functional_call(module, given, inputs, options)

    leaf = source.requires_grad_() if which is Captioner else None
    assert torch.autograd.gradcheck(run, (leaf, *module.parameters()), fast_mode=True)


@pytest.mark.referee("seqlib.nn.Seq2Seq", "seqlib.nn.Captioner", by="torch autograd")
@EACH
@pytest.mark.parametrize("context", CONTEXTS)
def test_both_ways_back_give_the_same(which, context):
    source, tgt, masks = batch(which)
    results = []
    for way in WAYS:
        module = make(which, context, backward=way, num_layers=2)
        options = {**masks, "need_weights": context == "attention"}
        out = module(source, tgt, **options)
        out = out if isinstance(out, tuple) else (out,)
        sum((o**2).sum() for o in out).backward()
        grads = [p.grad for p in module.parameters()]
        results.append([*out, *grads])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@EACH
def test_weights_alone_or_logits_alone_may_be_differentiated(which):
    source, tgt, masks = batch(which)
    for i in range(2):
        found = []
        for way in WAYS:
            module = make(which, backward=way)
            out = module(source, tgt, **masks, need_weights=True)
            (out[i] ** 2).sum().backward()
            grads = {n: p.grad for n, p in module.named_parameters()}
            found.append(grads)
        for name, grad in found[0].items():
            other = found[1][name]
            other = torch.zeros_like(grad) if other is None else other
            torch.testing.assert_close(grad, other, rtol=0, atol=1e-12)


@EACH
@pytest.mark.parametrize("context", CONTEXTS)
def test_the_module_is_the_function_with_its_parameters(which, context):
    module = make(which, context)
    source, tgt, masks = batch(which)
    params = dict(module.named_parameters())
    function = seq2seq if which is Seq2Seq else captioner
    wanted, _ = function(source, tgt, params, **module.form._asdict(), **masks)
    found = module(source, tgt, **masks)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-14)  # fused, or not


@EACH
@pytest.mark.parametrize("way", WAYS)
def test_searches(which, way):
    module = make(which, backward=way)
    source, _, masks = batch(which)
    masks.pop("tgt_mask")
    find = module.translate if which is Seq2Seq else module.caption
    tokens, scores = find(source, 0, 1, 4, **masks)
    assert not scores.requires_grad
    with torch.no_grad():
        wanted = greedy(module.step, module.start(source, 0, **masks), 1, 4)
        best = beam_search(module.step, module.start(source, 0, **masks), 1, 9, 4, 1.0)
    assert torch.equal(tokens, wanted[0])
    assert torch.equal(scores, wanted[1])
    found = find(source, 0, 1, 4, width=9, length_penalty=1.0, **masks)
    assert torch.equal(found[0], best[0][:, 0])
    assert torch.equal(found[1], best[1][:, 0])
    state, _ = module.start(source, 0, **masks)
    log_p, _ = module.step(state, torch.tensor([0, 0]))
    assert log_p.requires_grad  # one may also learn through the steps
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        find(source, 0, 1, 4, width=0, **masks)


@EACH
def test_manners(which):
    module = make(which, num_layers=2, kind="lstm")
    source, tgt, masks = batch(which)
    out = module(source, tgt, **masks)
    same = make(which, num_layers=2, kind="lstm")
    assert torch.equal(same(source, tgt, **masks), out)  # torch.manual_seed decides
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(source, tgt, **masks), out)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = make(which, seed=3, num_layers=2, kind="lstm")
    assert not torch.equal(other(source, tgt, **masks), out)
    other.load_state_dict(torch.load(file))
    assert torch.equal(other(source, tgt, **masks), out)
    before = {name: p.clone() for name, p in other.named_parameters()}
    other.reset_parameters()
    for name, p in other.named_parameters():
        constant = not before[name].any()
        assert constant or not torch.equal(p, before[name])
    single = make(which, dtype=None)
    source = source if which is Seq2Seq else source.float()
    assert single(source, tgt, **masks).dtype == torch.float32
    assert "context='attention', score='additive'" in repr(module)
    assert "score" not in repr(make(which, "once"))
    assert "backward='hand'" in repr(module)
    single(source, tgt, **masks).sum().backward()
    frozen = make(which, dtype=None)
    frozen.requires_grad_(False)
    assert not frozen(source, tgt, **masks).requires_grad


@EACH
def test_a_second_derivative_needs_autograd(which):
    source, tgt, _ = batch(which)
    module = make(which)
    W = module.output.weight
    with pytest.raises(RuntimeError, match='use backward="autograd"'):
        torch.autograd.grad((module(source, tgt) ** 2).sum(), W, create_graph=True)
    module = make(which, backward="autograd")
    (first,) = torch.autograd.grad(
        (module(source, tgt) ** 2).sum(), W := module.output.weight, create_graph=True
    )
    (second,) = torch.autograd.grad(first.sum(), W)
    assert second.any()


@EACH
def test_what_does_not_fit(which):
    source, tgt, _ = batch(which)
    with pytest.raises(ValueError, match="backward must be one of 'hand', 'autograd'"):
        make(which, backward="both")
    with pytest.raises(ValueError, match="context must be one of 'once', 'every', 'fi"):
        make(which, "twice")
    with pytest.raises(ValueError, match="need_weights must be False where context is"):
        make(which, "once")(source, tgt, need_weights=True)
    with pytest.raises(TypeError, match="need_weights must be True or False, got 1"):
        make(which)(source, tgt, need_weights=1)
    with pytest.raises(ValueError, match="tgt must be 0 to 4, got 5"):
        make(which)(source, tgt + 1)
    with pytest.raises(ValueError, match=r"tgt must have shape \(B=2, T\), got \(4,\)"):
        make(which)(source, tgt[0])


def test_images_of_another_size_where_no_layer_counts_the_places():
    module = make(Captioner, vector_size=None)
    _, tgt, _ = batch(Captioner)
    images = torch.randn(2, 2, 8, 6).double()
    _, weights = module(images, tgt, need_weights=True)
    assert weights.shape == (2, 4, 4, 3)
    torch.testing.assert_close(weights.sum((2, 3)), torch.ones(2, 4).double())
