"""The layer: y from x, in three forms, and one way back."""

from __future__ import annotations

from array_api_compat import device

from seqlib._arrays import Array, array_namespace
from seqlib._check import gradient, one_of, shapes, whole
from seqlib._complex import Pair, conj_times, exp, times
from seqlib._linear_scan import add_first, states
from seqlib._params import check_names, check_state

FORMS = ("recurrence", "convolution", "scan")
REAL = {"log_decay": "N", "B_re": "N D", "C_re": "O N"}
IMAGINARY = {"angle": "N", "B_im": "N D", "C_im": "O N"}


def diagonal_ssm(
    x: Array,
    params: dict[str, Array],
    state: Pair | None = None,
    form: str = "scan",
) -> tuple[Array, Pair, tuple]:
    """Run h_t = a ⊙ h_{t-1} + B x_t, y_t = Re(C h_t) + D x_t, a = exp(-exp(ν) + iθ).

    Parameters
    ----------
    x : (B, T, D)
    params : `log_decay` ν and `angle` θ (N,), so that ``|a| = exp(-exp(ν))`` < 1
        whatever they are; `B_re`, `B_im` (N, D), `C_re`, `C_im` (O, N), and `D` (O, D)
        or no `D`. Without `angle`, `B_im` and `C_im` the layer is real
    state : h before the first step, (real, imaginary), each (B, N); None for zeros
    form : "recurrence", a loop over T; "convolution", with `ssm_kernel`, by FFT, padded
        with zeros so that the end does not wrap round to the start; "scan", log T
        rounds for all steps at once. They are equal to rounding

    Returns
    -------
    y : (B, T, O)
    state : h after the last step
    cache : for `diagonal_ssm_backward`

    Raises
    ------
    ValueError, TypeError
        An argument does not fit; the sentence says what was expected and what came.

    Notes
    -----
    Equation (20.11) of the book, with complex numbers and a direct path D. Sources:
    Gu et al. (2022), "S4D", for the diagonal and its kernel; Smith, Warrington
    & Linderman (2023), "S5", for many inputs and the scan; Orvieto et al. (2023),
    "LRU", for the exponential form of a.
    """
    n = _check(params, x=(x, "B T D"))
    one_of("form", form, FORMS)
    if state is not None:
        check_state("state", state, 2, ("x", x), (n["B"], n["N"]))
    full = _full(params)
    u = x @ full["B_re"].T, x @ full["B_im"].T  # (B, T, N)
    first = _zeros(x, (n["B"], n["N"])) if state is None else state
    h = None
    if form == "convolution":
        y, last = _convolution(x, params, full, u, first)
    else:
        h = states(_decay(full), u, first, form)
        y, last = _read(h, full), (h[0][:, -1, :], h[1][:, -1, :])
    y = y + x @ params["D"].T if "D" in params else y
    return y, last, (x, params, full, u, first, h, form, state is None)


