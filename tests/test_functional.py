"""The functional pieces against torch, autograd and finite differences."""

import array_api_compat
import numpy as np
import pytest
import torch
import torch.nn.functional as theirs
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import _activations
from seqlib import functional as ours

LEADS = st.lists(st.integers(1, 4), max_size=3).map(tuple)
SIZES = st.integers(1, 5)
SEEDS = st.integers(0, 2**32 - 1)


# Each case draws float inputs of shape (*lead, n) and returns them with our function,
# our backward pass, and torch's function. `A` makes an array of the library in turn.


def elementwise(f, back, torchs, scale=3.0, **options):
    def case(rng, lead, n):
        x = scale * rng.normal(size=(*lead, n))
        return [x], lambda A, x: f(x, **options), back, lambda x: torchs(x)

    return case


def along(f, back, torchs):
    def case(rng, lead, n):
        axis = int(rng.integers(-len(lead) - 1, len(lead) + 1))
        x = rng.normal(size=(*lead, n))
        return [x], lambda A, x: f(x, axis=axis), back, lambda x: torchs(x, dim=axis)

    return case


def layer_norm(rng, lead, n):
    inputs = [rng.normal(size=(*lead, n)), rng.normal(size=n), rng.normal(size=n)]
    eps = float(rng.choice([1e-5, 1e-3, 0.1]))  # matters where n = 1
    return (
        inputs,
        lambda A, *inputs: ours.layer_norm(*inputs, eps=eps),
        ours.layer_norm_backward,
        lambda x, w, b: theirs.layer_norm(x, (n,), w, b, eps),
    )


def linear(rng, lead, n, bias=True):
    O = int(rng.integers(1, 5))
    inputs = [rng.normal(size=(*lead, n)), rng.normal(size=(O, n)), rng.normal(size=O)]
    return (
        inputs if bias else inputs[:2],
        lambda A, *inputs: ours.linear(*inputs),
        ours.linear_backward,
        theirs.linear,
    )


def linear_without_bias(rng, lead, n):
    return linear(rng, lead, n, bias=False)


def embedding(rng, lead, n):
    weight = rng.normal(size=(n, 3))
    dtype = rng.choice(["int64", "int32", "uint8"])
    ids = rng.integers(0, min(n, 3), lead).astype(dtype)  # few rows, so often repeated
    return (
        [weight],
        lambda A, weight: ours.embedding(A(ids), weight),
        ours.embedding_backward,
        lambda weight: theirs.embedding(torch.tensor(ids).long(), weight),
    )


def dropout(rng, lead, n):
    seed, p = int(rng.integers(2**31)), float(rng.choice([0.0, 0.1, 0.5, 0.9]))
    kept = torch.tensor(np.random.default_rng(seed).random((*lead, n)) >= p)
    return (
        [rng.normal(size=(*lead, n))],
        lambda A, x: ours.dropout(x, p, np.random.default_rng(seed)),
        ours.dropout_backward,
        lambda x: x * kept / (1 - p),
    )


def cross_entropy(rng, lead, n):
    targets = np.asarray(rng.integers(0, n, lead))
    options = {
        "ignore_index": int(rng.choice([-100, -1, 0, n - 1])),
        "label_smoothing": float(rng.choice([0, 0.1, 1])),
        "reduction": str(rng.choice(["mean", "sum", "none"])),
    }
    targets = np.where(rng.random(lead) < 0.3, options["ignore_index"], targets)
    if (targets == options["ignore_index"]).all():  # one at least must count
        targets, options["ignore_index"] = np.zeros(lead, int), -100
    return (
        [3 * rng.normal(size=(*lead, n))],
        lambda A, x: ours.cross_entropy(x, A(targets), **options),
        ours.cross_entropy_backward,
        lambda x: torchs_cross_entropy(x, torch.tensor(targets), **options),
    )


def torchs_cross_entropy(logits, targets, **options):
    """torch wants the classes on axis 1: give it rows, and take them back."""
    rows = logits.reshape(-1, logits.shape[-1])
    loss = theirs.cross_entropy(rows, targets.reshape(-1), **options)
    return loss.reshape(targets.shape) if loss.ndim else loss


