"""The corpora made by grammars, each held against rules of the test's own."""

import hashlib
import math
import re
import unicodedata
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest

from seqlib import data
from seqlib.data import (
    AMBIGUOUS,
    ASPECTS,
    ENTITIES,
    FOUR_REVIEWS,
    NOT_BAD,
    NOT_GOOD,
    TAGS,
    Vocabulary,
    balanced,
    bracket_programs,
    dialogues,
    film_reviews,
    hotel_reviews,
    melodies,
    named_entities,
    nesting,
    next_sentences,
    tagged_sentences,
    to_malayalam,
    transliterations,
    two_fact_questions,
)


def rng(seed=0):
    return np.random.default_rng(seed)


# --- all of them ---------------------------------------------------------------------

DIGESTS = {
    film_reviews: "05df637aebd9",
    data.missing_pronouns: "abe6c388687a",
    hotel_reviews: "11a9bd584643",
    tagged_sentences: "f41ee6059178",
    named_entities: "9c797e3fd9af",
    bracket_programs: "4100a8685ced",
    transliterations: "58ee2734081d",
    dialogues: "40297d034bd0",
    two_fact_questions: "15607f4b2504",
    next_sentences: "e86903fea3d7",
    melodies: "6a9133b56ffd",
}


@pytest.mark.parametrize("make", DIGESTS)
def test_one_seed_one_corpus(make):
    digest = hashlib.sha256(repr(make(50, rng(7))).encode()).hexdigest()[:12]
    assert digest == DIGESTS[make]
    assert make(50, rng(8)) != make(50, rng(7))


@pytest.mark.parametrize("make", DIGESTS)
def test_wrong_counts_and_generators_get_a_sentence(make):
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        make(0, rng())
    with pytest.raises(TypeError, match=r"count must be a whole number, got 2\.5"):
        make(2.5, rng())
    with pytest.raises(TypeError, match="rng must be a numpy generator"):
        make(1, 0)


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: bracket_programs(1, rng(), 9), "length must be at least 10, got 9"),
        (lambda: bracket_programs(1, rng(), (50, 40)), "least first, got .50, 40"),
        (lambda: bracket_programs(1, rng(), deepest=0), "deepest must be at least 1"),
        (lambda: transliterations(1, rng(), 0), "syllables must be at least 1, got 0"),
        (lambda: transliterations(1, rng(), (5, 4)), "least first, got .5, 4"),
        (lambda: two_fact_questions(1, rng(), 1), "sentences must be at least 2, got"),
        (lambda: nesting("(]"), r"text must be balanced, got '\(\]'"),
        (lambda: to_malayalam("naïve"), "word must be of letters that the rules read"),
        (lambda: to_malayalam(""), "word must be of letters that the rules read, got"),
        (lambda: to_malayalam("x-y"), "word must be of letters that the rules read"),
    ],
)
def test_wrong_values_get_a_sentence(act, sentence):
    with pytest.raises(ValueError, match=sentence):
        act()


@pytest.mark.parametrize("act", [balanced, nesting, to_malayalam])
def test_what_is_no_text(act):
    with pytest.raises(TypeError, match="must be a string, got list"):
        act(["("])


# --- reviews -------------------------------------------------------------------------


def test_four_reviews_have_24_words():
    texts = [["<sos>", *words, "<eos>"] for words, _ in FOUR_REVIEWS]
    vocabulary = Vocabulary(texts, special=["<sos>", "<eos>"])
    assert len(vocabulary) == 24
    assert [len(t) for t in texts] == [9, 10, 8, 10]
    assert [label for _, label in FOUR_REVIEWS] == [0, 1, 1, 0]


def test_two_reviews_of_the_same_words():
    assert sorted(NOT_GOOD.words) == sorted(NOT_BAD.words)
    assert NOT_GOOD.label != NOT_BAD.label
    assert data.tokens("The film is not good, it's bad") == NOT_GOOD.words
    assert data.tokens("The film is good, it's not bad") == NOT_BAD.words


