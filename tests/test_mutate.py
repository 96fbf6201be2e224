"""The tool that breaks equations knows every module, and its list is well kept."""

import re
import tomllib
from contextlib import nullcontext
from unittest.mock import Mock

import mutate
import pytest
import yaml


@pytest.mark.parametrize("name", mutate.modules())
def test_every_module_has_tests_of_its_own(name):
    own = [test for test in mutate.tests_of(name) if "::" not in test]
    assert own, f"{name} has no tests: name them in tools/mutate.py"
    assert all((mutate.ROOT / file).exists() for file in own)


def test_the_tests_of_every_function_have_these_names():
    path, _ = mutate.EVERY.split("::")
    text = (mutate.ROOT / path).read_text("utf-8")
    assert all(f"def {test}(" in text for test in mutate.SEEING)


def test_the_equations_are_among_them():
    assert {"functional", "lstm", "_scan", "transformer._blocks"} <= set(
        mutate.modules()
    )
    assert not {"ledger", "_check", "nn._base"} & set(mutate.modules())


def test_a_package_stands_for_its_modules():
    assert mutate.named(["lstm", "seq2seq._step"]) == ["lstm", "seq2seq._step"]
    stacks = mutate.named(["transformer"])
    assert len(stacks) > 5
    assert all(name.startswith("transformer.") for name in stacks)
    assert mutate.named([]) == list(mutate.modules())
    with pytest.raises(SystemExit, match="no such module: lst, gr; there are"):
        mutate.named(["lst", "gru", "gr"])


def test_each_module_has_its_turn_every_week():
    text = (mutate.ROOT / ".github/workflows/weekly.yml").read_text("utf-8")
    jobs = yaml.safe_load(text)["jobs"]["mutants"]["strategy"]["matrix"]["modules"]
    tried = [module for job in jobs for module in mutate.named(job.split())]
    assert sorted(tried) == sorted(mutate.modules())


def test_what_makes_no_difference_is_said_with_a_reason():
    listed = tomllib.loads(mutate.LISTED.read_text("utf-8"))
    assert set(listed) <= set(mutate.modules())
    for changes in listed.values():
        for change, reason in changes.items():
            old, arrow, new = change.partition(" -> ")
            assert arrow
            assert old != new
            assert len(reason) > 10


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ('        raise ValueError(f"x must be {low}")', False),
        ('    n = shapes(x=(x, "B T D"))', False),
        ('    gradient("dout", dout, out, out.shape)', False),
        ("    layers, sizes = _check(x, state, params, mask)", False),
        ('            f"targets must have shape {lead}, "', False),
        ("    dz_f = dc * before * f * (1 - f)", True),
        ("    if mask is None:", True),
        ("    cache = (params, layers, caches, real, sizes)", True),
    ],
)
def test_what_computes_is_changed_and_what_checks_is_not(line, counts):
    assert counts != any(re.search(pattern, line) for pattern in mutate.CHECKS)


@pytest.mark.parametrize(
    ("new", "counts"),
    [
        ("def f(a) -> int: return zip(a, b, strict=None)", False),
        ("def f(a) -> int: return zip(a, b, )", False),
        ("def f(a) -> int: return zip(a, None, strict=True)", True),
        ("def f(a) -> int: return zip(a, )", True),
    ],
)
def test_strict_is_a_check(new, counts):
    old = "def f(a) -> int: return zip(a, b, strict=True)"
    assert counts != mutate.only_a_check(old, new)


def test_a_report_fails_for_what_survives_and_for_what_no_longer_does(capsys):
    fine = mutate.Outcome(10, 2, [], [], 5.0)
    assert mutate.report({"lstm": fine}) == 0
    bad = mutate.Outcome(10, 0, ["x_step_1\n    a + b -> a - b"], ["c -> d"], 5.0)
    assert mutate.report({"lstm": fine, "gru": bad}) == 2
    said = capsys.readouterr().out
    assert re.search(r"all +20 +2 +1 +94\.4%", said)
    assert "a + b -> a - b" in said
    assert "c -> d" in said


@pytest.mark.parametrize(
    ("asked", "lived", "again"),
    [
        ({}, ["x_step_1"], [(mutate.AGAIN, "gru", "30")]),
        ({}, [], []),
        ({"EXAMPLES": "5"}, ["x_step_1"], []),
    ],
)
def test_what_lives_is_tried_again_with_all_examples(monkeypatch, asked, lived, again):
    tried = []
    found = {
        "lstm": mutate.Outcome(10, 0, [], [], 5.0),
        "gru": mutate.Outcome(10, 0, lived, [], 5.0),
    }
    monkeypatch.setattr(mutate.os, "environ", dict(asked))
    monkeypatch.setattr(mutate, "generate", lambda: dict.fromkeys(found, Mock()))
    monkeypatch.setattr(mutate, "attack", lambda data, again: None)
    monkeypatch.setattr(mutate, "results", lambda data: found)
    monkeypatch.setattr(
        mutate.subprocess,
        "run",
        lambda command, env, cwd: tried.append((*command[2:], env["EXAMPLES"])),
    )
    assert mutate.main(["lstm", "gru"]) == len(lived)
    assert tried == again


def test_again_only_what_is_not_listed_is_tried(monkeypatch):
    data = Mock(exit_code_by_key={"seqlib.gru.x_a__mutmut_1": 0, "seqlib.gru.b": 0})
    survivor = "seqlib.gru.x_a__mutmut_1\n    a -> b"
    found = {"gru": mutate.Outcome(10, 1, [survivor], [], 5.0)}
    made, run = [], Mock(return_value=0)
    monkeypatch.setattr(mutate, "results", lambda data: found)
    monkeypatch.setattr(
        mutate, "Forks", lambda *a, **k: made.append((a[0], k)) or Mock(trouble=[])
    )
    monkeypatch.setattr(mutate.pytest, "main", run)
    monkeypatch.setattr(mutate, "change_cwd", lambda folder: nullcontext())
    for again in (True, False):
        mutate.attack({"gru": data}, again)
    assert made == [
        (["seqlib.gru.x_a__mutmut_1"], {"drawing": True}),
        (["seqlib.gru.x_a__mutmut_1", "seqlib.gru.b"], {"drawing": False}),
    ]
