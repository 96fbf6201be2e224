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
from seqlib.grading.bubblewrap import can_contain
from seqlib.grading.inside import reading
from seqlib.grading.library import copy_library
from seqlib.grading.marking import Marker
from seqlib.grading.sandbox import Sandbox
from seqlib.grading.submissions import BatchError, find_submissions

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
        "and int(p) not in (os.getpid(), os.getppid())]\n"
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


# attacks -----------------------------------------------------------------------------

FORGE = """
import os, stat
from seqlib.grading import wire
def block(head): return len(head).to_bytes(8, 'little') + head
def outcome(result, inputs=()):
    return b'R' + wire.dumps(
        {'result': result, 'inputs': inputs, 'problem': '', 'error': ''})
def forge(*frames):
    for fd in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                for frame in frames: wire.send(fd, frame)
        except OSError: pass
"""


def attack(body):
    lines = "".join(f"    {line}\n" for line in body.strip().split("\n"))
    return handed_in(FORGE, f"def step_backward(dh, h, W_hh):\n{lines}    return dh, h")


ATTACKS = {  # what is done to the grader, and a part of what it says
    "a forged question": ("forge(b'Agarbage')", ""),
    "a forged question of the wrong kind": ("forge(b'A' + wire.dumps([1]))", ""),
    "a forged question with odd arguments": (
        "forge(b'A' + wire.dumps({'name': 'step_backward', 'args': 3}))",
        "",
    ),
    "a forged end": ("forge(b'Ugarbage')", ""),
    "a forged end with a novel": ("forge(b'U' + wire.dumps('x' * 2**18))", "xxx"),
    "a forged end without words": ("forge(b'U' + wire.dumps({'a': dh}))", ""),
    "a forged number without end": ("forge(outcome(10**400))", "cannot be read"),
    "forged inputs": ("forge(outcome((dh, dh)))", "cannot be read"),
    "forged inputs, none": ("forge(outcome((dh, dh), None))", "cannot be read"),
    "forged inputs, too many": ("forge(outcome((dh, h), (dh,) * 9))", "cannot be"),
    "a forged type": (
        "forge(b'R' + block(b'{\"array\": [\"),\\'g*4\", [1]]}'))",
        "cannot be read",
    ),
    "a forged tree of millions": (
        'forge(b\'R\' + block(b\'{"dict": [["result", {"list": [\' '
        "+ b'0,' * 2**23 + b'0]}]]}'))",
        "cannot be read",
    ),
    "frames without end": (
        "while True: forge(b'L', b'l\\0\\0', b'')",
        "took longer than 2 seconds",
    ),
    "a statement of no number": ("forge(b'l' + b'\\xff' * 2**20)", "dz has a wrong"),
    "half a frame": (
        "import time\nforge(b'R' * 9)\n"
        "[os.write(fd, b'\\xff\\0') for fd in range(3, 9) if os.path.exists("
        "f'/proc/self/fd/{fd}') and stat.S_ISFIFO(os.fstat(fd).st_mode)]\n"
        "time.sleep(99)",
        "",
    ),
    "what copies the arguments, patched": (
        "import seqlib.grading.outcome as o\nold = o.plain\n"
        "o.plain = lambda v: () if len(v) == 3 else old(v)",
        "cannot be read",
    ),
    "a word without end": ("return 'x' * 2**18", "must return 2 results"),
    "a dict with odd keys": (
        "return {(i, None): dh for i in range(9000)}",
        "must return 2 results",
    ),
    "a list that holds itself": ("a = []\na.append(a)\nreturn a", "holds itself"),
    "lists in lists": (
        "a = []\nfor _ in range(10**5): a = [a]\nreturn a",
        "a list that holds itself",
    ),
    "arrays of 40 axes": ("return np.zeros((1,) * 40), dh", "cannot be read"),
    "signs that are no text": (
        "raise ValueError('\\ud800\\0\\x1b[31m<script>\\u202e')",
        "raised ValueError: [31m<script>",
    ),
    "files closed": ("os.closerange(0, 64)", "it ended the process"),
    "files changed": (
        "[os.dup2(os.open('/dev/zero', 0), fd) for fd in range(3, 9)]",
        "it ended the process",
    ),
    "the grader stopped": ("os.kill(os.getppid(), 19)", ""),
    "the first process killed": ("os.kill(1, 9)", ""),
    "the grader's files": (
        "open(f'/proc/{os.getppid()}/fd/3', 'wb').write(bytes(99))",
        "raised",
    ),
    "the first process's files": (
        "[open(f'/proc/1/fd/{n}', 'wb').write(bytes(99)) for n in range(9)]",
        "raised",
    ),
    "the grader's memory": ("open(f'/proc/{os.getppid()}/mem')", "Permission denied"),
    "ptrace": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.ptrace(16, os.getppid(), 0, 0): raise OSError(ctypes.get_errno())",
        "raised OSError: 1",
    ),
    "a debugger": (
        "import sys\nsys.settrace(lambda *a: sys.exit())\nforge()",
        "SystemExit",
    ),
    "builtins taken away": (
        "import builtins\nbuiltins.len = lambda x: 0\n"
        "builtins.isinstance = lambda *a: True",
        "",
    ),
    "limits raised": (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "not allowed to raise maximum limit",
    ),
    "recursion without end": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return [f(n + 1)]\nf(0)",
        "",
    ),
    "shared memory filled": (
        "for i in range(9): open(f'/dev/shm/{i}', 'wb').write(bytes(2**24))",
        "No space left",
    ),
    "everybody's right answer": (
        "import gc\nfound = [o for o in gc.get_objects() if callable(o) and "
        "getattr(o, '__name__', '') in ('reference', 'rnn_cell_backward')]\n"
        "if found: return found[0](dh, h, W_hh)",
        "dz has a wrong value",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_earns_nothing_and_ends_soon(marker, name):
    body, said = ATTACKS[name]
    start = time.monotonic()
    result = marker.mark("someone", attack(body))
    assert (result.state, result.points) == ("graded", 3), result
    assert said in result.questions[0].message
    assert result.questions[1].points == 3
    text = json.dumps(result.as_json(), ensure_ascii=False)
    assert len(text) < 20_000
    assert not set(text) & set("\0\x1b\u202e\ud800")
    assert time.monotonic() - start < 4 * 4 * SECONDS


def test_a_class_goes_on_after_attacks(tmp_path):
    """What the parent reads is hostile, too: no frame may end the batch."""
    (tmp_path / "in").mkdir()
    for i, name in enumerate(list(ATTACKS)[:9]):
        (tmp_path / f"in/a{i}.ipynb").write_bytes(attack(ATTACKS[name][0]))
    (tmp_path / "in/z.ipynb").write_bytes(SOLUTION)
    done = grade(tmp_path / "in", "--exercise", "06", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    found = stored(tmp_path / "out")
    assert len(found) == 10
    assert found["z"]["points"] == 38


LEAVE = {  # by students whom the next one knows
    "a folder in folders": (
        "os.chdir('/tmp')\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')\n"
        "open('left', 'w').write('here')"
    ),
    "a folder with a link": (
        "os.mkdir('/tmp/d'); os.symlink('/usr', '/tmp/d/usr')\n"
        "open('/tmp/left', 'w').write('here')"
    ),
    "a link": "os.symlink('/nowhere', '/dev/shm/left')",
    "shared memory": ("import ctypes\nctypes.CDLL(None).shmget(77, 4096, 0o1666)\n"),
    "a process in its own session": (
        "import time\nif not os.fork():\n    os.setsid()\n"
        "    if not os.fork(): time.sleep(60)\n    os._exit(0)"
    ),
}
SEEK_LEFT = answer(
    "import os\n"
    "left = os.listdir('/tmp') + os.listdir('/dev/shm')\n"
    "left += [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()"
    " and b'python' not in open(f'/proc/{p}/cmdline', 'rb').read().split(b'\\0')[0]"
    " and p != '1']\n"
    "left += open('/proc/sysvipc/shm').read().splitlines()[1:]\n"
    "raise ValueError(f'left {left}')"
)


@pytest.mark.parametrize("name", LEAVE)
def test_nothing_can_be_left_for_a_friend(marker, name):
    marker.mark("one", attack(LEAVE[name]))
    message = marker.mark("friend", SEEK_LEFT).questions[0].message
    assert "left []" in message, message


SCAN = """
def spy():
    import ctypes
    found = []
    for line in open('/proc/self/maps'):
        place, rights, *_ = line.split()
        start, end = (int(n, 16) for n in place.split('-'))
        if 'rw' in rights and 'vvar' not in line and end - start < 2**28:
            found.append(ctypes.string_at(start, end - start))
    return b''.join(found)
def step_backward(dh, h, W_hh):
    mark = bytes([c ^ 1 for c in MARK])
    raise ValueError(f'found {spy().count(mark)}')
"""


def test_memory_holds_nothing_of_the_student_before(marker):
    """A process that all share would keep freed text and right results."""
    mark = b"the_very_own_words_of_a_good_student"
    helpers = [f"def h{i}():\n    return '{mark.decode()}' * {i}" for i in range(400)]
    all_of_them = "def use():\n    " + "\n    ".join(f"h{i}()" for i in range(400))
    good = handed_in(*helpers, all_of_them, RIGHT + "\n    use()")
    assert marker.mark("good", good).points == 6
    hidden = f"MARK = bytes({[c ^ 1 for c in mark]})"
    message = marker.mark("spy", handed_in(hidden, SCAN)).questions[0].message
    assert "found 1" in message, message  # the one that it looks for


ASKING = {  # what a later question does with an earlier one's right function
    "without end": ("steps_to_vanish", "while True: steps_to_vanish(np.eye(2), 1e-3)"),
    "with too much": (
        "step_backward",
        "while True:\n    try: step_backward(*[np.ones((2000, 2000))] * 3)\n"
        "    except ValueError: pass",
    ),
    "with nonsense": (
        "step_backward",
        "for args in ((), (1,), ('a', {}, None), ([[]],) * 9): \n"
        "    try: step_backward(*args, dh=3)\n"
        "    except ValueError: pass\n"
        "step_backward.__closure__[0].cell_contents(65, {'name': 'check', 'args': 3})",
    ),
}


@pytest.mark.parametrize("name", ASKING)
def test_an_earlier_right_function_is_no_way_to_stop_the_grader(marker, name):
    function, body = ASKING[name]
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    later = f"def clip_by_norm(grads, max_norm):\n{lines}    return grads"
    start = time.monotonic()
    wrong = f"def {function}(*a): return 0"
    questions = marker.mark("someone", handed_in(wrong, later)).questions
    assert [q.points for q in questions if q.points] == [3]
    assert time.monotonic() - start < 4 * 4 * SECONDS
    assert marker.mark("next", SOLUTION).points == 38


LARGE = {
    "a long chain": "\n".join(f"a{i} = a{i - 1}" for i in range(1, 3000)),
    "a very long line": "; ".join(f"a{i} = {i}" for i in range(3000)),
    "deep brackets": "x = " + "(" * 5000 + ")" * 5000,
    "a deep sum": "x = " + "+".join("1" for _ in range(50000)),
    "many magics": "%time 1\n" * 20000,
}


@pytest.mark.parametrize("name", LARGE)
def test_large_cells_cost_nothing_else(marker, name):
    start = time.monotonic()
    result = marker.mark("someone", handed_in(LARGE[name], RIGHT))
    assert result.points == 6
    assert time.monotonic() - start < 4 * 4 * SECONDS


def test_a_hundred_thousand_bad_cells_are_named_in_part(marker):
    result = marker.mark("someone", handed_in(*["def oops(:"] * 30_000, RIGHT))
    assert result.points == 6
    assert len(result.notes) == reading.FAULTS + 1
    assert result.notes[-1] == "so are 29980 more"


def test_what_cannot_be_opened_is_its_own_state(tmp_path):
    put = tmp_path / "in"
    for name in ("fifo", "folder", "link", "good"):
        (put / name).mkdir(parents=True)
    os.mkfifo(put / "fifo/06.ipynb")
    (put / "folder/06.ipynb").mkdir()
    (put / "good/06.ipynb").write_bytes(SOLUTION)
    (put / "link/06.ipynb").symlink_to("../good/06.ipynb")
    long = "ü" * 120
    (put / long).mkdir()
    (put / long / "06.ipynb").write_bytes(STUDENT)
    os.mkfifo(put / "other.ipynb")
    words = [put, "--exercise", "06", "--out", put / "out", "--workers", "2"]
    done = grade(*words, timeout=100)
    assert done.returncode == 0, done.stderr
    found = {r["submission"]: r for r in stored(put / "out").values()}
    reasons = {name: r["reason"] for name, r in found.items()}
    assert reasons.pop("good") == reasons.pop(long) == ""
    assert "a link to a file elsewhere" in reasons.pop("link")
    assert all("no notebook" in r or "no plain file" in r for r in reasons.values())
    assert set(reasons) == {"fifo", "folder", "other"}  # not "out"
    assert "0 graded now" in grade(*words).stdout


@pytest.mark.parametrize("text", ["{", "[]", '{"exercise": "6"}'])
def test_settings_that_are_spoilt_get_a_sentence(tmp_path, text):
    hand_in(tmp_path / "in", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.settings.json").write_text(text)
    words = [tmp_path / "in", "--exercise", "06", "--out", tmp_path / "out"]
    done = grade(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "settings" in done.stderr or "exercise" in done.stderr


def test_the_seed_is_nobody_elses(tmp_path):
    hand_in(tmp_path / "in", 1)
    old = os.umask(0)
    try:
        grade(tmp_path / "in", "--exercise", "06", "--out", tmp_path / "out")
    finally:
        os.umask(old)
    assert (tmp_path / "out/.settings.json").stat().st_mode & 0o777 == 0o600


# honest notebooks --------------------------------------------------------------------

BODY = "    dz = dh * (1 - h**2)\n    return dz, dz @ W_hh"
DEF = f"def step_backward(dh, h, W_hh):\n{BODY}"
HONESTS = {
    "Colab": (
        '#@title One step { display-mode: "form" }\nfrom google.colab import drive',
        "drive.mount('/content/drive')",
        DEF,
    ),
    "magics inside": (
        "%load_ext autoreload\n%autoreload 2",
        f"{DEF}\n\nfor n in range(3):\n    %time step_backward(1, 1, 1)\n!ls -l\n?np",
    ),
    "a magic in a function": ("def step_backward(dh, h, W_hh):\n    !ls\n" + BODY,),
    "a question in a docstring": (
        'def step_backward(dh, h, W_hh):\n    """Why does\n    it hold?\n    """\n'
        f"{BODY}\n\n%timeit 1",
    ),
    "a remainder on its own line": (
        f"%matplotlib inline\nn = (5\n    % 3)\n{DEF.replace('h**2', 'h**n')}",
    ),
    "numpy by star": (
        "from numpy import *",
        "def step_backward(dh, h, W_hh):\n    dz = dh * (1 - square(h))\n"
        "    return dz, matmul(dz, W_hh)",
    ),
    "numpy by star, in try": (
        "try:\n    from numpy import *\nexcept ImportError:\n    pass",
        "def step_backward(dh, h, W_hh):\n    dz = dh * (1 - square(h))\n"
        "    return dz, matmul(dz, W_hh)",
    ),
    "imports in try": (
        "try:\n    import cupy as xp\nexcept ImportError:\n    import numpy as xp",
        "def step_backward(dh, h, W_hh):\n    dz = dh * (1 - xp.square(h))\n"
        "    return dz, xp.matmul(dz, W_hh)",
    ),
    "a main block": (
        DEF,
        "if __name__ == '__main__':\n    h = np.ones((1, 1))\n"
        "    print(step_backward(h, h, h))",
    ),
    "defined in a condition": (
        "if np.__version__ > '1':\n    " + DEF.replace("\n", "\n    "),
    ),
    "type hints": (
        "from typing import Optional, Tuple\nfrom numpy.typing import NDArray",
        "def step_backward(dh: NDArray, h: 'NDArray', W_hh: Optional[NDArray]) -> "
        f"Tuple[NDArray, NDArray]:\n{BODY}",
    ),
    "type hints without imports": (
        "from __future__ import annotations",
        f"def step_backward(dh: Array, h: Array, W_hh: Array) -> Pair:\n{BODY}",
    ),
    "a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass Cell:\n"
        "    W: np.ndarray\n    def back(self, dz): return dz @ self.W",
        "def step_backward(dh, h, W_hh):\n    dz = dh * (1 - h**2)\n"
        "    return dz, Cell(W_hh).back(dz)",
    ),
    "a method": (
        "class Answer:\n    def step(self, dh, h, W_hh):\n"
        + BODY.replace("    ", "        "),
        "step_backward = Answer().step",
    ),
    "a static method": (
        "class Answer:\n    @staticmethod\n    def step(dh, h, W_hh):\n"
        + BODY.replace("    ", "        "),
        "step_backward = Answer.step",
    ),
    "a callable object": (
        "class Answer:\n    def __call__(self, dh, h, W_hh):\n"
        + BODY.replace("    ", "        "),
        "step_backward = Answer()",
    ),
    "nested": (
        "def make():\n    " + DEF.replace("\n", "\n    "),
        "def made():\n    " + DEF.replace("\n", "\n    ") + "\n"
        "    return step_backward",
        "step_backward = made()",
    ),
    "a decorator": (
        "import functools\ndef log(f):\n    @functools.wraps(f)\n"
        "    def inner(*a, **k): return f(*a, **k)\n    return inner",
        f"@log\n{DEF}",
    ),
    "a global": (
        "calls = 0",
        f"def step_backward(dh, h, W_hh):\n    global calls\n    calls += 1\n{BODY}",
    ),
    "a table filled later": (
        "table = {}",
        "table['n'] = 2",
        DEF.replace("h**2", "h**table['n']"),
    ),
    "a helper with a builtin's name": (
        "def pow(a): return a * a",
        DEF.replace("h**2", "pow(h)"),
    ),
    "an import of the same name that is gone": (
        "from my_solutions import step_backward",
        DEF,
    ),
    "slow experiments": (
        *(f"import time\ntime.sleep(99)\n{n} = time.sleep(99)" for n in "xyz"),
        *(f"{n} = [time.sleep(1) for _ in range(9)]" for n in ("dz", "dh", "h")),
        "W_hh = time.sleep(99)",
        DEF,
    ),
    "numpy changed in another cell": (
        "np.matmul = None",
        DEF.replace("dz @ W_hh", "np.matmul(dz, W_hh)"),
    ),
    "a name deleted": (f"{DEF}\nx = 1\ndel x",),
    "wide letters": (DEF.replace("step_backward", "ｓtep_backward"),),
    "lines of Windows": (DEF.replace("\n", "\r\n") + "\r\n%time 1\r\n",),
    "lines of an old Mac": (f"x = 1\n{DEF}\ny = 2\n".replace("\n", "\r"),),
    "one line": ("two = 2; three = 3", DEF.replace("h**2", "h**two")),
    "the walrus": ("print(two := 2)", DEF.replace("h**2", "h**2")),
    "a form feed": (f"%time 1\nx = 1\n\x0c\n{DEF}",),
    "a loop that fills": (
        "powers = []\nfor n in range(3):\n    powers.append(n)",
        DEF.replace("h**2", "h**powers[2]"),
    ),
}


@pytest.mark.parametrize("name", HONESTS)
def test_honest_notebooks_get_their_due(marker, name):
    result = marker.mark("someone", handed_in(*HONESTS[name]))
    assert [q.points for q in result.questions[:2]] == [3, 3], result.questions[0]


def test_jupyter_with_widgets_and_outputs(marker):
    book = json.loads(SOLUTION)
    book["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}
    for cell in book["cells"]:
        cell["metadata"] = {"id": "x", "colab": {"base_uri": "https://a.b"}}
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "text": ["x"] * 9}]
            cell["source"] = "".join(cell["source"]).splitlines(True)
    assert marker.mark("someone", json.dumps(book).encode()).points == 38


def test_an_earlier_function_may_be_called_by_the_names_of_its_arguments(marker):
    text = """
def states_backward(dy, h, W_hh):
    dz, dh = np.zeros_like(h), np.zeros_like(h[:, 0])
    for t in reversed(range(h.shape[1])):
        dz[:, t], dh = step_backward(h=h[:, t], dh=dy[:, t] + dh, W_hh=W_hh)
    return dz
"""
    questions = marker.mark("someone", handed_in(TURNED, text)).questions
    assert (questions[0].points, questions[2].points) == (0, 5)


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
def test_wire_has_one_error_for_what_is_no_block(data):
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


def test_torch_where_an_exercise_allows_it():
    """With torch loaded the limit of memory is as it is without: what one may add."""
    book = notebook(
        "import torch\nimport numpy as np",
        "def cube(x):\n    t = torch.tensor(x, requires_grad=True)\n"
        "    (t**3).sum().backward()\n    return t.grad.numpy()",
        "def bomb(x):\n    return torch.ones(2**29).numpy()",  # two gigabytes
        "def tensor(x):\n    return 2 * torch.tensor(x)",
    )
    x = np.arange(3.0)
    with Sandbox(packages=("numpy", "torch")) as box:
        assert not box.read(book, []).reason
        (right,) = box.call("cube", ["x"], [(x,)], 10.0)
        np.testing.assert_array_equal(right.result, 3 * x**2)
        (bomb,) = box.call("bomb", ["x"], [(x,)], 10.0)
        assert "allocate" in bomb.problem
        (tensor,) = box.call("tensor", ["x"], [(x,)], 10.0)
        np.testing.assert_array_equal(tensor.result, 2 * x)
