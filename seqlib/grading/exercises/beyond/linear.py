"""Linear attention step by step, and from where on it is cheaper."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Three = tuple[Array, Array, Array]

# 20-2 --------------------------------------------------------------------------------


def run(fq: Array, fk: Array, v: Array) -> Three:
    """Return out (T, O) and the last state S (D, O), z (D,)."""
    return _run(fq, fk, v)


def _run(
    fq: Array,
    fk: Array,
    v: Array,
    late: bool = False,
    divide: str = "z",
    keep: bool = True,
    order: str = "kv",
    whole: bool = False,
    reads: str = "q",
) -> Three:
    """Run; the options are the mistakes that one can make."""
    S, z, out = np.zeros((fk.shape[1], v.shape[1]), v.dtype), 0 * fk[0], []
    total = (fk.T @ v, fk.sum(axis=0)) if whole else None
    for t in range(len(v)):
        before = S, z
        add = np.outer(fk[t], v[t]) if order == "kv" else np.outer(fq[t], v[t])
        S, z = (S + add, z + fk[t]) if keep else (add, fk[t])
        A, b = total or (before if late and t else (S, z))
        asks = fq[t] if reads == "q" else fk[t]
        by = {"z": b @ asks, "t": t + 1, "none": 1, "sum": b.sum()}[divide]
        out.append(A.T @ asks / by)
    return np.stack(out).astype(v.dtype), S, z


def _run_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, D: int, O: int, *, note: str = "") -> Case:
        fq, fk = np.exp(rng.normal(size=(2, T, D)))
        return Case(aspect, (fq, fk, rng.normal(size=(T, O))), note)

    yield case("values", *sizes(rng, 4, 2, 3))
    yield case("values", *sizes(rng, 6, 3, 2))
    yield case("sizes of 1", 1, 3, 2, note="one step")
    yield case("sizes of 1", 5, 1, 3, note="features of one number")
    args = case("", *sizes(rng, 4, 3, 2)).args
    yield Case(FLOAT32, tuple(a.astype(np.float32) for a in args))


def _run_as_a_table(fq: Array, fk: Array, v: Array) -> Three:
    table = np.tril(np.einsum("td,sd->ts", fq, fk))
    out = table @ v / table.sum(axis=1)[:, None]
    return out, fk.T @ v, fk.sum(axis=0)


def _run_double(fq: Array, fk: Array, v: Array) -> Three:
    out, S, z = run(fq.astype(float), fk.astype(float), v.astype(float))
    return out, S, z


def _in_place(fq: Array, fk: Array, v: Array) -> Three:
    found = run(fq, fk, v)
    fk[0] += 1
    return found


STEPS = Exercise(
    id="20-2",
    title="Attention with a state",
    marks={"values": 2, "sizes of 1": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=1,
    importance=3,
    minutes=15,
    returns=("out", "S", "z"),
    reference=run,
    cases=_run_cases,
    mistakes={
        "Step t reads the state of the step before: add its own key and value first.": (
            partial(_run, late=True)
        ),
        "The weights do not add up to 1: divide by z and the query's features.": (
            partial(_run, divide="none")
        ),
        "This divides by the number of steps; divide by the sum of the weights, "
        "z times the query's features.": partial(_run, divide="t"),
        "This divides by the sum of z; the query's features weigh its entries.": (
            partial(_run, divide="sum")
        ),
        "The state is written anew on each step; it is a sum over all steps so far.": (
            partial(_run, keep=False)
        ),
        "S adds up the keys' features times the values; here it has the queries'.": (
            partial(_run, order="qv")
        ),
        "Each step sees the whole text, future included: use the running sums.": (
            partial(_run, whole=True)
        ),
        "The state is read with the query's features, not with the key's.": (
            partial(_run, reads="k")
        ),
        "float32 goes in and float64 comes out: keep the precision that you are "
        "given.": _run_double,
        "This writes into the arrays that it was given; make new ones.": _in_place,
    },
    also_right=(_run_as_a_table,),
)

# 20-3 --------------------------------------------------------------------------------


def first_dearer(D: int, O: int) -> int:
    """Return the first t at which 2 t (D + O) is more than 4 D (O + 1)."""
    return 2 * D * (O + 1) // (D + O) + 1


def _dearer_cases(rng: Rng) -> Iterator[Case]:
    for _ in range(4):
        D, O = sizes(rng, 5, 9)
        yield Case("values", (8 * D + 1, O), "sizes that are not alike")
    yield Case("values", (64, 64), "the chapter's sizes")
    n = int(rng.integers(5, 90))
    for D, O in ((n, n), (1, n), (3, 9)):
        yield Case("exactly equal", (D, O), "sizes where the two costs meet exactly")


def _dearer_by_counting(D: int, O: int) -> int:
    t = 1
    while 2 * t * (D + O) <= 4 * D * (O + 1):
        t += 1
    return t


CHEAPER = Exercise(
    id="20-3",
    title="Predict, then count: when does a state pay?",
    marks={"values": 2, "exactly equal": 1},
    difficulty=1,
    importance=2,
    minutes=10,
    returns=("t",),
    reference=first_dearer,
    cases=_dearer_cases,
    mistakes={
        "At this t both cost less or the same: the *first* t is asked at which softmax "
        "attention costs more.": lambda D, O: 2 * D * (O + 1) // (D + O),
        "Where both cost the same softmax attention is not dearer yet: more than, not "
        "at least.": lambda D, O: -(-2 * D * (O + 1) // (D + O)),
        "z is forgotten: the state has O + 1 columns.": (
            lambda D, O: 2 * D * O // (D + O) + 1
        ),
        "The state is written *and* read: twice 2 D (O + 1) operations.": (
            lambda D, O: D * (O + 1) // (D + O) + 1
        ),
        "Softmax attention compares *and* averages: 2 t D and 2 t O operations.": (
            lambda D, O: 2 * D * (O + 1) // D + 1
        ),
        "Tokens are counted in whole numbers.": (
            lambda D, O: 2 * D * (O + 1) / (D + O) + 0.5
        ),
    },
    also_right=(_dearer_by_counting,),
)
