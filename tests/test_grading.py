"""The proof of the grader: right answers get all points, mistakes lose some and learn.

Everything here runs over all exercises of all chapters, so a new one is covered as soon
as it is listed in seqlib/grading/exercises/__init__.py.
"""

import functools
import subprocess
import sys
import time

import numpy as np
import pytest

from seqlib.grading import CheckError, check
from seqlib.grading.compare import difference, leaves
from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises import CHAPTERS, chapter, find
from seqlib.grading.judge import Judge
from seqlib.grading.outcome import call, plain

ALL = [e for number in CHAPTERS for e in chapter(number).values()]
SEEDS = [6, 1, 2, 3]
BANK = [
    pytest.param(e, hint, id=f"{e.id}-{i}")
    for e in ALL
    for i, hint in enumerate(e.mistakes)
]
RIGHT = [
    pytest.param(e, f, id=f"{e.id}-{i}")
    for e in ALL
    for i, f in enumerate((e.reference, *e.also_right))
]


def verdict(exercise: Exercise, function, seed=SEEDS[0]):
    cases = exercise.draw(seed)
    return Judge(exercise, cases)([call(function, case) for case in cases])


def message(id: str, function) -> str:
    with pytest.raises(CheckError) as error:
        check(id, function)
    return str(error.value)


# the bank ----------------------------------------------------------------------------


@pytest.mark.parametrize(("exercise", "hint"), BANK)
def test_every_mistake_loses_points_and_earns_its_hint(exercise, hint):
    wrong = exercise.mistakes[hint]
    for seed in SEEDS:
        found = verdict(exercise, wrong, seed)
        assert found.points < exercise.points
        assert hint in {fault.hint for fault in found.faults.values()}, found
    text = message(exercise.id, wrong)
    assert text.endswith(f"\nHint: {hint}"), text
    assert len(text.split("\n")) == 3


@pytest.mark.parametrize(("exercise", "right"), RIGHT)
def test_right_answers_get_all_points(exercise, right):
    for seed in SEEDS:
        found = verdict(exercise, right, seed)
        assert found.points == exercise.points, found


REWRITTEN = {
    "partial": lambda f: functools.partial(f),
    "any arguments": lambda f: lambda *args: f(*args),
    "lists": lambda f: lambda *args: _lists(f(*args)),
    "fortran order": lambda f: lambda *args: _each(_fortran, f(*args)),
    "a subclass": lambda f: lambda *args: _each(lambda a: a.view(Sub), f(*args)),
    "float32": lambda f: lambda *args: _each(_float32, f(*_each(_float32, args))),
    "in place on copies": lambda f: lambda *args: _in_place(f, args),
    "read only": lambda f: lambda *args: _each(_frozen, f(*args)),
}


class Sub(np.ndarray):
    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0


def _each(change, tree):
    if isinstance(tree, list | tuple):
        return type(tree)(_each(change, item) for item in tree)
    return change(np.asarray(tree)) if isinstance(tree, np.ndarray | float) else tree


def _lists(tree):
    if isinstance(tree, list | tuple):
        return [_lists(item) for item in tree]
    return tree if np.ndim(tree) == 0 or tree.dtype == "float32" else tree.tolist()


def _float32(array):
    return array.astype("float32") if array.dtype == float else array


def _in_place(f, args):
    args = _each(np.copy, args)
    result = _each(np.copy, f(*args))
    _each(lambda array: array.fill(0), args)
    return result


def _fortran(array):
    return np.array(array, order="F")


def _frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def counts(exercise):
    """Tell whether the answer is a count, which float32 may turn out one higher."""
    right = call(exercise.reference, exercise.draw(0)[0]).result
    return all(leaf.dtype.kind == "i" for leaf in leaves(right))


CLOTHES = [
    pytest.param(exercise, way, id=f"{exercise.id}-{way}")
    for exercise in ALL
    for way in REWRITTEN
    if not (way == "float32" and counts(exercise))
]


