"""Diagrams of networks: boxes, arrows, and a network unrolled over time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .explore import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

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
        import matplotlib.pyplot as plt

        self.fig: Figure = plt.figure(figsize=(width * scale, height * scale))
        self.ax: Axes = self.fig.add_axes((0, 0, 1, 1))
        self.ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
        self.ax.axis("off")

    def box(
        self, x: float, y: float, text: str, kind: str = "state", width: float = 0.66
    ) -> Box:
        """Draw a box with its centre at (x, y); kinds differ in colour."""
        from matplotlib.patches import FancyBboxPatch

        patch = FancyBboxPatch(
            (x - width / 2, y - 0.24),
            width,
            0.48,
            boxstyle="round,pad=0.02,rounding_size=0.1",
            facecolor=FILL[kind],
            edgecolor=COLORS[EDGE[kind]],
            linewidth=1.4,
        )
        self.ax.add_patch(patch)
        self.text(x, y, text)
        return Box(x, y, patch)

    def arrow(
        self,
        start: Box,
        end: Box,
        bend: float = 0.0,
        color: str = "black",
        style: str = "-",
    ) -> None:
        """Draw an arrow from box to box; `bend` makes it an arc."""
        from matplotlib.patches import FancyArrowPatch

        arrow = FancyArrowPatch(
            (start.x, start.y),
            (end.x, end.y),
            patchA=start.patch,
            patchB=end.patch,
            arrowstyle="-|>",
            mutation_scale=12,
            shrinkA=1,
            shrinkB=1,
            connectionstyle=f"arc3,rad={bend}",
            color=COLORS[color],
            linewidth=1.4,
            linestyle=style,
        )
        self.ax.add_patch(arrow)

    def loop(self, box: Box, text: str = "") -> None:
        """Draw an arrow from a box back to itself, on its right."""
        from matplotlib.patches import FancyArrowPatch

        right = box.x + 0.36
        self.ax.add_patch(
            FancyArrowPatch(
                (right, box.y + 0.12),
                (right, box.y - 0.12),
                arrowstyle="-|>",
                mutation_scale=12,
                connectionstyle="arc3,rad=-2.2",
                color=COLORS["green"],
                linewidth=1.4,
            )
        )
        self.text(right + 0.45, box.y, text, color=COLORS["green"])

    def text(self, x: float, y: float, text: str, **style: object) -> None:
        """Write at (x, y); TeX goes between dollar signs."""
        settings: dict = {"ha": "center", "va": "center", "fontsize": 12} | style
        self.ax.text(x, y, text, **settings)

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
        steps, rows = range(len(inputs)), len(states)
        layers = [
            [self.box(x + gap * t, y + 0.95 * (k + 1), row[t]) for t in steps]
            for k, row in enumerate(states)
        ]
        for t in steps:
            column = [layer[t] for layer in layers]
            if inputs[t]:
                column.insert(0, self.box(x + gap * t, y, inputs[t], "input"))
            if outputs[t]:
                top = y + 0.95 * (rows + 1)
                column.append(self.box(x + gap * t, top, outputs[t], "output"))
            for low, high in itertools.pairwise(column):
                self.arrow(low, high)
        for layer in layers:
            for before, after in itertools.pairwise(layer):
                self.arrow(before, after, color="green")
        return layers
