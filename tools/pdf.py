"""Print the whole book: `make pdf`, by headless Chromium, without LaTeX.

python tools/pdf.py [FROM TO]   leaves TO, _build/sequence-models-verified.pdf

The pages of the table of contents are put into one and printed at once, so that their
links lead to each other. Figures stand where their sliders end, and say so; the code
that draws them, folded in the book, is left out. Chromium tells on which sheet a place
is, and from that come the numbers in the contents and the outline.
"""

import io
import json
import logging
import posixpath
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from address import project, release
from audit import chromium, started
from lxml import html
from pypdf import PdfReader, PdfWriter

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "_build" / "html"
PDF = ROOT / "_build" / "sequence-models-verified.pdf"
LEFT_OUT = ("exercises/", "appendices/api")  # to be run, to be searched
SHEET: dict[str, Any] = {
    "format": "A4",
    "print_background": True,
    "margin": {"top": "20mm", "bottom": "20mm", "left": "23mm", "right": "23mm"},
}
NUMBERED = SHEET | {
    "display_header_footer": True,
    "header_template": "<span></span>",
    "footer_template": '<div style="width:100%;text-align:center;font-size:9px">'
    '<span class="pageNumber"></span></div>',
}
WIDTH = 620  # 164 mm, what the margins leave, in pixels of CSS
GONE = """
.//script | .//button | .//a[@class="headerlink"] | .//*[@class="seqlib-controls"] |
.//*[@class="seqlib-status"] | .//details[contains(@class, "above-input")]
"""
STYLE = Path(__file__).with_suffix(".css").read_text("utf-8")
FIT = """async () => {
    await window.MathJax?.startup?.promise;
    const wide = "div.math, .pst-scrollable-table-container, .cell_output .output";
    for (const box of document.querySelectorAll(wide))
        if (box.scrollWidth > box.clientWidth)
            box.style.zoom = box.clientWidth / (box.scrollWidth + 2);
    await Promise.all([...document.images].map(image => image.decode().catch(() => 0)));
}"""


@dataclass
class Page:
    """A page of the book as it is printed."""

    name: str
    part: str
    article: Any

    def place(self, mark: str = "") -> str:
        """Return what a place of this page is called in print."""
        return place(self.name, mark)

    @property
    def title(self) -> str:
        """Return its heading."""
        return text_of(self.article.find(".//h1"))

    @property
    def sections(self) -> list[tuple[str, str]]:
        """Return place and heading of each section."""
        found = self.article.iterfind(".//section/h2")
        return [(h2.getparent().get("id"), text_of(h2)) for h2 in found]


def place(name: str, mark: str = "") -> str:
    """Return what a place of a page is called where all pages are one."""
    return name.replace("/", "-") + (f"--{mark}" if mark else "")


def text_of(heading: Any) -> str:
    """Return a heading as plain text."""
    return " ".join(heading.text_content().split())


def pages_in_order(book: Path, toc: Path) -> dict[str, str]:
    """Return the pages of the printed book, in order, and their parts."""
    listed = yaml.safe_load(toc.read_text("utf-8"))
    parts = {listed["root"]: ""}
    for part in listed["parts"]:
        parts |= {entry["file"]: part["caption"] for entry in part["chapters"]}
    return {
        name: part
        for name, part in parts.items()
        if not name.startswith(LEFT_OUT) and (book / f"{name}.html").exists()
    }


def moved(element: Any, name: str, names: dict[str, str], home: str) -> Any:
    """Name the places of a page apart from all others; point its links to them."""

    def link(target: str) -> str:
        if urlsplit(target).scheme:
            return target
        path, _, mark = target.partition("#")
        here = posixpath.join(posixpath.dirname(name), path)
        file = posixpath.normpath(here) if path else f"{name}.html"
        page = file.removesuffix(".html")
        if page in names:
            return f"#{place(page, unquote(mark))}"
        if file.startswith(("_images/", "_static/")):
            return file
        return f"{home}/{file}" + (f"#{mark}" if mark else "")

    element.rewrite_links(link)
    for marked in element.xpath(".//*[@id][not(ancestor-or-self::svg)]"):
        marked.set("id", place(name, marked.get("id")))
    return element


def settle(player: Any) -> None:
    """Show a figure with its sliders at their ends; say so in its caption."""
    data = json.loads(player.find(".//script").text)
    frame, said = 0, []
    controls = player.xpath('.//*[@class="seqlib-control"]')
    for control, values in zip(controls, data["values"], strict=True):
        slides = control.find('.//input[@type="range"]') is not None
        at = len(values) - 1 if slides else 0
        frame = frame * len(values) + at
        name = control.find('.//*[@class="seqlib-name"]')
        said.append(f"{text_of(name)} {values[at]}")
    image = player.find(".//img")
    image.set("src", data["frames"][frame])
    image.set("alt", data["alts"][frame])
    where = html.fragment_fromstring(f" (Here: {escape(', '.join(said))}.)", "span")
    player.find(".//figcaption").append(where)


