"""Pack the built book into one zip that opens from a disk: `make offline`.

python tools/pack.py    leaves _build/sequence-models-verified.zip

Unpack it and open index.html. Figures, formulas and search work without a network; the
printed book goes with it if `make pdf` has made one.
"""

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "_build" / "html"
NAME = "sequence-models-verified"
FOR_SERVERS = {
    ".buildinfo",
    ".nojekyll",
    "404.html",
    "objects.inv",
    "printed.html",
    "sitemap.xml",
}
DATE = (1980, 1, 1, 0, 0, 0)  # the same book gives the same zip
PACKED = {".woff", ".woff2", ".png", ".pdf"}  # compressed already


def files_of(book: Path) -> list[Path]:
    """Return what a reader needs of the built book."""
    return sorted(
        path
        for path in book.rglob("*")
        if path.is_file() and path.name not in FOR_SERVERS
        if not path.name.startswith("preview-")  # shown where a link is shared
    )


def pack(book: Path, target: Path, more: tuple[Path, ...] = ()) -> int:
    """Write the zip; return how many files it holds."""
    files = {path.relative_to(book).as_posix(): path for path in files_of(book)}
    files |= {path.name: path for path in more if path.exists()}
    with zipfile.ZipFile(target, "w", compresslevel=9) as archive:
        for name, path in files.items():
            entry = zipfile.ZipInfo(f"{NAME}/{name}", DATE)
            entry.external_attr = 0o644 << 16
            stored = path.suffix in PACKED
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return len(files)


def main() -> int:
    """Pack the book; say where the zip is and how large."""
    if not (BOOK / "index.html").exists():
        print("The book is not built: `make book` does that.")
        return 1
    target = ROOT / "_build" / f"{NAME}.zip"
    count = pack(BOOK, target, (ROOT / "_build" / f"{NAME}.pdf",))
    size = target.stat().st_size / 1e6
    print(f"{target.relative_to(ROOT)}: {count} files, {size:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
