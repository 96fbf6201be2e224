"""The diagonal layer in three forms against scipy, complex autograd and a loop."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import _linear_scan
from seqlib import diagonal_ssm as ours
from seqlib.diagonal_ssm import _layer, diagonal_ssm, diagonal_ssm_backward

SIZES = st.integers(1, 4)
SEEDS = st.integers(0, 2**32 - 1)
FORMS = ("recurrence", "convolution", "scan")


def draw(rng, N=3, D=2, O=2, real=False, through=True):
    sizes = {"log_decay": (N,), "angle": (N,), "B_re": (N, D), "B_im": (N, D)}
    sizes |= {"C_re": (O, N), "C_im": (O, N), "D": (O, D)}
    dropped = {"angle", "B_im", "C_im"} if real else set()
    dropped |= set() if through else {"D"}
    return {k: rng.normal(size=s) for k, s in sizes.items() if k not in dropped}


def whole(params):
    """Return a, B, C, D as complex numbers, of numpy or torch."""
    ν, zero = params["log_decay"], 0 * params["log_decay"]
    e = torch.exp if isinstance(ν, torch.Tensor) else np.exp
    a = e(-e(ν) + 1j * params.get("angle", zero))
    B = params["B_re"] + 1j * params.get("B_im", 0 * params["B_re"])
    C = params["C_re"] + 1j * params.get("C_im", 0 * params["C_re"])
    return a, B, C, params.get("D", 0.0 * (C @ B).real)


def by_loop(x, params, re, im):
    """In torch's complex numbers, step by step: y, and the last state's two parts."""
    a, B, C, D = whole(params)
    h, ys = torch.complex(re, im), []
    for x_t in x.unbind(1):
        h = a * h + x_t.to(B.dtype) @ B.T
        ys.append((h @ C.T).real + x_t @ D.T)
    return torch.stack(ys, 1), h.real, h.imag


@pytest.mark.referee(
    "seqlib.diagonal_ssm.diagonal_ssm",
    "seqlib.diagonal_ssm.diagonal_ssm_backward",
    by="torch autograd",
)
@pytest.mark.parametrize("form", FORMS)
@given(
    sizes=st.tuples(SIZES, st.integers(1, 9), SIZES, SIZES, SIZES),
    real=st.booleans(),
    through=st.booleans(),
    with_state=st.booleans(),
    seed=SEEDS,
)
def test_forward_and_backward(form, sizes, real, through, with_state, seed):
    rng = np.random.default_rng(seed)
    B, T, D, N, O = sizes
    params, x = draw(rng, N, D, O, real, through), rng.normal(size=(B, T, D))
    state = [rng.normal(size=(B, N)) * with_state for _ in range(2)]
    if real:
        state[1] = np.zeros((B, N))
    tensors = {name: torch.tensor(a, requires_grad=True) for name, a in params.items()}
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, *state)]
    wanted = by_loop(leaves[0], tensors, *leaves[1:])
    douts = [rng.normal(size=tuple(w.shape)) for w in wanted]
    inputs = [*leaves, *tensors.values()]
    grads = by_autograd(wanted, [torch.tensor(d) for d in douts], inputs)
    for A in LIBRARIES.values():
        first = tuple(A(s) for s in state) if with_state else None
        arrays = {name: A(a) for name, a in params.items()}
        y, last, cache = diagonal_ssm(A(x), arrays, first, form)
        for got, w in zip((y, *last), wanted, strict=True):
            close(got, w, 1e-12, scale=1 + w.abs().max().item())
        dy, *dlast = (A(d) for d in douts)
        dx, of_params, dfirst = diagonal_ssm_backward(dy, tuple(dlast), cache)
        assert list(of_params) == list(params)
        assert (dfirst is None) == (not with_state)
        back = [dx, *(dfirst or (None, None)), *of_params.values()]
        for got, w in zip(back, grads, strict=True):
            if got is not None:
                close(got, w, 1e-11, scale=1 + w.abs().max().item())


@pytest.mark.referee(
    "seqlib.diagonal_ssm.diagonal_ssm_backward", by="finite differences"
)
@pytest.mark.parametrize("form", FORMS)
def test_finite_differences(form):
    rng = np.random.default_rng(1)
    x, params = rng.normal(size=(2, 5, 2)), draw(rng)
    state = tuple(rng.normal(size=(2, 3)) for _ in range(2))
    dy, dre, dim = (rng.normal(size=s) for s in ((2, 5, 2), (2, 3), (2, 3)))

    def loss(x, re, im, *values):
        of = dict(zip(params, values, strict=True))
        y, last, _ = diagonal_ssm(x, of, (re, im), form)
        return np.sum(y * dy) + np.sum(last[0] * dre) + np.sum(last[1] * dim)

    _, _, cache = diagonal_ssm(x, params, state, form)
    dx, grads, dstate = diagonal_ssm_backward(dy, (dre, dim), cache)
    inputs = [x, *state, *params.values()]
    for i, grad in enumerate((dx, *dstate, *grads.values())):
        close(by_differences(loss, inputs, i), grad, 1e-6)


@pytest.mark.referee("seqlib.diagonal_ssm.diagonal_ssm", by="scipy.signal.lfilter")
@pytest.mark.parametrize("form", FORMS)
def test_every_state_is_a_filter(form):
    rng = np.random.default_rng(2)
    params, x = draw(rng, N=4, D=1, O=1), rng.normal(size=(1, 200, 1))
    params["log_decay"] -= 4  # long memory: |a| near 1
    a, B, C, D = whole(params)
    wanted = D[0, 0] * x[0, :, 0]
    for n in range(4):
        h = scipy.signal.lfilter([B[n, 0]], [1, -a[n]], x[0, :, 0])
        wanted = wanted + (C[0, n] * h).real
    y, _, _ = diagonal_ssm(x, params, form=form)
    close(y[0, :, 0], wanted, 1e-11)


@pytest.mark.referee("seqlib.diagonal_ssm.diagonal_ssm", by="scipy.signal.dlsim")
@pytest.mark.parametrize("form", FORMS)
def test_it_is_a_linear_system_of_rotations(form):
    rng = np.random.default_rng(3)
    params, x = draw(rng, N=3, D=2, O=3), rng.normal(size=(1, 50, 2))
    a, B, C, D = whole(params)
    state = rng.normal(size=3) + 1j * rng.normal(size=3)
    turn = [np.array([[z.real, -z.imag], [z.imag, z.real]]) for z in a]
    A2 = scipy.linalg.block_diag(*turn)
    B2 = np.stack([B.real, B.imag], 1).reshape(6, 2)
    C2 = np.stack([C.real, -C.imag], 2).reshape(3, 6)
    # scipy reads the state before the input has moved it: y_t = C (A h_{t-1} + B x_t).
    system = scipy.signal.dlti(A2, B2, C2 @ A2, C2 @ B2 + D, dt=1)
    first = np.stack([state.real, state.imag], 1).reshape(6)
    _, wanted, _ = scipy.signal.dlsim(system, x[0], x0=first)
    y, _, _ = diagonal_ssm(x, params, (state.real[None], state.imag[None]), form)
    close(y[0], wanted, 1e-12)


@pytest.mark.parametrize("T", [1, 2, 7, 64, 100])
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_three_forms_are_equal(T, library):
    rng, A = np.random.default_rng(4), LIBRARIES[library]
    params = {k: A(v) for k, v in ours.init_params("lru", 3, 5, 2, rng).items()}
    x, dy = A(rng.normal(size=(2, T, 3))), A(rng.normal(size=(2, T, 2)))
    state = tuple(A(rng.normal(size=(2, 5))) for _ in range(2))
    found = []
    for form in FORMS:
        y, last, cache = diagonal_ssm(x, params, state, form)
        dx, grads, dstate = diagonal_ssm_backward(dy, None, cache)
        found.append((y, *last, dx, *dstate, *grads.values()))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            close(one, two, 1e-12, scale=1 + np.abs(to_numpy(one)).max())


RUNS = {  # there, and back
    "recurrence": (["_loop"], ["_loop"]),
    "convolution": (["_convolution"], ["_scan", "_scan"]),
    "scan": (["_scan"], ["_scan"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_asked_for_is_the_one_that_runs(form, monkeypatch):
    ran = []

    def note(module, name):
        f = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *call: ran.append(name) or f(*call))

    note(_linear_scan, "_loop")
    note(_linear_scan, "_scan")
    note(_layer, "_convolution")
    _, _, cache = diagonal_ssm(**good(), form=form)
    there = ran.copy()
    ran.clear()
    diagonal_ssm_backward(None, None, cache)
    assert (there, ran) == RUNS[form]


def test_the_convolution_does_not_wrap():
    params = draw(np.random.default_rng(5), real=True, through=False)
    params["log_decay"] = np.full(3, -20.0)  # never forgets
    x = np.zeros((1, 8, 2))
    x[0, 5] = 1  # a late input
    y, _, _ = diagonal_ssm(x, params, form="convolution")
    assert np.abs(y[0, :5]).max() < 1e-14 * np.abs(y).max()


def test_a_sequence_in_two_parts_is_the_same_sequence():
    rng = np.random.default_rng(6)
    params, x = draw(rng), rng.normal(size=(2, 9, 2))
    for form in FORMS:
        y, last, _ = diagonal_ssm(x, params, form=form)
        early, state, _ = diagonal_ssm(x[:, :4], params, form=form)
        late, end, _ = diagonal_ssm(x[:, 4:], params, state, form)
        close(np.concatenate([early, late], 1), y)
        close(np.stack(end), np.stack(last))


def test_it_is_stable_whatever_the_parameters():
    rng = np.random.default_rng(7)
    params, x = draw(rng), np.ones((1, 4000, 2))
    for ν in (-50.0, 0.0, 30.0):
        params["log_decay"] = np.full(3, ν)
        y, _, cache = diagonal_ssm(x, params)
        dx, grads, _ = diagonal_ssm_backward(np.ones_like(y), None, cache)
        assert all(np.isfinite(a).all() for a in (y, dx, *grads.values()))


@pytest.mark.referee("seqlib.diagonal_ssm.ssm_kernel", by="by hand")
@pytest.mark.referee("seqlib.diagonal_ssm.ssm_kernel_backward", by="torch autograd")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("real", [False, True])
def test_the_kernel(library, real):
    rng, A = np.random.default_rng(8), LIBRARIES[library]
    params, dK = draw(rng, 3, 2, 4, real), rng.normal(size=(6, 4, 2))
    tensors = {name: torch.tensor(p, requires_grad=True) for name, p in params.items()}
    a, B, C, _ = whole(tensors)
    wanted = torch.stack([(C @ torch.diag(a**l) @ B).real for l in range(6)])
    K, cache = ours.ssm_kernel({name: A(p) for name, p in params.items()}, 6)
    close(K, wanted)
    grads = by_autograd([wanted], [torch.tensor(dK)], list(tensors.values()))
    back = ours.ssm_kernel_backward(A(dK), cache)
    assert list(back) == list(params)
    for name, w in zip(params, grads, strict=True):
        close(back[name], w, 1e-12, scale=1 + w.abs().max().item())


@pytest.mark.referee(
    "seqlib.diagonal_ssm.zero_order_hold", by="scipy.signal.cont2discrete"
)
def test_zero_order_hold():
    rng = np.random.default_rng(9)
    ν, ω, log_step = rng.normal(size=3), rng.normal(size=3), rng.normal(size=3)
    B = rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))
    out, _ = ours.zero_order_hold(ν, ω, B.real, B.imag, log_step)
    a = np.exp(-np.exp(out[0]) + 1j * out[1])
    for n in range(3):
        z = -np.exp(ν[n]) + 1j * ω[n]
        turn = np.array([[z.real, -z.imag], [z.imag, z.real]])
        b = np.stack([B[n].real, B[n].imag])
        system = turn, b, np.eye(2), np.zeros((2, 2))
        Ad, Bd, *_ = scipy.signal.cont2discrete(system, np.exp(log_step[n]), "zoh")
        close(np.array([a[n].real, a[n].imag]), Ad[:, 0])
        close(np.stack([out[2][n], out[3][n]]), Bd)


@pytest.mark.referee(
    "seqlib.diagonal_ssm.zero_order_hold_backward", by="torch autograd"
)
@pytest.mark.parametrize("library", LIBRARIES)
@given(seed=SEEDS, N=SIZES, D=SIZES)
def test_zero_order_hold_backward(library, seed, N, D):
    rng, A = np.random.default_rng(seed), LIBRARIES[library]
    arrays = [rng.normal(size=s) for s in ((N,), (N,), (N, D), (N, D), (N,))]
    ν, ω, re, im, log_step = (torch.tensor(a, requires_grad=True) for a in arrays)
    continuous, step = torch.complex(-ν.exp(), ω), log_step.exp()
    F = (torch.exp(step * continuous) - 1) / continuous
    held = F[:, None] * torch.complex(re, im)
    wanted = ν + log_step, ω * step, held.real, held.imag
    douts = [rng.normal(size=tuple(w.shape)) for w in wanted]
    inputs = [ν, ω, re, im, log_step]
    grads = by_autograd(wanted, [torch.tensor(d) for d in douts], inputs)
    out, cache = ours.zero_order_hold(*(A(a) for a in arrays))
    for got, w in zip(out, wanted, strict=True):
        close(got, w, 1e-12, scale=1 + w.abs().max().item())
    back = ours.zero_order_hold_backward(tuple(A(d) for d in douts), cache)
    for got, w in zip(back, grads, strict=True):
        close(got, w, 1e-11, scale=1 + w.abs().max().item())


def test_a_small_step_loses_no_digits():
    ν, ω, B = np.array([0.0]), np.array([3.0]), np.ones((1, 1))
    for log_step in (-1.0, -20.0, -40.0):
        out, _ = ours.zero_order_hold(ν, ω, B, 0 * B, np.array([log_step]))
        Δ, z = math.exp(log_step), -1 + 3j
        series = sum((Δ * z) ** k / math.factorial(k + 1) for k in range(30)) * Δ
        found = complex(out[2][0, 0], out[3][0, 0])
        assert abs(found - series) < 1e-14 * abs(series)


@pytest.mark.referee("seqlib.diagonal_ssm.s4d_legs", by="numpy.linalg.eigvals")
def test_legs_is_the_normal_part_of_hippo():
    n = np.arange(12)
    below = np.tril(np.sqrt(np.outer(2 * n + 1, 2 * n + 1)), -1)
    A = -(below + np.diag(n + 1.0))  # HiPPO-LegS, Gu et al. (2020)
    P = np.sqrt(n + 0.5)
    eigenvalues = np.linalg.eigvals(A + np.outer(P, P))
    np.testing.assert_allclose(eigenvalues.real, -0.5, atol=1e-10)
    ν, ω = ours.s4d_legs(6)
    wanted = np.sort(eigenvalues.imag)[6:]
    np.testing.assert_allclose(ω, wanted, rtol=1e-10)
    np.testing.assert_allclose(-np.exp(ν), -0.5)


@pytest.mark.referee("seqlib.diagonal_ssm.s4d_lin", by="by hand")
def test_s4d_lin_by_hand():
    ν, ω = ours.s4d_lin(4)
    np.testing.assert_allclose(-np.exp(ν) + 1j * ω, -0.5 + 1j * np.pi * np.arange(4))


@pytest.mark.referee("seqlib.diagonal_ssm.lru_ring", by="by hand")
def test_the_ring_is_filled_evenly():
    ν, θ = ours.lru_ring(20000, np.random.default_rng(0), 0.5, 0.9, 3.0)
    r = np.exp(-np.exp(ν))
    assert 0.5 <= r.min() < 0.501
    assert 0.899 < r.max() <= 0.9
    middle = math.sqrt((0.5**2 + 0.9**2) / 2)  # half of the area lies inside
    assert np.mean(r < middle) == pytest.approx(0.5, abs=0.02)
    assert 0 <= θ.min() < 0.01
    assert 2.99 < θ.max() <= 3


@pytest.mark.parametrize("kind", ["s4d-lin", "s4d-legs", "lru"])
def test_what_is_drawn_fits(kind):
    params = ours.init_params(kind, 2, 5, 3, np.random.default_rng(0))
    again = ours.init_params(kind, 2, 5, 3, np.random.default_rng(0))
    assert all((params[k] == again[k]).all() for k in params)
    y, _, _ = diagonal_ssm(np.random.default_rng(1).normal(size=(2, 30, 2)), params)
    assert y.shape == (2, 30, 3)
    assert np.isfinite(y).all()


@pytest.mark.parametrize(
    ("kind", "eigenvalues"), [("s4d-lin", ours.s4d_lin), ("s4d-legs", ours.s4d_legs)]
)
def test_eigenvalues_and_a_b_of_ones_are_held_for_the_step(kind, eigenvalues):
    a, B, _, _ = whole(ours.init_params(kind, 2, 4, 3, step=(0.1, 0.1)))
    ν, ω = eigenvalues(4)
    A = -np.exp(ν) + 1j * ω
    close(a, np.exp(0.1 * A))
    close(B, np.stack([(np.exp(0.1 * A) - 1) / A] * 2, axis=1))


@pytest.mark.parametrize("step", [None, (0.5, 8.0)])
def test_the_logarithm_of_the_step_is_uniform(step):
    given = (np.random.default_rng(0), *([] if step is None else [step]))
    params = ours.init_params("s4d-lin", 1, 20000, 1, *given)
    low, high = step or (0.001, 0.1)
    place = np.log(np.exp(params["log_decay"]) / 0.5 / low) / np.log(high / low)
    assert 0 <= place.min() < 0.001
    assert 0.999 < place.max() <= 1 + 1e-12
    assert np.mean(place) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("kind", ["s4d-lin", "lru"])
def test_c_and_d_keep_the_variance(kind):
    drawn = ours.init_params(kind, 50, 800, 100, np.random.default_rng(0))
    sizes = {"C_re": math.sqrt(2 * 800), "C_im": math.sqrt(2 * 800), "D": math.sqrt(50)}
    for name, size in sizes.items():
        normal = size * drawn[name]
        assert np.std(normal) == pytest.approx(1, abs=0.03), name
        assert np.mean(normal) == pytest.approx(0, abs=0.05), name


@pytest.mark.parametrize("name", ["B", "C"])
def test_real_and_imaginary_parts_are_drawn_apart(name):
    drawn = ours.init_params("lru", 50, 800, 50, np.random.default_rng(0))
    re, im = drawn[f"{name}_re"].ravel(), drawn[f"{name}_im"].ravel()
    assert abs(np.corrcoef(re, im)[0, 1]) < 0.02


@pytest.mark.parametrize(
    ("kind", "uniform", "normal"),
    [
        ("s4d-lin", 5, 2 * 3 * 5 + 3 * 2),  # the steps; C, D
        ("s4d-legs", 5, 2 * 3 * 5 + 3 * 2),
        ("lru", 2 * 5, 2 * 5 * 2 + 2 * 3 * 5 + 3 * 2),  # radii, angles; B, C, D
    ],
)
def test_no_number_is_drawn_in_vain(kind, uniform, normal):
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    ours.init_params(kind, 2, 5, 3, rng)
    other.uniform(size=uniform)
    other.normal(size=normal)
    assert rng.uniform() == other.uniform()


@pytest.mark.parametrize("kind", ["s4d-lin", "s4d-legs", "lru"])
def test_without_a_generator_each_call_draws_anew(kind):
    one, two = (ours.init_params(kind, 2, 5, 3) for _ in range(2))
    for name in ("log_decay", "C_re", "C_im", "D"):
        assert (one[name] != two[name]).all()


def test_the_states_of_the_ring_have_the_inputs_variance():
    a, B, _, _ = whole(ours.init_params("lru", 2, 5000, 1, np.random.default_rng(0)))
    # White inputs: E |h|² = sum over lags and inputs of |a^l B|², a geometric series.
    variance = np.sum(np.abs(B) ** 2, axis=1) / (1 - np.abs(a) ** 2)
    assert np.mean(variance) == pytest.approx(1, abs=0.05)


def good():
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(2, 5, 2)), "params": draw(rng)}


def without(*names):
    return {k: v for k, v in good()["params"].items() if k not in names}


WRONG = {
    "form": (
        {"form": "fft"},
        ValueError,
        "form must be one of 'recurrence', 'convolution', 'scan', got 'fft'",
    ),
    "x": (
        {"x": np.ones((2, 5, 3))},
        ValueError,
        r"x must have shape \(B, T, D=2\), got \(2, 5, 3\)",
    ),
    "params": ({"params": []}, TypeError, "params must be a dict of arrays, got list"),
    "half real": (
        {"params": without("B_im")},
        ValueError,
        "params must hold B_im, which it lacks",
    ),
    "strange": (
        {"params": good()["params"] | {"E": np.ones(1)}},
        ValueError,
        "params must not hold E, unused here",
    ),
    "states": (
        {"params": good()["params"] | {"C_re": np.ones((2, 4))}},
        ValueError,
        r"C_re must have shape \(O, N=3\), got \(2, 4\)",
    ),
    "D and outputs": (
        {"params": good()["params"] | {"D": np.ones((3, 2))}},
        ValueError,
        r"^D must have shape \(O=2, D=2\), got \(3, 2\)",
    ),
    "D and inputs": (
        {"params": good()["params"] | {"D": np.ones((2, 3))}},
        ValueError,
        r"^D must have shape \(O=2, D=2\), got \(2, 3\)",
    ),
    "state": (
        {"state": np.ones((2, 3))},
        TypeError,
        "state must be a tuple of 2 arrays, got ndarray",
    ),
    "size of state": (
        {"state": (np.ones((2, 3)), np.ones((2, 4)))},
        ValueError,
        r"state\[1\] must have shape \(2, 3\), got \(2, 4\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_kind_errors(case):
    changed, error, sentence = WRONG[case]
    with pytest.raises(error, match=sentence):
        diagonal_ssm(**{**good(), **changed})


@pytest.mark.parametrize("name", ["input_size", "state_size", "output_size"])
def test_sizes_are_refused_by_their_names(name):
    sizes = {"input_size": 2, "state_size": 5, "output_size": 3} | {name: 0}
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0"):
        ours.init_params("lru", **sizes)


def test_more_kind_errors():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        ours.ssm_kernel(draw(rng), 0)
    with pytest.raises(ValueError, match="kind must be one of 's4d-lin', 's4d-legs',"):
        ours.init_params("s4", 1, 1, 1)
    with pytest.raises(ValueError, match=r"r_min must be at least 0 and at most 0\.5"):
        ours.lru_ring(3, rng, 0.9, 0.5)
    with pytest.raises(ValueError, match="r_min must be above 0, got 0"):
        ours.lru_ring(3, rng, 0, 0.5)
    with pytest.raises(TypeError, match=r"step must be two numbers, got 0\.1"):
        ours.init_params("s4d-lin", 1, 1, 1, rng, 0.1)
    with pytest.raises(ValueError, match=r"step\[0\] must be above 0, got 0"):
        ours.init_params("s4d-lin", 1, 1, 1, rng, (0, 1))
    with pytest.raises(ValueError, match="state_size must be at least 1, got 0"):
        ours.s4d_legs(0)
    with pytest.raises(TypeError, match="rng must be a numpy generator"):
        ours.lru_ring(3, 0)
    _, _, cache = diagonal_ssm(**good())
    with pytest.raises(ValueError, match=r"dstate\[0\] must have shape \(2, 3\)"):
        diagonal_ssm_backward(None, (np.ones((2, 2)), np.ones((2, 3))), cache)
    with pytest.raises(ValueError, match=r"dy must have shape \(2, 5, 2\)"):
        diagonal_ssm_backward(np.ones((2, 5, 3)), None, cache)