def test_a_bag_of_words_cannot_tell_film_reviews_apart():
    labels = defaultdict(list)
    for words, label in film_reviews(20_000, rng(1)):
        if words.count("not") == 1 and "," in words:
            labels[tuple(sorted(words))].append(label)
    often = [np.mean(x) for x in labels.values() if len(x) >= 60]
    assert len(often) > 40
    assert min(often) > 0.25
    assert max(often) < 0.75


GOOD = {
    "location": ("near", "everything is in walking distance", "close"),
    "cleanliness": ("clean", "spotless", "fresh"),
    "service": ("kind", "early", "smiled"),
}
BAD = {
    "location": ("far", "nothing is in walking distance", "miles"),
    "cleanliness": ("dirty", "filthy", "old"),
    "service": ("rude", "hours", "forgot"),
}


@pytest.mark.referee("seqlib.data.hotel_reviews", by="by hand")
def test_hotel_reviews_say_what_their_labels_say():
    reviews = hotel_reviews(2000, rng(2))
    for words, labels, spans in reviews:
        for aspect, label, (start, stop) in zip(ASPECTS, labels, spans, strict=True):
            said = " ".join(words[start:stop])
            assert any(clue in said for clue in (BAD, GOOD)[label][aspect])
            assert not any(clue in said for clue in (GOOD, BAD)[label][aspect])
            assert words[stop] == "."
            assert start == 0 or words[start - 1] == "."
        assert 3 <= words.count(".") <= 6
    labels = np.array([r.labels for r in reviews])
    np.testing.assert_allclose(labels.mean(axis=0), 0.5, atol=0.05)
    np.testing.assert_allclose(np.corrcoef(labels.T), np.eye(3), atol=0.1)
    first = Counter(int(np.argmin([s for s, _ in r.spans])) for r in reviews)
    assert min(first.values()) > 550  # in any order


# --- tags ----------------------------------------------------------------------------


def test_each_sentence_has_one_tagging():
    known = {}
    for words, tags in tagged_sentences(20_000, rng(3)):
        assert len(words) == len(tags) >= 3
        assert set(tags) <= set(TAGS)
        assert known.setdefault(tuple(words), tags) == tags


def test_words_have_the_tags_that_ambiguous_lists():
    found = defaultdict(Counter)
    some = 0
    sentences = tagged_sentences(6000, rng(4))
    for words, tags in sentences:
        for word, tag in zip(words, tags, strict=True):
            found[word][tag] += 1
        some += any(word in AMBIGUOUS for word in words)
    assert {w for w, tags in found.items() if len(tags) > 1} == set(AMBIGUOUS)
    for word, tags in AMBIGUOUS.items():
        assert set(found[word]) == set(tags)
        assert min(found[word].values()) > 20
    assert abs(some / len(sentences) - 6 / 7) < 0.02
    # Whoever knows each word's usual tag, but not its neighbours, is often wrong.
    wrong = sum(sum(t.values()) - max(t.values()) for t in found.values())
    assert wrong / sum(len(s.words) for s in sentences) > 0.03
    assert len(found) > 170


def test_left_and_right_neighbours_decide():
    left, right = defaultdict(set), defaultdict(set)
    for words, tags in tagged_sentences(20_000, rng(5)):
        for i, (word, tag) in enumerate(zip(words, tags, strict=True)):
            if word in AMBIGUOUS and 0 < i < len(words) - 1:
                left[word, words[i - 1]].add(tag)
                right[word, words[i + 1]].add(tag)
    assert left["bank", "the"] == left["bank", "a"] == {"noun"}
    assert left["bank", "they"] == left["bank", "can"] == {"verb"}
    assert left["can", "we"] == {"auxiliary"}
    assert left["light", "the"] == left["cold", "the"] == {"adjective", "noun"}
    assert right["light", "lamp"] == right["light", "movies"] == {"adjective"}
    assert right["light", "helps"] == {"noun"}
    assert right["her", "movie"] == {"article"}
    assert right["her", "near"] == right["her", "often"] == {"pronoun"}
    assert left["her", "see"] == {"article", "pronoun"}


