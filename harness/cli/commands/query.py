"""Run a rule on recorded events and print its rows."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.answers import answer_object, describe_remarks, inquire, query_events, rows_table
from harness.cli.census import by_cause, census_lines, census_object, stretch
from harness.cli.choosing import choosing
from harness.cli.options import PATH
from harness.cli.screen import out, paper
from harness.report.console import Paper, format_count
from harness.report.formats.json import VERSION, dumps
from harness.run import RunOptions
from harness.scenario.foreign_rule import rule_paths


@click.command("query")
@click.argument("rule", type=PATH)
@click.option(
    "--events", multiple=True, required=True, type=PATH, metavar="PATH", help="A log file, or a folder of them."
)
@click.option("--by", type=click.Choice(["cause"]), help="Count alerts by what caused the events, where that is known.")
@click.option("--every", metavar="DURATION", help="With --by on a world: run the rule on each such stretch alone.")
@choosing
def command(
    rule: Path,
    events: tuple[Path, ...],
    by: str | None,
    every: str | None,
    chosen: RunOptions,
    as_json: bool,
    verbose: bool,
) -> int:
    r"""Runs RULE on recorded events and prints its rows; remarks go to stderr.

    Events are .evtx, exported Windows XML, NDJSON, Falcon FDR or Parquet, each also gzipped, folders of them, or a
    world that `detlab simulate --world` wrote; with --sourcetype they are plain logs, read as Splunk indexes them.

    \b
    detlab query my.spl --events capture.evtx
    detlab query my.spl --events world/ --by cause --every 1d
    detlab query my.cql --events fdr/ --json | jq .rows
    """
    if by or every:
        counted = by_cause(rule, events, chosen, stretch(every))
        told = dumps({"document": "census", "version": VERSION, **census_object(counted)})
        out(told if as_json else census_lines(counted, paper()))
        return 0
    forms = rule_paths(rule) or [rule]
    if len(forms) > 1:
        return inquire(forms, events, chosen, as_json=as_json, verbose=verbose)
    found = next(query_events(forms, events, chosen, explained=verbose))
    if as_json:
        out(dumps({"document": "query", "version": VERSION, **answer_object(found)}))
        return 0
    answer = found.answer
    out(rows_table(answer.rows, paper()))
    sys.stdout.flush()  # rows before remarks, also where both go to one terminal
    said = [
        f"{format_count(answer.events, 'event')}, {format_count(len(answer.rows), 'row')}",
        *describe_remarks(found, Paper(), verbose=verbose),  # plain: stderr may be another terminal, or none
    ]
    sys.stderr.write("\n".join(said) + "\n")
    return 0
