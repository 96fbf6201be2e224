"""Run the chapters and appendices, each in a fresh kernel, and store what they show.

python tools/run.py              runs all of chapters/*.ipynb and appendices/*.ipynb
python tools/run.py 06-bptt      runs one

A notebook is written when all of its cells have run, and not before. What is stored is
what every run gives: no times, no widget ids, and beside each tick of the ledger the
digests of what it rests on (see _ext/gate.py). Without names the solutions of the
exercises run, too, and nothing of theirs is stored. The seconds go to
appendices/times.json, which the book shows.
"""

import ast
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "_ext"))

import gate  # noqa: E402
from notebooks import MIME, Notebook, Package  # noqa: E402

WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


class FailedError(Exception):
    """A notebook that could not be run to its end."""


def run(path: Path, package: Path, say=lambda text: None) -> float:
    """Run one notebook and store it; return the seconds that it took."""
    notebook = nbformat.read(path, as_version=4)
    code = "\n".join(text for _, text in Notebook(path, path.name, notebook.cells).code)
    try:
        ast.parse(code)
    except SyntaxError as error:
        raise FailedError(f"{path.name}: no plain Python: {error.text}") from None
    before = Package(package).digest(code)
    start = time.perf_counter()
    execute(notebook, path.name, say)
    seconds = time.perf_counter() - start
    if Package(package).digest(code) != before:
        raise FailedError(f"{path.name}: seqlib was edited while it ran; run it again")
    clean(notebook)
    stamp(notebook, path, package)
    write(notebook, path)
    return seconds


def execute(notebook, name: str, say) -> None:
    """Run all cells in a fresh kernel, in an empty folder."""
    at = 1

    def progress(cell, cell_index):
        nonlocal at
        at = cell_index + 1
        say(f"{name}: cell {at} of {len(notebook.cells)}")

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            on_cell_start=progress,
        )
        try:
            client.execute()
        except CellExecutionError as error:
            reason = f"{error.ename}: {error.evalue}"
        except CellTimeoutError:
            reason = "it ran for more than ten minutes"
        except DeadKernelError:
            reason = "the kernel died"
        else:
            return
    raise FailedError(f"{name}, cell {at}: {reason}")


def clean(notebook) -> None:
    """Keep of the outputs what every run gives."""
    notebook.metadata = nbformat.from_dict(METADATA)
    count = 0
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        ran = bool(cell.execution_count)
        count += ran
        cell.execution_count = count if ran else None
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = cell.execution_count
            if "text/html" in output.get("data", {}):
                output.data.pop(WIDGET, None)


def stamp(notebook, path: Path, package: Path) -> None:
    """Store beside each record of the ledger the digests of what it rests on."""
    modules = Package(package)
    book = Notebook(path, path.name, notebook.cells)
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            record = output.get("data", {}).get(MIME)
            if record is not None:
                digests = book.digests(record["tag"], number, modules)
                output.metadata["seqlib"] = digests


def write(notebook, path: Path) -> None:
    """Write a notebook whole or not at all."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook).rstrip("\n") + "\n"
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8", newline="\n")
    os.replace(new, path)


def clear(path: Path) -> None:
    """Take the outputs out of a notebook that is not run here."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    clean(notebook)
    write(notebook, path)


def chosen(names: list[str]) -> list[Path]:
    """Return the chapters of these names; all of them without names."""
    folders = ("chapters", "appendices")
    chapters = {p.stem: p for f in folders for p in sorted(ROOT.glob(f"{f}/*.ipynb"))}
    stems = [Path(name).stem for name in names]
    for stem in stems:
        if stem not in chapters:
            known = ", ".join(chapters) or "none yet"
            sys.exit(f"There is no chapter {stem}; the chapters are: {known}.")
    return [chapters[stem] for stem in stems or chapters]


def progress(text: str) -> None:
    """Show on one line of a terminal where the run is."""
    if sys.stdout.isatty():
        print(f"\r{text:60}\r{text}", end="", flush=True)


def machine() -> dict[str, str]:
    """Say what the seconds were measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    threads = os.environ.get("OMP_NUM_THREADS", "as many as there are")
    return {
        "machine": f"{models[0] if models else platform.machine()}, "
        f"{os.cpu_count()} cores, threads: {threads}",
        "python": platform.python_version(),
    }


def keep(times: dict[str, float]) -> None:
    """Store the seconds that notebooks took, beside those of the others."""
    path = ROOT / "appendices" / "times.json"
    old = json.loads(path.read_text("utf-8"))["notebooks"] if path.exists() else {}
    all_of_them = {
        name: round(seconds, 1)
        for name, seconds in sorted((old | times).items())
        if (ROOT / f"{name}.ipynb").exists()
    }
    text = json.dumps(machine() | {"notebooks": all_of_them}, indent=1)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def solve(path: Path, say=lambda text: None) -> float:
    """Run a notebook of solutions, store nothing of it, and return its seconds."""
    start = time.perf_counter()
    execute(nbformat.read(path, as_version=4), path.name, say)
    return time.perf_counter() - start


def main(names: list[str]) -> int:
    """Run chapters; return the exit status."""
    paths = chosen(names)
    solutions = [] if names else sorted(ROOT.glob("exercises/solutions/*.ipynb"))
    for path in [*paths, *solutions]:
        solved = path in solutions
        try:
            if solved:
                seconds = solve(path, progress)
            else:
                seconds = run(path, ROOT / "seqlib", progress)
        except FailedError as error:
            progress("")
            sys.exit(f"{error}\nThe notebook on disk is as it was.")
        progress("")
        print(f"{path.name}: {seconds:.1f} s", flush=True)
        page = f"exercises/{path.stem}" if solved else path.relative_to(ROOT)
        keep({str(page).removesuffix(".ipynb"): seconds})
        if solved:
            clear(path)
    ran = {p.relative_to(ROOT).as_posix() for p in paths}
    problems = [p for p in gate.inspect(ROOT).problems if p.file in ran]
    for problem in problems:
        print(problem)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
