"""The words of the parallel corpora: one row a meaning, one column a language.

A fixed phrase is written `to/1 the/2 market/3`: words that share a digit across the
languages translate one another, and a word without a digit has no counterpart.
"""

from __future__ import annotations

from typing import NamedTuple


class Noun(NamedTuple):
    """A noun: singular and plural, the gender, and in Hindi the oblique forms."""

    english: tuple[str, str]
    german: tuple[str, str]
    german_gender: str  # m f n
    spanish: tuple[str, str]
    spanish_gender: str  # m f
    hindi: tuple[str, str]  # direct
    hindi_gender: str  # m f
    oblique: tuple[str, str] = ("", "")  # before ne; of persons alone


class Adjective(NamedTuple):
    """An adjective; German as a stem, Spanish and Hindi as masculine singular."""

    english: str
    german: str
    spanish: str
    hindi: str
    declines: bool  # whether the Hindi form changes its last a


class Verb(NamedTuple):
    """A verb and its forms; persons in the order i, he or she, we, they."""

    english: tuple[str, str, str]  # eat ate eating
    german: tuple[str, str, str, str]  # ich esse, er isst, essen, gegessen
    spanish: tuple[str, str, tuple[str, str, str, str]]  # comer comiendo comí...
    hindi: tuple[str, str]  # stem, stem of the perfective
    objects: str = ""  # the letters of its objects in OBJECTS; none: no object


class Phrase(NamedTuple):
    """A fixed phrase in the four languages."""

    english: str
    german: str
    spanish: str
    hindi: str
    kind: str  # place: near far in; time: past now future any


class Person(NamedTuple):
    """A pronoun or a name."""

    english: str
    german: str
    spanish: str
    hindi: str
    ne: str  # as the agent of a Hindi past
    which: int  # 0 i, 1 he or she, 2 we, 3 they
    gender: str  # m f
    pronoun: bool


PRONOUNS = (
    Person("I", "ich", "", "main", "maine", 0, "m", True),
    Person("he", "er", "él", "vah", "usne", 1, "m", True),
    Person("she", "sie", "ella", "vah", "usne", 1, "f", True),
    Person("we", "wir", "", "hum", "humne", 2, "m", True),
    Person("they", "sie", "ellos", "ve", "unhone", 3, "m", True),
)
NAMES = tuple(
    Person(name, name, spanish, name, f"{name} ne", 1, gender, False)
    for name, spanish, gender in (
        ("Maria", "María", "f"),
        ("Anna", "Anna", "f"),
        ("Peter", "Peter", "m"),
        ("Ravi", "Ravi", "m"),
    )
)


def _noun(english: str, german: str, spanish: str, hindi: str) -> Noun:
    """Read a row: `book books`, `n Buch Bücher`, `m libro libros`, `f kitab ...`."""
    (a, b), (g, c, d) = english.split(), german.split()
    (s, e, f), (h, i, j, *oblique) = spanish.split(), hindi.split()
    return Noun((a, b), (c, d), g, (e, f), s, (i, j), h, tuple(oblique or ("", "")))  # type: ignore[arg-type]


