"""Studies drawn with matplotlib: shapes and hatching tell things apart, colours only repeat what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from harness.diagnostics import Source
from harness.late_pattern import late_pattern
from harness.telemetry.simulation.activity import BooleanArray
from harness.verdict.envelope import Envelope
from harness.verdict.envelope_axis import Axis
from harness.verdict.latency import Delay, Latency
from harness.verdict.mutate.mutate import Fate, Mutation
from harness.verdict.tune.result import Tuning

DARK, LIGHT, EDGE = "#1f4e79", "#f2f2f2", "#000000"
INCHES = (8.0, 5.2)
# All chosen, no source: what fits at this size.
WIDEST_HEADING, LONGEST_ATTACK, MOST_LATENCY_ROWS = 88, 34, 10
DECIMALS = late_pattern(r"(\d+\.\d+)([a-z%]*)")
STYLE = {
    "font.size": 10,
    # matplotlib makes ids in SVG from random numbers otherwise: the same study would give other bytes.
    "svg.hashsalt": "detlab",
    # Text stays text, so that it can be searched and read aloud.
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def write_drawing(kind: str, found: Any, path: Path) -> None:
    """Draws a study and writes it as SVG or PNG, the same bytes for the same study."""
    with matplotlib.rc_context(STYLE):
        # Not pyplot, which would want a display and keep every figure.
        figure = Figure(figsize=INCHES, layout="constrained")
        DRAWN[kind](found, figure.subplots())
        # What would differ from day to day or from version to version.
        dated = {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}
        figure.savefig(path, dpi=150, metadata=dated)


def set_heading(axes: Axes, title: str, told: str) -> None:
    """What is shown, and under it what it comes to; neither runs out of the picture."""
    lines = [*wrap(title, WIDEST_HEADING), *wrap(told, WIDEST_HEADING)]
    # Of the figure and not of the axes, which long labels at their left make narrower.
    axes.figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=11)


def name_rule(source: Source) -> str:
    """The name of a rule's file: a whole path says nothing more."""
    return Path(source.name).name


def label_point(axes: Axes, text: str, at: tuple[float, float], offset: tuple[int, int]) -> None:
    """A word beside a point, on white so that nothing runs through it; left of it where it is far right."""
    side = "right" if offset[0] < 0 else "left"
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.annotate(text, at, xytext=offset, textcoords="offset points", ha=side, va="center", fontsize=9, bbox=white)


