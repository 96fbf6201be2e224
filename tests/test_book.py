"""The built book in a real browser, opened from the disk as a reader would.

`make test` builds it first. Where Chromium is missing these tests are skipped, and on a
build server (the variable CI is set) that is an error. The pages that show the sources
are made alike: every tenth is opened here, and each of them by `make audit`.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import audit
import pytest
from audit import BOOK, DESK, ROOT, dead_links, pages_of, unfold, violations

PAGES = pages_of()
SOURCES = [page for page in PAGES if page.startswith("_modules/")]
OPENED = [page for page in PAGES if page not in SOURCES] + SOURCES[::10]
KINDS = ("chapters/", "exercises/", "appendices/data")
NOTEBOOKS = [page for page in PAGES if page.startswith(KINDS)]
PHONE = {"width": 375, "height": 800}


@pytest.fixture(scope="module")
def browser():
    """Start the system's Chromium."""
    if audit.chromium() is None:
        missing = "Chromium is not installed: nobody looked at the book in a browser"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with audit.started() as chromium:
        yield chromium


def opened(browser, path):
    """Open a page from the disk; what goes wrong in it collects in `page.troubles`."""
    return audit.opened(browser, BOOK.as_uri(), path)


@pytest.fixture(scope="module")
def page(browser, request):
    """Open a page, once for all that is asked of it."""
    with opened(browser, request.param) as page:
        page.path = request.param
        yield page


every_page = pytest.mark.parametrize("page", OPENED, indirect=True, scope="module")
every_notebook = pytest.mark.parametrize(
    "page", NOTEBOOKS, indirect=True, scope="module"
)


@pytest.fixture
def home(browser):
    """Open the first page, as if for the first time."""
    with opened(browser, "intro.html") as page:
        yield page


def test_the_book_is_built():
    assert (BOOK / "index.html").exists(), "run `make book` before the tests"
    assert "intro.html" in (BOOK / "index.html").read_text()
    assert NOTEBOOKS


@every_page
def test_a_page_stands_still_while_it_loads(page):
    assert page.evaluate("window.shifted") <= audit.MOST_SHIFT


@every_page
def test_a_page_loads_without_trouble(page):
    for picture in page.locator("main img").all():  # they are loaded when seen
        picture.scroll_into_view_if_needed()
        loaded = "picture => picture.complete && picture.naturalWidth"
        page.wait_for_function(loaded, arg=picture.element_handle())
    page.wait_for_load_state("networkidle")
    assert page.troubles == []
    assert page.locator("main h1").count()


@every_page
def test_mathematics_is_typeset(page):
    formulas = page.locator("main .math").count()
    assert page.locator("main .math mjx-container").count() >= formulas
    assert page.locator("main .math mjx-assistive-mml").count() >= formulas
    errors = "errors => errors.map(e => e.dataset.mjxError)"
    assert page.locator("mjx-merror").evaluate_all(errors) == []
    text = """() => { const main = document.querySelector("main").cloneNode(true);
        main.querySelectorAll("pre, code, script").forEach(e => e.remove());
        return main.textContent }"""
    assert not re.search(r"\\\(|\\\[|\$\$|\\tag|\\frac", page.evaluate(text))


@every_notebook
def test_a_chapter_has_mathematics(page):
    if page.path.startswith("chapters/"):
        assert page.locator("main mjx-container[display]").count() > 5


def test_some_figures_have_sliders():
    pages = [(BOOK / path).read_text(encoding="utf-8") for path in NOTEBOOKS]
    assert any("seqlib-player" in page and 'type="range"' in page for page in pages)


