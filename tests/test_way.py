"""The way through the book, and what it says of itself where it is shared."""

import json
import os
import re
import struct
import tomllib
from html import unescape
from urllib.parse import urljoin
from xml.etree import ElementTree

import audit
import course
import pytest

ROOT, BOOK = audit.ROOT, audit.BOOK
COURSE, CHAPTERS = course.read_course(ROOT)
WRITTEN = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"][
    "Book"
]
LISTED = [
    page
    for page in audit.pages_of()
    if page not in ("404.html", "genindex.html", "search.html")
    if not page.startswith("_modules/")
]


@pytest.fixture(scope="module")
def browser():
    """Start the system's Chromium."""
    if audit.chromium() is None:
        missing = "Chromium is not installed: nobody walked through the book"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with audit.started() as chromium:
        yield chromium


def read(page):
    return (BOOK / page).read_text("utf-8")


# --- the map and the paths -----------------------------------------------------------


def test_the_map_has_every_chapter_and_each_needs_only_earlier_ones():
    assert sorted(CHAPTERS) == list(range(1, 21))
    files = {chapter.file for chapter in CHAPTERS.values()}
    assert set(WRITTEN) <= files
    places = [chapter.at for chapter in CHAPTERS.values()]
    assert len(set(places)) == len(places)
    for chapter in CHAPTERS.values():
        assert all(need < chapter.number for need in chapter.needs)
        assert all(CHAPTERS[need].at[0] < chapter.at[0] for need in chapter.needs)


@pytest.mark.parametrize("path", COURSE["path"], ids=lambda path: path["name"])
def test_a_path_comes_to_no_chapter_before_what_it_needs(path):
    known = set(path["known"])
    for step in path["steps"]:
        for number in step:
            assert set(CHAPTERS[number].needs) <= known, number
            known.add(number)
    if path["name"] == "One term":
        assert known == set(CHAPTERS)


def test_an_arrow_goes_around_the_boxes_between():
    taken = {chapter.at for chapter in CHAPTERS.values()}
    for chapter in CHAPTERS.values():
        for need in chapter.needs:
            way = course.arrow(CHAPTERS[need], chapter, taken)
            (row, _), (last, _) = CHAPTERS[need].at, chapter.at
            lanes = re.findall(r" (\d+) \d+V", way) or re.findall(r"M(\d+)", way)
            for lane in map(int, lanes):
                column, inside = divmod(lane, course.COLUMN)
                crossed = {(r, column) for r in range(row + 1, last)} & taken
                assert not crossed or inside >= course.WIDE


def test_hours_are_rounded_to_halves():
    def some(minutes):
        return [course.Chapter(1, "f", "n", (0, 0), (), m) for m in minutes]

    assert course.hours(some([60])) == "1 hour"
    assert course.hours(some([60, 80])) == "2½ hours"
    assert course.hours(some([30])) == "½ hour"
    assert course.hours(some([60, None])) == "1 hour"


def test_a_chapter_that_says_no_minutes_is_refused(tmp_path):
    book = tmp_path / "book.ipynb"
    book.write_text('{"cells": [{"cell_type": "markdown", "source": ["Hello"]}]}')
    with pytest.raises(ValueError, match="how many minutes"):
        course.minutes_of(book)


def test_the_map_links_every_chapter_that_is_there():
    svg = re.search(r"<svg.*?</svg>", read("course-map.html"), re.DOTALL)[0]
    links = re.findall(
        r'<a class="course-box" href="([^"]*)" aria-label="([^"]*)"', svg
    )
    there = [
        f"chapters/{name}.html" for name in WRITTEN if f"chapters/{name}.html" in LISTED
    ]
    assert sorted(link for link, _ in links) == there
    assert all(re.match(r"Chapter \d+, .*, \d+ minutes", label) for _, label in links)


# --- ticks and previews --------------------------------------------------------------


def test_a_read_chapter_is_remembered_and_forgotten(browser):
    context = browser.new_context(viewport=audit.DESK)
    page = context.new_page()
    chapter = f"chapters/{WRITTEN[0]}.html"
    page.goto(f"{BOOK.as_uri()}/{chapter}")
    button = page.get_by_role("button", name="Mark this chapter as read")
    button.click()
    pressed = page.locator(".course-read")
    assert pressed.get_attribute("aria-pressed") == "true"
    page.goto(f"{BOOK.as_uri()}/course-map.html")
    box = page.locator(f".course-map a[href='{chapter}']")
    assert "(read)" in box.get_attribute("aria-label")
    assert page.locator(".course-map a.is-read").count() == 1
    progress = page.locator(".course-progress")
    assert "1 of 20" in progress.inner_text()
    page.get_by_role("button", name="Forget this").click()
    assert page.locator(".is-read").count() == 0
    page.reload()
    assert page.locator(".is-read").count() == 0
    context.close()


def test_without_storage_the_book_works(browser):
    context = browser.new_context(viewport=audit.DESK)
    page = context.new_page()
    page.troubles = []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.add_init_script(
        "for (const name of ['getItem', 'setItem']) Storage.prototype[name] ="
        " key => { if (key == 'sequence-models-read') throw new Error('kept nothing') }"
    )
    page.goto(f"{BOOK.as_uri()}/chapters/{WRITTEN[0]}.html")
    page.locator(".course-read").click()
    assert page.locator(".course-read").inner_text() == "✓ Read"
    assert page.troubles == []
    context.close()