def draw_tuning(found: Tuning, axes: Axes) -> None:
    """False alerts against attacks caught: all combinations, the front, the published and the recommended point."""
    per_day = 1000 / max(found.population.host_days, 1e-12)
    cost, gain = found.surface.false_alerts.ravel() * per_day, found.surface.caught.ravel()
    # Of 20,000 combinations most come out alike; each dot once keeps an SVG small.
    points = np.unique(np.stack([cost, gain], axis=1), axis=0)
    axes.scatter(points[:, 0], points[:, 1], s=9, marker=".", color="#9a9a9a")
    front = [(p.false_alerts * per_day, p.caught) for p in found.front]
    axes.plot(*zip(*front, strict=True), drawstyle="steps-post", color=EDGE, marker="o", ms=4)
    # Rates go over several powers of ten, and 0 is the most wanted of them.
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    middle = front[len(front) // 2]
    label_point(axes, "the line: no combination is better", middle, (-8, 8))
    named = (("published", found.published, "s", (10, -14)), ("chosen", found.recommended, "^", (-10, 14)))
    for name, point, marker, offset in named:
        if point is not None:
            rate = point.false_alerts_a_day
            # An interval without an upper end would stretch the axis over everything else.
            high = min(rate.high, 10 * rate.value + 1)
            spread = [[max(0.0, rate.value - rate.low)], [max(0.0, high - rate.value)]]
            axes.errorbar(
                rate.value, point.caught, xerr=spread, fmt=marker, ms=9, mfc="white", color=DARK, capsize=3, zorder=4
            )
            label_point(axes, f"{name}: {point.caught} caught", (rate.value, point.caught), offset)
    if found.objective.budget is not None:
        axes.axvline(found.objective.budget, linestyle=":", color=EDGE)
        label_point(axes, "budget", (found.objective.budget, 0), (4, 6))
    axes.set_xlim(left=0)
    axes.set_xlabel("false alerts a day and 1,000 hosts")
    axes.set_ylabel(f"attacks caught of {len(found.population.attacks)}")
    told = f"{found.combinations:,} combinations of its numbers, a dot each; the bar is the interval of the rate"
    set_heading(axes, f"What the numbers in {name_rule(found.rule)} catch, and what they cost", told)


def draw_envelope(found: Envelope, axes: Axes) -> None:
    """The map: dark is caught, light and hatched is missed, the edge a line."""
    caught = found.caught.T
    edges = [np.arange(n + 1) - 0.5 for n in found.caught.shape]
    axes.pcolormesh(*edges, caught, cmap=ListedColormap([LIGHT, DARK]), vmin=0, vmax=1)
    if min(caught.shape) > 1 and not caught.all():
        with matplotlib.rc_context({"hatch.color": "#8a8a8a"}):
            axes.contourf(np.where(caught, 0.0, 1.0), levels=[0.5, 1.5], hatches=["///"], colors="none")
    for i, j in np.argwhere(found.caught[1:] != found.caught[:-1]).tolist():
        axes.plot([i + 0.5, i + 0.5], [j - 0.5, j + 0.5], color=EDGE, linewidth=1.8)
    for i, j in np.argwhere(found.caught[:, 1:] != found.caught[:, :-1]).tolist():
        axes.plot([i - 0.5, i + 0.5], [j + 0.5, j + 0.5], color=EDGE, linewidth=1.8)
    for reason in found.reasons:
        axes.plot(*reason.cell, marker="o" if reason.caught else "x", color="white" if reason.caught else EDGE, ms=6)
    for word, cells, ink in (("caught", found.caught, "white"), ("missed", ~found.caught, EDGE)):
        if cells.any():
            label_region(axes, word, cells, ink)
    ticks(axes, found.x, "x")
    ticks(axes, found.y, "y")
    share = 100 * float(found.caught.mean()) if found.caught.size else 0.0
    told = f"{share:.0f} % of {found.variants:,} variants caught (dark); the study explains dots and crosses"
    set_heading(axes, f"Which variants of `{found.behaviour}` {name_rule(found.rule)} sees", told)


def label_region(axes: Axes, word: str, cells: BooleanArray, ink: str) -> None:
    """A word on the cell that is nearest to the middle of a region."""
    places = np.argwhere(cells)
    at = places[np.abs(places - places.mean(axis=0)).sum(axis=1).argmin()]
    box = {"facecolor": DARK if ink == "white" else "white", "edgecolor": EDGE, "pad": 3.0}
    # Upright at the edge of the picture, where a region may be one column wide.
    turned = 90 if cells.any(axis=1).sum() < cells.shape[0] / 8 else 0
    across, up = (float(n) for n in at)
    axes.text(across, up, word, color=ink, ha="center", va="center", fontsize=11, rotation=turned, bbox=box)


def ticks(axes: Axes, axis: Axis, which: str) -> None:
    """At most nine labels along an axis, its name with its unit."""
    # Nine is chosen, no source: more overlap at this size.
    step = -(-len(axis) // 9)
    places = list(range(0, len(axis), step))
    labels = [shorten_number(axis.labels[p]) for p in places]
    # Labels of durations have their units with them.
    bare = axis.unit and not axis.labels[0][-1:].isalpha()
    name = f"{axis.name} ({axis.unit})" if bare else axis.name
    if which == "x":
        axes.set_xticks(places, labels)
        axes.set_xlabel(name)
    else:
        axes.set_yticks(places, labels)
        axes.set_ylabel(name)


def shorten_number(label: str) -> str:
    """A label whose number has three digits at most: `0.881633` is 0.882, `114.8s` is 115s."""
    found = DECIMALS.fullmatch(label)
    return f"{float(found[1]):.3g}{found[2]}" if found else label


def draw_mutation(found: Mutation, axes: Axes) -> None:
    """Killed and surviving mutants by kind of change, those with most survivors on top."""
    counted = [t for t in found.mutants if t.fate in (Fate.KILLED, Fate.SURVIVED)]
    alive = Counter(t.mutant.kind for t in counted if t.fate is Fate.SURVIVED)
    every = Counter(t.mutant.kind for t in counted)
    kinds = sorted(every, key=lambda k: (alive[k], every[k]))
    axes.barh(kinds, [every[k] - alive[k] for k in kinds], color=DARK, edgecolor=EDGE)
    axes.barh(
        kinds,
        [alive[k] for k in kinds],
        left=[every[k] - alive[k] for k in kinds],
        color=LIGHT,
        edgecolor=EDGE,
        hatch="///",
    )
    for place, kind in enumerate(kinds):
        left = f", {alive[kind]} not noticed" if alive[kind] else ""
        axes.text(every[kind], place, f" {every[kind] - alive[kind]} of {every[kind]}{left}", va="center")
    axes.set_xlim(right=max(every.values(), default=1) * 1.3)
    axes.set_xlabel("changes of the rule (mutants)")
    told = f"{100 * found.score:.1f} % of {len(counted)} noticed; dark noticed, hatched not noticed"
    set_heading(axes, f"Which changes of {name_rule(found.rule)} its tests notice", told)


def draw_latency(found: Latency, axes: Axes) -> None:
    """A row for each way in which attacks are caught: earliest to latest alert, the median a dot, 90 % a stroke.

    Attacks with the same times share a row; the ten slowest rows are shown.
    """
    rows: dict[tuple[float, ...], list[Delay]] = {}
    for delay in found.delays:
        if delay.caught:
            times = tuple(sorted(d.seconds / 60 for d in delay.detections if d.seconds is not None))
            rows.setdefault(times, []).append(delay)
    shown = sorted(rows.items(), key=lambda item: (np.median(item[0]), item[0]))[-MOST_LATENCY_ROWS:]
    for place, (times, same) in enumerate(shown):
        axes.plot([times[0], times[-1]], [place, place], color=EDGE, linewidth=2, marker="|", ms=9)
        axes.plot(np.median(times), place, marker="o", ms=9, color=DARK, mec=EDGE)
        caught, starts = same[0].caught, len(same[0].detections)
        told = f"{caught} of {starts} starts" if caught < starts else "every start"
        label_point(axes, told, (times[-1], place), (8, 0))
    axes.set_yticks(range(len(shown)), [name_attacks(same) for _, same in shown])
    axes.set_ylim(-0.7, max(len(shown), 1) - 0.3)
    if shown:
        axes.set_xlim(0, 1.25 * max(times[-1] for times, _ in shown))
    axes.set_xlabel("minutes from the attack's first event to the first alert")
    schedule = found.schedule
    every = f"every {schedule.every.total_seconds() / 60:g} min"
    back = "" if schedule.back is None else f" over the last {schedule.back.total_seconds() / 60:g} min"
    never = sum(not d.caught for d in found.delays)
    rest = f"; {len(rows) - len(shown)} faster rows left out" if len(rows) > len(shown) else ""
    told = f"run {every}{back}; dot: median, line: earliest to latest; {never} of {len(found.delays)} never seen{rest}"
    set_heading(axes, f"How soon {name_rule(found.rule)} sees an attack", told)


def name_attacks(same: Sequence[Delay]) -> str:
    """The attacks of a row by name, at most two."""
    names = [Path(d.name).stem if d.name.endswith((".yaml", ".yml")) else d.name for d in same]
    shown = [name if len(name) <= LONGEST_ATTACK else f"{name[: LONGEST_ATTACK - 2]}.." for name in names[:2]]
    return "\n".join(shown if len(names) <= 2 else [shown[0], f"and {len(names) - 1} alike"])


DRAWN: dict[str, Callable[[Any, Axes], None]] = {
    "tuning": draw_tuning,
    "envelope": draw_envelope,
    "mutation": draw_mutation,
    "latency": draw_latency,
}