def test_articles_and_verbs_fit():
    for words, tags in tagged_sentences(4000, rng(6)):
        for a, b in pairwise(words):
            if a in ("a", "an"):
                assert (a == "an") == (b[0] in "aeiou")
        at = tags.index("verb")
        if "auxiliary" in tags[:at]:
            assert not words[at].endswith("s")
            continue
        subject = words[at - 1]
        several = subject in ("i", "we", "they") or (
            tags[at - 1] == "noun" and subject.endswith("s")
        )
        assert words[at].endswith("s") != several, words


def test_entities_begin_and_go_on():
    found = defaultdict(set)
    sentences = named_entities(3000, rng(7))
    for words, tags in sentences:
        assert len(words) == len(tags)
        assert set(tags) <= set(ENTITIES)
        for before, tag in pairwise(["O", *tags]):
            if tag[0] == "I":
                assert before[1:] == tag[1:]
        for word, tag in zip(words, tags, strict=True):
            found[word].add(tag[2:] or tag)
        names = [w for w, t in zip(words, tags, strict=True) if t != "O"]
        assert len(set(names)) == len(names)
    assert found["jordan"] == {"PER", "LOC"}
    assert found["amazon"] == {"LOC", "ORG"}
    assert found["lima"] == {"LOC"}
    assert sum("I-PER" in s.tags for s in sentences) > 500


# --- brackets ------------------------------------------------------------------------


def fits(text):
    """Say whether brackets fit, by taking out pairs until nothing changes."""
    text = re.sub(r"[^()\[\]{}]", "", text)
    while (shorter := re.sub(r"\(\)|\[\]|\{\}", "", text)) != text:
        text = shorter
    return not text


def deepest_of(text):
    """Return how many brackets are open where most are."""
    opened = np.cumsum([0, *((c in "([{") - (c in ")]}") for c in text)])
    return opened.max()


@pytest.mark.referee("seqlib.data.balanced", "seqlib.data.nesting", by="enumeration")
def test_every_text_of_up_to_five_brackets():
    texts = [""]
    for _ in range(5):
        texts = ["", *(t + b for t in texts for b in "()[]{}")]
        texts = list(dict.fromkeys(texts))
    assert len(texts) == sum(6**n for n in range(6))
    for text in texts:
        assert balanced(text) == fits(text)
    for text in ("", "a", "()", "([]){}", "f(a[(b)]){c}", "((((()))))"):
        assert balanced(text)
        assert nesting(text) == deepest_of(text)
    assert [nesting(t) for t in ("", "a()", "(a)[(b)]", "{((()))}")] == [0, 1, 2, 4]


@pytest.mark.parametrize(
    ("length", "deepest"), [((20, 40), 4), (10, 1), ((60, 90), 9), ((15, 16), 2)]
)
@pytest.mark.referee("seqlib.data.bracket_programs", by="enumeration")
def test_programs_are_as_asked(length, deepest):
    programs = bracket_programs(600, rng(8), length, deepest)
    shortest, longest = length if isinstance(length, tuple) else (length, length)
    for text, label, depth in programs:
        assert fits(text) == label
        assert shortest <= len(text) <= longest
        assert 1 <= depth <= deepest
        if label:
            assert deepest_of(text) == depth
    assert 0.42 < np.mean([p.label for p in programs]) < 0.58
    depths = [p.depth for p in programs]
    assert max(depths) >= min(deepest, 5)
    lengths = {p: [len(q.text) for q in programs if q.label == p] for p in (0, 1)}
    assert (
        abs(np.mean(lengths[0]) - np.mean(lengths[1])) < (longest - shortest) / 8 + 0.1
    )


def test_the_example_can_be_drawn():
    example = re.search(r"such as `(\S+)`", bracket_programs.__doc__)[1]

    def form(text):
        return re.sub(f"[{data.brackets.NAMES}]", "a", text)

    programs = bracket_programs(3000, rng(), len(example))
    assert form(example) in {form(p.text) for p in programs if p.label}


