"""Gradients that are too large, made shorter but not turned."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 6-8 ---------------------------------------------------------------------------------


def clip_by_norm(grads: list[Array], max_norm: float) -> list[Array]:
    """Return the gradients, scaled together so that their common norm fits."""
    norm = np.sqrt(sum(np.sum(g * g) for g in grads))
    return [g * (max_norm / norm) if norm > max_norm else g for g in grads]


def _clip_cases(rng: Rng) -> Iterator[Case]:
    D, H = sizes(rng, 2, 3)

    def case(aspect: str, size: float, note: str) -> Case:
        shapes = (H, D), (H, H), (H,)
        grads = [size * rng.uniform(0.2, 1, shape) for shape in shapes]
        return Case(aspect, (grads, 1.5), note)

    yield case("values", 5, "norm above max_norm")
    yield case("values", -5, "norm above max_norm, all entries negative")
    yield Case("values", ([np.array([0.3, -4])], 1.0), "one array")
    yield case("small gradients", 0.01, "norm below max_norm")
    yield case("small gradients", 0, "all gradients zero")
    yield case("large gradients", 1e6, "norm far above max_norm")


def _clip_scaled(scale: Callable[[list[Array], float], float]) -> Callable:
    def clip(grads: list[Array], max_norm: float) -> list[Array]:
        return [g * scale(grads, max_norm) for g in grads]

    return clip


def _shrink(norm: float, max_norm: float) -> float:
    return max_norm / norm if norm > max_norm else 1.0


def _norm(grads: list[Array]) -> float:
    return float(np.linalg.norm(np.concatenate([g.ravel() for g in grads])))


def _clip_in_place(grads: list[Array], max_norm: float) -> list[Array]:
    scale = _shrink(_norm(grads), max_norm)
    for g in grads:
        g *= scale
    return grads


def _clip_positive(grads: list[Array], max_norm: float) -> list[Array]:
    large = max(float(g.max()) for g in grads) > max_norm
    scale = max_norm / _norm(grads) if large else 1.0
    return [g * scale for g in grads]


def _clip_each(grads: list[Array], max_norm: float) -> list[Array]:
    return [g * _shrink(_norm([g]), max_norm) for g in grads]


def _clip_copies(grads: list[Array], max_norm: float) -> tuple[Array, ...]:
    copies = [g.copy() for g in grads]
    total = sum(float(np.vdot(g, g)) for g in grads)
    if total > max_norm**2:
        for g in copies:
            g /= total**0.5 / max_norm
    return tuple(copies)


CLIP = Exercise(
    id="6-8",
    title="Clip by the common norm",
    marks={"values": 1, "small gradients": 1, "large gradients": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("clipped",),
    reference=clip_by_norm,
    cases=_clip_cases,
    mistakes={
        "Each array is clipped by its own norm, which turns the direction of the step: "
        "take one norm over all of them.": _clip_each,
        "This clips each entry, which turns the direction of the step: scale all "
        "entries by one number.": lambda grads, max_norm: [
            np.clip(g, -max_norm, max_norm) for g in grads
        ],
        "The test looks at the largest entry. Signs play no part: compare the norm "
        "with max_norm.": _clip_positive,
        "Small gradients must stay as they are: scale only if the norm is above "
        "max_norm.": _clip_scaled(lambda g, m: m / _norm(g) if _norm(g) else 0.0),
        "0 / 0 is nan: with all gradients zero there is nothing to scale.": (
            _clip_scaled(lambda g, m: min(1.0, m / _norm(g)) if _norm(g) else np.nan)
        ),
        "The common norm is the root of the sum of all squares, not the sum of the "
        "arrays' norms.": _clip_scaled(
            lambda g, m: _shrink(sum(_norm([a]) for a in g), m)
        ),
        "The arrays have different shapes, so np.linalg.norm cannot take the list: add "
        "the squares of one array after the other.": _clip_scaled(
            lambda g, m: _shrink(float(np.linalg.norm(g)), m)  # type: ignore[arg-type]
        ),
        "The square root is missing: the norm is the root of the sum of squares.": (
            _clip_scaled(lambda g, m: _shrink(_norm(g) ** 2, m))
        ),
        "The gradients are cut to norm 1, not to max_norm.": (
            _clip_scaled(lambda g, m: 1 / _norm(g) if _norm(g) > m else 1.0)
        ),
        "`g *= …` writes into the caller's arrays: return new ones.": _clip_in_place,
    },
    also_right=(
        _clip_copies,
        _clip_scaled(lambda g, m: m / max(_norm(g), m)),
    ),
)
