"""Studies drawn with matplotlib: shapes and hatching tell things apart, colours only repeat what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from harness.verdict.envelope import Envelope
from harness.verdict.envelope_axis import Axis
from harness.verdict.latency import Latency
from harness.verdict.mutate.mutate import Fate, Mutation
from harness.verdict.tune.result import Tuning

DARK, LIGHT, EDGE = "#1f4e79", "#f2f2f2", "#000000"
INCHES = (8.0, 5.2)
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


def draw_tuning(found: Tuning, axes: Axes) -> None:
    """False alerts against attacks caught: all combinations, the front, the published and the recommended point."""
    per_day = 1000 / max(found.population.host_days, 1e-12)
    cost, gain = found.surface.false_alerts.ravel() * per_day, found.surface.caught.ravel()
    # Of 20,000 combinations most come out alike; each dot once keeps an SVG small.
    points = np.unique(np.stack([cost, gain], axis=1), axis=0)
    axes.scatter(points[:, 0], points[:, 1], s=9, marker=".", color="#9a9a9a", label="other combinations")
    front = [(p.false_alerts * per_day, p.caught) for p in found.front]
    axes.plot(
        *zip(*front, strict=True), drawstyle="steps-post", color=EDGE, marker="o", ms=4, label="no point is better"
    )
    for name, point, marker in (("published", found.published, "s"), ("chosen", found.recommended, "^")):
        if point is not None:
            rate, low, high = (
                point.false_alerts_a_day.value,
                point.false_alerts_a_day.low,
                point.false_alerts_a_day.high,
            )
            # An interval without an upper end would stretch the axis over everything else.
            spread = [[max(0.0, rate - low)], [max(0.0, min(high, 10 * rate + 1) - rate)]]
            axes.errorbar(
                rate, point.caught, xerr=spread, fmt=marker, ms=9, mfc="white", color=DARK, capsize=3, label=name
            )
    if found.objective.budget is not None:
        axes.axvline(found.objective.budget, linestyle=":", color=EDGE, label="budget")
    # Rates go over several powers of ten, and 0 is the most wanted of them.
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=0)
    axes.set_xlabel("false alerts a day and 1,000 hosts")
    axes.set_ylabel(f"attacks caught of {len(found.population.attacks)}")
    axes.set_title(f"{found.rule.name}: {found.combinations:,} combinations", loc="left")
    axes.legend(frameon=False, loc="upper left")


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
    ticks(axes, found.x, "x")
    ticks(axes, found.y, "y")
    axes.set_title(f"{found.rule.name}: {found.behaviour}; dark caught, hatched missed", loc="left")


def ticks(axes: Axes, axis: Axis, which: str) -> None:
    """At most nine labels along an axis."""
    # Nine is chosen, no source: more overlap at this size.
    step = -(-len(axis) // 9)
    places = list(range(0, len(axis), step))
    labels = [axis.labels[p] for p in places]
    if which == "x":
        axes.set_xticks(places, labels)
        axes.set_xlabel(axis.name)
    else:
        axes.set_yticks(places, labels)
        axes.set_ylabel(axis.name)


def mutation(found: Mutation, axes: Axes) -> None:
    """Killed and surviving mutants by kind of change."""
    kinds = sorted({t.mutant.kind for t in found.mutants if t.fate in (Fate.KILLED, Fate.SURVIVED)})
    killed = [sum(t.mutant.kind == k and t.fate is Fate.KILLED for t in found.mutants) for k in kinds]
    alive = [sum(t.mutant.kind == k and t.fate is Fate.SURVIVED for t in found.mutants) for k in kinds]
    axes.barh(kinds, killed, color=DARK, edgecolor=EDGE, label="killed")
    axes.barh(kinds, alive, left=killed, color=LIGHT, edgecolor=EDGE, hatch="///", label="survived")
    for place, (k, a) in enumerate(zip(killed, alive, strict=True)):
        axes.text(k + a + 0.5, place, f"{k}/{k + a}", va="center")
    axes.set_xlabel("mutants")
    axes.set_title(f"{found.rule.name}: {100 * found.score:.1f} % killed", loc="left")
    axes.legend(frameon=False, loc="lower right")


LINE_STYLES = ("-", "--", ":", "-.")
MARKERS = "os^vDP*X"


def draw_latency(found: Latency, axes: Axes) -> None:
    """For each scenario that is ever caught, the share of its starts caught within a time."""
    for place, delay in enumerate(d for d in found.delays if d.caught):
        seconds = sorted(d.seconds for d in delay.detections if d.seconds is not None)
        share = np.arange(1, len(seconds) + 1) / len(delay.detections)
        axes.step(
            [0, *(s / 60 for s in seconds)],
            [0, *share],
            where="post",
            linestyle=LINE_STYLES[place % len(LINE_STYLES)],
            marker=MARKERS[place % len(MARKERS)],
            ms=4,
            color=EDGE,
            label=Path(delay.name).stem,
        )
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("minutes from the first event to the first alert")
    axes.set_ylabel("share of starts")
    axes.set_title(f"{found.rule.name}: time to detect", loc="left")
    if any(d.caught for d in found.delays):
        axes.legend(frameon=False, fontsize=8)


DRAWN: dict[str, Callable[[Any, Axes], None]] = {
    "tuning": draw_tuning,
    "envelope": draw_envelope,
    "mutation": mutation,
    "latency": draw_latency,
}
