"""One step back, in both forms.

dv stands for the gradient of the loss at v, and has its shape. Batches are rows, so the
way back through `h @ W.T` is `d @ W`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import FLOAT32, INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, matrix, sizes, states

Pair = tuple[Array, Array]


def _gates(rng: Rng, *shape: int) -> Array:
    return rng.uniform(0.15, 0.85, shape)


def _typed(aspect: str, *args: Array) -> Case:
    dtype = "float32" if aspect == FLOAT32 else "float64"
    return Case(aspect, tuple(a.astype(dtype) for a in args))


def _back(
    dh: Array,
    h: Array,
    r: Array,
    z: Array,
    n: Array,
    g: Array,
    W_hh: Array,
    *,
    form: str = "after",
    fault: str = "",
) -> Pair:
    """Go back through one step of either form, or make one of the known mistakes."""
    W_r, W_z, W_n = np.split(W_hh, 3)
    if fault == "turned":
        W_r, W_z, W_n = W_r.T, W_z.T, W_n.T
    dn = dh * (z if fault == "exchanged" else 1 - z)
    dz = dh * {"sign": n - h, "old alone": h}.get(fault, h - n)
    slope = {"no tanh": 1, "second tanh": 1 - np.tanh(n) ** 2}.get(fault, 1 - n * n)
    da_n = dn * slope
    if form == "after":
        dr = da_n * (h if fault == "h for g" else g)
        at_g = da_n if fault == "unreset" else da_n * r
        road = at_g @ W_n
    else:
        at_g, dq = da_n, da_n @ W_n
        dr = {"r for h": dq * r, "gate first": (da_n * h) @ W_n}.get(fault, dq * h)
        road = {"unreset": dq, "gate first": (da_n * r) @ W_n}.get(fault, dq * r)
    da_r, da_z = dr * r * (1 - r), dz * z * (1 - z)
    if fault == "no slopes":
        da_r, da_z = dr, dz
    dh_prev = road if fault == "gates unheard" else road + da_r @ W_r + da_z @ W_z
    if fault != "no road":
        dh_prev = dh_prev + dh * z
    blocks = [da_r, da_z, at_g if fault == "at g" else da_n]
    if fault == "order":
        blocks = [da_z, da_r, da_n]
    return np.concatenate(blocks, axis=1), dh_prev


# 9-7 ---------------------------------------------------------------------------------


def back_after(
    dh: Array, h: Array, r: Array, z: Array, n: Array, g: Array, W_hh: Array
) -> Pair:
    """Return da (B, 3H), at what goes into r, z and n, and dh_prev (B, H).

    g (B, H) is W_hn h + b_hn, which r multiplied; W_hh (3H, H) has the blocks r, z, n.
    """
    return _back(dh, h, r, z, n, g, W_hh)


def _after_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, B: int, H: int) -> Case:
        W_hh = np.concatenate([matrix(rng, H) for _ in range(3)])
        r, z, n = _gates(rng, B, H), _gates(rng, B, H), states(rng, B, H)
        dh, h, g = rng.normal(size=(B, H)), states(rng, B, H), rng.normal(size=(B, H))
        return _typed(aspect, dh, h, r, z, n, g, W_hh)

    yield case("values", *sizes(rng, 2, 2))
    yield case("values", *sizes(rng, 3, 3))
    yield case("sizes of 1", 1, 1)
    yield case("sizes of 1", 1, 4)
    yield case(FLOAT32, *sizes(rng, 2, 2))


def _faulty(fault: str) -> Callable[..., Pair]:
    return lambda *args: _back(*args, fault=fault)


def _faulty_before(fault: str, form: str = "before") -> Callable[..., Pair]:
    def answer(dh: Array, h: Array, r: Array, z: Array, n: Array, W_hh: Array) -> Pair:
        g = h @ np.split(W_hh, 3)[2].T
        return _back(dh, h, r, z, n, g, W_hh, form=form, fault=fault)

    return answer


def _after_in_place(
    dh: Array, h: Array, r: Array, z: Array, n: Array, g: Array, W_hh: Array
) -> Pair:
    answer = _back(dh, h, r, z, n, g, W_hh)
    dh *= z
    return answer


def _after_in_one_product(
    dh: Array, h: Array, r: Array, z: Array, n: Array, g: Array, W_hh: Array
) -> list[Array]:
    """Let one product carry the three roads that have weights."""
    taken = dh - z * dh
    da_n = taken - taken * n**2
    da_z = (h - n) * dh * (z - z**2)
    da_r = da_n * g * (r - r**2)
    at_products = np.hstack([da_r, da_z, r * da_n])
    return [np.hstack([da_r, da_z, da_n]), z * dh + at_products @ W_hh]


MISTAKES = {
    "The first road is missing: h_prev was kept with weight z, so z * dh goes back "
    "directly.": "no road",
    "The candidate was mixed in with 1 - z, so dn is dh * (1 - z).": "exchanged",
    "The sign of dz is turned round: h = (1 - z) n + z h_prev grows by h_prev - n with "
    "z.": "sign",
    "dz is dh * (h_prev - n): more z means more of the old state and less of the "
    "candidate.": "old alone",
    "The slope of tanh, 1 - n², is missing.": "no tanh",
    "n is tanh(…) already, so the slope is 1 - n²; no second tanh is needed.": (
        "second tanh"
    ),
    "The slopes of the gates, r (1 - r) and z (1 - z), are missing.": "no slopes",
    "The old state also made both gates: blame comes back through W_hr and W_hz.": (
        "gates unheard"
    ),
    "The weights are turned round: forward was h @ W.T, so the way back is d @ W.": (
        "turned"
    ),
    "The blocks stand in the order r, z, n.": "order",
}

BACK_AFTER = Exercise(
    id="9-7",
    title="One step back",
    marks={"values": 3, "sizes of 1": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=25,
    returns=("da", "dh_prev"),
    reference=back_after,
    cases=_after_cases,
    mistakes={
        **{hint: _faulty(fault) for hint, fault in MISTAKES.items()},
        "dr is da_n times what r multiplied, and that was g = W_hn h + b_hn, not h.": (
            _faulty("h for g")
        ),
        "On its way to W_hn the blame passes the reset gate: it is r * da_n that goes "
        "back through W_hn.": _faulty("unreset"),
        "The last block of da is the gradient inside the tanh; r * da_n is that at "
        "g.": _faulty("at g"),
        "`dh *= …` writes into the caller's array: make a new one.": _after_in_place,
    },
    also_right=(_after_in_one_product,),
)

# 9-8 ---------------------------------------------------------------------------------


def back_before(dh: Array, h: Array, r: Array, z: Array, n: Array, W_hh: Array) -> Pair:
    """Return da (B, 3H), at what goes into r, z and n, and dh_prev (B, H).

    The state was reset before the product: n = tanh(… + W_hn (r * h)).
    """
    return _faulty_before("")(dh, h, r, z, n, W_hh)


def _before_cases(rng: Rng) -> Iterator[Case]:
    for case in _after_cases(rng):
        *args, _, W_hh = case.args
        yield Case(case.aspect, (*args, W_hh))


def _before_in_place(
    dh: Array, h: Array, r: Array, z: Array, n: Array, W_hh: Array
) -> Pair:
    answer = back_before(dh, h, r, z, n, W_hh)
    dh *= z
    return answer


def _before_by_entries(
    dh: Array, h: Array, r: Array, z: Array, n: Array, W_hh: Array
) -> Pair:
    B, H = dh.shape
    da, dh_prev = np.zeros((B, 3 * H), dh.dtype), np.zeros_like(dh)
    for b in range(B):
        into = da[b]
        into[2 * H :] = dh[b] * (1 - z[b]) * (1 - n[b] ** 2)
        for j in range(H):
            dq = sum(into[2 * H + i] * W_hh[2 * H + i, j] for i in range(H))
            into[j] = dq * h[b, j] * r[b, j] * (1 - r[b, j])
            into[H + j] = dh[b, j] * (h[b, j] - n[b, j]) * z[b, j] * (1 - z[b, j])
            dh_prev[b, j] = dh[b, j] * z[b, j] + dq * r[b, j]
        dh_prev[b] += into[: 2 * H] @ W_hh[: 2 * H]
    return da, dh_prev


BACK_BEFORE = Exercise(
    id="9-8",
    title="Derive it: one step back, reset before",
    marks={"values": 3, "sizes of 1": 1, FLOAT32: 1, INPUTS: 1},
    difficulty=3,
    importance=2,
    minutes=30,
    returns=("da", "dh_prev"),
    reference=back_before,
    cases=_before_cases,
    mistakes={
        **{hint: _faulty_before(fault) for hint, fault in MISTAKES.items()},
        "This is the way back through the other form. Here W_hn multiplied r * h, so "
        "blame meets W_hn first and the reset gate second.": (
            _faulty_before("", form="after")
        ),
        "The two stops stand in the wrong order: first back through W_hn, to r * h, "
        "and only then multiply by h for dr and by r for the old state.": (
            _faulty_before("gate first")
        ),
        "What arrives at r * h is shared out: h gets r times it. Here h gets all of "
        "it.": _faulty_before("unreset"),
        "A product hands to each factor the other one: at r * h, dr gets h times the "
        "blame, not r times.": _faulty_before("r for h"),
        "`dh *= …` writes into the caller's array: make a new one.": _before_in_place,
    },
    also_right=(_before_by_entries,),
)
