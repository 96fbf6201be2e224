"""A cell that multiplies, without the box of all its weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 5-6 ---------------------------------------------------------------------------------


def multiply(x: Array, z: Array, P: Array, Q: Array, R: Array) -> Array:
    """Return s (B, m) with s_i = sum of u_ijk x_j z_k, where u_ijk = P_if Q_jf R_kf."""
    return ((x @ Q) * (z @ R)) @ P.T


def _multiply_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, m: int, n: int, d: int, F: int) -> Case:
        x, z = rng.normal(size=(B, n)), rng.normal(size=(B, d))
        if aspect == "z is zero":
            z[1:] = 0
        return Case(aspect, (x, z, *(rng.normal(size=(k, F)) for k in (m, n, d))))

    yield case("values", *sizes(rng, 2, 3, 3, 4, 2))
    yield case("values", *sizes(rng, 3, 2, 4, 3, 2))
    yield case("z is zero", *sizes(rng, 3, 2, 3, 4, 2))
    yield case("sizes of 1", 1, 1, 1, 1, 1)
    yield case("sizes of 1", 3, 1, 2, 4, 1)


def _multiply_too_late(x: Array, z: Array, P: Array, Q: Array, R: Array) -> Array:
    return (x @ Q @ P.T) * (z @ R @ P.T)


def _multiply_sums(x: Array, z: Array, P: Array, Q: Array, R: Array) -> Array:
    left, right = ((a @ M).sum(axis=1, keepdims=True) for a, M in ((x, Q), (z, R)))
    return left * right * P.sum(axis=1)


def _multiply_with_box(x: Array, z: Array, P: Array, Q: Array, R: Array) -> Array:
    u = np.einsum("if,jf,kf->ijk", P, Q, R)
    return np.einsum("ijk,bj,bk->bi", u, x, z)


def _multiply_by_features(x: Array, z: Array, P: Array, Q: Array, R: Array) -> Array:
    s = np.zeros((len(x), len(P)))
    for f in range(P.shape[1]):
        s += np.outer((x @ Q[:, f]) * (z @ R[:, f]), P[:, f])
    return s


PRODUCTS = Exercise(
    id="5-6",
    title="Derive: products without the box",
    marks={"values": 2, "z is zero": 1, "sizes of 1": 1},
    difficulty=2,
    importance=1,
    minutes=20,
    returns=("s",),
    reference=multiply,
    cases=_multiply_cases,
    mistakes={
        "The two sums are added; in every term x and z are factors, so multiply.": (
            lambda x, z, P, Q, R: (x @ Q + z @ R) @ P.T
        ),
        "P comes too early: multiply the two sums for each f first, then sum over f "
        "with P.": _multiply_too_late,
        "Each f has a product of its own. Here f is summed over in every factor by "
        "itself, and a product of sums is not the sum of products.": _multiply_sums,
        "z plays no part.": lambda x, z, P, Q, R: x @ Q @ P.T,
        "x plays no part.": lambda x, z, P, Q, R: z @ R @ P.T,
        "The last product is with P.T: P is (m, F), and s sums over f.": (
            lambda x, z, P, Q, R: ((x @ Q) * (z @ R)) @ P
        ),
        "Q belongs to x and R to z.": (lambda x, z, P, Q, R: ((x @ R) * (z @ Q)) @ P.T),
        "s is a plain sum, without a tanh around it.": (
            lambda x, z, P, Q, R: np.tanh(multiply(x, z, P, Q, R))
        ),
        "This is what each f gives, (B, F); the sum over f with P is still to come.": (
            lambda x, z, P, Q, R: (x @ Q) * (z @ R)
        ),
        "These are the weights w, (B, m, n); s is their product with x.": (
            lambda x, z, P, Q, R: np.einsum("bf,if,jf->bij", z @ R, P, Q)
        ),
    },
    also_right=(
        _multiply_with_box,
        _multiply_by_features,
        lambda x, z, P, Q, R: np.einsum("bj,bk,if,jf,kf->bi", x, z, P, Q, R),
    ),
)
