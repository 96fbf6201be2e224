"""Run the long experiments and store what they give.

python tools/experiments.py            runs all of seqlib/experiments
python tools/experiments.py adding     runs one

A run that is stored is not repeated while the experiment's code is the same: stop it
and go on later. The file holds the seeds, the settings, a digest of the source and the
results; times are not in it, so a second run changes nothing.
"""

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path

from seqlib import experiments

DIGITS = 4  # significant; beyond them machines differ


def rounded(value):
    """Return numbers with as many digits as are worth storing."""
    if isinstance(value, bool | int | str | None):
        return value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    raise SystemExit(f"an experiment gives numbers, text and lists, not {value!r}")


def key(run: dict, names: set[str]) -> str:
    """Return what tells one run from another: its setting and its seed."""
    return json.dumps({k: v for k, v in run.items() if k in names}, sort_keys=True)


def write(path: Path, document: dict) -> None:
    """Write one file whole or not at all, one line a run."""
    runs = ",\n".join(f"  {json.dumps(run)}" for run in document["runs"])
    head = {k: v for k, v in document.items() if k != "runs"}
    text = json.dumps(head, indent=1)[:-2] + f',\n "runs": [\n{runs}\n ]\n}}\n'
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8", newline="\n")
    os.replace(new, path)


def perform(name: str, folder: Path = experiments.FOLDER) -> int:
    """Run one experiment where it has not been run; return how many runs that took."""
    module = import_module(f"seqlib.experiments.{name}")
    path = folder / f"{name}.json"
    wanted = [
        rounded({**setting, "seed": seed})
        for setting in module.SETTINGS
        for seed in module.SEEDS
    ]
    document = {
        "experiment": name,
        "source": experiments.digest(name),
        "seeds": list(module.SEEDS),
        "settings": rounded(list(module.SETTINGS)),
        "runs": [],
    }
    before = json.loads(path.read_text("utf-8")) if path.exists() else {}
    same = before.get("source") == document["source"]
    names = {entry for run in wanted for entry in run}
    old = {key(run, names): run for run in before.get("runs", []) if same}
    made = 0
    for i, run in enumerate(wanted, 1):
        done = old.get(key(run, names))
        if done is None:
            start = time.perf_counter()
            result = module.run(**run)
            if taken := set(result) & set(run):
                raise SystemExit(f"{name}: a result has a setting's name: {taken}")
            done = run | rounded(result)
            made += 1
            seconds = time.perf_counter() - start
            print(f"{name} {i}/{len(wanted)} {run}: {seconds:.1f} s", flush=True)
        document["runs"].append(done)
        write(path, document) if made else None
    write(path, document)
    return made


def main(names: list[str]) -> None:
    """Run the experiments of these names; all of them without names."""
    known = experiments.names()
    for name in names:
        if name not in known:
            listed = ", ".join(known) or "none yet"
            sys.exit(f"There is no experiment {name}; the experiments: {listed}.")
    for name in names or known:
        made = perform(name)
        print(f"{name}: {made} runs made; stored in seqlib/experiments/{name}.json")


if __name__ == "__main__":
    main(sys.argv[1:])
