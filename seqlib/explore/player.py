"""Sliders that move a picture: live with a kernel, from stored frames without one."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from .figures import as_figure, asset, figure, image, publish, sentence, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAMES, BYTES = 40, 500_000
# A reload starts at the first frame; JupyterLab leaves the arrow keys to the control.
KEYS = 'autocomplete="off" data-lm-suppress-shortcuts="true"'
TOO_MUCH = (
    f"the {BYTES // 1000} kB a page can carry: give fewer values, plot fewer points, "
    "or draw the heavy part with rasterized=True"
)


def explore(
    draw: Callable[..., Figure],
    alt: str | Callable[..., str],
    caption: str,
    **values: Iterable[Any],
) -> None:
    """Display the figure that `draw` makes, with a slider for each of its arguments.

    Every combination of values is drawn once and stored, so that the sliders also move
    in a static page. With a kernel they are ipywidgets, and each move calls `draw`.

    Parameters
    ----------
    draw : function
        Takes one value of each list by keyword and returns a matplotlib Figure. Fix
        the limits of its axes, so that only what matters moves.
    alt : str or function
        What the picture shows, in words; as a function, it takes the same keywords.
    caption : str
        The line under the picture.
    **values : list of numbers or strings
        One list for each argument of `draw`, shown under its name ("_" as a space).

    Raises
    ------
    TypeError, ValueError
        Before anything is drawn, if there is nothing to choose from or too much (more
        than 40 frames), or if `draw` or `alt` does not take these names; while
        drawing, if a frame is no figure or all of them together exceed 500 kB.
    """
    choices = checked(values)
    frames = [
        dict(zip(choices, each, strict=True)) for each in product(*choices.values())
    ]
    caption = sentence("caption", caption)
    takes("draw", draw, frames[0])
    if callable(alt):
        takes("alt", alt, frames[0])
    alts = [describe(alt, frame) for frame in frames]

    html = player(draw_all(draw, frames), alts, caption, choices)
    now = ", ".join(
        f"{label(name)} = {shown(each[0])}" for name, each in choices.items()
    )
    bundle = {
        "text/html": html,
        "text/plain": f"{alts[0]}\n[interactive figure: {now}]",
    }
    publish(bundle | live(draw, alt, caption, choices))


def checked(values: dict[str, Iterable[Any]]) -> dict[str, list[Any]]:
    """Turn the values into lists, if they make between 1 and 40 frames."""
    if not values:
        raise ValueError(
            "explore needs at least one list of values, as in lag=[1, 2, 3]"
        )
    choices = {}
    for name, each in values.items():
        if isinstance(each, str) or not isinstance(each, Iterable):
            raise TypeError(f"{name} must be a list of values, got {each!r}")
        choices[name] = [v.item() if hasattr(v, "item") else v for v in each]
        if not choices[name]:
            raise ValueError(f"{name} has no values to choose from")
    count = prod(map(len, choices.values()))
    if count > FRAMES:
        sizes = " x ".join(str(len(each)) for each in choices.values())
        raise ValueError(
            f"{sizes} = {count} frames are more than the {FRAMES} a page can carry: "
            "give fewer values"
        )
    return choices


def takes(role: str, function: Any, frame: dict[str, Any]) -> None:
    """Say so now if `function` does not take these keywords."""
    if not callable(function):
        raise TypeError(f"{role} must be a function, got {type(function).__name__}")
    try:
        inspect.signature(function).bind(**frame)
    except TypeError as error:
        names = ", ".join(frame)
        raise TypeError(f"{role} must take the keywords {names}: {error}") from error


def describe(alt: str | Callable[..., str], frame: dict[str, Any]) -> str:
    """Describe one frame: what `alt` says of it, or `alt` and the values."""
    if callable(alt):
        return sentence("alt", alt(**frame))
    now = ", ".join(f"{label(name)} {shown(value)}" for name, value in frame.items())
    return f"{sentence('alt', alt).rstrip('.')}. Here: {now}."


def label(name: str) -> str:
    """Show `spectral_radius` as "spectral radius"."""
    return name.replace("_", " ")


def shown(value: Any) -> str:
    """Show a number without needless digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def draw_all(
    draw: Callable[..., Figure], frames: Sequence[dict[str, Any]]
) -> list[str]:
    """Draw each frame; stop as soon as what is new in them outgrows the page."""
    pictures: list[str] = []
    lines: set[str] = set()
    for frame in frames:
        pictures.append(svg(as_figure(draw(**frame), "draw must return")))
        lines.update(pictures[-1].splitlines())
        if sum(map(len, lines)) > BYTES:
            raise ValueError(
                f"the first {len(pictures)} of {len(frames)} frames are over {TOO_MUCH}"
            )
    return pictures