@pytest.mark.parametrize(("exercise", "way"), CLOTHES)
def test_the_reference_in_other_clothes(exercise, way):
    function = REWRITTEN[way](exercise.reference)
    found = verdict(exercise, function)
    assert found.points == exercise.points, found


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
def test_doing_nothing_earns_nothing(exercise):
    def unwritten(*args):
        raise NotImplementedError

    for lazy in (unwritten, lambda *args: None, lambda *args: 0, lambda *args: args):
        assert verdict(exercise, lazy).points == 0
    assert (
        message(exercise.id, unwritten) == f"✗ {exercise.name}: it is not written yet."
    )


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
def test_a_description_is_complete(exercise):
    number = int(exercise.id.partition("-")[0])
    assert find(exercise.id) is chapter(number)[exercise.id]
    assert {exercise.difficulty, exercise.importance} <= {1, 2, 3}
    assert exercise.minutes >= 5
    assert all(points >= 1 for points in exercise.marks.values())
    assert len(exercise.mistakes) >= 4
    assert len(exercise.also_right) >= 1
    assert exercise.reference.__doc__
    cases = exercise.draw(0)
    assert {case.aspect for case in cases} == set(exercise.marks) - {INPUTS}
    for hint in exercise.mistakes:
        assert hint.endswith(".")
        assert "\n" not in hint
    for case in cases:
        assert len(case.args) == len(exercise.parameters)


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
def test_cases_come_from_the_seed_alone(exercise):
    def args(seed):
        return plain([case.args for case in exercise.draw(seed)])

    assert not difference(["a"], args(1), args(1))
    assert difference(["a"], args(1), args(2))


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
def test_a_check_is_quick(exercise):
    start = time.process_time()
    with pytest.raises(CheckError):
        check(exercise.id, next(iter(exercise.mistakes.values())))
    assert time.process_time() - start < 1


# the references are themselves checked against other code ---------------------------


def torch_rnn(*sizes, **options):
    """Return torch's network in float64 and, for each layer and way, W_ih, W_hh, b."""
    import torch

    torch.manual_seed(5)
    network = torch.nn.RNN(*sizes, batch_first=True, **options).double()
    p = {name: w.detach().numpy() for name, w in network.named_parameters()}
    ends = [name.removeprefix("weight_ih") for name in p if "weight_ih" in name]
    return network.requires_grad_(False), [
        (p[f"weight_ih{e}"], p[f"weight_hh{e}"], p[f"bias_ih{e}"] + p[f"bias_hh{e}"])
        for e in ends
    ]


def close(ours, torchs):
    np.testing.assert_allclose(ours, torchs.numpy(), rtol=1e-10, atol=1e-15)


def test_chapter_5_steps_against_torch():
    import torch

    from seqlib.grading.exercises.rnn import over_time, products, step

    rng = np.random.default_rng(2)
    B, T, D, H = 3, 5, 2, 4
    x, h = rng.normal(size=(B, T, D)), rng.normal(size=(B, H))
    cell = torch.nn.RNNCell(D, H).double().requires_grad_(False)
    names = "weight_ih", "weight_hh", "bias_ih", "bias_hh"
    parameters = [cell.state_dict()[name].numpy() for name in names]
    right = cell(torch.tensor(x[:, 0]), torch.tensor(h))
    close(step.rnn_step(x[:, 0], h, *parameters), right)

    ids = torch.tensor(rng.integers(0, D, (B, T)))
    right = torch.nn.functional.one_hot(ids, D).double() @ cell.weight_ih.T
    close(step.word_shares(ids.numpy(), parameters[0]), right)

    network, (weights,) = torch_rnn(D, H)
    right, _ = network(torch.tensor(x), torch.tensor(h)[None])
    close(over_time.unroll(x, h, *weights), right)
    close(over_time.unroll_by_units(x[0], h[0], *weights), right[0])

    P, Q, R = (rng.normal(size=(n, 2)) for n in (3, D, H))
    product = torch.nn.Bilinear(D, H, 3, bias=False).double().requires_grad_(False)
    box = P[:, None, None] * Q[:, None] * R  # (m, n, d, F)
    product.weight[:] = torch.tensor(box.sum(axis=-1))
    right = product(torch.tensor(x[:, 0]), torch.tensor(h))
    close(products.multiply(x[:, 0], h, P, Q, R), right)