def test_a_spoilt_program_is_one_bracket_from_a_right_one():
    brackets = "()[]{}"
    for text, label, _ in bracket_programs(120, rng(9), 20, 30):
        if label:
            continue
        near = [text[:i] + text[i + 1 :] for i, c in enumerate(text) if c in brackets]
        near += [
            text[:i] + b + text[i:] for i in range(len(text) + 1) for b in brackets
        ]
        places = [i for i, c in enumerate(text) if c in brackets]
        near += [text[:i] + b + text[i + 1 :] for i in places for b in brackets]
        near += [
            text[:i] + text[j] + text[i + 1 : j] + text[i] + text[j + 1 :]
            for i in places
            for j in places
            if i < j
        ]
        assert any(fits(t) for t in near), text


def test_counting_brackets_is_not_enough():
    programs = bracket_programs(2000, rng(10))
    even = [p for p in programs if all(
        p.text.count(a) == p.text.count(b) for a, b in ("()", "[]", "{}")
    )]  # fmt: skip
    assert 0.1 < np.mean([not p.label for p in even]) < 0.5
    assert len({p.text for p in programs}) > 1990


# --- Malayalam -----------------------------------------------------------------------

NAMES = {
    "INDIA": "ഇന്ത്യ", "raaman": "രാമൻ", "mohan": "മോഹൻ", "gopaal": "ഗോപാൽ",
    "kamala": "കമല", "meera": "മീര", "suresh": "സുരേഷ്", "seetha": "സീത",
    "geetha": "ഗീത", "raadha": "രാധ", "maala": "മാല", "lakshmi": "ലക്ഷ്മി",
    "devan": "ദേവൻ", "raaj": "രാജ്", "raajan": "രാജൻ", "vijayan": "വിജയൻ",
    "ravi": "രവി", "hari": "ഹരി", "sundari": "സുന്ദരി", "chandran": "ചന്ദ്രൻ",
    "indira": "ഇന്ദിര", "anil": "അനിൽ", "sunil": "സുനിൽ", "kumaar": "കുമാർ",
    "amma": "അമ്മ", "appan": "അപ്പൻ", "mulla": "മുല്ല", "ambika": "അംബിക",
    "arjun": "അർജുൻ", "vidya": "വിദ്യ", "raajyam": "രാജ്യം", "priya": "പ്രിയ",
    "aarya": "ആര്യ", "maria": "മരിയ", "soorya": "സൂര്യ", "ganga": "ഗംഗ",
    "anju": "അഞ്ജു", "Geetha": "ഗീത",
}  # fmt: skip


@pytest.mark.parametrize("latin", NAMES)
@pytest.mark.referee("seqlib.data.to_malayalam", by="by hand")
def test_names_are_written_as_they_are(latin):
    assert to_malayalam(latin) == NAMES[latin]


def test_india_letter_by_letter():
    names = [
        unicodedata.name(c).removeprefix("MALAYALAM ") for c in to_malayalam("india")
    ]
    assert names == [
        "LETTER I", "LETTER NA", "SIGN VIRAMA", "LETTER TA", "SIGN VIRAMA", "LETTER YA",
    ]  # fmt: skip


def test_the_script_is_well_formed():
    words = transliterations(3000, rng(11))
    consonant = "[\u0d15-\u0d39]"
    vowel = "[\u0d05-\u0d14]"
    sign, chillu = "[\u0d3e-\u0d4c]", "[\u0d7b-\u0d7e]"
    syllable = f"(?:{vowel}|(?:{consonant}\u0d4d)*{consonant}{sign}?)[\u0d02]?{chillu}?"
    for latin, malayalam in words:
        assert re.fullmatch(f"(?:{syllable})+(?:{consonant}\u0d4d)?", malayalam), latin
        assert unicodedata.normalize("NFC", malayalam) == malayalam
        assert to_malayalam(latin) == to_malayalam(latin.upper()) == malayalam
    assert len({w.latin for w in words}) > 2700
    assert len({w.malayalam for w in words}) > 2700


def test_more_syllables_are_longer():
    lengths = [
        np.mean([len(w.latin) for w in transliterations(300, rng(12), n)])
        for n in (1, 2, 4, 8)
    ]
    assert (np.diff(lengths) > 1.5).all()


