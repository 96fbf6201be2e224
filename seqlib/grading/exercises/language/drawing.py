"""What is drawn from: temperature, top-k, top-p."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng

# 11-4 --------------------------------------------------------------------------------


def narrow(logits: Array, temperature: float, top_k: int, top_p: float) -> Array:
    """Return what is drawn from: temperature first, then top-k, then top-p."""
    return _narrow(logits, temperature, top_k, top_p)


def _softmax(a: Array) -> Array:
    p = np.exp(a - a.max())
    return p / p.sum()


def _kept(p: Array, size: int, *, rarest: bool = False) -> Array:
    order = np.argsort(p if rarest else -p)
    kept = np.zeros(len(p), bool)
    kept[order[: max(size, 1)]] = True
    return kept


def _needed(p: Array, top_p: float, more: int = 0) -> int:
    falling = np.cumsum(np.sort(p)[::-1])
    return int((falling < top_p - 1e-12).sum()) + 1 + more


def _narrow(
    logits: Array,
    temperature: float,
    top_k: int,
    top_p: float,
    *,
    scale: bool = True,
    rarest: bool = False,
    more_k: int = 0,
    more_p: int = 0,
    of_rest: bool = True,
) -> Array:
    p = _softmax(logits / temperature)
    whole = p
    p = np.where(_kept(p, top_k + more_k, rarest=rarest), p, 0)
    if scale:
        p = p / p.sum()
    size = _needed(p if of_rest else whole, top_p, more_p)
    p = np.where(_kept(p, size), p, 0)
    return p / p.sum() if scale else p


def _heat_last(logits: Array, temperature: float, top_k: int, top_p: float) -> Array:
    p = _narrow(logits, 1.0, top_k, top_p)
    hot = np.where(p > 0, p, 1) ** (1 / temperature) * (p > 0)
    return hot / hot.sum()


def _twice(logits: Array, temperature: float, top_k: int, top_p: float) -> Array:
    return _narrow(_softmax(logits), temperature, top_k, top_p)


def _sorted(logits: Array, temperature: float, top_k: int, top_p: float) -> Array:
    return np.sort(_narrow(logits, temperature, top_k, top_p))[::-1]


def _narrow_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, V: int, *options: float, note: str = "") -> Case:
        chances = 0.62 ** np.arange(V) * rng.uniform(0.95, 1.05, V)
        logits = rng.permutation(np.log(chances)) + rng.uniform(-3, 3)
        return Case(aspect, (logits, *options), note)

    yield case("temperature", 7, 0.6, 7, 1.0, note="temperature alone")
    yield case("temperature", 8, 1.8, 8, 1.0, note="temperature alone")
    yield case("top-k", 7, 1.0, 3, 1.0, note="top-k alone")
    yield case("top-p", 9, 1.0, 9, 0.7, note="top-p alone")
    yield case("top-p", 6, 1.0, 6, 0.1, note="one token is enough")
    yield case("together", 9, 2.5, 6, 0.7, note="all three")
    yield case("together", 8, 0.6, 5, 0.8, note="all three")


def _narrow_by_hand(
    logits: Array, temperature: float, top_k: int, top_p: float
) -> Array:
    weights = [float(np.exp((x - logits.max()) / temperature)) for x in logits]
    order = sorted(range(len(weights)), key=lambda i: -weights[i])[:top_k]
    total, kept, mass = sum(weights[i] for i in order), [], 0.0
    for i in order:
        kept.append(i)
        mass += weights[i]
        if mass >= top_p * total - 1e-12:
            break
    out = np.zeros(len(weights))
    out[kept] = [weights[i] / mass for i in kept]
    return out


NARROW = Exercise(
    id="11-4",
    title="Three knobs",
    marks={"temperature": 1, "top-k": 1, "top-p": 2, "together": 1},
    difficulty=2,
    importance=3,
    minutes=25,
    returns=("p",),
    reference=narrow,
    cases=_narrow_cases,
    mistakes={
        "The logits are multiplied by the temperature; divide, so that hot is flat.": (
            lambda logits, temperature, top_k, top_p: _narrow(
                logits, 1 / temperature, top_k, top_p
            )
        ),
        "The temperature is left out.": (
            lambda logits, temperature, top_k, top_p: _narrow(logits, 1, top_k, top_p)
        ),
        "The temperature divides the probabilities, which then go through a second "
        "softmax; it divides the logits.": _twice,
        "The temperature comes last here. It comes first: it changes what top-p "
        "keeps.": _heat_last,
        "What is kept must be scaled to the sum 1.": (
            lambda logits, temperature, top_k, top_p: _narrow(
                logits, temperature, top_k, top_p, scale=False
            )
        ),
        "The least likely tokens are kept.": (
            lambda logits, temperature, top_k, top_p: _narrow(
                logits, temperature, top_k, top_p, rarest=True
            )
        ),
        "Top-k keeps one too many.": (
            lambda logits, temperature, top_k, top_p: _narrow(
                logits, temperature, top_k, top_p, more_k=1
            )
        ),
        "Top-p must reach its share: the token with which the sum passes top_p is "
        "kept too.": lambda logits, temperature, top_k, top_p: _narrow(
            logits, temperature, top_k, top_p, more_p=-1
        ),
        "Top-p keeps one too many: stop as soon as the sum has reached top_p.": (
            lambda logits, temperature, top_k, top_p: _narrow(
                logits, temperature, top_k, top_p, more_p=1
            )
        ),
        "Top-p takes its share of what top-k has left, scaled to 1; here it takes it "
        "of everything, as if it came first.": (
            lambda logits, temperature, top_k, top_p: _narrow(
                logits, temperature, top_k, top_p, of_rest=False
            )
        ),
        "The result is sorted. Each probability belongs where its token stands.": (
            _sorted
        ),
    },
    also_right=(_narrow_by_hand,),
)
