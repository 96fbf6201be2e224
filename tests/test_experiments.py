"""What the long experiments stored is what their code, as it stands, gives."""

import inspect
import json
import sys
import types

import experiments as tool
import pytest

from seqlib import experiments

NAMES = experiments.names()


def document(name):
    return json.loads((experiments.FOLDER / f"{name}.json").read_text("utf-8"))


@pytest.fixture
def adder(monkeypatch):
    """A small experiment, and the seeds that it was run with."""
    seen = []

    def run(seed, *, T):
        seen.append(seed)
        return {"sum": seed + T / 3, "curve": [1 / 3, True, None]}

    module = types.ModuleType("seqlib.experiments.adder")
    module.SEEDS, module.SETTINGS, module.run = range(2), ({"T": 1}, {"T": 2}), run
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(experiments, "digest", lambda name: "abc")
    return module, seen


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_belongs_to_the_code(name):
    found = document(name)
    module = __import__(f"seqlib.experiments.{name}", fromlist=["run"])
    assert found["source"] == experiments.digest(name), (
        f"the code of {name} has changed: make experiments ONLY={name}"
    )
    assert len(module.SEEDS) >= 5
    wanted = [{**s, "seed": seed} for s in module.SETTINGS for seed in module.SEEDS]
    runs = experiments.stored(name)
    assert len(runs) == len(wanted)
    for run, want in zip(runs, tool.rounded(wanted), strict=True):
        assert {k: run[k] for k in want} == want
        assert set(run) > set(want)
    assert next(iter(inspect.signature(module.run).parameters)) == "seed"
    assert (module.__doc__ or "").strip()


def test_runs_are_stored_and_not_repeated(adder, tmp_path):
    module, seen = adder
    assert tool.perform("adder", tmp_path) == 4
    first = (tmp_path / "adder.json").read_text()
    assert tool.perform("adder", tmp_path) == 0
    assert (tmp_path / "adder.json").read_text() == first
    runs = json.loads(first)["runs"]
    assert [(r["T"], r["seed"]) for r in runs] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert runs[1]["sum"] == 1.333
    assert runs[1]["curve"] == [0.3333, True, None]
    module.SEEDS = range(3)
    assert tool.perform("adder", tmp_path) == 2
    assert seen == [0, 1, 0, 1, 2, 2]


def test_other_code_runs_anew(adder, tmp_path, monkeypatch):
    assert tool.perform("adder", tmp_path) == 4
    monkeypatch.setattr(experiments, "digest", lambda name: "other")
    assert tool.perform("adder", tmp_path) == 4


def test_a_stopped_experiment_goes_on(adder, tmp_path):
    module, seen = adder
    run = module.run

    def stopped(seed, *, T):
        if T == 2:
            raise KeyboardInterrupt
        return run(seed, T=T)

    module.run = stopped
    with pytest.raises(KeyboardInterrupt):
        tool.perform("adder", tmp_path)
    module.run = run
    assert tool.perform("adder", tmp_path) == 2
    assert seen == [0, 1, 0, 1]


@pytest.mark.parametrize("result", [{"x": object()}, {"T": 3}])
def test_what_cannot_be_stored_is_refused_in_a_sentence(adder, tmp_path, result):
    adder[0].run = lambda seed, T: result
    with pytest.raises(SystemExit, match=r"gives numbers|setting's name"):
        tool.perform("adder", tmp_path)


def test_the_digest_knows_the_whole_code(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    (tmp_path / "one.py").write_text("from seqlib.experiments import _shared\n")
    (tmp_path / "two.py").write_text("x = 1\n")
    (tmp_path / "_shared.py").write_text("y = 1\n")
    before = experiments.digest("one"), experiments.digest("two")
    (tmp_path / "_shared.py").write_text("y = 2\n")
    after = experiments.digest("one"), experiments.digest("two")
    assert before[0] != after[0]
    assert before[1] == after[1]
    (tmp_path / "two.py").write_text('"""What it is."""\nx = 1\n')
    assert experiments.digest("two") == after[1]
    assert experiments.names() == ["one", "two"]


def test_unknown_names_get_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="there is no experiment 'nothing'"):
        experiments.stored("nothing")
    with pytest.raises(SystemExit, match="There is no experiment nothing"):
        tool.main(["nothing"])
    (tmp_path / "new.py").write_text("")
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="make experiments ONLY=new"):
        experiments.stored("new")
