"""Positions against their formulas in complex numbers, autograd and differences."""

import array_api_compat
import numpy as np
import pytest
import torch
from comparing import LIBRARIES, by_autograd, by_differences, close, label, to_numpy
from hypothesis import given
from hypothesis import strategies as st

from seqlib import positions as ours
from seqlib.functional import embedding
from seqlib.positions import learned, rotary, sinusoidal

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 5)
LEADS = st.sampled_from([(), (1,), (3,), (2, 3)])


def sinusoidal_case(rng, lead, T, half):
    base = float(rng.choice([100.0, 10000.0]))

    def torchs(p):
        f = base ** (-torch.arange(half).double() / half)
        wave = torch.polar(torch.ones(*p.shape, half).double(), p[..., None] * f)
        return torch.view_as_real(1j * wave.conj()).flatten(-2)

    inputs = [20 * rng.normal(size=(*lead, T))]
    return (
        inputs,
        lambda p: sinusoidal(p, 2 * half, base),
        lambda d, cache: (ours.sinusoidal_backward(d, cache),),
        torchs,
    )


def learned_case(rng, lead, T, half):
    start, more = int(rng.integers(3)), int(rng.integers(3))
    inputs = [
        rng.normal(size=(*lead, T, half)),
        rng.normal(size=(start + T + more, half)),
    ]

    def torchs(x, weight):
        ids = torch.arange(start, start + T)
        return x + torch.nn.functional.embedding(ids, weight)

    return inputs, lambda x, w: learned(x, w, start), ours.learned_backward, torchs


def rotary_case(layout, which):
    def case(rng, lead, T, half):
        base = float(rng.choice([100.0, 10000.0]))
        shape = {"none": None, "(T,)": (T,), "all": (*lead, T), "1": (1,) * len(lead)}
        shape = (*lead[:-1], 1, T) if which == "heads" and lead else shape.get(which)
        inputs = [rng.normal(size=(*lead, T, 2 * half))]
        if shape is not None:
            inputs.append(5 * rng.normal(size=shape))

        def torchs(x, p=None):
            """Multiply complex numbers by exp(i p f)."""
            p = torch.arange(T).double() if p is None else p
            f = base ** (-torch.arange(half).double() / half)
            wave = torch.polar(torch.ones(*p.shape, half).double(), p[..., None] * f)
            if layout == "halves":
                z = torch.complex(x[..., :half], x[..., half:]) * wave
                return torch.cat([z.real, z.imag], -1)
            z = torch.view_as_complex(x.unflatten(-1, (half, 2)).contiguous()) * wave
            return torch.view_as_real(z).flatten(-2)

        def back(dout, cache):
            return tuple(g for g in ours.rotary_backward(dout, cache) if g is not None)

        return inputs, lambda x, p=None: rotary(x, p, layout, base), back, torchs

    return case


CASES = {"sinusoidal": sinusoidal_case, "learned": learned_case} | {
    f"rotary {layout} {which}": rotary_case(layout, which)
    for layout in ("interleaved", "halves")
    for which in ("none", "(T,)", "all", "heads", "1")
}


@pytest.mark.referee(
    "seqlib.positions.sinusoidal", "seqlib.positions.rotary", by="torch.polar"
)
@pytest.mark.referee("seqlib.positions.learned", by="torch.nn.functional.embedding")
@pytest.mark.referee(
    "seqlib.positions.sinusoidal_backward",
    "seqlib.positions.learned_backward",
    "seqlib.positions.rotary_backward",
    by="torch autograd, finite differences",
)
@pytest.mark.parametrize("name", CASES)
@given(lead=LEADS, T=SIZES, half=st.integers(1, 4), seed=SEEDS)
def test_forward_and_backward_in_float64(name, lead, T, half, seed):
    rng = np.random.default_rng(seed)
    inputs, f, back, torchs = CASES[name](rng, lead, T, half)
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    wanted = torchs(*tensors)
    dout = rng.normal(size=tuple(wanted.shape))
    grads = by_autograd([wanted], [torch.tensor(dout)], tensors)
    for A in LIBRARIES.values():
        arrays = [A(a) for a in inputs]
        out, cache = f(*arrays)
        close(out, wanted, scale=1 + wanted.abs().max().item())
        for grad, right in zip(back(A(dout), cache), grads, strict=True):
            assert type(grad) is type(arrays[0])
            close(grad, right, scale=1 + right.abs().max().item())
        for array, copy in zip(arrays, inputs, strict=True):
            np.testing.assert_array_equal(to_numpy(array), copy)

    def loss(*arrays):
        return np.sum(f(*arrays)[0] * dout)

    for i, right in enumerate(grads):
        scale = 1 + right.abs().max().item()
        close(by_differences(loss, inputs, i), right, 1e-6, scale=scale)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_float32_is_kept_and_autograd_runs_through(name, library):
    A = LIBRARIES[library]
    inputs, f, back, torchs = CASES[name](np.random.default_rng(0), (2,), 3, 2)
    arrays = [A(a.astype("f4")) for a in inputs]
    out, cache = f(*arrays)
    wanted = torchs(*map(torch.tensor, inputs))
    close(out, wanted, 1e-5, scale=1 + wanted.abs().max().item())
    grads = back(out, cache)
    for array in (out, *grads):
        assert array.dtype == array_api_compat.array_namespace(array).float32
    if library == "torch":
        tensors = [a.requires_grad_() for a in arrays]
        rights = by_autograd([f(*tensors)[0]], [out], tensors)
        for grad, right in zip(grads, rights, strict=True):
            close(grad, right, 1e-4, scale=1 + right.abs().max().item())


