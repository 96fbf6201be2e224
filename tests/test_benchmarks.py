"""The record of the benchmarks is complete, and the page is made of it, misses too."""

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
    ("Book, built anew", None): 15,
    ("Book, one chapter saved", None): 5,
    ("All tests", None): 900,
}
PARTS = re.findall(r"```{benchmark} (\w+)", PAGE)
SAMPLE = {
    "part": "rnn",
    "what": "LSTM, training step",
    "unit": "ms",
    "ours": {"name": "seqlib.nn.LSTM", "median": 130.0},
    "theirs": {"name": "torch.nn.LSTM", "median": 100.0},
    "value": 1.3,
    "spread": [1.2, 1.4],
    "threads": 1,
    "device": "cpu",
    "dtype": "float32",
    "aim": 1.3,
    "why": "It holds more.",
}
CURVES = {
    "part": "rnn",
    "what": "LSTM, training step",
    "axis": "T",
    "at": [25, 50, 100],
    "unit": "ms",
    "curves": {"ours": [30.0, 61.0, 130.0], "theirs": [25.0, 50.0, 100.0]},
    "slopes": {"ours": 1.06, "theirs": 1.0},
}
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
    listed = re.findall(r'"(\w+)"', re.search(r"USUAL = .*\nPARTS = .*\n", main)[0])
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
    rows, reasons = benchmarks.aims({"rows": [{**SAMPLE, "value": value}]})
    assert rows[0][-1] == said
    told = ["LSTM, training step: It holds more."]
    assert reasons == ([] if said == "met" else told)


def test_what_is_missed_now_has_a_reason():
    _, reasons = benchmarks.aims(STORED)
    assert not [r for r in reasons if "not known" in r]


@pytest.mark.parametrize("part", PARTS)
def test_the_page_shows_every_row_of_a_part(part):
    rows = [r for r in STORED["rows"] if r["part"] == part]
    head, lines = benchmarks.comparisons(rows)
    shown = [cell for line in lines for cell in line]
    for row in rows:
        assert benchmarks.value(row) in shown
        assert benchmarks.where(row) in head
    assert all(len(line) == len(head) for line in lines)


def test_a_table_has_a_column_for_each_number_of_threads():
    head, lines = benchmarks.comparisons(
        [SAMPLE, {**SAMPLE, "threads": 2, "value": 0.9}]
    )
    assert head == ["What", "Ours", "Beside", "1 thread", "2 threads"]
    assert lines[0][3] == "1.30 (1.20 to 1.40), 130 ms"
    assert lines[0][4].startswith("0.90")


def test_a_figure_has_its_words():
    html = benchmarks.draw([CURVES, {**CURVES, "axis": "H"}])
    assert "fitted slopes: ours T to the 1.06 and H to the 1.06; theirs" in html
    alt = re.search(r'alt="([^"]*)"', html)[1]
    assert "over T from 25 to 100, ours goes from 30 to 130 ms" in alt
    assert "over H from 25 to 100, theirs goes from 25 to 100 ms" in alt


def test_no_number_of_the_record_is_written_by_hand():
    """Digits in the page's own words are sizes of what is measured."""
    prose = re.sub(r"```.*?```|\(.*?\)", "", PAGE, flags=re.DOTALL)
    assert not re.findall(r"\d+\.\d+|\d+ ?%|\d+ (?:ms|MB|seconds|times)", prose)


def test_the_readme_leads_to_the_page():
    text = (ROOT / "README.md").read_text("utf-8")
    assert "appendices/benchmarks.html" in text
