"""Break the equations on purpose, one small change at a time, and see a test fail.

`python tools/mutate.py` does it for all modules, `python tools/mutate.py lstm seq2seq`
for these, of a package for all in it; `make mutate` at the lowest priority. mutmut
makes the changes (a sign, a factor, an argument, a comparison) inside every function;
the module's own tests run on each, with few examples, until one fails (`forks.py`);
what no test fails for is tried once more, by those that draw examples, with as many of
them as `make test` draws. What was found stays in `mutants/`: run it again and it goes
on where it stopped, with what has changed since.

Only what computes is changed: docstrings, the calls that check arguments, `strict` and
what is raised are passed over (`CHECKS`), and so are tables at the top of a module,
which mutmut leaves alone. A change that makes no difference stands in
`tests/mutants.toml`, with the reason. What survives and does not stand there is a
failure, and so is what stands there and does not survive.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest
from forks import SURVIVED, UNREACHED, Forks, Trial
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.utils.file_utils import (
    change_cwd,
    copy_also_copy_files,
    copy_src_dir,
    setup_source_paths,
)

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "mutants"
LISTED = ROOT / "tests" / "mutants.toml"

CHECKS = (
    r"^\s*raise ",
    r"\bf[\"']",  # a sentence
    r"\b(shapes|gradient|one_of|number|whole|generator|in_range|flags)\(",
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
    "lstm": ["test_lstm.py", "test_convlstm.py"],
    "functional": ["test_functional.py", "test_errors.py"],
    "recurrent": ["test_recurrent.py", "test_errors.py"],
    "rnn": ["test_rnn.py", "test_errors.py"],
    "state_space": ["test_narx.py"],
    "transformer._bert": ["test_bert.py"],
    "transformer._bert_heads": ["test_bert.py"],
    "transformer._gpt": ["test_gpt.py"],
    "transformer._gpt_step": ["test_gpt.py"],
    "transformer._kept": ["test_gpt.py", "test_stacks.py"],
    "transformer._model": ["test_gpt.py", "test_bert.py"],
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
    "test_what_is_made_inside_is_on_the_inputs_device",
    "test_the_same_twice_and_nothing_changed",
    "test_gradients_that_do_not_fit_are_refused_in_a_sentence",
)
QUIET = ("-q", "-s", "--rootdir=.", "-p", "no:cacheprovider", "-W", "ignore")
QUIET += ("--tb=native",)  # else half of the time goes into telling what failed
AGAIN = "--again"
OPEN = (None, SURVIVED, UNREACHED)  # not tried, or no test has failed


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


def belongs(test: str, mutant: str) -> bool:
    """Tell whether a test, by pytest's name, is one of those of a mutant's module."""
    name = mutant.rpartition(".")[0].removeprefix("seqlib.")
    path, _, function = test.partition("::")
    files = [test for test in tests_of(name) if "::" not in test]
    own = {*name.split("."), *(Path(f).stem.removeprefix("test_") for f in files)}
    return path in files or any(f"[{part}." in function for part in own)


def named(words: list[str]) -> list[str]:
    """Return the modules that are meant: by their names, by their package's, or all."""
    known = modules()
    found = {w: [m for m in known if m == w or m.startswith(f"{w}.")] for w in words}
    if strange := [word for word in words if not found[word]]:
        raise SystemExit(
            f"no such module: {', '.join(strange)}; there are {list(known)}"
        )
    return list(dict.fromkeys(chain.from_iterable(found.values()))) or list(known)


def generate() -> dict[str, SourceFileMutationData]:
    """Make the mutants of every module; return what is known of them, by module."""
    for folder in ("seqlib", "tests"):
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, FOLDER / folder, ignore=skip, dirs_exist_ok=True)
    paths = modules()
    settings = {
        "source_paths": ["seqlib"],
        "only_mutate": list(map(str, paths.values())),
        "do_not_mutate_patterns": CHECKS,
    }
    text = "[mutmut]\nuse_git_change_detection = false\n"
    for key, values in settings.items():
        text += f"{key} =\n" + "".join(f"    {value}\n" for value in values)
    (FOLDER / "setup.cfg").write_text(text)
    os.chdir(FOLDER)
    from mutmut.__main__ import create_mutants  # it reads the settings here

    Path("mutants").mkdir(exist_ok=True)
    set_mutant_under_test("mutant_generation")
    with redirect_stdout(StringIO()):
        copy_src_dir()
        copy_also_copy_files()
        setup_source_paths()
        create_mutants(1)
    known = {name: SourceFileMutationData(path=path) for name, path in paths.items()}
    for data in known.values():
        data.meta_path = FOLDER / data.meta_path  # from any folder
        data.load()
    return known


