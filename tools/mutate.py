"""Break the equations on purpose, one small change at a time, and see a test fail.

`python tools/mutate.py` does it for all modules, `python tools/mutate.py lstm gru` for
these; `make mutate` at the lowest priority. mutmut makes the changes (a sign, a factor,
an argument, a comparison) inside every function and runs the module's own tests, with
few examples, until one fails. What it has found stays in `mutants/`: run it again and
it goes on where it stopped, with what has changed since.

Only what computes is changed: docstrings, the calls that check arguments and what is
raised are passed over (`CHECKS`); and so are tables at the top of a module, which
mutmut leaves alone. A change that makes no difference stands in `tests/mutants.toml`,
with the reason. What survives and does not stand there is a failure, and so is what
stands there and does not survive.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "mutants"
LISTED = ROOT / "tests" / "mutants.toml"

CHECKS = (
    r"^\s*raise ",
    r"\bf[\"']",  # a sentence
    r"\b(shapes|gradient|one_of|number|whole|generator|in_range)\(",
    r"\b_?check\w*\(",
)
# No equations: they check, tell, draw, load, or hold torch's modules.
OTHERS = {
    *("__init__", "_arrays", "_check", "_checks", "_docstrings", "_expressions"),
    "_params",
    *(
        "boolean",
        "data",
        "draw",
        "experiments",
        "explore",
        "grading",
        "interop",
        "ledger",
    ),
    *("nn", "train"),
}
TESTS = {  # where they are not in test_<module>.py
    "_gates": ["test_gates.py", "test_lstm.py", "test_gru.py"],
    "_hypotheses": ["test_decode.py"],
    "_activations": ["test_functional.py", "test_fused.py", "test_transformer.py"],
    "_complex": ["test_diagonal_ssm.py"],
    "_linear_scan": ["test_diagonal_ssm.py"],
    "_layers": ["test_mlp.py", "test_narx.py", "test_scanning.py"],
    "_multi_head": ["test_attention.py"],
    "_scan": ["test_recurrent.py"],
    "_taps": ["test_cnn.py"],
    "functional": ["test_functional.py", "test_errors.py"],
    "recurrent": ["test_recurrent.py", "test_errors.py"],
    "rnn": ["test_rnn.py", "test_errors.py"],
    "state_space": ["test_narx.py"],
    "transformer._bert": ["test_bert.py"],
    "transformer._bert_heads": ["test_bert.py"],
    "transformer._gpt": ["test_gpt.py"],
    "transformer._gpt_step": ["test_gpt.py"],
    "transformer._kept": ["test_gpt.py", "test_stacks.py"],
    "transformer._model": ["test_stacks.py"],
    "transformer._names": ["test_stacks.py", "test_gpt.py", "test_bert.py"],
    "transformer._seq2seq": ["test_stacks.py"],
    "transformer._seq2seq_checks": ["test_stacks.py"],
    "transformer._seq2seq_step": ["test_stacks.py"],
    "transformer._stacks": ["test_stacks.py"],
}
EVERY = "tests/test_every_function.py::"  # of these, what sees a wrong number
SEEING = (
    "test_gradients_by_finite_differences",
    "test_float32_stays_float32",
    "test_the_same_twice_and_nothing_changed",
    "test_gradients_that_do_not_fit_are_refused_in_a_sentence",
)
QUIET = ("-p", "no:cacheprovider", "-W", "ignore")
SURVIVED = ("survived", "no tests", "suspicious", "skipped")


class Outcome(NamedTuple):
    """What became of one module's mutants."""

    made: int
    equal: int  # survived, and listed
    survivors: list[str]
    stale: list[str]
    seconds: float


def modules() -> dict[str, Path]:
    """Return the modules that compute, by name: lstm, transformer._blocks."""
    package = ROOT / "seqlib"
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if not OTHERS & set(parts):
            found[".".join(parts)] = path.relative_to(ROOT)
    return found


def tests_of(name: str) -> list[str]:
    """Return what tests a module: files of its own, and tests of every function."""
    names = [name, name.split(".")[0]]
    files = next((TESTS[n] for n in names if n in TESTS), None)
    if files is None:
        guesses = [f"test_{n.removeprefix('_')}.py" for n in names]
        files = [f for f in guesses if (ROOT / "tests" / f).exists()][:1]
    return [f"tests/{file}" for file in files] + [EVERY + test for test in SEEING]


def selected(path: Path, tests: list[str]) -> str:
    """Return pytest's -k: a module's own tests, and of all functions its own ones."""
    files = [Path(test).name for test in tests if "::" not in test]
    own = {path.stem, path.parent.name, *(f[len("test_") : -len(".py")] for f in files)}
    return " or ".join([*files, *sorted(f"[{name}." for name in own)])


