"""The parallel corpora: grammar by tables of the test's own, and the alignment."""

import hashlib
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from seqlib.data import (
    ATE_AN_APPLE,
    BACK_TO_ROME,
    GOING_HOME,
    Pair,
    both_ways,
    oracle,
    sentence_pairs,
    turned,
)

LANGUAGES = ("german", "hindi", "spanish")
JOINS = {"and", "but", "because"}
TIMES = ("yesterday", "last year", "now", "tomorrow", "today", "on Monday")


def words(text):
    return text.split()


VERBS = words("am is are will ate read bought wrote looked went")


def drawn(language, count=1500, seed=0, **options):
    return sentence_pairs(language, count, np.random.default_rng(seed), **options)


def single(language, count=2000):
    """Return pairs of one clause each."""
    return [p for p in drawn(language, count) if not JOINS & set(p.source)]


def parts(source):
    """Cut an English clause: (time first or not, subject, tense, the words after)."""
    text = " ".join(source)
    early = next((t for t in TIMES if text.startswith(t + " ")), "")
    left = source[len(early.split()) :]
    at = next(i for i, w in enumerate(left) if w in VERBS)
    verb = left[at]
    tense = "future" if verb == "will" else "now" if verb in VERBS[:3] else "past"
    return early, left[:at], tense, left[at:]


def person(subject):
    """Return (0 i, 1 he or she, 2 we, 3 they; m or f)."""
    first, last = subject[0], subject[-1]
    if first in ("I", "we"):
        return 2 * (first == "we"), "m"
    plural = first in ("they", "two") or last in (
        "men", "women", "boys", "kings", "queens",
    )  # fmt: skip
    feminine = last in ("she", "Maria", "Anna", "woman", "women", "queen", "queens")
    return 1 + 2 * plural, "f" if feminine else "m"


# --- the examples of the lectures ----------------------------------------------------


@pytest.mark.referee("seqlib.data.oracle", "seqlib.data.turned", by="by hand")
def test_going_home():
    assert " ".join(GOING_HOME.source) == "I am going home"
    assert " ".join(GOING_HOME.target) == "main ghar ja raha hoon"
    back = turned(GOING_HOME)
    expected = [
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 0.5, 0.5, 0],
        [0, 1, 0, 0, 0],
    ]
    assert oracle(back).tolist() == expected
    assert turned(back) == GOING_HOME


def test_one_word_becomes_two():
    assert " ".join(ATE_AN_APPLE.source) == "I ate an apple"
    assert " ".join(ATE_AN_APPLE.target) == "ich habe einen Apfel gegessen"
    assert sorted(ATE_AN_APPLE.alignment) == [(0, 0), (1, 1), (1, 4), (2, 2), (3, 3)]


def test_two_right_translations():
    assert " ".join(BACK_TO_ROME.target) == (
        "el año pasado volví a ir a Roma con mis amigos"
    )
    assert [" ".join(p.source) for p in both_ways(BACK_TO_ROME)] == [
        "last year I went back to Rome with my friends",
        "last year I went to Rome again with my friends",
    ]
    assert both_ways(ATE_AN_APPLE) == [ATE_AN_APPLE]


# --- the alignment -------------------------------------------------------------------

NO_SOURCE = {"german": set(), "spanish": set(), "hindi": {"the", "to"}}
NO_TARGET = {"german": {","}, "spanish": {"el"}, "hindi": {"ne"}}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_alignment_covers_every_word_that_has_a_counterpart(language):
    for source, target, links in drawn(language):
        lone = {w for i, w in enumerate(source) if i not in {a for a, _ in links}}
        assert lone <= NO_SOURCE[language], (source, target)
        lone = {w for j, w in enumerate(target) if j not in {b for _, b in links}}
        assert lone <= NO_TARGET[language], (source, target)
        assert all(0 <= i < len(source) and 0 <= j < len(target) for i, j in links)