@pytest.mark.referee("seqlib.positions.sinusoidal", by="by hand")
def test_the_papers_formula():
    table, _ = sinusoidal(np.arange(7.0), 6)
    for pos in range(7):
        for i in range(3):
            angle = pos / 10000 ** (2 * i / 6)
            assert table[pos, 2 * i] == pytest.approx(np.sin(angle), abs=1e-15)
            assert table[pos, 2 * i + 1] == pytest.approx(np.cos(angle), abs=1e-15)


@given(p=st.integers(0, 300), shift=st.integers(-100, 100), seed=SEEDS)
def test_a_shift_turns_each_pair(p, shift, seed):
    """One matrix for each shift, whatever the position; not so with a token added."""
    D = 8
    angle = shift * 10000 ** (-2 * np.arange(D // 2) / D)
    before, after = sinusoidal(np.array([p, p + shift], float), D)[0]
    sines, cosines = before[::2], before[1::2]
    turned = sines * np.cos(angle) + cosines * np.sin(angle)
    np.testing.assert_allclose(after[::2], turned, rtol=0, atol=1e-12)
    turned = cosines * np.cos(angle) - sines * np.sin(angle)
    np.testing.assert_allclose(after[1::2], turned, rtol=0, atol=1e-12)
    token = 1 + np.random.default_rng(seed).random(D)
    if shift:
        kept = np.hypot(*(before + token).reshape(-1, 2).T)
        now = np.hypot(*(after + token).reshape(-1, 2).T)
        assert np.abs(kept - now).max() > 1e-6


@pytest.mark.parametrize("layout", ours.LAYOUTS)
@given(
    m=st.integers(0, 500), n=st.integers(0, 500), shift=st.integers(0, 500), seed=SEEDS
)
def test_products_depend_on_the_difference_alone(layout, m, n, shift, seed):
    q, k = np.random.default_rng(seed).normal(size=(2, 1, 8))

    def product(m, n):
        at = (np.array([float(p)]) for p in (m, n))
        a, b = (rotary(x, p, layout)[0] for x, p in zip((q, k), at, strict=True))
        return float(a[0] @ b[0])

    assert product(m, n) == pytest.approx(product(m + shift, n + shift), abs=1e-10)
    assert product(m, m) == pytest.approx(float(q[0] @ k[0]), abs=1e-10)
    if m != n:
        assert product(m, n) != pytest.approx(product(n, m), abs=1e-10)
        assert abs(product(m, n) - product(m, m)) > 1e-10


@pytest.mark.parametrize("layout", ours.LAYOUTS)
def test_layouts_differ_by_an_order_of_the_entries(layout):
    x = np.random.default_rng(0).normal(size=(3, 6))
    order = np.array([0, 2, 4, 1, 3, 5])
    interleaved, _ = rotary(x)
    halves, _ = rotary(x[:, order], layout="halves")
    np.testing.assert_allclose(interleaved[:, order], halves, rtol=1e-15)
    assert np.abs(rotary(x, layout="halves")[0] - interleaved).max() > 0.1
    length = np.linalg.norm(rotary(x, layout=layout)[0], axis=1)
    np.testing.assert_allclose(length, np.linalg.norm(x, axis=1))  # a turn keeps it


def test_a_layer_goes_on_where_the_last_call_ended():
    x = np.random.default_rng(0).normal(size=(2, 5, 4))
    weight = np.random.default_rng(1).normal(size=(6, 4))
    whole, _ = learned(x, weight)
    np.testing.assert_array_equal(learned(x[:, 3:], weight, 3)[0], whole[:, 3:])
    np.testing.assert_array_equal(whole, x + embedding(np.arange(5), weight)[0])
    whole, _ = rotary(x)
    np.testing.assert_array_equal(rotary(x[:, 3:], np.array([3.0, 4]))[0], whole[:, 3:])


def test_what_is_made_inside_is_on_the_inputs_device():
    x = torch.ones(2, 3, 4, device="meta")
    for out, cache, back in (
        (*sinusoidal(x[0, :, 0], 4), ours.sinusoidal_backward),
        (*learned(x, x[0], 0), ours.learned_backward),
        (*rotary(x), ours.rotary_backward),
    ):
        back(out, cache)
        assert out.device.type == "meta"


X, W = np.ones((2, 3, 4)), np.ones((5, 4))
P = np.arange(3.0)
SENTENCES = [
    (
        sinusoidal,
        ([1.0], 4),
        "positions must be an array (of numpy or torch), got list",
    ),
    (sinusoidal, (np.arange(3), 4), "positions must hold floats, got int64"),
    (sinusoidal, (P[:0], 4), "positions must not be empty, got shape (0,)"),
    (sinusoidal, (P, 5), "dim must be even, got 5"),
    (sinusoidal, (P, 0), "dim must be at least 2, got 0"),
    (sinusoidal, (P, 4.0), "dim must be a whole number, got 4.0"),
    (sinusoidal, (P, 4, 0.5), "base must be at least 1, got 0.5"),
    (sinusoidal, (P, 4, "e"), "base must be a number, got 'e'"),
    (learned, (X.tolist(), W), "x must be an array (of numpy or torch), got list"),
    (learned, (X, None), "weight must be an array (of numpy or torch), got NoneType"),
    (learned, (X[0, 0], W), "x must have shape (..., T, D=4), got (4,)"),
    (learned, (X, W[:, :3]), "x must have shape (..., T, D=3), got (2, 3, 4)"),
    (learned, (X, W[:2]), "weight must hold start + T = 3 positions, got 2"),
    (learned, (X, W, 3), "weight must hold start + T = 6 positions, got 5"),
    (learned, (X, W, -1), "start must be at least 0, got -1"),
    (learned, (X, W, 1.0), "start must be a whole number, got 1.0"),
    (learned, (X, W.astype("f4")), "x must hold float32 as weight does, got float64"),
    (learned, (torch.tensor(X), W), "x must come from numpy as weight does, got torch"),
    (rotary, (X.tolist(),), "x must be an array (of numpy or torch), got list"),
    (rotary, (X[0, 0],), "x must have shape (..., T, D), got (4,)"),
    (rotary, (X > 0,), "x must hold floats, got bool"),
    (rotary, (X[..., :3],), "D of x must be even, got 3"),
    (rotary, (X[..., :1],), "D of x must be at least 2, got 1"),
    (rotary, (X, np.arange(3)), "positions must hold floats, got int64"),
    (rotary, (X, P[:2]), "positions must broadcast to (2, 3), got (2,)"),
    (
        rotary,
        (X, np.ones((1, 2, 3))),
        "positions must broadcast to (2, 3), got (1, 2, 3)",
    ),
    (rotary, (X, P.astype("f4")), "positions must hold float64 as x does, got float32"),
    (rotary, (X, torch.tensor(P)), "positions must come from numpy as x does, got "),
    (rotary, (X, P, "quarters"), "layout must be one of 'interleaved', 'halves', got "),
    (rotary, (X, P, "halves", 0), "base must be at least 1, got 0"),
]


@pytest.mark.parametrize(("f", "arguments", "sentence"), SENTENCES, ids=label)
def test_sentence(f, arguments, sentence):
    with pytest.raises((ValueError, TypeError)) as caught:
        f(*arguments)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("f", "back", "arguments"),
    [
        (sinusoidal, ours.sinusoidal_backward, (P, 4)),
        (learned, ours.learned_backward, (X, W)),
        (rotary, ours.rotary_backward, (X, P)),
    ],
)
def test_gradients_that_do_not_fit(f, back, arguments):
    out, cache = f(*arguments)
    like = "as the forward pass does, got"
    for wrong, error, what in (
        (out[..., None], ValueError, f"have shape {out.shape}, got"),
        (out[..., :1], ValueError, f"have shape {out.shape}, got"),
        (None, TypeError, "be an array (of numpy or torch), got NoneType"),
        (out.astype("f4"), ValueError, f"hold float64 {like} float32"),
        (torch.tensor(out), ValueError, f"come from numpy {like} torch"),
    ):
        with pytest.raises(error) as caught:
            back(wrong, cache)
        assert str(caught.value).startswith(f"dout must {what}")


@pytest.mark.parametrize("function", [sinusoidal, rotary])
def test_the_base_is_ten_thousand_unless_said(function):
    x = np.random.default_rng(5).normal(size=(7, 6))
    given = (np.arange(7.0), 6) if function is sinusoidal else (x,)
    unsaid, said = function(*given)[0], function(*given, base=10000.0)[0]
    np.testing.assert_array_equal(unsaid, said)
