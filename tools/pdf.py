"""Print the whole book: `make pdf`, by headless Chromium, without LaTeX.

python tools/pdf.py [FROM TO]   leaves TO, _build/sequence-models-verified.pdf

All pages of the table of contents are put into one, figures at their first frame, folds
open. Chromium prints it with an outline and numbered pages; from that outline the pages
of the contents are read, written in, and the book is printed once more.
"""

import re
import sys
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml
from audit import chromium, started

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "_build" / "html"
PDF = ROOT / "_build" / "sequence-models-verified.pdf"
LEFT_OUT = ("exercises/", "appendices/api")  # to be run, to be searched
A4: dict[str, Any] = {
    "format": "A4",
    "margin": {"top": "18mm", "bottom": "20mm", "left": "20mm", "right": "20mm"},
    "display_header_footer": True,
    "header_template": "<span></span>",
    "footer_template": '<div style="width:100%;text-align:center;font-size:9px">'
    '<span class="pageNumber"></span></div>',
    "outline": True,
    "tagged": True,
}
STYLE = """
.bd-article { max-width: none; }
.printed:not(:last-child) { break-after: page; }
.printed h1 { break-after: auto; margin-top: 0; }
.printed { padding-top: 1mm; }
.printed-contents ol { list-style: none; padding: 0; }
.printed-contents li { display: flex; gap: .6rem; }
.printed-contents li::before { content: ""; order: 1; flex: 1;
  border-bottom: 1px dotted #888; margin-bottom: .4em; }
.printed-contents li span { order: 2; min-width: 2.5rem; text-align: right; }
.copybtn, .seqlib-controls, .seqlib-status { display: none !important; }
img { max-height: 21cm; object-fit: contain; }
"""


def pages_in_order(book: Path, toc: Path) -> list[str]:
    """Return the pages of the printed book as the table of contents has them."""
    listed = yaml.safe_load(toc.read_text("utf-8"))
    names = [listed["root"]]
    for part in listed["parts"]:
        names += [entry["file"] for entry in part["chapters"]]
    return [
        name
        for name in names
        if not name.startswith(LEFT_OUT) and (book / f"{name}.html").exists()
    ]


def article(html: str) -> str:
    """Return what is written on a page, without what stands around it."""
    inside = re.search(r'<article class="bd-article">(.*?)</article>', html, re.DOTALL)
    if inside is None:
        raise ValueError("a page of the book has no article")
    gone = r'<script.*?</script>|<a class="headerlink".*?</a>'
    text = re.sub(gone, "", inside[1], flags=re.DOTALL)
    return text.replace("<details", "<details open").replace(' loading="lazy"', "")


def moved(text: str, name: str, names: list[str]) -> str:
    """Give the places of one page names of their own, and point its links to them."""
    folder = name.rpartition("/")[0]

    def place(page: str, mark: str) -> str:
        return f"{page.replace('/', '-')}--{mark}" if mark else page.replace("/", "-")

    def link(match: re.Match) -> str:
        target = unquote(match[1])
        if re.match(r"[a-z]+:", target):
            return match[0]
        path, _, mark = target.partition("#")
        page = normal(f"{folder}/{path}").removesuffix(".html") if path else name
        if page in names:
            return f'href="#{place(page, mark)}"'
        return "" if path.endswith(".html") else f'href="{normal(f"{folder}/{path}")}"'

    text = re.sub(r'(?<= )id="([^"]*)"', lambda m: f'id="{place(name, m[1])}"', text)
    text = re.sub(r'(?<= )href="([^"]*)"', link, text)
    return re.sub(
        r'(?<= )src="(?!data:)([^"]*)"',
        lambda m: f'src="{normal(f"{folder}/{m[1]}")}"',
        text,
    )


def normal(path: str) -> str:
    """Return a path of the book without "..", which is always relative to its root."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def title_of(text: str) -> str:
    """Return a page's heading as plain text."""
    heading = re.search(r"<h1>(.*?)</h1>", text, re.DOTALL)
    assert heading, "every page of the book has a heading"
    return " ".join(unescape(re.sub(r"<[^>]+>", "", heading[1])).split())


