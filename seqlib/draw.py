"""Diagrams of networks: boxes, arrows, and a network unrolled over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from .explore import COLORS

FILL = {"input": "#DCEBF5", "state": "#D9F0E6", "output": "#FBE3D1", "plain": "#FFFFFF"}
EDGE = {"input": "blue", "state": "green", "output": "vermilion", "plain": "grey"}


class Box(NamedTuple):
    """A drawn box, to tie arrows to."""

    x: float
    y: float
    patch: FancyBboxPatch


class Diagram:
    """A drawing of boxes and arrows; one unit is about the height of two boxes.

    Parameters
    ----------
    width, height : size in units
    scale : inches of one unit
    """

    def __init__(self, width: float, height: float, scale: float = 0.72) -> None:
        size = (width * scale, height * scale)
        self.fig = plt.figure(figsize=size, layout="none")
        self.ax = self.fig.add_axes((0, 0, 1, 1))
        self.ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
        self.ax.axis("off")

    def text(self, x: float, y: float, text: str, **settings: object) -> None:
        """Write at (x, y)."""
        centred: dict = {"ha": "center", "va": "center"}
        self.ax.text(x, y, text, **(centred | settings))

    def box(
        self, x: float, y: float, text: str, kind: str = "state", width: float = 0.7
    ) -> Box:
        """Draw a box with its centre at (x, y); kinds differ in colour."""
        patch = FancyBboxPatch(
            (x - width / 2, y - 0.25),
            width,
            0.5,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=FILL[kind],
            edgecolor=COLORS[EDGE[kind]],
            linewidth=1.4,
        )
        self.ax.add_patch(patch)
        self.text(x, y, text)
        return Box(x, y, patch)

    def arrow(self, start: Box, end: Box, color: str = "black") -> None:
        """Draw an arrow from box to box."""
        self._arrow((start.x, start.y), (end.x, end.y), color, start, end)

    def loop(self, box: Box, text: str = "") -> None:
        """Draw an arrow from the right side of a box back to it."""
        x = box.x + box.patch.get_width() / 2
        self._arrow((x, box.y + 0.13), (x, box.y - 0.13), "green", bend=-2.4)
        self.text(x + 0.55, box.y, text, color=COLORS["green"])

    def _arrow(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        color: str,
        *boxes: Box,
        bend: float = 0,
    ) -> None:
        sides: dict = dict(
            zip(("patchA", "patchB"), (b.patch for b in boxes), strict=False)
        )
        arrow = FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=12,
            shrinkA=1,
            shrinkB=1,
            connectionstyle=f"arc3,rad={bend}",
            color=COLORS[color],
            linewidth=1.4,
            **sides,
        )
        self.ax.add_patch(arrow)

    def unrolled(
        self,
        x: float,
        y: float,
        inputs: Sequence[str],
        outputs: Sequence[str],
        states: Sequence[Sequence[str]],
        gap: float = 1.25,
    ) -> list[list[Box]]:
        """Draw a network over time; an empty string leaves an input or output out.

        `states` holds one row of labels a layer, the lowest first. Returns the boxes
        of the states, a list for each layer.
        """
        layers: list[list[Box]] = [[] for _ in states]
        for t in range(len(inputs)):
            column = [self.box(x + gap * t, y, inputs[t], "input")] if inputs[t] else []
            for k, row in enumerate(states, 1):
                layers[k - 1].append(self.box(x + gap * t, y + 0.95 * k, row[t]))
                column.append(layers[k - 1][t])
            if outputs[t]:
                top = y + 0.95 * (len(states) + 1)
                column.append(self.box(x + gap * t, top, outputs[t], "output"))
            for low, high in pairwise(column):
                self.arrow(low, high)
        for layer in layers:
            for before, after in pairwise(layer):
                self.arrow(before, after, "green")
        return layers
