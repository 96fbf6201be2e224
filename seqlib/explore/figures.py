"""One figure, drawn the same to the byte each time, with the words that describe it."""

from __future__ import annotations

import base64
import io
import re
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The palette of Okabe and Ito, told apart by colour-blind readers too, and a grey.
COLORS = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
    "yellow": "#F0E442",
    "grey": "#6E7781",
}
CYCLE = ["blue", "vermilion", "green", "purple", "orange", "sky", "black"]
FONTS = "'DejaVu Sans',Verdana,sans-serif"
PIXELS = 704 / 6.6 / 72  # a figure 6.6 inches wide fills the book's column
DETERMINISTIC: Any = {"svg.hashsalt": "seqlib", "svg.fonttype": "none"}


def style() -> None:
    """Set matplotlib's defaults for the book; call it once, before the first figure."""
    import matplotlib as mpl
    from cycler import cycler

    mpl.rcParams.update(
        DETERMINISTIC
        | {
            "axes.prop_cycle": cycler(color=[COLORS[name] for name in CYCLE]),
            "axes.axisbelow": True,
            "axes.edgecolor": "#57606A",
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11.5,
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.h_pad": 0.1,
            "figure.constrained_layout.w_pad": 0.1,
            "figure.facecolor": "white",
            "figure.figsize": (6.6, 3.5),
            "font.family": "DejaVu Sans",
            "font.size": 11.5,
            "grid.color": "#E6E9ED",
            "grid.linewidth": 0.8,
            "image.cmap": "cividis",
            "image.interpolation": "none",
            "legend.frameon": False,
            "legend.fontsize": 10.5,
            "lines.linewidth": 2,
            "lines.markersize": 5,
            "savefig.facecolor": "white",
            "xtick.color": "#57606A",
            "xtick.labelcolor": "black",
            "xtick.labelsize": 10.5,
            "ytick.color": "#57606A",
            "ytick.labelcolor": "black",
            "ytick.labelsize": 10.5,
        }
    )


def show(fig: Figure, alt: str, caption: str) -> None:
    """Display one figure with its caption, and close it.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        At most 6.6 inches wide, the width of the book's column; wider ones are
        scaled down, and their words with them.
    alt : str
        What the picture shows, in words, for a reader who cannot see it.
    caption : str
        The line under the picture.

    Raises
    ------
    TypeError, ValueError
        If `fig` is no figure, or a text is missing.
    """
    alt, caption = sentence("alt", alt), sentence("caption", caption)
    html = figure(svg(as_figure(fig)), alt, caption)
    publish({"text/html": html, "text/plain": alt})


def figure(picture: str, alt: str, caption: str) -> str:
    """Write the page's part: the picture and its caption."""
    return (
        f"<style>{asset('figure.css')}</style>\n"
        f'<figure class="seqlib-figure" style="margin:16px 0">\n{image(picture, alt)}\n'
        f"<figcaption>{escape(caption)}</figcaption>\n</figure>"
    )


def as_figure(fig: Any, maker: str = "show needs") -> Figure:
    """`fig`, if it is a figure; otherwise a sentence that says what it is."""
    from matplotlib.figure import Figure

    if not isinstance(fig, Figure):
        kind = type(fig).__name__
        raise TypeError(f"{maker} a matplotlib Figure, got {kind}")
    return fig


def sentence(name: str, text: Any) -> str:
    """`text`, if it says something."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a string, got {type(text).__name__}")
    if not text.strip():
        raise ValueError(f"{name} is empty: say in words what the figure shows")
    return text.strip()


def svg(fig: Figure) -> str:
    """Draw `fig` as a small SVG, one element a line, without dates; then close it."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    buffer = io.StringIO()
    with mpl.rc_context(DETERMINISTIC):
        fig.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None})
    plt.close(fig)
    return shrink(buffer.getvalue())


def shrink(text: str) -> str:
    """Drop from matplotlib's SVG what no browser needs, and round to 1/100 point."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'(?<= d=")[^"]*', lambda m: path(m[0]), text)
    text = re.sub(r'(?<= [xy]=")[^"]*', lambda m: rounded(m[0]), text)
    text = re.sub(r"(?<=translate\()[^)]*", lambda m: rounded(m[0]), text)
    text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
    text = re.sub(r"'DejaVu Sans'(, [^;\"]*)?(?=[;\"])", FONTS, text)
    used = set(re.findall(r'[("]#([^)"]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", text)
    return re.sub(r">\s*\n\s*<", ">\n<", text).strip()


def path(d: str) -> str:
    """Write a path without the spaces around its letters."""
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", rounded(d)).strip()


def rounded(numbers: str) -> str:
    """Every number of the text with at most two decimals."""
    return re.sub(
        r"-?\d+\.\d+(e-?\d+)?", lambda m: f"{round(float(m[0]), 2) + 0:g}", numbers
    )


def image(picture: str, alt: str) -> str:
    """Hold the SVG in an `<img>`, with the room it takes, so that nothing jumps."""
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', picture)
    assert size, "matplotlib's SVG has a viewBox"
    width, height = (round(float(side) * PIXELS) for side in size.groups())
    data = base64.b64encode(picture.encode()).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}" '
        'style="max-width:100%;height:auto" decoding="async">'
    )


@cache
def asset(name: str) -> str:
    """Style or script that travels inside the output."""
    return files(__package__).joinpath(name).read_text("utf-8").strip()


def publish(bundle: dict[str, Any]) -> None:
    """Display the bundle in a notebook; elsewhere print its plain text."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(bundle["text/plain"])
        return
    if get_ipython() is None:
        print(bundle["text/plain"])
    else:
        display(bundle, raw=True)
