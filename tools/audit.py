"""Measure what a reader of the built book gets, page by page.

    python tools/audit.py                every page (some minutes)
    python tools/audit.py 06-bptt intro  the pages whose names contain one of these

Each page is opened in Chromium, served as GitHub serves it, compressed, and read from
top to bottom without touching a figure. The table says what that took and what was
amiss; Lighthouse then scores the five heaviest pages: how easy they are to use on a
phone, all else at a desk (performance is printed and not judged: it falls when the
machine is busy). The exit status is 1 if something is not as it should be.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.pool import ThreadPool
from pathlib import Path
from statistics import median_low
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "_build" / "html"
LIGHTHOUSE = ROOT / "node_modules" / ".bin" / "lighthouse"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
TEXT = {".html", ".css", ".js", ".svg", ".json", ".ipynb", ".txt", ".xml"}
NO_PAGES = {"index.html", "printed.html"}  # the latter while `make pdf` runs
DESK = {"width": 1280, "height": 900}
MOST_KB, MOST_SHIFT, LEAST_SCORE, LOOKS = 1000, 0.1, 95, 3
THEMES = ("light", "dark")
PATIENCE = 300  # seconds for axe on one page


# --- the book's pages and their links ------------------------------------------------


def pages_of(book: Path = BOOK) -> list[str]:
    """Return the pages of the built book; index.html only sends its reader on."""
    return sorted(
        page.relative_to(book).as_posix()
        for page in book.rglob("*.html")
        if page.name not in NO_PAGES and "_static" not in page.parts
    )


class Links(HTMLParser):
    """The links of a page, the names of its places, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        """Keep what the tag points to and what it is called."""
        named = tag == "a" or ("rel", "canonical") in attributes
        for name, value in attributes:
            if name == "id":
                self.names.add(value)
            elif name == "href" and named:
                self.links.append(value)
            elif name in ("href", "src"):
                self.loads.append(value)


def dead_links(pages: list[str], book: Path = BOOK) -> dict[str, list[str]]:
    """Return for each page what it points to and the book does not have."""
    read = {path: Links((book / path).read_text("utf-8")) for path in pages_of(book)}
    return {
        path: [
            link
            for link in dict.fromkeys(read[path].links + read[path].loads)
            if not leads_somewhere(book, path, link, read)
        ]
        for path in pages
    }


def leads_somewhere(book: Path, path: str, link: str, read: dict[str, Links]) -> bool:
    """Tell whether a file of the book, and a place in it, answers to the link."""
    if re.match(r"(https?|mailto|data):", link):
        return True
    parts = urlsplit(link)
    here = book / path
    target = here.parent / unquote(parts.path) if parts.path else here
    if not target.exists():
        return False
    name = target.resolve().relative_to(book.resolve()).as_posix()
    return not (parts.fragment and name in read) or (
        unquote(parts.fragment) in read[name].names
    )


# --- serve it ------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def body_of(path: Path, changed: float) -> tuple[bytes, bool]:
    """Return what is sent of a file, and whether that is compressed."""
    data = path.read_bytes()
    squeeze = path.suffix in TEXT
    return (gzip.compress(data, mtime=0) if squeeze else data), squeeze


class Handler(SimpleHTTPRequestHandler):
    """Send each file as GitHub Pages does: text compressed, to be kept for a while."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the file, or say that there is none."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        data, squeezed = body_of(path, path.stat().st_mtime)
        self.send_response(HTTPStatus.OK)
        kind = self.guess_type(path)
        text = kind.startswith("text/") or kind.endswith(("javascript", "json"))
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "max-age=600")
        if squeezed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server whose browsers may hang up while it speaks."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a page was left before all of it had come."""


