"""Recomputation: the gradients of the whole, in the memory of a part."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.checkpoint import checkpoint

from seqlib import checkpointing as module
from seqlib import nn
from seqlib.checkpointing import checkpointed, checkpointed_backward
from seqlib.recurrent import CELLS, init_params, recurrent, recurrent_backward

KINDS = ("rnn", "rnn_relu", "rnn_logistic", "lstm", "gru", "gru_before")
MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


class Problem:
    """What `checkpointed` takes, and the gradients that come back, in float64."""

    def __init__(self, seed, kind, B, T, D, H, layers=1, bias=True, masked=False):
        rng = np.random.default_rng(seed)
        params = init_params(kind, D, H, layers, False, rng, bias)
        self.kind, self.layers = kind, layers
        self.params = {k: rng.normal(size=a.shape) / 2 for k, a in params.items()}
        self.x, self.dy = rng.normal(size=(B, T, D)), rng.normal(size=(B, T, H))
        shape = CELLS[kind].states, layers, B, H
        self.state, self.dstate = rng.normal(size=shape), rng.normal(size=shape)
        self.mask = rng.random((B, T)) < 0.6 if masked else None

    def run(self, A=np.array, f=recurrent, start=True, dropout=0.0, **options):
        """Run forward: y, last state, cache; f is the whole or the checkpointed."""
        return f(
            self.kind,
            A(self.x),
            tuple(A(s) for s in self.state) if start else None,
            {name: A(a) for name, a in self.params.items()},
            None if self.mask is None else A(self.mask),
            dropout,
            np.random.default_rng(0),
            **options,
        )

    def back(self, f, cache, A=np.array, dy=True, dstate=True, **options):
        """Go back: dx, dstate, grads; f as above."""
        dlast = tuple(A(d) for d in self.dstate) if dstate else None
        return f(A(self.dy) if dy else None, dlast, cache, **options)


def flat(y, last, dx, dfirst, grads):
    """Return all arrays of a way there and back, in order."""
    return [a for a in (y, *last, dx, *dfirst, *grads.values()) if a is not None]


def there_and_back(problem, A=np.array, start=True, every=None, dropout=0.0, **given_):
    """Return the arrays of the whole, and of the checkpointed."""
    *outs, cache = problem.run(A, recurrent, start, dropout)
    whole = flat(*outs, *problem.back(recurrent_backward, cache, A, **given_))
    *outs, cache = problem.run(A, checkpointed, start, dropout, every=every)
    return whole, flat(*outs, *problem.back(checkpointed_backward, cache, A, **given_))


def agree(ours, theirs, within=1e-12):
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, within)


@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(KINDS),
    sizes=st.tuples(*(st.integers(1, n) for n in (3, 20, 4, 4))),
    every=st.none() | st.integers(1, 22),
    layers=st.integers(1, 3),
    bias=st.booleans(),
    masked=st.booleans(),
    start=st.booleans(),
    dy=st.booleans(),
    dstate=st.booleans(),
    input_gradient=st.booleans(),
)
def test_the_same_as_the_whole(
    seed, kind, sizes, every, layers, bias, masked, start, **given_
):
    problem = Problem(seed, kind, *sizes, layers, bias, masked)
    for A in LIBRARIES.values():
        whole, ours = there_and_back(problem, A, start, every, **given_)
        agree(ours, whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("T", "every"), [(1, 1), (6, 3), (7, 3), (7, 1), (7, 7)])
def test_segments_that_fit_and_that_do_not(kind, masked, T, every):
    problem = Problem(1, kind, 2, T, 3, 4, 2, masked=masked)
    agree(*reversed(there_and_back(problem, every=every)))


def test_one_segment_is_the_whole_to_the_last_bit():
    whole, ours = there_and_back(Problem(1, "lstm", 2, 9, 3, 4, 2), every=9)
    agree(ours, whole, within=0)


@pytest.mark.referee(
    "seqlib.checkpointing.checkpointed", by="torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU"
)
@pytest.mark.referee(
    "seqlib.checkpointing.checkpointed_backward",
    by="torch autograd, torch.utils.checkpoint",
)
@pytest.mark.parametrize("recomputed", [False, True])
@pytest.mark.parametrize("kind", MODULES)
def test_agrees_with_torch(kind, recomputed):
    """torch.nn's module under autograd, whole, or by torch's own recomputation."""
    problem = Problem(2, kind, 3, 50, 4, 5, 2)
    for a in problem.params.values():
        a *= 0.7
    *outs, cache = problem.run(f=checkpointed)
    ours = flat(*outs, *problem.back(checkpointed_backward, cache))
    theirs = MODULES[kind](4, 5, 2, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict({k: torch.tensor(a) for k, a in problem.params.items()})
    x = torch.tensor(problem.x, requires_grad=True)
    first = torch.tensor(problem.state, requires_grad=True)
    state = tuple(first) if kind == "lstm" else first[0]
    if recomputed:
        y, state = in_segments(theirs, x, state, 7)
    else:
        y, state = theirs(x, state)
    last = torch.stack(state) if kind == "lstm" else state[None]
    douts = [torch.tensor(problem.dy), torch.tensor(problem.dstate)]
    inputs = [x, first, *theirs.parameters()]
    dx, dfirst, *grads = by_autograd([y, last], douts, inputs)
    names = [name for name, _ in theirs.named_parameters()]
    assert names == list(problem.params)
    agree(ours, [y, *last, dx, *dfirst, *grads])


def in_segments(model, x, state, every):
    """Run a module `every` steps at a time, recomputing them on the way back."""
    outs = []
    for part in x.split(every, dim=1):
        out, state = checkpoint(model, part, state, use_reentrant=False)
        outs.append(out)
    return torch.cat(outs, dim=1), state


@pytest.mark.referee(
    "seqlib.checkpointing.checkpointed_backward", by="finite differences"
)
@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences(kind):
    problem = Problem(11, kind, 2, 5, 2, 3, 2, masked=True)
    names = list(problem.params)

    def loss(x, state, *weights):
        params = dict(zip(names, weights, strict=True))
        y, last, _ = checkpointed(kind, x, tuple(state), params, problem.mask, every=2)
        return np.sum(y * problem.dy) + np.sum(np.stack(last) * problem.dstate)

    inputs = [problem.x, problem.state, *problem.params.values()]
    *_, cache = problem.run(f=checkpointed, every=2)
    dx, dfirst, grads = problem.back(checkpointed_backward, cache)
    for i, grad in enumerate([dx, np.stack(dfirst), *grads.values()]):
        close(by_differences(loss, inputs, i), grad, 1e-6, scale=1)


@pytest.mark.parametrize("A", LIBRARIES.values(), ids=LIBRARIES)
def test_the_way_back_draws_the_same_dropout(A):
    """Between two layers a mask is drawn, step after step: as the whole draws it."""
    problem = Problem(3, "gru", 2, 11, 3, 4, 2)
    for every in (2, 11):
        whole, ours = there_and_back(problem, A, every=every, dropout=0.4)
        agree(ours, whole)
    plain, _ = there_and_back(problem)
    assert (to_numpy(plain[0]) != to_numpy(ours[0])).any()


def test_dropout_between_three_layers():
    """Drawn segment by segment; torch's autograd goes back through the same draws."""
    problem = Problem(3, "lstm", 2, 11, 3, 4, 3, masked=True)
    *outs, cache = problem.run(f=checkpointed, dropout=0.4, every=3)
    ours = flat(*outs, *problem.back(checkpointed_backward, cache))
    inputs = []

    def leaf(a):
        tensor = torch.tensor(a)
        if a.dtype != bool:
            inputs.append(tensor.requires_grad_(True))
        return tensor

    y, last, _ = problem.run(leaf, checkpointed, dropout=0.4, every=3)
    douts = [torch.tensor(d) for d in (problem.dy, *problem.dstate)]
    dx, h, c, *grads = by_autograd([y, *last], douts, inputs)
    agree(ours, [y, *last, dx, h, c, *grads])


