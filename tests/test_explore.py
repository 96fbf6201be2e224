"""Figures: deterministic bytes, kind errors, players that move in a real browser."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import ipywidgets
import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from nbclient import NotebookClient

from seqlib.explore import (
    COLORS,
    explore,
    figures,
    listing,
    player,
    show,
    source,
    style,
)

mpl.use("agg")
EXTENSIONS = Path(__file__).parents[1] / "_ext"
CELLS = [
    "import matplotlib.pyplot as plt\n"
    "from seqlib.explore import explore, show, source, style\n"
    "style()\n"
    "def draw(spectral_radius, unit):\n"
    "    fig, ax = plt.subplots()\n"
    "    ax.plot([spectral_radius**k for k in range(9)], label=unit)\n"
    "    ax.set(ylim=(0, 2), xlabel='lag $k$', ylabel='gradient norm')\n"
    "    ax.legend()\n"
    "    return fig\n"
    "alt = 'Gradient norm against lag.'\n",
    "explore(draw, alt, 'How far?', spectral_radius=[0.5, 0.9, 1.0, 1.05],"
    " unit=['tanh', 'logistic'])",
    "explore(lambda power: draw(power, 'tanh'), lambda power: f'Power {power}.',"
    " 'Powers.', power=[0.1, 0.2, 0.3])",
    "show(draw(0.7, 'tanh'), 'A falling line.', 'Seven tenths.')",
    "import seqlib.explore.figures\nsource(seqlib.explore.figures.shrink)",
]


@pytest.fixture
def bundles(monkeypatch):
    """What would be displayed."""
    shown = []
    for module in (figures, listing, player):
        monkeypatch.setattr(module, "publish", shown.append)
    return shown


def line(height):
    fig = Figure(figsize=(4, 2))
    fig.subplots().plot([0.123456, height], label="0.123456")
    return fig


def never(**_):
    raise AssertionError("drawn before the check")


@pytest.fixture(scope="module")
def notebook():
    """Execute a small notebook, as `make run` does."""
    cells = [
        nbformat.v4.new_code_cell(text, id=f"c{i}") for i, text in enumerate(CELLS)
    ]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    book.metadata["language_info"] = {"name": "python"}
    return NotebookClient(book, timeout=120, store_widget_state=False).execute()


def outputs(notebook):
    return [cell.outputs[-1].data for cell in notebook.cells[1:]]


# The bytes


def test_importing_needs_no_matplotlib():
    code = "import sys, seqlib.explore as e; assert e.show; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    heavy = {"matplotlib", "IPython", "ipywidgets", "pygments", "torch"}
    assert not heavy & set(run.stdout.split())


def test_a_fresh_process_draws_the_same_bytes():
    code = "\n".join(CELLS[:1]) + (
        "from seqlib.explore import player\n"
        "player.publish = lambda bundle: print(bundle['text/html'])\n" + CELLS[1]
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "MPLBACKEND": "agg"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(runs[0]) > 10_000
    assert runs[0] == runs[1]


def test_svg_is_small_valid_and_keeps_its_words():
    picture = figures.svg(line(2))
    root = ET.fromstring(picture)
    assert "metadata" not in picture
    assert "20" + "26-" not in picture
    assert "".join(root.itertext()).count("0.5") == 1  # a tick label, not rounded
    numbers = re.findall(r"\d\.(\d+)", " ".join(re.findall(r' d="([^"]*)"', picture)))
    assert max(map(len, numbers)) == 2
    ids = set(re.findall(r' id="([^"]+)"', picture))
    assert ids == set(re.findall(r'[("]#([^)"]+)', picture))


@pytest.mark.parametrize("text", ["M 0 216 \nL 432.004 -0.001 \nz\n"])
def test_paths_are_rounded(text):
    assert figures.path(text) == "M0 216L432 0z"


def test_show_closes_the_figure_and_describes_it(bundles):
    from matplotlib import pyplot as plt

    fig, _ = plt.subplots()
    show(fig, 'A "square" & more', "a < b")
    html = bundles[0]["text/html"]
    assert not plt.fignum_exists(fig.number)
    assert bundles[0]["text/plain"] == 'A "square" & more'
    assert 'alt="A &quot;square&quot; &amp; more"' in html
    assert "<figcaption>a &lt; b</figcaption>" in html


def test_frames_come_in_the_order_of_the_sliders(bundles):
    drawn = []

    def draw(b, a):
        drawn.append((b, a))
        return line(b)

    explore(draw, lambda a, b: f"{a}{b}", "c", b=np.arange(1, 4), a=["x", "y"])
    assert drawn == [(1, "x"), (1, "y"), (2, "x"), (2, "y"), (3, "x"), (3, "y")]
    assert '"alts":["x1","y1","x2","y2","x3","y3"]' in bundles[0]["text/html"]
    assert bundles[0]["text/plain"].endswith("[interactive figure: b = 1, a = x]")


def test_frames_share_their_lines():
    pictures = [figures.svg(line(h)) for h in range(40)]
    shared = player.share(pictures)
    back = ["\n".join(shared["lines"][i] for i in f) for f in shared["frames"]]
    assert back == pictures
    assert sum(map(len, shared["lines"])) < sum(map(len, pictures)) / 4


def test_players_ask_nobody(bundles):
    explore(lambda h: line(h), "a", "c", h=[1, 2])
    addresses = set(re.findall(r"https?://[^\"'\\ ]+", bundles[0]["text/html"]))
    assert all(address.startswith("http://www.w3.org/") for address in addresses)


def test_words_cannot_end_the_script(bundles):
    explore(lambda h: line(h), "</script><!--<script>", "</figure>", h=["</script>", 2])
    assert bundles[0]["text/html"].count("</script>") == 2
    assert bundles[0]["text/html"].count("</figure>") == 1


def test_palette_and_style():
    with mpl.rc_context():
        style()
        cycle = [each["color"] for each in mpl.rcParams["axes.prop_cycle"]]
        assert set(cycle) <= set(COLORS.values())
        assert mpl.rcParams["svg.fonttype"] == "none"


def test_source_drops_docstrings_and_keeps_the_rest(bundles):
    source(figures.path)
    source(figures.path, docstring=True)
    short, full = (bundle["text/plain"] for bundle in bundles)
    assert '"""' not in short
    assert [row for row in full.splitlines() if '"""' not in row] == short.splitlines()
    assert 'class="k">return' in bundles[0]["text/html"]


