"""Run a rule on recorded events and print its rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import numpy as np

from harness.cli.lake_options import add_lake_options, refuse_sources
from harness.cli.options import PATH, add_product_options, in_child, list_chosen_engines
from harness.cli.project_settings import default_of_gate
from harness.cli.rule_answers import Found, answer_object, describe_remarks, inquire, query_events, rows_table
from harness.cli.rule_argument import add_rule_argument
from harness.cli.rule_options import add_rule_options
from harness.cli.screen import DIFFERS, out, paper
from harness.cli.sigma_options import Studied, expand_rule, show_studies
from harness.detection.lake import LakeTable
from harness.diagnostics import HarnessError
from harness.report.console import Paper, format_count
from harness.report.json_document import VERSION, dumps
from harness.run import Answer, Bench
from harness.run_options import RunOptions
from harness.scenario.foreign_rule import list_published
from harness.supervisor import end_unit
from harness.telemetry.simulation.behaviour import parse_duration
from harness.telemetry.store.manifest import is_store, read_manifest
from harness.telemetry.store.reader import TimeStretch
from harness.verdict.alerts import Alert, Census, census
from harness.verdict.store import WorldStore
from harness.verdict.study.population import SECONDS_IN_DAY
from harness.verdict.verdict import Broken

# Ten years of hourly runs; chosen, no source: more is a misspelt duration.
LONGEST_CENSUS_HOURS = 3650 * 24


def by_cause(rule: Path, events: Sequence[Path], options: RunOptions, every: timedelta | None) -> Census:
    """Runs a rule on recorded events and counts its alerts by cause.

    With `every` it is run once for each such stretch of a recorded world, on the events of that stretch alone, as a
    search does that looks back as far as it is apart from the next.
    """
    alerts: list[Alert] = []
    caused: set[int] = set()
    answer: Answer | None = None
    runs = 0
    for window in split_census_windows(events, every):
        # A store of its own for each stretch, so that memory stays that of one stretch.
        with Bench(options) as bench, bench.unit():
            answer = bench.query(rule, events, window)
            alerts += answer.alerts
            caused |= answer.trial.store.truth.list_causes()
            runs += 1
    if answer is None:
        raise HarnessError("no-events", "there is no stretch of time to look at")
    return census(
        alerts,
        answer.trial.store.truth.causes,
        days=measure_recorded_days(events, answer),
        runs=runs,
        events=answer.events,
        caused=frozenset(caused),
    )


def stretch(text: str | None) -> timedelta | None:
    """A duration as it was written. Raises HarnessError."""
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise HarnessError("wrong-duration", f"--every is {error}", help="write --every 1d") from error


def split_census_windows(events: Sequence[Path], every: timedelta | None) -> Iterator[TimeStretch | None]:
    """The stretches of a world that a rule is run on, or all of it at once."""
    if every is None:
        yield None
        return
    world = read_manifest(events[0]).world if len(events) == 1 and is_store(events[0]) else None
    if world is None:
        raise HarnessError("no-world", "only a recorded world is cut into stretches", help="leave out --every")
    begin = int(np.datetime64(world.start.removesuffix("Z"), "us").astype(np.int64))
    # In microseconds throughout: windows that are added up as doubles would overlap.
    end = begin + int(world.days * SECONDS_IN_DAY * 1e6)
    step = round(every.total_seconds() * 1e6)
    if step <= 0 or (end - begin) / step > LONGEST_CENSUS_HOURS:
        raise HarnessError(
            "wrong-duration", f"--every gives more than {LONGEST_CENSUS_HOURS} runs", help="write --every 1d"
        )
    for first in range(begin, end, step):
        yield TimeStretch(begin=first, end=min(first + step, end))


def measure_recorded_days(events: Sequence[Path], answer: Answer) -> float:
    """Days that were recorded: a world says so, of all else it is from the first event to the last."""
    store = answer.trial.store
    if isinstance(store, WorldStore):
        # At least a microsecond, as below.
        return max(store.recorded_seconds, 1e-6) / SECONDS_IN_DAY
    recorded = store.telemetry(answer.trial.conditions).events
    # Times are Arrow timestamps in microseconds, which are integers underneath; events may have none.
    times = [e.columns.column("@time").drop_null().cast("int64").to_numpy() for e in recorded]
    if not any(len(t) for t in times):
        return 0.0
    first = min(int(t.min()) for t in times if len(t))
    last = max(int(t.max()) for t in times if len(t))
    # At least a microsecond, or a rate over one event would be infinite.
    return max(last - first, 1) / (SECONDS_IN_DAY * 1e6)


def census_lines(found: Census, sheet: Paper) -> list[str]:
    """A table of causes, the totals, and how many attacks were seen."""
    head = ["cause", "", "alerts", "a day", "hosts alerted", "hosts with it"]
    rows = [
        [
            line.cause,
            "attack" if line.malicious else "benign",
            f"{line.alerts:,}",
            f"{found.a_day(line.alerts):,.1f}",
            str(line.hosts),
            str(line.present),
        ]
        for line in found.lines
    ]
    benign = sum(line.alerts for line in found.lines if not line.malicious)
    caught = sum(line.alerts > 0 for line in found.lines if line.malicious)
    attacks = sum(line.malicious for line in found.lines)
    said = [
        f"{format_count(found.alerts, 'alert')} of {format_count(found.runs, 'run')} over {found.days:g} days and "
        f"{format_count(found.hosts, 'host')}: {found.a_day(found.alerts):,.1f} a day, "
        f"{found.a_day(benign):,.1f} of them benign",
    ]
    if attacks:
        said.append(f"{caught} of {format_count(attacks, 'attack')} seen")
    return [*sheet.table(head, rows, right=frozenset({2, 3, 4, 5})), *said]


def census_object(found: Census) -> dict[str, Any]:
    """The census as JSON has it; rates are a day."""
    return {
        "alerts": found.alerts,
        "days": found.days,
        "runs": found.runs,
        "hosts": found.hosts,
        "events": found.events,
        "causes": [
            {
                "cause": line.cause,
                "malicious": line.malicious,
                "alerts": line.alerts,
                "alerts_a_day": found.a_day(line.alerts),
                "hosts": line.hosts,
                "hosts_with_it": line.present,
            }
            for line in found.lines
        ],
    }


def tell_rate(found: Census) -> int:
    """Says on stderr if benign alerts come more often than a gate of the project allows; the exit code."""
    most = default_of_gate("max_alerts_per_day", None)()
    benign = found.a_day(sum(line.alerts for line in found.lines if not line.malicious))
    if most is None or benign <= most:
        return 0
    sys.stderr.write(f"gate max_alerts_per_day: {benign:,.1f} benign alerts a day, allowed are {most:g}\n")
    return DIFFERS


def query_one(rule: Path, events: Sequence[Path], options: RunOptions, *, explained: bool) -> Found:
    """What one rule finds. Raises HarnessError where it cannot be run."""
    found = next(query_events([rule], events, options, explained=explained))
    if isinstance(found, Broken):
        raise found.error
    return found


@click.command("query")
@add_rule_argument()
@click.option("--events", multiple=True, type=PATH, metavar="PATH", help="A log file, or a folder of them.")
@click.option("--by", type=click.Choice(["cause"]), help="Count alerts by what caused the events, where that is known.")
@click.option("--every", metavar="DURATION", help="With --by on a world: run the rule on each such stretch alone.")
@click.option(
    "--last",
    metavar="DURATION",
    help="Without --events: how far back a product's own events are searched (default: 1d).",
)
@add_lake_options
@add_product_options
@add_rule_options
def command(
    rule: Path,
    events: tuple[Path, ...],
    lake: LakeTable | None,
    by: str | None,
    every: str | None,
    last: str | None,
    product: Mapping[str, Any],
    chosen: RunOptions,
    as_json: bool,
    verbose: bool,
) -> int:
    r"""Runs RULE on recorded events and prints its rows; remarks go to stderr.

    Events are .evtx, exported Windows XML, JSON or CSV of any common tool, Falcon FDR or Parquet, each also packed,
    folders of them (`detlab events` says what lies there), or a world that `detlab simulate --world` wrote; with
    --sourcetype they are plain logs, read as Splunk indexes them.

    \b
    detlab query my.spl --events capture.evtx
    detlab query my.spl --events world/ --by cause --every 1d
    detlab query my.cql --events fdr/ --json | jq .rows
    detlab query -e 'EventCode=1 | stats count by Image' --events capture.evtx
    detlab query my.spl --events capture.evtx --engine splunk
    detlab query my.spl --engine splunk --last 7d
    detlab query my.spl --lake /lake/connections --lake-time at --lake-field host=device --engine spark
    """
    elsewhere = list_chosen_engines() != (chosen.engine,)
    counted = bool(by or every)
    refuse_sources(events, lake, product=elsewhere, last=last, counted=counted)
    if elsewhere:
        asked = {**product, "last": last}
        return query_elsewhere(rule, events, chosen, asked, as_json=as_json, counted=counted)
    # Each stretch is a unit of work of its own, and so is each of several rules.
    code = in_child(chosen.limits, engine=chosen.engine, whole=not counted)
    if code is not None:
        return code
    if counted:
        return show_studies(rule, chosen, lambda own: show_census(own, events, chosen, every), as_json=as_json)
    return query_here(rule, events, replace(chosen, lake=lake), as_json=as_json, verbose=verbose)


def query_here(rule: Path, events: tuple[Path, ...], chosen: RunOptions, *, as_json: bool, verbose: bool) -> int:
    """The rule on an engine that runs plans."""
    # Of several forms each is told, so one that is left when the others were refused is told as one of several.
    if len(list_published(rule, chosen.sigma)) > 1:
        return inquire([rule], events, chosen, as_json=as_json, verbose=verbose)
    own = expand_rule(rule, chosen.sigma)[0]
    show_answer(query_one(own, events, chosen, explained=verbose), as_json=as_json, verbose=verbose)
    return 0


def show_census(rule: Path, events: tuple[Path, ...], chosen: RunOptions, every: str | None) -> Studied:
    """The alerts of a rule by their causes, for machines and for people."""
    counted = by_cause(rule, events, chosen, stretch(every))
    document = {"document": "census", "version": VERSION, **census_object(counted)}
    return Studied(document=document, lines=lambda: census_lines(counted, paper()), code=tell_rate(counted))


def query_elsewhere(
    rule: Path,
    events: tuple[Path, ...],
    chosen: RunOptions,
    product: Mapping[str, Any],
    *,
    as_json: bool,
    counted: bool,
) -> int:
    """The rule on a product."""
    # Imported by name: few queries leave this machine.
    products = import_module("harness.cli.product_answers")
    return int(products.query_there(rule, events, chosen, product, as_json=as_json, counted=counted))


def show_answer(found: Found, *, as_json: bool, verbose: bool) -> None:
    """Prints the rows, and what has to be known to believe them."""
    end_unit()
    if as_json:
        out(dumps({"document": "query", "version": VERSION, **answer_object(found)}))
        return
    answer = found.answer
    out(rows_table(answer.rows, paper()))
    sys.stdout.flush()  # rows before remarks, also where both go to one terminal
    said = [
        f"{format_count(answer.events, 'event')}, {format_count(len(answer.rows), 'row')}",
        *describe_remarks(found, Paper(), verbose=verbose),  # plain: stderr may be another terminal, or none
    ]
    sys.stderr.write("\n".join(said) + "\n")
