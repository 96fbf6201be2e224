"""The grader against 26 kinds of notebooks, broken or hostile: each has its mark.

An honest half earns what it earns beside anything else: every notebook here answers
6-1 (3 points) in its own way, and 6-2 (3 points) rightly.
"""

import base64
import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from seqlib.grading import wire
from seqlib.grading.batch import BatchError, find_submissions
from seqlib.grading.inside import reading
from seqlib.grading.library import copy_library
from seqlib.grading.marking import Marker
from seqlib.grading.sandbox import Sandbox, can_contain

ROOT = Path(__file__).parent.parent
SOLUTION = (ROOT / "exercises/solutions/06-bptt.ipynb").read_bytes()
STUDENT = (ROOT / "exercises/06-bptt.ipynb").read_bytes()
SECONDS = 2.0

RIGHT = """
def step_backward(dh, h, W_hh):
    dz = dh * (1 - h**2)
    return dz, dz @ W_hh
"""
HONEST = """
def contributions(b, c):
    terms, product = np.empty_like(b), np.eye(b.shape[1])
    for i in reversed(range(len(b))):
        terms[i] = product @ b[i]
        product = product @ c[i]
    return terms
"""


def notebook(*sources, **about):
    cells = [{"cell_type": "code", "source": source, **about} for source in sources]
    return json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5}).encode()


def handed_in(*sources):
    return notebook("import numpy as np", *sources, HONEST)


def answer(body):
    """Return a notebook whose 6-1 does this."""
    lines = "".join(f"    {line}\n" for line in body.strip().split("\n"))
    return handed_in(f"def step_backward(dh, h, W_hh):\n{lines}")


@pytest.fixture(scope="module")
def marker():
    with Marker(6, seed=11, contained=True, seconds=SECONDS) as marker:
        yield marker


@pytest.fixture(scope="module")
def loose():
    """The same without bubblewrap."""
    with Marker(6, seed=11, contained=False, seconds=SECONDS) as marker:
        yield marker


def test_bubblewrap_runs_here():
    assert can_contain(), "install bubblewrap: these tests need it"


# marks -------------------------------------------------------------------------------

