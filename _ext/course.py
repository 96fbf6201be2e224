"""Ways through the book: a map, reading paths, a line of facts.

What a chapter needs of the others stands in course.toml, how many minutes it takes in
the chapter itself. From these come a map, drawn as SVG with a link for each chapter,
the same as a table, and three paths. A chapter that is not written yet has no link.
"""

import json
import re
import tomllib
from dataclasses import dataclass
from html import escape
from pathlib import Path

from docutils import nodes
from ledger import pending_xref, table
from sphinx.util.docutils import SphinxDirective

MINUTES = re.compile(r"About (\d+) minutes")
COLUMN, WIDE, ROW, HIGH = 198, 168, 84, 50  # the map, in pixels


@dataclass(frozen=True)
class Chapter:
    """One chapter on the map."""

    number: int
    file: str
    name: str
    at: tuple[int, int]  # its row and column on the map
    needs: tuple[int, ...]
    minutes: int | None  # None until it is written

    @property
    def page(self) -> str:
        """Return its page's name."""
        return f"chapters/{self.file}"


def read_course(root: Path) -> tuple[dict, dict[int, Chapter]]:
    """Return what course.toml says, and the chapters by their numbers."""
    course = tomllib.loads((root / "_ext/course.toml").read_text("utf-8"))
    chapters = {}
    for entry in course["chapter"]:
        number = int(entry["file"][:2])
        minutes = minutes_of(root / "chapters" / f"{entry['file']}.ipynb")
        at, needs = tuple(entry["at"]), tuple(entry["needs"])
        chapters[number] = Chapter(
            number, entry["file"], entry["name"], at, needs, minutes
        )
    return course, chapters


def minutes_of(notebook: Path) -> int | None:
    """Return how many minutes a chapter says it takes, if it is there."""
    if not notebook.exists():
        return None
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        said = MINUTES.search("".join(cell["source"]))
        if cell["cell_type"] == "markdown" and said:
            return int(said[1])
    raise ValueError(f"{notebook.name} does not say how many minutes it takes")


