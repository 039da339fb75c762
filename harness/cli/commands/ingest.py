"""Write events of any format as a coded store, which every command reads faster than the files themselves."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

import click

from harness.cli import options
from harness.cli.rule_options import add_plain_text_input, complete, contents, plain_text
from harness.cli.rule_options import build_settings as settings_of
from harness.cli.screen import ProgressLine, out
from harness.detection.content import Content
from harness.report.console import Paper, format_count
from harness.report.json_document import VERSION, dumps
from harness.run_options import RunOptions
from harness.supervisor import Limits
from harness.telemetry.indexing.plain_text import Input
from harness.telemetry.scenario_telemetry import check_conditions
from harness.telemetry.store.ingest import ingest
from harness.telemetry.store.manifest import StoreManifest

# Damages that are told; --json has all.
MOST_TOLD = 5


@click.command("ingest")
@click.argument("paths", nargs=-1, required=True, type=options.PATH, metavar="PATH...")
@click.option("--out", "target", required=True, type=options.PATH, metavar="STORE", help="The folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace a store that is there already.")
@options.condition_option
@options.add_limits
@options.json_option
@contents
@plain_text
def command(
    paths: tuple[Path, ...],
    target: Path,
    overwrite: bool,
    condition: dict[str, str],
    limits: Limits,
    as_json: bool,
    content: Content,
    sourcetype: str | None,
    source: str | None,
    host: str | None,
) -> int:
    r"""Writes the events of PATH, files or folders of any format that can be read, as one STORE.

    A store is a folder that every command takes as --events. Events are written as they are read, in bounded memory; a
    store is there when it is whole. Conditions are kept, and hold for rules unless others are given.

    \b
    detlab ingest export/ capture.evtx --out store
    detlab query my.spl --events store
    """
    check_conditions(condition)
    # No rule runs here, and a lake takes as long as it takes: only memory is bounded, unless somebody says otherwise.
    bounded = complete(limits, NO_TIME_LIMIT)
    code = options.in_child(bounded, whole=True)
    if code is not None:
        return code
    chosen = add_plain_text_input(RunOptions(settings=settings_of(content)), sourcetype, source, host)
    kept = {**content.inputs, **condition}
    began = perf_counter()
    made = ingest_with_progress(paths, target, chosen.plain, kept, overwrite=overwrite)
    took = perf_counter() - began
    size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    if as_json:
        out(dumps({"document": "ingest", "version": VERSION, **store_object(made, target, size)}))
    else:
        sys.stderr.write("\n".join(store_lines(made, target, size, took)) + "\n")
    return 0


def ingest_with_progress(
    paths: Sequence[Path], target: Path, plain: Input | None, conditions: Mapping[str, str], *, overwrite: bool
) -> StoreManifest:
    """Writes the store; a line on a terminal says how far that is."""
    progress = ProgressLine()
    try:
        return ingest(
            paths,
            target,
            plain=plain,
            conditions=conditions,
            overwrite=overwrite,
            progress=lambda events: progress.say(f"{events:,} events"),
        )
    finally:
        progress.done()


# A year: what is not to end at all must be a number too.
NO_TIME_LIMIT = 365 * 86_400.0


def store_lines(made: StoreManifest, target: Path, size: int, took: float) -> list[str]:
    """What was written, for people."""
    speed = made.rows / max(took, 1e-9)
    found = [
        f"{target}: {format_count(made.rows, 'event')} of {format_count(count_kinds(made), 'kind')}, "
        f"{size / 1e6:,.1f} MB, {speed:,.0f} events a second"
    ]
    sheet = Paper()
    for place, message, _ in made.damages[:MOST_TOLD]:
        found += sheet.paragraph(f"{place}: {message}", indent=2)
    if len(made.damages) > MOST_TOLD:
        found.append(f"  and {format_count(len(made.damages) - MOST_TOLD, 'more damage')}; --json lists them")
    return found


def count_kinds(made: StoreManifest) -> int:
    """How many kinds of events there are."""
    return len({(t.sensor, t.kind) for t in made.tables})


def store_object(made: StoreManifest, target: Path, size: int) -> dict[str, object]:
    """What was written, for machines."""
    kinds: dict[tuple[str, str], int] = {}
    for t in made.tables:
        kinds[t.sensor, t.kind] = kinds.get((t.sensor, t.kind), 0) + t.rows
    return {
        "store": str(target),
        "events": made.rows,
        "bytes": size,
        "origin": made.origin,
        "conditions": made.conditions,
        "kinds": [{"sensor": s, "kind": k, "events": n} for (s, k), n in kinds.items()],
        "damages": [{"place": p, "message": m} for p, m, misread in made.damages if not misread],
        "not_understood": [{"place": p, "message": m} for p, m, misread in made.damages if misread],
    }