def test_the_callers_generator_goes_on():
    """Two calls with one generator draw twice; the way back draws nothing of it."""
    problem, rng = Problem(3, "rnn", 2, 8, 3, 4, 2), np.random.default_rng(0)
    call = "rnn", problem.x, None, problem.params, None, 0.5, rng
    y, _, cache = checkpointed(*call)
    state = rng.bit_generator.state
    first = checkpointed_backward(y, None, cache)
    assert rng.bit_generator.state == state
    assert (checkpointed(*call)[0] != y).any()
    second = checkpointed_backward(y, None, cache)
    np.testing.assert_array_equal(first[0], second[0])


def test_it_keeps_the_state_of_every_kth_step(monkeypatch):
    """Segments have k steps; what is kept and what is run again is counted."""
    lengths = []

    def counted(kind, x, *rest):
        lengths.append(x.shape[1])
        return recurrent(kind, x, *rest)

    monkeypatch.setattr(module, "recurrent", counted)
    for T, every, wanted in (
        (10, None, [3, 3, 3, 1]),
        (16, None, [4, 4, 4, 4]),
        (1, None, [1]),
        (7, 3, [3, 3, 1]),
        (7, 100, [7]),
    ):
        lengths.clear()
        problem = Problem(0, "rnn", 1, T, 2, 2)
        y, _, cache = problem.run(f=checkpointed, every=every)
        assert lengths == wanted
        checkpointed_backward(y, None, cache)
        assert lengths == wanted + wanted[::-1]