def share(pictures: Sequence[str]) -> dict[str, list]:
    """Keep each line of the pictures once: frames of one figure are mostly alike."""
    number: dict[str, int] = {}
    frames = [
        [number.setdefault(line, len(number)) for line in picture.splitlines()]
        for picture in pictures
    ]
    return {"frames": frames, "lines": list(number)}


def player(
    pictures: Sequence[str], alts: Sequence[str], caption: str, choices: dict[str, list]
) -> str:
    """Write the page's part: first frame, controls, all frames, and the script."""
    values = {name: [shown(v) for v in each] for name, each in choices.items()}
    record = {"alts": alts, "values": list(values.values())} | share(pictures)
    data = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    data = data.replace("</", "<\\/").replace("<!", "<\\u0021")
    key = hashlib.sha256((caption + "".join(values) + data).encode()).hexdigest()[:12]
    controls = "".join(
        control(key, name, choices[name], values[name]) for name in values
    )
    html = (
        f"<style>{asset('figure.css')}\n{asset('player.css')}</style>\n"
        '<figure class="seqlib-figure seqlib-player" style="margin:16px 0">\n'
        f"{image(pictures[0], alts[0])}\n"
        f'<div class="seqlib-controls" style="display:none">\n{controls}</div>\n'
        f"<figcaption>{escape(caption)}</figcaption>\n"
        f'<p class="seqlib-status" role="status"></p>\n'
        f'<script type="application/json">{data}</script>\n'
        f"<script>{asset('player.js')}</script>\n</figure>"
    )
    if (size := len(html.encode())) > BYTES:
        raise ValueError(
            f"the {len(pictures)} frames take {size // 1000} kB, over {TOO_MUCH}"
        )
    return html


def few(values: list[Any]) -> bool:
    """Tell two to four names, shown side by side, from what needs a slider."""
    return 2 <= len(values) <= 4 and all(isinstance(value, str) for value in values)


def control(key: str, name: str, values: list[Any], words: list[str]) -> str:
    """Two to four names are buttons to choose from, all else is a slider."""
    title = escape(label(name))
    if few(values):
        group = f"{key}-{escape(name)}"
        buttons = "".join(
            f'<label><input type="radio" name="{group}" value="{i}" {KEYS}'
            f"{'' if i else ' checked'}><span>{escape(word)}</span></label>"
            for i, word in enumerate(words)
        )
        return (
            f'<div class="seqlib-control" role="radiogroup" aria-label="{title}">'
            f'<span class="seqlib-name">{title}</span>'
            f'<span class="seqlib-choices">{buttons}</span></div>\n'
        )
    width = max(map(len, words))
    return (
        f'<div class="seqlib-control"><label><span class="seqlib-name">{title}</span>'
        f'<input type="range" min="0" max="{len(values) - 1}" step="1" value="0" '
        f'{KEYS} aria-valuetext="{escape(words[0])}"></label>'
        f'<output style="min-width:{width}ch">{escape(words[0])}</output></div>\n'
    )


def live(
    draw: Callable[..., Figure],
    alt: str | Callable[..., str],
    caption: str,
    choices: dict[str, list],
) -> dict[str, Any]:
    """With a kernel and ipywidgets: the part of the bundle that shows live sliders."""
    try:
        import ipywidgets
        from IPython import get_ipython
    except ImportError:
        return {}
    if not hasattr(get_ipython(), "kernel"):
        return {}
    box = sliders(ipywidgets, draw, alt, caption, choices)
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    return {"application/vnd.jupyter.widget-view+json": view}


def sliders(
    widgets: Any,
    draw: Callable[..., Figure],
    alt: str | Callable[..., str],
    caption: str,
    choices: dict[str, list],
) -> Any:
    """Make the same controls of ipywidgets 7 or 8, each move calling `draw`."""
    controls = {
        name: (widgets.ToggleButtons if few(each) else widgets.SelectionSlider)(
            options=[(shown(value), value) for value in each],
            description=label(name),
            style={"description_width": "initial"},
        )
        for name, each in choices.items()
    }
    picture = widgets.HTML()

    def redraw(_: Any = None) -> None:
        frame = {name: control.value for name, control in controls.items()}
        drawn = svg(as_figure(draw(**frame), "draw must return"))
        picture.value = figure(drawn, describe(alt, frame), caption)

    for each in controls.values():
        each.observe(redraw, "value")
    redraw()
    return widgets.VBox([*controls.values(), picture])
