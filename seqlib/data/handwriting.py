"""Handwritten digits: read row by row, moved about, and side by side.

They come with scikit-learn, 8 by 8 pixels each. The file holds sheet after sheet, each
in one hand; it is cut where a sheet begins, so that no digit and no sheet is in both
the training and the test part.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from seqlib._check import number, one_of, whole

from ._draw import positive
from ._ranges import Span, lengths, span
from .real import digits

SIDE = 8
CUT = 1287  # the eleventh sheet begins here, with 0 1 2 … 9 three times
PARTS = {"train": slice(None, CUT), "test": slice(CUT, None), "all": slice(None)}


class DigitSequences(NamedTuple):
    """Digits that are read part by part.

    x : (N, T, D) float32 from 0 to 1, ink is 1
    labels : (N,) integers 0 to 9
    sample : (N,) integers, the number of each digit in scikit-learn's file
    """

    x: np.ndarray
    labels: np.ndarray
    sample: np.ndarray


class ShiftedDigits(NamedTuple):
    """Digits moved about on a larger canvas.

    images : (N, S, S) float32 from 0 to 1
    labels : (N,) integers 0 to 9
    shifts : (N, 2) integers, rows down and columns to the right from the middle
    sample : (N,) integers, the number of each digit in scikit-learn's file
    """

    images: np.ndarray
    labels: np.ndarray
    shifts: np.ndarray
    sample: np.ndarray


class Captchas(NamedTuple):
    """Digits side by side, made hard to read.

    images : (N, H, W) float32 from 0 to 1, ink is 1
    labels : (N, K) integers 0 to 9, from left to right; 0 in the padding
    mask : (N, K) booleans, True where there is a digit
    corners : (N, K, 2) integers, row and column of each digit's upper left pixel
    sample : (N, K) integers, the number of each digit in scikit-learn's file
    """

    images: np.ndarray
    labels: np.ndarray
    mask: np.ndarray
    corners: np.ndarray
    sample: np.ndarray


def digit_sequences(part: str = "train", by: str = "rows") -> DigitSequences:
    """Return scikit-learn's digits as sequences, for a network that reads.

    `part` is "train" (1287 digits), "test" (510, of other sheets) or "all". By "rows" a
    digit is a sequence of 8 rows of 8 pixels, from the top, x (N, 8, 8), which is the
    image itself; by "pixels" it is a sequence of 64 single pixels, x (N, 64, 1).

    Errors: an unknown part or way, scikit-learn missing.
    Source: Alpaydin and Kaynak (1998), UCI Machine Learning Repository.
    """
    one_of("part", part, PARTS)
    one_of("by", by, ("rows", "pixels"))
    images, labels = _file()
    sample = np.arange(len(labels))[PARTS[part]]
    x = images[sample]
    if by == "pixels":
        x = x.reshape(len(x), SIDE * SIDE, 1)
    return DigitSequences(x, labels[sample], sample)


@cache
def _file() -> tuple[np.ndarray, np.ndarray]:
    images, labels = digits()
    images = images.astype(np.float32)
    images.flags.writeable = False  # all callers share them
    return images, labels


def shifted_digits(
    count: int,
    rng: np.random.Generator,
    size: int = 16,
    shift: int = 4,
    part: str = "train",
) -> ShiftedDigits:
    """Draw digits on an empty canvas, each up to `shift` pixels from its middle.

    Errors: count below 1, size below 8, a shift that leaves the canvas, an unknown
    part, scikit-learn missing, rng no generator.
    """
    positive(count, rng)
    whole("size", size, SIDE)
    middle = (size - SIDE) // 2
    whole("shift", shift, 0, middle)
    known = digit_sequences(part)
    chosen = rng.integers(len(known.labels), size=count)
    shifts = rng.integers(-shift, shift + 1, size=(count, 2))
    images = np.zeros((count, size, size), np.float32)
    for image, digit, (row, column) in zip(
        images, known.x[chosen], shifts + middle, strict=True
    ):
        image[row : row + SIDE, column : column + SIDE] = digit
    return ShiftedDigits(images, known.labels[chosen], shifts, known.sample[chosen])


def captchas(
    count: int,
    rng: np.random.Generator,
    length: Span = 4,
    part: str = "train",
    overlap: int = 2,
    jitter: int = 2,
    lines: int = 1,
    noise: float = 0.1,
) -> Captchas:
    """Draw pictures of digits side by side, to be read from left to right.

    Parameters
    ----------
    count, rng : how many, and numpy's random generator
    length : digits in a picture, a number or a range (least, most)
    part : "train", "test" or "all": whose digits
    overlap : neighbours may share up to so many columns (0 to 7)
    jitter : a digit may stand up to so many rows above or below the middle
    lines : straight strokes across the picture
    noise : standard deviation of the noise on every pixel; the sum is cut to 0 to 1

    All pictures are as wide as the longest needs, (8 + 2 jitter) by (8 most + 2); a
    shorter one begins anywhere. Errors: a size below its least, an unknown part,
    scikit-learn missing, rng no generator.
    """
    positive(count, rng)
    ends = span("length", length, 1)
    whole("overlap", overlap, 0, SIDE - 1)
    whole("jitter", jitter, 0)
    whole("lines", lines, 0)
    number("noise", noise, 0)
    known = digit_sequences(part)
    long, mask = lengths(count, ends, rng)
    chosen = rng.integers(len(known.labels), size=mask.shape)
    height, width = SIDE + 2 * jitter, SIDE * ends[1] + 2
    corners = _corners(long, mask, width, overlap, jitter, rng)
    images = np.zeros((count, height, width), np.float32)
    for i, k in np.argwhere(mask):
        row, column = corners[i, k]
        place = images[i, row : row + SIDE, column : column + SIDE]
        np.maximum(place, known.x[chosen[i, k]], out=place)
    for _ in range(lines):
        np.maximum(images, _strokes(count, height, width, rng), out=images)
    if noise:
        images += noise * rng.standard_normal(images.shape, np.float32)
    return Captchas(
        np.clip(images, 0, 1, out=images),
        known.labels[chosen] * mask,
        mask,
        corners * mask[..., None],
        known.sample[chosen] * mask,
    )


def _corners(
    long: np.ndarray,
    mask: np.ndarray,
    width: int,
    overlap: int,
    jitter: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw where each digit's upper left pixel is: (N, K, 2) rows and columns."""
    steps = SIDE - rng.integers(overlap + 1, size=mask.shape)
    steps[:, 0] = 0
    columns = np.cumsum(steps, axis=1)  # from the left edge of the first
    needed = columns[np.arange(len(long)), long - 1] + SIDE
    columns += rng.integers(width - needed + 1)[:, None]
    rows = rng.integers(2 * jitter + 1, size=mask.shape)
    return np.stack([rows, columns], axis=-1)


def _strokes(
    count: int, height: int, width: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw a stroke one pixel wide from the left edge to the right in each picture."""
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    left, right = rng.uniform(0, height, size=(2, count, 1, 1))
    slope = (right - left) / width
    distance = abs(y - left - slope * x) / np.hypot(1, slope)
    strength = rng.uniform(0.4, 0.8, size=(count, 1, 1))
    return (strength * np.clip(1 - distance, 0, 1)).astype(np.float32)
