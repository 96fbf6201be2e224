"""seqlib.nn's RNN, LSTM and GRU beside torch's: outputs, gradients, manners."""

import copy
import gc
import io
import itertools
import pickle
from typing import ClassVar

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence
from torch.utils._pytree import tree_flatten

from seqlib.nn import GRU, LSTM, RNN

CELLS = [
    {"cell": RNN},
    {"cell": RNN, "nonlinearity": "relu"},
    {"cell": LSTM},
    {"cell": GRU},
]
EACH = pytest.mark.parametrize("cell", [RNN, LSTM, GRU])
OPTIONS = [
    {**cell, **dict(zip(("num_layers", "bias", "bidirectional"), o, strict=True))}
    for cell in CELLS
    for o in itertools.product((1, 2), (True, False), (True, False))
]
WAYS = ("hand", "autograd")


def pair(
    seed=0, backward="hand", dtype=torch.float64, batch_first=True, cell=RNN, **options
):
    """Return our module and torch's with the same weights."""
    torch.manual_seed(seed)
    options |= {"batch_first": batch_first, "dtype": dtype}
    theirs = getattr(torch.nn, cell.__name__)(3, 4, **options)
    ours = cell(3, 4, backward=backward, **options)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def rows(module):
    return module.num_layers * (1 + module.bidirectional)


def states(module, B):
    """Draw the arrays of a first state: one, or an LSTM's two."""
    count = 2 if isinstance(module, torch.nn.LSTM) else 1
    return [torch.randn(rows(module), B, 4).double() for _ in range(count)]


def run(module, x, *first, **options):
    """Call the module with a state of these arrays, or none."""
    pair = isinstance(module, torch.nn.LSTM)
    hx = None if not first else first if pair else first[0]
    return module(x, hx, **options)


def same(ours, theirs, call, *inputs, atol=1e-13):
    """Compare the outputs and all gradients of `call(module, *inputs)`."""
    results = []
    for module in (ours, theirs):
        module.zero_grad()
        leaves = [a.detach().clone().requires_grad_() for a in inputs]
        y, h = call(module, *leaves)
        assert isinstance(h, tuple) == isinstance(module, torch.nn.LSTM)
        h = torch.stack(h) if isinstance(h, tuple) else h
        data = y.data if isinstance(y, PackedSequence) else y
        torch.manual_seed(1)
        loss = (data * torch.randn(data.shape)).sum() + (h * torch.randn(h.shape)).sum()
        loss.backward()
        grads = [a.grad for a in (*leaves, *module.parameters())]
        results.append((data, h, *grads))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=atol * (1 + b.abs().max().item()))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_outputs_and_gradients_are_torchs(options, backward, batch_first):
    ours, theirs = pair(backward=backward, batch_first=batch_first, **options)
    for B, T in ((2, 5), (1, 5), (2, 1), (1, 1)):
        x = torch.randn((B, T, 3) if batch_first else (T, B, 3)).double()
        first = states(ours, B)
        same(ours, theirs, run, x)
        same(ours, theirs, run, x, *first)
        assert ours(x)[0].stride() == theirs(x)[0].stride()
        unbatched = x.select(0 if batch_first else 1, 0)
        same(ours, theirs, run, unbatched)
        same(ours, theirs, run, unbatched, *(s[:, 0] for s in first))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_sequences(options, backward, enforce_sorted):
    ours, theirs = pair(backward=backward, **options)
    lengths = [5, 3, 3, 1] if enforce_sorted else [3, 1, 5, 3]
    x = torch.randn(4, 5, 3).double()

    def call(module, x, *first):
        packed = pack_padded_sequence(x, lengths, True, enforce_sorted)
        y, h = run(module, packed, *first)
        assert isinstance(y, PackedSequence)
        for mine, given in zip(y[1:], packed[1:], strict=True):
            assert mine is given  # batch sizes and the order stay as they came
        return y, h

    same(ours, theirs, call, x)
    same(ours, theirs, call, x, *states(ours, 4))


@EACH
def test_a_packed_sequence_in_an_order_of_its_own(cell):
    """Of two equally long sequences, either may stand first."""
    ours, theirs = pair(cell=cell)
    packed = pack_sequence([*torch.randn(2, 4, 3).double()])
    order = torch.tensor([1, 0])
    packed = PackedSequence(packed.data, packed.batch_sizes, order, order)
    same(ours, theirs, lambda m, *first: run(m, packed, *first), *states(ours, 2))


