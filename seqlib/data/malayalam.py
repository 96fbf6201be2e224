"""Latin letters to Malayalam script, by rules."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from ._draw import pick, positive
from ._ranges import Span, span
from .text import tokens

# Each vowel as a letter of its own, and as a sign on a consonant. The e and o of names
# are long as a rule (Mohan, Meera, Suresh), so they are here.
VOWELS = {
    "a": ("അ", ""),
    "aa": ("ആ", "ാ"),
    "i": ("ഇ", "ി"),
    "ee": ("ഈ", "ീ"),
    "u": ("ഉ", "ു"),
    "oo": ("ഊ", "ൂ"),
    "e": ("ഏ", "േ"),
    "ai": ("ഐ", "ൈ"),
    "o": ("ഓ", "ോ"),
    "au": ("ഔ", "ൗ"),
}
CONSONANTS = {
    "k": "ക", "kh": "ഖ", "g": "ഗ", "gh": "ഘ",
    "ch": "ച", "j": "ജ",
    "t": "ട", "th": "ത", "d": "ദ", "dh": "ധ", "n": "ന",
    "p": "പ", "f": "ഫ", "b": "ബ", "bh": "ഭ", "m": "മ",
    "y": "യ", "r": "ര", "l": "ല", "v": "വ", "w": "വ",
    "sh": "ഷ", "s": "സ", "h": "ഹ", "ksh": "ക്ഷ", "zh": "ഴ",
}  # fmt: skip
VIRAMA, ANUSVARA = "്", "ം"
CHILLU = {"n": "ൻ", "l": "ൽ", "r": "ർ"}
NASALS = {
    **dict.fromkeys(("k", "kh"), "ങ്"),
    **dict.fromkeys(("g", "gh"), ANUSVARA),
    **dict.fromkeys(("ch", "j"), "ഞ്"),
    "t": "ണ്",
}
# Doubled letters of two: `cch` and `tth` are written ച്ച and ത്ത.
DOUBLED = {"cch": "chch", "tth": "thth", "ddh": "dhdh", "ssh": "shsh"}
_PARTS = re.compile(
    "|".join(sorted([*VOWELS, *CONSONANTS], key=lambda part: (-len(part), part)))
)


class Transliteration(NamedTuple):
    """A word in Latin letters and in Malayalam script."""

    latin: str
    malayalam: str


def to_malayalam(word: str) -> str:
    """Write a Latin word in Malayalam script: `INDIA` is ഇന്ത്യ.

    The word is read from the left, the longest part first (`kh` before `k`). Then:

    1. A vowel after a consonant is a sign on it, and `a` is no sign; at the start of
       the word it is a letter: `kamala` കമല, `amma` അമ്മ.
    2. A vowel after a vowel gets യ between after a, i, e, and വ after o, u: `maria`
       മരിയ.
    3. Consonants in a row are joined by the virama: `vidya` വിദ്യ.
    4. `n`, `l`, `r` at the end of the word are chillu letters, and so are `l` and `r`
       before another consonant, except before themselves, `y` and `v`: `raajan`
       രാജൻ, `arjun` അർജുൻ, `aarya` ആര്യ.
    5. `n` before a consonant takes its place in the mouth: ങ് before k, the anusvara
       before g, ഞ് before ch and j, ണ് before t: `ganga` ഗംഗ, `anju` അഞ്ജു.
    6. `m` at the end of the word, and before b, bh, s, sh, h, is the anusvara:
       `ambika` അംബിക.
    7. Any other consonant at the end has the virama: `raaj` രാജ്.
    8. `ndia` at the end is ന്ത്യ, as in India.

    These are rules of the corpus, not all of Malayalam's spelling: ള, റ and a single ണ
    are never written, since plain Latin letters give no sign of them.

    Raises
    ------
    ValueError
        The word is empty, or has a letter that no rule reads.
    """
    if not isinstance(word, str):
        raise TypeError(f"word must be a string, got {type(word).__name__}")
    text = word.lower()
    ending = "ന്ത്യ" if text.endswith("ndia") else ""
    for short, long in DOUBLED.items():
        text = text.replace(short, long)
    parts = _PARTS.findall(text.removesuffix("ndia") if ending else text)
    read = "".join(parts) + ("ndia" if ending else "")
    if not word or read != text:
        raise ValueError(f"word must be of letters that the rules read, got {word!r}")
    return "".join(_write(parts, i, bool(ending)) for i in range(len(parts))) + ending


def _write(parts: list[str], i: int, goes_on: bool) -> str:
    part = parts[i]
    before = parts[i - 1] if i else ""
    after = parts[i + 1] if i + 1 < len(parts) else ("n" if goes_on else "")
    if part in VOWELS:
        letter, sign = VOWELS[part]
        if before in CONSONANTS:
            return sign
        if before:
            return ("വ" if before[-1] in "ou" else "യ") + sign
        return letter
    if after in VOWELS:
        return CONSONANTS[part]
    if part in CHILLU and not after:
        return CHILLU[part]
    if part in "lr" and after not in (part, "y", "v"):
        return CHILLU[part]
    if part == "m" and after in ("", "b", "bh", "s", "sh", "h"):
        return ANUSVARA
    if part == "n":
        return NASALS.get(after, CONSONANTS[part] + VIRAMA)
    return CONSONANTS[part] + VIRAMA


STARTS = tokens("k g ch j th d n p b m y r l v s h sh t bh dh kr pr sr thr vy dr sw")
MIDDLES = tokens(
    "k g ch j th d n p b m y r l v s h sh mm nn ll kk tth pp nd nth nk ng nj nch mb mp "
    "rj rm ly dy ndr ksh sm rth t"
)
ENDINGS = ("", "", "", "n", "l", "r", "m", "sh", "j")
WORD_VOWELS = ("a", "a", "aa", "i", "ee", "u", "oo", "e", "o", "ai")


def transliterations(
    count: int, rng: np.random.Generator, syllables: Span = (2, 4)
) -> list[Transliteration]:
    """Draw words that sound like names, in Latin letters and in Malayalam script.

    Parameters
    ----------
    count : how many words
    rng : where the draws come from
    syllables : of a word, a number or a range (least, most), at least 1

    Raises
    ------
    ValueError
        `syllables` is below 1, or no range.
    """
    positive(count, rng)
    ends = span("syllables", syllables, 1)
    words = []
    for _ in range(count):
        latin = "" if rng.integers(4) == 0 else pick(rng, STARTS)
        latin += pick(rng, WORD_VOWELS)
        for _ in range(int(rng.integers(ends[0], ends[1] + 1)) - 1):
            latin += pick(rng, MIDDLES) + pick(rng, WORD_VOWELS)
        latin += pick(rng, ENDINGS)
        words.append(Transliteration(latin, to_malayalam(latin)))
    return words
