"""Where training begins: which numbers turn how fast, and how soon they fade."""

from __future__ import annotations

import math

import numpy as np

from seqlib._check import generator, number, one_of, whole
from seqlib.diagonal_ssm._steps import zero_order_hold

KINDS = ("s4d-lin", "s4d-legs", "lru")
Two = tuple[np.ndarray, np.ndarray]


def s4d_lin(state_size: int) -> Two:
    """Eigenvalues A_n = -1/2 + iπn, n = 0 to N - 1: as log_decay and frequency (N,).

    Errors: state_size is no whole number above 0. Source: Gu et al. (2022), section 4.
    """
    whole("state_size", state_size, 1)
    N = int(state_size)
    return np.full(N, math.log(0.5)), math.pi * np.arange(N)


def s4d_legs(state_size: int) -> Two:
    """Eigenvalues of the normal part of HiPPO-LegS, as log_decay and frequency (N,).

    With p_n = sqrt(n + 1/2), that part of the (2N, 2N) matrix is -1/2 I + S, where
    S_nk = -p_n p_k below the diagonal and p_n p_k above. Its eigenvalues are -1/2 ± iω;
    the N with ω > 0 are returned, from small to large. Errors: as `s4d_lin`. Sources:
    Gu et al. (2020) for LegS; Gu et al. (2022), section 4.
    """
    whole("state_size", state_size, 1)
    N = int(state_size)
    p = np.sqrt(np.arange(2 * N) + 0.5)
    S = np.triu(np.outer(p, p), 1)
    ω = np.linalg.eigvalsh(-1j * (S - S.T))  # of a Hermitian matrix: real, in order
    return np.full(N, math.log(0.5)), ω[N:]


def lru_ring(
    state_size: int,
    rng: np.random.Generator,
    r_min: float = 0.9,
    r_max: float = 0.999,
    max_angle: float = 2 * math.pi,
) -> Two:
    """Draw a evenly from the ring of radii r_min to r_max: log_decay and angle (N,).

    The square of the radius is uniform, so that every piece of the ring's area is as
    likely; the angle is uniform from 0 to max_angle. Errors: state_size is no whole
    number above 0; not 0 < r_min <= r_max < 1; rng is no generator. Source: Orvieto et
    al. (2023), lemma 3.2.
    """
    whole("state_size", state_size, 1)
    generator("rng", rng)
    number("r_max", r_max, 0, 1, below=True)
    number("r_min", r_min, 0, float(r_max))
    number("max_angle", max_angle, 0)
    if not r_min:
        raise ValueError(f"r_min must be above 0, got {r_min}")
    square = rng.uniform(r_min**2, r_max**2, int(state_size))
    return np.log(-0.5 * np.log(square)), rng.uniform(0, max_angle, int(state_size))


def init_params(
    kind: str,
    input_size: int,
    state_size: int,
    output_size: int,
    rng: np.random.Generator | None = None,
    step: tuple[float, float] = (0.001, 0.1),
) -> dict[str, np.ndarray]:
    """Draw parameters for `diagonal_ssm`, float64.

    Kinds "s4d-lin" and "s4d-legs" take the eigenvalues of `s4d_lin` and `s4d_legs`, B
    of ones, and a step for each state whose logarithm is uniform between those of
    `step`, put together by `zero_order_hold`. "lru" draws from `lru_ring`, with B of
    variance ``(1 - |a|²) / D``, real and imaginary part half each, so that the states
    have the variance of the inputs. C has the variance 1 / N; D_od is standard normal
    over sqrt(D).

    Shapes: N = state_size, D = input_size, O = output_size, names as in `diagonal_ssm`.
    Without rng, a numpy generator, each call draws anew. Errors: an unknown kind; a
    size is no whole number above 0; not 0 < step[0] <= step[1]; rng is no generator.
    Sources: Gu et al. (2022), section 4; Orvieto et al. (2023), sections 3.3 and 3.4.
    """
    one_of("kind", kind, KINDS)
    sizes = {"input_size": input_size, "output_size": output_size}
    for name, size in (sizes | {"state_size": state_size}).items():
        whole(name, size, 1)
    rng = np.random.default_rng() if rng is None else rng
    generator("rng", rng)
    if not isinstance(step, tuple | list) or len(step) != 2:
        raise TypeError(f"step must be two numbers, got {step!r}")
    number("step[1]", step[1], 0)
    number("step[0]", step[0], 0, float(step[1]))
    if not step[0]:
        raise ValueError(f"step[0] must be above 0, got {step[0]}")
    N, D, O = int(state_size), int(input_size), int(output_size)
    if kind == "lru":
        ν, θ = lru_ring(N, rng)
        gain = np.sqrt((1 - np.exp(-2 * np.exp(ν))) / (2 * D))
        B = [gain[:, None] * rng.normal(size=(N, D)) for _ in range(2)]
    else:
        ν, θ = (s4d_lin if kind == "s4d-lin" else s4d_legs)(N)
        log_step = rng.uniform(math.log(step[0]), math.log(step[1]), N)
        one = np.ones((N, D))
        (ν, θ, *B), _ = zero_order_hold(ν, θ, one, 0 * one, log_step)
    C = [rng.normal(size=(O, N)) / math.sqrt(2 * N) for _ in range(2)]
    params = {"log_decay": ν, "angle": θ, "B_re": B[0], "B_im": B[1]}
    params |= {"C_re": C[0], "C_im": C[1]}
    return params | {"D": rng.normal(size=(O, D)) / math.sqrt(D)}