@contextmanager
def served(book: Path = BOOK) -> Iterator[str]:
    """Serve the book on this machine; give its address."""
    server = Server(("127.0.0.1", 0), lambda *a: Handler(*a, directory=str(book)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def weight(urls: list[str], home: str, book: Path = BOOK) -> float:
    """Return the kB that the server sent for these addresses."""
    total = 0
    for url in set(urls):
        path = book / unquote(urlsplit(url.removeprefix(home)).path).lstrip("/")
        if url.startswith(home) and path.is_file():
            total += len(body_of(path, path.stat().st_mtime)[0])
    return total / 1000


# --- open it in a browser ------------------------------------------------------------


def chromium() -> str | None:
    """Return the system's Chromium, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def started() -> Iterator[Any]:
    """Start the system's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Inside a container Chromium cannot make a sandbox of its own.
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


SHIFTS = """
window.shifted = 0;
new PerformanceObserver(list => list.getEntries().forEach(entry => {
    if (!entry.hadRecentInput) window.shifted += entry.value;
})).observe({ type: "layout-shift", buffered: true });
"""


@contextmanager
def opened(browser: Any, home: str, path: str) -> Iterator[Any]:
    """Open a page; what it asks for and what goes wrong collects in it."""
    context = browser.new_context(viewport=DESK, reduced_motion="reduce")
    page = context.new_page()
    page.add_init_script(SHIFTS)
    page.asked, page.troubles = [], []
    page.on("request", lambda request: ask(request.url, home, page))
    page.on("requestfailed", lambda r: page.troubles.append(f"failed: {r.url}"))
    page.on("pageerror", lambda error: page.troubles.append(f"error: {error}"))
    page.on("console", lambda message: complain(message, page))
    page.goto(f"{home}/{path}")
    page.evaluate("async () => { await window.MathJax?.startup?.promise }")
    yield page
    context.close()


def ask(url: str, home: str, page: Any) -> None:
    """Keep what a page asks for, and note a request to anybody else."""
    if not url.startswith(("data:", "blob:")):
        page.asked.append(url)
        if not url.startswith(home):
            page.troubles.append(f"foreign: {url}")


def complain(message: Any, page: Any) -> None:
    """Note a warning or an error in the console."""
    if message.type in ("error", "warning"):
        page.troubles.append(f"console: {message.text}")


def read_through(page: Any) -> None:
    """Scroll from top to bottom, as a reader would, and let all pictures come."""
    page.evaluate("""async () => {
        const step = innerHeight * 0.8;
        for (let y = 0; y < document.documentElement.scrollHeight; y += step) {
            scrollTo(0, y);
            await new Promise(requestAnimationFrame);
            await new Promise(requestAnimationFrame);
        }
        scrollTo(0, 0);
    }""")
    page.wait_for_load_state("networkidle")


def unfold(page: Any) -> None:
    """Open all that is folded away, and lay out all that is out of sight."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.add_style_tag(content="* { content-visibility: visible !important; }")
    frame = "new Promise(go => requestAnimationFrame(() => setTimeout(go)))"
    page.evaluate(f"() => {frame}")  # in which what scrolls is found (book.js)


# Of the tokens of listings and the letters of formulas, thousands on a page, those
# that look alike on the same ground stand or fall together: one is enough.
ALIKE = """() => {
    const seen = new Set(), grounds = new Map([[null, ""]]);
    const ground = e => {
        if (!grounds.has(e)) {
            const s = getComputedStyle(e);
            const own = [s.backgroundColor, s.backgroundImage, s.opacity, s.filter];
            const clear = own.join() == "rgba(0, 0, 0, 0),none,1,none";
            grounds.set(e, (clear ? "" : own.join() + "/") + ground(e.parentElement));
        }
        return grounds.get(e);
    };
    for (const e of document.querySelectorAll("pre span, mjx-container *")) {
        if (e.childElementCount) continue;
        const around = e.closest("pre, mjx-assistive-mml, mjx-math, mjx-container");
        const s = getComputedStyle(e), box = e.getBoundingClientRect();
        const look = [around.localName, e.textContent.trim() != "", s.color,
            s.fontSize, s.fontWeight, s.textShadow, s.visibility, box.width > 0,
            box.right <= around.getBoundingClientRect().right, ground(e)].join();
        e.toggleAttribute("data-alike", seen.has(look));
        seen.add(look);
    }
    const selector = ":not([data-alike])"; // to exclude them by a context is slow
    axe.configure({ rules: [{ id: "color-contrast", selector }] });
}"""


# A browser that has lost its way would be waited for without end.
TIMED = """([options, seconds]) => Promise.race([
    axe.run(options),
    new Promise((_, no) => setTimeout(
        () => no(new Error(`axe took more than ${seconds} s`)), 1000 * seconds)),
])"""


def violations(page: Any, theme: str) -> list[str]:
    """Return what axe finds on a page in the light or in the dark, all unfolded."""
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=theme)
    set_to = "document.documentElement.dataset.theme == theme"
    page.wait_for_function(f"theme => {set_to}", arg=theme)
    unfold(page)
    page.evaluate(Axe().axe_script)
    page.evaluate(ALIKE)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    # axe hears no MathML, so that a heading that is a formula is empty to it
    options["rules"] = {"empty-table-header": {"enabled": False}}
    if theme == "dark":  # what is not a colour was looked at in the light
        rules = ["color-contrast", "link-in-text-block"]
        options["runOnly"] = {"type": "rule", "values": rules}
    found = page.evaluate(TIMED, [options, PATIENCE])
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


# --- the table -----------------------------------------------------------------------


@dataclass
class Row:
    """What one page takes, and what is amiss with it."""

    page: str
    kb: float  # when it is open
    kb_read: float  # when it has been read through
    requests: int
    shift: float
    found: dict[str, list[str]] = field(default_factory=dict)

    def amiss(self) -> list[str]:
        """Return one line for each thing that should not be so."""
        lines = [f"{kind}: {text}" for kind in self.found for text in self.found[kind]]
        if self.kb_read > MOST_KB:
            lines.append(f"weight: {self.kb_read:.0f} kB, more than {MOST_KB}")
        if self.shift > MOST_SHIFT:
            lines.append(f"shift: {self.shift:.2f}, more than {MOST_SHIFT}")
        return [f"{self.page}: {line}" for line in lines]


def measured(browser: Any, home: str, path: str, dead: list[str]) -> Row:
    """Open one page, read it, look at it in the light and in the dark."""
    with opened(browser, home, path) as page:
        page.wait_for_load_state("networkidle")
        first = weight(page.asked, home)
        read_through(page)
        row = Row(
            path,
            first,
            weight(page.asked, home),
            len(set(page.asked)),
            page.evaluate("window.shifted"),
        )
        troubles = list(page.troubles)  # axe will ask for the style sheets once more
        axe = {theme: violations(page, theme) for theme in THEMES}
        foreign = [text for text in troubles if text.startswith("foreign: ")]
        row.found = {
            "foreign": foreign,
            **axe,
            "console": [text for text in troubles if text not in foreign],
            "links": dead,
        }
    return row


def seen(home: str, path: str, dead: list[str]) -> Row:
    """Start a browser for one page, and measure it."""
    with started() as browser:
        return measured(browser, home, path, dead)


COLUMNS = ("open kB", "read kB", "requests", "shift")
COUNTED = ("foreign", *THEMES, "console", "links")
HEAD = f"{'page':44}" + "".join(f"{name:>9}" for name in (*COLUMNS, *COUNTED))


def line(row: Row) -> str:
    """Write one row of the table."""
    counts = "".join(f"{len(row.found[name]):9}" for name in COUNTED)
    return (
        f"{row.page:44}{row.kb:9.0f}{row.kb_read:9.0f}{row.requests:9}"
        f"{row.shift:9.3f}{counts}"
    )


# --- Lighthouse ----------------------------------------------------------------------


def scores(url: str) -> dict[str, int]:
    """Return Lighthouse's four scores: accessibility on a phone, the rest at a desk.

    At the desk it looks several times, and the middle counts: no two looks are alike.
    """
    phone = lighthouse(url, "--only-categories=accessibility")
    rest = ",".join(name for name in CATEGORIES if name != "accessibility")
    desk = ("--preset=desktop", f"--only-categories={rest}")
    looks = [lighthouse(url, *desk) for _ in range(LOOKS)]
    middle = {name: median_low(look[name] for look in looks) for name in looks[0]}
    return {name: (phone | middle)[name] for name in CATEGORIES}


def lighthouse(url: str, *options: str) -> dict[str, int]:
    """Run Lighthouse once; return the scores of the categories asked for."""
    flags = "--chrome-flags=--headless=new --no-sandbox"
    command = [LIGHTHOUSE, url, "--quiet", "--output=json", flags, *options]
    run = subprocess.run(
        [str(word) for word in command],
        env=os.environ | {"CHROME_PATH": chromium() or ""},
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise RuntimeError(f"Lighthouse could not look at {url}:\n{run.stderr}")
    report = json.loads(run.stdout)
    if keep := os.environ.get("REPORTS"):  # a folder for the whole reports
        name = re.sub(r"\W+", "-", urlsplit(url).path + "-" + "-".join(options))
        Path(keep, f"lighthouse{name}.json").write_text(run.stdout, encoding="utf-8")
    return {
        name: round(100 * (category["score"] or 0))
        for name, category in report["categories"].items()
    }


def why_no_lighthouse() -> str:
    """Return why Lighthouse cannot run here, or nothing."""
    if shutil.which("node") is None:
        return "Lighthouse's scores are left out: Node.js is not installed."
    if not LIGHTHOUSE.exists():
        return "Lighthouse's scores are left out: `npm ci` has not installed it."
    return ""


def main(words: list[str]) -> int:
    """Print the tables; return the exit status."""
    pages = [p for p in pages_of() if not words or any(w in p for w in words)]
    if not pages:
        print(f"The built book has no page {' or '.join(words)}; `make book` makes it.")
        return 1
    if chromium() is None:
        print("Chromium is not installed, and without a browser nothing is measured.")
        return 1
    dead = dead_links(pages)
    rows, wrong = [], []
    with served() as home:
        print(HEAD)
        with ThreadPool(os.cpu_count()) as pool:  # each page has a browser of its own
            for row in pool.imap(lambda path: seen(home, path, dead[path]), pages):
                rows.append(row)
                wrong += row.amiss()
                print(line(row), flush=True)
        if sentence := why_no_lighthouse():
            print(f"\n{sentence}")
        else:
            print(f"\n{'Lighthouse':44}" + "".join(f"{n:>15}" for n in CATEGORIES))
            for row in sorted(rows, key=lambda row: -row.kb_read)[:5]:
                try:
                    score = scores(f"{home}/{row.page}")
                except RuntimeError as error:  # a busy machine, most of the time
                    wrong.append(str(error))
                    continue
                cells = "".join(f"{score[name]:15}" for name in CATEGORIES)
                print(f"{row.page:44}{cells}", flush=True)
                wrong += [
                    f"{row.page}: {name} scores {score[name]}, under {LEAST_SCORE}"
                    for name in CATEGORIES
                    if score[name] < LEAST_SCORE
                    if name != "performance"  # a busy machine lowers it: only printed
                ]
    print("", *wrong or ["Nothing is amiss."], sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
