"""The zip that opens from a disk, and the book in print."""

import os
import re
import zipfile

import audit
import pack
import pdf
import pytest

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
    with audit.opened(browser, unpacked.as_uri(), "index.html") as page:
        page.wait_for_url("**/intro.html")
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


def test_the_print_has_contents_with_the_right_pages(tmp_path, browser):
    long = "<p>word</p>" * 90  # some pages
    write_page(tmp_path / "intro.html", f"<h1>Home</h1>{long}")
    write_page(tmp_path / "chapters/one.html", "<h1>One &amp; all, verified</h1>")
    write_page(tmp_path / "exercises/left-out.html", "<h1>Left out</h1>")
    (tmp_path / "toc.yml").write_text(TOC)
    target = tmp_path / "book.pdf"
    count = pdf.print_book(tmp_path, target, tmp_path / "toc.yml", browser)
    pages = pdf.pages_of_outline(target.read_bytes())
    assert pages["Home"] == 1
    assert pages["One & all, verified"] == count > 3
    assert pages["Contents"] == count - 1
    assert "Left out" not in pages
    assert not (tmp_path / "printed.html").exists()


def test_links_and_places_of_many_pages_do_not_meet():
    names = ["intro", "chapters/one", "chapters/two"]
    text = (
        '<h1 id="a">A</h1><a href="#a">1</a><a href="two.html#b">2</a>'
        '<a href="../intro.html">3</a><a href="three.html">4</a>'
        '<a href="https://example.org/x.html">5</a><img src="../_images/x.svg">'
    )
    moved = pdf.moved(text, "chapters/one", names)
    assert re.findall(r'(?:id|href|src)="([^"]*)"', moved) == [
        "chapters-one--a",
        "#chapters-one--a",
        "#chapters-two--b",
        "#intro",
        "https://example.org/x.html",
        "_images/x.svg",
    ]


def test_the_print_has_all_chapters_in_order():
    names = pdf.pages_in_order(BOOK, audit.ROOT / "_toc.yml")
    chapters = sorted(path.stem for path in (BOOK / "chapters").glob("*.html"))
    assert [n.split("/")[1] for n in names if n.startswith("chapters/")] == chapters
    html, titles = pdf.whole(BOOK, names)
    assert len(titles) == len(set(titles)) == len(names)
    places = set(re.findall(r' id="([^"]*)"', html))
    links = re.findall(r' href="#([^"]*)"', html)
    assert links
    assert set(links) <= places