CASES = {
    "sigmoid": elementwise(ours.sigmoid, ours.sigmoid_backward, torch.sigmoid),
    "softmax": along(ours.softmax, ours.softmax_backward, theirs.softmax),
    "log_softmax": along(
        ours.log_softmax, ours.log_softmax_backward, theirs.log_softmax
    ),
    "gelu": elementwise(ours.gelu, ours.gelu_backward, theirs.gelu),
    "gelu tanh": elementwise(
        ours.gelu,
        ours.gelu_backward,
        lambda x: theirs.gelu(x, approximate="tanh"),
        approximate="tanh",
    ),
    "layer_norm": layer_norm,
    "linear": linear,
    "linear without bias": linear_without_bias,
    "embedding": embedding,
    "dropout": dropout,
    "cross_entropy": cross_entropy,
}


def backward(back, dout, cache):
    grads = back(dout, cache)
    grads = grads if isinstance(grads, tuple) else (grads,)
    return [g for g in grads if g is not None]


@pytest.mark.referee(
    "seqlib.functional.sigmoid",
    "seqlib.functional.softmax",
    "seqlib.functional.log_softmax",
    "seqlib.functional.gelu",
    "seqlib.functional.layer_norm",
    "seqlib.functional.linear",
    "seqlib.functional.embedding",
    "seqlib.functional.cross_entropy",
    by="torch.nn.functional",
)
@pytest.mark.referee("seqlib.functional.dropout", by="by hand")
@pytest.mark.referee(
    "seqlib.functional.sigmoid_backward",
    "seqlib.functional.softmax_backward",
    "seqlib.functional.log_softmax_backward",
    "seqlib.functional.gelu_backward",
    "seqlib.functional.layer_norm_backward",
    "seqlib.functional.linear_backward",
    "seqlib.functional.embedding_backward",
    "seqlib.functional.cross_entropy_backward",
    "seqlib.functional.dropout_backward",
    by="torch autograd, finite differences",
)
@pytest.mark.parametrize("name", CASES)
@given(lead=LEADS, n=SIZES, seed=SEEDS)
def test_forward_and_backward_in_float64(name, lead, n, seed):
    rng = np.random.default_rng(seed)
    inputs, f, back, torchs = CASES[name](rng, lead, n)
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    wanted = torchs(*tensors)
    dout = rng.normal(size=tuple(wanted.shape))
    wanted_grads = by_autograd([wanted], [torch.tensor(dout)], tensors)
    for A in LIBRARIES.values():
        arrays = [A(a) for a in inputs]
        before = [to_numpy(a).copy() for a in arrays]
        out, cache = f(A, *arrays)
        grads = backward(back, d := A(dout), cache)
        close(out, wanted, scale=1 + np.abs(to_numpy(wanted)).max())
        for array, grad, wanted_grad in zip(arrays, grads, wanted_grads, strict=True):
            assert type(grad) is type(array)
            close(grad, wanted_grad, scale=1 + wanted_grad.abs().max().item())
        for array, copy in zip([*arrays, d], [*before, dout], strict=True):
            np.testing.assert_array_equal(to_numpy(array), copy)  # nothing was changed

    def loss(*arrays):
        return np.sum(f(np.array, *arrays)[0] * dout)

    for i, grad in enumerate(wanted_grads):
        by_hand = by_differences(loss, inputs, i)
        close(by_hand, grad, 1e-6, scale=1 + grad.abs().max().item())


