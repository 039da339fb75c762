"""A small site of several runs: a page of their history, and one for each run with what changed and its coverage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import Markup

from harness.report.formats.html import build_static_policy, read_page_part, render_page
from harness.report.page_document import Slugs
from harness.report.run_history import PastRun, list_run_changes, share_by_technique
from harness.report.tally import Share
from harness.scenario.scenario import Label

# A viewBox; chosen.
WIDE, HIGH, MARGIN = 640, 180, 36


def write_site(runs: Sequence[PastRun]) -> Iterator[tuple[str, str]]:
    """The files of the site, name and text; links are relative, so that it may lie anywhere."""
    slugs = Slugs()
    pages = [f"run-{slugs(run.name)}.html" for run in runs]
    befores: list[PastRun | None] = [None, *runs[:-1]]
    changes = [list(list_run_changes(b, run)) if b else [] for b, run in zip(befores, runs, strict=True)]
    rows = [
        {
            "name": run.name,
            "page": page,
            "began": run.began,
            "seen": run.share(Label.MALICIOUS),
            "quiet": run.share(Label.BENIGN),
            "differing": run.differing,
            "changes": len(own),
            "worse": sum(c.worse for c in own),
        }
        for run, page, own in zip(runs, pages, changes, strict=True)
    ]
    newest = runs[-1]
    yield "index.html", write_history_page("Runs", rows=rows, run=newest, changes=None, chart=draw_history(runs))
    for run, page, before, own in zip(runs, pages, befores, changes, strict=True):
        heading = f"Run {run.name}, {run.began}"
        yield page, write_history_page(heading, rows=(), run=run, changes=own, before=before.name if before else "")


def write_history_page(
    heading: str, *, rows: Sequence[Any], run: PastRun, changes: Sequence[Any] | None, before: str = "", chart: str = ""
) -> str:
    """One page of the site."""
    style = read_page_part("page.css")
    techniques = share_by_technique(run)
    return render_page(
        "history.html.j2",
        heading=heading,
        links=() if rows else (("index.html", "All runs"),),
        runs=rows,
        newest=run.name if rows else "",
        techniques=list(techniques.items()),
        rules=list(dict.fromkeys(rule for shares in techniques.values() for rule in shares)),
        changes=changes,
        before=before,
        chart=Markup(chart),
        style=Markup(style),
        policy=build_static_policy(style),
    )


def draw_history(runs: Sequence[PastRun]) -> str:
    """Shares over runs as SVG; it holds numbers only, no text of strangers."""
    lines = []
    for kind, activity in (("attack", Label.MALICIOUS), ("other", Label.BENIGN)):
        places = [place_share(i, len(runs), run.share(activity)) for i, run in enumerate(runs)]
        path = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(places))
        dashes = ' stroke-dasharray="6 4"' if kind == "other" else ""
        lines.append(f'<path class="line" d="{path}" fill="none" stroke="currentColor" stroke-width="2"{dashes}/>')
        if kind == "attack":
            lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="currentColor"/>' for x, y in places]
        else:
            lines += [
                f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="currentColor"/>' for x, y in places
            ]
    marks = "".join(
        f'<text x="0" y="{y + 4:.1f}">{n} %</text><line class="axis" x1="{MARGIN}" x2="{WIDE}" y1="{y}" y2="{y}"/>'
        for n in (0, 50, 100)
        for y in [HIGH - 12 - n * (HIGH - 24) / 100]
    )
    first, last = runs[0], runs[-1]
    says = (
        f"attack verdicts seen: {first.share(Label.MALICIOUS)} at first, {last.share(Label.MALICIOUS)} at last; "
        f"benign quiet: {first.share(Label.BENIGN)} at first, {last.share(Label.BENIGN)} at last"
    )
    head = f'<svg class="time" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{says}">'
    return f"{head}{marks}{''.join(lines)}</svg>"


def place_share(number: int, size: int, share: Share) -> tuple[float, float]:
    """Where a run's share stands."""
    step = (WIDE - MARGIN - 20) / max(1, size - 1)
    part = share.good / share.total if share.total else 0.0
    return MARGIN + 10 + number * step, HIGH - 12 - part * (HIGH - 24)
