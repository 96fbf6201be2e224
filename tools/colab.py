"""Rehearse the notebooks as Colab would run them.

python tools/colab.py             all, in .venv-colab, made with Colab's versions
python tools/colab.py 06-bptt     those of this name
python tools/colab.py --here      all, in this Python (for Colab's own image)

The wheel is built and installed, and must add nothing but seqlib and array-api-compat.
Each notebook then runs in an empty folder, without a network and with `google.colab`
in place. Chapters and solutions must run through; in a student's notebook the cells
that check an answer must fail, and no others.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENV = ROOT / ".venv-colab"
MAY_ADD = {"seqlib", "array-api-compat"}
SECONDS, GIGABYTES = 45, 2.0  # what one notebook may take
PATIENCE = float(os.environ.get("PATIENCE", "1"))  # tests have more: machines differ
NO_ENVIRONMENT = 2  # exit status

# Colab has `google.colab`; a notebook has no network; other sockets serve the kernel.
STARTUP = """\
def _rehearse():
    import socket, sys, types
    try:
        import google.colab
    except ImportError:
        sys.modules["google.colab"] = types.ModuleType("google.colab")
    here = ("127.0.0.1", "::1", "localhost", "", None)
    def offline(event, args):
        away = (event == "socket.getaddrinfo" and args[0] not in here) or (
            event == "socket.connect"
            and isinstance(args[1], tuple) and args[1][0] not in here)
        if away:
            raise OSError("a notebook must not need a network")
    sys.addaudithook(offline)