def whole(book: Path, toc: Path) -> tuple[str, list[Page]]:
    """Put all pages into one; return its head and them."""
    names, home, head, pages = pages_in_order(book, toc), "", "", []
    home = project()["urls"]["Book"]
    for name, part in names.items():
        parser = html.HTMLParser(encoding="utf-8")
        tree = html.parse(str(book / f"{name}.html"), parser).getroot()
        article = tree.find('.//article[@class="bd-article"]')
        for player in article.xpath('.//figure[contains(@class, "seqlib-player")]'):
            settle(player)
        for element in article.xpath(GONE):
            element.drop_tree()
        for folded in article.iterfind(".//details"):
            folded.set("open", "")
        for image in article.iterfind(".//img"):
            image.attrib.pop("loading", None)
        pages.append(Page(name, part, moved(article, name, names, home)))
        if not head and "MathJax" in html.tostring(tree.head, encoding="unicode"):
            wanted = """./link[@rel="stylesheet"] | ./script[contains(., "MathJax")] |
                ./script[contains(@src, "mathjax")]"""
            kept = moved(tree.head, name, names, home).xpath(wanted)
            head = "".join(html.tostring(x, encoding="unicode") for x in kept)
    return head, pages


def contents(pages: list[Page], numbers: dict[str, int]) -> str:
    """Write the contents; without numbers, their room is kept."""
    lines, part = [], ""
    for page in pages:
        if page.part != part:
            part = page.part
            lines.append(f"</ol><h3>{escape(part)}</h3><ol>")
        number = numbers.get(page.place(), "")
        link = f'<a href="#{page.place()}">{escape(page.title)}</a>'
        lines.append(f"<li>{link}<span>{number}</span></li>\n")
    inside = "<h2>Contents</h2><ol>" + "".join(lines) + "</ol>"
    return f'<div class="printed printed-contents">{inside}</div>'


# What MathJax writes for a screen reader would be in the sheets, unseen, a second time.
SEEN = "if (window.MathJax?.options) MathJax.options.enableAssistiveMml = false;"


def document(head: str, body: str, style: str = "") -> str:
    """Write a page that Chromium can print."""
    return (
        '<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        f"{head}<script>{SEEN}</script><style>{STYLE}{style}</style></head><body><main>"
        f'<article class="bd-article">{body}</article></main></body></html>'
    )


def body_of(pages: list[Page]) -> str:
    """Write cover, contents and pages."""
    about = project()
    written = [
        f'<div class="printed printed-cover"><h1>{escape(pages[0].title)}</h1>'
        f"<p>{escape(about['authors'][0]['name'])}</p><p>Version {release()}</p>"
        f"<p>{escape(about['urls']['Book'])}</p></div>",
        contents(pages, {}),
    ]
    for page in pages:
        # Chromium names the sheet of a place that a link leads to, and of no other
        links = "".join(f'<a href="#{mark}"></a>' for mark, _ in page.sections)
        text = html.tostring(page.article, encoding="unicode")
        written.append(f'<div class="printed" id="{page.place()}">{links}{text}</div>')
    return "\n".join(written)


def sheets(browser: Any, text: str, file: Path, options: dict[str, Any]) -> PdfReader:
    """Print one page of HTML that lies in the book's folder."""
    file.write_text(text, encoding="utf-8")
    viewport = {"width": WIDTH, "height": 900}
    context = browser.new_context(viewport=viewport, reduced_motion="reduce")
    try:
        page = context.new_page()
        page.set_default_timeout(0)
        page.emulate_media(media="print", color_scheme="light")
        page.goto(file.as_uri())
        page.evaluate(FIT)
        return PdfReader(io.BytesIO(page.pdf(**options)))
    finally:
        context.close()
        file.unlink()


def print_book(book: Path, target: Path, toc: Path, browser: Any) -> int:
    """Print all pages of the book into one file; return how many sheets it has."""
    head, pages = whole(book, toc)
    file = book / "printed.html"
    printed = sheets(browser, document(head, body_of(pages)), file, NUMBERED)
    numbers = {
        mark.removeprefix("/"): printed.get_destination_page_number(goal) + 1
        for mark, goal in printed.named_destinations.items()
    }
    only = "* { visibility: hidden } .printed-contents span { visibility: visible }"
    text = document(head, contents(pages, numbers), only)
    writer = PdfWriter(clone_from=printed)
    for sheet, over in zip(
        writer.pages[1:], sheets(browser, text, file, SHEET).pages, strict=False
    ):
        sheet.merge_page(over)
    writer.add_outline_item(title="Contents", page_number=1)
    for page in pages:
        sheet = numbers[page.place()] - 1
        item = writer.add_outline_item(
            title=page.title, page_number=sheet, is_open=False
        )
        for mark, heading in page.sections:
            sheet = numbers[mark] - 1
            writer.add_outline_item(title=heading, page_number=sheet, parent=item)
    author = project()["authors"][0]["name"]
    writer.add_metadata({"/Title": pages[0].title, "/Author": author})
    writer.page_mode = "/UseOutlines"
    writer.write(target)
    return len(writer.pages)


def main(words: list[str]) -> int:
    """Print the book; say where it is."""
    book, target = (Path(word).resolve() for word in words) if words else (BOOK, PDF)
    if not (book / "index.html").exists():
        print("The book is not built: `make book` does that.")
        return 1
    if chromium() is None:
        print("Chromium is not installed, and it is what prints the book.")
        return 1
    logging.getLogger("pypdf").setLevel("ERROR")  # it counts objects, to no harm
    with started() as browser:
        count = print_book(book, target, ROOT / "_toc.yml", browser)
    print(f"{target}: {count} pages, {target.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