def mutate(name: str, path: Path) -> Outcome:
    """Run mutmut on one module, and weigh what survived."""
    started = time.monotonic()
    home = FOLDER / name
    before = statuses(home) if (home / "mutants").exists() else {}
    prepare(home, path, tests_of(name))
    mutmut(home, "run", "--max-children", "1")
    old = [m for m, status in before.items() if status in SURVIVED]
    again = [m for m in old if statuses(home).get(m) in SURVIVED]
    if again:  # the tests may have grown since
        mutmut(home, "run", "--max-children", "1", *again)
    found = statuses(home)
    if unsettled := [m for m, s in found.items() if s in ("not checked",)]:
        raise SystemExit(f"{name}: {len(unsettled)} were not tried; run it once more")
    survived = {m: change(home, m) for m, s in found.items() if s in SURVIVED}
    reasons = tomllib.loads(LISTED.read_text("utf-8")).get(name, {})
    survivors = [f"{m}\n    {c}" for m, c in survived.items() if c not in reasons]
    stale = [c for c in reasons if c not in survived.values()]
    equal = len(survived) - len(survivors)
    return Outcome(len(found), equal, survivors, stale, time.monotonic() - started)


def prepare(home: Path, path: Path, tests: list[str]) -> None:
    """Copy what is mutated and its tests, where they differ, and write the settings."""
    home.mkdir(parents=True, exist_ok=True)
    for folder in ("seqlib", "tests"):
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, home / folder, ignore=skip, dirs_exist_ok=True)
    settings: dict[str, Iterable[str]] = {
        "source_paths": ["seqlib"],
        "only_mutate": [str(path)],
        "do_not_mutate_patterns": CHECKS,
        "pytest_add_cli_args": [*QUIET, "-k", selected(path, tests)],
        "pytest_add_cli_args_test_selection": tests,
    }
    text = "[mutmut]\nuse_git_change_detection = false\n"
    text += "timeout_multiplier = 3\ntimeout_constant = 2\n"
    for key, values in settings.items():
        text += f"{key} =\n" + "".join(f"    {value}\n" for value in values)
    (home / "setup.cfg").write_text(text)


def mutmut(home: Path, *words: str) -> str:
    """Run a command of mutmut on a module's copy, and return what it says."""
    env = {**os.environ, "PYTHONPATH": str(home), "OMP_NUM_THREADS": "1"}
    env.setdefault("EXAMPLES", "3")
    command = [str(Path(sys.executable).with_name("mutmut")), *words]
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True)
    if done.returncode:
        tail = (done.stdout + done.stderr)[-4000:]
        raise SystemExit(f"mutmut {' '.join(words[:1])} failed in {home}:\n{tail}")
    return done.stdout


def statuses(home: Path) -> dict[str, str]:
    """Return {mutant: "killed", "survived", ...}."""
    lines = mutmut(home, "results", "--all", "true").splitlines()
    pairs = (line.strip().rpartition(": ") for line in lines if ": " in line)
    return {mutant: status for mutant, _, status in pairs}


def change(home: Path, mutant: str) -> str:
    """Return what a mutant changes, `old -> new`, in one line."""
    lines = mutmut(home, "show", mutant).splitlines()
    body = [x for x in lines if not x.startswith(("---", "+++", "@@", "#"))]
    old, new = (
        " ".join(x[1:].strip() for x in body if x.startswith(sign)) for sign in "-+"
    )
    return f"{old} -> {new}"


def report(outcomes: dict[str, Outcome]) -> int:
    """Print a line for each module and for all; return how many things are wrong."""
    print(f"\n{'module':22}   made  equal  lived   score  seconds each")
    made = equal = lived = 0
    for name, o in outcomes.items():
        line(name, o.made, o.equal, len(o.survivors), o.seconds)
        made, equal = made + o.made, equal + o.equal
        lived += len(o.survivors)
    line("all", made, equal, lived, sum(o.seconds for o in outcomes.values()))
    wrong = 0
    for name, o in outcomes.items():
        for survivor in o.survivors:
            print(f"\nno test fails for {survivor}")
        for listed in o.stale:
            print(
                f"\n{LISTED.name} has under {name} what does not survive:\n    {listed}"
            )
        wrong += len(o.survivors) + len(o.stale)
    return wrong


def line(name: str, made: int, equal: int, lived: int, seconds: float) -> None:
    """Print one line; the score is the share of what could be noticed that was."""
    score = 100 * (1 - lived / max(made - equal, 1))
    each = seconds / max(made, 1)
    print(f"{name:22} {made:6} {equal:6} {lived:6} {score:6.1f}% {each:8.2f}")


def main(wanted: list[str]) -> int:
    """Mutate these modules, or all."""
    known = modules()
    wanted = wanted or list(known)
    if strange := set(wanted) - set(known):
        raise SystemExit(
            f"no such module: {', '.join(strange)}; there are {list(known)}"
        )
    outcomes = {}
    for name in wanted:
        print(f"{name} …", flush=True)
        outcomes[name] = mutate(name, known[name])
    return 1 if report(outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
