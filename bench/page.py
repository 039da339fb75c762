"""The lines of a run as a table for a terminal, as JSON and as one page with plots."""

from __future__ import annotations

import html
import math
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from bench.measure import Line
from bench.process import Cost

# Plots span a hundredth of a bar to a hundred bars.
DECADES = 2
WIDTH, SQUARE = 360, 120


def encode_lines(lines: Sequence[Line]) -> dict[str, Any]:
    """Every figure of a run, absolute ones too, with the machine that they belong to."""
    machine = {"processors": os.cpu_count(), "load": os.getloadavg(), "kernel": platform.release()}
    return {
        "document": "bench",
        "version": 1,
        "machine": machine,
        "lines": [{**asdict(line), "met": line.met, "fails": line.fails} for line in lines],
    }


def verdict(line: Line) -> str:
    """What a line comes to, in a word or two."""
    if line.broken:
        return f"FAILED: {(line.missing or '').splitlines()[0][:300]}"
    if line.missing is not None:
        return f"not measured: {line.missing.splitlines()[0][:90]}"
    if line.equal is False:
        return "ROWS DIFFER"
    if line.met is None:
        return ""
    word = "met" if line.met else "MISSED"
    return word if line.judged else f"{word.lower()} (not judged at this size)"


def bar_of(line: Line) -> str:
    """The bar as it is read."""
    return "" if line.bar is None else f"{'>=' if line.at_least else '<='} {line.bar:g}"


def figures(cost: Cost | None) -> str:
    """CPU and wall seconds and megabytes."""
    return "" if cost is None else f"{cost.cpu:.2f} s, {cost.wall:.2f} s, {cost.memory / 1e6:,.0f} MB"


def format_table(lines: Sequence[Line]) -> str:
    """The table for a terminal; figures are of this machine."""
    head = ("measure", "subject (CPU, wall, memory)", "against (CPU, wall, memory)", "ratio", "bar", "")
    rows = [head]
    for line in lines:
        subject = f"{line.subject} ({figures(line.cost)})" if line.cost else line.subject
        against = f"{line.yardstick} ({figures(line.against)})" if line.against else line.yardstick
        value = "" if line.value is None else f"{line.value:.3g}"
        equal = " (rows equal)" if line.equal else ""
        rows.append((line.measure, subject, against, value, bar_of(line), verdict(line) + equal))
    widths = [max(len(row[place]) for row in rows) for place in range(5)]
    return "\n".join(
        "  ".join((*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[5])).rstrip() for row in rows
    )


def position(value: float, bar: float) -> float:
    """Where a value lies in a plot whose middle is the bar, from 0 to 1."""
    decades = math.log10(max(value, 1e-9) / bar)
    return min(max(decades / (2 * DECADES) + 0.5, 0.0), 1.0)


def plot(line: Line) -> str:
    """A bar of SVG from the left to the value, logarithmic, with the line's bar as a rule in the middle."""
    if line.value is None:
        return ""
    bar = 1.0 if line.bar is None else line.bar
    colour = "#88a" if line.bar is None else "#888" if not line.judged else "#2a7d4f" if line.met else "#b3361e"
    width = max(2.0, position(line.value, bar) * WIDTH)
    return (
        f'<svg width="{WIDTH}" height="14" role="img" aria-label="{line.value:.3g}, bar {bar:g}">'
        f'<rect width="{width:.1f}" height="14" fill="{colour}"/>'
        f'<line x1="{WIDTH / 2}" x2="{WIDTH / 2}" y1="0" y2="14" stroke="#000" stroke-width="2"/></svg>{curve(line)}'
    )


def curve(line: Line) -> str:
    """The points of a slope in a square, both sides logarithmic and of the same scale; dashed is a slope of 1."""
    if len(line.points) < 2:
        return ""
    first_x, first_y = line.points[0]
    places = [(math.log10(x / first_x), math.log10(y / first_y)) for x, y in line.points]
    scale = SQUARE / max(*(abs(part) for place in places for part in place), 1e-9)
    marks = " ".join(f"{x * scale:.1f},{SQUARE - y * scale:.1f}" for x, y in places)
    return (
        f'<br><svg width="{SQUARE}" height="{SQUARE}" role="img" aria-label="cost by size" style="overflow:visible">'
        f'<line x1="0" y1="{SQUARE}" x2="{SQUARE}" y2="0" stroke="#999" stroke-dasharray="4"/>'
        f'<polyline points="{marks}" fill="none" stroke="#1f4e79" stroke-width="2"/></svg>'
    )


def ratio(line: Line, of: str) -> str:
    """The ratio of two costs in one respect, where both are known."""
    if line.cost is None or line.against is None:
        return ""
    return f"{getattr(line.cost, of) / getattr(line.against, of):.3g}"


def table_row(line: Line) -> str:
    """A line of the page's table."""
    value = "" if line.value is None else f"{line.value:.3g}"
    cells = (line.subject, line.yardstick, value, bar_of(line), ratio(line, "wall"), ratio(line, "memory"))
    told = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
    equal = "equal rows" if line.equal else ""
    return f"<tr>{told}<td>{plot(line)}</td><td>{html.escape(' '.join((verdict(line), equal)).strip())}</td></tr>"


def format_page(lines: Iterable[Line]) -> str:
    """One page of HTML without anything from elsewhere: ratios, since seconds belong to a machine."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>detlab: benchmarks</title>",
        "<style>body{font:15px/1.5 system-ui;max-width:110em;margin:2em auto;padding:0 1em}"
        "table{border-collapse:collapse;margin-bottom:2em}td,th{text-align:left;padding:.15em .8em;"
        "border-bottom:1px solid #ddd;vertical-align:top}</style>",
        "<h1>detlab: benchmarks</h1><p>Commands as a user types them, in fresh processes, runs interleaved, medians."
        " The ratio is of CPU time unless a line says otherwise; wall time and memory stand beside it. In a plot the"
        " rule in the middle is the bar, a quarter of the width a factor of ten; grey is not judged at the size that"
        " was run.</p>",
    ]
    for name, group in groupby(lines, key=lambda line: line.measure):
        rows = "".join(map(table_row, group))
        heads = "".join(f"<th>{h}</th>" for h in ("subject", "against", "ratio", "bar", "wall", "memory", "", ""))
        parts.append(f"<h2>{html.escape(name)}</h2><table><tr>{heads}</tr>{rows}</table>")
    return "\n".join(parts) + "\n"
