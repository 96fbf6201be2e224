"""Tables of the teaching guide that are made from the notebooks and the graders.

`{plan}` turns lines such as `3: 5, 6 | read chapter 5 aloud` into weeks with their
chapters, minutes and points; `{marks}` lists every question with its points; and
`{mistakes}` collects the common mistakes of each chapter. A chapter that is still to
come has its number and no more, until its notebook is there.
"""

import re

from docutils import nodes
from ledger import table
from pages import chapters, link, page_of, short_title
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from seqlib.grading.exercises import CHAPTERS
from seqlib.grading.exercises import chapter as exercises

logger = logging.getLogger(__name__)
MINUTES = re.compile(r"\*\*Before you start\.\*\* About (\d+) minutes")
QUESTION = re.compile(r"(?m)^## (\d+-\d+)\W+(.+)$")
HEADLINE = re.compile(
    r"Difficulty ([●○]+) · importance [●○]+ · (\d+) minutes · (\d+) points"
)
BOX = re.compile(r"(?m)^> \*\*Common mistakes\.\*\*.*(?:\n>.*)*")
MISTAKE = re.compile(r"(?m)^> \d+\. (.+)$")
BOLD = re.compile(r"(?m)^\*\*(.+?)\*\*")


def texts(book):
    """Yield the text cells of a notebook."""
    for cell in book.cells:
        if cell["cell_type"] == "markdown":
            yield "".join(cell["source"])


def minutes(book):
    """Return the minutes that a chapter says it takes to read."""
    found = MINUTES.search("\n".join(texts(book)))
    return int(found[1]) if found else 0


def questions(book):
    """Return the questions of a sheet: id, title, level, minutes, points."""
    found, waiting = [], None
    for text in texts(book):
        for line in text.splitlines():
            if match := QUESTION.match(line):
                waiting = match.groups()
            elif waiting and (match := HEADLINE.search(line)):
                level, time, points = match.groups()
                found.append((*waiting, level, int(time), int(points)))
                waiting = None
    return found


def mistakes(book):
    """Return the common mistakes that a chapter's box names, as Markdown."""
    for text in texts(book):
        if box := BOX.search(text):
            return MISTAKE.findall(box[0])
        if re.search(r"(?m)^## Common mistakes", text):  # chapter 6 runs misprints
            return [
                title
                for each in texts(book)
                for title in BOLD.findall(each)
                if "\\tag{E" in each
            ]
    return []


def from_bank(number):
    """Say how many wrong answers the graders of a chapter know, and quote one hint."""
    if number not in CHAPTERS:
        return ""
    asked = list(exercises(number).values())
    known = sum(len(each.mistakes) for each in asked)
    each = max(asked, key=lambda each: (each.importance, len(each.mistakes)))
    hint = min(each.mistakes, key=lambda hint: (abs(len(hint) - 90), hint))
    return (
        f"The graders know {known} wrong answers to this chapter's questions, "
        f"each with its hint. One, to {each.id} ({each.title}): “{hint}”"
    )


class Made(SphinxDirective):
    """What the tables share."""

    has_content = True

    def run(self):
        """Read the notebooks and build the table."""
        self.env.note_reread()
        root = self.env.srcdir
        self.books, self.sheets = chapters(root), chapters(root, "exercises")
        return self.build()

    def linked(self, number, title=True):
        """Return a link to a chapter, or its number while it is not there."""
        book = self.books.get(number)
        if book is None:
            return nodes.Text(str(number))
        words = f"{number} {short_title(book)}" if title else str(number)
        return link(self.env, page_of(book), words)


class Plan(Made):
    """`{plan}`: a row a week."""

    def build(self):
        """Return the table, and the sums below it."""
        rows, everything = [], [0, 0, 0]
        for line in self.content:
            if not line.strip():
                continue
            week, _, rest = line.partition(":")
            numbers, _, focus = rest.partition("|")
            mine = [int(n) for n in re.findall(r"\d+", numbers)]
            asked = [
                q for n in mine if n in self.sheets for q in questions(self.sheets[n])
            ]
            sums = [
                sum(minutes(self.books[n]) for n in mine if n in self.books),
                sum(q[3] for q in asked),
                sum(q[4] for q in asked),
            ]
            everything = [a + b for a, b in zip(everything, sums, strict=True)]
            where = nodes.inline()
            for i, n in enumerate(mine):
                where += ([nodes.Text(", ")] if i else []) + [self.linked(n)]
            what = nodes.inline("", "", *self.parse_inline(focus.strip())[0])
            numbers = [nodes.Text(str(n) if n else "–") for n in sums]
            rows.append([nodes.Text(week.strip()), where, *numbers, what])
        total = [nodes.Text(str(n)) for n in everything]
        rows.append([nodes.Text("all"), nodes.Text(""), *total, nodes.Text("")])
        head = ["Week", "Chapters", "To read", "To solve", "Points", "In class"]
        return [table(head, rows)]


class Marks(Made):
    """`{marks}`: the questions of all chapters, folded away by chapter."""

    def build(self):
        """Return a summary table, and a table of questions for each chapter."""
        rows, total = [], [0, 0, 0]
        for number, sheet in self.sheets.items():
            asked = questions(sheet)
            if not asked:
                logger.warning("no questions found in %s", sheet.name)
            sums = [len(asked), sum(q[3] for q in asked), sum(q[4] for q in asked)]
            total = [a + b for a, b in zip(total, sums, strict=True)]
            listed = nodes.inline()
            for i, (id, title, level, time, points) in enumerate(asked):
                hint = f"{title}: {time} minutes, {level.count('●')} of 3"
                words = f"{id.partition('-')[2]}: {points}"
                if i:
                    listed += nodes.Text(" · ")
                listed += nodes.abbreviation("", words, explanation=hint)
            name = link(
                self.env, page_of(sheet), f"{number} {short_title(self.books[number])}"
            )
            cells = [nodes.Text(str(n)) for n in sums]
            rows.append([name, *cells, listed])
        rows.append(
            [nodes.Text("all"), *(nodes.Text(str(n)) for n in total), nodes.Text("")]
        )
        head = ["Exercises", "Questions", "Minutes", "Points", "Question: points"]
        return [table(head, rows)]


class Mistakes(Made):
    """`{mistakes}`: the common mistakes that the chapters run, by chapter."""

    def build(self):
        """Return a list: the chapter, and its mistakes below it."""
        terms = nodes.definition_list(classes=["seqlib-mistakes"])
        for number, book in self.books.items():
            found = mistakes(book)
            if not found:
                logger.warning("no common mistakes found in %s", book.name)
            body = nodes.bullet_list()
            for text in found:
                inline = self.parse_inline(text)[0]
                body += nodes.list_item("", nodes.paragraph("", "", *inline))
            if banked := from_bank(number):
                body += nodes.list_item("", nodes.paragraph("", banked))
            terms += nodes.definition_list_item(
                "",
                nodes.term("", "", self.linked(number)),
                nodes.definition("", body),
            )
        return [terms]


def setup(app):
    """Register with Sphinx."""
    app.add_directive("plan", Plan)
    app.add_directive("marks", Marks)
    app.add_directive("mistakes", Mistakes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
