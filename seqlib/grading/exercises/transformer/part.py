"""A part in its residual connection: forwards, and back through feed-forward."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Three = tuple[Array, Array, Array]


def _norm(x: Array) -> Array:
    """Normalise words without gamma and beta."""
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


# 17-2 --------------------------------------------------------------------------------


def feed_part(
    x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array, norm_first: bool
) -> Array:
    """Return (T, d): the feed-forward part in its residual connection."""
    return _place(x, W_1, b_1, W_2, b_2, norm_first)


def _place(
    x: Array,
    W_1: Array,
    b_1: Array,
    W_2: Array,
    b_2: Array,
    norm_first: bool,
    always: str = "",
    bypass: str = "x",
    bends: bool = True,
    last: bool = True,
) -> Array:
    """Run the part; the options are the mistakes that one can make."""
    first = {"": norm_first, "pre": True, "post": False}.get(always, not norm_first)
    given = _norm(x) if first or always == "both" else x
    z = given @ W_1.T + b_1
    y = (np.maximum(z, 0) if bends else z) @ W_2.T + (b_2 if last else 0)
    around = {"x": x, "normed": given, "none": 0 * x}[bypass]
    out = around + y
    return out if first and always != "both" else _norm(out)


def _place_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, first: bool, T: int, d: int, F: int) -> Case:
        x = rng.normal(size=(T, d)) * rng.uniform(1.5, 3, (T, 1)) + 1
        W_1, W_2 = rng.normal(size=(F, d)), rng.normal(size=(d, F))
        b_1, b_2 = rng.normal(size=F), 2 * rng.normal(size=d)
        note = "norm_first=True" if first else "norm_first=False"
        return Case(aspect, (x, W_1, b_1, W_2, b_2, first), note)

    yield case("post-norm", False, *sizes(rng, 2, 3, 4))
    yield case("post-norm", False, 1, 4, 3)
    yield case("pre-norm", True, *sizes(rng, 2, 3, 4))
    yield case("pre-norm", True, 1, 4, 3)


def _place_by_words(
    x: Array, W_1: Array, b_1: Array, W_2: Array, b_2: Array, norm_first: bool
) -> list:
    rows = []
    for word in x:
        seen = _norm(word[None])[0] if norm_first else word
        hidden = [max(0.0, float(w @ seen) + b) for w, b in zip(W_1, b_1, strict=True)]
        out = word + W_2 @ np.array(hidden) + b_2
        rows.append(out if norm_first else _norm(out[None])[0])
    return rows


PLACE = Exercise(
    id="17-2",
    title="Before or after",
    marks={"post-norm": 2, "pre-norm": 2, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("out",),
    reference=feed_part,
    cases=_place_cases,
    mistakes={
        "This is post-norm in both cases; with norm_first the norm stands before the "
        "part, and the sum is left alone.": partial(_place, always="post"),
        "This is pre-norm in both cases; without norm_first it is the sum that is "
        "normalised.": partial(_place, always="pre"),
        "norm_first is read the wrong way round.": partial(_place, always="turned"),
        "There are two norms, before the part and after the sum; there is one.": (
            partial(_place, always="both")
        ),
        "With pre-norm the way around the part carries x itself, not norm(x).": (
            partial(_place, bypass="normed")
        ),
        "The residual path is missing: add x to what the part gives.": (
            partial(_place, bypass="none")
        ),
        "The ReLU between the two matrices is missing.": partial(_place, bends=False),
        "b_2 is missing.": partial(_place, last=False),
    },
    also_right=(_place_by_words,),
)

# 17-7 --------------------------------------------------------------------------------


def feed_backward(dS: Array, U: Array, W_1: Array, b_1: Array, W_2: Array) -> Three:
    """Return dU (T, d), dW_1 (F, d) and dW_2 (d, F) of S = U + feed(U)."""
    return _back(dS, U, W_1, b_1, W_2)


def _back(
    dS: Array,
    U: Array,
    W_1: Array,
    b_1: Array,
    W_2: Array,
    around: bool = True,
    through: bool = True,
    mask: str = "open",
    last: str = "G",
    mean: bool = False,
) -> Three:
    """Go back; the options are the mistakes that one can make."""
    Z = U @ W_1.T + b_1
    G = np.maximum(Z, 0)
    dG = dS @ W_2
    gate = {"open": Z > 0, "none": 1, "value": G, "closed": Z < 0}
    gate["no bias"] = U @ W_1.T > 0
    dZ = dG * gate[mask]
    dU = (dS if around else 0) + (dZ @ W_1 if through else 0 * U)
    share = len(U) if mean else 1
    return dU, dZ.T @ U / share, dS.T @ {"G": G, "Z": Z}[last] / share


def _back_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, d: int, F: int, *, note: str = "") -> Case:
        U, dS = rng.normal(size=(2, T, d)) + 0.3
        W_1, W_2 = rng.normal(size=(F, d)), rng.normal(size=(d, F))
        b_1 = rng.choice([-1, 1], F) * rng.uniform(1, 2, F)
        return Case(aspect, (dS, U, W_1, b_1, W_2), note)

    yield case("values", *sizes(rng, 4, 3, 5))
    yield case("values", *sizes(rng, 5, 4, 6))
    yield case("one word", 1, 4, 9, note="one word")


def _back_by_words(dS: Array, U: Array, W_1: Array, b_1: Array, W_2: Array) -> Three:
    dU, dW_1, dW_2 = dS.copy(), np.zeros_like(W_1), np.zeros_like(W_2)
    for t in range(len(U)):
        for j in range(len(W_1)):
            z = float(W_1[j] @ U[t]) + b_1[j]
            if z > 0:
                dW_2[:, j] += z * dS[t]
                dz = float(W_2[:, j] @ dS[t])
                dW_1[j] += dz * U[t]
                dU[t] += dz * W_1[j]
    return dU, dW_1, dW_2


FEED_BACK = Exercise(
    id="17-7",
    title="Back through feed-forward and its residual path",
    marks={"values": 3, "one word": 1, INPUTS: 1},
    difficulty=3,
    importance=3,
    minutes=20,
    returns=("dU", "dW_1", "dW_2"),
    reference=feed_backward,
    cases=_back_cases,
    mistakes={
        "The way around the part is missing: U was used twice, and dS goes to it "
        "directly, too.": partial(_back, around=False),
        "The way through the part is missing: dU is more than dS.": (
            partial(_back, through=False)
        ),
        "The ReLU is forgotten on the way back: where it was closed nothing passes.": (
            partial(_back, mask="none")
        ),
        "The slope of the ReLU is 1 where it was open, not its value.": (
            partial(_back, mask="value")
        ),
        "The gate is the wrong way round: the ReLU is open where Z is above 0.": (
            partial(_back, mask="closed")
        ),
        "The ReLU saw W_1 U + b_1; here the gate forgets the bias.": (
            partial(_back, mask="no bias")
        ),
        "W_2 multiplied what came out of the ReLU, not what went in.": (
            partial(_back, last="Z")
        ),
        "The matrices served all words: add what comes from each, do not take the "
        "mean.": partial(_back, mean=True),
    },
    also_right=(_back_by_words,),
)
