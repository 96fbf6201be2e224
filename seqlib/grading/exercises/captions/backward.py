"""What reaches the eye: from all steps, and through one look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, states

from .look import softmax

# 14-5 --------------------------------------------------------------------------------


def image_back(deltas: Array, ds_0: Array, s_0: Array, W_c: Array, W_s: Array) -> Array:
    """Return the gradient at the image's vector, (B, M)."""
    return _image_back(deltas, ds_0, s_0, W_c, W_s)


def _image_back(
    *args: Any,
    steps: Callable[[Array], Array] = lambda d: d.sum(axis=1),
    slope: Callable[[Array], Array] = lambda s: 1 - s * s,
    inputs: float = 1.0,
    first: float = 1.0,
) -> Array:
    deltas, ds_0, s_0, W_c, W_s = args
    return inputs * steps(deltas) @ W_c + first * (ds_0 * slope(s_0)) @ W_s


def _image_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, T: int, H: int, M: int, *, note: str = "") -> Case:
        deltas, ds_0 = rng.normal(size=(B, T, H)), rng.normal(size=(B, H))
        s_0 = rng.choice([-1, 1], (B, H)) * rng.uniform(0.3, 0.9, (B, H))
        W_c, W_s = rng.normal(size=(2, H, M))
        return Case(aspect, (deltas, ds_0, s_0, W_c, W_s), note)

    yield case("values", *sizes(rng, 2, 3, 4, 2))
    yield case("values", *sizes(rng, 3, 4, 2, 3))
    yield case("sizes of 1", 1, 1, 3, 2, note="one caption of one word")
    yield case("sizes of 1", 2, 4, 1, 1, note="one unit, one number for the image")


def _image_by_loops(
    deltas: Array, ds_0: Array, s_0: Array, W_c: Array, W_s: Array
) -> list:
    rows = []
    for delta, d, s in zip(deltas, ds_0, s_0, strict=True):
        dv = W_s.T @ (d - d * s**2)
        for step in delta:
            dv = dv + W_c.T @ step
        rows.append(dv)
    return rows


def _image_in_place(
    deltas: Array, ds_0: Array, s_0: Array, W_c: Array, W_s: Array
) -> Array:
    dv = image_back(deltas, ds_0, s_0, W_c, W_s)
    ds_0 *= 1 - s_0 * s_0
    return dv


IMAGE_BACK = Exercise(
    id="14-5",
    title="Blame from every word",
    marks={"values": 2, "sizes of 1": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=15,
    returns=("dv",),
    reference=image_back,
    cases=_image_cases,
    mistakes={
        "The image was an input at every step, so all steps count; this is the last "
        "alone.": lambda *args: _image_back(*args, steps=lambda d: d[:, -1]),
        "The image was an input at every step, so all steps count; this is the first "
        "alone.": lambda *args: _image_back(*args, steps=lambda d: d[:, 0]),
        "Each use adds its blame: the sum over the steps, not the mean.": (
            lambda *args: _image_back(*args, steps=lambda d: d.mean(axis=1))
        ),
        "The image also made the first state; what comes through s_0 is missing.": (
            lambda *args: _image_back(*args, first=0.0)
        ),
        "What comes through the inputs of all steps is missing.": (
            lambda *args: _image_back(*args, inputs=0.0)
        ),
        "The slope of the first state's tanh is missing: 1 - s_0².": (
            lambda *args: _image_back(*args, slope=lambda s: 1 + 0 * s)
        ),
        "s_0 came from a tanh, whose slope is 1 - s_0²; s (1 - s) belongs to a "
        "logistic function.": lambda *args: _image_back(
            *args, slope=lambda s: s * (1 - s)
        ),
        "W_c and W_s are exchanged: W_c carried the image into every step.": (
            lambda d, ds, s, W_c, W_s: _image_back(d, ds, s, W_s, W_c)
        ),
        "Each picture has its own gradient: do not sum over the batch.": (
            lambda *args: _image_back(*args).sum(axis=0)
        ),
        "`ds_0 *= …` writes into the caller's array.": _image_in_place,
    },
    also_right=(_image_by_loops,),
)

# 14-6 --------------------------------------------------------------------------------


def look_back(
    dc: Array, a: Array, p: Array, u: Array, W_q: Array, W_k: Array, w: Array
) -> tuple[Array, Array]:
    """Return da (B, N, F) and ds (B, H) of one look."""
    return _look_back(dc, a, p, u, W_q, W_k, w)


def _look_back(
    *args: Any,
    content: float = 1.0,
    key: float = 1.0,
    compared: bool = True,
    weighted: bool = True,
    slope: Callable[[Array], Array] = lambda u: 1 - u * u,
    all_places: Callable[..., Array] = np.sum,
) -> tuple[Array, Array]:
    dc, a, p, u, W_q, W_k, w = args
    c = np.einsum("bn,bnf->bf", p, a)
    apart = a - c[:, None] if compared else a
    de = np.einsum("bnf,bf->bn", apart, dc)
    de = p * de if weighted else de
    dq = de[:, :, None] * w * slope(u)
    da = content * p[:, :, None] * dc[:, None] + key * dq @ W_k
    return da, all_places(dq, axis=1) @ W_q


def _look_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, N: int, sized: list[int], note: str = "") -> Case:
        F, H, A = sized
        s, a = states(rng, B, H), rng.normal(size=(B, N, F))
        W_q, W_k = rng.normal(size=(A, H)) / 2, rng.normal(size=(A, F)) / 2
        w = rng.choice([-1, 1], A) * rng.uniform(0.5, 1.5, A)
        u = np.tanh((s @ W_q.T)[:, None] + a @ W_k.T)
        args = rng.normal(size=(B, F)), a, softmax(u @ w), u, W_q, W_k, w
        return Case(aspect, args, note)

    yield case("values", 2, 5, sizes(rng, 2, 3, 4))
    yield case("values", 3, 4, sizes(rng, 3, 2, 2))
    yield case("sizes of 1", 1, 3, [1, 1, 1], "one channel, one unit")
    yield case("sizes of 1", 1, 2, [2, 3, 1], "two places")


