"""The page of benchmarks: tables and figures of what `make bench` measured last.

All of it comes from benchmarks/results.json: the aims and what is missed of them, and
for each part of the suite its comparisons, how cost grows, and where the time goes.
"""

import json
from itertools import groupby
from math import ceil
from pathlib import Path

from docutils import nodes
from ledger import table
from sphinx.util.docutils import SphinxDirective

FILE = "benchmarks/results.json"


def where(row):
    """Say where a row was measured, as the head of its column does."""
    if row.get("device", "cpu") != "cpu":
        return f"{row['device']}, {row['dtype']}"
    threads = row.get("threads")
    return f"{threads} thread{'s' * (threads != 1)}" if threads else "measured"


def value(row):
    """Return the ratio, or what took its place, with quartiles and our own median."""
    found = (row["value"], *row["spread"])
    own, first, third = (f"{x:.{0 if x >= 100 else 2}f}" for x in found)
    own = f"{own} ({first} to {third})"
    if row["theirs"] is None:
        return f"{own} {row['unit']}"
    return f"{own}, {row['ours']['median']:.3g} {row['unit']}"


def verdict(row):
    """Say whether a row meets its aim, and if not, by how much it misses it."""
    over = row["value"] / row["aim"] - 1
    return "met" if over <= 0 else f"missed by {max(1, round(100 * over))} %"


def aims(stored):
    """Return a row of words for each aim, and a sentence for each reason of a miss."""
    rows, reasons = [], {}
    for row in stored["rows"]:
        if row["aim"] is None:
            continue
        beside = row["theirs"]["name"] if row["theirs"] else "–"
        said = verdict(row)
        cells = [row["what"], beside, where(row), value(row), f"{row['aim']:g}", said]
        rows.append(cells)
        if said != "met":
            reasons.setdefault(row["what"], row["why"] or "Why is not known yet.")
    return rows, [f"{what}: {why}" for what, why in reasons.items()]


def comparisons(rows):
    """Return the head and the rows of one part's table: a column for each setting."""
    places = list(dict.fromkeys(map(where, rows)))
    lines = {}
    for row in rows:
        beside = row["theirs"]["name"] if row["theirs"] else "–"
        line = lines.setdefault((row["what"], row["ours"]["name"], beside), {})
        line[where(row)] = value(row)
    found = [[*names, *(at.get(p, "") for p in places)] for names, at in lines.items()]
    return ["What", "Ours", "Beside", *places], found


def listed(words):
    """Write words as a sentence does."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def draw(entries):
    """Draw curves in logarithms, a panel for each axis; return picture and caption."""
    import matplotlib.pyplot as plt

    from seqlib.explore.figures import COLORS, CYCLE, figure, style, svg

    names = list(dict.fromkeys(name for e in entries for name in e["curves"]))
    with plt.rc_context():
        style()
        columns = len(entries) if len(entries) < 4 else 2
        rows = ceil(len(entries) / columns)
        size = (6.6, 2.7 * rows + 0.4)
        fig, panels = plt.subplots(rows, columns, figsize=size, squeeze=False)
        for panel, entry in zip(panels.flat, entries, strict=False):
            for name, curve in entry["curves"].items():
                i = names.index(name)
                look = {"marker": "os^D"[i], "color": COLORS[CYCLE[i]]}
                panel.plot(entry["at"], curve, label=name, **look)
            panel.set_xscale("log", base=2)
            panel.set_yscale("log", base=2)
            panel.yaxis.set_major_formatter("{x:g}")
            values = [y for curve in entry["curves"].values() for y in curve]
            panel.set_ylim(min(values) / 1.5, max(values) * 1.5)  # a tick at least
            panel.set_xticks(entry["at"], entry["at"], rotation=45)
            panel.minorticks_off()
            panel.set(xlabel=entry["axis"], ylabel=entry["unit"])
        labels = {
            label: line
            for panel in panels.flat
            for line, label in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        fig.legend(labels.values(), labels, loc="outside upper left", ncols=2)
        picture = svg(fig)
    axes = listed(dict.fromkeys(entry["axis"] for entry in entries))
    what, unit = entries[0]["what"], entries[0]["unit"]
    slopes = "; ".join(
        f"{name} " + listed([f"{axis} to the {s:g}" for axis, s in several])
        for name, several in by_name(entries)
    )
    caption = f"{what}, in {unit}, over {axes}; fitted slopes: {slopes}."
    ends = "; ".join(
        f"over {e['axis']} from {e['at'][0]} to {e['at'][-1]}, {name} goes from "
        f"{c[0]:g} to {c[-1]:g} {unit}"
        for e in entries
        for name, c in e["curves"].items()
    )
    return figure(picture, f"Curves, logarithmic both ways. {what}: {ends}.", caption)


def by_name(entries):
    """Return each curve's name with its axes and slopes."""
    found = {}
    for entry in entries:
        for name, slope in entry["slopes"].items():
            found.setdefault(name, []).append((entry["axis"], slope))
    return found.items()


