"""Recurrence over time against torch.nn, autograd and finite differences."""

import itertools

import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import recurrent as _recurrent
from seqlib.recurrent import CELLS, init_params, recurrent, recurrent_backward

KINDS = ("rnn", "rnn_relu", "rnn_logistic", "lstm", "gru", "gru_before")
MODULES = {  # torch has the other two in no module
    "rnn": torch.nn.RNN,
    "rnn_relu": torch.nn.RNN,
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
}
MASKS = ("none", "right", "left", "holes", "one empty")


def draw_mask(rng, which, B, T):
    """Return a mask (B, T) of this kind; in all but one, every row is partly real."""
    if which == "none":
        return None
    lengths = rng.integers(1, T + 1, B)
    mask = np.arange(T) < lengths[:, None]
    if which == "left":
        mask = mask[:, ::-1].copy()
    if which in ("holes", "one empty"):
        mask = rng.permuted(mask, axis=1)
    if which == "one empty":
        mask[rng.integers(B)] = False
    return mask


class Problem:
    """Random input of everything `recurrent` takes, in float64."""

    def __init__(
        self, rng, kind, B, T, D, H, layers, both=False, bias=True, mask="none"
    ):
        self.kind, self.H, self.layers, self.both = kind, H, layers, both
        self.params = init_params(kind, D, H, layers, both, rng, bias)
        # Of half the size, so that few units saturate, where 1 - h² loses digits.
        self.params = {k: rng.normal(size=a.shape) / 2 for k, a in self.params.items()}
        self.x = rng.normal(size=(B, T, D))
        rows = layers * (1 + both)
        self.state = rng.normal(size=(CELLS[kind].states, rows, B, H))
        self.dy = rng.normal(size=(B, T, H * (1 + both)))
        self.dstate = rng.normal(size=self.state.shape)
        self.mask = draw_mask(rng, mask, B, T)

    def ours(self, A=np.array, start=True, dy=True, dstate=True, **options):
        """Run forward and backward in one library: y, state, dx, dfirst, grads."""
        params = {k: A(a) for k, a in self.params.items()}
        mask = None if self.mask is None else A(self.mask)
        first = tuple(A(s) for s in self.state) if start else None
        y, last, cache = recurrent(self.kind, A(self.x), first, params, mask)
        dx, dfirst, grads = recurrent_backward(
            A(self.dy) if dy else None,
            tuple(A(s) for s in self.dstate) if dstate else None,
            cache,
            **options,
        )
        stack = array_namespace(y).stack
        return y, stack(last), dx, stack(dfirst), grads

    def torchs(self, run, start=True, dy=True, dstate=True):
        """Return the same by torch's autograd through `run`, one sequence at a time.

        A sequence is given without its padding, so nothing here knows of masks.
        """
        x, state = torch.tensor(self.x), torch.tensor(self.state) * start
        params = {k: torch.tensor(a) for k, a in self.params.items()}
        inputs = [x, state, *params.values()]
        for tensor in inputs:
            tensor.requires_grad_(True)
        B, T, _ = x.shape
        y, last = torch.zeros(B, T, self.dy.shape[2]).double(), state.clone()
        mask = np.ones((B, T), bool) if self.mask is None else self.mask
        for b in range(B):
            real = torch.tensor(mask[b])
            if real.any():
                out, end = run(self, x[b, real], state[:, :, b], params)
                y[b, real], last[:, :, b] = out, end
        douts = [torch.tensor(self.dy) * dy, torch.tensor(self.dstate) * dstate]
        dx, dfirst, *grads = by_autograd([y, last], douts, inputs)
        return y, last, dx, dfirst, dict(zip(params, grads, strict=True))


def by_module(problem, x, state, params):
    """One sequence (T, D) through torch.nn's module."""
    relu = {"nonlinearity": "relu"} if problem.kind == "rnn_relu" else {}
    module = MODULES[problem.kind](
        x.shape[1],
        problem.H,
        problem.layers,
        bias="bias_ih_l0" in params,
        bidirectional=problem.both,
        dtype=torch.float64,
        **relu,
    )
    first = tuple(state) if problem.kind == "lstm" else state[0]
    y, last = torch.func.functional_call(module, params, (x, first))
    return y, torch.stack(last) if problem.kind == "lstm" else last[None]


