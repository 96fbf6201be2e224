"""Pictures of coloured shapes, and the sentences that describe them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqlib._check import flag, whole

from ._draw import positive
from ._ranges import Span, span
from ._shapes import OUTLINES, coverage

SHAPES = tuple(OUTLINES)
#: Five colours of Okabe and Ito, told apart by colour-blind readers too.
COLOURS = {
    "red": (0.835, 0.369, 0.0),
    "blue": (0.0, 0.447, 0.698),
    "green": (0.0, 0.62, 0.451),
    "yellow": (0.941, 0.894, 0.259),
    "purple": (0.8, 0.475, 0.655),
}
SIZES = {"small": 0.1, "large": 0.17}  # half a side, in sides of the picture
GAP = 1.0  # pixels between two things, and between a thing and the edge
RELATIONS = (("left of", "right of"), ("above", "below"))


class Thing(NamedTuple):
    """One shape of a scene."""

    size: str
    colour: str
    shape: str
    x: float  # of its middle, in pixels from the left
    y: float  # from the top
    r: float  # half its side

    def phrase(self) -> list[str]:
        """Name it: `a large red circle`."""
        return ["a", self.size, self.colour, self.shape]


class Scenes(NamedTuple):
    """Pictures with captions.

    images : (N, 3, S, S) float32 from 0 to 1: red, green and blue on black
    captions : N lists of words
    refers : N lists, for each word of the caption the number of its thing, or -1
    truths : N lists of all captions that are true, the given one first
    things : N tuples of what is in the picture, in the order of the caption
    boxes : (N, K, 4) left, top, right and bottom of each thing; 0 in the padding
    masks : (N, K, S, S) booleans, True on the pixels of each thing
    """

    images: np.ndarray
    captions: list[list[str]]
    refers: list[list[int]]
    truths: list[list[list[str]]]
    things: list[tuple[Thing, ...]]
    boxes: np.ndarray
    masks: np.ndarray


def scenes(
    count: int,
    rng: np.random.Generator,
    objects: Span = 2,
    size: int = 32,
    varied: bool = False,
) -> Scenes:
    """Draw scenes such as `a large red circle left of a small blue square`.

    Parameters
    ----------
    count, rng : how many, and numpy's random generator
    objects : 1, 2, or (1, 2) for some of either
    size : S, pixels of a side, at least 24
    varied : two things can be named in two orders, `A left of B` and `B right of A`.
        If False the left or upper one comes first and a picture has one caption; if
        True the order is drawn

    Two things differ, never touch, and lie clearly side by side or one above the
    other: the relation that is named is at least twice the distance of the other.

    Errors: a count or size below its least, objects not 1 or 2, rng no generator.
    """
    positive(count, rng)
    ends = span("objects", objects, 1, 2)
    whole("size", size, 24)
    flag("varied", varied)
    images = np.zeros((count, 3, size, size), np.float32)
    boxes = np.zeros((count, ends[1], 4))
    masks = np.zeros((count, ends[1], size, size), bool)
    captions, refers, truths, shown = [], [], [], []
    for i, number in enumerate(rng.integers(ends[0], ends[1] + 1, size=count)):
        things, relation = (_pair if number == 2 else _single)(size, rng)
        said = [_caption(things, relation)]
        if len(things) == 2:
            said.append(_caption(things[::-1], relation[::-1]))
            if varied and rng.integers(2):
                things, said = things[::-1], said[::-1]
        for k, thing in enumerate(things):
            covered = coverage(OUTLINES[thing.shape], thing.x, thing.y, thing.r, size)
            images[i] += np.multiply.outer(COLOURS[thing.colour], covered)
            middle = np.array([thing.x, thing.y])
            boxes[i, k] = [*(middle - thing.r), *(middle + thing.r)]
            masks[i, k] = covered > 0.5
        captions.append([word for word, _ in said[0]])
        refers.append([k for _, k in said[0]])
        truths.append([[word for word, _ in words] for words in said])
        shown.append(things)
    return Scenes(images, captions, refers, truths, shown, boxes, masks)


def _caption(
    things: tuple[Thing, ...], relation: tuple[str, ...]
) -> list[tuple[str, int]]:
    """Describe things in this order: each word and the number of its thing."""
    words = [(word, 0) for word in things[0].phrase()]
    if len(things) == 2:
        words += [(word, -1) for word in relation[0].split()]
        words += [(word, 1) for word in things[1].phrase()]
    return words


def _looks(rng: np.random.Generator) -> tuple[str, str, str]:
    """Draw how a thing looks."""
    size, colour, shape = (
        options[rng.integers(len(options))]
        for options in (tuple(SIZES), tuple(COLOURS), SHAPES)
    )
    return size, colour, shape


def _single(size: int, rng: np.random.Generator) -> tuple[tuple[Thing, ...], tuple]:
    """Draw a scene of one thing, anywhere."""
    looks = _looks(rng)
    r = SIZES[looks[0]] * size
    x, y = rng.uniform(GAP + r, size - GAP - r, size=2)
    return (Thing(*looks, x, y, r),), ()


def _pair(
    size: int, rng: np.random.Generator
) -> tuple[tuple[Thing, ...], tuple[str, ...]]:
    """Draw a scene of two things, the left or upper one first, and their relation."""
    first, second = _looks(rng), _looks(rng)
    while second == first:
        second = _looks(rng)
    a, b = (SIZES[looks[0]] * size for looks in (first, second))
    # along the axis that is named: what the things and the gaps leave is shared out
    cuts = np.sort(rng.uniform(0, size - 2 * a - 2 * b - 3 * GAP, size=2))
    along = [GAP + a + cuts[0], 2 * GAP + 2 * a + b + cuts[1]]
    near = (along[1] - along[0]) / 2
    across = [rng.uniform(GAP + a, size - GAP - a)]
    low, high = max(GAP + b, across[0] - near), min(size - GAP - b, across[0] + near)
    across.append(rng.uniform(low, high))
    axis = int(rng.integers(2))
    (x1, x2), (y1, y2) = (along, across) if axis == 0 else (across, along)
    return (Thing(*first, x1, y1, a), Thing(*second, x2, y2, b)), RELATIONS[axis]
