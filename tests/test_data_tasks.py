"""Adding, copying, parity: solved by the obvious program, and by nothing less."""

import hashlib
from functools import reduce
from operator import xor

import numpy as np
import pytest

from seqlib.data import adding_problem, copy_task, parity


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.referee("seqlib.data.adding_problem", by="by hand")
@pytest.mark.parametrize("steps", [2, 7, 50])
def test_adding_is_the_sum_of_the_marked(steps):
    x, y = adding_problem(400, rng(), steps)
    assert x.shape == (400, steps, 2)
    assert x.dtype == y.dtype == np.float32
    first, second = set(), set()
    for numbers, total in zip(x, y, strict=True):
        (a, b) = (t for t in range(steps) if numbers[t, 1] == 1)
        assert sorted(set(numbers[:, 1])) in ([0, 1], [1])
        assert a < steps // 2 <= b
        assert total == numbers[a, 0] + numbers[b, 0]
        first.add(a)
        second.add(b)
    assert len(first) == steps // 2
    assert len(second) == steps - steps // 2
    assert ((x[..., 0] >= 0) & (x[..., 0] < 1)).all()


def test_always_one_is_wrong_by_a_sixth():
    _, y = adding_problem(100_000, rng(), 4)
    assert abs(((y - 1.0) ** 2).mean() - 1 / 6) < 0.002
    assert abs(y.mean() - 1) < 0.005


@pytest.mark.referee("seqlib.data.copy_task", by="a queue")
@pytest.mark.parametrize(
    ("symbols", "length", "delay"), [(8, 10, 20), (1, 1, 1), (3, 2, 5)]
)
def test_copying_is_done_by_a_queue(symbols, length, delay):
    x, y, mask = copy_task(200, rng(), symbols, length, delay)
    assert x.shape == (200, 2 * length + delay)
    go = symbols + 1
    for read, wanted, asked in zip(x, y, mask, strict=True):
        queue, said, going = [], [], False
        for symbol in read:
            said.append(queue.pop(0) if going and queue else 0)
            if 1 <= symbol <= symbols:
                queue.append(symbol)
            going = going or symbol == go
        assert said == wanted.tolist()
        assert not queue
        assert (wanted[asked] > 0).all()
        assert not wanted[~asked].any()
        assert list(read).count(go) == 1
        assert list(read).index(go) == length + delay - 1
    assert set(x.ravel()) == set(range(symbols + 2)) - (
        {0} if delay == length == 0 else set()
    )


@pytest.mark.referee("seqlib.data.parity", by="numpy bitwise_xor")
@pytest.mark.parametrize("steps", [1, 12, (3, 9)])
def test_parity_is_exclusive_or(steps):
    bits = parity(300, rng(), steps)
    for x, running, final, mask in zip(*bits, strict=True):
        real = [int(b) for b in x[mask]]
        assert running[mask].tolist() == np.bitwise_xor.accumulate(real).tolist()
        assert final == reduce(xor, real)
        assert mask[: len(real)].all()
        assert not x[~mask].any()
        assert not running[~mask].any()
    long = bits.mask.sum(axis=1)
    assert (long.min(), long.max()) == (
        steps if isinstance(steps, tuple) else (steps,) * 2
    )


def test_who_misses_one_bit_knows_nothing():
    bits = parity(4000, rng(), 8)
    for t in range(8):
        rest = bits.x[:, np.arange(8) != t].sum(axis=1) % 2
        assert abs((rest == bits.final).mean() - 0.5) < 0.04


MAKERS = {adding_problem: "d15c", copy_task: "24e9", parity: "4295"}
NAMES = [make.__name__ for make in MAKERS]


@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_one_seed_one_task(make):
    drawn, again, other = make(20, rng(3)), make(20, rng(3)), make(20, rng(4))
    for a, b in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(drawn[0], other[0])
    rough = np.rint(drawn[0].astype(float) * 1000).astype("<i4")
    assert hashlib.sha256(rough.tobytes()).hexdigest()[:4] == MAKERS[make]


@pytest.mark.parametrize(
    ("act", "error", "sentence"),
    [
        (
            lambda: adding_problem(0, rng()),
            ValueError,
            "count must be at least 1, got 0",
        ),
        (lambda: adding_problem(1, 7), TypeError, "rng must be a numpy generator"),
        (
            lambda: adding_problem(1, rng(), 1),
            ValueError,
            "steps must be at least 2, g",
        ),
        (lambda: copy_task(0, rng()), ValueError, "count must be at least 1, got 0"),
        (lambda: copy_task(1, None), TypeError, "rng must be a numpy generator"),
        (lambda: copy_task(1, rng(), 0), ValueError, "symbols must be at least 1, got"),
        (
            lambda: copy_task(1, rng(), 2, 0),
            ValueError,
            "length must be at least 1, go",
        ),
        (
            lambda: copy_task(1, rng(), 2, 2, 0),
            ValueError,
            "delay must be at least 1, ",
        ),
        (lambda: parity(0, rng()), ValueError, "count must be at least 1, got 0"),
        (lambda: parity(1, "rng"), TypeError, "rng must be a numpy generator, .* str"),
        (lambda: parity(1, rng(), 0), ValueError, "steps must be at least 1, got 0"),
        (lambda: parity(1, rng(), (5, 2)), ValueError, "least first, got"),
        (lambda: parity(1, rng(), 2.0), TypeError, "steps must be a whole number, got"),
    ],
)
def test_wrong_arguments_are_explained(act, error, sentence):
    with pytest.raises(error, match=sentence):
        act()
