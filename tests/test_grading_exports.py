"""What comes after the marks: tables, pages, the autograder, the teacher's guide."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from seqlib.grading import gradescope
from seqlib.grading.bubblewrap import can_contain
from seqlib.grading.export import export
from seqlib.grading.feedback import feedback, one
from seqlib.grading.files import write_bytes
from seqlib.grading.results import (
    Person,
    ReportError,
    person,
    read_names,
    read_results,
)
from seqlib.grading.summary import summary

ROOT = Path(__file__).parent.parent
SOLUTION = ROOT / "exercises/solutions/06-bptt.ipynb"
EVIL = "<script>alert('ü')</script>"
LOSS = {"points": 1, "where": "dh (2, 3)", "hint": ""}


def question(id="6-1", points=3, of=3, **loss):
    losses = [{**LOSS, "aspect": "values", **loss}] if loss else []
    message = loss.get("text", "right")
    about = {"id": id, "title": "One step back", "function": "step_backward"}
    about |= {"points": points, "max_points": of, "message": message}
    return {**about, "losses": losses}


def result(name, *questions, state="graded", reason="", notes=()):
    points = sum(q["points"] for q in questions) if state == "graded" else None
    about = {"submission": name, "exercise": "06", "state": state, "key": "k"}
    about |= {"points": points, "max_points": 7, "reason": reason}
    return {**about, "questions": list(questions), "notes": list(notes)}


CLASS = [
    result("ana", question(), question("6-8", 4, 4)),
    result(
        "ben",
        question(points=2, text=f"it raised ValueError: {EVIL}"),
        question("6-8", 0, 4, text="wrong", hint="The root is missing."),
        notes=[f"line 1 of code cell 2 is no Python: {EVIL}"],
    ),
    result("cem", question(points=0, text="x"), question("6-8", 0, 4, text="y")),
    result("dee", state="failed", reason="the file is empty"),
    result(EVIL.replace("/", "|"), question(), question("6-8", 4, 4)),
]
NAMES = {
    "ana": Person("ana", "=HYPERLINK(1)", "+1", "@x", "-l"),
    "ben": Person("ben", "Ünal, Ben", "2", "b@x.org"),
    "dee": Person("dee", "Dee", "4", "d@x.org"),
    "eli": Person("eli", "Eli", "5", "e@x.org"),
}


@pytest.fixture
def folder(tmp_path):
    out = tmp_path / "results"
    out.mkdir()
    for i, one_result in enumerate(reversed(CLASS)):
        (out / f"{i}.json").write_text(json.dumps(one_result), "utf-8")
    (out / ".settings.json").write_text("{}")
    return out


def run(*words, cwd=None):
    command = [sys.executable, "-m", "seqlib.grading", *map(str, words)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env)


# tables ------------------------------------------------------------------------------


def test_canvas_gets_its_own_columns():
    text, notes = export(CLASS, "canvas", NAMES)
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == [
        "Student",
        "ID",
        "SIS User ID",
        "SIS Login ID",
        "Section",
        "Exercise 06 (bptt)",
    ]
    assert rows[1] == ["    Points Possible", "", "", "", "", "7"]
    assert rows[2:] == [
        ["'=HYPERLINK(1)", "'+1", "", "'-l", "", "7"],
        ["Ünal, Ben", "2", "", "b@x.org", "", "2"],
        ["Dee", "4", "", "d@x.org", "", ""],  # empty, not 0
    ]
    assert "dee has no mark: the file is empty" in notes
    assert "cem is left out: the names file has no line for it" in notes
    assert "eli is in the names file, but nothing was handed in" in notes
    assert "Marks" in export(CLASS, "canvas", NAMES, "Marks")[0].splitlines()[0]


def test_moodle_gets_ids_grades_and_comments():
    rows = list(csv.DictReader(io.StringIO(export(CLASS, "moodle", NAMES)[0])))
    assert [row["ID number"] for row in rows] == ["'+1", "2", "4"]
    assert [row["Grade"] for row in rows] == ["7", "2", ""]
    assert rows[2]["Feedback comments"] == ""
    assert rows[1]["Email address"] == "b@x.org"
    assert "6-8: 0 of 4, wrong" in rows[1]["Feedback comments"]


def test_json_leaves_out_nobody():
    rows = json.loads(export(CLASS, "json")[0])
    assert [row["points"] for row in rows] == [7, 2, 0, None, 7]
    assert rows[3]["reason"] == "the file is empty"


@pytest.mark.parametrize("start", [*"=+-@\t\r", " =", "\n="])
def test_no_cell_is_a_formula(start):
    names = {"ana": Person("ana", f"{start}cmd|' /C calc'!A0")}
    text, _ = export(CLASS[:1], "canvas", names)
    assert list(csv.reader(io.StringIO(text, newline="")))[2][0].startswith("'")


@pytest.mark.parametrize(
    ("name", "id", "student"),
    [
        ("adamsana_1001_77_06-bptt", "1001", "adamsana"),
        ("adamsana_LATE_1001_77_06-bptt", "1001", "adamsana"),
        ("Ana Adams_55_assignsubmission_file_", "Participant 55", "Ana Adams"),
    ],
)
def test_ids_are_read_from_the_platforms_own_names(name, id, student):
    found = person(name, {})
    assert (found.id, found.student) == (id, student)
    column = "Identifier" if "Part" in id else "ID number"
    text, _ = export([result(name, question())], "moodle")
    assert next(csv.DictReader(io.StringIO(text)))[column] == id
    assert person("ana", {}) is None


def test_the_names_file_is_read_with_care(tmp_path):
    path = tmp_path / "names.csv"
    path.write_bytes("\ufeffID,Submission,student\n7, ana ,Ünal\n".encode())
    assert read_names(path) == {"ana": Person("ana", "Ünal", "7")}
    for text, said in [
        ("name,id\na,1\n", "needs the headings submission"),
        ("submission,id\na,1\na,2\n", "names a twice, again in line 3"),
    ]:
        path.write_text(text)
        with pytest.raises(ReportError, match=said):
            read_names(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReportError, match="no UTF-8 CSV"):
        read_names(path)


# Gradescope --------------------------------------------------------------------------

# By https://gradescope-autograders.readthedocs.io/en/latest/specs/
VISIBLE = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
TEST = {
    "type": "object",
    "required": ["score", "max_score"],
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number"},
        "max_score": {"type": "number"},
        "status": {"enum": ["passed", "failed"]},
        "name": {"type": "string"},
        "name_format": FORMAT,
        "number": {"type": "string"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "tags": {"type": "array", "items": {"type": "string"}},
        "visibility": VISIBLE,
        "extra_data": {"type": "object"},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["score"],
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number", "minimum": 0},
        "execution_time": {"type": "number"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "visibility": VISIBLE,
        "stdout_visibility": VISIBLE,
        "extra_data": {"type": "object"},
        "tests": {"type": "array", "items": TEST},
        "leaderboard": {"type": "array"},
    },
}


@pytest.mark.parametrize("graded", [r for r in CLASS if r["state"] == "graded"])
def test_results_have_gradescopes_form(graded):
    found = gradescope.results(graded)
    jsonschema.validate(found, SCHEMA)
    assert found["score"] == sum(test["score"] for test in found["tests"])
    assert {t["output_format"] for t in found["tests"]} == {"text"}  # nothing is run


def test_no_mark_is_no_score():
    with pytest.raises(ReportError, match="the file is empty"):
        gradescope.results(CLASS[3])


def test_the_package_is_whole(tmp_path):
    wheel = tmp_path / "seqlib-0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    data = gradescope.package(6, wheel)
    assert data == gradescope.package(6, wheel)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.namelist() == ["run_autograder", wheel.name, "setup.sh"]
        for name in ("run_autograder", "setup.sh"):
            assert file.getinfo(name).external_attr >> 16 & 0o777 == 0o755
            script = file.read(name)
            subprocess.run(["bash", "-n"], input=script, check=True)
        assert b"gradescope 06" in file.read("run_autograder")
        assert f"/autograder/source/{wheel.name}[grade]".encode() in script
    with pytest.raises(ReportError, match="is no wheel"):
        gradescope.package(6, tmp_path)


def test_the_autograder_grades_what_it_can(tmp_path):
    submission, out = tmp_path / "submission", tmp_path / "results.json"
    submission.mkdir()
    shutil.copy(SOLUTION, submission)
    words = ["gradescope", "06", "--grade", submission, "--results", out]
    done = run(*words)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text("utf-8"))
    jsonschema.validate(found, SCHEMA)
    assert found["score"] == 38
    (submission / SOLUTION.name).write_bytes(b"{")
    done = run(*words)
    assert done.returncode == 1
    assert not out.exists()  # the old score does not stay, either
    assert "This submission has no score: the file is not JSON" in done.stderr


# pages -------------------------------------------------------------------------------


class Reader(HTMLParser):
    def __init__(self, data):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(data.decode("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        self.text += " " * (tag in ("th", "td", "p", "h1", "h2", "h3"))

    def handle_data(self, data):
        self.text += data


PAGES = {
    **{f"feedback of {r['submission'][:3]}": one(r) for r in CLASS},
    "class": summary(CLASS),
    "class with names": summary(CLASS, NAMES),
    "nobody graded": summary(CLASS[3:4]),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_stands_alone_and_runs_nothing(name):
    page = Reader(PAGES[name])
    tags = [tag for tag, _ in page.tags]
    assert not {"script", "link", "img", "iframe", "object"} & set(tags)
    assert ("html", {"lang": "en"}) in page.tags
    for tag, about in page.tags:
        assert not any(key.startswith("on") for key in about)
        assert not (about.get("href") or about.get("src") or "#").startswith("http")
        if tag == "th":
            assert about["scope"] in ("row", "col")
    assert tags.count("h1") == tags.count("main") == 1
    assert tags.count("table") == tags.count("caption")
    assert b"<script" not in PAGES[name].lower()


def test_a_student_reads_what_was_lost_and_why():
    text = " ".join(Reader(one(CLASS[1])).text.split())
    for said in (
        "2 of 7 points",
        "Lost in values: 1 point",
        f"it raised ValueError: {EVIL}",
        "It was called with dh (2, 3)",
        "Hint. The root is missing.",
        "What could not be read",
        f"code cell 2 is no Python: {EVIL}",
        "✓ 1 of 1",  # sizes of 1 were right
        "✗ 0 of 1",
    ):
        assert said in text, said
    text = Reader(one(CLASS[3])).text
    assert "no mark" in text
    assert "the file is empty" in text
    assert "0 of" not in text


def test_the_class_is_counted_and_nobody_named():
    page = Reader(PAGES["class"])
    text = " ".join(page.text.split())
    assert "4 of 5 notebooks graded" in text
    assert "the mean is 4.0, the median 4.5" in text
    assert "6-8 One step back 2.0 of 4 50 %" in text
    assert "6-1 One step back 2.0 of 3 50 %" in text
    assert "The root is missing. 1" in text
    assert "it raised ValueError 1" in text
    assert "the file is empty 1" in text
    assert not any(name in text for name in ("ana", "ben", "alert"))
    assert "desc" in [tag for tag, _ in page.tags]
    named = Reader(PAGES["class with names"]).text
    assert "Ünal, Ben" in named
    assert "no mark" in named


def test_pages_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    paths = list(feedback(CLASS, tmp_path / "pages", {}))
    assert len(set(paths)) == len(CLASS)
    old = tmp_path / "old.html"
    old.write_bytes(b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(old, b"new")
    assert old.read_bytes() == b"old"
    assert {p.name for p in tmp_path.iterdir()} == {"old.html", "pages"}


@pytest.fixture(scope="module")
def browser():
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    program = next(filter(None, found), None)
    if program is None:
        missing = "Chromium is not installed: nobody looked at the pages in a browser"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1100])
def test_pages_can_be_read_by_all(browser, tmp_path, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    view = {"width": width, "height": 800}
    context = browser.new_context(color_scheme=scheme, viewport=view)
    page = context.new_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    for name, data in PAGES.items():
        path = tmp_path / "page.html"
        path.write_bytes(data)
        page.goto(path.as_uri())
        found = Axe().run(page).response["violations"]
        assert not found, (name, [v["id"] for v in found])
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert set(requests) == {path.as_uri()}
    context.close()


# words -------------------------------------------------------------------------------


def test_results_are_read_with_care(folder, tmp_path):
    names = [r["submission"] for r in read_results(folder)]
    assert names == sorted(names)
    (folder / "z.json").write_text("{")
    with pytest.raises(ReportError, match=r"z\.json is no result"):
        read_results(folder)
    with pytest.raises(ReportError, match="holds no results"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("export", "nowhere", "--to", "json"), 2, "there is no folder nowhere"),
        (("export", "results", "--to", "word"), 2, "invalid choice: 'word'"),
        (("export", "results"), 2, "required: --to"),
        (("feedback", "results"), 2, "required: --out"),
        (("summary", ".", "--out", "x.html"), 2, "holds no results"),
        (("summary", "results", "--out", "no/x.html"), 1, "No such file"),
        (("feedback", "results", "--out", "results/0.json"), 1, "File exists"),
        (("export", "results", "--to", "json", "--names", "n"), 2, "cannot be read"),
        (("gradescope", "06"), 2, "one of the arguments --out --grade is required"),
        (("gradescope", "77", "--out", "x"), 2, "got '77'"),
        (("gradescope", "06", "--grade", "."), 2, "--grade needs --results"),
        (("gradescope", "06", "--out", "x", "--wheel", "y"), 2, "is no wheel"),
        (("nonsense",), 2, "invalid choice: 'nonsense'"),
    ],
)
def test_wrong_words_get_one_sentence(folder, words, status, said):
    done = run(*words, cwd=folder.parent)
    assert done.returncode == status
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout
    assert {p.name for p in folder.parent.iterdir()} == {"results"}


@pytest.mark.parametrize(
    "command", ["", "release", "grade", "feedback", "summary", "export", "gradescope"]
)
def test_help_reads_well(command):
    done = run(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: python -m seqlib.grading {command}".strip())
    assert len(done.stdout) > 300
    assert max(map(len, done.stdout.splitlines())) <= 88


# the guide ---------------------------------------------------------------------------

GUIDE = (ROOT / "appendices/teaching-guide.md").read_text("utf-8")


def test_the_guide_shows_what_its_commands_print(tmp_path):
    assert can_contain(), "install bubblewrap: this test needs it"
    for name, text in re.findall(r"as `([\w.]+)`:\n\n```\w+\n(.*?)```", GUIDE, re.S):
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "book").symlink_to(ROOT)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    (tmp_path / "bin/python").unlink()
    python = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
    (tmp_path / "bin/python").write_text(python)
    (tmp_path / "bin/python").chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    shown = 0
    for block in re.findall(r"```console\n(.*?)```", GUIDE, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, printed = part.partition("\n")
            done = subprocess.run(
                command,
                shell=True,
                cwd=tmp_path,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert (done.returncode, done.stdout) == (0, printed), command
            shown += 1
    assert shown >= 10
