"""Targets that execute: rules planned over the columns of real events and run on some dozens of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from fuzz.promise import Target
from fuzz.text_targets import ROOT, SHARED, decode, find_queries
from harness.detection.engine import open_engine
from harness.detection.language import Settings, language, list_languages
from harness.diagnostics import Source
from harness.scenario.foreign_rules.sigma import WINDOWS_CONDITIONS
from harness.scenario.rule import Metadata, Rule
from harness.scenario.scenario import read_scenario
from harness.telemetry.events.event import Telemetry, merge_telemetry
from harness.telemetry.format import read_telemetry
from harness.telemetry.scenario_telemetry import record_scenario
from harness.verdict.judge import Trial
from harness.verdict.store import TelemetryStore

PACK = ROOT / "scenarios" / "T1583.004"
RECORDED = ("2-dns-lookups.yaml", "1-beacon-check-in.yaml")
SAMPLES = (SHARED / "samples" / "dev" / "falcon" / "events.ndjson",)
# Rows of each kind: enough for groups, windows and sequences, few enough for some runs a second.
ROWS_OF_A_KIND = 4
PATIENCE = 20.0
RUNS_OF_AN_ENGINE = 300
USES = count(1)
# Long ones only repeat what short ones have and run seldom; chosen, no source.
LONGEST_SEED = 2_000


@cache
def collect_events() -> Telemetry:
    """Some events of every kind that the pack's scenarios record, and of real recordings where they are there."""
    parts = [record_scenario(read_scenario(PACK / name), {}, seed=1) for name in RECORDED]
    parts += [read_telemetry(path) for path in SAMPLES if path.is_file()]
    whole = merge_telemetry(parts)
    events = tuple(e.with_columns(e.columns.slice(0, ROWS_OF_A_KIND)) for e in whole.events)
    return replace(whole, events=events)


@cache
def open_store(name: str, raw: bool) -> TelemetryStore:
    """The events in an engine of its own for each view of them, so that none is loaded twice."""
    return TelemetryStore(open_engine("duckdb", PATIENCE), lambda _: collect_events())


def open_trial(name: str, text: str, conditions: Mapping[str, str]) -> Trial:
    """A query set against the events."""
    source = Source(f"fuzz.{name}", text)
    rule = Rule(path=Path(source.name), language=name, query=source, page=Metadata(title="fuzz"))
    query = language(name).parse(source)
    store = open_store(name, query.raw)
    return Trial(rule=rule, query=query, store=store, conditions=conditions, settings=Settings())


def check_run(name: str, data: bytes) -> None:
    """A query is planned over real columns and run, for its rows and for the events behind them."""
    # What statements computed stays in an engine for the next ones, so that one engine for all would only grow.
    if next(USES) % RUNS_OF_AN_ENGINE == 0:
        open_store.cache_clear()
    trial = open_trial(name, decode(data), {})
    plan = trial.plan()
    rows = trial.engine.run(plan.node)
    rows, find_alerts = trial.rows_and_alerts(plan, traced=True)
    trial.absent(plan, rows, find_alerts)
    assert all(len(row) == len(rows.columns) for row in rows.rows)


def find_events(name: str, text: str) -> frozenset[int]:
    """The numbers of the events behind the rows of a rule that pySigma converted."""
    trial = open_trial(name, text, WINDOWS_CONDITIONS)
    return frozenset(event for alert in trial.alerts(trial.plan()) for event in alert.events)


def find_short_queries(name: str) -> list[bytes]:
    """Queries to begin with that run many times a second."""
    return [q for q in find_queries(name) if len(q) <= LONGEST_SEED]


RUN_TARGETS: dict[str, Target] = {
    f"run_{n}": Target(check=partial(check_run, n), seeds=partial(find_short_queries, n)) for n in list_languages()
}


def list_missing() -> Sequence[str]:
    """Packages whose targets are left out, each with the reason."""
    return () if find_spec("sigma") else ("sigma: pySigma is not installed (pip install 'detlab[sigma]')",)