# Wrong input gets a sentence, before anything is drawn


@pytest.mark.parametrize(
    ("draw", "alt", "values", "words"),
    [
        (never, "a", {}, "at least one list"),
        (never, "a", {"x": []}, "x has no values"),
        (never, "a", {"x": 3}, "x must be a list of values, got 3"),
        (never, "a", {"x": "abc"}, "x must be a list of values, got 'abc'"),
        (never, "a", {"x": range(41)}, "41 = 41 frames are more than the 40"),
        (never, "a", {"x": range(7), "y": range(6)}, "7 x 6 = 42 frames"),
        (never, " ", {"x": [1]}, "alt is empty"),
        (never, None, {"x": [1]}, "alt must be a string"),
        (never, lambda y: "a", {"x": [1]}, "alt must take the keywords x"),
        (never, lambda x: "", {"x": [1]}, "alt is empty"),
        (lambda y: never(), "a", {"x": [1]}, "draw must take the keywords x"),
        (3, "a", {"x": [1]}, "draw must be a function, got int"),
        (lambda x: x, "a", {"x": [1]}, "needs? .*Figure, got int|return .*got int"),
    ],
)
def test_kind_errors(draw, alt, values, words):
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        explore(draw, alt, "c", **values)
    assert "\n" not in str(caught.value)


def test_too_heavy_a_figure_says_what_to_do():
    def heavy(seed):
        fig = Figure()
        fig.subplots().scatter(*np.random.default_rng(seed).random((2, 1500)))
        return fig

    with pytest.raises(ValueError, match=r"first 4 of 9 frames .* rasterized=True"):
        explore(heavy, "a", "c", seed=range(9))


