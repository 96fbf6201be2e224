"""State spaces: T steps of D inputs, N states, O outputs, all real numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from seqlib.grading.exercise import INPUTS, Case, Exercise
from seqlib.grading.exercises.draw import Array, Rng, sizes

Four = tuple[Array, Array, Array, Array]


def _layer(rng: Rng, T: int, D: int, N: int, O: int) -> tuple[Array, ...]:
    """Draw x, a, B, C; two of the factors are negative or large in every draw."""
    a = rng.uniform(0.5, 0.95, N) * np.where(np.arange(N) % 2, -1, 1)
    B, C = rng.normal(size=(N, D)), rng.normal(size=(O, N))
    return rng.normal(size=(T, D)), a, B, C


# 20-5 --------------------------------------------------------------------------------


def convolve(x: Array, a: Array, B: Array, C: Array) -> tuple[Array, Array]:
    """Return the kernel K (T, O, D) and y (T, O)."""
    return _convolve(x, a, B, C)


def _convolve(
    x: Array,
    a: Array,
    B: Array,
    C: Array,
    first: int = 0,
    way: str = "back",
    wrap: bool = False,
    size: bool = False,
) -> tuple[Array, Array]:
    """Convolve; the options are the mistakes that one can make."""
    T = len(x)
    a = np.abs(a) if size else a
    K = np.stack([C * a ** (l + first) @ B for l in range(T)])
    y = np.zeros((T, len(C)))
    for t in range(T):
        for l in range(T):
            s = t - l if way == "back" else t + l
            if wrap or 0 <= s < T:
                y[t] += K[l] @ x[s % T]
    return K, y


def _convolve_cases(rng: Rng) -> Iterator[Case]:
    yield Case("values", _layer(rng, *sizes(rng, 5, 2, 3, 2)))
    yield Case("values", _layer(rng, *sizes(rng, 7, 3, 2, 4)))
    yield Case("sizes of 1", _layer(rng, 1, 3, 2, 4), "one step")
    yield Case(
        "sizes of 1", _layer(rng, 6, 1, 1, 1), "one state, one input, one output"
    )


def _convolve_by_fft(x: Array, a: Array, B: Array, C: Array) -> tuple[Array, Array]:
    T = len(x)
    K = np.einsum("on,nl,nd->lod", C, a[:, None] ** np.arange(T), B)
    long = np.fft.rfft(K, 2 * T, axis=0), np.fft.rfft(x, 2 * T, axis=0)
    return K, np.fft.irfft(np.einsum("lod,ld->lo", *long), 2 * T, axis=0)[:T]


def _convolve_by_steps(x: Array, a: Array, B: Array, C: Array) -> tuple[Array, Array]:
    h, y = np.zeros_like(a), []
    for x_t in x:
        h = a * h + B @ x_t
        y.append(C @ h)
    return np.array([C @ np.diag(a**l) @ B for l in range(len(x))]), np.array(y)


def _mixed(x: Array, a: Array, B: Array, C: Array) -> tuple[Array, Array]:
    _, y = convolve(x, a, B, C)
    return np.stack([(C @ B) * a.mean() ** l for l in range(len(x))]), y


def _no_sum(x: Array, a: Array, B: Array, C: Array) -> tuple[Array, Array]:
    K, _ = convolve(x, a, B, C)
    return K, np.einsum("lod,ld->lo", K, x)


CONVOLVE = Exercise(
    id="20-5",
    title="A recurrence as a convolution",
    marks={"values": 3, "sizes of 1": 1, INPUTS: 1},
    difficulty=2,
    importance=3,
    minutes=20,
    returns=("K", "y"),
    reference=convolve,
    cases=_convolve_cases,
    mistakes={
        "The kernel begins with a to the power 0: the input of this step has not faded "
        "yet.": partial(_convolve, first=1),
        "The kernel looks into the future: K_l belongs to the input l steps *ago*.": (
            partial(_convolve, way="on")
        ),
        "The end wraps round to the start: pad with zeros, or leave out steps before "
        "the first.": partial(_convolve, wrap=True),
        "The sign of a is lost: a unit with a negative factor flips on each step.": (
            partial(_convolve, size=True)
        ),
        "Each state fades by its own factor, inside the product: C diag(a)^l B.": (
            _mixed
        ),
        "This multiplies kernel and input step by step; y_t is a sum over all l.": (
            _no_sum
        ),
    },
    also_right=(_convolve_by_fft, _convolve_by_steps),
)

# 20-7 --------------------------------------------------------------------------------


def backward(dy: Array, x: Array, a: Array, B: Array, C: Array) -> Four:
    """Return dx (T, D), da (N,), dB (N, D), dC (O, N) for dy (T, O)."""
    return _backward(dy, x, a, B, C)


def _backward(
    dy: Array,
    x: Array,
    a: Array,
    B: Array,
    C: Array,
    carry: str = "back",
    before: int = 1,
    through_a: bool = True,
    mean: bool = False,
    blame: str = "late",
    last: bool = False,
) -> Four:
    """Go back; the options are the mistakes that one can make."""
    T, h, states = len(x), np.zeros_like(a), []
    for x_t in x:
        h = a * h + B @ x_t
        states.append(h)
    H = np.array([0 * a, *states])
    late, lam = np.zeros_like(a), np.zeros((T, len(a)))
    for t in range(T)[::-1] if carry == "back" else range(T):
        late = dy[t] @ C + (a if through_a else 1) * late
        late = dy[t] @ C if carry == "none" else late
        lam[t] = late
    da = (lam * (H[:-1] if before else H[1:])).sum(axis=0)
    dB = np.outer(lam[-1], x[-1]) if last else lam.T @ x
    dC = (dy.T @ H[1:]) if blame == "late" else dy.T @ H[:-1]
    scale = T if mean else 1
    return lam @ B, da / scale, dB / scale, dC / scale


def _backward_cases(rng: Rng) -> Iterator[Case]:
    def case(aspect: str, T: int, D: int, N: int, O: int, *, note: str = "") -> Case:
        return Case(aspect, (rng.normal(size=(T, O)), *_layer(rng, T, D, N, O)), note)

    yield case("values", *sizes(rng, 5, 2, 3, 2))
    yield case("values", *sizes(rng, 6, 3, 2, 3))
    yield case("sizes of 1", 4, 1, 1, 1, note="one state, one input, one output")
    yield case("sizes of 1", 2, 2, 3, 1, note="two steps, one output")


def _backward_by_kernel(dy: Array, x: Array, a: Array, B: Array, C: Array) -> Four:
    """Sum over all pairs of steps, s before t, with no recurrence."""
    dx, da = np.zeros_like(x), np.zeros_like(a)
    dB, dC = np.zeros_like(B), np.zeros_like(C)
    for t in range(len(x)):
        for s in range(t + 1):
            l = t - s
            back = (dy[t] @ C) * a**l
            dx[s] += back @ B
            dB += np.outer(back, x[s])
            dC += np.outer(dy[t], a**l * (B @ x[s]))
            if l:
                da += (dy[t] @ C) * l * a ** (l - 1) * (B @ x[s])
    return dx, da, dB, dC


BACK = Exercise(
    id="20-7",
    title="Back through the linear recurrence",
    marks={"values": 3, "sizes of 1": 1, INPUTS: 1},
    difficulty=3,
    importance=2,
    minutes=25,
    returns=("dx", "da", "dB", "dC"),
    reference=backward,
    cases=_backward_cases,
    mistakes={
        "Blame runs from the end to the start: a state is used by *later* steps.": (
            partial(_backward, carry="on")
        ),
        "A state is blamed for its own output only; it is used by the next state, "
        "too.": partial(_backward, carry="none"),
        "On its way back through one step the blame is multiplied by a.": (
            partial(_backward, through_a=False)
        ),
        "a multiplied the state *before* the step, so its gradient has h of t - 1.": (
            partial(_backward, before=0)
        ),
        "C read the state *after* the step, so its gradient has h of t.": (
            partial(_backward, blame="early")
        ),
        "a, B and C were used at every step: add up what comes from each, do not take "
        "the mean.": partial(_backward, mean=True),
        "B was used at every step, not only at the last.": partial(
            _backward, last=True
        ),
    },
    also_right=(_backward_by_kernel,),
)
