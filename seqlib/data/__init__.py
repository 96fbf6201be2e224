"""From words to arrays, and sentences made by small grammars."""

from .sentences import Blank, Review, film_reviews, missing_pronouns
from .text import Vocabulary, one_hot, pad, tokens

__all__ = [
    "Blank",
    "Review",
    "Vocabulary",
    "film_reviews",
    "missing_pronouns",
    "one_hot",
    "pad",
    "tokens",
]