def test_what_is_made_inside_is_on_the_inputs_device():
    """The device "meta" computes nothing, but refuses to be mixed with another."""
    drawn = init_params("lstm", 4, 3, 2)
    params = {name: torch.tensor(a, device="meta") for name, a in drawn.items()}
    x = torch.ones(2, 5, 4, dtype=torch.float64, device="meta")
    mask = torch.ones(2, 5, dtype=torch.bool, device="meta")
    for given_mask in (None, mask):
        y, last, cache = checkpointed("lstm", x, None, params, given_mask)
        dx, dfirst, grads = checkpointed_backward(None, None, cache)
        for array in (y, *last, dx, *dfirst, *grads.values()):
            assert array.device.type == "meta"
            assert array.dtype == torch.float64


@pytest.mark.parametrize("wanted", [True, False])
def test_the_work_of_dx_is_saved_where_it_is_not_wanted(monkeypatch, wanted):
    asked = []

    def noted(dy, dstate, cache, input_gradient):
        asked.append(input_gradient)
        return recurrent_backward(dy, dstate, cache, input_gradient)

    monkeypatch.setattr(module, "recurrent_backward", noted)
    problem = Problem(0, "rnn", 1, 9, 2, 2)
    y, _, cache = problem.run(f=checkpointed)
    checkpointed_backward(y, None, cache, input_gradient=wanted)
    assert asked == [wanted] * 3


# --- memory --------------------------------------------------------------------------

B, D, H = 4, 3, 64
ROW = 8 * B * H  # bytes of one state of one layer


def traced(f):
    """Return f's result, what it kept, and the most there was, in bytes."""
    tracemalloc.start()
    result = f()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return result, kept, peak


# Rows of H that one step of one layer leaves, h among them: what its `step` keeps
PER_STEP = {"rnn": 1, "lstm": 7, "gru": 7, "gru_before": 4}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", PER_STEP)
def test_what_is_kept_is_what_was_counted(kind, layers):
    """The whole keeps every step; checkpointed the output and ceil(T / k) states."""
    T, k = 400, 30
    problem = Problem(0, kind, B, T, D, H, layers)
    arguments = kind, problem.x, None, problem.params
    _, kept, _ = traced(lambda: recurrent(*arguments))
    rows = layers * T * (PER_STEP[kind] + 1)  # and the stack of outputs of each layer
    assert 1 <= kept / ROW / rows < 1.1
    _, kept, _ = traced(lambda: checkpointed(*arguments, every=k))
    states = math.ceil(T / k) * CELLS[kind].states * layers
    assert 0 <= kept / ROW - T - states < 16  # some for tuples and slices


