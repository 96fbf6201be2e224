"""Chapter 13's references against enumeration and the package's own searches."""

from itertools import pairwise, product
from pathlib import Path

import nbformat
import numpy as np
import pytest

from seqlib import decode
from seqlib.grading import CheckError, check
from seqlib.grading.exercises.decoding import beam, greedy, length, mend, scores

rng = np.random.default_rng(13)
V, T = 4, 4


def step_of(log_p):
    return lambda state, token: (log_p[token], state)


def begin(first):
    return None, np.array([first])


def every(log_p, first, eos):
    """All sequences and their log P, by counting."""
    found = {}
    for n in range(1, T + 1):
        for y in product(range(V), repeat=n):
            if eos not in y[:-1] and (y[-1] == eos or n == T):
                found[y] = sum(log_p[a, b] for a, b in pairwise((first, *y)))
    return found


def tables(n=20):
    return [scores.table(rng, V) for _ in range(n)]


def test_tables_hold_distributions():
    np.testing.assert_allclose(np.exp(scores.table(rng, 5, 3)).sum(axis=-1), 1)


def test_scores_and_numbers_of_sequences():
    for log_p in tables(3):
        found = every(log_p, 1, 0)
        rows = np.array([[*y, *[0] * (T - len(y))] for y in found])
        np.testing.assert_allclose(
            scores.score(log_p, 1, rows, 0), list(found.values())
        )
        assert scores.how_many(V, T) == len(found)


def test_greedy_and_the_beam_are_the_packages():
    for log_p in tables():
        step = step_of(log_p)
        ours = greedy.greedy(log_p, 1, 0, T)
        theirs, _ = decode.greedy(step, begin(1), 0, T)
        assert ours.tolist() == theirs[0].tolist()
        for width in (1, 2, 3, V**T):
            tokens, best = beam.beam_search(log_p, 1, 0, width, T)
            found, s = decode.beam_search(step, begin(1), 0, width, T)
            assert found[0, 0, : len(tokens)].tolist() == tokens.tolist()
            assert best == pytest.approx(float(s[0, 0]))
        assert best == pytest.approx(max(every(log_p, 1, 0).values()))


def test_a_step_of_a_beam_by_sorting():
    s, log_probs = -rng.random(3), np.log(rng.dirichlet(np.ones(5), 3))
    parent, token, total = beam.beam_step(s, log_probs, 4)
    pool = sorted((s[i] + log_probs[i, v], i, v) for i in range(3) for v in range(5))
    for n, (value, i, v) in enumerate(pool[::-1][:4]):
        assert (parent[n], token[n]) == (i, v)
        assert total[n] == pytest.approx(value)


def test_the_model_with_a_memory_against_enumeration():
    for _ in range(10):
        log_p = scores.table(rng, V, V)
        tokens, best = mend.search(log_p, 0, V**T, T)
        found = {}
        for n in range(1, T + 1):
            for y in product(range(V), repeat=n):
                if 0 not in y[:-1] and (y[-1] == 0 or n == T):
                    path = (0, 0, *y)
                    found[y] = sum(log_p[path[i : i + 3]] for i in range(n))
        y = max(found, key=found.get)
        assert tokens[: len(y)].tolist() == list(y)
        assert best == pytest.approx(found[y])


def test_normalised_scores_by_hand():
    order, s = length.rerank(np.array([-1.2, -2.0]), np.array([1, 7]), 1.0)
    np.testing.assert_allclose(s, [-1.2, -1.0])
    assert order.tolist() == [1, 0]


def test_the_trap_catches_the_packages_greedy():
    for factor in (2.0, 10.0, 25.0):
        P = greedy.trap(factor)
        with np.errstate(divide="ignore"):
            step = step_of(np.log(P))
        _, walked = decode.greedy(step, begin(0), 0, 4)
        _, best = decode.exhaustive_search(step, begin(0), 0, 1, 4)
        assert best[0, 0] - walked[0] > np.log(factor)
        assert greedy.judged(P, factor).tolist() == [1, 1, 3]


def test_the_broken_beam_has_both_of_its_faults():
    path = Path(__file__).parents[1] / "exercises" / "13-decoding.ipynb"
    cells = [c.source for c in nbformat.read(path, as_version=4).cells]
    (source,) = [text for text in cells if text.startswith("def broken(")]
    space = {"np": np}
    exec(source, space)
    with pytest.raises(CheckError, match="Hint: Both faults are still there"):
        check("13-5", space["broken"])