def diagonal_ssm_backward(
    dy: Array | None, dstate: Pair | None, cache: tuple
) -> tuple[Array, dict[str, Array], Pair | None]:
    """Gradients of `diagonal_ssm`: dx, grads as params, dstate at the first state.

    The gradient at the states runs backwards through the same recurrence with the
    conjugate of a, λ_t = C* dy_t + a* λ_{t+1}: in a loop if the forward pass was one,
    else by a scan. Then dB = sum λ_t x_t', dC = sum dy_t h_t*', da = sum λ_t h_{t-1}*.
    Equations (20.15) and (20.16) of the book. Shapes: dy (B, T, O), dstate a pair of
    (B, N), each None for zeros. Errors: a gradient does not fit.
    """
    x, params, full, u, first, h, form, none = cache
    xp, size = array_namespace(x), tuple(first[0].shape)
    shape = (*x.shape[:2], full["C_re"].shape[0])
    dy = _zeros(x, shape)[0] if dy is None else dy
    gradient("dy", dy, x, shape)
    dstate = _zeros(x, size) if dstate is None else dstate
    check_state("dstate", dstate, 2, ("x", x), size)
    form, a = "scan" if form == "convolution" else form, _decay(full)
    h = states(a, u, first, form) if h is None else h
    # Time runs backwards: what comes after the last step is the first "state".
    dh = xp.flip(dy @ full["C_re"], axis=1), -xp.flip(dy @ full["C_im"], axis=1)
    dh = add_first(dh, dstate)
    λ = states((a[0], -a[1]), dh, _zeros(x, size), form)
    λ = xp.flip(λ[0], axis=1), xp.flip(λ[1], axis=1)  # (B, T, N)
    before = [
        xp.concat([f[:, None, :], steps[:, :-1, :]], axis=1)
        for f, steps in zip(first, h, strict=True)
    ]
    rows_x, rows_y, re, im, λ_re, λ_im = (_rows(z) for z in (x, dy, *h, *λ))
    grads = {
        "B_re": λ_re.T @ rows_x,
        "B_im": λ_im.T @ rows_x,
        "C_re": rows_y.T @ re,
        "C_im": -(rows_y.T @ im),
        "D": rows_y.T @ rows_x,
    }
    da = conj_times((before[0], before[1]), λ)
    da = xp.sum(da[0], axis=(0, 1)), xp.sum(da[1], axis=(0, 1))
    grads |= _of_decay(conj_times(a, da), full)
    dx = λ[0] @ full["B_re"] + λ[1] @ full["B_im"]
    dx = dx + dy @ params["D"] if "D" in params else dx
    dfirst = None if none else conj_times(a, (λ[0][:, 0, :], λ[1][:, 0, :]))
    return dx, {name: grads[name] for name in params}, dfirst


def ssm_kernel(params: dict[str, Array], length: int) -> tuple[Array, tuple]:
    """Kernel of the convolution, K_l = Re(C a^l B), l = 0 to length - 1.

    From a state of zeros, y_t = sum_l K_l x_{t-l} + D x_t. Shapes: params as in
    `diagonal_ssm`; result (length, O, D). Errors: parameters do not fit one another;
    length is no whole number above 0. Equation (20.12) of the book. Source: Gu et al.
    (2022), section 2.
    """
    n = _check(params)
    whole("length", length, 1)
    xp, full = array_namespace(params["B_re"]), _full(params)
    powers = _powers(full, length)  # (N, length)
    B, C = _pair(full, "B"), _pair(full, "C")
    CB = times(
        (C[0].T[:, :, None], C[1].T[:, :, None]), (B[0][:, None, :], B[1][:, None, :])
    )
    flat = [xp.reshape(part, (n["N"], -1)) for part in CB]
    K = powers[0].T @ flat[0] - powers[1].T @ flat[1]
    K = xp.reshape(K, (length, n["O"], n["D"]))
    return K, (params, full, powers, flat)


def ssm_kernel_backward(dK: Array, cache: tuple) -> dict[str, Array]:
    """Gradients of `ssm_kernel`: a dict as params, `D` zeros; dK (length, O, D).

    With P_l = a^l, dν = sum_l -l exp(ν) Re(P_l* dP_l) and dθ = sum_l l Im(P_l* dP_l).
    """
    params, full, powers, flat = cache
    B, C = _pair(full, "B"), _pair(full, "C")
    xp, (O, N), L = array_namespace(B[0]), C[0].shape, powers[0].shape[1]
    gradient("dK", dK, B[0], (L, O, B[0].shape[1]))
    rows = xp.reshape(dK, (L, -1))
    dCB = [xp.reshape(P @ rows, (N, O, -1)) for P in (powers[0], -powers[1])]
    dP = flat[0] @ rows.T, -(flat[1] @ rows.T)  # (N, length)
    l = xp.arange(L, dtype=dK.dtype, device=device(dK))
    re, im = conj_times(powers, dP)
    grads = _of_decay((xp.sum(l * re, axis=1), xp.sum(l * im, axis=1)), full)
    dB = conj_times((C[0].T[:, :, None], C[1].T[:, :, None]), (dCB[0], dCB[1]))
    dC = conj_times((B[0][:, None, :], B[1][:, None, :]), (dCB[0], dCB[1]))
    for part, i in (("re", 0), ("im", 1)):
        grads[f"B_{part}"] = xp.sum(dB[i], axis=1)
        grads[f"C_{part}"] = xp.sum(dC[i], axis=2).T
    if "D" in params:
        grads["D"] = xp.zeros_like(params["D"])
    return {name: grads[name] for name in params}