def hours(chapters: list[Chapter]) -> str:
    """Say how long some chapters take, to half an hour."""
    halves = round(sum(c.minutes or 0 for c in chapters) / 30)
    whole = str(halves // 2) if halves > 1 else ""
    return f"{whole}{'½' if halves % 2 else ''} hour{'s' if halves > 2 else ''}"


# --- the map -------------------------------------------------------------------------


def corner(chapter: Chapter) -> tuple[int, int]:
    """Return the left and the top of a chapter's box."""
    row, column = chapter.at
    return column * COLUMN, row * ROW


def arrow(one: Chapter, other: Chapter, taken: set[tuple[int, int]]) -> str:
    """Draw the way from a chapter to one that needs it, around the boxes between."""
    (x, y), (u, v) = corner(one), corner(other)
    x, y, u = x + WIDE // 2, y + HIGH, u + WIDE // 2
    (row, column), (last, goal) = one.at, other.at
    between = range(row + 1, last)
    if not any((r, column) in taken for r in between):
        lane = x  # straight down, then across
    elif not any((r, goal) in taken for r in between):
        lane = u
    else:  # between two columns
        lane = x + COLUMN // 2
    gap = ROW - HIGH
    way, down = f"M{x} {y}", last * ROW - gap
    if between:
        way += sway(x, y, lane, y + gap) + f"V{down}"
        x, y = lane, down
    return way + sway(x, y, u, v)


def sway(x: int, y: int, u: int, v: int) -> str:
    """Draw on from a point down to another, leaving and arriving upright."""
    middle = (y + v) // 2
    return f"V{v}" if x == u else f"C{x} {middle} {u} {middle} {u} {v}"


def draw_map(chapters: dict[int, Chapter], address) -> str:
    """Draw the chapters from top to bottom, and an arrow for each need."""
    taken = {chapter.at for chapter in chapters.values()}
    lines = [
        f'<path class="course-arrow" d="{arrow(chapters[need], chapter, taken)}"/>'
        for chapter in chapters.values()
        for need in chapter.needs
    ]
    lines += [box(chapter, address(chapter)) for chapter in chapters.values()]
    rows, columns = (max(side) for side in zip(*taken, strict=True))
    wide, high = columns * COLUMN + WIDE, rows * ROW + HIGH
    return (
        '<div class="course course-map" role="group" aria-label="Map of the course">'
        f'<svg viewBox="-2 -2 {wide + 4} {high + 4}">'
        '<defs><marker id="course-tip" viewBox="0 0 8 8" refX="8" refY="4" '
        'markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0 8 4 0 8z"/></marker></defs>' + "".join(lines) + "</svg></div>"
    )


def box(chapter: Chapter, address: str | None) -> str:
    """Draw one chapter: its number, name, minutes, and a tick for when it is read."""
    x, y = corner(chapter)
    time = f"{chapter.minutes} minutes" if chapter.minutes else "in preparation"
    name = escape(chapter.name)
    inside = (
        f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="7"/>'
        f'<text class="course-name" x="{x + 12}" y="{y + 21}">'
        f"{chapter.number} {name}</text>"
        f'<text class="course-time" x="{x + 12}" y="{y + 39}">{time}</text>'
        f'<text class="course-tick" x="{x + WIDE - 12}" y="{y + 39}">✓</text>'
    )
    if address is None:
        return f'<g class="course-box course-coming">{inside}</g>'
    needs = f", needs {listed(chapter.needs)}" if chapter.needs else ""
    label = f"Chapter {chapter.number}, {name}, {time}{needs}"
    return f'<a class="course-box" href="{address}" aria-label="{label}">{inside}</a>'


def listed(numbers) -> str:
    """Write numbers as a sentence does: 3, 8 and 9."""
    words = [str(number) for number in numbers]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


# --- the directives ------------------------------------------------------------------


class Course(SphinxDirective):
    """What the directives share: the course, and links to its chapters."""

    def read(self) -> tuple[dict, dict[int, Chapter]]:
        """Read the course anew whenever a chapter changes."""
        self.env.note_reread()
        return read_course(Path(self.env.srcdir))

    def there(self, chapter: Chapter) -> bool:
        """Tell whether the book has this chapter's page."""
        return chapter.page in self.env.found_docs

    def link(self, chapter: Chapter, words: str) -> nodes.Node:
        """Return a link to a chapter, or the words where it is not written yet."""
        if not self.there(chapter):
            return nodes.Text(words)
        target = {"refdomain": "std", "reftype": "doc"}
        link = pending_xref(
            "",
            nodes.inline("", words),
            refdoc=self.env.docname,
            reftarget=f"/{chapter.page}",
            **target,
        )
        link["refexplicit"] = link["refwarn"] = True
        return link


class Map(Course):
    """`{course-map}`: the map, and below it the same as a table."""

    def run(self):
        """Draw the map and set the table."""
        _, chapters = self.read()
        builder = self.env.app.builder

        def address(chapter):
            """Return the way from this page to a chapter, if it is written."""
            if not self.there(chapter):
                return None
            return builder.get_relative_uri(self.env.docname, chapter.page)

        progress = (
            f'<p class="course-progress" data-chapters="{len(chapters)}" hidden>'
            '<span></span> <button type="button" class="course-forget" hidden>'
            "Forget this</button></p>"
        )
        html = draw_map(chapters, address) + progress
        rows = []
        for chapter in chapters.values():
            title = self.link(chapter, f"{chapter.number} {chapter.name}")
            minutes = str(chapter.minutes or "in preparation")
            needs = listed(chapter.needs) or "nothing before it"
            rows.append([title, nodes.Text(minutes), nodes.Text(needs)])
        words = table(["Chapter", "Minutes", "Needs"], rows)
        opening = '<details class="course"><summary>The same as a table</summary>'
        return [
            nodes.raw("", html, format="html"),
            nodes.raw("", opening, format="html"),
            words,
            nodes.raw("", "</details>", format="html"),
        ]


class Paths(Course):
    """`{reading-paths}`: each path with what it takes and its chapters in order."""

    def run(self):
        """Write a heading, a sentence and a list for each path."""
        course, chapters = self.read()
        found = []
        for path in course["path"]:
            section = nodes.section(ids=[nodes.make_id(path["name"])])
            section += nodes.title("", path["name"])
            walked = [chapters[n] for step in path["steps"] for n in step]
            line = f"{path['says']} {len(walked)} chapters, {hours(walked)} of reading"
            written = all(chapter.minutes for chapter in walked)
            line += "." if written else ", not counting those in preparation."
            section += nodes.paragraph("", line)
            steps = nodes.bullet_list()
            for i, step in enumerate(path["steps"], 1):
                item = nodes.paragraph("", "", nodes.strong("", f"{path['unit']} {i}"))
                for j, number in enumerate(step):
                    chapter = chapters[number]
                    item += nodes.Text(", " if j else ": ")
                    item += self.link(chapter, f"{number} {chapter.name}")
                steps += nodes.list_item("", item)
            section += steps
            section["classes"].append("course")
            found.append(section)
        return found


class Facts(Course):
    """`{facts}`: one line of what the book holds, counted."""

    def run(self):
        """Count chapters, equations, errata and questions."""
        _, chapters = self.read()
        counts = {"verify": 0, "refute": 0}
        for book in self.env.app.ledger.chapters:
            for item in book.equations:
                counts[self.env.app.ledger_records[item.tag][0].kind] += 1
        written = sum(map(self.there, chapters.values()))
        facts = [
            (written, "chapters"),
            (counts["verify"], "equations verified"),
            (counts["refute"], "misprints refuted"),
            (questions(Path(self.env.srcdir)), "graded questions"),
        ]
        items = "".join(f"<li><b>{n}</b> {words}</li>" for n, words in facts)
        return [nodes.raw("", f'<ul class="book-facts">{items}</ul>', format="html")]


def questions(root: Path) -> int:
    """Count the graded questions in the students' notebooks."""
    pages = [p.read_text("utf-8") for p in sorted(root.glob("exercises/*.ipynb"))]
    return len({q for page in pages for q in re.findall(r'check\(\\"(\d+-\d+)', page)})


def setup(app):
    """Register with Sphinx."""
    app.add_directive("course-map", Map)
    app.add_directive("reading-paths", Paths)
    app.add_directive("facts", Facts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
