"""detlab from Python: query, explain, simulate, judge and tune, as the commands of these names do.

Each function gives a frozen value with a table of Arrow; a notebook shows it as HTML. Everything runs in this process:
limits are those that an engine keeps by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import pyarrow as pa

from harness.api_result import (
    ExplainResult,
    JudgeResult,
    QueryResult,
    SimulateResult,
    TuneResult,
    build_table,
)
from harness.detection.content import Content, read_content
from harness.detection.language import Settings, Strictness, list_languages
from harness.diagnostics import HarnessError
from harness.project_choice import apply_project, read_checked_project
from harness.report.studies.tune_document import encode_tuning
from harness.run import Bench, run_scenarios
from harness.run_options import DEFAULT_LIMITS, RunOptions
from harness.scenario.inline_rule import keep_inline_rule
from harness.scenario.scenario import judged_by, read_scenario
from harness.study_trials import RecordedEvents, build_population, build_recorded_trial
from harness.telemetry.scenario_telemetry import record_scenario
from harness.verdict.explain import Explanation
from harness.verdict.tune.choice import Objective
from harness.verdict.tune.result import Wishes
from harness.verdict.tune.tune import tune as study_numbers
from harness.verdict.verdict import Verdict

__all__ = [
    "ExplainResult",
    "JudgeResult",
    "QueryResult",
    "SimulateResult",
    "TuneResult",
    "explain",
    "judge",
    "query",
    "simulate",
    "tune",
]

PathLike = str | Path
SECONDS_FOR_TEXTS = 60.0


class RunChoice(TypedDict, total=False):
    """What a run is made with, as the options of these names on the command line.

    `dialect` is `strict` or `lenient`; `macros`, `lookups`, `props` and `saved` are paths; `parameters` the values of
    `?name`; `now` epoch seconds; `zone` a time zone; `settings` a detlab.yaml; `seconds` how long a plan may run.
    """

    dialect: str
    conditions: Mapping[str, str]
    switches: Mapping[str, str]
    parameters: Mapping[str, str]
    macros: Sequence[PathLike]
    lookups: Sequence[PathLike]
    props: Sequence[PathLike]
    saved: Sequence[PathLike]
    settings: PathLike
    now: float
    zone: str
    seed: int
    seconds: float


def query(
    rule: PathLike, events: PathLike | Sequence[PathLike], *, language: str = "", **choice: Unpack[RunChoice]
) -> QueryResult:
    """The rows of a rule on recorded events: `.evtx`, exported XML, JSON, CSV, Parquet, folders of them, a world.

    `rule` is a file; with `language` it is the text of a query. Raises HarnessError, most with a place in the text.
    """
    with Bench(build_options(choice)) as bench:
        found = bench.query(locate_rule(rule, language), list_paths(events))
        alerts = found.alerts
    return QueryResult(
        rule=found.rule.query.name,
        table=build_table(found.rows),
        events=found.events,
        alerts=sum(alert.malicious for alert in alerts),
        absent=found.absent,
        remarks=tuple(f"{f.severity}[{f.code}]: {f.message}" for f in (*found.deviations, *found.plan.findings)),
    )


def explain(
    rule: PathLike,
    events: PathLike | Sequence[PathLike] = (),
    *,
    scenario: PathLike | None = None,
    language: str = "",
    **choice: Unpack[RunChoice],
) -> ExplainResult:
    """A rule step by step on recorded events, or on what a scenario leaves, and where the attack is lost."""
    path = locate_rule(rule, language)
    with Bench(replace(build_options(choice), rules=(path,) if scenario is not None else ())) as bench:
        if scenario is not None:
            read = judged_by(read_scenario(Path(scenario)), [path])
            trial = bench.trial_of(read, read.body.expect[0], bench.store(read))
        else:
            trial = bench.query(path, list_paths(events)).trial
        return build_explanation(trial.rule.query.name, trial.explanation(trial.plan()))


def build_explanation(name: str, found: Explanation) -> ExplainResult:
    """An explanation as a table of its steps."""
    steps = {
        "step": pa.array([step.name for step in found.steps], pa.string()),
        "text": pa.array([" ".join(step.span.text.split()) for step in found.steps], pa.string()),
        "rows": pa.array([step.rows for step in found.steps], pa.int64()),
        "malicious": pa.array([step.malicious for step in found.steps], pa.int64()),
        "benign": pa.array([step.benign for step in found.steps], pa.int64()),
    }
    loss = found.loss
    return ExplainResult(
        rule=name,
        table=pa.table(steps),
        recorded=found.recorded,
        malicious=found.malicious,
        lost_at=" ".join(loss.span.text.split()) if loss else "",
        clauses=tuple(f"{c.span.text} lost {c.lost}" for c in loss.clauses) if loss else (),
        nearest=tuple(map(str, loss.misses)) if loss else (),
    )


def simulate(
    scenario: PathLike, *, seed: int | None = None, conditions: Mapping[str, str] | None = None
) -> SimulateResult:
    """What hosts record of a scenario; the same seed gives the same events."""
    read = read_scenario(Path(scenario))
    telemetry = record_scenario(read, {**read.body.conditions, **(conditions or {})}, seed=seed)
    table = pa.table(
        {
            "sensor": pa.array([e.sensor for e in telemetry.events], pa.string()),
            "kind": pa.array([e.kind for e in telemetry.events], pa.string()),
            "events": pa.array([len(e) for e in telemetry.events], pa.int64()),
        }
    )
    return SimulateResult(title=read.body.title, table=table, telemetry=telemetry)


def judge(*scenarios: PathLike, rules: Sequence[PathLike] = (), **choice: Unpack[RunChoice]) -> JudgeResult:
    """What each rule says of each scenario: of files and folders, else of ./scenarios or the pack of detlab.

    `rules` are judged in place of those that the scenarios name.
    """
    options = replace(build_options(choice), rules=tuple(map(Path, rules)), jobs=1)
    outcomes = run_scenarios(list(map(Path, scenarios)), options)
    return JudgeResult(
        table=build_verdicts(outcomes.verdicts),
        as_expected=outcomes.as_expected,
        broken=tuple(f"{b.path}: {b.error.code}: {b.error.message}" for b in outcomes.broken),
        signals_differing=tuple(
            f"{v.scenario.path}: {v.signal.sensor} {v.signal.event}: {v.counted} recorded"
            for v in outcomes.visibilities
            if not v.as_expected
        ),
        seconds=outcomes.seconds,
    )


def build_verdicts(verdicts: Sequence[Verdict]) -> pa.Table:
    """Verdicts as a table."""
    text = pa.string()
    return pa.table(
        {
            "scenario": pa.array([str(v.scenario.path) for v in verdicts], text),
            "rule": pa.array([v.rule.name for v in verdicts], text),
            "activity": pa.array([str(v.scenario.body.activity) for v in verdicts], text),
            "expected": pa.array([str(v.expectation.outcome) for v in verdicts], text),
            "observed": pa.array([str(v.observed) for v in verdicts], text),
            "as_expected": pa.array([v.as_expected for v in verdicts], pa.bool_()),
            "alerts": pa.array([len(v.alerts) for v in verdicts], pa.int64()),
            "because": pa.array([v.expectation.because for v in verdicts], text),
        }
    )


def tune(
    rule: PathLike,
    *scenarios: PathLike,
    events: PathLike | Sequence[PathLike] = (),
    malicious: Mapping[str, str] | None = None,
    values: Mapping[str, Sequence[float]] | None = None,
    budget: float | None = None,
    recall: float | None = None,
    cost: float | None = None,
    seconds_for_texts: float = SECONDS_FOR_TEXTS,
    **choice: Unpack[RunChoice],
) -> TuneResult:
    """The numbers of a rule: what each setting catches and costs, and which to choose.

    `budget` is in false alerts a day and 1,000 hosts, `recall` a share from 0 to 1, `cost` how many false alerts a
    missed attack counts for; without one of them nothing is chosen.
    """
    objective = Objective(budget=budget, recall=recall, cost_ratio=cost)
    strictness = Strictness(choice.get("dialect") or "lenient")
    seed = choice.get("seed", 0)
    wishes = Wishes(
        values=values or {}, objective=objective, seconds=seconds_for_texts, seed=seed, strictness=strictness
    )
    paths = list_paths(scenarios)
    with Bench(build_options(choice)) as bench:
        if events:
            recorded = RecordedEvents(paths=list_paths(events), malicious=malicious or {})
            trials = [build_recorded_trial(bench, Path(rule), paths, recorded)]
        else:
            trials = build_population(bench, Path(rule), paths)
        document = encode_tuning(study_numbers(trials, wishes))
    return TuneResult(
        rule=document["rule"],
        table=pa.Table.from_pylist([flatten(point) for point in document["front"]]),
        published=flatten(document["published"]),
        recommended=flatten(document["recommended"]) if document["recommended"] else None,
        diff=document["diff"],
        remarks=tuple(document["remarks"]),
    )


def flatten(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point of a study with names that have no levels: `recall.low`."""
    found: dict[str, Any] = {}
    for name, value in point.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{below}": each for below, each in flatten(value).items()}
        else:
            found[name] = value
    return found