def most(kind, T, f, back, **options):
    """Return the most rows that a step of training holds, x, y and dy apart."""
    problem = Problem(0, kind, B, T, D, H)
    dy = problem.dy

    def step():
        *_, cache = f(kind, problem.x, None, problem.params, **options)
        return back(dy, None, cache, input_gradient=False)

    step()
    return traced(step)[2] / ROW - T


@pytest.mark.parametrize("kind", PER_STEP)
def test_memory_grows_as_the_root_of_T(kind):
    """Four times the steps: four times what the whole takes, at most twice ours."""
    whole, ours = (
        [most(kind, T, *pair) for T in (200, 800)]
        for pair in (
            (recurrent, recurrent_backward),
            (checkpointed, checkpointed_backward),
        )
    )
    assert whole[1] / whole[0] > 3.9
    assert ours[1] / ours[0] < 2
    assert whole[1] > 10 * ours[1]


def in_one(model, x, state, every):
    """Run a module as `in_segments` does, without recomputing."""
    outs = []
    for part in x.split(every, dim=1):
        out, state = model(part, state)
        outs.append(out)
    return torch.cat(outs, dim=1), state


def torchs_peak(f):
    """Return the most bytes that torch held while f ran, beyond those before."""
    with torch.profiler.profile(profile_memory=True) as profile:
        f()
    events = profile.profiler.kineto_results.events()
    blocks = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    return max(itertools.accumulate(size for _, size in sorted(blocks)))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(
    ("Module", "saved"), [(nn.RNN, 1.2), (nn.LSTM, 2), (nn.GRU, 2)]
)
def test_modules_are_checkpointed_by_torch(Module, saved, dropout):
    """The docstring's advice: the same gradients in less memory."""
    model = Module(D, 16, 2, dropout=dropout, dtype=torch.float64)
    x = torch.ones(B, 100, D, dtype=torch.float64, requires_grad=True)
    found, peaks = [], []

    def step(run):
        torch.manual_seed(1)
        y, _ = run(model, x, None, 10)
        inputs = [x, *model.parameters()]
        found.append([y, *torch.autograd.grad(y.square().sum(), inputs)])

    for run in (in_one, in_segments):
        step(run)
        peaks.append(torchs_peak(lambda run=run: step(run)))
    agree(found[2], found[0], within=1e-14)
    assert peaks[0] > saved * peaks[1]


# --- errors --------------------------------------------------------------------------


def test_two_directions_are_refused():
    params = init_params("gru", 3, 4, bidirectional=True)
    with pytest.raises(
        ValueError, match=r"params must be of one direction, got weight_ih_l0_reverse, "
    ):
        checkpointed("gru", np.ones((2, 5, 3)), None, params)


def test_what_does_not_fit_is_refused_before_any_work():
    problem = Problem(0, "rnn", 2, 9, 3, 4)
    call = {"kind": "rnn", "x": problem.x, "state": None, "params": problem.params}
    for wrong, sentence in (
        ({"mask": np.ones((2, 8), bool)}, r"mask must have shape \(B=2, T=9\), got"),
        ({"kind": "lstn"}, "kind must be one of 'rnn', "),
        ({"every": 0}, "every must be at least 1, got 0"),
        ({"every": 2.5}, "every must be a whole number, got 2.5"),
    ):
        with pytest.raises((ValueError, TypeError), match=sentence):
            checkpointed(**{**call, **wrong})
    *_, cache = checkpointed(**call)
    with pytest.raises(ValueError, match=r"dy must have shape \(2, 9, 4\), got"):
        checkpointed_backward(np.ones((2, 8, 4)), None, cache)
    with pytest.raises(ValueError, match=r"dstate\[0\] must have shape"):
        checkpointed_backward(None, (np.ones((1, 2, 3)),), cache)