def _look_by_jacobian(
    dc: Array, a: Array, p: Array, u: Array, W_q: Array, W_k: Array, w: Array
) -> tuple[list, list]:
    """Go through the softmax by its Jacobian, diag(p) - p p^T, picture by picture."""
    das, dss = [], []
    for dc_b, a_b, p_b, u_b in zip(dc, a, p, u, strict=True):
        J = np.diag(p_b) - np.outer(p_b, p_b)
        dz = np.outer(J @ (a_b @ dc_b), w) * (1 - u_b**2)
        das.append(np.outer(p_b, dc_b) + dz @ W_k)
        dss.append(W_q.T @ dz.sum(axis=0))
    return das, dss


def _look_in_place(dc: Array, a: Array, *rest: Array) -> tuple[Array, Array]:
    found = _look_back(dc, a, *rest)
    a -= np.einsum("bn,bnf->bf", rest[0], a)[:, None]
    return found


LOOK_BACK = Exercise(
    id="14-6",
    title="Backward through one look",
    marks={"values": 3, "sizes of 1": 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=30,
    returns=("da", "ds"),
    reference=look_back,
    cases=_look_cases,
    mistakes={
        "A place was used twice. What it gave to the average is missing: p times dc.": (
            lambda *args: _look_back(*args, content=0.0)
        ),
        "A place was used twice. That it was compared with the state is missing: the "
        "road through the score and W_k.": lambda *args: _look_back(*args, key=0.0),
        "A softmax compares: a weight can only grow if others shrink. de is p times "
        "(a - c) · dc, not p times a · dc.": (
            lambda *args: _look_back(*args, compared=False)
        ),
        "The softmax's own factor p is missing in de.": (
            lambda *args: _look_back(*args, weighted=False)
        ),
        "The slope of the tanh is missing: 1 - u².": (
            lambda *args: _look_back(*args, slope=lambda u: 1 + 0 * u)
        ),
        "u came from a tanh, so the slope is 1 - u²; u (1 - u) belongs to a logistic "
        "function.": lambda *args: _look_back(*args, slope=lambda u: u * (1 - u)),
        "The factor w is missing: it stood between the tanh and the score.": (
            lambda dc, a, p, u, W_q, W_k, w: _look_back(
                dc, a, p, u, W_q, W_k, 1 + 0 * w
            )
        ),
        "The state asked every place the same question, so its blame is the sum over "
        "the places, not the mean.": lambda *args: _look_back(
            *args, all_places=np.mean
        ),
        "The sign of ds is turned; the question was added.": (
            lambda *args: (_look_back(*args)[0], -_look_back(*args)[1])
        ),
        "The two results are exchanged: first da, then ds.": (
            lambda *args: _look_back(*args)[::-1]
        ),
        "`a -= …` writes into the caller's array.": _look_in_place,
    },
    also_right=(_look_by_jacobian,),
)