def whole(book: Path, names: list[str]) -> tuple[str, list[str]]:
    """Put all pages into one; return it and the titles of its chapters."""
    articles = [article((book / f"{n}.html").read_text("utf-8")) for n in names]
    titles = [title_of(text) for text in articles]
    head = (book / f"{names[0]}.html").read_text("utf-8").partition("</head>")[0]
    places = [name.replace("/", "-") for name in names]
    lines = "".join(
        f'<li><a href="#{place}">{escape(title)}</a><span></span></li>\n'
        for place, title in zip(places[1:], titles[1:], strict=True)
    )
    contents = f'<div class="printed printed-contents"><h2>Contents</h2><ol>{lines}'
    sections = [
        f'<div class="printed" id="{place}">{moved(text, name, names)}</div>\n'
        for place, name, text in zip(places, names, articles, strict=True)
    ]
    sections.insert(1, contents + "</ol></div>\n")
    body = f'<main><article class="bd-article">{"".join(sections)}</article></main>'
    page = f"{head}<style>{STYLE}</style></head><body>{body}</body></html>"
    return page.replace('data-theme="auto"', 'data-theme="light"'), titles


# --- the outline of a PDF as Chromium writes it --------------------------------------


def pages_of_outline(pdf: bytes) -> dict[str, int]:
    """Return the page of each entry of the outline, counted from 1, by its title."""
    objects = {
        int(number): body
        for number, body in re.findall(
            rb"(?:^|\n)(\d+) 0 obj\n?(.*?)\nendobj", pdf, re.DOTALL
        )
    }
    tops = [n for n, body in objects.items() if b"/Type /Pages" in body]
    tops = [n for n in tops if b"/Parent" not in objects[n]]
    order = {leaf: i for i, leaf in enumerate(leaves(objects, tops[0]), 1)}
    found: dict[str, int] = {}
    for body in objects.values():
        title = re.search(rb"/Title (\((?:\\.|[^\\)])*\)|<[0-9A-Fa-f]*>)", body, re.S)
        goal = re.search(rb"/Dest \[(\d+) 0 R", body)
        if title and goal:
            found.setdefault(text_of(title[1]), order[int(goal[1])])
    return found


def leaves(objects: dict[int, bytes], number: int) -> list[int]:
    """Return the pages under a node of the tree of pages, in their order."""
    kids = re.search(rb"/Kids \[(.*?)\]", objects[number], re.DOTALL)
    if kids is None:
        return [number]
    below = [int(n) for n in re.findall(rb"(\d+) 0 R", kids[1])]
    return [leaf for kid in below for leaf in leaves(objects, kid)]


def text_of(literal: bytes) -> str:
    """Read a string of a PDF."""
    if literal.startswith(b"<"):
        data = bytes.fromhex(literal[1:-1].decode())
    else:
        data = re.sub(
            rb"\\([0-7]{1,3}|.)",
            lambda m: bytes([int(m[1], 8)]) if m[1].isdigit() else m[1],
            literal[1:-1],
            flags=re.DOTALL,
        )
    wide = data.startswith(b"\xfe\xff")
    text = data[2:].decode("utf-16-be") if wide else data.decode("latin-1")
    return " ".join(text.split())


def print_book(book: Path, target: Path, toc: Path, browser: Any) -> int:
    """Print all pages of the book into one file; return how many sheets it has."""
    names = pages_in_order(book, toc)
    html, titles = whole(book, names)
    file = book / "printed.html"
    file.write_text(html, encoding="utf-8")
    context = browser.new_context(reduced_motion="reduce")
    try:
        page = context.new_page()
        page.set_default_timeout(0)
        page.emulate_media(media="print", color_scheme="light")
        page.goto(file.as_uri())
        page.evaluate("async () => { await MathJax.startup.promise }")
        page.wait_for_load_state("networkidle")
        numbers = pages_of_outline(page.pdf(**A4))
        wanted = [numbers[title] for title in titles[1:]]
        page.evaluate(
            """numbers => document.querySelectorAll(".printed-contents span")
                .forEach((cell, i) => cell.textContent = numbers[i])""",
            wanted,
        )
        page.pdf(path=target, **A4)
    finally:
        context.close()
        file.unlink()
    printed = target.read_bytes()
    again = pages_of_outline(printed)
    if [again[title] for title in titles[1:]] != wanted:
        raise RuntimeError("the contents took more room the second time")
    return len(re.findall(rb"/Type /Page\b", printed))


def main(words: list[str]) -> int:
    """Print the book; say where it is."""
    book, target = (Path(word).resolve() for word in words) if words else (BOOK, PDF)
    if not (book / "index.html").exists():
        print("The book is not built: `make book` does that.")
        return 1
    if chromium() is None:
        print("Chromium is not installed, and it is what prints the book.")
        return 1
    with started() as browser:
        count = print_book(book, target, ROOT / "_toc.yml", browser)
    print(f"{target}: {count} pages, {target.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
