"""Complex numbers as pairs, (real part, imaginary part), of arrays.

A gradient at a complex number is the pair of the gradients at its two parts. Where
w = f z for complex f and z, the gradient at z is then f* dw, with f* the conjugate.
"""

from __future__ import annotations

from seqlib._arrays import Array, array_namespace

Pair = tuple[Array, Array]


def times(a: Pair, b: Pair) -> Pair:
    """Return a b."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def conj_times(a: Pair, b: Pair) -> Pair:
    """Return a* b: with b the gradient at a product, what goes to the other factor."""
    return times((a[0], -a[1]), b)


def plus(a: Pair, b: Pair) -> Pair:
    """Return a + b."""
    return a[0] + b[0], a[1] + b[1]


def over(a: Pair, b: Pair) -> Pair:
    """Return a / b."""
    size = b[0] * b[0] + b[1] * b[1]
    re, im = conj_times(b, a)
    return re / size, im / size


def exp(z: Pair) -> Pair:
    """Return exp(z)."""
    xp = array_namespace(z[0])
    size = xp.exp(z[0])
    return size * xp.cos(z[1]), size * xp.sin(z[1])


def expm1(z: Pair) -> Pair:
    """Return exp(z) - 1, without a loss of digits where z is small."""
    xp = array_namespace(z[0])
    half = xp.sin(z[1] / 2)
    re = xp.expm1(z[0]) * xp.cos(z[1]) - 2 * half * half
    return re, xp.exp(z[0]) * xp.sin(z[1])