WORDS = {
    "german": {
        "apple": "Apfel", "books": "Bücher", "house": "Haus", "red": "rot",
        "friends": "Freunden", "ate": "gegessen", "because": "weil", "Rome": "Rom",
        "yesterday": "gestern", "kitchen": "Küche", "clever": "klug", "two": "zwei",
    },
    "spanish": {
        "apple": "manzana", "books": "libros", "house": "casa", "red": "roj",
        "friends": "amigos", "because": "porque", "Rome": "Roma", "two": "dos",
        "yesterday": "ayer", "kitchen": "cocina", "clever": "inteligente",
    },
    "hindi": {
        "apple": "seb", "books": "kitaben", "house": "ghar", "red": "laal",
        "friends": "doston", "because": "kyonki", "Rome": "Rom", "two": "do",
        "yesterday": "kal", "kitchen": "rasoi", "clever": "hoshiyar", "ate": "kha",
    },
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.referee("seqlib.data.sentence_pairs", by="by hand")
def test_aligned_words_translate_one_another(language):
    met = Counter()
    for source, target, links in drawn(language):
        for i, word in enumerate(source):
            if word in WORDS[language]:
                theirs = [target[j] for a, j in links if a == i]
                known = WORDS[language][word]
                assert any(w.startswith(known) for w in theirs), (source, target)
                met[word] += 1
    assert set(met) == set(WORDS[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_oracle_shares_a_row_equally(language):
    for pair in drawn(language, 200):
        weights = oracle(pair)
        assert weights.shape == (len(pair.target), len(pair.source))
        assert {(i, j) for j, i in np.argwhere(weights)} == pair.alignment
        sums = weights.sum(axis=1)
        assert ((np.abs(sums - 1) < 1e-12) | (sums == 0)).all()
        for row in weights:
            assert len(set(row[row > 0])) <= 1


# --- German --------------------------------------------------------------------------

GENDER = {
    "m": "Mann Junge König Apfel Brief Stuhl",
    "f": "Frau Königin Banane Zeitung Blume",
    "n": "Ei Buch Haus Auto",
    "pl": "Männer Frauen Jungen Könige Königinnen Äpfel Bananen Eier Bücher Briefe "
    "Zeitungen Häuser Stühle Blumen Autos",
}
GENDER = {noun: g for g, nouns in GENDER.items() for noun in nouns.split()}
# (gender, article, ending of the adjective), as a German grammar prints them.
NOMINATIVE = {
    ("m", "der", "e"), ("f", "die", "e"), ("n", "das", "e"), ("pl", "die", "en"),
    ("m", "ein", "er"), ("f", "eine", "e"), ("n", "ein", "es"), ("pl", "zwei", "e"),
}  # fmt: skip
ACCUSATIVE = {
    ("m", "den", "en"), ("f", "die", "e"), ("n", "das", "e"), ("pl", "die", "en"),
    ("m", "einen", "en"), ("f", "eine", "e"), ("n", "ein", "es"), ("pl", "zwei", "e"),
}  # fmt: skip
STEMS = words("rot neu alt groß schön klug reich")
FINITE = {
    "past": {"habe hat haben haben", "bin ist sind sind"},
    "future": {"werde wird werden werden"},
    "now": {
        "esse isst essen essen", "lese liest lesen lesen", "kaufe kauft kaufen kaufen",
        "schreibe schreibt schreiben schreiben", "suche sucht suchen suchen",
        "gehe geht gehen gehen", "fahre fährt fahren fahren",
    },
}  # fmt: skip


def phrases(target):
    """Yield (article, endings, noun, place of the article) of German phrases."""
    for at, noun in enumerate(target):
        if noun in GENDER:
            start, endings = at - 1, []
            while target[start] not in {a for _, a, _ in NOMINATIVE | ACCUSATIVE}:
                if target[start] != "und":
                    (stem,) = [s for s in STEMS if target[start].startswith(s)]
                    endings.append(target[start].removeprefix(stem))
                start -= 1
            yield target[start], endings, noun, start


@pytest.mark.referee("seqlib.data.sentence_pairs", by="by hand")
def test_german_articles_and_adjectives_fit_case_and_gender():
    met = set()
    for source, target, links in single("german"):
        early, subject, _, _ = parts(source)
        ends = len(early.split()) + len(subject)
        for article, endings, noun, at in phrases(target):
            is_subject = min(i for i, j in links if j == at) < ends
            table = NOMINATIVE if is_subject else ACCUSATIVE
            right = [e for g, a, e in table if (g, a) == (GENDER[noun], article)]
            assert len(right) == 1, target
            assert set(endings) <= set(right), target
            met.add((is_subject, GENDER[noun], article, bool(endings)))
    assert len(met) == 28  # 6 phrases of subjects and 8 of objects, each also described


@pytest.mark.referee("seqlib.data.sentence_pairs", by="by hand")
def test_german_verbs_agree_and_stand_second_and_last():
    ends = words("gegessen gelesen gekauft geschrieben gesucht gegangen gefahren")
    infinitives = words("essen lesen kaufen schreiben suchen gehen fahren")
    for source, target, _ in single("german"):
        early, subject, tense, rest = parts(source)
        finite = target[max(len(early.split()), not early and len(subject))]
        forms = [row.split() for row in FINITE[tense]]
        assert finite in [row[person(subject)[0]] for row in forms], target
        if early:  # the subject comes after the verb
            after = target[len(early.split()) + 1]
            assert (after in words("ich er sie wir")) == (
                subject[0] in words("I he she we they")
            )
        if tense == "past":
            assert target[-1] in ends
            goes = finite in ("bin", "ist", "sind")
            assert goes == ("went" in rest) == (target[-1] in ends[-2:])
        if tense == "future":
            assert target[-1] in infinitives
        if goes_far(target):
            assert {"fahren", "gefahren", "fahre", "fährt"} & set(target)


def goes_far(target):
    return any(a == "nach" and b != "Hause" for a, b in pairwise(target))


def test_german_because_sends_the_finite_verb_to_the_end():
    finite = {w for rows in FINITE.values() for row in rows for w in row.split()}
    met = 0
    for source, target, _ in drawn("german"):
        if source.count("because") == 1 and not {"and", "but"} & set(source):
            clause = target[target.index("weil") + 1 :]
            assert clause[-1] in finite
            assert clause[0][0].islower() or clause[0] in (
                "Maria",
                "Anna",
                "Peter",
                "Ravi",
            )
            assert (
                sum(w in {"hat", "habe", "ist", "bin", "sind", "wird"} for w in clause)
                <= 1
            )
            met += 1
        assert target.count(",") == source.count("because") + source.count("but")
        text = " ".join(source)
        for reason in re.findall("because (.*?)(?=$| but | because )", text):
            left = reason.replace("will read", "will").split()
            assert sum(w in VERBS for w in left) == 1, text  # no `and` in it
    assert met > 40


# --- Spanish -------------------------------------------------------------------------

FEMININE = set(
    words(
        "mujer mujeres reina reinas manzana manzanas carta cartas casa casas "
        "silla sillas flor flores cocina"
    )
)
MASCULINE = set(
    words(
        "hombre hombres niño niños rey reyes plátano plátanos huevo huevos libro "
        "libros periódico periódicos coche coches"
    )
)
ARTICLES = {
    "el": "m", "los": "m", "un": "m", "la": "f", "las": "f", "una": "f",
}  # fmt: skip


@pytest.mark.referee("seqlib.data.sentence_pairs", by="by hand")
def test_spanish_articles_and_adjectives_agree():
    stems = words("roj nuev viej bonit ric")
    met = set()
    for _, target, _ in drawn("spanish"):
        for i, noun in enumerate(target):
            if noun not in FEMININE | MASCULINE or noun == "cocina":
                continue
            gender, plural = "f" if noun in FEMININE else "m", noun.endswith("s")
            article = target[i - 1]
            assert ARTICLES.get(article, gender) == gender, target
            assert plural == (article in ("los", "las", "dos"))
            for adjective in target[i + 1 : i + 4]:
                stem = next((s for s in stems if adjective.startswith(s)), "")
                if stem:
                    ending = ("a" if gender == "f" else "o") + "s" * plural
                    assert adjective == stem + ending, target
                    met.add((gender, plural))
                elif adjective.startswith(("grande", "inteligente")):
                    assert adjective.endswith("s") == plural, target
                elif adjective not in ("y", "e"):
                    break
        assert not {"yo", "nosotros"} & set(target)
        for before, after in pairwise(target):
            assert (before == "e") <= after.startswith("i"), target
            assert not (before == "y" and after.startswith("i")), target
    assert len(met) == 4


ENDINGS = {  # of the finite verb: i, he or she, we, they
    "past": (("í", "é", "fui"), ("ó", "fue"), ("mos",), ("ron",)),
    "future": (("ré",), ("rá",), ("remos",), ("rán",)),
    "now": (
        ("estoy", "voy", "vuelvo"),
        ("está", "va", "vuelve"),
        ("mos",),
        ("están", "van", "vuelven"),
    ),
}


@pytest.mark.referee("seqlib.data.sentence_pairs", by="by hand")
def test_spanish_verbs_agree():
    for source, target, links in single("spanish"):
        early, subject, tense, _ = parts(source)
        verb_at = len(early.split()) + len(subject)
        if BACK & set(source):
            verb_at = next(i for i, w in enumerate(source) if w in BACK)
        finite = min(j for i, j in links if i == verb_at)
        if tense == "now" and not BACK & set(source):
            finite = min(finite, min(j for i, j in links if source[i] in BE))
        assert target[finite].endswith(ENDINGS[tense][person(subject)[0]]), target
        if subject[0] in ("I", "we"):
            assert (len(early.split()), finite) in ((0, 0), (1, 1), (2, 2), (2, 3))


BACK, BE = {"back", "again"}, {"am", "is", "are"}


# --- Hindi ---------------------------------------------------------------------------

CHANGING = {"naya": "na", "purana": "puran", "bada": "bad", "boodha": "boodh"}
OBLIQUE = {
    "man": "aadmi", "men": "aadmiyon", "woman": "aurat", "women": "auraton",
    "boy": "ladke", "boys": "ladkon", "king": "raja", "kings": "rajaon",
    "queen": "rani", "queens": "raniyon",
}  # fmt: skip
DIRECT = OBLIQUE | {
    "men": "aadmi", "women": "auraten", "boy": "ladka", "boys": "ladke",
    "kings": "raja", "queens": "raniyan",
}  # fmt: skip


@pytest.mark.referee("seqlib.data.sentence_pairs", by="by hand")
def test_hindi_verbs_agree():
    met = set()
    for source, target, _ in single("hindi"):
        _, subject, tense, rest = parts(source)
        who, gender = person(subject)
        last = target[-1]
        if tense == "now":
            raha = {"m": ("raha", "rahe"), "f": ("rahi", "rahi")}[gender][who > 1]
            assert target[-2:] == [raha, ("hoon", "hai", "hain", "hain")[who]], target
        elif tense == "future":
            ending = ("oong", "eg", "eng", "eng")[who]
            ending += {"m": "e" if who > 1 else "a", "f": "i"}[gender]
            assert last.endswith(ending), target
        elif "went" in rest:
            assert (
                last == {"m": ("gaya", "gaye"), "f": ("gayi", "gayin")}[gender][who > 1]
            )
            assert not AGENT & set(target), target
        else:  # it agrees with the object, and the subject has ne
            assert AGENT & set(target), target
            (thing,) = [w for w in rest if w in ENGLISH]
            kind, plural = ENGLISH[thing], thing.endswith("s")
            assert last.endswith({"m": ("a", "e"), "f": ("i", "in")}[kind][plural])
            met.add((kind, plural))
        if tense != "past":
            assert not AGENT & set(target), target
    assert len(met) == 4


AGENT = {"ne", "maine", "humne", "usne", "unhone"}


@pytest.mark.referee("seqlib.data.sentence_pairs", by="by hand")
def test_hindi_nouns_and_adjectives_agree():
    for source, target, links in single("hindi"):
        _, _, tense, rest = parts(source)
        agent = tense == "past" and "went" not in rest
        for i, word in enumerate(source):
            theirs = [target[j] for a, j in links if a == i]
            if word in DIRECT:
                assert theirs == [(OBLIQUE if agent else DIRECT)[word]], target
        for i, word in enumerate(source):
            if word not in ("old", "new", "big"):
                continue
            (theirs,) = [target[j] for a, j in links if a == i]
            stem = next(s for s in (*CHANGING.values(), "nay") if theirs.startswith(s))
            of = next(w for w in source[i:] if w in DIRECT or w in ENGLISH)
            gender = ENGLISH.get(of) or ("f" if of in FEMALE else "m")
            plural = of in ("men", "women") or of.endswith("s")
            oblique = of in DIRECT and agent
            ending = "i" if gender == "f" else "e" if plural or oblique else "a"
            assert theirs.removeprefix(stem).removeprefix("y") == ending, target
            assert (stem == "boodh") == (word == "old" and of in DIRECT)


FEMALE = {"woman", "women", "queen", "queens"}
ENGLISH = {  # the gender of a thing in Hindi
    **dict.fromkeys(words("apple banana egg newspaper house flower"), "m"),
    **dict.fromkeys(words("apples bananas eggs newspapers houses flowers"), "m"),
    **dict.fromkeys(words("book books letter letters chair chairs car cars"), "f"),
}


# --- what varies ---------------------------------------------------------------------


@pytest.mark.referee("seqlib.data.both_ways", by="enumeration")
def test_both_ways_are_all_of_them():
    back = re.compile(r"\b(go|went|going) back (home|to the \w+|to \w+)")
    again = re.compile(r"\b(go|went|going) (home|to the \w+|to \w+) again")
    most = 0
    for pair in drawn("spanish", 800, words=(8, 24)):
        found = {" ".join(p.source) for p in both_ways(pair)}
        wanted, new = set(), {" ".join(pair.source)}
        while new:  # rewrite one place after the other until nothing is new
            wanted |= new
            texts = [
                way.sub(lambda m, p=put, k=k: p(m) if m.start() == k else m[0], text)
                for text in new
                for way, put in (
                    (back, lambda m: f"{m[1]} {m[2]} again"),
                    (again, lambda m: f"{m[1]} back {m[2]}"),
                )
                for k in [m.start() for m in way.finditer(text)]
            ]
            new = set(texts) - wanted
        assert found == wanted
        most = max(most, len(found))
        for other in both_ways(pair):
            assert other.target == pair.target
            assert said(other) == said(pair)
        assert both_ways(pair)[0] == pair
    assert most >= 4


def said(pair):
    same = {"back": "again"}
    return Counter(
        (same.get(pair.source[i], pair.source[i]), j) for i, j in pair.alignment
    )


@pytest.mark.parametrize("words", [3, (3, 12), 10, (18, 40)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_lengths_are_as_asked(language, words):
    pairs = drawn(language, 150, words=words)
    shortest, longest = words if isinstance(words, tuple) else (words, words)
    lengths = [len(p.source) for p in pairs]
    assert min(lengths) >= shortest
    assert max(lengths) <= longest
    if longest - shortest > 5:
        assert len(set(lengths)) > (longest - shortest) * 0.7


@pytest.mark.parametrize(
    ("language", "digest"),
    [
        ("german", "7aae22c5d3f1"),
        ("hindi", "e0e89128ff55"),
        ("spanish", "4bdf7be43003"),
    ],
)
def test_one_seed_one_corpus(language, digest):
    text = repr([(s, t, sorted(a)) for s, t, a in drawn(language, 100, 7)])
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == digest
    assert drawn(language, 20, 1) == drawn(language, 20, 1) != drawn(language, 20, 2)


@pytest.mark.parametrize("language", LANGUAGES)
def test_many_sentences_of_few_words(language):
    pairs = drawn(language, 2000, words=(8, 14))
    assert len({tuple(p.source) for p in pairs}) > 1985
    for side in (0, 1):
        assert 90 < len({w for p in pairs for w in p[side]}) < 180
    # One English sentence has one translation, and each language is written alike.
    translations = {}
    for source, target, _ in drawn(language, 3000, words=(3, 6)):
        assert translations.setdefault(tuple(source), target) == target


def test_distinct_sentences_and_the_end_of_them():
    pairs = drawn("german", 2000, words=(3, 7), distinct=True)
    assert len({tuple(p.source) for p in pairs}) == 2000
    again = {tuple(p.source) for p in drawn("german", 2000, words=(3, 7))}
    assert len(again) < 1900
    with pytest.raises(ValueError, match=r"count must be about \d at most, for there"):
        drawn("german", 1000, words=(3, 3), distinct=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"language": "french"},
            "language must be one of 'german', 'hindi', 'spanish'",
        ),
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"words": (2, 9)}, "words must be at least 3 and at most 60, got 2"),
        ({"words": (9, 8)}, r"words must be \(least, most\), least first, got \(9, 8"),
        ({"words": 61}, "words must be at least 3 and at most 60, got 61"),
    ],
)
def test_sentence_pairs_explain(change, sentence):
    call = {"language": "german", "count": 1, "rng": np.random.default_rng(0)} | change
    with pytest.raises(ValueError, match=sentence):
        sentence_pairs(**call)


@pytest.mark.parametrize("act", [turned, oracle, both_ways])
def test_a_pair_is_a_pair(act):
    with pytest.raises(TypeError, match="pair must be a Pair, got tuple"):
        act(tuple(GOING_HOME))
    assert isinstance(GOING_HOME, Pair)