def test_what_is_no_figure_or_no_source():
    with pytest.raises(TypeError, match="show needs a matplotlib Figure, got list"):
        show([], "a", "c")
    with pytest.raises(ValueError, match="caption is empty"):
        show(line(1), "a", "")
    with pytest.raises(TypeError, match="len has no Python source to show"):
        source(len)


# In a notebook


def test_notebook_outputs_hold_html_and_the_live_widget(notebook):
    first, second, figure, listing = outputs(notebook)
    widget = "application/vnd.jupyter.widget-view+json"
    assert all({"text/html", "text/plain"} <= set(data) for data in outputs(notebook))
    assert widget in first
    assert widget in second
    assert widget not in figure
    assert listing["text/plain"].startswith("def shrink")
    for cell in notebook.cells:
        assert not [out for out in cell.outputs if out.output_type != "display_data"]


def test_live_controls_call_draw():
    choices = {"height": [1.0, 2.5], "unit": ["tanh", "relu"]}
    box = player.sliders(
        ipywidgets, lambda height, unit: line(height), "A line.", "c", choices
    )
    height, unit, picture = box.children
    before = picture.value
    height.value = 2.5
    assert picture.value != before
    unit.value = "relu"
    assert 'alt="A line. Here: height 2.5, unit relu."' in picture.value


# In a browser


