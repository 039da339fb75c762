"""Hunt with a folder of rules in a folder of events: one table of what each rule finds."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from harness.cli import options
from harness.cli.commands.coverage import add_trying_options, cover_until_interrupted, require_library_rules
from harness.cli.rule_answers import inquire
from harness.cli.rule_options import build_settings
from harness.cli.screen import DIFFERS, INTERRUPTED, ProgressLine, out, paper
from harness.detection.content import Content
from harness.diagnostics import HarnessError
from harness.output_file import write_file
from harness.report.console import Paper, format_count
from harness.report.json_document import VERSION, dumps
from harness.report.studies.coverage import HITS_HEAD, encode_covered, list_hit_cells, rank_hits
from harness.run_options import RunOptions
from harness.verdict.coverage import Covered, Trying

# Chosen, no source: -v and --rule show more of each rule.
MOST_DETAILED = 20
COLUMNS = ("rule", "title", "level", "hits", "hosts", "first", "last", "error")


@click.command("hunt")
@click.argument("paths", nargs=-1, required=True, type=options.PATH, metavar="RULES...")
@click.option("--rule", "named", multiple=True, metavar="NAME", help="Show the rows of this rule: its title or file.")
@click.option("--all", "every", is_flag=True, help="List rules that find nothing too.")
@click.option(
    "--out", "target", type=options.PATH, metavar="FILE", help="Also write the table: FILE.csv, .parquet or .json."
)
@add_trying_options
@options.json_option
@options.verbose
def command(
    paths: tuple[Path, ...],
    named: tuple[str, ...],
    every: bool,
    target: Path | None,
    tried: Trying,
    as_json: bool,
    verbose: bool,
) -> int:
    r"""Runs all RULES, files and folders, on --events and lists what each finds: level, hits, hosts, first and last.

    The gravest come first. Rules that cannot be run are listed with the reason and counted; the exit code is then 1.
    -v shows the rows of each rule that finds something, --rule those of one.

    \b
    detlab hunt rules/ --events export/
    detlab hunt rules/ --events export/ --rule "Encoded PowerShell" --out hits.csv
    """
    if not tried.events:
        raise HarnessError("usage", "there is nothing to hunt in", help="add --events PATH")
    write = choose_writer(target) if target is not None else None
    subjects = require_library_rules(paths, tried.sigma)
    progress = ProgressLine()
    covered, whole = cover_until_interrupted(subjects, tried, progress, verbose=verbose, quiet=as_json)
    if target is not None and write is not None:
        write_file(target, write(covered))
    untried = len(subjects) - len(covered)
    if as_json:
        out(dumps(encode_hunt(covered, untried=untried)))
    else:
        out(format_hunt(covered, paper(), every=every, untried=untried))
    code = INTERRUPTED if not whole else DIFFERS if any(not each.runs for each in covered) else 0
    detailed = [] if as_json else choose_detailed(covered, named, verbose=verbose)
    # The child that shows rows ends with this command's code, whatever becomes of one of the rules.
    return max(code, show_details(detailed, tried)) if detailed else code


def format_hunt(covered: Sequence[Covered], sheet: Paper, *, every: bool, untried: int) -> list[str]:
    """The table for people, and how many rules found something, found nothing, and could not be run."""
    ran = [each for each in covered if each.runs]
    finding = [each for each in ran if each.rows]
    failing = [each for each in covered if not each.runs]
    shown = sorted(ran if every else finding, key=rank_hits)
    # A Sigma rule is one rule in each language.
    titles = Counter(each.title for each in covered if each.title)
    rows = [list_hit_cells(each, apart=titles[each.title] > 1) for each in shown]
    lines = sheet.table(HITS_HEAD, rows, right=frozenset({2, 3})) if rows else []
    hits = sum(each.rows or 0 for each in finding)
    said = f"{format_count(len(covered), 'rule')}: {len(finding)} found {format_count(hits, 'row')}, "
    said += f"{len(ran) - len(finding)} found nothing, {len(failing)} could not be run"
    lines += ["", *sheet.paragraph(said + (f"; interrupted, {untried} not tried" if untried else ""))]
    reasons = Counter(each.construct for each in failing).most_common(MOST_DETAILED)
    return lines + [line for text, number in reasons for line in sheet.paragraph(f"  {number} on {text}")]


def choose_detailed(covered: Sequence[Covered], named: Sequence[str], *, verbose: bool) -> list[Covered]:
    """The rules that were named, with `verbose` the gravest that find something."""
    if verbose and not named:
        return sorted((each for each in covered if each.rows), key=rank_hits)[:MOST_DETAILED]
    return [find_rule(covered, name) for name in named]


def show_details(chosen: Sequence[Covered], tried: Trying) -> int:
    """Prints the rows of these rules; the exit code."""
    out("\n")
    sys.stdout.flush()
    code = options.in_child(tried.limits, engine=tried.engine, whole=False)
    if code is not None:
        return code
    answered = RunOptions(
        engine=tried.engine,
        dialect=str(tried.dialect),
        conditions=tried.conditions,
        usual=tried.given.inputs,
        settings=tried.given.settings(build_settings(Content())),
        limits=tried.limits,
        sigma=tried.sigma,
    )
    return inquire([each.subject.path for each in chosen], tried.events, answered, as_json=False, verbose=False)


def find_rule(covered: Sequence[Covered], name: str) -> Covered:
    """The rule of a title, a file's name or a path. Raises HarnessError where there is none."""
    for each in covered:
        if name in (each.title, each.subject.path.name, str(each.subject.path), each.subject.path.stem):
            return each
    raise HarnessError("no-such-rule", f"none of the rules is called `{name}`", help="give a title or a file's name")