def one_step(kind, x, state, W_ih, W_hh, b_ih, b_hh):
    """One vector's step, each gate by itself, with torch's functions."""
    h = state[0]
    if kind.startswith("rnn"):
        f = {"rnn": torch.tanh, "rnn_relu": torch.relu, "rnn_logistic": torch.sigmoid}
        return (f[kind](W_ih @ x + W_hh @ h + b_ih + b_hh),)
    n = 4 if kind == "lstm" else 3
    W, U, b, d = (a.chunk(n) for a in (W_ih, W_hh, b_ih, b_hh))
    gates = [W[k] @ x + b[k] + U[k] @ h + d[k] for k in range(n)]
    if kind == "lstm":
        i, f, o = (torch.sigmoid(gates[k]) for k in (0, 1, 3))
        c = f * state[1] + i * torch.tanh(gates[2])
        return o * torch.tanh(c), c
    r, z = torch.sigmoid(gates[0]), torch.sigmoid(gates[1])
    inner = r * (U[2] @ h + d[2]) if kind == "gru" else U[2] @ (r * h) + d[2]
    return (z * h + (1 - z) * torch.tanh(W[2] @ x + b[2] + inner),)


def by_loop(problem, x, state, params):
    """One sequence (T, D), step by step, vector by vector."""
    outs, last, rows = list(x), [], iter(state.unbind(1))
    for layer in range(problem.layers):
        ways = []
        for way in ("", "_reverse")[: 1 + problem.both]:
            now, steps = tuple(next(rows)), []
            W_ih, W_hh = (params[f"weight_{n}_l{layer}{way}"] for n in ("ih", "hh"))
            zero = torch.zeros(len(W_hh)).double()
            biases = [params.get(f"bias_{n}_l{layer}{way}", zero) for n in ("ih", "hh")]
            for x_t in outs[::-1] if way else outs:
                now = one_step(problem.kind, x_t, now, W_ih, W_hh, *biases)
                steps.append(now[0])
            ways.append(steps[::-1] if way else steps)
            last.append(torch.stack(now))
        outs = [torch.cat(hs) for hs in zip(*ways, strict=True)]
    return torch.stack(outs), torch.stack(last, 1)


def agree(ours, theirs, within=1e-12):
    """Compare y, state, dx, dfirst, grads, each relative to its largest entry."""
    *some, grads = ours
    *wanted, wanted_grads = theirs
    assert list(grads) == list(wanted_grads)
    some, wanted = [*some, *grads.values()], [*wanted, *wanted_grads.values()]
    for a, b in zip(some, wanted, strict=True):
        close(a, b, within)


PROBLEMS = {
    "seed": st.integers(0, 2**32 - 1),
    "kind": st.sampled_from(KINDS),
    "sizes": st.tuples(
        st.integers(1, 3), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4)
    ),
    "layers": st.integers(1, 3),
    "both": st.booleans(),
    "bias": st.booleans(),
    "mask": st.sampled_from(MASKS),
    "start": st.booleans(),
    "dy": st.booleans(),
    "dstate": st.booleans(),
}


@pytest.mark.referee(
    "seqlib.recurrent.recurrent", by="torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU"
)
@pytest.mark.referee("seqlib.recurrent.recurrent_backward", by="torch autograd")
@given(**PROBLEMS)
def test_forward_and_backward_agree_with_autograd(
    seed, kind, sizes, layers, both, bias, mask, start, dy, dstate
):
    rng = np.random.default_rng(seed)
    problem = Problem(rng, kind, *sizes, layers, both, bias, mask)
    given_ = {"start": start, "dy": dy, "dstate": dstate}
    for A in LIBRARIES.values():
        ours = problem.ours(A, **given_)
        agree(ours, problem.torchs(by_loop, **given_))
        if kind in MODULES:
            agree(ours, problem.torchs(by_module, **given_))


@pytest.mark.referee("seqlib.recurrent.recurrent_backward", by="torch autograd")
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    "sizes", [(1, 1, 1, 1), (3, 1, 2, 3), (1, 5, 2, 3), (3, 4, 2, 3)]
)
def test_each_kind_of_mask_and_size(sizes, mask, layers, both):
    """What the random draws of the test above may miss, in full."""
    for kind in KINDS:
        rng = np.random.default_rng(7)
        problem = Problem(rng, kind, *sizes, layers, both, mask=mask)
        agree(problem.ours(), problem.torchs(by_loop))


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_long_sequence(kind):
    problem = Problem(np.random.default_rng(0), kind, 2, 100, 3, 4, 2, both=True)
    for a in problem.params.values():
        a *= 0.5
    agree(problem.ours(), problem.torchs(by_module))


