"""The project's address, from pyproject.toml to everywhere else that it is needed.

python tools/address.py               prints the address
python tools/address.py owner/name    changes it: links, badges, setup cells
python tools/address.py --setup       puts the setup cell into every notebook
python tools/address.py --check       names the notebooks that lack it, exits 1

`make address REPO=owner/name` is the second; changing back leaves no difference.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.+$)[\w.-]{1,100}", re.ASCII)
TAGS = ["remove-cell", "setup"]  # the book leaves it out, the ledger passes over it

SETUP = """\
# On Colab this installs seqlib from its release; elsewhere it does nothing.
import subprocess
import sys
from importlib.metadata import distributions, version
from importlib.util import find_spec

home, release, needs = HOME, RELEASE, NEEDS
missing = [name for name in needs if not find_spec(name)]
old = release not in [found.version for found in distributions(name="seqlib")]
published = not home.endswith("/OWNER/REPO")
if "google.colab" in sys.modules and published and (missing or old):
    wheel = f"{home}/releases/download/v{release}/seqlib-{release}-py3-none-any.whl"
    packages = [wheel, *needs[1:], f"numpy=={version('numpy')}"]  # numpy stays
    pip = [sys.executable, "-m", "pip", "install", "--quiet", *packages]
    if subprocess.run(pip).returncode:
        raise RuntimeError(f"pip could not install {wheel}: is there a network?")
elif missing:
    install = " ".join(["pip install .", *needs[1:]])
    raise ModuleNotFoundError(f"In a clone of seqlib, run `{install}`; then try again.")
"""


def project(root: Path = ROOT) -> dict:
    """Return what pyproject.toml says of the project."""
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]


def release(root: Path = ROOT) -> str:
    """Return seqlib's version, read without importing it."""
    text = (root / "seqlib/__init__.py").read_text("utf-8")
    return re.search(r'__version__ = "(.+)"', text)[1]


def setup_cell(needs: list[str], root: Path = ROOT) -> str:
    """Return the first code cell of every notebook."""
    about = project(root)
    values = {
        "HOME": about["urls"]["Repository"],
        "RELEASE": release(root),
        "NEEDS": needs,
    }
    first = "home, release, needs = HOME, RELEASE, NEEDS"
    written = [json.dumps(value, ensure_ascii=False) for value in values.values()]
    return SETUP.rstrip().replace(first, "home, release, needs = " + ", ".join(written))


def notebooks(root: Path = ROOT) -> list[Path]:
    """Return all notebooks of the book."""
    folders = "chapters/*.ipynb", "exercises/**/*.ipynb", "appendices/*.ipynb"
    return sorted(path for folder in folders for path in root.glob(folder))


def with_setup(notebook: dict, root: Path = ROOT) -> dict:
    """Return a notebook with the setup cell as its first code cell, under the title."""
    mine = [c for c in notebook["cells"] if "setup" in [c.get("id"), *_tags(c)]]
    cells = [c for c in notebook["cells"] if c not in mine]
    code = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    uses = re.search(r"metrics(\.bleu| import [^\n]*\bbleu)\b", code)
    needs = ["seqlib", "sacrebleu"] if uses else ["seqlib"]
    cell = {
        "cell_type": "code",
        "execution_count": mine[0]["execution_count"] if mine else None,
        "id": "setup",
        "metadata": {"tags": TAGS},
        "outputs": [],
        "source": setup_cell(needs, root).splitlines(keepends=True),
    }
    place = 1 if cells and cells[0]["cell_type"] == "markdown" else 0
    return {**notebook, "cells": [*cells[:place], cell, *cells[place:]]}


def _tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def lacking(root: Path = ROOT, mend: bool = False) -> list[Path]:
    """Return the notebooks whose setup cell is not what it should be; mend them."""
    found = []
    for path in notebooks(root):
        before = json.loads(path.read_text("utf-8"))
        after = with_setup(before, root)
        if after != before:
            found.append(path)
            if mend:
                text = json.dumps(after, indent=1, ensure_ascii=False, sort_keys=True)
                path.write_text(text + "\n", encoding="utf-8", newline="\n")
    return found


def book_address(repo: str) -> str:
    """Return where GitHub publishes the pages of a repository."""
    owner, name = repo.split("/")
    site = f"{owner}.github.io"
    return (
        f"https://{site}" if name.lower() == site.lower() else f"https://{site}/{name}"
    )


def patterns(repo: str, book: str) -> tuple[re.Pattern, re.Pattern]:
    """Return what finds the address of a repository, badges included, and its book."""
    end = r"(?![\w-])"
    return (
        re.compile(rf"(https://[^\s\"'()<>\[\]]*github[^\s\"'()<>\[\]]*/){repo}{end}"),
        re.compile(rf"(){re.escape(book)}{end}"),
    )


def texts(root: Path) -> dict[Path, str]:
    """Return the text files of the project: those that git holds or would hold.

    The tests speak of made-up addresses of their own; they ask pyproject.toml for this
    one, so they are left out.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    found = {}
    for name in listed.decode().split("\0"):
        path = root / name
        ours = name and not name.startswith("tests/")
        if ours and path.is_file() and not path.is_symlink():
            try:
                found[path] = path.read_bytes().decode("utf-8")
            except UnicodeDecodeError:
                continue  # a picture
    return found


def change(repo: str, root: Path = ROOT) -> list[Path]:
    """Give the project another address; return the files that changed."""
    if not NAME.fullmatch(repo) or repo.endswith(".git"):
        raise ValueError(
            f"REPO must be owner/name, as in REPO=ada/sequences: got {repo}"
        )
    urls = project(root)["urls"]
    old = urls["Repository"].removeprefix("https://github.com/")
    if repo == old:
        return []
    files = texts(root)
    for pattern in patterns(repo, book_address(repo)):
        for path, text in files.items():
            if pattern.search(text):
                name = path.relative_to(root)
                raise ValueError(
                    f"{name} speaks of {repo} already: no way back from it"
                )
    changed = []
    for path, text in files.items():
        new = text
        for pattern, target in zip(
            patterns(old, urls["Book"]), (repo, book_address(repo)), strict=True
        ):
            new = pattern.sub(rf"\g<1>{target}", new)
        if new != text:
            path.write_bytes(new.encode("utf-8"))
            changed.append(path)
    return changed


def main(arguments: list[str]) -> int:
    """Do what the command line says; return the exit status."""
    match [word for word in arguments if word]:
        case []:
            print(*project()["urls"].values(), sep="\n")
        case ["--check" | "--setup" as what]:
            found = lacking(mend=what == "--setup")
            for path in found:
                state = "now has" if what == "--setup" else "lacks"
                print(f"{path.relative_to(ROOT)} {state} the setup cell")
            return bool(found) and what == "--check"
        case [repo]:
            try:
                print(f"{len(change(repo))} files changed")
            except ValueError as error:
                sys.exit(str(error))
        case _:
            sys.exit("One address at a time: make address REPO=owner/name")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
