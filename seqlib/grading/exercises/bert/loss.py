"""The loss over hidden words, and how far a visible word is to be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

# 19-4 --------------------------------------------------------------------------------


def masked_loss(logits: Array, targets: Array) -> tuple[float, Array]:
    """Return the mean loss of chosen places, and its gradient (B, T, V)."""
    return _loss(logits, targets)


def _loss(
    logits: Array,
    targets: Array,
    stable: bool = True,
    over: str = "chosen",
    where: bool = True,
    empty: bool = True,
    share: bool = True,
    minus: bool = True,
) -> tuple[float, Array]:
    """Score; the options are the mistakes that one can make."""
    chosen = targets != -100
    if empty and not chosen.any():
        return 0.0, np.zeros_like(logits)
    with np.errstate(all="ignore"):
        z = logits - logits.max(axis=-1, keepdims=True) if stable else logits
        p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
        right = np.where(chosen, targets, 0)
        said = np.take_along_axis(z, right[..., None], -1)[..., 0]
        each = np.log(np.exp(z).sum(axis=-1)) - said
        n = {"chosen": chosen.sum(), "all": chosen.size, "sum": 1}[over]
        loss = (each * chosen).sum() / n if where else each.mean()
        do = p - np.eye(logits.shape[-1])[right] * minus
        do = do * (chosen[..., None] if where else 1)
        return float(loss), do / (n if share else 1)


def _loss_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, p: float, scale: float = 2, note: str = "") -> Case:
        B, T, V = sizes(rng, 2, 5, 4)
        logits, targets = scale * rng.normal(size=(B, T, V)), np.full((B, T), -100)
        chosen = rng.random((B, T)) < p
        chosen[0, 1], chosen[0, 2] = p > 0, False
        words = rng.integers(1, V, (B, T))
        return Case(aspect, (logits, np.where(chosen, words, targets)), note)

    yield case("values", 0.4)
    yield case("values", 0.3)
    yield case("nothing chosen", 0, note="no place was chosen")
    yield case("large logits", 0.5, 800, "logits of some hundreds")


def _loss_of_chosen(logits: Array, targets: Array) -> tuple[float, Array]:
    """Take the chosen places out, score them, and put the gradient back."""
    places = np.nonzero(targets != -100)
    do = np.zeros(logits.shape)
    if not len(places[0]):
        return 0.0, do
    z = logits[places]
    top = z.max(axis=1, keepdims=True)
    total = top + np.log(np.exp(z - top).sum(axis=1, keepdims=True))
    rows, right = np.arange(len(z)), targets[places]
    p = np.exp(z - total)
    p[rows, right] -= 1
    do[places] = p / len(z)
    return float((total[:, 0] - z[rows, right]).mean()), do


LOSS = Exercise(
    id="19-4",
    title="Score the hidden words, and go back",
    marks={"values": 3, "nothing chosen": 1, "large logits": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("loss", "dlogits"),
    reference=masked_loss,
    cases=_loss_cases,
    mistakes={
        "Only chosen places count: where the target is -100 there is no loss and no "
        "gradient.": partial(_loss, where=False),
        "Divide by the number of chosen places, not by that of all places.": (
            partial(_loss, over="all")
        ),
        "The loss is the mean over the chosen places; this is the sum.": (
            partial(_loss, over="sum")
        ),
        "The gradient belongs to the mean: it is divided by the number of chosen "
        "places as well.": partial(_loss, share=False),
        "The gradient is the probability minus 1 at the right word.": (
            partial(_loss, minus=False)
        ),
        "If no place is chosen, that is a division by 0: loss and gradient are 0.": (
            partial(_loss, empty=False)
        ),
        "Large logits overflow: subtract the largest of each place first.": (
            partial(_loss, stable=False)
        ),
    },
    also_right=(_loss_of_chosen,),
)

# 19-5 --------------------------------------------------------------------------------


def belief(prior: Array, seen: int, mask_id: int, stray: float, keep: float) -> Array:
    """Return P(word that stood at a chosen place, given what is seen there)."""
    return _belief(prior, seen, mask_id, stray, keep)


def _belief(
    prior: Array,
    seen: int,
    mask_id: int,
    stray: float,
    keep: float,
    total: bool = True,
    weigh: bool = True,
    spread: bool = True,
    mask: float | None = None,
) -> Array:
    """Weigh; the options are the mistakes that one can make."""
    V = len(prior)
    likely = np.full(V, stray / V if spread else stray)
    likely[seen] += keep
    if seen == mask_id:
        likely += 1 - stray - keep if mask is None else mask
    joint = likely * prior if weigh else likely
    return joint / joint.sum() if total else joint


def _belief_cases(rng: Rng) -> Iterator[Case]:
    def prior(V: int, mask_id: int) -> Array:
        p = rng.dirichlet(np.ones(V))
        p[mask_id] = 0
        return p / p.sum()

    for V, m in ((6, 2), (9, 0)):
        yield Case("values", (prior(V, m), V - 1, m, 0.1, 0.1))
    yield Case("values", (prior(7, 3), 1, 3, 0.2, 0.05), "another rule")
    yield Case("mask", (prior(7, 3), 3, 3, 0.1, 0.1), "[MASK] is seen")
    yield Case("mask", (prior(5, 4), 4, 4, 0.3, 0.2), "[MASK] is seen")
    yield Case("sure", (prior(6, 1), 4, 1, 0.0, 0.1), "no strangers")


def _belief_in_two_cases(
    prior: Array, seen: int, mask_id: int, stray: float, keep: float
) -> Array:
    if seen == mask_id:
        return prior / prior.sum()
    a = stray / len(prior)
    answer = a * prior / (a + keep * prior[seen])
    answer[seen] = (a + keep) * prior[seen] / (a + keep * prior[seen])
    return answer


def _copies(prior: Array, seen: int, mask_id: int, stray: float, keep: float) -> Array:
    return np.eye(len(prior))[seen] if seen != mask_id else prior + 0


def _half(prior: Array, seen: int, mask_id: int, stray: float, keep: float) -> Array:
    if seen == mask_id:
        return prior + 0
    sure = keep / (keep + stray)
    return sure * np.eye(len(prior))[seen] + (1 - sure) * prior


BELIEF = Exercise(
    id="19-5",
    title="Predict, then measure: may one trust this word?",
    marks={"values": 2, "mask": 1, "sure": 1, INPUTS: 1},
    difficulty=2,
    importance=2,
    minutes=20,
    returns=("answer",),
    reference=belief,
    cases=_belief_cases,
    mistakes={
        "This is a joint probability: divide by its sum over all words.": (
            partial(_belief, total=False)
        ),
        "The neighbours have no say here: multiply by the prior.": (
            partial(_belief, weigh=False)
        ),
        "A stranger is any of V words: each of them has the share stray / V.": (
            partial(_belief, spread=False)
        ),
        "The visible word may be a stranger: it is not certain.": _copies,
        "Half and half is right on average only: a word that fits the neighbours "
        "deserves more trust than one that does not.": _half,
        "If [MASK] is seen, every word is equally likely to be behind it, so the "
        "prior alone decides; do not divide the share of masks by anything else.": (
            lambda prior, seen, mask_id, stray, keep: (
                np.full(len(prior), 1 / len(prior))
                if seen == mask_id
                else _belief(prior, seen, mask_id, stray, keep)
            )
        ),
    },
    also_right=(_belief_in_two_cases,),
)