def attack(wanted: dict[str, SourceFileMutationData], again: bool) -> None:
    """Try the mutants of these modules that no test has failed for yet.

    If this is done again, with more examples, only tests that draw some are run, and
    only on what has survived without being listed.
    """
    home = {mutant: d for d in wanted.values() for mutant in d.exit_code_by_key}
    todo = [m for m, d in home.items() if d.exit_code_by_key[m] in OPEN]
    if again:
        lived = [s for found in results(wanted).values() for s in found.survivors]
        todo = [survivor.partition("\n")[0] for survivor in lived]

    def store(mutant: str, trial: Trial) -> None:
        home[mutant].exit_code_by_key[mutant] = trial.code
        home[mutant].durations_by_key[mutant] = trial.seconds
        home[mutant].save()

    tests = list(dict.fromkeys(test for name in wanted for test in tests_of(name)))
    forks = Forks(todo, belongs, store, drawing=again)
    with change_cwd("mutants"):
        status = pytest.main([*QUIET, *tests], plugins=[forks])
    if status and not (again and status == pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit("The tests could not be run.")
    if forks.trouble:
        raise SystemExit("\n".join(forks.trouble))


def weigh(name: str, data: SourceFileMutationData) -> Outcome:
    """Count what became of a module's mutants, and hold it against the list."""
    codes = data.exit_code_by_key
    found = {m: change(m, data) for m, code in codes.items() if code in OPEN}
    survived = {m: " -> ".join(c) for m, c in found.items() if not only_a_check(*c)}
    reasons = tomllib.loads(LISTED.read_text("utf-8")).get(name, {})
    survivors = [f"{m}\n    {c}" for m, c in survived.items() if c not in reasons]
    stale = [c for c in reasons if c not in survived.values()]
    seconds = sum(data.durations_by_key.get(m, 0.0) for m in codes)
    equal = len(survived) - len(survivors)
    return Outcome(len(codes), equal, survivors, stale, seconds)


def only_a_check(old: str, new: str) -> bool:
    """Tell whether a change is of `zip`'s `strict` alone: that is a check, too."""
    return len({re.sub(r", (strict=\w+)?(?=\))", "", line) for line in (old, new)}) == 1


def change(mutant: str, data: SourceFileMutationData) -> tuple[str, str]:
    """Return what a mutant changes and what stands there instead, each in one line."""
    lines = get_diff_for_mutant(mutant, path=data.path).splitlines()
    body = [x for x in lines if not x.startswith(("---", "+++", "@@", "#"))]
    old, new = (
        " ".join(x[1:].strip() for x in body if x.startswith(sign)) for sign in "-+"
    )
    return old, new


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


def results(data: dict[str, SourceFileMutationData]) -> dict[str, Outcome]:
    """Weigh what is known of these modules' mutants."""
    return {name: weigh(name, known) for name, known in data.items()}


def main(words: list[str]) -> int:
    """Mutate the modules of these names, or all."""
    again, wanted = AGAIN in words, [word for word in words if word != AGAIN]
    chosen = named(wanted)
    few = "EXAMPLES" not in os.environ
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    os.environ.setdefault("EXAMPLES", "3")
    print(f"Changing {len(modules())} modules …", flush=True)
    made = generate()
    data = {name: made[name] for name in chosen}
    attack(data, again)
    if again:
        return 0  # who has called this will tell
    lived = [name for name, found in results(data).items() if found.survivors]
    if few and lived:  # pytest can be run once in a process
        more = [sys.executable, __file__, AGAIN, *lived]
        subprocess.run(more, env=os.environ | {"EXAMPLES": "30"}, cwd=ROOT)
        for name in lived:
            data[name].load()
    return 1 if report(results(data)) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