@EACH
@pytest.mark.parametrize("backward", WAYS)
def test_a_mask_does_what_packing_does(backward, cell):
    ours, theirs = pair(backward=backward, cell=cell, num_layers=2, bidirectional=True)
    x = torch.randn(3, 5, 3).double()
    first = states(ours, 3)
    lengths = torch.tensor([2, 5, 1])
    mask = torch.arange(5) < lengths[:, None]

    def call(module, x, *first):
        if module is ours:
            return run(module, x, *first, mask=mask)
        y, h = run(module, pack_padded_sequence(x, lengths, True, False), *first)
        return torch.nn.utils.rnn.pad_packed_sequence(y, True)[0], h

    same(ours, theirs, call, x, *first)
    y, _ = run(ours, x[0], *(s[:, 0] for s in first), mask=mask[0])
    torch.testing.assert_close(y, call(ours, x, *first)[0][0])
    ours.batch_first = False
    turned, _ = run(ours, x.transpose(0, 1), *first, mask=mask)
    torch.testing.assert_close(turned.transpose(0, 1), call(theirs, x, *first)[0])


@EACH
@pytest.mark.parametrize("backward", WAYS)
def test_float32(backward, cell):
    ours, theirs = pair(backward=backward, dtype=torch.float32, cell=cell, num_layers=2)
    x = torch.randn(4, 20, 3)
    same(ours, theirs, run, x, atol=2e-6)
    assert ours(x)[0].dtype == torch.float32


@pytest.mark.parametrize("backward", WAYS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("cell", "options"), [(RNN, {}), (LSTM, {}), (GRU, {}), (GRU, {"reset": "before"})]
)
def test_gradcheck(backward, masked, cell, options):
    torch.manual_seed(0)
    options = {"backward": backward, "dropout": 0.5, **options}
    module = cell(2, 2, 2, bidirectional=True, dtype=float, **options)
    mask = torch.tensor([[1, 1], [0, 1]]).bool() if masked else None
    names = [name for name, _ in module.named_parameters()]

    def f(x, h, c, *weights):
        torch.manual_seed(2)  # the same dropout at each call
        params = dict(zip(names, weights, strict=True))
        hx = (h, c) if cell is LSTM else h
        y, last = torch.func.functional_call(module, params, (x, hx, mask))
        return (y, *last) if cell is LSTM else (y, last)

    x = torch.randn(2, 2, 2).double().requires_grad_()
    h, c = torch.randn(2, 4, 2, 2).double()
    h.requires_grad_()
    c.requires_grad_(cell is LSTM)
    assert torch.autograd.gradcheck(f, (x, h, c, *module.parameters()))


@pytest.mark.parametrize("masked", [False, True])
def test_reset_before_by_hand_and_by_autograd(masked):
    """torch has no such module; its autograd goes through the equations alone."""
    options = {"bidirectional": True, "dtype": torch.float64, "reset": "before"}
    hand = GRU(3, 4, 2, **options)
    autograd = GRU(3, 4, 2, backward="autograd", **options)
    autograd.load_state_dict(hand.state_dict())
    mask = torch.tensor([[1, 1, 1], [1, 0, 0]]).bool() if masked else None

    def call(module, x, *first):
        return run(module, x, *first, mask=mask)

    x = torch.randn(2, 3, 3).double()
    same(hand, autograd, call, x, *states(hand, 2))
    after, theirs = pair(cell=GRU, num_layers=2, bidirectional=True)
    after.load_state_dict(hand.state_dict())
    assert (after(x)[0] - hand(x)[0]).abs().max() > 1e-3
    theirs.load_state_dict(hand.state_dict(), strict=True)


def test_dropout_follows_torchs_seed_and_the_mode():
    ours, _ = pair(num_layers=2, dropout=0.5)
    by_torch = copy.deepcopy(ours)
    by_torch.backward = "autograd"
    x = torch.randn(2, 5, 3).double()

    def run(module, seed):
        torch.manual_seed(seed)
        return module(x)[0]

    torch.testing.assert_close(run(ours, 3), run(ours, 3), rtol=0, atol=0)
    torch.testing.assert_close(run(ours, 3), run(by_torch, 3), rtol=0, atol=0)
    assert (run(ours, 3) != run(ours, 4)).any()
    ours.eval()
    torch.testing.assert_close(run(ours, 3), run(ours, 4), rtol=0, atol=0)
    before = torch.random.get_rng_state()
    ours(x)
    assert torch.equal(torch.random.get_rng_state(), before)  # eval draws nothing


def double_weights(module, x, y):
    with torch.no_grad():
        module.weight_hh_l0.mul_(2)


