"""The zip that opens from a disk, and the book in print."""

import json
import os
import zipfile

import audit
import pack
import pdf
import pytest
from lxml import html
from pypdf import PdfReader

BOOK = audit.BOOK


@pytest.fixture(scope="module")
def browser():
    """Start the system's Chromium."""
    if audit.chromium() is None:
        missing = "Chromium is not installed: nobody opened the packed book"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with audit.started() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Pack the built book and unpack it somewhere else."""
    folder = tmp_path_factory.mktemp("disk with a space")
    pack.pack(BOOK, folder / "book.zip")
    with zipfile.ZipFile(folder / "book.zip") as archive:
        archive.extractall(folder)
    return folder / pack.NAME


def test_the_zip_is_the_same_each_time(tmp_path):
    for name in ("one.zip", "two.zip"):
        pack.pack(BOOK, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_zip_holds_every_page_and_all_that_they_load(unpacked):
    pages = audit.pages_of(unpacked)
    assert pages == [page for page in audit.pages_of() if page != "404.html"]
    dead = audit.dead_links(pages, unpacked)
    assert not any(dead.values()), dead


def test_search_and_figures_work_from_the_disk(unpacked, browser):
    with audit.opened(browser, unpacked.as_uri(), "course-map.html") as page:
        page.goto(f"{unpacked.as_uri()}/index.html", wait_until="commit")
        page.wait_for_url("**/intro.html")  # index.html leads there
        page.keyboard.press("Control+k")
        page.keyboard.type("vanishing")
        page.keyboard.press("Enter")
        page.locator("#search-results li a").first.wait_for()
    with audit.opened(browser, unpacked.as_uri(), "intro.html") as page:
        slider = page.locator(".seqlib-player input[type=range]").first
        picture = page.locator(".seqlib-player img").first
        before = picture.get_attribute("src")
        slider.press("End")
        assert picture.get_attribute("src") != before
        loaded = "picture => picture.complete && picture.naturalWidth"
        page.wait_for_function(loaded, arg=picture.element_handle())
        assert page.troubles == []


TOC = """
format: jb-book
root: intro
parts:
  - caption: One
    chapters:
      - file: chapters/one
      - file: exercises/left-out
"""
HEAD = '<!DOCTYPE html><html lang="en" data-theme="auto"><head>'
WAIT = "<script>window.MathJax = { startup: { promise: Promise.resolve() } }</script>"


def write_page(path, article):
    path.parent.mkdir(exist_ok=True)
    text = f'{HEAD}{WAIT}</head><body><article class="bd-article">{article}</article>'
    path.write_text(text, encoding="utf-8")


def read(book):
    """Return each sheet's text, and the sheet of each entry of the outline."""
    found, waiting = {}, list(book.outline)
    while waiting:
        entry = waiting.pop(0)
        if isinstance(entry, list):
            waiting = entry + waiting
        else:
            found[entry.title] = book.get_destination_page_number(entry) + 1
    return [sheet.extract_text() for sheet in book.pages], found


def test_the_print_has_contents_with_the_right_pages(tmp_path, browser):
    long = "<p>word</p>" * 190  # some pages
    write_page(tmp_path / "intro.html", f"<h1>Home</h1>{long}")
    section = '<section id="s"><h2>A section</h2></section>'
    write_page(tmp_path / "chapters/one.html", f"<h1>One &amp; all</h1>{long}{section}")
    write_page(tmp_path / "exercises/left-out.html", "<h1>Left out</h1>")
    (tmp_path / "toc.yml").write_text(TOC)
    target = tmp_path / "book.pdf"
    count = pdf.print_book(tmp_path, target, tmp_path / "toc.yml", browser)
    book = PdfReader(target)
    sheets, outline = read(book)
    assert list(outline) == ["Contents", "Home", "One & all", "A section"]
    assert outline["Contents"] == 2
    assert outline["Home"] == 3
    assert outline["A section"] == count == len(sheets) > outline["One & all"] > 5
    numbers = [str(outline[title]) for title in ("Home", "One & all")]
    assert sheets[1].split()[-2:] == numbers  # in the contents, laid over the sheet
    for number in map(int, numbers):
        assert sheets[number - 1].split()[-1] == str(number)  # at its own foot
    assert sheets[outline["One & all"] - 1].startswith("One & all")
    assert "Left out" not in "".join(sheets)
    assert book.metadata.title == "Home"
    assert not (tmp_path / "printed.html").exists()


def element(text):
    return html.fragment_fromstring(text, create_parent=True)


def test_links_and_places_of_many_pages_do_not_meet():
    page = element(
        '<h1 id="a">A</h1><a href="#a">1</a><a href="two.html#b">2</a>'
        '<a href="../intro.html">3</a><a href="three.html#c">4</a>'
        '<a href="https://example.org/x.html">5</a><img src="../_images/x.svg">'
    )
    pdf.moved(page, "chapters/one", ["intro", "chapters/one", "chapters/two"], "HOME")
    assert page.xpath(".//@id | .//@href | .//@src") == [
        "chapters-one--a",
        "#chapters-one--a",
        "#chapters-two--b",
        "#intro",
        "HOME/chapters/three.html#c",
        "https://example.org/x.html",
        "_images/x.svg",
    ]


def control(name, kind):
    inside = f'<span class="seqlib-name">{name}</span><input type="{kind}">'
    return f'<div class="seqlib-control">{inside}</div>'


def test_a_figure_stands_where_its_sliders_end():
    data = {"values": [["a", "b"], ["1", "2", "3"]], "frames": list("uvwxyz")}
    player = element(
        f'<img src="u" alt="U">{control("way", "radio")}{control("words", "range")}'
        "<figcaption>It moves.</figcaption>"
        f"<script>{json.dumps(data | {'alts': list('UVWXYZ')})}</script>"
    )
    pdf.settle(player)
    assert (player.find("img").get("src"), player.find("img").get("alt")) == ("w", "W")
    said = player.find("figcaption").text_content()
    assert said == "It moves. (Here: way a, words 3.)"


def test_the_print_has_all_chapters_in_order():
    _, pages = pdf.whole(BOOK, audit.ROOT / "_toc.yml")
    chapters = sorted(path.stem for path in (BOOK / "chapters").glob("*.html"))
    names = [page.name for page in pages]
    assert [n.split("/")[1] for n in names if n.startswith("chapters/")] == chapters
    assert len({page.title for page in pages}) == len(pages)
    printed = element(pdf.body_of(pages))
    places = printed.xpath(".//@id")
    assert len(places) == len(set(places))
    links = printed.xpath('.//@href[starts-with(., "#")]')
    assert links
    assert {link[1:] for link in links} <= set(places)
    assert not printed.xpath(".//script | .//button")
    assert not printed.xpath('.//@href[not(starts-with(., "#") or contains(., ":"))]')