class Benchmarks(SphinxDirective):
    """What the directives share: the record, and tables of words."""

    def read(self):
        """Read the record; the page is made anew when it changes."""
        path = Path(self.env.srcdir, FILE)
        self.env.note_dependency(str(path))
        return json.loads(path.read_text("utf-8"))

    def table(self, head, rows):
        """Return a table of words."""
        return table(head, [[nodes.Text(cell) for cell in row] for row in rows])


class Aims(Benchmarks):
    """`{benchmark-aims}`: the machine, every aim, and why one is missed."""

    def run(self):
        """Build a line, a table and a list."""
        stored = self.read()
        versions = listed([f"{k} {v}" for k, v in stored["versions"].items()])
        gpu = stored["gpu"] or "no GPU"
        line = f"{stored['machine']}, {stored['cores']} cores, {gpu}; {versions}."
        busiest = max(stored["loads"].values())
        if busiest > stored["cores"] + 1:  # the benchmark itself is one or two
            line += (
                f" Other work went on: at one part's start {busiest:.0f} processes "
                "wanted to run, so read the times as ratios only."
            )
        rounds = [row["rounds"] for row in stored["rows"] if "rounds" in row]
        if rounds:
            line += f" Comparisons took {min(rounds)} to {max(rounds)} rounds."
        rows, reasons = aims(stored)
        head = ["What", "Beside", "On", "Ratio (quartiles), ours", "Aim", ""]
        missed = sum(row[-1] != "met" for row in rows)
        count = f"{len(rows) - missed} of {len(rows)} aims are met."
        found = [nodes.paragraph("", line), self.table(head, rows)]
        found.append(nodes.paragraph("", count, classes=["benchmark-count"]))
        if reasons:
            items = [nodes.list_item("", nodes.paragraph("", r)) for r in reasons]
            found.append(nodes.bullet_list("", *items))
        return found


class Part(Benchmarks):
    """`{benchmark} rnn`: what was measured of one part."""

    required_arguments = 1

    def run(self):
        """Build a table, figures, and a table of where the time goes."""
        stored, part = self.read(), self.arguments[0]
        lists = "rows", "growth", "profiles"
        rows, growth, profiles = (
            [e for e in stored[name] if e["part"] == part] for name in lists
        )
        if not rows and not growth:
            return [nodes.paragraph("", "The record holds nothing of this yet.")]
        found = [self.table(*comparisons(rows))] if rows else []
        for _, entries in groupby(growth, key=lambda e: (e["what"], e["unit"])):
            found.append(nodes.raw("", draw(list(entries)), format="html"))
        if profiles:
            head = ["Step", "Candidate", "Calls", "Share of the time, in so many calls"]
            lines = [
                [p["what"], p["name"], str(p["calls"]), self.longest(p)]
                for p in profiles
            ]
            found.append(self.table(head, lines))
        return found

    def longest(self, profile):
        """Name the operations that take longest."""
        return ", ".join(
            f"{name.removeprefix('aten::')} {100 * share:.0f} % in {calls}"
            for name, share, calls in profile["longest"]
        )


def setup(app):
    """Register with Sphinx."""
    app.add_directive("benchmark-aims", Aims)
    app.add_directive("benchmark", Part)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
