"""One good call of every public function of seqlib.data that needs no network."""

import numpy as np

from seqlib import data


def rng():
    return np.random.default_rng(5)


CALLS = {
    data.balanced: {"text": "f(a[0]);"},
    data.both_ways: {"pair": data.BACK_TO_ROME},
    data.bracket_programs: {
        "count": 3, "rng": rng(), "length": (12, 30), "deepest": 3,
    },
    data.daily_prices: {},
    data.dialogues: {"count": 3, "rng": rng()},
    data.digits: {},
    data.eeg: {},
    data.english_text: {},
    data.film_reviews: {"count": 3, "rng": rng()},
    data.hotel_reviews: {"count": 3, "rng": rng()},
    data.melodies: {"count": 3, "rng": rng()},
    data.missing_pronouns: {"count": 3, "rng": rng(), "between": 1},
    data.monthly_prices: {},
    data.named_entities: {"count": 3, "rng": rng()},
    data.nesting: {"text": "f(a[0]);"},
    data.next_sentences: {"count": 3, "rng": rng()},
    data.one_hot: {"ids": np.array([[0, 4, 2], [1, 1, 3]]), "size": 5},
    data.oracle: {"pair": data.GOING_HOME},
    data.pad: {"sequences": [[1, 2, 3], [4]], "value": 9},
    data.python_source: {"name": "heapq"},
    data.sentence_pairs: {
        "language": "german", "count": 3, "rng": rng(), "words": (4, 9),
        "distinct": True,
    },
    data.tagged_sentences: {"count": 3, "rng": rng()},
    data.to_malayalam: {"word": "INDIA"},
    data.tokens: {"text": "The film is not good, it's bad."},
    data.transliterations: {"count": 3, "rng": rng(), "syllables": (1, 3)},
    data.turned: {"pair": data.ATE_AN_APPLE},
    data.two_fact_questions: {"count": 3, "rng": rng(), "sentences": 5},
}  # fmt: skip
VARIANTS = {data.one_hot: [{"dtype": np.float32}]}
NEEDS = {
    "matplotlib": (data.daily_prices, data.eeg, data.monthly_prices),
    "sklearn": (data.digits,),
}
WORDS = "any text"
INSIDE = "what is in a Pair is the corpus's own"
PAIRS = data.both_ways, data.oracle, data.turned
EXCEPTIONS = {
    (data.balanced, "text", "'nonsense'"): WORDS,
    (data.nesting, "text", "'nonsense'"): WORDS,
    (data.tokens, "text", "'nonsense'"): WORDS,
    (data.to_malayalam, "word", "'nonsense'"): WORDS,
    **{(f, "pair[*", "*"): INSIDE for f in PAIRS},
    (data.one_hot, "ids", "an axis *"): "numbers in any arrangement",
    (data.one_hot, "ids", "a list|a number|a string"): "lists and numbers will do",
    (data.pad, "sequences[*", "1.5|True|-1000"): "any numbers",
    (data.pad, "value", "True|-1000"): "any number",
}
ELSEWHERE = {
    f"seqlib.data.{name}": "needs a network: tests/test_data.py"
    for name in ("english_french", "tiny_shakespeare")
}
