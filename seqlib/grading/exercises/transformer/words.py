"""Words at both ends: smoothed labels, and the gradient of a tied embedding."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[float, Array]

# 17-5 --------------------------------------------------------------------------------


def smoothed_loss(logits: Array, targets: Array, eps: float) -> Pair:
    """Return the mean loss of N words and its gradient at the logits (N, V)."""
    return _smooth(logits, targets, eps)


def _smooth(
    logits: Array,
    targets: Array,
    eps: float,
    spread: str = "all",
    stable: bool = True,
    divide: str = "both",
    gradient: str = "q",
    loss: str = "cross",
) -> Pair:
    """Smooth; the options are the mistakes that one can make."""
    N, V = logits.shape
    hot = np.eye(V)[targets]
    q = (1 - eps) * hot + eps / V
    if spread == "wrong":
        q = (1 - eps) * hot + eps / (V - 1) * (1 - hot)
    if spread == "extra":
        q = hot + eps / V
    if spread == "swapped":
        q = eps * hot + (1 - eps) / V
    with np.errstate(all="ignore"):
        shift = logits.max(axis=1, keepdims=True) if stable else 0
        e = np.exp(logits - shift)
        log_p = logits - shift - np.log(e.sum(axis=1, keepdims=True))
        log_p = log_p if stable else np.log(e / e.sum(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        total = -((q if loss == "cross" else hot) * log_p).sum()
    right = {"q": p - q, "hot": p - hot, "sign": q - p}[gradient]
    return (
        total / (N if divide in ("both", "loss") else 1),
        right / (N if divide in ("both", "gradient") else 1),
    )


def _smooth_cases(rng: Rng) -> Iterator[Case]:
    def case(
        aspect: str, N: int, V: int, *, eps: float, note: str, size: float = 1.0
    ) -> Case:
        logits = size * rng.normal(size=(N, V)) + (900 if size > 10 else 0)
        return Case(aspect, (logits, rng.integers(V, size=N), eps), note)

    yield case("values", *sizes(rng, 3, 5), eps=0.3, note="eps = 0.3")
    yield case("values", *sizes(rng, 5, 3), eps=0.2, note="eps = 0.2")
    yield case("eps of 0", 3, 4, eps=0.0, note="eps = 0")
    yield case("large logits", 3, 5, eps=0.1, note="logits near 1000", size=50)


def _smooth_by_words(logits: Array, targets: Array, eps: float) -> Pair:
    N, V = logits.shape
    total, rows = 0.0, np.zeros_like(logits)
    for n in range(N):
        log_z = np.logaddexp.reduce(logits[n])
        for k in range(V):
            q = eps / V + (1 - eps) * (k == targets[n])
            total -= q * (logits[n, k] - log_z) / N
            rows[n, k] = (np.exp(logits[n, k] - log_z) - q) / N
    return total, rows


SMOOTH = Exercise(
    id="17-5",
    title="Smoothed labels",
    marks={"values": 2, "eps of 0": 1, "large logits": 1, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("loss", "dlogits"),
    reference=smoothed_loss,
    cases=_smooth_cases,
    mistakes={
        "Here eps is spread over the wrong words alone; the right word gets its share "
        "eps / V, too.": partial(_smooth, spread="wrong"),
        "The targets add up to more than 1: what is spread is taken from the right "
        "word.": partial(_smooth, spread="extra"),
        "eps and 1 - eps have changed places: it is eps that is spread.": (
            partial(_smooth, spread="swapped")
        ),
        "The logits overflow: subtract the largest of each row first, and take the "
        "logarithm of the sum, not of the probabilities.": (
            partial(_smooth, stable=False)
        ),
        "The loss is a mean over the words, so its gradient is divided by N, too.": (
            partial(_smooth, divide="loss")
        ),
        "The loss is the mean over the words; this is their sum.": (
            partial(_smooth, divide="gradient")
        ),
        "Loss and gradient are sums over the words here; the mean is asked for.": (
            partial(_smooth, divide="none")
        ),
        "The gradient is that of hard labels: p - q, with the smoothed q.": (
            partial(_smooth, gradient="hot")
        ),
        "The sign of the gradient is the wrong way round.": (
            partial(_smooth, gradient="sign")
        ),
        "The loss is that of hard labels: sum q log p over all words.": (
            partial(_smooth, loss="hard")
        ),
    },
    also_right=(_smooth_by_words,),
)

# 17-8 --------------------------------------------------------------------------------


def tied_backward(ids: Array, h: Array, do: Array, dx: Array, V: int) -> Array:
    """Return dE (V, d) of an embedding that is used on the way in and out."""
    return _tied(ids, h, do, dx, V)


def _tied(
    ids: Array,
    h: Array,
    do: Array,
    dx: Array,
    V: int,
    scale: str = "root",
    again: str = "add",
    uses: str = "both",
) -> Array:
    """Go back; the options are the mistakes that one can make."""
    d = h.shape[1]
    factor = {"root": np.sqrt(d), "none": 1.0, "over": d**-0.5}[scale]
    rows, inside = factor * dx, np.zeros((V, d))
    if again == "add":
        np.add.at(inside, ids, rows)
    elif again == "last":
        inside[ids] = rows
    outside = do.T @ h * (factor if scale == "twice" else 1)
    if uses == "product":
        return inside * outside
    if uses == "mean":
        return (inside + outside) / 2
    return {"both": inside + outside, "in": inside, "out": outside}[uses]


def _tied_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, d: int, V: int, *, twice: bool = False) -> Case:
        ids = rng.permutation(V)[:T]
        if twice:
            ids[[-1, 1]] = ids[0]
        h, dx = rng.normal(size=(2, T, d))
        return Case(
            aspect,
            (ids, h, rng.normal(size=(T, V)), dx, V),
            "a word that occurs three times" * twice,
        )

    yield case("values", 3, 4, 7)
    T, d = sizes(rng, 2, 5)
    yield case("values", T, d, 11)
    yield case("a word again", 5, 3, 6, twice=True)
    yield case("a word again", 6, 2, 8, twice=True)


def _tied_by_one_hot(ids: Array, h: Array, do: Array, dx: Array, V: int) -> Array:
    return np.eye(V)[ids].T @ dx * np.sqrt(dx.shape[1]) + np.einsum("tv,td->vd", do, h)


def _tied_word_by_word(ids: Array, h: Array, do: Array, dx: Array, V: int) -> list:
    root, rows = h.shape[1] ** 0.5, []
    for w in range(V):
        row = sum(do[t, w] * h[t] for t in range(len(h)))
        for t in np.flatnonzero(ids == w):
            row = row + root * dx[t]
        rows.append(row)
    return rows


TIED = Exercise(
    id="17-8",
    title="One matrix, two uses",
    marks={"values": 2, "a word again": 2, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("dE",),
    reference=tied_backward,
    cases=_tied_cases,
    mistakes={
        "Only the way in is there: as an output matrix E has a gradient, too.": (
            partial(_tied, uses="in")
        ),
        "Only the way out is there: as a table E has a gradient, too.": (
            partial(_tied, uses="out")
        ),
        "Two uses, two gradients: add them, do not take their mean.": (
            partial(_tied, uses="mean")
        ),
        "Two uses, two gradients: add them, do not multiply.": (
            partial(_tied, uses="product")
        ),
        "The factor sqrt(d) of the way in is missing.": partial(_tied, scale="none"),
        "The way in was multiplied by sqrt(d); backwards it is so once more, not "
        "divided.": partial(_tied, scale="over"),
        "A word that occurs again must get all of its gradients; in `dE[ids] = …` and "
        "`dE[ids] += …` only the last one counts.": partial(_tied, again="last"),
    },
    also_right=(_tied_by_one_hot, _tied_word_by_word),
)