@pytest.mark.referee("seqlib.recurrent.recurrent_backward", by="finite differences")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mask", MASKS)
def test_finite_differences(kind, mask):
    rng = np.random.default_rng(11)
    problem = Problem(rng, kind, 2, 3, 2, 3, 2, True, mask=mask)
    names = list(problem.params)

    def loss(x, state, *weights):
        params = dict(zip(names, weights, strict=True))
        y, last, _ = recurrent(kind, x, tuple(state), params, problem.mask)
        return np.sum(y * problem.dy) + np.sum(np.stack(last) * problem.dstate)

    inputs = [problem.x, problem.state, *problem.params.values()]
    _, _, dx, dfirst, grads = problem.ours()
    for i, grad in enumerate([dx, dfirst, *grads.values()]):
        close(by_differences(loss, inputs, i), grad, 1e-6, scale=1)


@given(**{k: PROBLEMS[k] for k in ("seed", "kind", "sizes", "layers", "both", "mask")})
def test_what_stands_in_the_padding_never_matters(
    seed, kind, sizes, layers, both, mask
):
    rng = np.random.default_rng(seed)
    problem = Problem(rng, kind, *sizes, layers, both, mask=mask)
    if problem.mask is None:
        return
    for A in LIBRARIES.values():
        results = []
        for junk in (1, np.nan, np.inf, -1e300):
            problem.x[~problem.mask] = problem.dy[~problem.mask] = junk
            results.append(problem.ours(A))
            agree(results[-1], results[0], within=0)
    y, _, dx, *_ = problem.ours()
    assert (y[~problem.mask] == 0).all()
    assert (dx[~problem.mask] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_nan_in_the_padding_does_not_reach_autograd(kind):
    problem = Problem(np.random.default_rng(3), kind, 3, 5, 2, 3, 2, True, mask="right")
    clean = problem.ours()
    problem.x[~problem.mask] = np.nan
    x, state = torch.tensor(problem.x), torch.tensor(problem.state)
    params = {k: torch.tensor(a) for k, a in problem.params.items()}
    inputs = [x, state, *params.values()]
    for tensor in inputs:
        tensor.requires_grad_(True)
    y, last, _ = recurrent(kind, x, tuple(state), params, torch.tensor(problem.mask))
    last = torch.stack(last)
    douts = [torch.tensor(problem.dy), torch.tensor(problem.dstate)]
    dx, dfirst, *grads = by_autograd([y, last], douts, inputs)
    agree((y, last, dx, dfirst, dict(zip(params, grads, strict=True))), clean)


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_is_held_on_padding(kind):
    rng = np.random.default_rng(5)
    problem = Problem(rng, kind, 3, 4, 2, 3, 2, True, mask="one empty")
    empty = np.flatnonzero(~problem.mask.any(axis=1))[0]
    y, last, dx, dfirst, _ = problem.ours()
    np.testing.assert_array_equal(last[:, :, empty], problem.state[:, :, empty])
    np.testing.assert_array_equal(dfirst[:, :, empty], problem.dstate[:, :, empty])
    assert not y[empty].any()
    assert not dx[empty].any()


@pytest.mark.parametrize(
    ("kind", "build", "name"),
    [
        ("rnn", _recurrent._simple, "tanh"),
        ("rnn_relu", _recurrent._simple, "relu"),
        ("rnn_logistic", _recurrent._simple, "logistic"),
        ("gru", _recurrent._gated, "after"),
        ("gru_before", _recurrent._gated, "before"),
    ],
)
def test_cells_built_anew_are_those_of_the_table(kind, build, name):
    def plain(cell):
        return [(p.func, p.args, p.keywords) if hasattr(p, "func") else p for p in cell]

    assert plain(build(name)) == plain(CELLS[kind])


def test_what_nobody_wants_is_not_computed(monkeypatch):
    back, wanted = _recurrent.scan_backward, []
    monkeypatch.setattr(
        _recurrent, "scan_backward", lambda *a: wanted.append(a[-1]) or back(*a)
    )
    params = init_params("rnn", 2, 3, num_layers=2)
    y, _, cache = recurrent("rnn", np.ones((1, 2, 2)), None, params)
    recurrent_backward(y, None, cache, input_gradient=False)
    assert wanted == [True, False]  # from the last layer to the first


def test_a_mask_of_ones_changes_nothing():
    problem = Problem(np.random.default_rng(5), "rnn", 3, 4, 2, 3, 2, True)
    without = problem.ours()
    problem.mask = np.ones((3, 4), bool)
    agree(problem.ours(), without, within=1e-15)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "gru_before"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("both", [False, True])
def test_without_the_gradient_at_the_input(mask, both, kind):
    problem = Problem(np.random.default_rng(9), kind, 2, 4, 3, 2, 2, both, mask=mask)
    y, last, dx, dfirst, grads = problem.ours(input_gradient=False)
    assert dx is None
    y_, last_, dx_, dfirst_, grads_ = problem.ours()
    assert dx_ is not None
    agree((y, last, dx_, dfirst, grads), (y_, last_, dx_, dfirst_, grads_), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_none_inside_the_gradient_at_the_state_stands_for_zeros(kind):
    problem = Problem(np.random.default_rng(9), kind, 2, 4, 3, 2, 1)
    params = problem.params
    _, _, cache = recurrent(kind, problem.x, None, params)
    dx, _, grads = recurrent_backward(problem.dy, (None,) * CELLS[kind].states, cache)
    same, _, grads_ = recurrent_backward(problem.dy, None, cache)
    np.testing.assert_array_equal(dx, same)
    for name in params:
        np.testing.assert_array_equal(grads[name], grads_[name])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_float32_is_kept_and_nothing_changed(kind, library):
    rng = np.random.default_rng(4)
    problem = Problem(rng, kind, 3, 4, 2, 3, 2, True, mask="holes")
    wanted = problem.torchs(by_loop)
    A = LIBRARIES[library]
    passed = []

    def narrow(a):
        passed.append((A(a if a.dtype == bool else a.astype("f4")), a))
        return passed[-1][0]

    ours = problem.ours(narrow)
    agree(ours, wanted, within=1e-5)
    *arrays, grads = ours
    for array in (*arrays, *grads.values()):
        assert to_numpy(array).dtype == np.float32
        assert type(array) is type(A(np.ones(1)))
    for array, a in passed:
        np.testing.assert_array_equal(to_numpy(array), a.astype(to_numpy(array).dtype))


@pytest.mark.parametrize("mask", ["none", "holes"])
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_between_layers(kind, mask):
    rng = np.random.default_rng(2)
    problem = Problem(rng, kind, 3, 4, 2, 3, 3, True, mask=mask)
    params, first = problem.params, tuple(problem.state)

    def run(A, p=0.4, seed=0):
        weights = {k: A(a) for k, a in params.items()}
        arrays = A(problem.x), tuple(A(s) for s in first), weights
        mask = None if problem.mask is None else A(problem.mask)
        return arrays, recurrent(kind, *arrays, mask, p, np.random.default_rng(seed))

    _, (y, last, cache) = run(np.array)
    dx, dfirst, grads = recurrent_backward(problem.dy, tuple(problem.dstate), cache)

    tensors = LIBRARIES["torch"]
    (x, _, weights), _ = run(tensors)
    h = tensors(problem.state)
    inputs = [t.requires_grad_(True) for t in (x, h, *weights.values())]
    mask_ = None if problem.mask is None else tensors(problem.mask)
    y_, last_, _ = recurrent(
        kind, x, tuple(h), weights, mask_, 0.4, np.random.default_rng(0)
    )
    last_ = torch.stack(last_)
    douts = [tensors(problem.dy), tensors(problem.dstate)]
    dx_, dfirst_, *grads_ = by_autograd([y_, last_], douts, inputs)
    wanted = (y_, last_, dx_, dfirst_, dict(zip(weights, grads_, strict=True)))
    agree((y, np.stack(last), dx, np.stack(dfirst), grads), wanted)

    assert (run(np.array, seed=1)[1][0] != y).any()
    np.testing.assert_array_equal(run(np.array)[1][0], y)
    plain, _, _ = recurrent(kind, problem.x, first, params, problem.mask)
    np.testing.assert_array_equal(run(np.array, p=0.0)[1][0], plain)


def test_dropout_spares_a_single_layer():
    problem = Problem(np.random.default_rng(2), "rnn", 3, 4, 2, 3, 1)
    arguments = "rnn", problem.x, tuple(problem.state), problem.params
    y, _, _ = recurrent(*arguments, dropout=0.9, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(y, recurrent(*arguments)[0])


@pytest.mark.referee("seqlib.recurrent.recurrent", by="by hand")
def test_dropout_zeroes_whole_and_scales():
    """With W_ih = 1, no recurrence and relu, layer 2 shows what layer 1 let through."""
    params = {
        "weight_ih_l0": np.ones((1, 1)),
        "weight_hh_l0": np.zeros((1, 1)),
        "weight_ih_l1": np.ones((1, 1)),
        "weight_hh_l1": np.zeros((1, 1)),
    }
    rng = np.random.default_rng(0)
    y, _, _ = recurrent("rnn_relu", np.ones((50, 80, 1)), None, params, None, 0.25, rng)
    assert set(np.unique(y)) == {0, 1 / 0.75}
    assert y.mean() == pytest.approx(1, abs=0.03)


@pytest.mark.referee(
    "seqlib.recurrent.init_params", by="torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU"
)
@pytest.mark.parametrize("kind", KINDS)
def test_init_params_are_torchs(kind):
    Module = {"gru_before": torch.nn.GRU, **MODULES}.get(kind, torch.nn.RNN)
    for layers, both, bias in itertools.product(
        (1, 2, 3), (False, True), (False, True)
    ):
        params = init_params(kind, 5, 16, layers, both, np.random.default_rng(0), bias)
        module = Module(5, 16, layers, bias=bias, bidirectional=both)
        wanted = {k: tuple(a.shape) for k, a in module.state_dict().items()}
        assert {k: a.shape for k, a in params.items()} == wanted
        assert list(params) == list(wanted)
        values = np.concatenate([a.ravel() for a in params.values()])
        assert values.dtype == np.float64
        assert 0.24 < np.abs(values).max() < 0.25  # 1 / sqrt(16)
        assert abs(values.mean()) < 0.02
        again = init_params(kind, 5, 16, layers, both, np.random.default_rng(0), bias)
        for name, a in params.items():
            np.testing.assert_array_equal(a, again[name])
    assert (init_params(kind, 5, 16)["weight_ih_l0"] != params["weight_ih_l0"]).any()


def test_by_default_there_is_one_layer_with_biases():
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert list(init_params("rnn", 2, 3)) == names


def test_parameters_may_come_in_any_order():
    problem = Problem(np.random.default_rng(2), "rnn", 3, 4, 2, 3, 2, True)
    wanted = problem.ours()
    problem.params = dict(reversed(problem.params.items()))
    *some, grads = problem.ours()
    assert list(grads) == list(problem.params)
    agree((*some, {k: grads[k] for k in wanted[-1]}), wanted, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_inside_is_on_the_inputs_device(kind):
    """The device "meta" computes nothing, but refuses to be mixed with another."""
    drawn = init_params(kind, 4, 3, 2, True)
    params = {name: torch.tensor(a, device="meta") for name, a in drawn.items()}
    x = torch.ones(2, 5, 4, dtype=torch.float64, device="meta")
    mask = torch.ones(2, 5, dtype=torch.bool, device="meta")
    for given_mask in (None, mask):
        y, last, cache = recurrent(kind, x, None, params, given_mask)
        dx, dfirst, grads = recurrent_backward(None, None, cache)
        for array in (y, *last, dx, *dfirst, *grads.values()):
            assert array.device.type == "meta"
            assert array.dtype == torch.float64


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_gradients_share_their_memory(kind):
    rng = np.random.default_rng(3)
    params = init_params(kind, 2, 3, rng=rng)
    y, _, cache = recurrent(kind, rng.normal(size=(2, 4, 2)), None, params)
    _, _, grads = recurrent_backward(y, None, cache)
    for one, other in itertools.combinations(grads.values(), 2):
        assert not np.shares_memory(one, other)
