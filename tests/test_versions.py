"""The books of several versions in one site, and each one's notebooks as they were."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import address
import audit
import links
import pytest
import versions

ROOT = Path(__file__).parents[1]
HOME = address.project()["urls"]["Book"]


def write(folder, pages, says):
    """Write a book with these pages, each as the theme's templates give it."""
    for name in pages:
        page = folder / f"{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        canonical = f'<link rel="canonical" href="{HOME}/{name}.html" />'
        article = f"{versions.ARTICLE}<h1>{says}</h1></article>"
        page.write_text(f"{canonical}<nav></nav>{versions.PLACE}{article}")
    return folder


@pytest.fixture
def site(tmp_path):
    """Return a site of two releases, one of them mended, and main."""
    (tmp_path / "books").mkdir()
    both = ["index", "chapters/05-rnn"]
    for tag, pages in {
        "v0.9.0": [*both, "chapters/gone"],
        "v0.9.1": [*both, "chapters/gone"],
        "v0.10.0": both,
    }.items():
        book = write(tmp_path / tag, pages, says=tag)
        shutil.make_archive(tmp_path / "books" / f"book-{tag}", "zip", book)
    book = write(tmp_path / "main", [*both, "chapters/new"], says="main")
    made = tmp_path / "site"
    assert versions.assemble(made, book, tmp_path / "books") == ["0.10", "0.9", "dev"]
    return made


def test_the_newest_is_at_the_root_and_each_under_its_number(site):
    for folder, says in {
        "": "v0.10.0",
        "0.10": "v0.10.0",
        "0.9": "v0.9.1",
        "dev": "main",
    }.items():
        assert says in (site / folder / "chapters/05-rnn.html").read_text()
    assert not (site / "chapters/gone.html").exists()


def follow(site, page):
    """Return where the links of a page lead, from the root of the site."""
    found = audit.Links((site / page).read_text()).links
    there = [link for link in found if not link.startswith(HOME)]
    return [((site / page).parent / link).resolve() for link in there]


@pytest.mark.parametrize(
    ("page", "others"),
    {
        "chapters/05-rnn": ["0.9/chapters/05-rnn", "dev/chapters/05-rnn"],
        "0.10/chapters/05-rnn": ["0.9/chapters/05-rnn", "dev/chapters/05-rnn"],
        "0.9/chapters/05-rnn": ["chapters/05-rnn", "dev/chapters/05-rnn"],
        "0.9/chapters/gone": ["index", "dev/index"],
        "dev/chapters/new": ["index", "0.9/index"],
        "index": ["0.9/index", "dev/index"],
    }.items(),
)
def test_a_page_leads_to_itself_in_the_other_versions(site, page, others):
    led = follow(site, f"{page}.html")
    assert {path.relative_to(site.resolve()).as_posix() for path in led} == {
        f"{other}.html" for other in others
    }
    assert all(path.exists() for path in led)


def test_only_an_old_page_and_one_in_the_making_warn(site):
    page = "chapters/05-rnn.html"
    for folder in ("", "0.10"):
        assert "the newest is" not in (site / folder / page).read_text()
    assert "of version 0.9; " in (site / "0.9" / page).read_text()
    assert "in the making; " in (site / "dev" / page).read_text()


def test_canonical_links_point_to_the_newest_that_has_the_page(site):
    for page, canonical in {
        "0.9/chapters/05-rnn": "chapters/05-rnn",
        "dev/chapters/05-rnn": "chapters/05-rnn",
        "0.9/chapters/gone": "0.9/chapters/gone",
    }.items():
        text = (site / f"{page}.html").read_text()
        assert f'<link rel="canonical" href="{HOME}/{canonical}.html" />' in text


def test_before_the_first_release_main_is_the_book(tmp_path):
    book = write(tmp_path / "main", ["index"], says="main")
    (tmp_path / "books").mkdir()
    assert versions.assemble(tmp_path / "site", book, tmp_path / "books") == ["dev"]
    text = (book / "index.html").read_text()
    assert (tmp_path / "site" / "index.html").read_text() == text


def test_a_zip_that_says_no_version_gets_a_sentence(tmp_path):
    (tmp_path / "book-latest.zip").touch()
    with pytest.raises(ValueError, match=r"book-latest\.zip should be named"):
        versions.releases(tmp_path)


def test_the_pages_leave_room_for_the_links():
    text = (audit.BOOK / "chapters/05-rnn.html").read_text()
    assert text.count(versions.PLACE) == text.count(versions.ARTICLE) == 1


# --- notebooks of a tag --------------------------------------------------------------


@pytest.mark.parametrize("ref", ["main", "v0.1.0"])
def test_notebooks_are_opened_as_they_were_at_the_tag(ref, monkeypatch):
    if ref == "main":
        monkeypatch.delenv("BOOK_REF", raising=False)
    else:
        monkeypatch.setenv("BOOK_REF", ref)
    app = SimpleNamespace(srcdir=ROOT, config=SimpleNamespace())
    links.set_address(app, app.config)
    path = "chapters/05-rnn.ipynb"
    page = {"sourcename": path, "pathto": lambda name, _: name}
    links.offer_notebook(app, "chapters/05-rnn", "", page, None)
    assert page["colab"].endswith(f"/blob/{ref}/{path}")
    assert page["binder"].endswith(f"/{ref}?urlpath=lab/tree/{path}")


def check(tag):
    command = [sys.executable, ROOT / "tools" / "versions.py", "--check", tag]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_tag_is_the_version_whose_wheel_the_notebooks_install():
    tag = f"v{address.release()}"
    assert check(tag).returncode == 0
    assert f"/releases/download/{tag}/" in wheel_of(address.setup_cell(["seqlib"]))
    other = check("v99.0.0")
    assert other.returncode == 1
    assert other.stdout.startswith("The tag is v99.0.0, but seqlib's version is ")


def wheel_of(cell):
    """Return the address from which a setup cell installs on Colab."""
    home, release = address.project()["urls"]["Repository"], address.release()
    line = next(line for line in cell.splitlines() if "wheel = f" in line)
    return eval(line.partition("=")[2].strip(), {"home": home, "release": release})