def _convolution(
    x: Array, params: dict[str, Array], full: dict[str, Array], u: Pair, first: Pair
) -> tuple[Array, Pair]:
    """Return y without D, and the last state: K * x, and what is left of the first."""
    xp, T = array_namespace(x), x.shape[1]
    K, _ = ssm_kernel(params, T)  # (T, O, D)
    n = 2 * T  # at least 2T - 1 places, so that nothing wraps
    of_K, of_x = xp.fft.rfft(K, n=n, axis=0), xp.fft.rfft(x, n=n, axis=1)
    y = xp.fft.irfft((of_K @ of_x[..., None])[..., 0], n=n, axis=1)[:, :T, :]
    re, im = (P.T for P in _powers(full, T + 1))  # (T + 1, N)
    left = times((re[1:, :], im[1:, :]), (first[0][:, None, :], first[1][:, None, :]))
    age = xp.flip(re[:T, :], axis=0), xp.flip(im[:T, :], axis=0)
    new = times(age, u)
    last = [xp.sum(d, axis=1) + old[:, -1, :] for d, old in zip(new, left, strict=True)]
    return y + _read(left, full), (last[0], last[1])


def _powers(full: dict[str, Array], length: int) -> Pair:
    """Return a^l = exp(-l exp(ν)) (cos lθ + i sin lθ), l from 0, shape (N, length)."""
    ν, θ = full["log_decay"], full["angle"]
    xp = array_namespace(ν)
    l = xp.arange(length, dtype=ν.dtype, device=device(ν))
    return exp((-xp.exp(ν)[:, None] * l, θ[:, None] * l))


def _decay(full: dict[str, Array]) -> Pair:
    xp = array_namespace(full["angle"])
    return exp((-xp.exp(full["log_decay"]), full["angle"]))


def _of_decay(turned: Pair, full: dict[str, Array]) -> dict[str, Array]:
    """From a* da, the gradient at log a, to those at ν and θ: log a = -exp(ν) + iθ."""
    xp = array_namespace(turned[0])
    return {"log_decay": -xp.exp(full["log_decay"]) * turned[0], "angle": turned[1]}


def _read(h: Pair, full: dict[str, Array]) -> Array:
    return h[0] @ full["C_re"].T - h[1] @ full["C_im"].T  # Re(C h)


def _pair(full: dict[str, Array], name: str) -> Pair:
    return full[f"{name}_re"], full[f"{name}_im"]


def _rows(x: Array) -> Array:
    return array_namespace(x).reshape(x, (-1, x.shape[-1]))


def _zeros(like: Array, shape: tuple[int, ...]) -> Pair:
    xp = array_namespace(like)
    zero = xp.zeros(shape, dtype=like.dtype, device=device(like))
    return zero, zero


def _full(params: dict[str, Array]) -> dict[str, Array]:
    """Return the parameters with imaginary parts, zeros in a real layer."""
    xp = array_namespace(params["B_re"])
    of = {"angle": "log_decay", "B_im": "B_re", "C_im": "C_re"}
    return {n: xp.zeros_like(params[of[n]]) for n in IMAGINARY} | params


def _check(params: dict[str, Array], **arrays: tuple) -> dict[str, int]:
    if not isinstance(params, dict):
        raise TypeError(f"params must be a dict of arrays, got {type(params).__name__}")
    some = any(name in params for name in IMAGINARY)
    axes = REAL | IMAGINARY if some else REAL
    axes = axes | {"D": "O D"}
    check_names(params, axes, ["D"])
    given = {name: (params[name], axes[name]) for name in axes if name in params}
    return shapes(**given, **arrays)
