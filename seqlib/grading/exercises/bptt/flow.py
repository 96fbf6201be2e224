"""How strongly a late loss feels an early state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states

# 6-6 ---------------------------------------------------------------------------------


def gradient_norm(h: Array, W_hh: Array) -> float:
    """Return the 2-norm of dh_T / dh_0 for the states h (T, H) of one sequence."""
    return float(np.linalg.norm(_jacobian(h, W_hh), 2))


def _jacobian(h: Array, W_hh: Array) -> Array:
    J = np.eye(h.shape[1])
    for h_t in h:
        J = (1 - h_t**2)[:, None] * W_hh @ J
    return J


def _norm_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, H: int) -> Case:
        return Case(aspect, (states(rng, T, H), matrix(rng, H)))

    yield case("values", *sizes(rng, 3, 3))
    yield case("values", *sizes(rng, 3, 4))
    yield case("sizes of 1", 1, 3)
    yield case("sizes of 1", 4, 1)
    yield case("long sequences", 60, 4)


def _norm_by_products(h: Array, W_hh: Array) -> float:
    J = np.identity(h.shape[1])
    for h_t in h[::-1]:
        J = J @ np.diag(1 - h_t**2) @ W_hh
    return float(np.sqrt(np.linalg.eigvalsh(J.T @ J)[-1]))


def _norm_of_each(h: Array, W_hh: Array) -> float:
    return np.prod([np.linalg.norm((1 - h_t**2)[:, None] * W_hh, 2) for h_t in h])


def _norm_reversed(h: Array, W_hh: Array) -> float:
    return float(np.linalg.norm(_jacobian(h[::-1], W_hh), 2))


def _norm_wrong_side(h: Array, W_hh: Array) -> float:
    J = np.eye(h.shape[1])
    for h_t in h:
        J = W_hh * (1 - h_t**2) @ J
    return float(np.linalg.norm(J, 2))


GRADIENT_NORM = Exercise(
    id="6-6",
    title="How much is left?",
    marks={"values": 2, "sizes of 1": 1, "long sequences": 1},
    difficulty=2,
    importance=3,
    minutes=15,
    returns=("the norm",),
    reference=gradient_norm,
    cases=_norm_cases,
    mistakes={
        "This is the spectral radius of the product, its largest |eigenvalue|. How "
        "much it can stretch is its largest singular value: np.linalg.norm(J, 2).": (
            lambda h, W: np.abs(np.linalg.eigvals(_jacobian(h, W))).max()
        ),
        "A power of W_hh's spectral radius knows neither the slopes nor how far the "
        "matrix can stretch: build the product itself, then take its 2-norm.": (
            lambda h, W: np.abs(np.linalg.eigvals(W)).max() ** len(h)
        ),
        "np.linalg.norm(J) alone is the Frobenius norm, the root of the sum of "
        "squares; the 2-norm is np.linalg.norm(J, 2).": lambda h, W: np.linalg.norm(
            _jacobian(h, W)
        ),
        "The norm of each step's Jacobian, multiplied, is only a bound: multiply the "
        "matrices first, then take one norm.": _norm_of_each,
        "The Jacobians stand in the wrong order: step 1 acts first, so it stands "
        "rightmost.": _norm_reversed,
        "The slopes belong to the rows of W_hh, to the units that they come out of: "
        "diag(1 - h²) W_hh, not W_hh diag(1 - h²).": _norm_wrong_side,
        "The slopes 1 - h² are missing: each step multiplies by them too.": (
            lambda h, W: gradient_norm(np.zeros_like(h), W)
        ),
        "The last step is left out: dh_T / dh_0 has T factors.": (
            lambda h, W: gradient_norm(h[:-1], W)
        ),
        "The first step is left out: dh_T / dh_0 has T factors.": (
            lambda h, W: gradient_norm(h[1:], W)
        ),
    },
    also_right=(
        _norm_by_products,
        lambda h, W: np.linalg.svd(_jacobian(h, W), compute_uv=False)[0],
        lambda h, W: np.array(gradient_norm(h.copy(), W.copy())),
    ),
)

# 6-7 ---------------------------------------------------------------------------------


def steps_to_vanish(W_hh: Array, threshold: float) -> int:
    """Return the first k >= 1 at which the 2-norm of W_hh^k is below the threshold."""
    return _first_below(W_hh, threshold, lambda P: np.linalg.norm(P, 2))


def _first_below(
    W_hh: Array,
    threshold: float,
    size: Callable,
    power: Callable = np.matmul,
) -> int:
    P = W_hh
    for k in range(1, 300):
        if size(P) < threshold:
            return k
        with np.errstate(over="ignore", invalid="ignore"):
            P = power(P, W_hh)
    return 0


def _steps_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, H: int, radius: float, far: float) -> Case:
        """Turn a triangular matrix: eigenvalues up to radius, `far` from normal."""
        Q, _ = np.linalg.qr(rng.normal(size=(H, H)))
        R = np.diag([1.0, *rng.uniform(0.8, 1, H - 1)])
        R += far * np.triu(rng.uniform(0.5, 1, (H, H)), 1)
        return Case(aspect, (Q @ (radius * R) @ Q.T, 1e-3))

    yield case("values", 4, 0.8, far=0)
    yield case("values", 3, 0.9, far=1)
    yield Case("values", (0.9 * np.linalg.qr(matrix(rng, 4))[0], 1e-3), "a rotation")
    yield case("growth before decay", 3, 0.7, far=5)
    yield case("growth before decay", 2, 0.5, far=40)
    yield case("sizes of 1", 1, 0.6, far=0)
    nilpotent = 2 * np.array([[1.0, -1], [1, -1]])
    yield Case("growth before decay", (nilpotent, 1e-3), "W_hh times W_hh is zero")


def _steps_by_logarithm(W_hh: Array, threshold: float, size: Any) -> int:
    with np.errstate(divide="ignore"):
        k = np.log(threshold) / np.log(size) if 0 < size < 1 else np.inf
    return int(np.floor(k)) + 1 if np.isfinite(k) else 1


def _radius(W_hh: Array) -> float:
    return float(np.abs(np.linalg.eigvals(W_hh)).max())


def _steps_by_svd(W_hh: Array, threshold: float) -> float:
    k = 1.0
    while np.linalg.svd(np.linalg.matrix_power(W_hh, int(k)))[1].max() >= threshold:
        k += 1
    return k


STEPS = Exercise(
    id="6-7",
    title="Predict, then measure: how many steps?",
    marks={"values": 1, "growth before decay": 2, "sizes of 1": 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("k",),
    reference=steps_to_vanish,
    cases=_steps_cases,
    mistakes={
        "The spectral radius decides only in the end; before that the norm can grow. "
        "Measure the norm of the power itself.": (
            lambda W, threshold: _steps_by_logarithm(W, threshold, _radius(W))
        ),
        "‖W‖^k is a bound on ‖W^k‖, often a loose one: take the norm of the power.": (
            lambda W, threshold: _steps_by_logarithm(W, threshold, np.linalg.norm(W, 2))
        ),
        "np.linalg.norm without its second argument is the Frobenius norm; the 2-norm "
        "is np.linalg.norm(P, 2).": (
            lambda W, threshold: _first_below(W, threshold, np.linalg.norm)
        ),
        "`W ** k` raises each entry to the power k; the matrix power is "
        "np.linalg.matrix_power, or @ in a loop.": lambda W, threshold: _first_below(
            W, threshold, lambda P: np.linalg.norm(P, 2), power=np.multiply
        ),
        "One step too few: after k steps the matrix is W^k, so W itself is k = 1.": (
            lambda W, threshold: steps_to_vanish(W, threshold) - 1
        ),
        "One step too many: asked is the first k below the threshold.": (
            lambda W, threshold: steps_to_vanish(W, threshold) + 1
        ),
    },
    also_right=(_steps_by_svd,),
)