def test_a_reference_shows_its_equation(browser):
    found = [p for p in LISTED if 'id="seqlib-equations"' in read(p)]
    found = [p for p in found if p.startswith("chapters/")]
    assert found
    with audit.opened(browser, BOOK.as_uri(), found[0]) as page:
        link = page.locator("a.seqlib-ref:visible").first
        tag = link.inner_text()
        link.focus()
        box = page.locator("#seqlib-preview")
        box.wait_for(state="visible")
        assert tag.strip("()") in box.locator("mjx-assistive-mml").inner_text()
        assert link.get_attribute("aria-describedby") == "seqlib-preview"
        page.keyboard.press("Escape")
        assert box.is_hidden()
        link.hover()
        box.wait_for(state="visible")
        inside = box.bounding_box()
        assert inside["x"] >= 0
        assert inside["x"] + inside["width"] <= audit.DESK["width"]
        assert page.troubles == []


def test_a_term_shows_what_the_glossary_says(browser):
    with audit.opened(
        browser, BOOK.as_uri(), "chapters/16-self-attention.html"
    ) as page:
        link = page.locator("a.term:visible").first
        link.focus()
        box = page.locator("#seqlib-preview")
        box.wait_for(state="visible")
        said = page.evaluate(
            "JSON.parse(document.getElementById('seqlib-terms').textContent)"
            "[document.activeElement.hash.slice(1)]"
        )
        assert box.inner_text().split()[:3] == said.split()[:3]
        assert link.get_attribute("aria-describedby") == "seqlib-preview"
        page.keyboard.press("Escape")
        assert box.is_hidden()
        assert page.troubles == []


# --- the first page ------------------------------------------------------------------


def test_the_first_page_says_what_this_is_and_shows_it(browser):
    with audit.opened(browser, BOOK.as_uri(), "intro.html") as page:
        facts = page.locator(".book-facts").inner_text()
        chapters = len([p for p in LISTED if p.startswith("chapters/")])
        assert re.search(rf"\b{chapters} chapters", facts)
        slider = page.locator(".seqlib-player input[type=range]").first
        box = slider.bounding_box()
        assert box["y"] + box["height"] < audit.DESK["height"]  # without scrolling
        assert slider.input_value() == "5"  # an interesting picture, not an empty one
        assert slider.get_attribute("aria-valuetext") == "6"
        picture = page.locator(".from-chapter img")
        assert "'fahren', which looks most at 'go'" in picture.get_attribute("alt")
        slider.press("ArrowLeft")
        assert "'Madrid', which looks most at 'Madrid'" in picture.get_attribute("alt")
        assert "@misc{" in page.locator("main pre").last.text_content()


# --- sharing -------------------------------------------------------------------------


@pytest.mark.parametrize("path", LISTED)
def test_a_page_says_what_it_is_where_it_is_shared(path):
    html = read(path)
    said = dict(
        re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', html)
    )
    assert 40 <= len(unescape(said["description"])) <= 162
    assert said["og:description"] == said["description"]
    assert said["og:url"] == f"{ADDRESS}/{path}"
    assert said["og:title"]
    assert f'<link rel="canonical" href="{ADDRESS}/{path}" />' in html
    assert html.count('name="viewport"') <= 2
    picture = BOOK / said["og:image"].removeprefix(ADDRESS + "/")
    head = picture.read_bytes()[:24]
    assert struct.unpack(">II", head[16:24]) == (1200, 630)


def test_pages_are_told_apart():
    titles = [re.search(r'og:title" content="([^"]*)', read(p))[1] for p in LISTED]
    assert len(set(titles)) == len(titles)


def test_the_sitemap_has_every_page():
    tree = ElementTree.parse(BOOK / "sitemap.xml")
    found = [element.text for element in tree.iter() if element.tag.endswith("loc")]
    assert sorted(found) == sorted(f"{ADDRESS}/{path}" for path in LISTED)


def test_the_lost_page_works_at_any_depth():
    page = audit.Links(read("404.html"))
    assert not [load for load in page.loads if not load.startswith("data:")]
    for link in page.links:
        assert (BOOK / link.removeprefix(ADDRESS + "/")).exists(), link
        assert urljoin("https://example.org/a/b/c.html", link) == link


def test_a_page_leads_to_its_source():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    for path in LISTED:
        html = read(path)
        edit = re.search(r'<a href="([^"]*)">Edit this page</a>', html)
        assert "Report a mistake</a>" in html
        if path.startswith("exercises/"):
            assert edit is None
        else:
            source = re.fullmatch(
                rf"{urls['Repository']}/(?:blob|edit)/main/(.*)", edit[1]
            )
            assert (ROOT / source[1]).exists()


def test_code_can_be_copied(browser):
    page_with_code = f"chapters/{WRITTEN[0]}.html"
    with audit.opened(browser, BOOK.as_uri(), page_with_code) as page:
        assert page.locator("button.copybtn").count() > 5


def test_the_book_has_its_changelog():
    assert "not yet released" in read("appendices/changelog.html")


# --- start at once -------------------------------------------------------------------


def test_binder_and_devcontainer_install_what_the_chapters_need():
    container = ROOT / ".devcontainer" / "devcontainer.json"
    settings = json.loads(container.read_text("utf-8"))
    assert settings["postCreateCommand"].endswith("make book")
    asked = (ROOT / ".binder" / "requirements.txt").read_text("utf-8").splitlines()
    constraints = asked[0].removeprefix("-c ")
    assert (ROOT / ".binder" / constraints).resolve() == ROOT / "constraints.txt"
    assert ".[torch,data]" in asked
    runtime = (ROOT / ".binder" / "runtime.txt").read_text()
    assert re.fullmatch(r"python-3\.1[123]\n", runtime)


def test_a_notebook_opens_in_binder():
    for path in LISTED:
        if path.startswith(("chapters/", "exercises/")):
            links = [
                link for link in audit.Links(read(path)).links if "mybinder" in link
            ]
            assert len(links) == 1
            assert links[0].endswith(path.replace(".html", ".ipynb"))