@pytest.mark.parametrize("name", CASES)
@given(lead=LEADS, n=SIZES, seed=SEEDS)
def test_float32_is_kept_and_agrees(name, lead, n, seed):
    rng = np.random.default_rng(seed)
    inputs, f, back, torchs = CASES[name](rng, lead, n)
    inputs = [a.astype("f4") for a in inputs]
    tensors = [torch.tensor(a.astype("f8"), requires_grad=True) for a in inputs]
    wanted = torchs(*tensors)
    dout = rng.normal(size=tuple(wanted.shape)).astype("f4")
    wanted_grads = by_autograd([wanted], [torch.tensor(dout)], tensors)
    for A in LIBRARIES.values():
        arrays = [A(a) for a in inputs]
        out, cache = f(A, *arrays)
        grads = backward(back, A(dout), cache)
        close(out, wanted, 1e-5, scale=1 + wanted.abs().max().item())
        for grad, wanted_grad in zip(grads, wanted_grads, strict=True):
            close(grad, wanted_grad, 1e-4, scale=1 + wanted_grad.abs().max().item())
        for array in (out, *grads):
            assert array.dtype == array_api_compat.array_namespace(array).float32


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
def test_autograd_runs_through_the_forward_pass(name, lead):
    rng = np.random.default_rng(5)
    inputs, f, _, torchs = CASES[name](rng, lead, 4)
    inputs = [a.round() for a in inputs]  # many exact zeros, where |x| has a kink
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    out, wanted = f(torch.tensor, *tensors)[0], torchs(*tensors)
    dout = [torch.randn_like(wanted)]
    pairs = zip(
        by_autograd([out], dout, tensors),
        by_autograd([wanted], dout, tensors),
        strict=True,
    )
    for grad, wanted_grad in pairs:
        close(grad, wanted_grad, scale=1 + wanted_grad.abs().max().item())


EXTREMES = np.array([[1e4, -1e4, 0, 1], [-1e4, -1e4, 1e4, 1e4]], "f4")


@pytest.mark.parametrize(
    "name", ["sigmoid", "softmax", "log_softmax", "gelu", "gelu tanh", "cross_entropy"]
)
@pytest.mark.parametrize("library", LIBRARIES)
def test_finite_at_large_values_in_float32(name, library):
    A = LIBRARIES[library]
    if name == "cross_entropy":

        def f(x):
            return ours.cross_entropy(x, A(np.array([1, 2])), label_smoothing=0.1)

        back = ours.cross_entropy_backward
    else:
        _, f, back, _ = CASES[name](np.random.default_rng(0), (2,), 4)

        def f(x, f=f):
            return f(A, x)

    with np.errstate(over="raise", invalid="raise", divide="raise"):
        out, cache = f(A(EXTREMES))
        (grad,) = backward(back, A(np.ones(tuple(out.shape), "f4")), cache)
    assert np.isfinite(to_numpy(out)).all()
    assert np.isfinite(to_numpy(grad)).all()