def test_chapter_5_switch_in_torch():
    import torch

    from seqlib.grading.exercises.rnn.switch import switch

    network, _ = torch_rnn(4, 1)
    word, w, b = np.split(switch(2, 0, 4), [4, 5])
    values = word[None], w[None], b, [0]
    for parameter, value in zip(network.parameters(), values, strict=True):
        parameter[:] = torch.tensor(value)
    text = [3, 0, 2, 2, *[1, 3] * 200, 0, 1, 0, 2]
    h, _ = network(torch.eye(4).double()[text])
    on = [False, False, *[True] * 402, False, False, False, True]
    assert ((h[:, 0] > 0.9).tolist(), (h[:, 0] > 0.1).tolist()) == (on, on)


def test_chapter_5_networks_against_torch():
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    from seqlib.grading.exercises.rnn import directions, layers, padding
    from seqlib.recurrent import recurrent

    rng = np.random.default_rng(3)
    B, T, D, H = 3, 6, 2, 4
    x = rng.normal(size=(B, T, D))
    network, weights = torch_rnn(D, H, num_layers=3)
    ours = layers.deep(x, *map(list, zip(*weights, strict=True)))
    for mine, right in zip(ours, network(torch.tensor(x)), strict=True):
        close(mine, right)
    for L, r, bias in (1, 1, True), (3, 2, True), (2, 2, False), (4, 1, False):
        other = torch.nn.RNN(D, H, L, bidirectional=r == 2, bias=bias)
        number = sum(w.numel() for w in other.parameters())
        assert layers.count_parameters(D, H, L, r, bias) == number

    lengths = np.array([4, 6, 1])
    packed = pack_padded_sequence(
        torch.tensor(x), lengths, batch_first=True, enforce_sorted=False
    )
    for both in False, True:
        network, weights = torch_rnn(D, H, bidirectional=both)
        y, last = network(packed)
        y, _ = pad_packed_sequence(y, batch_first=True)
        mask = np.arange(T) < lengths[:, None]
        if both:
            y_ours, last_ours = directions.both_ways(x, lengths, *weights)
        else:
            y_ours, last_ours = padding.ragged(x, mask, *weights[0])
        close(y_ours, y)
        close(last_ours, torch.cat(list(last), dim=-1))

    mask = rng.random((B, T)) < 0.5
    W_ih, W_hh, b = weights[0]
    names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
    parameters = dict(zip(names, (W_ih, W_hh, b, 0 * b), strict=True))
    y, (last,), _ = recurrent("rnn", x, None, parameters, mask)
    y_ours, last_ours = padding.ragged(x, mask, W_ih, W_hh, b)
    np.testing.assert_allclose(y_ours, y, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(last_ours, last[0], rtol=1e-10, atol=1e-15)


def test_chapter_6_references_against_recurrent_backward():
    from seqlib.grading.exercises.bptt import one_step, padding, through_time
    from seqlib.recurrent import init_params, recurrent, recurrent_backward

    rng = np.random.default_rng(0)
    B, T, D, H = 3, 6, 2, 4
    params = init_params("rnn", D, H, rng=rng)
    W = params["weight_hh_l0"]
    x, h0 = rng.normal(size=(B, T, D)), rng.normal(size=(1, B, H))
    dy, dlast = rng.normal(size=(B, T, H)), rng.normal(size=(B, H))
    y, _, cache = recurrent("rnn", x, (h0,), params)
    dx, _, grads = recurrent_backward(dy, None, cache)
    dz = through_time.states_backward(dy, y, W)
    h = np.concatenate([h0.transpose(1, 0, 2), y], axis=1)
    ours = through_time.weights_backward(dz, x, h)
    names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0"
    for mine, name in zip(ours, names, strict=True):
        np.testing.assert_allclose(mine, grads[name], rtol=1e-10)
    np.testing.assert_allclose(dz @ params["weight_ih_l0"], dx, rtol=1e-10)
    dz_one, _ = one_step.step_backward(dy[:, -1], y[:, -1], W)
    np.testing.assert_allclose(dz[:, -1], dz_one)

    mask = np.arange(T) < np.array([[6], [2], [4]])
    y, _, cache = recurrent("rnn", x, (h0,), params, mask)
    dx, _, _ = recurrent_backward(None, (dlast[None],), cache)
    dz = padding.ragged_backward(dlast, y, W, mask)
    np.testing.assert_allclose(dz @ params["weight_ih_l0"], dx, rtol=1e-10, atol=1e-15)


def test_chapter_6_flow_against_differences_and_the_recursion():
    from seqlib.grading.exercises.bptt import flow, one_step, truncation

    rng = np.random.default_rng(1)
    b, c = rng.normal(size=(5, 3)), rng.normal(size=(5, 3, 3))
    a = np.zeros(3)
    for t in range(5):
        a = b[t] + c[t] @ a
    np.testing.assert_allclose(one_step.contributions(b, c).sum(axis=0), a)

    W, z = rng.normal(size=(3, 3)), rng.normal(size=(4, 3))

    def run(h):
        states = [h]
        for z_t in z:
            states.append(np.tanh(W @ states[-1] + z_t))
        return np.array(states)

    def slope(direction, e=1e-6):
        ahead, behind = run(h0 + e * direction)[-1], run(h0 - e * direction)[-1]
        return (ahead - behind) / (2 * e)

    h0 = rng.normal(size=3)
    J = np.stack([slope(direction) for direction in np.eye(3)], axis=1)
    np.testing.assert_allclose(
        flow.gradient_norm(run(h0)[1:], W), np.linalg.norm(J, 2), rtol=1e-6
    )
    assert flow.steps_to_vanish(np.array([[0.5]]), 1e-3) == 10
    p, u = np.array([0.3, 0.6, 0.9]), rng.random((200_000, 3))
    b, c = np.array([1.0, 2, 3]), np.array([0.5, 0.7, 1.1])
    estimates = truncation.random_truncation(b, c, p, u)
    exact = 3 + 1.1 * (2 + 0.7)
    assert abs(estimates.mean() - exact) < 5 * estimates.std() / np.sqrt(len(u))


# what is not an answer at all -------------------------------------------------------


def generator(dh, h, W_hh):
    yield dh


async def coroutine(dh, h, W_hh):
    return dh


def crash(dh, h, W_hh):
    return dh[99]


def leave(dh, h, W_hh):
    sys.exit()


def endless():
    a = []
    a.append(a)
    return a


class Speechless(Exception):
    def __str__(self):
        raise RuntimeError


def speechless(dh, h, W_hh):
    raise Speechless


class Liar:
    def __eq__(self, other):
        return True


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "the function step_backward itself is needed, without a call; got None"),
        (3.0, "got an object of type float"),
        (np.zeros(3), "got an object of type ndarray"),
        (Liar, "got the class Liar"),
        (lambda dh: dh, r"must take the arguments (dh, h, W_hh), yours takes (dh)"),
        (lambda: 0, r"must take the arguments (dh, h, W_hh), yours takes ()"),
        (generator, "with return instead of yield"),
        (lambda *a: generator(*a), "not a generator: use return instead of yield"),
        (coroutine, "write def instead of async def"),
        (crash, "`return dh[99]`, raised IndexError: index 99 is out of bounds"),
        (leave, "`sys.exit()`, raised SystemExit"),
        (lambda dh, h, W: Liar(), "must return arrays or numbers, not a Liar"),
        (lambda dh, h, W: np.array([Liar()]), "numbers, not an array of object"),
        (lambda dh, h, W: None, "must return 2 results (dz, dh_prev), got None"),
        (
            lambda dh, h, W: dh,
            "must return 2 results (dz, dh_prev), got an array of shape (",
        ),
        (lambda dh, h, W: (dh, h, W), "(dz, dh_prev), got 3 results"),
        (lambda dh, h, W: (dh, h), "dz has a wrong value at [0, 0]: expected"),
        (lambda dh, h, W: (dh[0], h), "dz has the wrong shape: expected ("),
        (lambda dh, h, W: (dh + 1j, h), "dz must hold real numbers, got complex128"),
        (lambda dh, h, W: (dh * np.nan, h), "got nan ("),
        (lambda dh, h, W: ([[1], [1, 2]], h), "dz must be an array of shape ("),
        (lambda *a: endless(), "must return arrays, not a list that holds itself"),
        (speechless, "raised Speechless"),
        (np.add, "it raised ValueError: operands could not be broadcast"),
        (len, "it must take the arguments (dh, h, W_hh), yours takes (obj)"),
    ],
)
def test_a_kind_sentence(answer, said):
    text = message("6-1", answer)
    assert text.startswith("✗ 6-1 step_backward")
    assert said in text, text
    assert len(text) < 400