CHANGES = {
    "output": lambda module, x, y: y.mul_(2),
    "input": lambda module, x, y: x.mul_(2),
    "weight": double_weights,
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("shape", [(2, 5, 3), (1, 1, 3)])
@EACH
def test_a_change_in_place_never_gives_a_wrong_gradient(what, options, shape, cell):
    def gradients(module, change):
        torch.manual_seed(3)
        x = torch.randn(shape).double().requires_grad_()
        inner = x * 1
        y, _ = module(inner)
        change(module, inner, y)
        return torch.autograd.grad(y.sum(), [x, *module.parameters()])

    for backward in WAYS:
        ours, _ = pair(backward=backward, cell=cell, **options)
        wanted = gradients(ours, lambda *_: None)
        if what == "output":
            doubled = gradients(ours, CHANGES[what])
            torch.testing.assert_close(doubled, tuple(2 * a for a in wanted))
        elif backward == "hand":
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                gradients(ours, CHANGES[what])


def test_padding_may_be_changed_in_place():
    """The masked input is a copy, so nothing of the caller's is held."""
    module, _ = pair()
    x = torch.randn(2, 3, 3).double()
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]]).bool()
    y, _ = module(x, mask=mask)
    wanted = torch.autograd.grad(y.sum(), module.weight_ih_l0, retain_graph=True)
    x.zero_()
    torch.testing.assert_close(
        torch.autograd.grad(y.sum(), module.weight_ih_l0), wanted
    )


@EACH
@pytest.mark.parametrize("backward", WAYS)
def test_retain_graph_twice_and_then_no_more(backward, cell):
    module, _ = pair(backward=backward, cell=cell)
    y, _ = module(torch.randn(2, 5, 3).double())
    first = torch.autograd.grad(y.sum(), module.parameters(), retain_graph=True)
    second = torch.autograd.grad(y.sum(), module.parameters())
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(y.sum(), module.parameters())


@EACH
def test_a_second_derivative_says_no_or_is_right(cell):
    x = torch.randn(1, 3, 3).double().requires_grad_()
    ours, theirs = pair(cell=cell)
    with pytest.raises(
        RuntimeError, match='by hand has no derivative: use backward="a'
    ):
        torch.autograd.grad(ours(x)[0].sum(), x, create_graph=True)
    ours.backward = "autograd"
    seconds = []
    for module in (ours, theirs):
        (dx,) = torch.autograd.grad(module(x)[0].sum(), x, create_graph=True)
        seconds.append(torch.autograd.grad(dx.square().sum(), module.weight_hh_l0))
    torch.testing.assert_close(*seconds)


@EACH
def test_used_twice_in_one_graph(cell):
    ours, theirs = pair(cell=cell)

    def call(module, x):
        y, h = module(x)
        return module(y[..., :3] + x, h)

    same(ours, theirs, call, torch.randn(2, 5, 3).double())


def test_only_the_output_or_only_the_state():
    ours, theirs = pair(num_layers=2)
    x = torch.randn(2, 5, 3).double()
    for which in (0, 1):
        grads = []
        for module in (ours, theirs):
            grads.append(
                torch.autograd.grad(module(x)[which].sum(), module.weight_hh_l0)
            )
        torch.testing.assert_close(*grads)
    y, _ = ours(x)
    y[:, 0].sum().backward()  # and a gradient that reaches only some steps
    assert torch.isfinite(ours.weight_hh_l0.grad).all()


@EACH
def test_frozen_parameters_and_no_grad(cell):
    ours, theirs = pair(cell=cell, num_layers=2)
    for module in (ours, theirs):
        module.weight_hh_l0.requires_grad_(False)
        module.bias_ih_l1.requires_grad_(False)
    x = torch.randn(2, 5, 3).double()
    for module in (ours, theirs):
        module(x)[0].square().sum().backward()
    for (name, mine), p in zip(
        ours.named_parameters(), theirs.parameters(), strict=True
    ):
        if name in ("weight_hh_l0", "bias_ih_l1"):
            assert mine.grad is None
        else:
            torch.testing.assert_close(mine.grad, p.grad)
    with torch.no_grad():
        y, last = ours(x)
    assert not y.requires_grad
    assert not any(h.requires_grad for h in last)
    for parameter in ours.parameters():
        parameter.requires_grad_(False)
    assert not ours(x)[0].requires_grad
    with torch.inference_mode():
        torch.testing.assert_close(ours(x)[0], theirs(x)[0])


@EACH
def test_copies_pickles_and_saved_files(cell):
    options = {"reset": "before"} if cell is GRU else {}
    options |= {"bidirectional": True, "dtype": torch.float64, "backward": "autograd"}
    module = cell(3, 4, 2, **options)
    x = torch.randn(2, 5, 3).double()
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    twins = [
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        torch.load(file, weights_only=False),
    ]
    for twin in twins:
        assert twin.backward == "autograd"
        assert twin.kind == module.kind
        assert all(
            a is not b
            for a, b in zip(twin.parameters(), module.parameters(), strict=True)
        )
        torch.testing.assert_close(twin(x), module(x), rtol=0, atol=0)


