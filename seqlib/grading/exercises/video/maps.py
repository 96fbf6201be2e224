"""A state that is a map: its step, its size, what it moves and how far it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from seqlib.grading.exercise import Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes, states

Pair = tuple[Array, Array]


def conv(x: Array, W: Array) -> Array:
    """Slide kernels W (O, C, K, K) over maps x (C, H, W): (O, H, W), zeros outside."""
    p = W.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (p, p), (p, p)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, W.shape[2:], (1, 2))
    return np.einsum("ockl,cijkl->oij", W, windows)


# 10-3 --------------------------------------------------------------------------------


def convlstm_step(
    x: Array, h: Array, c: Array, W_ih: Array, W_hh: Array, b: Array
) -> Pair:
    """Return h and c (F, H, W) after one step."""
    return _step(x, h, c, W_ih, W_hh, b)


def _sigma(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _step(
    x: Array,
    h: Array,
    c: Array,
    W_ih: Array,
    W_hh: Array,
    b: Array,
    *,
    order: str = "ifgo",
    slide: Callable[[Array, Array], Array] = conv,
    candidate: Callable[[Array], Array] = np.tanh,
    squash: Callable[[Array], Array] = np.tanh,
    carry: bool = True,
    old: bool = False,
) -> Pair:
    z = slide(x, W_ih) + slide(h, W_hh) + b[:, None, None]
    part = dict(zip(order, np.split(z, 4), strict=True))
    i, f, o = (_sigma(part[k]) for k in "ifo")
    new = f * (c if carry else 1) + i * candidate(part["g"])
    return o * squash(c if old else new), new


def _step_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, C: int, F: int, H: int, W: int, *, K: int, J: int) -> Case:
        arrays = (
            rng.normal(size=(C, H, W)),
            states(rng, F, H, W),
            rng.normal(size=(F, H, W)),
            rng.normal(size=(4 * F, C, K, K)) / K,
            rng.normal(size=(4 * F, F, J, J)) / J,
            rng.choice([-1, 1], 4 * F) * rng.uniform(0.4, 0.9, 4 * F),
        )
        return Case(aspect, arrays, f"kernels {K} and {J}")

    yield case("values", *sizes(rng, 2, 2, 4, 4), K=3, J=3)
    yield case("values", *sizes(rng, 2, 2, 5, 5), K=5, J=3)
    yield case("one map, one pixel", 1, 1, 4, 5, K=3, J=3)
    yield case("one map, one pixel", 2, 3, 1, 1, K=3, J=1)


def _turned(x: Array, W: Array) -> Array:
    return conv(x, W[:, :, ::-1, ::-1])


def _wrapped(x: Array, W: Array) -> Array:
    """Let what leaves at one edge come in at the other."""
    p = W.shape[-1] // 2
    out = np.zeros((len(W), *x.shape[1:]))
    for k, l in np.ndindex(W.shape[2:]):
        moved = np.roll(x, (p - k, p - l), axis=(1, 2))
        out += np.einsum("oc,cij->oij", W[:, :, k, l], moved)
    return out


def _step_by_gates(
    x: Array, h: Array, c: Array, W_ih: Array, W_hh: Array, b: Array
) -> tuple[Array, Array]:
    """Stack frame and state, where the kernels are as large, and take gate by gate."""
    both = np.concatenate([x, h])
    J = max(W_ih.shape[-1], W_hh.shape[-1])
    grown = [
        np.pad(W, ((0, 0), (0, 0), *[((J - W.shape[-1]) // 2,) * 2] * 2))
        for W in (W_ih, W_hh)
    ]
    kernels = np.split(np.concatenate(grown, axis=1), 4)
    z = [
        conv(both, W) + bias[:, None, None]
        for W, bias in zip(kernels, np.split(b, 4), strict=True)
    ]
    c = _sigma(z[1]) * c + _sigma(z[0]) * np.tanh(z[2])
    return _sigma(z[3]) * np.tanh(c), c


STEP = Exercise(
    id="10-3",
    title="One step of a ConvLSTM",
    marks={"values": 3, "one map, one pixel": 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("h", "c"),
    reference=convlstm_step,
    cases=_step_cases,
    mistakes={
        "The blocks of z stand in the order i, f, g, o; here g and o are exchanged.": (
            lambda *a: _step(*a, order="ifog")
        ),
        "The blocks of z stand in the order i, f, g, o; here i and f are exchanged.": (
            lambda *a: _step(*a, order="figo")
        ),
        "The candidate has a tanh, so that it can be negative; σ is for the gates.": (
            lambda *a: _step(*a, candidate=_sigma)
        ),
        "The new memory passes through a tanh before the output gate lets it out.": (
            lambda *a: _step(*a, squash=lambda c: c)
        ),
        "The old memory c is not used: the forget gate multiplies it.": (
            lambda *a: _step(*a, carry=False)
        ),
        "h is read from the old memory; it shows the new one.": (
            lambda *a: _step(*a, old=True)
        ),
        "The kernel is turned round; in this field it is not.": (
            lambda *a: _step(*a, slide=_turned)
        ),
        "What leaves the frame on one side must not come in on the other: beyond the "
        "edge there are zeros.": lambda *a: _step(*a, slide=_wrapped),
        "The bias b is left out.": (
            lambda x, h, c, W, U, b: _step(x, h, c, W, U, 0 * b)
        ),
        "The state h does not take part: add its convolution with W_hh.": (
            lambda x, h, *rest: _step(x, 0 * h, *rest)
        ),
        "The two results are exchanged: first h, then c.": lambda *a: _step(*a)[::-1],
    },
    also_right=(_step_by_gates,),
)

# 10-4 --------------------------------------------------------------------------------


def mover(right: int, down: int, K: int) -> Array | None:
    """Return the kernel (K, K) that moves a map, or None if no kernel of K does."""
    return _mover(right, down, K)


def _mover(
    right: int, down: int, K: int, sign: int = -1, reach: int = 0
) -> Array | None:
    p = K // 2
    if max(abs(right), abs(down)) > p - reach:
        return None
    kernel = np.zeros((K, K))
    kernel[p + sign * down, p + sign * right] = 1
    return kernel


def _mover_cases(rng: Rng) -> Iterator[Case]:
    for K in (5, 7):
        right, down = rng.permutation(np.arange(1, K // 2 + 1))[:2]
        signs = rng.choice([-1, 1], 2)
        yield Case("values", (int(right * signs[0]), int(down * signs[1]), K))
    yield Case("values", (1, 0, 3), "one pixel to the right")
    yield Case("standing still", (0, 0, 1), "it stays where it is")
    yield Case("standing still", (0, 0, 5), "it stays where it is")
    yield Case("too fast", (2, 0, 3), "2 pixels with a kernel of 3")
    yield Case("too fast", (3, -3, 7), "3 pixels with a kernel of 7")
    yield Case("too fast", (1, -4, 7), "4 pixels with a kernel of 7")


def _mover_without_limit(right: int, down: int, K: int) -> Array:
    kernel = np.zeros((K, K))
    kernel[(K // 2 - down) % K, (K // 2 - right) % K] = 1
    return kernel


def _mover_by_trial(right: int, down: int, K: int) -> Array | None:
    """Try all kernels with a single 1 on a map with a single 1."""
    S = 2 * K + 1
    dot, wanted = np.zeros((1, S, S)), np.zeros((1, S, S))
    dot[0, K, K] = wanted[0, K + down, K + right] = 1
    for k, l in np.ndindex(K, K):
        kernel = np.zeros((K, K))
        kernel[k, l] = 1
        if np.array_equal(conv(dot, kernel[None, None]), wanted):
            return kernel
    return None


MOVER = Exercise(
    id="10-4",
    title="Derive: a kernel that moves the picture",
    marks={"values": 2, "standing still": 1, "too fast": 1},
    difficulty=2,
    importance=2,
    minutes=15,
    returns=("kernel",),
    reference=mover,
    cases=_mover_cases,
    mistakes={
        "This kernel moves the picture the opposite way: to move it to the right, each "
        "place must look to its left.": lambda r, d, K: _mover(r, d, K, sign=1),
        "Across and down are exchanged: the first index of a kernel is its row.": (
            lambda r, d, K: _mover(d, r, K)
        ),
        "A kernel cannot look farther than (K - 1) / 2: return None there.": (
            _mover_without_limit
        ),
        "(K - 1) / 2 pixels are still within reach.": (
            lambda r, d, K: _mover(r, d, K, reach=int(K > 1))
        ),
        "The kernel has one axis for rows and one for columns, (K, K).": (
            lambda r, d, K: None if (a := _mover(r, d, K)) is None else a.ravel()
        ),
    },
    also_right=(_mover_by_trial,),
)