def encode_hunt(covered: Sequence[Covered], *, untried: int) -> dict[str, Any]:
    """The whole hunt for machines: every rule, whatever became of it."""
    return {
        "document": "hunt",
        "version": VERSION,
        "rules": len(covered),
        "untried": untried,
        "finding": sum(bool(each.rows) for each in covered),
        "failing": sum(not each.runs for each in covered),
        "found": [encode_covered(each) for each in sorted(covered, key=rank_hits)],
    }


def build_hunt_table(covered: Sequence[Covered]) -> pa.Table:
    """Every rule as a row; `hosts` are their names with blanks between, times are UTC."""
    rows = [encode_covered(each) for each in sorted(covered, key=rank_hits)]
    columns: Mapping[str, list[Any]] = {
        "rule": [r["path"] for r in rows],
        "title": [r["title"] for r in rows],
        "level": [r["level"] for r in rows],
        "hits": [r["rows"] for r in rows],
        "hosts": [" ".join(r["hosts"]) if r["hosts"] is not None else None for r in rows],
        "first": [r["first"] for r in rows],
        "last": [r["last"] for r in rows],
        "error": [f"{r['error']['code']}: {r['error']['message']}" if r["error"] else None for r in rows],
    }
    kinds = {name: pa.int64() if name == "hits" else pa.string() for name in COLUMNS}
    return pa.table({name: pa.array(columns[name], kinds[name]) for name in COLUMNS})


def write_hits_csv(covered: Sequence[Covered]) -> bytes:
    """The table as CSV."""
    held = io.BytesIO()
    pyarrow.csv.write_csv(build_hunt_table(covered), held)
    return held.getvalue()


def write_parquet(covered: Sequence[Covered]) -> bytes:
    """The table as Parquet."""
    held = io.BytesIO()
    pyarrow.parquet.write_table(build_hunt_table(covered), held)
    return held.getvalue()


def write_hits_json(covered: Sequence[Covered]) -> bytes:
    """The document that --json prints."""
    return (dumps(encode_hunt(covered, untried=0)) + "\n").encode("utf-8")


WRITERS: Mapping[str, Callable[[Sequence[Covered]], bytes]] = {
    ".csv": write_hits_csv,
    ".parquet": write_parquet,
    ".json": write_hits_json,
}


def choose_writer(target: Path) -> Callable[[Sequence[Covered]], bytes]:
    """How a file of that suffix is written, said before the hunt and not after. Raises HarnessError."""
    found = WRITERS.get(target.suffix.lower())
    if found is None:
        raise HarnessError("unknown-format", f"{target} has no suffix of a table", help=f"write {', '.join(WRITERS)}")
    return found