@every_notebook
def test_a_slider_changes_the_frame(page):
    for player in page.locator(".seqlib-player:has(input[type=range])").all():
        slider = player.locator("input[type=range]").first
        picture = player.locator("img").first
        first = picture.get_attribute("src")
        slider.focus()
        page.keyboard.press("ArrowRight")
        assert picture.get_attribute("src") != first
        slider.press("Home")
        assert picture.get_attribute("src") == first
        box = slider.bounding_box()
        slider.click(position={"x": box["width"] - 4, "y": box["height"] / 2})
        assert slider.input_value() == slider.get_attribute("max")
        assert picture.get_attribute("src") != first
        assert picture.get_attribute("alt")
        loaded = "picture => picture.complete && picture.naturalWidth"
        page.wait_for_function(loaded, arg=picture.element_handle())
    assert page.troubles == []


@every_notebook
def test_figures_show_without_scripts(page, browser):
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page.url)
    for picture in plain.locator("main figure img").all():
        picture.scroll_into_view_if_needed()
        assert picture.is_visible()
    context.close()


@every_notebook
def test_a_notebook_can_be_run_and_downloaded(page):
    source = page.path.replace(".html", ".ipynb")
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    repository = urls["Repository"].removeprefix("https://github.com/")
    colab = page.get_by_role("link", name="Open in Colab").first
    assert colab.get_attribute("href") == (
        f"https://colab.research.google.com/github/{repository}/blob/main/{source}"
    )
    download = page.locator("a[download]", has_text="Download")
    file = (BOOK / page.path).parent / download.get_attribute("href")
    assert file.name == Path(source).name
    assert file.read_bytes() == (ROOT / source).read_bytes()


@every_page
@pytest.mark.parametrize("scheme", audit.THEMES)
def test_a_page_is_accessible(page, scheme):  # axe stirs the console: it comes last
    assert violations(page, scheme) == []


@every_page
def test_nothing_is_wider_than_a_phone(page):
    page.set_viewport_size(PHONE)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    wide = """() => {
        const fits = e => e.getBoundingClientRect().right <= 376;
        const scrolls = e => /auto|scroll|hidden|clip/.test(
            getComputedStyle(e).overflowX);
        return [...document.querySelectorAll("article *")].filter(e => {
            if (fits(e) || e.closest("mjx-assistive-mml, svg")) return false;
            for (let box = e.parentElement; box; box = box.parentElement)
                if (scrolls(box) && fits(box)) return false;
            return true;
        }).map(e => e.outerHTML.slice(0, 120)) }"""
    assert page.evaluate(wide) == []
    page.set_viewport_size(DESK)


def test_what_scrolls_on_a_phone_can_be_reached_by_keyboard(browser):
    theme = BOOK / "_static" / "scripts" / "pydata-sphinx-theme.js"
    assert "scrollWidth" not in theme.read_text("utf-8")  # it is book.js that asks
    with opened(browser, "chapters/07-training-rnns.html") as page:
        page.set_viewport_size(PHONE)
        unfold(page)
        boxes = "article pre, article div.math"
        stops = """([boxes, scroll]) => [...document.querySelectorAll(boxes)]
            .filter(e => e.scrollWidth > e.clientWidth == scroll)
            .map(e => e.hasAttribute("tabindex"))"""
        for scroll in (True, False):
            assert set(page.evaluate(stops, [boxes, scroll])) == {scroll}


def test_an_address_leads_to_its_equation(browser):
    with opened(browser, "chapters/06-bptt.html#eq-6-13") as page:
        page.wait_for_load_state("networkidle")
        place = "document.getElementById('eq-6-13').getBoundingClientRect().top"
        assert 0 <= page.evaluate(place) < 200  # below the bar, formulas above it set
        assert page.troubles == []


def test_search_finds_vanishing(home):
    home.keyboard.press("Control+k")
    home.keyboard.type("vanishing")
    home.keyboard.press("Enter")
    results = home.locator("#search-results li a")
    results.first.wait_for()
    found = results.evaluate_all("links => links.map(link => link.href)")
    assert any("chapters/06-bptt.html" in link for link in found)
    results.first.click()
    home.wait_for_load_state()
    assert "vanish" in home.locator("main").inner_text().lower()
    assert home.troubles == []


