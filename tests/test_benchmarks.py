"""The record of the benchmarks is complete, and the page is made of it, misses too."""

import copy
import json
import re
from pathlib import Path

import pytest

import benchmarks

ROOT = Path(__file__).parents[1]
STORED = json.loads((ROOT / benchmarks.FILE).read_text("utf-8"))
PAGE = (ROOT / "appendices/benchmarks.md").read_text("utf-8")
AIMS = {
    ("RNN, training step", "torch.nn.RNN"): 1.0,
    ("GRU, training step", "torch.nn.GRU"): 1.0,
    ("LSTM, training step", "torch.nn.LSTM"): 1.3,
    ("GPT, training step", "torch.nn's layers"): 1.05,
    ("Beam search, 4 wide", "Hugging Face generate"): 1.0,
    ("Grading, 1 worker", None): 0.15,
    ("Grading, 2 workers", None): 0.15,
}
PARTS = re.findall(r"```{benchmark} (\w+)", PAGE)
MEASURED = [p for p in PARTS if (ROOT / f"benchmarks/{p}.py").exists()]


def beside(row):
    return row["theirs"] and row["theirs"]["name"]


@pytest.mark.parametrize("what", AIMS, ids=lambda what: what[0])
def test_the_record_has_every_aim(what):
    rows = [r for r in STORED["rows"] if (r["what"], beside(r)) == what and r["aim"]]
    assert {r["aim"] for r in rows} == {AIMS[what]}
    if what[1]:  # a model: with one thread and with two
        assert [r["threads"] for r in rows if r["device"] == "cpu"] == [1, 2]


def test_the_record_has_every_part_of_the_suite_and_the_page_too():
    main = (ROOT / "benchmarks/__main__.py").read_text("utf-8")
    listed = re.findall(r'"(\w+)"', re.search(r"PARTS = \((.*?)\)", main)[1])
    assert sorted(listed) == sorted(PARTS)
    held = {e["part"] for kind in ("rows", "growth") for e in STORED[kind]}
    assert held == set(MEASURED)
    axes = {e["axis"] for e in STORED["growth"]}
    assert {"T", "H", "batch", "heads", "depth", "tokens", "submissions"} <= axes


def test_a_row_says_what_was_measured_and_how_far_it_is_to_be_trusted():
    for row in STORED["rows"]:
        first, _ = row["spread"]
        assert 0 < first <= row["value"] * 1.001, row
        assert row["ours"]["median"] > 0
        if row["theirs"] and row["unit"] == "MB":
            rough = row["ours"]["median"] / row["theirs"]["median"]
            assert row["value"] == pytest.approx(rough, rel=1e-3)
    assert {"torch", "numpy", "transformers"} <= set(STORED["versions"])
    assert STORED["machine"]
    assert STORED["cores"] >= 1


def test_the_record_has_no_date():
    text = (ROOT / benchmarks.FILE).read_text("utf-8")
    assert not re.search(r"20\d\d-\d\d|:\d\d:\d\d|date", text)


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.625, "missed by 25 %"), (1.301, "missed by 1 %"), (1.3, "met"), (0.4, "met")],
)
def test_a_missed_aim_is_told_with_its_size_and_its_reason(value, said):
    stored = copy.deepcopy(STORED)
    row = next(r for r in stored["rows"] if r["aim"] == 1.3)
    row |= {"value": value, "why": "It holds more."}
    stored["rows"] = [row]
    rows, reasons = benchmarks.aims(stored)
    assert rows[0][-1] == said
    assert reasons == ([] if said == "met" else [f"{row['what']}: It holds more."])


def test_what_is_missed_now_has_a_reason():
    _, reasons = benchmarks.aims(STORED)
    assert not [r for r in reasons if "not known" in r]


@pytest.mark.parametrize("part", MEASURED)
def test_the_page_shows_every_row_of_a_part(part):
    rows = [r for r in STORED["rows"] if r["part"] == part]
    head, lines = benchmarks.comparisons(rows)
    shown = [cell for line in lines for cell in line]
    for row in rows:
        assert benchmarks.value(row) in shown
        assert benchmarks.where(row) in head
    assert all(len(line) == len(head) for line in lines)


def test_a_figure_has_its_words():
    entries = [e for e in STORED["growth"] if e["part"] == "attention"]
    html = benchmarks.draw(entries)
    slope = f"{entries[0]['axis']} to the {next(iter(entries[0]['slopes'].values())):g}"
    assert slope in html
    alt = re.search(r'alt="([^"]*)"', html)[1]
    for entry in entries:
        for curve in entry["curves"].values():
            assert f"from {curve[0]:g} to {curve[-1]:g} ms" in alt


def test_no_number_of_the_record_is_written_by_hand():
    """Digits in the page's own words are sizes of what is measured."""
    prose = re.sub(r"```.*?```|\(.*?\)", "", PAGE, flags=re.DOTALL)
    assert not re.findall(r"\d+\.\d+|\d+ ?%|\d+ (?:ms|MB|seconds|times)", prose)


def test_the_readme_leads_to_the_page():
    text = (ROOT / "README.md").read_text("utf-8")
    assert "appendices/benchmarks.html" in text