@EACH
def test_to_another_float_type(cell):
    module, theirs = pair(cell=cell)
    x = torch.randn(2, 5, 3)
    y, last = module.to(torch.float32)(x)
    assert {a.dtype for a in (y, *last)} == {torch.float32}
    torch.testing.assert_close(y, theirs.float()(x)[0])
    assert module.to(torch.float64)(x.double())[0].dtype == torch.float64


@EACH
def test_weights_of_torchs_making_and_back(cell):
    ours, _ = pair(cell=cell, num_layers=2, bidirectional=True)
    Theirs = getattr(torch.nn, cell.__name__)
    theirs = Theirs(3, 4, 2, bidirectional=True, dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    torch.manual_seed(6)
    a = cell(3, 4, 2).state_dict()
    torch.manual_seed(6)
    b = Theirs(3, 4, 2).state_dict()
    for name, value in a.items():
        assert torch.equal(value, b[name])  # one seed, one model
    assert isinstance(ours, Theirs)
    name = cell.__name__
    assert repr(cell(3, 4)) == f"{name}(3, 4, batch_first=True, backward='hand')"
    with pytest.raises(RuntimeError, match="size mismatch"):
        ours.load_state_dict(Theirs(3, 5, 2, bidirectional=True).state_dict())


def test_repr_shows_the_form():
    text = "GRU(3, 4, batch_first=True, backward='hand', reset='before')"
    assert repr(GRU(3, 4, reset="before")) == text


@pytest.mark.parametrize("cell", [LSTM, GRU])
def test_arguments_by_place_are_torchs(cell):
    """Both stand after hidden_size: num_layers, bias, batch_first, dropout, both."""
    ours = cell(3, 4, 2, False, False, 0.25, True)
    theirs = getattr(torch.nn, cell.__name__)(3, 4, 2, False, False, 0.25, True)
    for name in ("num_layers", "bias", "batch_first", "dropout", "bidirectional"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_a_state_may_come_as_a_list():
    ours, theirs = pair(cell=LSTM)
    x, hx = torch.randn(2, 5, 3).double(), states(ours, 2)
    torch.testing.assert_close(ours(x, hx)[0], theirs(x, tuple(hx))[0])


def test_a_subclass_may_hold_parameters_of_its_own():
    class Learned(RNN):
        def __init__(self):
            super().__init__(3, 4)
            self.h0 = torch.nn.Parameter(torch.zeros(1, 1, 4))

        def forward(self, x):
            return super().forward(x, self.h0.expand(-1, len(x), -1))

    model = Learned()
    model(torch.randn(2, 5, 3))[0].sum().backward()
    assert model.h0.grad.abs().sum() > 0


def test_weights_may_be_parametrized():
    module = RNN(3, 4)
    torch.nn.utils.parametrizations.spectral_norm(module, "weight_hh_l0")
    module(torch.randn(2, 5, 3))[0].sum().backward()
    original = module.parametrizations.weight_hh_l0.original
    assert original.grad.abs().sum() > 0


class Box:
    """What autograd keeps instead of a tensor, so that it can be counted."""

    open: ClassVar[list[int]] = []

    def __init__(self, tensor):
        self.tensor = tensor
        self.open.append(tensor.numel())

    def __del__(self):
        self.open.remove(self.tensor.numel())


@EACH
@pytest.mark.parametrize("masked", [False, True])
def test_memory_is_freed_by_the_backward_pass(masked, cell):
    """Even while the loss, and so its graph, is kept."""
    module, x, losses = cell(3, 4), torch.randn(2, 5, 3), []
    mask = torch.ones(2, 5).bool() if masked else None
    with torch.autograd.graph.saved_tensors_hooks(Box, lambda box: box.tensor):
        for _ in range(100):
            y, last = module(x, mask=mask)
            assert sum(Box.open) >= 2 * 5 * 4  # all that it keeps, autograd knows of
            for value in tree_flatten(vars(y.grad_fn))[0]:
                assert not isinstance(value, torch.Tensor)
            losses.append(y.sum() + sum(h.sum() for h in last))
            del y, last
            losses[-1].backward()
            assert not Box.open


@EACH
def test_memory_is_freed_without_a_backward_pass(cell):
    gc.collect()
    gc.disable()  # no circle may need the collector
    try:
        with torch.autograd.graph.saved_tensors_hooks(Box, lambda box: box.tensor):
            y, last = cell(3, 4)(torch.randn(2, 5, 3))
            assert Box.open
            del y, last
            assert not Box.open
    finally:
        gc.enable()


@EACH
def test_some_steps_of_training_lower_the_loss(cell):
    torch.manual_seed(0)
    module, x = cell(3, 16), torch.randn(8, 10, 3)
    target = x.cumsum(1)[..., :1].tanh()
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    losses = []
    for _ in range(80):
        loss = (module(x)[0][..., :1] - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