@pytest.mark.parametrize("scheme", audit.THEMES)
def test_the_colours_do_not_wait_for_the_theme_s_script(browser, scheme):
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.route("**/pydata-sphinx-theme.js*", lambda route: route.abort())
    page.goto((BOOK / "intro.html").as_uri())
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    context.close()


def test_the_theme_can_be_switched(home):
    for _ in range(3):
        mode = home.evaluate("document.documentElement.dataset.mode")
        home.locator(".theme-switch-button:visible").click()
        other = "was => document.documentElement.dataset.mode != was"
        home.wait_for_function(other, arg=mode)
        if home.evaluate("document.documentElement.dataset.mode") == "dark":
            break
    home.reload()
    home.wait_for_function("document.documentElement.dataset.theme == 'dark'")


def test_the_keyboard_skips_to_the_text(home):
    home.keyboard.press("Tab")
    assert home.evaluate("document.activeElement.innerText") == "Skip to main content"
    home.keyboard.press("Enter")
    assert home.url.endswith("#main-content")


def test_no_link_is_dead():
    dead = dead_links(PAGES)
    assert not any(dead.values()), dead


def test_nothing_is_loaded_from_elsewhere():
    for path in PAGES:
        loads = audit.Links((BOOK / path).read_text("utf-8")).loads
        assert not [load for load in loads if re.match(r"https?:", load)], path


ALONE = """
import socket, sys
class NoTorch:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("torch is not needed to build the book")
sys.meta_path.insert(0, NoTorch())
def refuse(*_):
    raise OSError("the book is built without a network")
socket.socket.connect = socket.getaddrinfo = refuse
from jupyter_book.cli.main import main
main(["build", "-W", "--keep-going", "--path-output", sys.argv[1], "."])
"""


def test_the_book_is_built_without_torch_and_network(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    built = {p.relative_to(tmp_path / "_build/html") for p in tmp_path.rglob("*.html")}
    assert {Path(path) for path in PAGES} <= built


DOI = "https://doi.org/10.1000"
CHAPTERS = "https://a.github.io/b/chapters"
PROJECT = {
    "conf.py": 'extensions = ["myst_parser", "links", "strict"]\n'
    'exclude_patterns = ["out"]',
    "pyproject.toml": "[project.urls]\nRepository = 'https://github.com/a/b'\n"
    "Book = 'https://a.github.io/b'",
    "references.bib": "@misc{key, title={A title}, doi={10.1000/Known}}",
    "appendices/bibliography.md": "# Bibliography",
    "chapters/one.md": "(place)=\n# One",
}


@pytest.mark.parametrize(
    ("link", "outcome"),
    [
        (
            "https://doi.org/10.1000/known",
            'href="appendices/bibliography.html#ref-key"',
        ),
        ("https://doi.org/10.1000/other", "references.bib has no entry"),
        (f"{CHAPTERS}/one.html", 'href="chapters/one.html"'),
        (
            "https://a.github.io/b/chapters/one.html#place",
            'href="chapters/one.html#place"',
        ),
        (f"{CHAPTERS}/one.html#nowhere", "has no place #nowhere"),
        (
            "https://a.github.io/b/chapters/two.html",
            "the book has no page",
        ),
        ("https://example.org/b/chapters/two.html", 'href="https://example.org/b/ch'),
    ],
)
def test_links_lead_somewhere_or_the_build_fails(tmp_path, link, outcome):
    toc = "\n\n```{toctree}\nappendices/bibliography\nchapters/one\n```\n"
    for name, text in (PROJECT | {"index.md": f"# Home\n\n[A]({link}){toc}"}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for _ in range(2):  # what is wrong is wrong the second time too
        run = subprocess.run(
            [sys.executable, "-m", "sphinx", "-qW", "--keep-going", ".", "out"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT / "_ext")},
            capture_output=True,
            text=True,
        )
    index = tmp_path / "out" / "index.html"
    page = index.read_text() if index.exists() else ""
    assert outcome in (page if "href" in outcome else run.stderr)
    assert (run.returncode == 0) == ("href" in outcome)
