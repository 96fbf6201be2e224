"""verify and refute: what they accept, what they refuse, what they say."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from seqlib._expressions import Source
from seqlib.ledger import MIME, refute, verify

A = np.array([1.0, 2.0, 3.0])
B = A + np.array([0, 1e-14, 0])


def check(left, right, tag="6.3", by="autograd", within=1e-12):
    verify(tag, left, right, by=by, within=within)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (A, B),
        (torch.tensor(A, requires_grad=True), B),
        (A, torch.tensor(B)),
        ([1, 2, 3], A),
        ((1.0, 2.0), [1, 2]),
        (2.0, np.float64(2)),
        ([torch.tensor(1.0), torch.tensor(2.0)], [1.0, 2.0]),
        ([A, A[None]], [B, B[None]]),
        ((A, 2.0), [torch.tensor(B), 2.0]),
        ([[1, 2], [3, 4]], np.arange(1, 5).reshape(2, 2)),
        (A.astype("float32"), B),
        (A + 1j, B + 1j),
    ],
)
def test_sides_that_agree(left, right, capsys):
    check(left, right)
    assert capsys.readouterr().out == "✓ (6.3) by autograd, within 1e-12\n"


def test_a_tolerance_reads_as_written(capsys):
    check(A, B, within=1e-7)
    assert capsys.readouterr().out == "✓ (6.3) by autograd, within 1e-7\n"


def test_a_false_equation_says_where():
    left, right = np.ones((2, 3)), np.ones((2, 3))
    left[1, 2] = 1.5
    with pytest.raises(AssertionError) as error:
        check(left, right)
    assert str(error.value) == (
        "(6.3) does not hold by autograd: the relative error is 0.5, more than the "
        "1e-12 allowed; worst at [1, 2], where left is 1.5 and right is 1"
    )


def test_each_array_of_a_list_has_its_own_scale():
    with pytest.raises(AssertionError, match=r"worst in array 1 at \[0\], where"):
        check([np.full(1, 1e9), np.full(1, 1.1)], [np.full(1, 1e9), np.ones(1)])


def test_an_erratum_that_is_wrong_and_one_that_is_right(capsys):
    refute("E6", A + 1, A, by="autograd", within=1e-3)
    assert capsys.readouterr().out == "✗ (E6) refuted by autograd\n"
    with pytest.raises(AssertionError, match=r"\(E6\) is not refuted by autograd"):
        refute("E6", B, A, by="autograd", within=1e-3)


def test_whole_numbers_do_not_wrap_around():
    with pytest.raises(AssertionError):
        check(np.array([3], "uint8"), np.array([5], "uint8"))
    with pytest.raises(AssertionError):
        check(np.array([True, True]), np.array([True, False]))


X = np.ones(4)


@pytest.mark.parametrize(
    ("left", "right", "sentence"),
    [
        (X[:2], X[1:3], "left and right share one memory"),
        (X, torch.from_numpy(X), "left and right share one memory"),
        ([A, X], [B, X[::-1]], r"share one memory \(array 1\)"),
        (np.zeros(3), A, "left is all zero"),
        (A, np.zeros(3), "right is all zero"),
        ([A, np.zeros(2)], [B, np.zeros(2)], "left is all zero"),
        (np.ones(0), np.ones(0) + 2, "left is empty"),
        ([], [1.0], "left is empty"),
        (A, A * np.nan, "right has entries that are inf or nan"),
        (A, [1, np.inf, 1], "inf or nan"),
        (A, B[None], r"shapes differ: left \(3,\), right \(1, 3\)"),
        (1.0, np.array([1.0]), "shapes differ"),
        ([A, A[:2]], [B], "left has 2 arrays, right has 1"),
        ("abc", A, "left must be an array of numbers"),
        ({"x": A}, A, "left must be an array of numbers"),
        ([[1, 2], [3]], A, "left must be an array of numbers"),
        (None, A, "left must be an array of numbers"),
    ],
)
@pytest.mark.parametrize("kind", ["verify", "refute"])
def test_what_proves_nothing_is_refused(kind, left, right, sentence):
    call, tag = {"verify": (verify, "6.3"), "refute": (refute, "E6")}[kind]
    with pytest.raises(ValueError, match=sentence):
        call(tag, left, right, by="autograd", within=1e-3)


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"within": 0}, "within must be above 0"),
        ({"within": -1e-3}, "within must be above 0"),
        ({"within": 0.2}, "at most 0.1"),
        ({"within": float("nan")}, "at most 0.1"),
        ({"by": ""}, "say by what"),
        ({"by": "  "}, "say by what"),
        ({"by": None}, "say by what"),
        ({"tag": "E6"}, 'a tag like "6.3"'),
        ({"tag": "06.3"}, 'a tag like "6.3"'),
        ({"tag": 6.3}, 'a tag like "6.3"'),
    ],
)
def test_arguments_that_make_no_sense(keywords, sentence):
    with pytest.raises(ValueError, match=sentence):
        check(A, B, **keywords)


def test_refute_takes_only_errata():
    with pytest.raises(ValueError, match='a tag like "E6"'):
        refute("6.3", A + 1, A, by="autograd", within=1e-3)


# One expression on both sides, whatever it wears.

SAME = [
    "x, x",
    "x, x.copy()",
    "x.copy(), x.copy()",
    "np.array(x), x * 1",
    "np.asarray(x) + 0, x",
    "0 + x, +x",
    "--x, x",
    "x / 1, x ** 1",
    "x[:], x[...]",
    "x.T.T, x",
    "torch.tensor(x), torch.as_tensor(x).clone().detach().numpy().copy()",
    "f(x), f(x)",
    "f(x.copy()), f(x)",
    "list(x), x.tolist()",
    "x.astype(float), x",
    "[f(x), g(x)], [g(x), g(x)]",
    "[f(x)], (f(x.copy()),)",
    "right=x, left=x.copy()",
    "x, (y := x.copy())",
    "x.copy().reshape(x.shape), x",
    "x[:, :], x",
    "np.round(x, 6), x.ravel()",
    "*(x, x.copy())",
]
ALIASES = [
    "y = x.copy()\n@ x, y",
    "y = x\nz = y + 0\n@ z, x",
    "y = f(x)\nz = f(x)\n@ y, z",
    "y = f(x)\n@ g(y), g(f(x))",
    "y: float = f(x)\n@ y, f(x)",
    "y, cache = f(x)\nz, _ = f(x.copy())\n@ y, z",
    "y, z = x, x.copy()\n@ y, z",
    "y = z = f(x)\n@ y, z.copy()",
    "with torch.no_grad():\n    y = f(x)\n@ y, f(x)",
    "for k in range(3):\n    y = f(k)\n    @ f(k), y",
    "def test(x):\n    y = f(x)\n    @ f(x), y",
    "ys = [f(x), g(x)]\n@ ys, [g(x), g(x)]",
    "if True:\n    y = x.copy()\n    @ x, y",
    "from a import f\nfrom a import f as g\n@ f(x), g(x)",
    "g = W.grad\n@ g.clone(), g",
    "@ W.grad, W.grad.clone()",
]
DIFFERENT = [
    "@ f(x), g(x)",
    "@ x, x + 1",
    "@ x, x * 2",
    "@ x - 0.5, 0.5 - x",
    "@ [f(x), g(x)], [g(x), f(x)]",
    "y = f(x)\nx = 2 * x\n@ y, f(x)",
    "y = x.copy()\ny += 1\n@ x, y",
    "y = x.copy()\ny[0] = 1\n@ x, y",
    "y = x.copy()\ny.sort()\n@ x, y",
    "y = x\nfor k in range(3):\n    y = f(y)\n@ y, x",
    "y = x\nif x.any():\n    y = f(x)\n@ y, x",
    "y, z = f(x)\n@ y, z",
    "a = W.grad.clone()\nL.backward()\nb = W.grad.clone()\n@ a, b",
    "def f(x): return 2 * x\ny = f(x)\ndef f(x): return x + x\n@ y, f(x)",
    "ys = []\nfor k in range(3):\n    ys.append(k)\nzs = []\n@ ys, zs",
    "from a import f\ny = f(x)\nfrom b import f\n@ y, f(x)",
    "@ x.T, x",
    "@ x[0], x[1]",
    "@ x[:, 0], x",
    "@ np.exp(x), np.log(x)",
    "@ f(*x), f(x)",
    "@ [1e9, f(x)], [1e9, g(x)]",
    "@ x[:, 0], x[:, 1]",
]


def read(code):
    lines = code.replace("right=x, left=x.copy()", "left=x.copy(), right=x")
    lines = [
        line.replace("@ ", 'verify("6.3", ') + ")" if "@ " in line else line
        for line in lines.split("\n")
    ]
    (call,) = Source().calls("\n".join(lines))
    assert call.tag == "6.3"
    return call.twice


@pytest.mark.parametrize("code", ["@ " + pair for pair in SAME] + ALIASES)
def test_one_expression_twice_is_seen(code):
    assert read(code)


@pytest.mark.parametrize("code", DIFFERENT)
def test_two_expressions_are_not_taken_for_one(code):
    assert not read(code)


@given(
    st.lists(
        st.sampled_from(
            ["{}.copy()", "np.array({})", "{} + 0", "1 * {}", "({})[:]", "+({})"]
        ),
        max_size=6,
    )
)
def test_any_pile_of_wrappers_is_taken_off(wrappers):
    code = "f(x)"
    for wrapper in wrappers:
        code = wrapper.format(f"({code})")
    assert read(f"@ f(x), {code}")


def test_names_of_an_earlier_cell_are_known():
    source = Source()
    assert source.calls("y = f(x)") == []
    (call,) = source.calls('ledger.refute("E6", y, f(x.copy()), by="b", within=0.1)')
    assert (call.kind, call.tag, call.literal("within")) == ("refute", "E6", 0.1)
    assert call.twice == "y"


def test_a_tag_that_is_no_literal():
    (call,) = Source().calls('verify(tag, a, b, by="autograd", within=1e-3)')
    assert call.tag is None


def test_a_running_call_knows_its_own_source():
    same = A.copy()
    with pytest.raises(ValueError, match="A is compared with itself"):
        verify("6.3", A, same, by="autograd", within=1e-3)
    with pytest.raises(ValueError, match=r"A \* 1 is compared with itself"):
        verify(
            "6.3",
            A * 1,
            np.array(A),
            by="autograd",
            within=1e-3,
        )


@pytest.fixture(scope="module")
def shell():
    """An interactive IPython, as a notebook's kernel has."""
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def run_cell(shell, code):
    result = shell.run_cell(code)
    return result.error_in_exec or result.error_before_exec


CELL = """
import numpy as np
from seqlib.ledger import verify
x = np.arange(1.0, 4.0)
verify("6.3", {}, by="auto<grad>", within=1e-12)
"""


def test_one_output_with_a_record(shell, monkeypatch):
    shown = []
    monkeypatch.setattr(
        shell.display_pub, "publish", lambda data, **more: shown.append(data)
    )
    assert run_cell(shell, CELL.format("x + x, 2 * x")) is None
    text = "✓ (6.3) by auto<grad>, within 1e-12"
    assert shown == [
        {
            "text/plain": text,
            "text/html": '<div class="seqlib-verified"><b>✓</b> (6.3) by '
            "auto&lt;grad&gt;, within 1e-12</div>",
            MIME: {
                "tag": "6.3",
                "kind": "verify",
                "by": "auto<grad>",
                "within": 1e-12,
            },
        }
    ]


def test_a_cell_that_compares_a_thing_with_itself(shell):
    error = run_cell(shell, CELL.format("x, x.copy()"))
    assert str(error) == "(6.3): x is compared with itself"


def test_numpy_is_all_that_it_imports():
    code = (
        "import sys, seqlib.ledger;"
        "sys.exit(bool({'torch', 'IPython'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
