"""The zip that opens from a disk."""

import os
import zipfile

import audit
import pack
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