# --- dialogues, questions, what follows, melodies ------------------------------------


def test_dialogues_answer_the_same_to_the_same():
    answers = {}
    for said, answer in dialogues(3000, rng(13)):
        assert answers.setdefault(tuple(said), answer) == answer
    said = ("my", "screen", "is", "blank")
    assert " ".join(answers[said]) == "please check if your computer is plugged in"
    assert len({tuple(a) for a in answers.values()}) >= 8
    assert len(answers) > 100


@pytest.mark.parametrize("sentences", [2, 6, 12])
@pytest.mark.referee("seqlib.data.two_fact_questions", by="by hand")
def test_questions_are_answered_by_playing_the_story(sentences):
    questions = two_fact_questions(1500, rng(14), sentences)
    moved_later = 0
    for story, question, answer, (taken, moved) in questions:
        where, has = {}, {}
        for sentence in story:
            if "took" in sentence:
                assert sentence[-1] not in has
                assert sentence[0] in where
                has[sentence[-1]] = sentence[0]
            else:
                assert where.get(sentence[0]) != sentence[-1]  # one goes elsewhere
                where[sentence[0]] = sentence[-1]
        thing = question[3]
        assert question == ["where", "is", "the", thing, "?"]
        assert len(story) == sentences
        assert where[has[thing]] == answer
        assert story[taken] == [has[thing], "took", "the", thing]
        assert (story[moved][0], story[moved][-1]) == (has[thing], answer)
        moved_later += moved > taken
    if sentences > 2:
        rooms = Counter(q.answer for q in questions)
        assert len(rooms) == 6
        assert max(rooms.values()) < 0.25 * len(questions)
        assert 0.1 < moved_later / len(questions) < 0.7
        last = [[s[-1] for s in q.story if "took" not in s][-1] for q in questions]
        named = [room == q.answer for room, q in zip(last, questions, strict=True)]
        assert np.mean(named) < 0.6  # the room named last is no answer


DEEDS = {
    "book letter story poem": ("read", "learned"),
    "cake pie sandwich pancake": ("ate", "tasted"),
    "car van truck taxi": ("drove", "parked"),
    "coat hat shirt scarf": ("wore", "washed"),
}


@pytest.mark.referee("seqlib.data.next_sentences", by="by hand")
def test_what_follows_fits_person_and_thing():
    pairs = next_sentences(6000, rng(15))
    seen = [defaultdict(list), defaultdict(list)]
    for first, second, label in pairs:
        pronoun = "she" if first[0] in ("mary", "sandra", "lena") else "he"
        deeds = next(d for things, d in DEEDS.items() if first[-1] in things.split())
        assert (second[0] == pronoun and second[1] in deeds) == label
        for side, sentence in zip(seen, (first, second), strict=True):
            for word in sentence:
                side[word].append(label)
            side[" ".join(sentence)].append(label)
    for side in seen:  # neither sentence alone tells
        for labels in side.values():
            assert abs(np.mean(labels) - 0.5) < 4.5 * 0.5 / math.sqrt(len(labels))


@pytest.mark.referee("seqlib.data.melodies", by="by hand")
def test_melodies_keep_time_chords_and_form():
    chords = {"c": "ceg", "f": "fac", "g": "gbd", "am": "ace"}
    scale = ["c4", "d4", "e4", "f4", "g4", "a4", "b4", "c5", "d5", "e5"]
    for tokens, names in melodies(300, rng(16)):
        bars = [bar.split() for bar in " ".join(tokens).split("|")]
        assert bars.pop() == []
        assert len(bars) == len(names) == 16
        for bar, name in zip(bars, names, strict=True):
            notes = [token.split(":")[0] for token in bar]
            assert sum(int(token.split(":")[1]) for token in bar) == 4
            assert notes[0][0] in chords[name]
            places = [scale.index(n) for n in notes]
            assert all(abs(a - b) in (1, 2) for a, b in pairwise(places))
        assert bars[:4] == bars[4:8] == bars[12:]
        assert all(bar in (["c4:4"], ["c5:4"]) for bar in bars[3::4])
