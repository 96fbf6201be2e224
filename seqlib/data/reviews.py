"""Reviews: four to count words in, two that differ in order alone, and hotels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._draw import pick, positive, shuffled
from .sentences import Review

# Four reviews, 1 praise and 0 blame. With <sos>, <eos> and <pad> they have 24 words.
FOUR_REVIEWS = tuple(
    Review(text.split(), label)
    for text, label in (
        ("the first half was very boring .", 0),
        ("great performance by all the lead actors .", 1),
        ("the background music was awesome .", 1),
        ("the movie was a waste of time .", 0),
    )
)
# The same words in another order say the opposite.
NOT_GOOD = Review(["the", "film", "is", "not", "good", ",", "it", "'s", "bad"], 0)
NOT_BAD = Review(["the", "film", "is", "good", ",", "it", "'s", "not", "bad"], 1)

ASPECTS = ("location", "cleanliness", "service")
HOTEL = {
    "location": (
        (
            "the station is near",
            "everything is in walking distance",
            "we were close to the sea",
        ),
        (
            "the station is far",
            "nothing is in walking distance",
            "we were miles from the sea",
        ),
    ),
    "cleanliness": (
        ("the bed was clean", "the bathroom was spotless", "the towels were fresh"),
        ("the bed was dirty", "the bathroom was filthy", "the towels were old"),
    ),
    "service": (
        ("the staff was kind", "they let us book in early", "the waiter smiled at us"),
        ("the staff was rude", "they let us wait for hours", "the waiter forgot us"),
    ),
}
FILLERS = (
    "we stayed two nights",
    "you get what you pay for",
    "bring your own pillow",
    "there was a mirror",
    "we came by train",
)


class HotelReview(NamedTuple):
    """A review that speaks of several things, with a label and a place for each."""

    words: list[str]
    labels: tuple[int, int, int]  # as in ASPECTS: 1 praise, 0 blame
    spans: tuple[tuple[int, int], ...]  # where each aspect is spoken of: [start, stop)


def hotel_reviews(count: int, rng: np.random.Generator) -> list[HotelReview]:
    """Draw hotel reviews that praise or blame location, cleanliness and service.

    Each of the three has one clause, in any order, with none to three clauses between
    that say nothing of them; each label is drawn alone. So one review wants three
    different readings, and `spans` says where each should look.
    """
    reviews = []
    for _ in range(positive(count, rng)):
        labels = tuple(int(i) for i in rng.integers(2, size=3))
        said: list[tuple[str, str]] = [
            (aspect, pick(rng, HOTEL[aspect][1 - label]))
            for aspect, label in zip(ASPECTS, labels, strict=True)
        ]
        extra = shuffled(rng, FILLERS)[: int(rng.integers(4))]
        words: list[str] = []
        spans = {}
        for aspect, text in shuffled(rng, [*said, *(("", text) for text in extra)]):
            start = len(words)
            words += text.split()
            spans[aspect] = (start, len(words))
            words.append(".")
        found = tuple(spans[aspect] for aspect in ASPECTS)
        reviews.append(HotelReview(words, labels, found))  # type: ignore[arg-type]
    return reviews