INSIDE = {
    "relu": theirs.relu,
    "gelu": theirs.gelu,
    "gelu_tanh": lambda x: theirs.gelu(x, approximate="tanh"),
    "silu": theirs.silu,
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", _activations.ACTIVATIONS)
def test_what_a_layer_applies(name, library):
    A, (f, back) = LIBRARIES[library], _activations.ACTIVATIONS[name]
    x = np.array([[-30.0, -3, -1.5, -0.2, 0], [0.3, 1, 1.7, 4, 30]])
    dout = np.arange(1.0, 11).reshape(2, 5)
    leaf = torch.tensor(x, requires_grad=True)
    wanted = INSIDE[name](leaf)
    out, cache = f(A(x))
    close(out, wanted, 1e-14)
    (grad,) = by_autograd([wanted], [torch.tensor(dout)], [leaf])
    close(back(A(dout), cache), grad, 1e-14)


def test_gelu_goes_back_with_what_it_kept(monkeypatch):
    x = np.linspace(-2, 2, 5)
    for approximate in ("none", "tanh"):
        _, cache = ours.gelu(x, approximate)
        wanted = ours.gelu_backward(x, cache)
        with monkeypatch.context() as patch:
            patch.setattr(_activations, "_share", None)
            np.testing.assert_array_equal(ours.gelu_backward(x, cache), wanted)


@pytest.mark.referee("seqlib.functional.sigmoid", by="by hand")
def test_sigmoid_of_large_values_and_its_tail():
    out, _ = ours.sigmoid(np.array([-1e4, -700.0, -30.0, 0.0, 1e4]))
    np.testing.assert_allclose(
        out, [0, np.exp(-700.0), np.exp(-30) / (1 + np.exp(-30)), 0.5, 1], rtol=1e-14
    )


@pytest.mark.referee("seqlib.functional.cross_entropy", by="torch.nn.functional")
@pytest.mark.referee("seqlib.functional.cross_entropy_backward", by="by hand")
@pytest.mark.parametrize("library", LIBRARIES)
def test_an_impossible_class_does_no_harm(library):
    A = LIBRARIES[library]
    logits = np.array([[0.0, -np.inf, 1.0], [np.nan, 0.0, 0.0]])
    loss, cache = ours.cross_entropy(A(logits), A(np.array([2, -100])))
    wanted = theirs.cross_entropy(torch.tensor(logits), torch.tensor([2, -100]))
    assert float(loss) == pytest.approx(wanted.item(), rel=1e-15)
    p = 1 / (1 + np.exp(-1))
    grad = ours.cross_entropy_backward(A(np.array(1.0)), cache)
    np.testing.assert_allclose(to_numpy(grad), [[1 - p, 0, p - 1], [0, 0, 0]])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_number_will_do_for_the_gradient_of_a_loss(library):
    A = LIBRARIES[library]
    logits = A(np.random.default_rng(0).normal(size=(3, 4)).astype("f4"))
    _, cache = ours.cross_entropy(logits, A(np.array([0, 1, 2])))
    grad = ours.cross_entropy_backward(2.0, cache)
    assert grad.dtype == logits.dtype
    twice = ours.cross_entropy_backward(A(np.array(2, "f4")), cache)
    np.testing.assert_array_equal(to_numpy(grad), to_numpy(twice))


@pytest.mark.referee("seqlib.functional.embedding_backward", by="by hand")
def test_embedding_adds_up_rows_used_twice():
    ids = np.array([[1, 1], [1, 0]])
    _, cache = ours.embedding(ids, np.zeros((3, 2)))
    dout = np.arange(8.0).reshape(2, 2, 2)
    wanted = [[6, 7], [0 + 2 + 4, 1 + 3 + 5], [0, 0]]
    np.testing.assert_array_equal(ours.embedding_backward(dout, cache), wanted)


def test_targets_of_few_bits_are_compared_as_numbers():
    """In uint8, -100 would wrap round to 156 and ignore that class."""
    logits = torch.zeros(1, 200)
    loss, _ = ours.cross_entropy(logits, torch.tensor([156], dtype=torch.uint8))
    assert loss.item() == pytest.approx(np.log(200), rel=1e-6)


@pytest.mark.referee(
    "seqlib.functional.dropout", "seqlib.functional.dropout_backward", by="by hand"
)
def test_dropout_scales_up_what_it_keeps():
    x = np.ones((200, 500))
    out, cache = ours.dropout(x, 0.3, np.random.default_rng(0))
    assert set(np.unique(out)) == {0, 1 / 0.7}
    assert np.mean(out) == pytest.approx(1, abs=0.01)  # three deviations are 0.006
    assert np.mean(out == 0) == pytest.approx(0.3, abs=0.01)
    np.testing.assert_array_equal(ours.dropout_backward(x, cache), out)
    again, _ = ours.dropout(x, 0.3, np.random.default_rng(0))
    np.testing.assert_array_equal(out, again)
    other, _ = ours.dropout(x, 0.3, np.random.default_rng(1))
    assert (out != other).any()
    np.testing.assert_array_equal(ours.dropout(x, 0, np.random.default_rng(0))[0], x)


def test_dropout_draws_one_mask_for_all_libraries():
    x = np.ones((4, 5))
    outs = [
        to_numpy(ours.dropout(A(x), 0.5, np.random.default_rng(3))[0])
        for A in LIBRARIES.values()
    ]
    np.testing.assert_array_equal(outs[0], outs[1])
    np.testing.assert_array_equal(outs[0], outs[2])


@pytest.mark.parametrize("f", [ours.softmax, ours.log_softmax])
def test_each_row_has_a_maximum_of_its_own(f):
    """Rows far apart: with one maximum for all, the lower one would be 0 / 0."""
    x = np.array([[1e4, 1e4 + 1], [0.0, 1.0]])
    for axis, rows in ((-1, x), (0, x.T)):
        out, _ = f(rows, axis)
        np.testing.assert_array_equal(*(out if axis else out.T))


def test_what_is_made_inside_is_on_the_inputs_device():
    """The device "meta" computes nothing, but refuses to be mixed with another."""
    x = torch.ones(2, 3, device="meta")
    ids = torch.ones(2, dtype=torch.int64, device="meta")
    out, cache = ours.dropout(x, 0.5, np.random.default_rng(0))
    assert ours.dropout_backward(out, cache).device.type == "meta"
    dweight = ours.embedding_backward(x, (ids, torch.ones(4, 3, device="meta"), (2,)))
    assert dweight.device.type == "meta"
    assert dweight.shape == (4, 3)
    some = torch.ones(2, 3, dtype=torch.bool, device="meta")
    cache = (x, ids, some[:, 0], 0.0, torch.ones(2, device="meta"))
    assert ours.cross_entropy_backward(1.0, cache).device.type == "meta"
    recorded = (x.clone().requires_grad_(), *cache[1:])  # by the formula
    assert ours.cross_entropy_backward(1.0, recorded).device.type == "meta"


@pytest.mark.referee("seqlib.functional.cross_entropy", by="torch.nn.functional")
@pytest.mark.referee("seqlib.functional.cross_entropy_backward", by="torch autograd")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_each_reduction(reduction, smoothing):
    """Of five targets two are ignored, so that the mean is over three."""
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(5, 3)), np.array([0, 2, -1, 1, -1])
    options = {"ignore_index": -1, "label_smoothing": smoothing, "reduction": reduction}
    tensor = torch.tensor(logits, requires_grad=True)
    wanted = theirs.cross_entropy(tensor, torch.tensor(targets), **options)
    loss, cache = ours.cross_entropy(logits, targets, **options)
    close(loss, wanted)
    dout = rng.normal(size=loss.shape)
    (grad,) = by_autograd([wanted], [torch.tensor(dout)], [tensor])
    close(ours.cross_entropy_backward(dout, cache), grad)


