"""The teaching guide counts what is there: weeks, minutes, points, mistakes."""

import re
from pathlib import Path

import pages
import pytest
import teaching

from seqlib.grading.exercises import CHAPTERS, chapter

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "appendices" / "teaching-guide.md").read_text("utf-8")
PLANS = [
    [line.partition(":")[::2] for line in block.strip().splitlines()]
    for block in re.findall(r"```\{plan\}\n(.*?)```", GUIDE, re.S)
]


def chapters_of(plan):
    """Return the chapters of a plan in the order of its weeks."""
    return [int(n) for _, rest in plan for n in re.findall(r"\d+", rest.split("|")[0])]


def test_the_plans_are_of_fourteen_and_seven_weeks():
    assert [[int(week) for week, _ in plan] for plan in PLANS] == [
        list(range(1, 15)),
        list(range(1, 8)),
    ]
    assert chapters_of(PLANS[0]) == list(range(1, 21))
    short = chapters_of(PLANS[1])
    assert short == sorted(set(range(1, 21)) - {2, 3, 4, 10, 14})


@pytest.mark.parametrize("number", sorted(pages.chapters(ROOT)))
def test_a_chapter_says_how_long_it_takes_and_what_goes_wrong(number):
    book = pages.chapters(ROOT)[number]
    assert 20 <= teaching.minutes(book) <= 180
    assert len(teaching.mistakes(book)) >= 3


@pytest.mark.parametrize("number", sorted(CHAPTERS))
def test_the_points_are_those_of_the_graders(number):
    sheet = pages.chapters(ROOT, "exercises")[number]
    listed = [(q[0], q[1], q[3], q[4]) for q in teaching.questions(sheet)]
    graded = chapter(number).values()
    assert listed == [(e.id, e.title, e.minutes, e.points) for e in graded]


@pytest.mark.parametrize("number", sorted(CHAPTERS))
def test_a_hint_of_the_bank_is_quoted(number):
    said = teaching.from_bank(number)
    assert any(
        hint in said for each in chapter(number).values() for hint in each.mistakes
    )


def test_a_chapter_without_exercises_quotes_nothing():
    assert teaching.from_bank(99) == ""


def test_the_shares_of_the_marks_add_up():
    table = GUIDE.split("| Part | Share | How |")[1].split("\n\n")[0]
    shares = re.findall(r"(?m)^\| [A-Z][^|]+\| (\d+) \|", table)
    assert sum(map(int, shares)) == 100


def test_every_chapter_has_a_question_to_begin_with():
    asked = re.findall(r"(?m)^\| \{chapter\}`(\d+)` \|", GUIDE)
    assert list(map(int, asked)) == list(range(1, 21))
