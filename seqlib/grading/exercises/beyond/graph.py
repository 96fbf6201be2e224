"""One head of graph attention: N nodes of D numbers, O after the projection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Pair = tuple[Array, Array]


def _leaky(z: Array) -> Array:
    return np.where(z > 0, z, 0.2 * z)


# 20-4 --------------------------------------------------------------------------------


def attend(x: Array, adjacency: Array, W: Array, a_q: Array, a_k: Array) -> Pair:
    """Return the nodes (N, O) and the weights (N, N); row i receives."""
    return _attend(x, adjacency, W, a_q, a_k)


def _attend(
    x: Array,
    adjacency: Array,
    W: Array,
    a_q: Array,
    a_k: Array,
    bend: Callable[[Array], Array] = _leaky,
    loops: bool = True,
    masked: str = "before",
    turned: bool = False,
    swapped: bool = False,
    dot: bool = False,
    axis: int = 1,
) -> Pair:
    """Attend; the options are the mistakes that one can make."""
    v = x @ W.T
    a_q, a_k = (a_k, a_q) if swapped else (a_q, a_k)
    e = v @ v.T if dot else bend((v @ a_q)[:, None] + (v @ a_k)[None])
    mask = adjacency.T if turned else adjacency
    mask = mask | np.eye(len(x), dtype=bool) if loops else mask
    e = e if masked in ("never", "after") else np.where(mask, e, -np.inf)
    with np.errstate(all="ignore"):
        p = np.exp(e - e.max(axis=axis, keepdims=True))
        p = p / p.sum(axis=axis, keepdims=True)
    p = p * mask if masked == "after" else p
    return p @ v, p


def _attend_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, N: int, D: int, O: int, density: float, note: str) -> Case:
        near = rng.random((N, N)) < density
        near[0, 1], near[1, 0], near[N - 1, 0] = True, False, True  # directed
        near[0, N - 1] = False
        np.fill_diagonal(near, np.arange(N) % 2 == 0)
        W = 1.5 * rng.normal(size=(O, D))
        a_q, a_k = 1.5 * rng.normal(size=(2, O))
        return Case(aspect, (rng.normal(size=(N, D)), near, W, a_q, a_k), note)

    N, D, O = sizes(rng, 4, 3, 2)
    yield case("values", N, D, O, 0.5, "a directed graph")
    yield case("values", N + 2, O, D, 0.3, "a sparse graph")
    x, near, W, a_q, a_k = case("", N, D, O, 0.5, "").args
    lonely = near & (np.arange(N) != 2)[:, None]
    yield Case("a lonely node", (x, lonely, W, a_q, a_k), "node 2 has no neighbour")


def _node_by_node(x: Array, adjacency: Array, W: Array, a_q: Array, a_k: Array) -> Pair:
    v, out, rows = [W @ x_i for x_i in x], [], []
    for i in range(len(x)):
        near = [j for j in range(len(x)) if j == i or adjacency[i, j]]
        e = np.array([a_q @ v[i] + a_k @ v[j] for j in near])
        p = np.exp(np.maximum(e, 0.2 * e))
        p = p / p.sum()
        row = np.zeros(len(x))
        row[near] = p
        rows.append(row)
        out.append(sum(w * v[j] for w, j in zip(p, near, strict=True)))
    return np.array(out), np.array(rows)


def _bent_first(x: Array, adjacency: Array, W: Array, a_q: Array, a_k: Array) -> Pair:
    v = x @ W.T
    mask = adjacency | np.eye(len(x), dtype=bool)
    e = (_leaky(v) @ a_q)[:, None] + (_leaky(v) @ a_k)[None]
    p = np.where(mask, np.exp(e), 0)
    p = p / p.sum(axis=1, keepdims=True)
    return p @ v, p


GRAPH = Exercise(
    id="20-4",
    title="Attend along the edges",
    marks={"values": 3, "a lonely node": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("h", "weights"),
    reference=attend,
    cases=_attend_cases,
    mistakes={
        "The self-loops are missing: every node attends to itself, too, whatever the "
        "graph says.": partial(_attend, loops=False),
        "The graph is not used: a node attends to its neighbours and itself alone.": (
            partial(_attend, masked="never")
        ),
        "The mask comes after the softmax, so the rows do not add up to 1: hide the "
        "scores before.": partial(_attend, masked="after"),
        "The graph is read the wrong way round: row i of the adjacency says from whom "
        "node i receives.": partial(_attend, turned=True),
        "a_q and a_k have changed places: a_q belongs to node i, which receives.": (
            partial(_attend, swapped=True)
        ),
        "This is the dot product of projected nodes; a GAT score adds a query part and "
        "a key part.": partial(_attend, dot=True),
        "The LeakyReLU is missing.": partial(_attend, bend=lambda z: z),
        "This is a plain ReLU: below zero a LeakyReLU still has the slope 0.2.": (
            partial(_attend, bend=lambda z: np.maximum(z, 0))
        ),
        "The bend here is a tanh, which is (15.6)'s; a GAT layer has a LeakyReLU.": (
            partial(_attend, bend=np.tanh)
        ),
        "The LeakyReLU bends the projections here; it bends the sum of both parts.": (
            _bent_first
        ),
        "The weights of each *row* add up to 1: the softmax goes along axis 1.": (
            partial(_attend, axis=0)
        ),
    },
    also_right=(_node_by_node,),
)