def test_a_probability_of_zero_drops_nothing_at_all():
    class Lowest(np.random.Generator):
        def random(self, size):
            return np.zeros(size)

    x = np.ones((2, 3))
    out, _ = ours.dropout(x, 0.0, Lowest(np.random.PCG64(0)))
    np.testing.assert_array_equal(out, x)


def test_what_is_left_out_is_as_in_torch():
    """Options have torch's defaults: eps, the mean, the exact gelu, -100."""
    rng = np.random.default_rng(0)
    x, w, b = 1e-3 * rng.normal(size=(2, 3)), rng.normal(size=3), rng.normal(size=3)
    tensors = [torch.tensor(a) for a in (x, w, b)]
    close(
        ours.layer_norm(x, w, b)[0], theirs.layer_norm(tensors[0], (3,), *tensors[1:])
    )
    close(ours.gelu(w)[0], theirs.gelu(tensors[1]))
    targets = np.array([-100, 2])
    loss = theirs.cross_entropy(tensors[0], torch.tensor(targets))
    close(ours.cross_entropy(x, targets)[0], loss)


def test_the_gradient_of_cross_entropy_can_be_differentiated_again():
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).double()
    targets = torch.tensor([0, 1, 3])

    def by_ours(z):
        _, cache = ours.cross_entropy(z, targets)
        return ours.cross_entropy_backward(1.0, cache)

    def by_torch(z):
        return torch.nn.functional.cross_entropy(z, targets)

    second = torch.autograd.functional.jacobian(by_ours, logits)
    close(second, torch.autograd.functional.hessian(by_torch, logits))