def test_success_is_one_line(capsys):
    from seqlib.grading.exercises.bptt.one_step import step_backward

    check("6-1", step_backward)
    assert capsys.readouterr().out == "✓ 6-1 step_backward: right, 3 of 3 points\n"


@pytest.mark.parametrize("id", ["6-99", "99-1", "", "bptt", None, 6.1])
def test_an_unknown_id(id):
    with pytest.raises(ValueError, match=r"no exercise 6-99, only 6-1 to|like \"6-1\""):
        check(id, len)


def test_half_precision_is_no_excuse():
    from seqlib.grading.exercises.bptt.one_step import step_backward

    def sloppy(*args):
        return [np.asarray(1.006 * a, np.float16) for a in step_backward(*args)]

    assert "dz has a wrong value" in message("6-1", sloppy)


def test_partial_credit_by_aspect():
    exercise = find("6-3")
    in_float64 = next(f for h, f in exercise.mistakes.items() if "float64" in h)
    found = verdict(exercise, in_float64)
    assert list(found.faults) == [FLOAT32]
    assert found.points == exercise.points - exercise.marks[FLOAT32]
    assert "(4 of 5 points so far)" in message("6-3", in_float64)


def test_a_changed_argument_is_named():
    def careless(grads, max_norm):
        new = [g.copy() for g in exercise.reference(grads, max_norm)]
        grads[0][0] = 7
        return new

    exercise = find("6-8")
    assert "it changes its argument grads in place" in message("6-8", careless)
    assert list(verdict(exercise, careless).faults) == [INPUTS]


