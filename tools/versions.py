"""Put the books of several versions together into one site.

python tools/versions.py SITE MAIN BOOKS    from main's built book and a folder of zips
python tools/versions.py --check TAG        exits 1 if the tag names another release

A release `v0.1.0` keeps its built book, `book-v0.1.0.zip`. The newest stands at the
root of the site, where all published addresses lead, each under its number, `/0.1/`,
and main under `/dev/`. A page links to the same page of the other versions.
"""

import re
import shutil
import sys
from html import escape
from pathlib import Path

from address import project, release

TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
DEV = "dev"
PLACE = "<!-- versions -->"  # where _templates/navbar-logo.html leaves room
ARTICLE = '<article class="bd-article">'


def releases(books: Path) -> dict[str, Path]:
    """Return the book of each version, newest first; of 0.1.0 and 0.1.1 the latter."""
    found = []
    for archive in books.glob("book-*.zip"):
        match = TAG.fullmatch(archive.stem.removeprefix("book-"))
        if match is None:
            raise ValueError(f"{archive.name} should be named as book-v0.1.0.zip is")
        found.append((tuple(map(int, match.groups())), archive))
    kept: dict[str, Path] = {}
    for (major, minor, _), archive in sorted(found, reverse=True):
        kept.setdefault(f"{major}.{minor}", archive)
    return kept


def assemble(site: Path, main: Path, books: Path) -> list[str]:
    """Lay out the site; return the names of its versions, the newest release first."""
    archives = releases(books)
    for name, archive in archives.items():
        shutil.unpack_archive(archive, site / name)
    shutil.copytree(main, site / DEV)
    names = [*archives, DEV]
    shutil.copytree(site / names[0], site, dirs_exist_ok=True)
    for folder in ("", *names) if archives else ():
        for page in (site / folder).rglob("*.html"):
            path = page.relative_to(site / folder)
            if folder or path.parts[0] not in names:
                text = page.read_text("utf-8")
                page.write_text(marked(text, site, folder, path, names), "utf-8")
    return names


def marked(text: str, site: Path, folder: str, path: Path, names: list[str]) -> str:
    """Return a page with links to the other versions, and a warning if it is old."""
    up = "../" * (len(path.parts) - 1 + bool(folder))

    def way(name: str) -> str:
        """Return the way to this page, or else to the first one, of a version."""
        there = "" if name == names[0] else f"{name}/"
        here = there + path.as_posix()
        return up + (here if (site / here).exists() else f"{there}index.html")

    mine = folder or names[0]
    links = " · ".join(
        f"<b>{name}</b>"
        if name == mine
        else f'<a href="{escape(way(name))}">{name}</a>'
        for name in names
    )
    nav = f'<nav class="book-versions" aria-label="Versions">Version {links}</nav>'
    text = text.replace(PLACE, nav)
    if mine != names[0]:
        kind = "in the making" if mine == DEV else f"of version {mine}"
        newest = f'<a href="{escape(way(names[0]))}">the newest is {names[0]}</a>'
        warning = f"<p>This is the book {kind}; {newest}.</p>"
        text = text.replace(ARTICLE, f"{ARTICLE}<blockquote>{warning}</blockquote>", 1)
        if not (site / path).exists():  # a page that has gone speaks for itself
            home = project()["urls"]["Book"]
            own = f'"{home}/{folder}/{path.as_posix()}"'
            text = text.replace(f'"{home}/{path.as_posix()}"', own)
    return text


def main(words: list[str]) -> int:
    """Do what the command line says; return the exit status."""
    match words:
        case ["--check", tag]:
            if tag != f"v{release()}":
                print(f"The tag is {tag}, but seqlib's version is {release()}.")
            return tag != f"v{release()}"
        case [site, book, books]:
            print(*assemble(Path(site), Path(book), Path(books)))
            return 0
    print(__doc__)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