def locate_rule(rule: PathLike, language: str) -> Path:
    """The path of a rule; a text is kept as one. Raises HarnessError for a text without its language."""
    if language:
        if language not in list_languages():
            raise HarnessError("unknown-language", f"no query language is called `{language}`")
        return keep_inline_rule(str(rule), language, name="text")
    if isinstance(rule, str) and ("\n" in rule or "|" in rule):
        raise HarnessError("usage", "this is no path but a text", help=f"say language={list_languages()[-1]!r}")
    return Path(rule)


def list_paths(given: PathLike | Sequence[PathLike]) -> tuple[Path, ...]:
    """One path or several."""
    return (Path(given),) if isinstance(given, str | Path) else tuple(map(Path, given))


def build_options(choice: RunChoice) -> RunOptions:
    """The choice of a run. Raises HarnessError for what there is not."""
    known = RunChoice.__optional_keys__ | RunChoice.__required_keys__
    for name in choice:
        if name not in known:
            raise HarnessError("usage", f"there is no choice `{name}`", help=f"there are {', '.join(sorted(known))}")
    paths = [Path(p) for key in ("lookups", "macros", "saved") for p in choice.get(key) or ()]  # type: ignore[attr-defined]
    others = read_content(paths).without_extraction()
    content = Content(parameters=choice.get("parameters") or {}).over(others)
    content = content.over(read_content([Path(p) for p in choice.get("props") or ()]))
    limits = replace(DEFAULT_LIMITS, seconds=choice.get("seconds") or DEFAULT_LIMITS.seconds)
    options = RunOptions(
        dialect=choice.get("dialect"),
        conditions=choice.get("conditions") or {},
        switches=choice.get("switches") or {},
        settings=content.settings(Settings(now=choice.get("now", 0.0), zone=choice.get("zone", "UTC"))),
        seed=choice.get("seed"),
        limits=limits,
    )
    given = choice.get("settings")
    return apply_project(options, read_checked_project(Path(given))) if given else options