@pytest.fixture(scope="module")
def browser():
    """Start the system's Chromium; where CI is set it must be there."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        missing = "Chromium is not installed: no figure was looked at in a browser"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def page_file(notebook, tmp_path_factory):
    """Write a page with two players, as a front-end without widgets shows them."""
    body = "\n".join(data["text/html"] for data in outputs(notebook))
    file = tmp_path_factory.mktemp("page") / "players.html"
    file.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Players'
        '</title><meta name="viewport" content="width=device-width"></head>'
        '<body style="font-family:sans-serif"><main><h1>Players</h1>'
        f"{body}</main></body></html>"
    )
    return file.as_uri()


@pytest.fixture
def open_page(browser, page_file):
    """Open the page; the test fails on any error in its console."""
    errors, contexts = [], []

    def opened(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: m.type == "error" and errors.append(m.text))
        page.goto(page_file)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


def test_keyboard_moves_one_player(open_page):
    page = open_page()
    first, second = page.locator(".seqlib-player").all()
    slider, image = first.get_by_label("spectral radius"), first.locator("img")
    before, other = image.get_attribute("src"), second.locator("img")
    untouched = other.get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert image.get_attribute("src") != before
    assert image.get_attribute("alt").endswith("spectral radius 0.9, unit tanh.")
    assert slider.get_attribute("aria-valuetext") == "0.9"
    assert first.locator("output").inner_text() == "0.9"
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert image.get_attribute("alt").endswith("spectral radius 1.05, unit logistic.")
    page.wait_for_function("document.querySelector('img').naturalWidth > 0")
    first.get_by_role("status").filter(has_text="1.05, unit logistic").wait_for(
        state="attached"
    )
    assert other.get_attribute("src") == untouched


def test_mouse_moves_the_frame_and_back(open_page):
    page = open_page(viewport={"width": 375, "height": 800})
    second = page.locator(".seqlib-player").nth(1)
    image, slider = second.locator("img"), second.locator("input")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.click(box["x"] + box["width"] - 3, middle)
    assert image.get_attribute("alt") == "Power 0.3."
    page.mouse.click(box["x"] + 3, middle)
    assert image.get_attribute("alt") == "Power 0.1."
    page.get_by_text("logistic").click()
    assert "unit logistic" in page.locator("img").first.get_attribute("alt")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_players_that_arrive_later_work(open_page):
    page = open_page()
    page.evaluate(
        "document.querySelector('main').append("
        "document.querySelectorAll('.seqlib-player')[1].cloneNode(true))"
    )
    last = page.locator(".seqlib-player").last
    last.get_by_label("power").press("End")
    assert last.locator("img").get_attribute("alt") == "Power 0.3."


def test_without_javascript_the_first_frame_shows(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator("img").first.is_visible()
    assert page.locator("img").first.get_attribute("alt").endswith("0.5, unit tanh.")
    assert not page.locator("input").first.is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(open_page, theme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(viewport={"width": 375, "height": 800})
    page.evaluate(
        "(theme) => { document.documentElement.dataset.theme = theme;"
        "if (theme == 'dark') document.body.style.cssText +="
        "';background:#14181e;color:#ced6dd' }",
        theme,
    )
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_a_shrunk_picture_looks_like_the_original(browser, tmp_path, monkeypatch):
    from matplotlib import image
    from matplotlib import pyplot as plt

    with mpl.rc_context():
        style()
        shots = []
        for name, shrink in (("small", figures.shrink), ("full", lambda text: text)):
            monkeypatch.setattr(figures, "shrink", shrink)
            fig, (left, right) = plt.subplots(1, 2)
            left.plot([1, 3, 2], "o-", label=r"$\partial h_3 / \partial W^{(2)}$")
            left.set(yscale="log", ylabel="a norm")
            left.legend()
            right.imshow(np.eye(4))
            right.annotate("here", (0, 0), (2, 1), arrowprops={"arrowstyle": "->"})
            right.set_xticks(range(4), ["the", "cat", "sat", "down"], rotation=45)
            (tmp_path / f"{name}.svg").write_text(figures.svg(fig), encoding="utf-8")
            page = browser.new_page(viewport={"width": 640, "height": 340})
            page.goto((tmp_path / f"{name}.svg").as_uri())
            page.screenshot(path=tmp_path / f"{name}.png")
            page.close()
            shots.append(image.imread(tmp_path / f"{name}.png"))
    small, full = (os.path.getsize(tmp_path / f"{n}.svg") for n in ("small", "full"))
    assert small < 0.75 * full
    assert np.abs(shots[0] - shots[1]).mean() < 2e-3
    assert shots[0].std() > 0.05


# In the book


def build(folder):
    command = (
        "-b html -q -W --keep-going -j 2 -D extensions=myst_nb,figures . ../out/html"
    )
    path = os.pathsep.join([str(EXTENSIONS), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-m", "sphinx", *command.split()],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        check=True,
    )


def test_the_book_loads_frames_from_files(notebook, browser, tmp_path):
    book, built = tmp_path / "book", tmp_path / "out" / "html"
    (book / "deep").mkdir(parents=True)
    (book / "conf.py").write_text(
        "nb_execution_mode = 'off'\nsuppress_warnings = ['mystnb.unknown_mime_type']\n"
        "nb_mime_priority_overrides = [('*', 'text/html', 0)]\nhtml_theme = 'basic'\n"
    )
    (book / "index.md").write_text("# Book\n\n```{toctree}\ndeep/page\n```\n")
    title = nbformat.v4.new_markdown_cell("# Page", id="title")
    page = nbformat.v4.new_notebook(
        cells=[title, *notebook.cells], metadata=notebook.metadata
    )
    nbformat.write(page, book / "deep" / "page.ipynb")
    build(book)
    html = built / "deep" / "page.html"
    text = html.read_text("utf-8")
    assert "data:image/svg+xml;base64" not in text
    assert len(text) < 60_000
    assert text.count('<img loading="lazy"') == 3
    assert len(list((built / "_images").glob("figure-*.svg"))) == 8 + 3 + 1

    requests = []
    page = browser.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("requestfailed", lambda request: pytest.fail(request.url))
    page.goto(html.as_uri())
    image = page.locator(".seqlib-player img").first
    before = image.get_attribute("src")
    page.get_by_label("spectral radius").press("ArrowRight")
    assert image.get_attribute("src") != before
    assert (
        image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    )
    page.wait_for_load_state("networkidle")
    svgs = {url for url in requests if url.endswith(".svg")}
    assert all(url.startswith("file:") and "/_images/figure-" in url for url in svgs)
    page.close()

    stamp = html.stat().st_mtime_ns
    build(book)
    assert html.stat().st_mtime_ns == stamp
    assert html.read_text("utf-8") == text
