"""What a page takes: its weight, its shifts, and an audit that sees what is amiss."""

import json
import os
import re
import subprocess
import sys
from urllib.request import Request, urlopen

import audit
import pytest

ROOT, BOOK = audit.ROOT, audit.BOOK
PAGES = audit.pages_of()
HEAVY = sorted(PAGES, key=lambda page: (BOOK / page).stat().st_size)[-6:]
SAMPLE = sorted({"intro.html", "course-map.html", "404.html", *HEAVY})
PAGE = """<!DOCTYPE html><html lang="en" data-theme="{theme}"><head><title>T</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<script>matchMedia("(prefers-color-scheme: dark)").onchange = e =>
document.documentElement.dataset.theme = e.matches ? "dark" : "light"</script>
</head><body><main><h1 id="top">T</h1>{body}</main></body></html>"""


def listing(ground, *inks):
    """Return a listing on this ground; each of its colours is there twice."""
    tokens = "".join(f'<span class="{ink}">token</span>' for ink in inks * 2)
    style = "<style>.ink { color: #000 } .faint { color: #ccc }</style>"
    return f'{style}<pre tabindex="0" style="background: {ground}">{tokens}</pre>'


@pytest.fixture(scope="module")
def browser():
    """Start the system's Chromium."""
    if audit.chromium() is None:
        missing = "Chromium is not installed: nobody weighed the book"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with audit.started() as chromium:
        yield chromium


@pytest.fixture
def made(tmp_path, browser):
    """Write a page of this body and measure it."""

    def measure(body, **files):
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        text = PAGE.format(body=body, theme="light")
        (tmp_path / "page.html").write_text(text)
        dead = audit.dead_links(["page.html"], tmp_path)
        with audit.served(tmp_path) as home:
            return audit.measured(browser, home, "page.html", dead["page.html"])

    audit_book, audit.BOOK = audit.BOOK, tmp_path
    defaults = audit.weight.__defaults__
    audit.weight.__defaults__ = (tmp_path,)
    yield measure
    audit.BOOK, audit.weight.__defaults__ = audit_book, defaults


def test_a_sound_page_is_not_blamed(made):
    row = made("<p>All is well.</p>")
    assert row.amiss() == []
    assert 0 < row.kb < 1
    assert row.requests == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<p><a href="gone.html">On</a></p>', "links: gone.html"),
        ('<p><a href="#gone">On</a></p>', "links: #gone"),
        ("<script>console.error('oh no')</script>", "console: console: oh no"),
        ("<script>nothing.there</script>", "nothing is not defined"),
        ('<img src="http://127.0.0.1:9/x.png" alt="x">', "foreign: foreign: http://12"),
        ('<img src="data:," >', "light: image-alt"),
        ('<p style="color: #ccc; background: #fff">Faint</p>', "dark: color-contrast"),
        (listing("#fff", "ink", "faint"), "light: color-contrast"),
        (listing("#fff", "ink") + listing("#222", "ink"), "dark: color-contrast"),
        ("<script src='large'></script>", "weight: "),
        ("<p style='height: 700px'>Here</p><script>setTimeout(() => "
         "document.querySelector('h1').style.marginTop = '600px', 300)</script>",
         "shift: "),
    ],
)  # fmt: skip
def test_what_is_amiss_is_said(made, body, said):
    row = made(body, large=b"//" + os.urandom(1_100_000).hex().encode())
    assert any(said in line for line in row.amiss()), row.amiss()


def test_of_tokens_that_look_alike_one_is_looked_at(browser, tmp_path):
    body = listing("#fff", "ink", "faint") + listing("#222", "ink")
    (tmp_path / "a.html").write_text(PAGE.format(body=body, theme="light"))
    with audit.opened(browser, tmp_path.as_uri(), "a.html") as page:
        found = audit.violations(page, "light")
        assert sum("color-contrast" in each for each in found) == 2
        assert page.locator("[data-alike]").count() == 3


def test_the_server_compresses_text_and_knows_what_it_lacks(tmp_path):
    (tmp_path / "a.html").write_text("a" * 10_000)
    with audit.served(tmp_path) as home:
        with urlopen(Request(f"{home}/a.html")) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert len(answer.read()) < 200
        with pytest.raises(OSError, match="404"):
            urlopen(f"{home}/b.html")


@pytest.mark.parametrize("path", SAMPLE)
def test_a_page_is_light_and_still(browser, path):
    with audit.served() as home, audit.opened(browser, home, path) as page:
        audit.read_through(page)
        assert audit.weight(page.asked, home) <= audit.MOST_KB
        assert page.evaluate("window.shifted") <= audit.MOST_SHIFT
        assert page.troubles == []


@pytest.mark.parametrize("path", PAGES)
def test_each_picture_has_its_room(path):
    html = (BOOK / path).read_text("utf-8")
    main = html.partition("<article")[2].partition("</article>")[0]
    for picture in re.findall(r"<img [^>]*>", main):
        assert re.search(r' width="\d+" height="\d+"', picture), picture
        assert 'loading="lazy"' in picture


@pytest.mark.parametrize("path", PAGES)
def test_no_heading_of_a_table_is_empty(path):
    heads = re.findall(r"<th\b[^>]*>(.*?)</th>", (BOOK / path).read_text("utf-8"), re.S)
    assert all(re.sub(r"<[^>]*>|\s", "", head) for head in heads)


def test_of_three_looks_at_the_desk_the_middle_counts(monkeypatch):
    seen = iter([99, 60, 97, 98])

    def lighthouse(url, *options):
        return dict.fromkeys(options[-1].partition("=")[2].split(","), next(seen))

    monkeypatch.setattr(audit, "lighthouse", lighthouse)
    at_the_desk = dict.fromkeys(("performance", "best-practices", "seo"), 97)
    assert audit.scores("a.html") == {"accessibility": 99, **at_the_desk}


def test_lighthouse_is_pinned_and_names_no_registry():
    package = json.loads((ROOT / "package.json").read_text("utf-8"))
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))
    for name, version in package["devDependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    for name, entry in lock["packages"].items():
        assert "resolved" not in entry, name
        assert not name or entry["integrity"].startswith("sha512-"), name


def test_without_node_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(audit.shutil, "which", lambda name: None)
    assert audit.why_no_lighthouse().count(".") == 2  # Node.js, and the full stop


def test_an_empty_heading_becomes_a_cell(tmp_path):
    (tmp_path / "conf.py").write_text('extensions = ["myst_parser", "tables"]')
    (tmp_path / "index.md").write_text("# T\n\n|  | a |\n|--|--|\n| x | 1 |\n")
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-qW", ".", "out"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "_ext")},
        check=True,
    )
    html = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert re.findall(r"<t[dh] class=\"head\">(.*?)</t[dh]>", html) == ["", "<p>a</p>"]
    assert html.count("<th ") == 1
