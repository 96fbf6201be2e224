"""Tasks whose solution is known: what a network must remember, and for how long."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqlib._check import whole

from ._draw import positive
from ._ranges import Span, lengths, span

BLANK = 0  # what stands in a copy task where there is nothing to read or to say


class Adding(NamedTuple):
    """Sequences of numbers, two of them marked.

    x : (N, T, 2) float32, a number from 0 to 1 and its mark, 1 or 0
    y : (N,) float32, the sum of the two marked numbers
    """

    x: np.ndarray
    y: np.ndarray


class Copying(NamedTuple):
    """Symbols to be read, kept and said again.

    x : (N, T) integers: the symbols 1 to S, blanks (0), and S + 1 for "go"
    y : (N, T) integers: blanks, and the symbols again at the end
    mask : (N, T) booleans, True where the symbols are to be said
    """

    x: np.ndarray
    y: np.ndarray
    mask: np.ndarray


class Bits(NamedTuple):
    """Sequences of bits, and whether their ones are odd in number.

    x : (N, T) integers 0 and 1; 0 in the padding
    running : (N, T) integers, 1 where the ones up to here are odd; 0 in the padding
    final : (N,) integers, 1 where all the ones of a sequence are odd
    mask : (N, T) booleans, True where the bit is real
    """

    x: np.ndarray
    running: np.ndarray
    final: np.ndarray
    mask: np.ndarray


def adding_problem(count: int, rng: np.random.Generator, steps: int = 50) -> Adding:
    r"""Draw numbers of which two are marked: y = sum over t of number_t * mark_t.

    One mark stands in the first half and one in the second, so a network that forgets
    after `steps`/2 cannot be right. To answer always 1 has the squared error
    2 * 1/12 = 0.1667, the variance of the sum: what is not better has learned nothing.

    Errors: count below 1, steps below 2, rng no generator.
    Source: Hochreiter and Schmidhuber (1997), with numbers from 0 to 1.
    """
    positive(count, rng)
    whole("steps", steps, 2)
    x = np.zeros((count, steps, 2), np.float32)
    x[..., 0] = rng.random((count, steps), np.float32)
    half = steps // 2
    marked = np.stack(
        [rng.integers(half, size=count), rng.integers(half, steps, size=count)]
    )
    x[np.arange(count), marked, 1] = 1
    return Adding(x, (x[..., 0] * x[..., 1]).sum(1))


def copy_task(
    count: int,
    rng: np.random.Generator,
    symbols: int = 8,
    length: int = 10,
    delay: int = 20,
) -> Copying:
    """Draw `length` symbols, to be said again `delay` steps after the last was read.

    A sequence has T = 2 length + delay steps: the symbols, then `delay` steps of which
    the last says "go" and the others are blank, then `length` blanks, during which the
    symbols are wanted. Who remembers nothing guesses: a cross-entropy of ln `symbols`
    at each masked step.

    Errors: a size below 1, rng no generator.
    Source: Hochreiter and Schmidhuber (1997); this layout, Arjovsky et al. (2016).
    """
    positive(count, rng)
    for name, size in (("symbols", symbols), ("length", length), ("delay", delay)):
        whole(name, size, 1)
    said = rng.integers(1, symbols + 1, size=(count, length))
    x = np.full((count, 2 * length + delay), BLANK, np.int64)
    y = x.copy()
    x[:, :length] = y[:, length + delay :] = said
    x[:, length + delay - 1] = symbols + 1
    mask = np.zeros(x.shape, bool)
    mask[:, length + delay :] = True
    return Copying(x, y, mask)


def parity(count: int, rng: np.random.Generator, steps: Span = 20) -> Bits:
    """Draw bits: running_t = x_1 XOR … XOR x_t, and final is the last of them.

    `steps` is a length or a range (least, most), for sequences of unequal length. Every
    bit counts, the first as much as the last, and no part of the sequence alone says
    anything about `final`: who misses one bit is right in half of the cases.

    Errors: count or steps below 1, rng no generator.
    """
    positive(count, rng)
    ends = span("steps", steps, 1)
    _, mask = lengths(count, ends, rng)
    x = rng.integers(2, size=mask.shape) * mask
    running = np.cumsum(x, axis=1) % 2
    return Bits(x, running * mask, running[:, -1], mask)