_rehearse()
del _rehearse
"""


class RehearsalError(Exception):
    """What went wrong, in a sentence."""


def command(*words, **options) -> str:
    """Run a command in silence; return what it printed, or say why it failed."""
    words = [str(word) for word in words]
    done = subprocess.run(words, capture_output=True, text=True, **options)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise RehearsalError("\n".join([f"{' '.join(words)} failed:", *last]))
    return done.stdout


def pip(python, *words) -> str:
    """Run pip in an environment."""
    quiet = ["--quiet", "--disable-pip-version-check"]
    return command(python, "-m", "pip", *words, *quiet, cwd=ROOT)


def versions(python) -> dict[str, str]:
    """Return what is installed, by normalised name."""
    ask = "import importlib.metadata as m, json, sys\n"
    ask += "json.dump([(d.name, d.version) for d in m.distributions()], sys.stdout)"
    listed = json.loads(command(python, "-I", "-c", ask))
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in listed}


# --- the environment -----------------------------------------------------------------


def environment() -> tuple[Path, dict[str, str]]:
    """Make .venv-colab unless it is there; return its Python and what it started with.

    Torch comes first: it asks for newer setuptools than Colab has, and Colab's come
    last. Colab's torch is older than ours, but one version is all that we can test.
    """
    python, stamp = ENV / "bin" / "python", ENV / "start.json"
    colab = (ROOT / "colab-runtime.txt").read_text()
    constraints = (ROOT / "constraints.txt").read_text()
    torch = re.search(r"^torch==.*$", constraints, re.MULTILINE)[0]
    key = hashlib.sha256("\n".join([sys.version, torch, colab]).encode()).hexdigest()
    if stamp.exists() and (known := json.loads(stamp.read_text()))["key"] == key:
        return python, known["versions"]
    print(f"Making {ENV.name} with Colab's versions; this takes minutes, once.")
    venv.create(ENV, clear=True, with_pip=True)
    pip(python, "install", "--constraint", "constraints.txt", torch)
    pip(python, "install", "--requirement", "colab-runtime.txt")
    start = versions(python)
    for pin in re.findall(r"^[^#\s]+$", colab, re.MULTILINE):
        name, version = re.sub("_", "-", pin).split("==")
        if start.get(name) != version:
            raise RehearsalError(f"Colab has {pin}, here it is {start.get(name)}.")
    stamp.write_text(json.dumps({"key": key, "versions": start}))
    return python, start


def wheel(folder: Path, root: Path = ROOT) -> Path:
    """Build the wheel from a clean copy: a stale build/ would slip into it."""
    source = folder / "source"
    shutil.copytree(
        root / "seqlib",
        source / "seqlib",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for path in [root / "pyproject.toml", root / "README.md", *root.glob("LICENSE*")]:
        shutil.copy(path, source)
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, source)
    return next(folder.glob("seqlib-*.whl"))


def install(python, start: dict[str, str]) -> set[str]:
    """Install the wheel; return what it added or changed, which is little."""
    with tempfile.TemporaryDirectory() as folder:
        package = wheel(Path(folder))
        pip(python, "uninstall", "--yes", "seqlib")
        pip(python, "install", package)
    now = versions(python)
    changed = {n for n in now.keys() | start.keys() if now.get(n) != start.get(n)}
    if not {"seqlib"} <= changed <= MAY_ADD:
        more = ", ".join(sorted(changed - MAY_ADD)) or "not even seqlib"
        raise RehearsalError(f"Installing the wheel changed on Colab: {more}.")
    return changed


# --- one notebook --------------------------------------------------------------------


def run(name: str) -> dict:
    """Run a notebook of this folder with this Python: seconds, memory, failed cells.

    Seconds are those of the clock or those of the processors, whichever are fewer: the
    first are too many on a busy machine, the second with many threads.
    """
    import resource

    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(name, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, allow_errors=True, kernel_name="python3"
    )
    start = time.perf_counter()
    client.execute(cwd=".")
    seconds = time.perf_counter() - start
    kernel = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = min(seconds, kernel.ru_utime + kernel.ru_stime)
    peak = kernel.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    failed = {
        number: f"{output['ename']}: {output['evalue']}".strip().splitlines()[0]
        for number, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
    }
    return {"seconds": seconds, "gigabytes": peak / 1e9, "failed": failed}


def surroundings(home: Path) -> dict[str, str]:
    """Return the variables of an empty home: no paths, settings or proxies of ours."""
    startup = home / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "rehearsal.py").write_text(STARTUP)
    ours = re.compile("I?PYTHON|JUPYTER|MPL|PIP_|VIRTUAL_ENV|CI$|.*_proxy$", re.I)
    nowhere = "http://127.0.0.1:9"  # for programs that a notebook might start
    return {k: v for k, v in os.environ.items() if not ours.match(k)} | {
        "HOME": str(home),
        "IPYTHONDIR": str(startup.parents[1]),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYTHONNOUSERSITE": "1",
        "http_proxy": nowhere,
        "https_proxy": nowhere,
    }


def rehearse(python, path: Path, home: Path) -> dict:
    """Run one notebook as a student would; `result` is "ok" or says what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder)
        done = subprocess.run(
            [python, Path(__file__).resolve(), "--run", path.name],
            cwd=folder,
            env=surroundings(home),
            capture_output=True,
            text=True,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return {"seconds": 0, "gigabytes": 0, "result": f"did not run: {last}"}
    found = json.loads(done.stdout.splitlines()[-1])
    return found | {"result": judge(path, found)}


def judge(path: Path, found: dict) -> str:
    """Return "ok", or what is wrong with the run of a notebook."""
    failed = {int(number): said for number, said in found["failed"].items()}
    must = checks(path) if path.parent.name == "exercises" else set()
    for number in sorted(failed.keys() ^ must):
        why = failed.get(number, "checks an answer that is not there, and passed")
        return f"cell {number + 1}: {why}"
    if found["seconds"] > SECONDS * PATIENCE:
        return f"slower than {SECONDS * PATIENCE:g} s"
    if found["gigabytes"] > GIGABYTES:
        return f"needs more than {GIGABYTES} GB"
    return "ok"


def checks(path: Path) -> set[int]:
    """Return the numbers of the cells that check an answer."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = {n: "".join(c["source"]) for n, c in enumerate(cells)}
    return {
        n
        for n, source in code.items()
        if cells[n]["cell_type"] == "code" and re.search(r"^check\(", source, re.M)
    }


def notebooks(names: list[str]) -> list[Path]:
    """Return the notebooks of these names; all of them without names."""
    folders = ["chapters", "exercises", "exercises/solutions", "appendices"]
    paths = [p for folder in folders for p in sorted((ROOT / folder).glob("*.ipynb"))]
    known = {path.stem for path in paths}
    for name in names:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none yet"
            raise RehearsalError(f"There is no notebook {name}; there are: {listed}.")
    return [path for path in paths if not names or path.stem in names]


def main(arguments: list[str]) -> int:
    """Rehearse; return the exit status."""
    here = "--here" in arguments
    try:
        paths = notebooks([word for word in arguments if word != "--here"])
        try:
            python, start = (
                (sys.executable, versions(sys.executable)) if here else environment()
            )
        except RehearsalError as error:
            print(f"The environment could not be made. {error}", file=sys.stderr)
            return NO_ENVIRONMENT
        added = install(python, start)
    except RehearsalError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The wheel adds {' and '.join(sorted(added, reverse=True))}, nothing else.")
    width = max((len(str(p.relative_to(ROOT))) for p in paths), default=8)
    print(f"{'notebook':{width}}  seconds  peak GB  result")
    bad = []
    with tempfile.TemporaryDirectory() as home:
        for path in paths:
            name = str(path.relative_to(ROOT))
            print(f"{name:{width}}", end="", flush=True)
            found = rehearse(python, path, Path(home))
            numbers = f"  {found['seconds']:7.1f}  {found['gigabytes']:7.2f}"
            print(f"{numbers}  {found['result']}", flush=True)
            if found["result"] != "ok":
                bad.append(f"{name}: {found['result']}")
    if bad:
        print("Colab would fail in", *bad, sep="\n", file=sys.stderr)
    return bool(bad)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        print(json.dumps(run(sys.argv[2])))
    else:
        sys.exit(main(sys.argv[1:]))