PEOPLE = tuple(
    _noun(*row.split(" | "))
    for row in (
        "man men | m Mann Männer | m hombre hombres | m aadmi aadmi aadmi aadmiyon",
        "woman women | f Frau Frauen | f mujer mujeres | f aurat auraten aurat auraton",
        "boy boys | m Junge Jungen | m niño niños | m ladka ladke ladke ladkon",
        "king kings | m König Könige | m rey reyes | m raja raja raja rajaon",
        "queen queens | f Königin Königinnen | f reina reinas "
        "| f rani raniyan rani raniyon",
    )
)
# e what one eats, r reads, w writes, o any other thing
OBJECTS = tuple(
    (letters, _noun(*row.split(" | ")))
    for letters, row in (
        ("e", "apple apples | m Apfel Äpfel | f manzana manzanas | m seb seb"),
        ("e", "banana bananas | f Banane Bananen | m plátano plátanos | m kela kele"),
        ("e", "egg eggs | n Ei Eier | m huevo huevos | m anda ande"),
        ("rw", "book books | n Buch Bücher | m libro libros | f kitab kitaben"),
        ("rw", "letter letters | m Brief Briefe | f carta cartas "
               "| f chitthi chitthiyan"),
        ("r", "newspaper newspapers | f Zeitung Zeitungen | m periódico periódicos "
              "| m akhbar akhbar"),
        ("o", "house houses | n Haus Häuser | f casa casas | m ghar ghar"),
        ("o", "chair chairs | m Stuhl Stühle | f silla sillas | f kursi kursiyan"),
        ("o", "flower flowers | f Blume Blumen | f flor flores | m phool phool"),
        ("o", "car cars | n Auto Autos | m coche coches | f gaadi gaadiyan"),
    )
)  # fmt: skip
OF_THINGS = (
    Adjective("red", "rot", "rojo", "laal", False),
    Adjective("new", "neu", "nuevo", "naya", True),
    Adjective("old", "alt", "viejo", "purana", True),
    Adjective("big", "groß", "grande", "bada", True),
    Adjective("beautiful", "schön", "bonito", "sundar", False),
)
OF_PEOPLE = (
    Adjective("old", "alt", "viejo", "boodha", True),
    Adjective("clever", "klug", "inteligente", "hoshiyar", False),
    Adjective("rich", "reich", "rico", "ameer", False),
)
VERBS = (
    Verb(
        ("eat", "ate", "eating"),
        ("esse", "isst", "essen", "gegessen"),
        ("comer", "comiendo", ("comí", "comió", "comimos", "comieron")),
        ("kha", "khay"),
        "e",
    ),
    Verb(
        ("read", "read", "reading"),
        ("lese", "liest", "lesen", "gelesen"),
        ("leer", "leyendo", ("leí", "leyó", "leímos", "leyeron")),
        ("padh", "padh"),
        "r",
    ),
    Verb(
        ("write", "wrote", "writing"),
        ("schreibe", "schreibt", "schreiben", "geschrieben"),
        (
            "escribir",
            "escribiendo",
            ("escribí", "escribió", "escribimos", "escribieron"),
        ),
        ("likh", "likh"),
        "w",
    ),
    Verb(
        ("buy", "bought", "buying"),
        ("kaufe", "kauft", "kaufen", "gekauft"),
        ("comprar", "comprando", ("compré", "compró", "compramos", "compraron")),
        ("khareed", "khareed"),
        "erwo",
    ),
    Verb(
        ("look for", "looked for", "looking for"),
        ("suche", "sucht", "suchen", "gesucht"),
        ("buscar", "buscando", ("busqué", "buscó", "buscamos", "buscaron")),
        ("dhoondh", "dhoondh"),
        "erwo",
    ),
)
GO = Verb(
    ("go", "went", "going"),
    ("gehe", "geht", "gehen", "gegangen"),
    ("ir", "yendo", ("fui", "fue", "fuimos", "fueron")),
    ("ja", "gay"),
)
FAHREN = ("fahre", "fährt", "fahren", "gefahren")  # German does not walk to Rome
PLACES = (
    Phrase("home/3", "nach/3 Hause/3", "a/3 casa/3", "ghar/3", "near"),
    Phrase(
        "to/1 the/2 market/3", "zum/12 Markt/3", "al/12 mercado/3", "bazaar/3", "near"
    ),
    Phrase("to/1 the/2 park/3", "zum/12 Park/3", "al/12 parque/3", "park/3", "near"),
    Phrase("to/1 Rome/3", "nach/1 Rom/3", "a/1 Roma/3", "Rom/3", "far"),
    Phrase("to/1 Madrid/3", "nach/1 Madrid/3", "a/1 Madrid/3", "Madrid/3", "far"),
    Phrase("to/1 Delhi/3", "nach/1 Delhi/3", "a/1 Delhi/3", "Dilli/3", "far"),
    Phrase(
        "in/1 the/2 park/3", "im/12 Park/3", "en/1 el/2 parque/3", "park/3 mein/1", "in"
    ),
    Phrase(
        "in/1 the/2 kitchen/3", "in/1 der/2 Küche/3", "en/1 la/2 cocina/3",
        "rasoi/3 mein/1", "in",
    ),
    Phrase("in/1 Rome/3", "in/1 Rom/3", "en/1 Roma/3", "Rom/3 mein/1", "in"),
    Phrase("at/1 home/3", "zu/1 Hause/3", "en/1 casa/3", "ghar/3 par/1", "in"),
)  # fmt: skip
TIMES = (
    Phrase("yesterday/1", "gestern/1", "ayer/1", "kal/1", "past"),
    Phrase(
        "last/1 year/2", "letztes/1 Jahr/2", "el año/2 pasado/1", "pichhle/1 saal/2",
        "past",
    ),
    Phrase("now/1", "jetzt/1", "ahora/1", "abhi/1", "now"),
    Phrase("tomorrow/1", "morgen/1", "mañana/1", "kal/1", "future"),
    Phrase("today/1", "heute/1", "hoy/1", "aaj/1", "any"),
    Phrase("on/1 Monday/2", "am/1 Montag/2", "el/1 lunes/2", "somvar/2 ko/1", "other"),
)  # fmt: skip
JOINS = {
    "and": Phrase("and/1", "und/1", "y/1", "aur/1", ""),
    "but": Phrase("but/1", ", aber/1", "pero/1", "lekin/1", ""),
    "because": Phrase("because/1", ", weil/1", "porque/1", "kyonki/1", ""),
}
