"""Make a small site of several runs: history, what changed, coverage by technique."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import PATH, json_option
from harness.cli.screen import out, paper
from harness.diagnostics import HarnessError
from harness.output_file import write_file
from harness.report.console import format_count
from harness.report.history_site import write_site
from harness.report.json_document import dumps
from harness.report.run_history import encode_history, list_run_changes, read_runs
from harness.scenario.scenario import Label


@click.command("report")
@click.argument("folder", type=PATH, metavar="DIR")
@click.option("--out", "target", type=PATH, metavar="FOLDER", help="Where the site is written (default: DIR/site).")
@json_option
def command(folder: Path, target: Path | None, as_json: bool) -> int:
    r"""Reads the documents of runs in DIR (`detlab run --json > DIR/NAME.json`) and writes pages about them.

    The first page has all runs with their numbers and the newest one's coverage by technique; each run has a page with
    what changed since the run before, what got worse first. Nothing is judged again.

    \b
    detlab run --json > runs/2026-12-01.json
    detlab report runs
    """
    runs = read_runs(folder)
    where = target or folder / "site"
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError("unwritable", f"{where}: {(error.strerror or str(error)).lower()}") from error
    for name, text in write_site(runs):
        write_file(where / name, text.encode("utf-8"))
    if as_json:
        out(dumps({**encode_history(runs), "site": str(where / "index.html")}))
        return 0
    head = ["run", "when", "attacks seen", "benign quiet", "differ"]
    rows = [
        [r.name, r.began, str(r.share(Label.MALICIOUS)), str(r.share(Label.BENIGN)), str(r.differing)] for r in runs
    ]
    out(paper().table(head, rows, right=frozenset({2, 3, 4})))
    changes = list(list_run_changes(runs[-2], runs[-1])) if len(runs) > 1 else []
    for change in changes:
        mark = " (worse)" if change.worse else ""
        told = f"{change.before or 'not there'} -> {change.after or 'gone'}{mark}"
        out(paper().paragraph(f"{change.title}: {change.rule} {told}", indent=4))
    out(f"{format_count(len(runs), 'run')}; {where / 'index.html'}")
    return 0
