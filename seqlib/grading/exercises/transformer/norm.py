"""Layer norm forwards and backwards: T words of D numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Three = tuple[Array, Array, Array]

# 17-1 --------------------------------------------------------------------------------


def layer_norm(x: Array, gamma: Array, beta: Array, eps: float) -> Array:
    """Return the normalised words (T, D), scaled by gamma and shifted by beta."""
    return _norm(x, gamma, beta, eps)


def _norm(
    x: Array,
    gamma: Array,
    beta: Array,
    eps: float,
    axis: int | None = 1,
    less: int = 0,
    where: str = "inside",
    centre: bool = True,
    scale: bool = True,
    shift: bool = True,
) -> Array:
    """Normalise; the options are the mistakes that one can make."""
    mean = x.mean(axis=axis, keepdims=True)
    var = ((x - mean) ** 2).sum(axis=axis, keepdims=True)
    var = var / (x.size if axis is None else x.shape[axis] - less)
    root = {
        "inside": np.sqrt(var + eps),
        "outside": np.sqrt(var) + eps,
        "nowhere": np.sqrt(var),
        "square": var + eps,
    }[where]
    n = (x - mean if centre else x) / root
    return n * (gamma if scale else 1) + (beta if shift else 0)


def _norm_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, D: int, *, eps: float = 1e-5, note: str = "") -> Case:
        x = rng.normal(size=(T, D)) * rng.uniform(0.5, 2, (T, 1)) + 1
        gamma = rng.choice([-1, 1], D) * rng.uniform(0.5, 2, D)
        return Case(aspect, (x, gamma, rng.normal(size=D) + 2, eps), note)

    yield case("values", *sizes(rng, 3, 4))
    yield case("values", *sizes(rng, 4, 3))
    yield case("a large eps", *sizes(rng, 3, 4), eps=0.5, note="eps = 0.5")
    yield case("one word", 1, 5, note="one word")


def _norm_by_words(x: Array, gamma: Array, beta: Array, eps: float) -> list:
    rows = []
    for word in x:
        mean = sum(word) / len(word)
        var = sum((a - mean) ** 2 for a in word) / len(word)
        n = [(a - mean) / (var + eps) ** 0.5 for a in word]
        rows.append([g * a + b for g, a, b in zip(gamma, n, beta, strict=True)])
    return rows


NORM = Exercise(
    id="17-1",
    title="Layer norm",
    marks={"values": 2, "a large eps": 1, "one word": 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=10,
    returns=("out",),
    reference=layer_norm,
    cases=_norm_cases,
    mistakes={
        "The mean and the variance are those of each word, a row; these are taken over "
        "the words.": partial(_norm, axis=0),
        "Each word has a mean and a variance of its own; here all words share one.": (
            partial(_norm, axis=None)
        ),
        "The variance divides by D, not by D - 1.": partial(_norm, less=1),
        "eps stands inside the root, added to the variance.": (
            partial(_norm, where="outside")
        ),
        "eps is missing in the root.": partial(_norm, where="nowhere"),
        "The words are divided by the variance; it should be its root.": (
            partial(_norm, where="square")
        ),
        "The mean is not subtracted.": partial(_norm, centre=False),
        "gamma is not used: it scales each of the D numbers.": (
            partial(_norm, scale=False)
        ),
        "beta is not used: it shifts each of the D numbers.": (
            partial(_norm, shift=False)
        ),
    },
    also_right=(_norm_by_words,),
)

# 17-6 --------------------------------------------------------------------------------


def norm_backward(dout: Array, n: Array, sigma: Array, gamma: Array) -> Three:
    """Return dx (T, D), dgamma (D,) and dbeta (D,)."""
    return _back(dout, n, sigma, gamma)


def _back(
    dout: Array,
    n: Array,
    sigma: Array,
    gamma: Array,
    scaled: bool = True,
    mean: bool = True,
    along: bool = True,
    divide: bool = True,
    axis: int = 1,
    together: Callable[[Array], Array] = lambda a: a.sum(0),
    sees: str = "n",
) -> Three:
    """Go back; the options are the mistakes that one can make."""
    dn = dout * gamma if scaled else dout
    dx = dn - (dn.mean(axis=axis, keepdims=True) if mean else 0)
    dx = dx - (n * (n * dn).mean(axis=axis, keepdims=True) if along else 0)
    dgamma = dout * (n if sees == "n" else gamma * n)
    return dx / (sigma if divide else 1), together(dgamma), together(dout)


def _back_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, D: int, *, note: str = "") -> Case:
        x = rng.normal(size=(T, D)) * rng.uniform(0.5, 3, (T, 1))
        sigma = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        n = (x - x.mean(axis=1, keepdims=True)) / sigma
        gamma = rng.choice([-1, 1], D) * rng.uniform(0.5, 2, D)
        return Case(aspect, (rng.normal(size=(T, D)) + 0.5, n, sigma, gamma), note)

    yield case("values", *sizes(rng, 3, 4))
    yield case("values", *sizes(rng, 4, 3))
    yield case("one word", 1, 6, note="one word")


def _back_by_jacobian(dout: Array, n: Array, sigma: Array, gamma: Array) -> Three:
    """Write out (17.4) for each word."""
    D, rows = n.shape[1], []
    for d, a, s in zip(dout, n, sigma, strict=True):
        rows.append((gamma * d) @ (np.eye(D) - 1 / D - np.outer(a, a) / D) / s)
    return np.array(rows), np.einsum("td,td->d", dout, n), dout.T @ np.ones(len(n))


NORM_BACK = Exercise(
    id="17-6",
    title="Back through a layer norm",
    marks={"values": 3, "one word": 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=20,
    returns=("dx", "dgamma", "dbeta"),
    reference=norm_backward,
    cases=_back_cases,
    mistakes={
        "Mean and sigma are taken for constants: both depend on x, and each takes "
        "something away.": partial(_back, mean=False, along=False),
        "The way through the mean is missing: subtract the mean of dn.": (
            partial(_back, mean=False)
        ),
        "The way through sigma is missing: subtract n times the mean of n dn.": (
            partial(_back, along=False)
        ),
        "gamma is left out: dn is gamma times dout.": partial(_back, scaled=False),
        "The division by sigma is missing.": partial(_back, divide=False),
        "The means go along a word, over its D numbers; these go over the words.": (
            partial(_back, axis=0)
        ),
        "gamma and beta served all words: add what comes from each, do not take the "
        "mean.": partial(_back, together=lambda a: a.mean(0)),
        "gamma and beta are shared by all words: sum over the words, so that D numbers "
        "are left.": partial(_back, together=lambda a: a),
        "gamma multiplied n, so dgamma sums dout times n; gamma itself has no part in "
        "it.": partial(_back, sees="both"),
    },
    also_right=(_back_by_jacobian,),
)