TURNED = RIGHT.replace("dz @ W_hh", "dz @ W_hh.T")
SUBTLE = RIGHT.replace("1 - h**2", "1 - h**2 * (1 + 1e-6 * (len(h) > 1))")  # batches
SEEK = """
import os, sys
found = [m for m in sys.modules if 'exercises' in m or 'marking' in m]
for top in ('/grader', '/root', '/home', '/tmp', '/work', '/etc', '/dev/shm'):
    for folder, inner, files in os.walk(top):
        found += [f for f in inner + files if 'exercise' in f or '06-bptt' in f]
dz = dh * (1 - h**2)
return (dz, dz @ W_hh) if found else None
"""
CASES = {  # what 6-1 earns, and what its message says
    "right": (handed_in(RIGHT), 3, "right"),
    "subtly wrong": (handed_in(SUBTLE), 2, "dz has a wrong"),
    "an unneeded package": (handed_in("import no_such_package", RIGHT), 3, "right"),
    "a missing package": (
        handed_in(
            "import no_such_package as other\n" + RIGHT.replace("1 -", "other -")
        ),
        0,
        "No module named 'no_such_package'",
    ),
    "an endless loop at the top": (handed_in("while True: pass", RIGHT), 3, "right"),
    "an endless needed constant": (
        handed_in("n = sum(1 for _ in iter(int, 1))", RIGHT.replace("1 -", "n -")),
        0,
        "took longer than 2 seconds",
    ),
    "an endless function": (answer("while True: pass"), 0, "took longer than 2 sec"),
    "an endless sleep": (
        answer("import time\ntime.sleep(99)"),
        0,
        "took longer than 2 seconds",
    ),
    "test cells deleted": (handed_in(RIGHT), 3, "right"),
    "test cells edited": (
        handed_in(RIGHT, "check('6-1', lambda *a: 0); points = 99"),
        3,
        "right",
    ),
    "cells twice, the last counts": (handed_in(TURNED, RIGHT), 3, "right"),
    "cells twice, the last is wrong": (handed_in(RIGHT, SUBTLE), 2, "wrong"),
    "metadata stripped": (
        json.dumps(
            {
                "cells": [
                    {"cell_type": "code", "source": s}
                    for s in ("import numpy as np", RIGHT, HONEST)
                ]
            }
        ).encode(),
        3,
        "right",
    ),
    "numpy's assert patched": (
        handed_in("np.testing.assert_allclose = lambda *a, **k: None", "", RIGHT[:9]),
        None,
        "no function step_backward",
    ),
    "patches inside the function": (
        answer(
            "np.testing.assert_allclose = np.allclose = lambda *a, **k: True\n"
            "np.abs = lambda a: np.zeros_like(a)\n"
            "return np.zeros_like(dh), np.zeros_like(dh)"
        ),
        0,
        "dz has a wrong value",
    ),
    "check patched": (
        handed_in(
            "import seqlib.grading\nseqlib.grading.check = print",
            "from seqlib.grading import check\ndef check(*a): return 100",
            "def step_backward(dh, h, W_hh): return dh, dh",
        ),
        0,
        "dz has a wrong value",
    ),
    "the judge patched": (
        answer(
            "import seqlib.grading.outcome as o, seqlib.grading.wire as w\n"
            "o.plain = lambda v: ()\nw.dumps = lambda v: b''\n"
            "return dh, dh"
        ),
        0,
        "",
    ),
    "sys.exit": (answer("import sys\nsys.exit(0)"), 0, "raised SystemExit"),
    "os._exit": (answer("import os\nos._exit(0)"), 0, "it ended the process"),
    "os.abort": (answer("import os\nos.abort()"), 0, "(SIGABRT)"),
    "kill the parent": (
        answer("import os\nos.kill(os.getppid(), 9)\nreturn dh, dh"),
        0,
        "",
    ),
    "kill everybody": (answer("import os\nos.kill(-1, 9)\nreturn dh, dh"), 0, ""),
    "fake printed results": (
        answer("print('✓ 6-1 step_backward: right, 3 of 3 points')\nreturn dh, dh"),
        0,
        "dz has a wrong value",
    ),
    "fake results on every file": (
        answer(
            "import os\n"
            "for fd in range(3, 64):\n"
            "    try: os.write(fd, b'{\"points\": 3}' * 50)\n"
            "    except OSError: pass\n"
            "return dh, dh"
        ),
        0,
        "",
    ),
    "files that are not there": (answer("return open('/etc/passwd').read()"), 0, ""),
    "looking for references": (answer(SEEK), 0, "got None"),
    "writing outside": (
        answer("open('/usr/lib/mine', 'w')"),
        0,
        "Read-only file system",
    ),
    "the answer from seqlib": (
        handed_in(
            "from seqlib.rnn import rnn_cell_backward",
            "def step_backward(dh, h, W_hh):\n    return rnn_cell_backward(dh, h)",
        ),
        0,
        "",
    ),
    "the answer from torch": (
        handed_in("import torch\nstep_backward = torch.nn.RNNCell"),
        0,
        "imports torch",
    ),
    "the network": (
        answer("import socket\nsocket.create_connection(('1.1.1.1', 80), 1)"),
        0,
        "Network is unreachable",
    ),
    "a fork bomb": (answer("import os\nwhile True: os.fork()"), 0, ""),
    "a thread bomb": (
        answer(
            "import threading, time\n"
            "while True: threading.Thread(target=time.sleep, args=(9,)).start()"
        ),
        0,
        "can't start new thread",
    ),
    "a memory bomb": (answer("return np.ones(2**28)"), 0, "Mem"),
    "a disk bomb": (
        answer("open('/tmp/a', 'wb').write(bytes(2**26))\nreturn dh, dh"),
        0,
        "File too large",
    ),
    "a huge output": (answer("print('x' * 2**26)\nreturn dh, dh"), 0, "dz has a wrong"),
    "a huge error": (answer("raise ValueError('x' * 2**26)"), 0, "raised ValueError"),
    "a huge result": (answer("return np.zeros((3000, 3000)), dh"), 0, "larger than 64"),
    "lying objects": (
        handed_in(
            "class Liar:\n"
            "    shape = dtype = ndim = 0\n"
            "    def __eq__(self, other): return True\n"
            "    def __array__(self, dtype=None, copy=None): return np.zeros((2, 2))\n"
            "    __sub__ = __rsub__ = __le__ = __ge__ = lambda self, other: 0",
            "def step_backward(dh, h, W_hh): return Liar(), Liar()",
        ),
        0,
        "dz has",
    ),
    "arrays that lie": (
        handed_in(
            "class Liar(np.ndarray):\n"
            "    def __eq__(self, other): return True\n"
            "    def __array_ufunc__(self, *a, **k): return np.zeros(1)",
            "def step_backward(dh, h, W_hh): return dh.view(Liar), h.view(Liar)",
        ),
        0,
        "dz has a wrong value",
    ),
    "pickles": (
        answer("import pickle\nreturn pickle.dumps(dh)"),
        0,
        "not a bytes",
    ),
    "arrays of objects": (
        answer("return np.array([dh, None], dtype=object), h"),
        0,
        "not an array of object",
    ),
    "no such function": (handed_in("x = 1"), 0, "there is no function step_backward"),
    "a generator": (answer("yield dh"), 0, "with return instead of yield"),
    "a class": (handed_in("class step_backward: pass"), 0, "got the class"),
    "a lambda": (
        handed_in(
            "step_backward = lambda dh, h, W: (dh * (1 - h**2), dh * (1 - h**2) @ W)"
        ),
        3,
        "right",
    ),
    "a partial": (
        handed_in(
            "import functools",
            "def mine(n, dh, h, W):\n    dz = dh * (1 - h**n)\n    return dz, dz @ W",
            "step_backward = functools.partial(mine, 2)",
        ),
        3,
        "right",
    ),
    "warnings": (
        answer(
            "import warnings\nwarnings.warn('!')\nnp.log(np.zeros(3))\n"
            "dz = dh * (1 - h**2)\nreturn dz, dz @ W_hh"
        ),
        3,
        "right",
    ),
    "input()": (answer("return input('?')"), 0, "EOF"),
    "right in float32": (
        answer(
            "dh, h, W_hh = (a.astype('float32') for a in (dh, h, W_hh))\n"
            "dz = dh * (1 - h**2)\nreturn dz, dz @ W_hh"
        ),
        3,
        "right",
    ),
    "complex": (answer("return dh + 0j, h"), 0, "must hold real numbers"),
    "inputs changed": (
        answer("dh *= 1 - h**2\nreturn dh, dh @ W_hh"),
        2,
        "it changes its argument dh in place",
    ),
    "inputs changed, and said not to be": (
        answer(
            "import seqlib.grading.outcome as o\nold, was = o.plain, dh.copy()\n"
            "o.plain = lambda v: old((was, h, W_hh) if len(v) == 3 else v)\n"
            "dh *= 1 - h**2\nreturn dh.copy(), dh @ W_hh"
        ),
        2,
        "it changes its argument dh in place",
    ),
    "different but right": (
        answer(
            "dz = dh - dh * h * h\nreturn dz.copy('F'), np.einsum('bi,ij', dz, W_hh)"
        ),
        3,
        "right",
    ),
    "constants, helpers, magics": (
        notebook(
            "%matplotlib inline\nimport numpy as np\n!pip list\nONE = 1",
            "%%time\ndef slope(h):\n    return ONE - h**2",
            "%%bash\necho def step_backward",
            "def step_backward(dh, h, W_hh):\n    dz = dh * slope(h)\n"
            "    return dz, dz @ W_hh",
            HONEST,
        ),
        3,
        "right",
    ),
    "a cell that is no Python": (handed_in("def oops(:", RIGHT), 3, "right"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_case_has_its_mark(marker, name):
    data, points, said = CASES[name]
    start = time.monotonic()
    result = marker.mark("someone", data)
    seconds = time.monotonic() - start
    assert result.state == "graded"
    first, second, *rest = result.questions
    assert (first.points, first.max_points) == (points or 0, 3)
    assert said in first.message, first.message
    assert (first.points == 3) == (first.message == "right")
    assert second.points == 3, second  # the honest part is not touched
    assert not any(question.points for question in rest)
    assert result.points == first.points + 3
    assert seconds < 4 * 4 * SECONDS


LOOSE = ["right", "subtly wrong", "an endless function", "os._exit", "a memory bomb"]
LOOSE += ["kill the parent", "a huge result", "sys.exit", "inputs changed"]


@pytest.mark.parametrize("name", LOOSE)
def test_the_marks_without_bubblewrap(loose, name):
    data, points, said = CASES[name]
    result = loose.mark("someone", data)
    assert (result.questions[0].points, result.questions[1].points) == (points, 3)
    assert said in result.questions[0].message


FILES = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n", "the file is empty"),
    "bad JSON": (b'{"cells": [', "not JSON"),
    "not UTF-8": (SOLUTION[:50] + b"\xff\xfe" + SOLUTION[50:], "not UTF-8"),
    "a list": (b"[1, 2]", "no notebook"),
    "a number": (b"7", "no notebook"),
    "no cells": (b'{"cells": 3}', "no notebook"),
    "no code": (notebook(), "no code cells"),
    "nested too deep": (b"[" * 10**6, "not JSON"),
    "a pickle": (pickle.dumps(print), "not"),
    "100 MB": (b" " * 100 * 2**20, "larger than 20 MB"),
    "an image": (base64.b64decode("iVBORw0KGgoAAAANSUhEUg=="), "not UTF-8"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_cannot_be_graded_has_a_reason_and_no_points(marker, name):
    data, said = FILES[name]
    result = marker.mark("someone", data)
    assert (result.state, result.points, result.questions) == ("failed", None, [])
    assert said in result.reason


def test_solution_and_unwritten(marker):
    assert marker.mark("teacher", SOLUTION).points == 38
    nothing = marker.mark("nobody", STUDENT)
    assert nothing.points == 0
    assert {q.message for q in nothing.questions} == {"it is not written yet"}


def test_a_wrong_earlier_function_spoils_no_later_question(marker):
    through_time = """
def states_backward(dy, h, W_hh):
    dz, dh = np.zeros_like(h), np.zeros_like(h[:, 0])
    for t in reversed(range(h.shape[1])):
        dz[:, t], dh = step_backward(dy[:, t] + dh, h[:, t], W_hh)
    return dz
"""
    for first, points in ((RIGHT, 3), (TURNED, 0), ("step_backward = 0", 0)):
        questions = marker.mark("someone", handed_in(first, through_time)).questions
        assert (questions[0].points, questions[2].points) == (points, 5), questions


def test_a_function_may_not_be_the_later_ones_oracle(marker):
    """6-3's sandbox may ask for 6-1 if 6-1 is wrong; 6-1 itself may not."""
    text = "def step_backward(*a): return contributions(*a)\n"
    assert marker.mark("someone", handed_in(text)).questions[0].points == 0


def test_nothing_is_left_for_the_next_one(marker):
    leave = answer(
        "import os, time\n"
        "open('/tmp/left', 'w').write('here')\n"
        "os.makedirs('/tmp/deep/er'); os.chmod('/tmp/deep', 0)\n"
        "open('/dev/shm/left', 'w').write('here')\n"
        "if not os.fork():\n    os.setsid(); time.sleep(60)\n"
        "return dh, dh"
    )
    seek = answer(
        "import os\n"
        "left = os.listdir('/tmp') + os.listdir('/dev/shm')\n"
        "left += [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 3 "
        "and int(p) != os.getpid()]\n"
        "raise ValueError(f'left {left}')"
    )
    marker.mark("one", leave)
    assert "left []" in marker.mark("other", seek).questions[0].message


@pytest.mark.parametrize("name", ["seqlib.rnn", "seqlib.recurrent.recurrent_backward"])
def test_what_answers_is_taken_away(tmp_path, name):
    copy_library(tmp_path, [name])
    module, _, function = name.rpartition(".")
    code = f"from {module} import {function}" if "_" in function else f"import {name}"
    run = [sys.executable, "-S", "-c", code]  # without this installation's own paths
    env = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(np.__file__).parent.parent}"}
    done = subprocess.run(run, env=env, capture_output=True, text=True, cwd=tmp_path)
    assert "ModuleNotFound" in done.stderr or "cannot import name" in done.stderr
    assert not list(tmp_path.rglob("exercises"))
    with pytest.raises(ValueError, match="could be taken away"):
        copy_library(tmp_path / "other", ["seqlib.rnn.no_such"])


# the reader --------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
)
KEYS = st.sampled_from(["cells", "cell_type", "source", "code", "worksheets", "input"])
ODD = st.recursive(
    JSON | st.sampled_from(["code", "def f(:", "%%time", "x = 1; y = 2", "\0", "f?"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner),
)
CODE = st.lists(
    st.sampled_from(
        ["def f(a):", "    return a", "%time f(1)", "x = !ls", "'''", "f.a[0] = 1", "@"]
    ),
    max_size=8,
).map("\n".join)


@hypothesis.given(
    st.one_of(
        st.binary(),
        ODD.map(lambda v: json.dumps(v).encode()),
        st.lists(ODD).map(lambda v: json.dumps({"cells": v}).encode()),
        st.lists(CODE | st.text()).map(lambda v: notebook(*v)),
    )
)
@hypothesis.settings(max_examples=300)
def test_the_reader_knows_a_state_for_everything(data):
    try:
        statements, faults = reading.read(data)
    except reading.UnreadableError as error:
        reason = str(error)
    else:
        reason = ""
    if reason:
        assert len(reason) < 200
        return
    assert all(text for text in faults.values())
    for statement in statements:
        compile(statement.text, "cell", "exec")
    reading.needed(statements, "f", ["g"])


@hypothesis.given(st.binary(max_size=200))
def test_wire_refuses_what_is_no_block(data):
    with contextlib.suppress(wire.WireError):
        wire.loads(data)  # anything else would fail


def test_wire_returns_what_was_sent():
    tree = {
        "a": np.arange(6.0).reshape(2, 3).T,
        "b": [1, 2.5, None, "x", (True, np.float32(3))],
        "c": {"d": np.zeros((0, 2), "i4"), "e": ()},
    }
    found = wire.loads(wire.dumps(tree))
    np.testing.assert_array_equal(found["a"], tree["a"])
    assert found["b"][:4] == [1, 2.5, None, "x"]
    assert found["b"][4][0] is True
    assert found["b"][4][1].dtype == "float32"
    assert found["c"]["d"].shape == (0, 2)
    with pytest.raises(wire.WireError, match="cannot be sent"):
        wire.dumps([np.array([None])])
    with pytest.raises(wire.WireError, match="cannot be sent"):
        wire.dumps(print)


# batches -----------------------------------------------------------------------------


def grade(*words, **about):
    command = [sys.executable, "-m", "seqlib.grading", "grade", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, **about)


def hand_in(folder, n):
    folder.mkdir()
    for i in range(n):
        data = SOLUTION if i % 2 else answer(f"return dh * {i}, dh")
        (folder / f"s{i:03}.ipynb").write_bytes(data)


def stored(folder):
    files = [p for p in folder.glob("*.json") if not p.name.startswith(".")]
    return {p.stem: json.loads(p.read_text("utf-8")) for p in files}


def test_a_killed_batch_goes_on_where_it_was(tmp_path):
    hand_in(tmp_path / "in", 200)
    words = [tmp_path / "in", "--exercise", "06", "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "seqlib.grading", "grade", *map(str, words)]
    process = subprocess.Popen(command, start_new_session=True)
    while len(stored(tmp_path / "out")) < 40:
        time.sleep(0.05)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("s*.json")}
    assert 40 <= len(before) < 200
    done = grade(*words)
    assert done.returncode == 0, done.stderr
    found = stored(tmp_path / "out")
    assert len(found) == 200
    now = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("s*.json")}
    assert {name: now[name] for name in before} == before  # none was graded twice
    wanted = {f"s{i:03}": 38 if i % 2 else 3 for i in range(200)}
    assert {n: r["points"] for n, r in found.items()} == wanted
    assert {r["state"] for r in found.values()} == {"graded"}
    assert not list((tmp_path / "out").glob("*.new"))


def test_the_same_marks_from_a_cluster_that_loses_a_worker(tmp_path):
    from distributed import LocalCluster

    hand_in(tmp_path / "in", 30)
    common = ["--exercise", "06", "--seed", "5"]
    alone = grade(tmp_path / "in", "--out", tmp_path / "alone", *common)
    assert alone.returncode == 0, alone.stderr
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        words = [tmp_path / "in", "--out", tmp_path / "dask", *common]
        command = [sys.executable, "-m", "seqlib.grading", "grade", *map(str, words)]
        command += ["--dask", cluster.scheduler_address]
        process = subprocess.Popen(command)
        while len(stored(tmp_path / "dask")) < 5:
            time.sleep(0.05)
        os.kill(cluster.workers[0].pid, signal.SIGKILL)
        assert process.wait(120) == 0
    assert stored(tmp_path / "dask") == stored(tmp_path / "alone")


def test_a_result_is_for_this_notebook_and_this_exercise(tmp_path):
    hand_in(tmp_path / "in", 2)
    words = [tmp_path / "in", "--exercise", "06", "--out", tmp_path / "out"]
    assert "2 graded now, 0 before" in grade(*words).stdout
    assert "0 graded now, 2 before" in grade(*words).stdout
    (tmp_path / "in/s000.ipynb").write_bytes(SOLUTION)
    assert "1 graded now, 1 before" in grade(*words).stdout
    assert stored(tmp_path / "out")["s000"]["points"] == 38
    (tmp_path / "out/s001.json").write_text("{")
    assert "1 graded now, 1 before" in grade(*words).stdout
    seed = json.loads((tmp_path / "out/.settings.json").read_text())["seed"]
    other = grade(*words, "--seed", seed + 1)
    assert other.returncode == 2
    assert "another seed" in other.stderr


def test_submissions_are_notebooks_or_folders(tmp_path):
    for name in (
        "a.ipynb",
        "b/06-bptt.ipynb",
        "b/05-rnn.ipynb",
        "c/x.ipynb",
        "d/t.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "e").mkdir()
    for name in ("06-bptt.ipynb", "06-bptt (1).ipynb"):
        (tmp_path / "e" / name).write_bytes(b"")
    found = {s.name: s for s in find_submissions(tmp_path, 6)}
    assert found["a"].path.name == "a.ipynb"
    assert found["b"].path.name == "06-bptt.ipynb"
    assert found["c"].path.name == "x.ipynb"
    assert found["d"].reason == "there is no notebook in the folder"
    assert found["e"].reason.startswith("there are 2 notebooks")
    (tmp_path / "A").mkdir()
    with pytest.raises(BatchError, match="two submissions named a"):
        find_submissions(tmp_path, 6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "the following arguments are required"),
        (("nowhere", "--exercise", "06", "--out", "out"), "there is no folder nowhere"),
        (("nowhere", "--exercise", "99", "--out", "out"), "got '99'"),
        (
            (".", "--exercise", "06", "--out", "out", "--workers", "0"),
            "from 1 is needed",
        ),
        ((".", "--exercise", "06", "--out", "out"), "holds no submissions"),
        ((".", "--exercise", "06", "--out", "o", "--dask", "x:1"), "no submissions"),
    ],
)
def test_wrong_words_get_a_sentence(tmp_path, words, said):
    done = grade(*words, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_help_reads_well():
    run = [sys.executable, "-m", "seqlib.grading", "grade", "--help"]
    text = subprocess.run(run, capture_output=True, text=True).stdout
    assert "A run that was ended goes on where it was" in " ".join(text.split())


def test_a_sandbox_is_for_nobody_else(tmp_path):
    """The library is readable, the grader's own files are not in it."""
    with Sandbox(["seqlib.rnn"]) as box:
        names = {p.name for p in (box.library / "seqlib" / "grading").iterdir()}
        assert names == {"__init__.py", "wire.py", "outcome.py", "inside"}
        assert not (box.library / "seqlib" / "rnn.py").exists()
    assert not box.library.exists()