def test_one_wrong_entry_in_a_thousand_is_seen():
    right = (np.linspace(1, 2, 1000),)
    wrong = right[0].copy()
    wrong[500] *= 1 + 1e-6
    assert "(1 of 1000 entries differ)" in difference(["x"], right, (wrong,))
    assert not difference(["x"], right, (wrong,), width=4)
    assert not difference(["x"], right, (right[0] * (1 + 1e-12),))


def test_functions_see_copies():
    args = (np.ones(2),)
    call(lambda a: a.fill(0), Case("values", args))
    assert args[0].all()


def test_the_message_has_no_traceback_in_ipython():
    from IPython.testing.globalipapp import start_ipython

    shell = start_ipython() or sys.modules["IPython"].get_ipython()
    shell.run_cell("from seqlib.grading import check")
    from IPython.utils.capture import capture_output

    with capture_output() as seen:
        shell.run_cell("check('6-1', None)")
    assert "step_backward itself" in seen.stdout
    assert "Traceback" not in seen.stdout
    assert "seqlib/grading" not in seen.stdout
    assert len(seen.stdout.strip().split("\n")) == 1


def test_the_import_needs_numpy_alone():
    code = (
        "import sys; from seqlib.grading import check; check('6-1', lambda a, b, c: a)"
    )
    loaded = (
        "import sys; import seqlib.grading; "
        "print([m for m in ('torch', 'nbformat', 'IPython') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "CheckError: ✗ 6-1" in done.stderr
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


def test_a_result_too_large_to_copy_is_said_to_be():
    class Large:
        def __array__(self, *_, **__):
            raise MemoryError

    case = find("6-1").draw(1)[0]
    found = call(lambda *args: Large(), case)
    assert found.problem == "it must return less: there is no memory for a copy of it"
